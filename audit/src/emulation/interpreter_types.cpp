// interpreter_types.cpp: type objects: those of the interpreter, those that a module makes, and what they inherit.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <span>

#include "emulation/c_api_names.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using F = TypeField;

// Room for the fields of a type, and for data of a metaclass behind them.
constexpr std::uint64_t type_size = 2048, most_of_an_instance = 1u << 20;
constexpr std::size_t most_bases = 64;

// Which class a class of errors is derived from, where it is not Exception.
std::string_view base_of_error(std::string_view name) noexcept {
    struct Known {
        std::string_view name, base;
    };
    static constexpr std::array known = {Known{"BaseException", ""},
                                         Known{"Exception", "BaseException"},
                                         Known{"KeyboardInterrupt", "BaseException"},
                                         Known{"SystemExit", "BaseException"},
                                         Known{"GeneratorExit", "BaseException"},
                                         Known{"BaseExceptionGroup", "BaseException"},
                                         Known{"FloatingPointError", "ArithmeticError"},
                                         Known{"OverflowError", "ArithmeticError"},
                                         Known{"ZeroDivisionError", "ArithmeticError"},
                                         Known{"IndexError", "LookupError"},
                                         Known{"KeyError", "LookupError"},
                                         Known{"ModuleNotFoundError", "ImportError"},
                                         Known{"BlockingIOError", "OSError"},
                                         Known{"ChildProcessError", "OSError"},
                                         Known{"ConnectionError", "OSError"},
                                         Known{"BrokenPipeError", "ConnectionError"},
                                         Known{"ConnectionAbortedError", "ConnectionError"},
                                         Known{"ConnectionRefusedError", "ConnectionError"},
                                         Known{"ConnectionResetError", "ConnectionError"},
                                         Known{"FileExistsError", "OSError"},
                                         Known{"FileNotFoundError", "OSError"},
                                         Known{"InterruptedError", "OSError"},
                                         Known{"IsADirectoryError", "OSError"},
                                         Known{"NotADirectoryError", "OSError"},
                                         Known{"PermissionError", "OSError"},
                                         Known{"ProcessLookupError", "OSError"},
                                         Known{"TimeoutError", "OSError"},
                                         Known{"NotImplementedError", "RuntimeError"},
                                         Known{"RecursionError", "RuntimeError"},
                                         Known{"PythonFinalizationError", "RuntimeError"},
                                         Known{"UnboundLocalError", "NameError"},
                                         Known{"IndentationError", "SyntaxError"},
                                         Known{"TabError", "IndentationError"},
                                         Known{"UnicodeError", "ValueError"},
                                         Known{"UnicodeDecodeError", "UnicodeError"},
                                         Known{"UnicodeEncodeError", "UnicodeError"},
                                         Known{"UnicodeTranslateError", "UnicodeError"},
                                         Known{"Warning", "Exception"}};
    const auto found = std::ranges::find(known, name, &Known::name);
    if (found != known.end()) return found->base;
    return name.ends_with("Warning") ? "Warning" : "Exception";
}

// "PyDict_Type": what tp_name says.
std::string shown_name(std::string_view type) {
    if (!type.starts_with("Py") || !type.ends_with("_Type")) return std::string(type);
    const std::string_view middle = type.substr(2, type.size() - 7);
    if (middle == "BaseObject") return "object";
    if (middle == "Long") return "int";
    if (middle == "Unicode") return "str";
    std::string name(middle);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return name;
}

/// Words behind the head of an object, and bytes, of types whose objects are the same in all versions
/// (Include/cpython).
struct InstanceSize {
    std::string_view name;
    unsigned words = 0, bytes = 0, item = 0;
};
constexpr InstanceSize instance_sizes[] = {
    {"PyBool_Type", 1, 0, 4}, {"PyBytes_Type", 2, 1, 1}, {"PyComplex_Type", 0, 16}, {"PyDict_Type", 4},
    {"PyFloat_Type", 0, 8},   {"PyList_Type", 3},        {"PyLong_Type", 1, 0, 4},  {"PySlice_Type", 3}};

}  // namespace

std::uint64_t Interpreter::size_of_instance(std::string_view type) const noexcept {
    const auto found = std::ranges::find(instance_sizes, type, &InstanceSize::name);
    if (found == std::end(instance_sizes)) return 256;
    return head_size() + std::uint64_t{found->words} * word() + found->bytes;
}

