// model_types.cpp: types: how they are made, what they are asked for, and the type, size and count of an object.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;
using F = TypeField;

// ---- types that are made from a specification ----

constexpr unsigned most_slots = 1024, deepest = 5;

std::uint64_t aligned(std::uint64_t size) noexcept { return (size + 15) & ~std::uint64_t{15}; }
std::int64_t signed_int(std::uint64_t value) noexcept { return static_cast<std::int32_t>(value); }

/// What a specification says, of either kind (PyType_Spec, an array of PySlot).
struct Specification {
    std::uint64_t metaclass = 0, module = 0, name = 0, bases = 0, base = 0;
    std::optional<std::uint64_t> token{};        ///< 0: the specification itself
    std::int64_t basic_size = 0, item_size = 0;  ///< a negative size is added to that of the base
    std::uint64_t flags = 0;
    std::vector<std::pair<SlotPlace, std::uint64_t>> slots{};
    unsigned seen = 0;  ///< of slots, in all arrays together: they may contain each other
};

void add_slot(I& in, Specification& spec, unsigned id, std::uint64_t value);

// Entries of PyType_Slot: the id, then a pointer.
void read_slots(I& in, Specification& spec, std::uint64_t at) {
    for (unsigned i = 0; at != 0 && i < most_slots; ++i, at += 2 * std::uint64_t{in.word()}) {
        const std::uint64_t id = in.guest().number(at, 4).value_or(0);
        if (id == 0 || ++spec.seen > most_slots) return;
        add_slot(in, spec, static_cast<unsigned>(id), in.guest().word(at + in.word()).value_or(0));
    }
}

// Entries of PySlot: 2 bytes for the id, and the value in 8 bytes from the eighth on.
void read_new_slots(I& in, Specification& spec, std::uint64_t at, unsigned depth) {
    for (unsigned i = 0; at != 0 && depth <= deepest && i < most_slots; ++i, at += 16) {
        const std::uint64_t id = in.guest().number(at, 2).value_or(0), value = in.guest().word(at + 8).value_or(0);
        if (id == 0 || ++spec.seen > most_slots) return;
        if (id == TypeSlot::subslots)
            read_new_slots(in, spec, value, depth + 1);
        else
            add_slot(in, spec, static_cast<unsigned>(id), value);
    }
}

void add_slot(I& in, Specification& spec, unsigned id, std::uint64_t value) {
    switch (id) {
        case TypeSlot::bases:
            spec.bases = value;
            return;
        case TypeSlot::base:
            spec.base = value;
            return;
        case TypeSlot::token:
            spec.token = value;
            return;
        case TypeSlot::type_slots:
            return read_slots(in, spec, value);
        case TypeSlot::name:
            spec.name = value;
            return;
        case TypeSlot::basic_size:
            spec.basic_size = static_cast<std::int64_t>(value);
            return;
        case TypeSlot::extra_basic_size:
            spec.basic_size = -static_cast<std::int64_t>(value);
            return;
        case TypeSlot::item_size:
            spec.item_size = static_cast<std::int64_t>(value);
            return;
        case TypeSlot::flags:
            spec.flags = value;
            return;
        case TypeSlot::metaclass:
            spec.metaclass = value;
            return;
        case TypeSlot::module:
            spec.module = value;
            return;
        default:
            if (const auto place = slot_place(id)) spec.slots.emplace_back(*place, value);
    }
}

void make_type(I& in, Specification spec) {
    Guest& guest = in.guest();
    // Bases are given as a tuple, or as one type.
    if (spec.bases != 0 && in.is_type(spec.bases)) spec.bases = in.new_tuple_of(std::array{spec.bases});
    if (spec.base == 0 && spec.bases != 0) spec.base = guest.word(spec.bases + in.head_size() + in.word()).value_or(0);
    if (spec.base == 0) spec.base = in.named_type("PyBaseObject_Type");
    in.ready_type(spec.base);
    if (spec.metaclass == 0)
        spec.metaclass = in.is_type(spec.base) ? in.type_of(spec.base) : in.named_type("PyType_Type");
    const std::uint64_t type = in.new_heap_type(spec.metaclass, guest.text(spec.name).value_or(""));
    if (type == 0) return in.result(0);
    const std::uint64_t base_size = in.type_field(spec.base, F::basic_size);
    const std::uint64_t extra = spec.basic_size < 0 ? static_cast<std::uint64_t>(-spec.basic_size) : 0;
    in.set_type_field(type, F::basic_size,
                      spec.basic_size > 0    ? static_cast<std::uint64_t>(spec.basic_size)
                      : spec.basic_size == 0 ? base_size
                                             : aligned(base_size) + aligned(extra));
    in.set_type_field(type, F::item_size, static_cast<std::uint64_t>(spec.item_size));
    in.set_type_field(type, F::flags, spec.flags | TypeFlags::heap_type);
    for (const auto& [place, value] : spec.slots)
        in.set_type_field(type, place.table == 0 ? place.index : place.own_table() + place.index, value);
    in.set_type_field(type, F::base, spec.base);
    in.set_type_field(type, F::bases, spec.bases);
    in.set_type_field(type, F::heap_module, spec.module);
    if (in.model().minor >= 14) in.set_type_field(type, F::heap_token, spec.token.value_or(0));
    in.objects().add_own(type);
    in.ready_type(type);
    in.result(type);
}

// PyType_Spec: the name, three ints, and the slots.
void from_spec(I& in, std::uint64_t metaclass, std::uint64_t module, std::uint64_t at, std::uint64_t bases) {
    Guest& guest = in.guest();
    const unsigned word = in.word();
    Specification spec{.metaclass = metaclass, .module = module, .name = guest.word(at).value_or(0), .bases = bases};
    spec.basic_size = signed_int(guest.number(at + word, 4).value_or(0));
    spec.item_size = signed_int(guest.number(at + word + 4, 4).value_or(0));
    spec.flags = guest.number(at + word + 8, 4).value_or(0);
    read_slots(in, spec, guest.word(at + (word == 8 ? 24 : 16)).value_or(0));
    if (spec.token == 0u) spec.token = at;  // Py_TP_USE_SPEC
    make_type(in, std::move(spec));
}
void type_from_spec(I& in) { from_spec(in, 0, 0, in.argument(0), 0); }
void type_from_spec_with_bases(I& in) { from_spec(in, 0, 0, in.argument(0), in.argument(1)); }
void type_from_module_and_spec(I& in) { from_spec(in, 0, in.argument(0), in.argument(1), in.argument(2)); }
void type_from_metaclass(I& in) { from_spec(in, in.argument(0), in.argument(1), in.argument(2), in.argument(3)); }
void type_from_slots(I& in) {
    Specification spec;
    read_new_slots(in, spec, in.argument(0), 0);
    make_type(in, std::move(spec));
}

// A static type cannot be derived from one that is made at run time, as that may go away before it.
void type_ready(I& in) {
    const std::uint64_t type = in.argument(0), base = in.type_field(type, F::base);
    const auto is_made = [&](std::uint64_t one) { return (in.type_field(one, F::flags) & TypeFlags::heap_type) != 0; };
    if (base != 0 && is_made(base) && !is_made(type)) {
        in.raise("TypeError: a static type has a base type that is dynamically allocated");
        return in.result(~std::uint64_t{0});
    }
    in.ready_type(type);
    in.result(0);
}

// ---- classes of errors ----

void new_error_type(I& in, std::uint64_t bases, std::uint64_t attributes) {
    std::uint64_t base = bases;
    if (bases != 0 && in.objects().has_known_length(bases))
        base = in.guest().word(bases + in.head_size() + in.word()).value_or(0);
    else
        bases = 0;
    if (base == 0) base = in.error_type("Exception");
    const std::string name = in.guest().text(in.argument(0)).value_or("");
    const std::uint64_t type = in.new_heap_type(in.named_type("PyType_Type"), name);
    if (type == 0) return in.result(0);
    in.set_type_field(type, F::flags, TypeFlags::heap_type | TypeFlags::base_type);
    in.set_type_field(type, F::base, base);
    in.set_type_field(type, F::bases, bases);
    in.ready_type(type);
    in.keep_text(type, name.substr(name.rfind('.') + 1));
    in.objects().add_own(type);
    for (const auto& [key, value] : in.stored_in(attributes)) in.set_attribute(type, key, value);
    in.result(type);
}
void error_type(I& in) { new_error_type(in, in.argument(1), in.argument(2)); }
void error_type_with_doc(I& in) { new_error_type(in, in.argument(2), in.argument(3)); }