std::uint64_t Interpreter::type_place(std::uint64_t type, unsigned field) const noexcept {
    // 3.15 has one more field before those of types that are made at run time.
    const unsigned shift = field >= F::heap_async && model_.minor >= 15 ? 1 : 0;
    return type + head_size() + std::uint64_t{field + shift + 1} * word();
}

// Some functions that are called by name are in the slots themselves; others only do the same as what is there.
std::uint64_t Interpreter::slot_function(const char* name) {
    const std::string_view text = name;
    if (text.starts_with("PyObject_Generic") || text.starts_with("PyType_Generic") || text == "PyObject_Free")
        return find_symbol(name);
    std::uint64_t& function = slot_functions_[text];
    if (function == 0) function = add_stand_in({.name = text, .handler = c_api_function(text)});
    return function;
}

// What `object` has. The functions are those that C code calls by name: macros call them through the type.
void Interpreter::fill_type(std::uint64_t type) {
    struct Function {
        unsigned field;
        const char* name;
    };
    for (const Function& one :
         {Function{F::repr, "PyObject_Repr"}, Function{F::str, "PyObject_Str"},
          Function{F::getattro, "PyObject_GenericGetAttr"}, Function{F::setattro, "PyObject_GenericSetAttr"},
          Function{F::richcompare, "PyObject_RichCompare"}, Function{F::alloc, "PyType_GenericAlloc"},
          Function{F::free, "PyObject_Free"}})
        set_type_field(type, one.field, slot_function(one.name));
    for (const unsigned field : {F::dealloc, F::hash, F::init}) set_type_field(type, field, do_nothing_);
    set_type_field(type, F::make, make_object_of_);
}

std::uint64_t Interpreter::new_type(std::uint64_t flags, std::string_view name) {
    const std::uint64_t type = guest_.new_seen_object(type_size);
    if (type == 0) return 0;
    const std::array<std::uint8_t, 64> head{};
    guest_.write(type, head.data(), head_size() + word());
    const bool object = name == "PyBaseObject_Type", types = name == "PyType_Type";
    // Each of the first ones needs the others. Names of others may not live as long as this.
    for (const std::string_view first : {"PyType_Type", "PyBaseObject_Type", "PyTuple_Type"})
        if (name == first) types_.emplace(first, type);
    fill_head(type, types ? type : named_type("PyType_Type"));
    set_type_field(type, F::name, guest_.new_text(shown_name(name)));
    set_type_field(type, F::basic_size, object ? head_size() : types ? type_size / 2 : size_of_instance(name));
    if (const auto found = std::ranges::find(instance_sizes, name, &InstanceSize::name);
        found != std::end(instance_sizes))
        set_type_field(type, F::item_size, found->item);
    else if (!object)
        guest_.forget_written(type_place(type, F::basic_size), word());
    if (object) set_type_field(type, F::item_size, 0);
    set_type_field(type, F::flags,
                   (flags & TypeFlags::ready) != 0 ? flags : flags | TypeFlags::ready | TypeFlags::base_type);
    fill_type(type);
    if (!object) {
        set_type_field(type, F::call, slot_function("PyObject_Call"));
        set_type_field(type, F::iter, slot_function("PyObject_GetIter"));
        set_type_field(type, F::descr_get, make_object_);
        for (const unsigned field : {F::traverse, F::clear, F::iternext, F::descr_set})
            set_type_field(type, field, do_nothing_);
    }
    const std::uint64_t root = object ? 0 : named_type("PyBaseObject_Type");
    const std::uint64_t base = name == "PyBool_Type" ? named_type("PyLong_Type") : root;
    set_type_field(type, F::base, base);
    std::vector<std::uint64_t> mro{type};
    for (const std::uint64_t one : {base, root})
        if (one != 0 && one != mro.back()) mro.push_back(one);
    set_type_field(type, F::bases, new_tuple_of(std::span(mro).subspan(1, object ? 0 : 1)));
    set_type_field(type, F::mro, new_tuple_of(mro));
    return type;
}

std::uint64_t Interpreter::named_type(std::string_view name) {
    if (const std::uint64_t* known = stand_ins_.known(name)) return *known;
    if (const auto made = types_.find(name); made != types_.end()) return made->second;
    const std::uint64_t type = new_type(type_flags_of(name), name);
    types_.emplace(name, type);
    return type;
}