// PyStructSequence_Desc: name, doc, fields. The classes are tuples.
std::uint64_t sequence_type(I& in, std::uint64_t type, std::uint64_t description) {
    if (type == 0) type = in.new_heap_type(in.named_type("PyType_Type"), "");
    if (type == 0) return 0;
    in.set_type_field(type, F::name, in.guest().word(description).value_or(0));
    in.set_type_field(type, F::flags, TypeFlags::base_type);
    in.set_type_field(type, F::base, in.named_type("PyTuple_Type"));
    in.set_type_field(type, F::basic_size, in.head_size() + 2 * std::uint64_t{in.word()});
    in.set_type_field(type, F::item_size, in.word());
    in.ready_type(type);
    in.objects().add_own(type);
    return type;
}
void struct_sequence_new_type(I& in) { in.result(sequence_type(in, 0, in.argument(0))); }
void struct_sequence_init_type(I& in) {
    sequence_type(in, in.argument(0), in.argument(1));
    in.result(0);
}

// ---- what they are asked for ----

void type_flags(I& in) {
    if (!in.guest().is_written(in.type_place(in.argument(0), F::flags), in.word())) in.assume("the flags of a class");
    in.result(in.type_field(in.argument(0), F::flags));
}

// An object of which nothing is known is what the module expects.
void type_is_subtype(I& in) {
    if (in.is_generic_type(in.argument(0))) return in.unknown_number(1, 0);
    in.result(in.is_subtype(in.argument(0), in.argument(1)) ? 1 : 0);
}

void instance_of(I& in, std::uint64_t type) {
    const std::uint64_t other = in.argument(1);
    // A class of another module may decide this itself; a tuple holds several.
    if (in.is_generic_type(type) || !in.is_type(other) || in.origin(other) != nullptr) return in.unknown_number(0, 1);
    in.result(in.is_subtype(type, other) ? 1 : 0);
}
void is_instance(I& in) { instance_of(in, in.type_of(in.argument(0))); }
void is_subclass(I& in) {
    if (!in.is_type(in.argument(0))) return in.unknown_number(0, 1);
    instance_of(in, in.argument(0));
}

void type_slot(I& in) {
    const auto place = slot_place(static_cast<unsigned>(in.argument(1)));
    if (!place) return in.result(0);
    const std::uint64_t type = in.argument(0);
    if (place->table == 0) {
        if (!in.guest().is_written(in.type_place(type, place->index), in.word())) in.assume("a slot of another class");
        return in.result(in.type_field(type, place->index));
    }
    if (!in.guest().is_written(in.type_place(type, place->table), in.word())) in.assume("a slot of another class");
    const std::uint64_t table = in.type_field(type, place->table);
    in.result(table == 0 ? 0 : in.guest().word(table + place->index * in.word()).value_or(0));
}

std::string full_name(I& in) { return in.guest().text(in.type_field(in.argument(0), F::name)).value_or(""); }
void type_name(I& in) {
    const std::string full = full_name(in);
    in.result(in.new_text_object(full.substr(full.rfind('.') + 1)));
}
void type_full_name(I& in) { in.result(in.new_text_object(full_name(in))); }
void type_module_name(I& in) {
    const std::string full = full_name(in);
    const std::size_t dot = full.rfind('.');
    in.result(in.new_text_object(dot == std::string::npos ? "builtins" : full.substr(0, dot)));
}

std::uint64_t module_of(I& in, std::uint64_t type) {
    return (in.type_field(type, F::flags) & TypeFlags::heap_type) != 0 ? in.type_field(type, F::heap_module) : 0;
}
void type_module(I& in) {
    const std::uint64_t module = module_of(in, in.argument(0));
    if (module == 0) in.raise("TypeError: PyType_GetModule: Type '" + full_name(in) + "' has no associated module");
    in.result(module);
}
void type_module_state(I& in) {
    const std::uint64_t module = module_of(in, in.argument(0));
    in.result(module == 0 ? 0 : in.module_state(module));
}

// The module with this definition, which is its token as well: of the type, or of one that it is derived from.
std::uint64_t module_with(I& in, std::uint64_t type, std::uint64_t definition) {
    const std::uint64_t mro = in.type_field(type, F::mro);
    const std::uint64_t count = std::min<std::uint64_t>(in.guest().word(mro + in.head_size()).value_or(0), 64);
    for (std::uint64_t i = 0; mro != 0 && i < count; ++i) {
        const std::uint64_t one = in.guest().word(mro + in.head_size() + (i + 1) * in.word()).value_or(0);
        const std::uint64_t module = one == 0 ? 0 : module_of(in, one);
        const MadeModule* made = in.record().module(module);
        if (module != 0 && made != nullptr && made->definition == definition) return module;
    }
    return 0;
}
void type_module_by_definition(I& in) {
    const std::uint64_t module = module_with(in, in.argument(0), in.argument(1));
    if (module == 0)
        in.raise("TypeError: PyType_GetModuleByDef: No superclass of '" + full_name(in) + "' has the module");
    in.result(module);
}

// PyType_GetBaseByToken(type, token, &base): 1 with the class, 0 without one.
void type_base_by_token(I& in) {
    const std::uint64_t type = in.argument(0), token = in.argument(1), mro = in.type_field(type, F::mro);
    const std::uint64_t count = std::min<std::uint64_t>(in.guest().word(mro + in.head_size()).value_or(0), 64);
    std::uint64_t found = 0;
    for (std::uint64_t i = 0; mro != 0 && i < count && found == 0; ++i) {
        const std::uint64_t one = in.guest().word(mro + in.head_size() + (i + 1) * in.word()).value_or(0);
        const bool heap = one != 0 && (in.type_field(one, F::flags) & TypeFlags::heap_type) != 0;
        if (heap && token != 0 && in.type_field(one, F::heap_token) == token) found = one;
    }
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, found);
    in.result(found != 0 ? 1 : 0);
}

// Behind what the base has.
void type_data(I& in) {
    const std::uint64_t base = in.type_field(in.argument(1), F::base);
    in.result(in.argument(0) + aligned(in.type_field(base, F::basic_size)));
}
void type_data_size(I& in) {
    const std::uint64_t base = in.type_field(in.argument(0), F::base);
    const std::uint64_t size = in.type_field(in.argument(0), F::basic_size);
    const std::uint64_t before = aligned(in.type_field(base, F::basic_size));
    in.result(size > before ? size - before : 0);
}

// ---- objects ----

void type_of(I& in) { in.result(in.type_of(in.argument(0))); }
void is_of_type(I& in) { in.result(in.type_of(in.argument(0)) == in.argument(1) ? 1 : 0); }
void set_size(I& in) { in.guest().set_word(in.argument(0) + in.head_size(), in.argument(1)); }
void size(I& in) { in.result(in.guest().word(in.argument(0) + in.head_size()).value_or(0)); }
// Nothing is counted: a new object has one reference.
void count(I& in) { in.unknown_number(1, 2); }
void same_object(I& in) { in.result(in.argument(0) == in.argument(1) ? 1 : 0); }
template <const char* const& Variable>
void is_variable(I& in) {
    in.result(in.argument(0) == in.variable(Variable) ? 1 : 0);
}
constexpr const char *none = "_Py_NoneStruct", *yes = "_Py_TrueStruct", *no = "_Py_FalseStruct";

void instance_new(I& in) { in.result(in.new_instance(in.argument(0))); }
void instance_new_with_items(I& in) { in.result(in.new_instance(in.argument(0), in.argument(1))); }
void instance_init(I& in) {
    in.give_own_type(in.argument(0), in.argument(1));
    in.result(in.argument(0));
}
void instance_init_with_items(I& in) {
    instance_init(in);
    in.guest().set_word(in.argument(0) + in.head_size(), in.argument(2));
}

// Py_GetConstant(number)
void constant(I& in) {
    constexpr std::array<std::string_view, 5> variables = {"_Py_NoneStruct", "_Py_FalseStruct", "_Py_TrueStruct",
                                                           "_Py_EllipsisObject", "_Py_NotImplementedStruct"};
    const std::uint64_t number = in.argument(0) & 0xffffffff;
    if (number < variables.size()) return in.result(in.variable(variables[number]));
    const std::uint64_t none_yet = 0;
    const std::string key = "\1constant" + std::to_string(number);
    std::uint64_t object = in.attribute(none_yet, key);
    if (object == 0 && number <= 9) {
        object = number <= 6   ? in.new_number(number - 5)
                 : number == 7 ? in.new_text_object("")
                 : number == 8 ? in.new_bytes(0, 0)
                               : in.new_tuple(0);
        in.set_attribute(none_yet, key, object);
    }
    in.result(object);
}