std::uint64_t Interpreter::error_type(const std::string& name) {
    if (const auto made = error_types_.find(name); made != error_types_.end()) return made->second;
    if (name == "EnvironmentError" || name == "IOError" || name == "WindowsError") return error_type("OSError");
    const std::string_view base_name = base_of_error(name);
    const std::uint64_t base = base_name.empty() ? named_type("PyBaseObject_Type") : error_type(std::string(base_name));
    const std::uint64_t type = new_type(0, name);
    if (type == 0) return 0;
    for (const unsigned field : {F::bases, F::mro, F::flags, F::init, F::make}) set_type_field(type, field, 0);
    set_type_field(type, F::base, base);
    set_type_field(type, F::flags, TypeFlags::exception | TypeFlags::base_type);
    set_type_field(type, F::basic_size, 128);
    ready_type(type);
    for (const unsigned field : {F::basic_size, F::doc, F::methods, F::members, F::getset, F::dict_offset, F::as_number,
                                 F::as_sequence, F::as_mapping, F::weaklist_offset})
        guest_.forget_written(type_place(type, field), word());
    error_types_[name] = type;
    keep_text(type, name);
    return type;
}

std::uint64_t Interpreter::new_heap_type(std::uint64_t metaclass, const std::string& name) {
    const std::uint64_t size =
        std::max(type_size, std::min(type_field(metaclass, F::basic_size) + 256, most_of_an_instance));
    const std::uint64_t type = guest_.new_object(size);
    if (type == 0) return 0;
    fill_head(type, metaclass);
    set_type_field(type, F::name, guest_.new_text(name));
    for (const unsigned table : {F::as_async, F::as_number, F::as_sequence, F::as_mapping, F::as_buffer})
        set_type_field(type, table, type_place(type, SlotPlace{table, 0}.own_table()));
    return type;
}

std::vector<std::uint64_t> Interpreter::items_of(std::uint64_t tuple) {
    std::vector<std::uint64_t> items;
    const std::uint64_t count = tuple == 0 ? 0 : guest_.word(tuple + head_size()).value_or(0);
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, most_bases); ++i)
        items.push_back(guest_.word(tuple + head_size() + (i + 1) * word()).value_or(0));
    return items;
}

// The class itself, then what its bases have, each once and `object` last. It is the order of Python for all but
// unusual hierarchies.
std::uint64_t Interpreter::mro_of(std::uint64_t type, std::uint64_t bases) {
    std::vector<std::uint64_t> mro{type};
    const std::uint64_t object = named_type("PyBaseObject_Type");
    for (const std::uint64_t base : items_of(bases))
        for (const std::uint64_t one : items_of(type_field(base, F::mro)))
            if (one != object && std::ranges::find(mro, one) == mro.end()) mro.push_back(one);
    if (type != object) mro.push_back(object);
    return new_tuple_of(mro);
}

// As bytes of the guest, all fields at once: types are what a module has most of.
void Interpreter::inherit(std::uint64_t type, std::uint64_t base) {
    constexpr unsigned count = F::vectorcall + 1;
    const std::size_t size = word();
    std::array<std::uint8_t, count * 8> own{}, from{};
    if (!guest_.read(type_place(type, 0), own.data(), count * size) ||
        !guest_.read(type_place(base, 0), from.data(), count * size))
        return;
    // The size of the objects of a class that the interpreter or another module has.
    const bool inherits_size = type_field(type, F::basic_size) == 0;
    if (inherits_size && !guest_.is_written(type_place(base, F::basic_size), size) && guest_.is_written(type, 1))
        doubt("the size of an object of another module's class");
    const bool no_instances = (type_field(type, F::flags) & TypeFlags::disallow_instantiation) != 0;
    for (const unsigned field : {F::basic_size,
                                 F::item_size,
                                 F::dealloc,
                                 F::getattr,
                                 F::setattr,
                                 F::as_async,
                                 F::repr,
                                 F::as_number,
                                 F::as_sequence,
                                 F::as_mapping,
                                 F::hash,
                                 F::call,
                                 F::str,
                                 F::getattro,
                                 F::setattro,
                                 F::as_buffer,
                                 F::traverse,
                                 F::clear,
                                 F::richcompare,
                                 F::weaklist_offset,
                                 F::iter,
                                 F::iternext,
                                 F::descr_get,
                                 F::descr_set,
                                 F::dict_offset,
                                 F::init,
                                 F::alloc,
                                 F::free,
                                 F::is_gc,
                                 F::finalize,
                                 F::vectorcall_offset,
                                 F::make}) {
        const auto place = std::span(own).subspan(field * size, size);
        if (field == F::make && no_instances) continue;
        if (std::ranges::all_of(place, [](std::uint8_t byte) { return byte == 0; }))
            std::ranges::copy(std::span(from).subspan(field * size, size), place.begin());
    }
    guest_.write(type_place(type, 0), own.data(), count * size);
    const std::uint64_t kinds = type_field(base, F::flags) & TypeFlags::kinds;
    set_type_field(type, F::flags, type_field(type, F::flags) | kinds);
}