void callable(I& in) {
    const std::uint64_t object = in.argument(0), type = in.type_of(object);
    if (in.is_type(object) || (!in.is_generic_type(type) && type == in.named_type("PyCFunction_Type")))
        return in.result(1);
    in.unknown_number(1, 0);
}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyCallable_Check", callable},
    ModelEntry{"PyErr_NewException", error_type},
    ModelEntry{"PyErr_NewExceptionWithDoc", error_type_with_doc},
    ModelEntry{"PyObject_GC_NewVar", instance_new_with_items},
    ModelEntry{"PyObject_GetTypeData", type_data},
    ModelEntry{"PyObject_GetTypeData_DuringGC", type_data},
    ModelEntry{"PyObject_Init", instance_init},
    ModelEntry{"PyObject_InitVar", instance_init_with_items},
    ModelEntry{"PyObject_IsInstance", is_instance},
    ModelEntry{"PyObject_IsSubclass", is_subclass},
    ModelEntry{"PyObject_Type", type_of},
    ModelEntry{"PyStructSequence_InitType", struct_sequence_init_type},
    ModelEntry{"PyStructSequence_InitType2", struct_sequence_init_type},
    ModelEntry{"PyStructSequence_New", instance_new},
    ModelEntry{"PyStructSequence_NewType", struct_sequence_new_type},
    ModelEntry{"PyType_FromMetaclass", type_from_metaclass},
    ModelEntry{"PyType_FromModuleAndSpec", type_from_module_and_spec},
    ModelEntry{"PyType_FromSlots", type_from_slots},
    ModelEntry{"PyType_FromSpec", type_from_spec},
    ModelEntry{"PyType_FromSpecWithBases", type_from_spec_with_bases},
    ModelEntry{"PyType_GenericAlloc", instance_new_with_items},
    ModelEntry{"PyType_GenericNew", instance_new},
    ModelEntry{"PyType_GetBaseByToken", type_base_by_token},
    ModelEntry{"PyType_GetBaseByToken_DuringGC", type_base_by_token},
    ModelEntry{"PyType_GetFlags", type_flags},
    ModelEntry{"PyType_GetFullyQualifiedName", type_full_name},
    ModelEntry{"PyType_GetModule", type_module},
    ModelEntry{"PyType_GetModuleByDef", type_module_by_definition},
    ModelEntry{"PyType_GetModuleByToken", type_module_by_definition},
    ModelEntry{"PyType_GetModuleByToken_DuringGC", type_module_by_definition},
    ModelEntry{"PyType_GetModuleName", type_module_name},
    ModelEntry{"PyType_GetModuleState", type_module_state},
    ModelEntry{"PyType_GetModuleState_DuringGC", type_module_state},
    ModelEntry{"PyType_GetModule_DuringGC", type_module},
    ModelEntry{"PyType_GetName", type_name},
    ModelEntry{"PyType_GetQualName", type_name},
    ModelEntry{"PyType_GetSlot", type_slot},
    ModelEntry{"PyType_GetTypeDataSize", type_data_size},
    ModelEntry{"PyType_IsSubtype", type_is_subtype},
    ModelEntry{"PyType_Ready", type_ready},
    ModelEntry{"Py_GetConstant", constant},
    ModelEntry{"Py_GetConstantBorrowed", constant},
    ModelEntry{"Py_IS_TYPE", is_of_type},
    ModelEntry{"Py_Is", same_object},
    ModelEntry{"Py_IsFalse", is_variable<no>},
    ModelEntry{"Py_IsNone", is_variable<none>},
    ModelEntry{"Py_IsTrue", is_variable<yes>},
    ModelEntry{"Py_REFCNT", count},
    ModelEntry{"Py_SET_SIZE", set_size},
    ModelEntry{"Py_SIZE", size},
    ModelEntry{"Py_TYPE", type_of},
    ModelEntry{"_PyObject_GC_New", instance_new},
    ModelEntry{"_PyObject_GC_NewVar", instance_new_with_items},
    ModelEntry{"_PyObject_New", instance_new},
    ModelEntry{"_PyObject_NewVar", instance_new_with_items},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_types() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