void Interpreter::ready_type(std::uint64_t type, unsigned depth) {
    constexpr unsigned deepest = 64;
    if (!guest_.word(type_place(type, F::vectorcall))) return;
    if ((type_field(type, F::flags) & TypeFlags::ready) != 0) return;
    const std::uint64_t object = named_type("PyBaseObject_Type");
    std::uint64_t bases = type_field(type, F::bases);
    if (type_field(type, F::base) == 0) {
        const std::vector<std::uint64_t> given = items_of(bases);
        set_type_field(type, F::base, given.empty() || given.front() == 0 ? object : given.front());
    }
    const std::uint64_t base = type_field(type, F::base);
    // A base of the module's own must be complete before; CPython does the same.
    if (base != type && base != object && depth < deepest) ready_type(base, depth + 1);
    if (type_of(type) == 0) fill_head(type, type_of(base) != 0 ? type_of(base) : named_type("PyType_Type"));
    if (bases == 0) set_type_field(type, F::bases, bases = new_tuple_of(std::array{base}));
    set_type_field(type, F::mro, mro_of(type, bases));
    std::uint64_t flags = type_field(type, F::flags) | TypeFlags::ready;
    // Static types that say nothing of it have no instances that Python code makes.
    if (base == object && type_field(type, F::make) == 0 && (flags & TypeFlags::heap_type) == 0)
        flags |= TypeFlags::disallow_instantiation;
    set_type_field(type, F::flags, flags);
    inherit(type, base);
    for (const std::uint64_t other : items_of(bases))
        if (other != base && other != 0) inherit(type, other);
    if (type_field(type, F::dict) == 0) set_type_field(type, F::dict, dict_of(type));
}

std::uint64_t Interpreter::new_instance(std::uint64_t type, std::uint64_t items) {
    std::uint64_t size = 0;
    if (__builtin_mul_overflow(items, type_field(type, F::item_size), &size) ||
        __builtin_add_overflow(size, type_field(type, F::basic_size), &size) || size > most_of_an_instance)
        size = most_of_an_instance;
    const bool makes_types = (type_field(type, F::flags) & TypeFlags::type) != 0;
    // An instance may be a type itself (pybind11 makes metaclasses): large enough for one. Objects of types of other
    // modules are larger than is known here.
    const std::uint64_t object =
        guest_.new_object(std::max<std::uint64_t>(size + word(), makes_types ? type_size : 256));
    if (object == 0) return 0;
    fill_head(object, type);
    if (makes_types) {
        for (const unsigned table : {F::as_async, F::as_number, F::as_sequence, F::as_mapping, F::as_buffer})
            set_type_field(object, table, type_place(object, SlotPlace{table, 0}.own_table()));
    } else if (items != 0 && type_field(type, F::item_size) != 0) {
        guest_.set_word(object + head_size(), items);
    }
    objects_.add_own(object);
    if (!makes_types)
        for (const unsigned end : {F::dealloc, F::finalize, F::del})
            if (const std::uint64_t function = type_field(type, end); function != 0) add_destructor(function, object);
    return object;
}

bool Interpreter::is_type(std::uint64_t object) {
    const std::uint64_t type = object == 0 ? 0 : type_of(object);
    return type != 0 && (type_field(type, F::flags) & TypeFlags::type) != 0 &&
           guest_.word(type_place(object, F::vectorcall));
}

bool Interpreter::is_subtype(std::uint64_t type, std::uint64_t other) {
    if (type == other) return true;
    const std::uint64_t mro = type_field(type, F::mro);
    if (mro == 0) {  // not ready: along tp_base
        for (unsigned depth = 0; depth < most_bases && type != 0; ++depth, type = type_field(type, F::base))
            if (type == other) return true;
        return other == named_type("PyBaseObject_Type");
    }
    const std::vector<std::uint64_t> all = items_of(mro);
    return std::ranges::find(all, other) != all.end();
}

}  // namespace interlock::auditing::emulation

#endif
