// interpreter.cpp: objects, data and stand-ins of the modelled interpreter. The functions are in model_*.cpp.
//
// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <charconv>

#include <interlock/module.h>
#include <interlock/escape.hpp>
#include <interlock/version.hpp>

#include "hex_text.hpp"

namespace interlock::auditing {

namespace {

constexpr std::uint64_t object_size = 256, type_size = 2048, data_size = 512;
constexpr std::uint32_t table_entries = 512;
constexpr std::size_t max_calls = 2000, max_set_gil = 64, max_assumed = 100;
constexpr std::uint64_t exception_flags = std::uint64_t{1} << 30 | std::uint64_t{1} << 31;  // exception, and a type
constexpr std::uint64_t max_texts = 16u << 20;

// Bits of tp_flags that the checks in macros look at (Include/object.h).
constexpr std::uint64_t type_flags_of(std::string_view type) noexcept {
    struct Known {
        std::string_view name;
        unsigned bit;
    };
    for (const Known known : {Known{"PyLong_Type", 24},
                              {"PyBool_Type", 24},
                              {"PyList_Type", 25},
                              {"PyTuple_Type", 26},
                              {"PyBytes_Type", 27},
                              {"PyUnicode_Type", 28},
                              {"PyDict_Type", 29},
                              {"PyType_Type", 31}})
        if (known.name == type) return std::uint64_t{1} << known.bit;
    return 0;
}

// The type of what a function makes, where macros ask for it.
std::string_view type_made_by(std::string_view function) noexcept {
    struct Maker {
        std::string_view prefix, type;
    };
    for (const Maker maker :
         {Maker{"PyUnicode_", "PyUnicode_Type"}, Maker{"PyLong_From", "PyLong_Type"},
          Maker{"PyFloat_From", "PyFloat_Type"}, Maker{"PyTuple_", "PyTuple_Type"}, Maker{"PyList_New", "PyList_Type"},
          Maker{"PyDict_New", "PyDict_Type"}, Maker{"PyBytes_From", "PyBytes_Type"},
          Maker{"PyModule_GetDict", "PyDict_Type"}, Maker{"PyCapsule_New", "PyCapsule_Type"}})
        if (function.starts_with(maker.prefix)) return maker.type;
    return {};
}

// What is data and not a function. The symbol tables of ELF do not say it of what is imported.
bool is_data(std::string_view name) noexcept {
    static constexpr std::array exact = {
        std::string_view("stdin"),      std::string_view("stdout"),     std::string_view("stderr"),
        std::string_view("environ"),    std::string_view("__environ"),  std::string_view("__stack_chk_guard"),
        std::string_view("Py_Version"), std::string_view("__progname"), std::string_view("optarg"),
        std::string_view("_PyRuntime"), std::string_view("__stdinp"),   std::string_view("__stdoutp"),
        std::string_view("__stderrp"),  std::string_view("timezone"),   std::string_view("daylight"),
        std::string_view("tzname"),     std::string_view("_ctype_"),    std::string_view("__libc_single_threaded")};
    if (std::ranges::find(exact, name) != exact.end()) return true;
    const bool python = name.starts_with("Py") || name.starts_with("_Py");
    if (python && (name.ends_with("_Type") || name.ends_with("Struct") || name.ends_with("Flag") ||
                   name.ends_with("Object") || name.starts_with("PyExc_")))
        return c_api_returns(name) == Returns::unknown;
    // Vtables, type information, names, guards and the standard streams of C++.
    if (name == "_ZNSs4_Rep20_S_empty_rep_storageE") return true;
    for (const std::string_view prefix : {"_ZTV", "_ZTI", "_ZTS", "_ZGV", "_ZTT", "_ZSt4cout", "_ZSt4cerr", "_ZSt3cin",
                                          "_ZSt4clog", "_ZSt7nothrow", "_ZNSt6locale", "__libcpp_"})
        if (name.starts_with(prefix)) return name.starts_with("_ZNSt6locale") ? name.ends_with("idE") : true;
    return false;
}

// Numbers that say something, and not only that a call succeeded. 0 is the likely one.
bool is_value(std::string_view function) noexcept {
    for (const std::string_view status : {"PyErr_CheckSignals", "PyOS_CheckStack", "_Py_CheckRecursiveCall",
                                          "PyObject_GetBuffer", "_PyErr_CheckSignals"})
        if (function == status) return false;
    if (function.starts_with("_PyArg_") || function.starts_with("PyArg_")) return false;
    for (const std::string_view part :
         {"_As",        "True",        "False",   "None",    "_Not",  "Has",   "Compare", "_Size", "Length", "Contains",
          "IsInstance", "IsSubclass",  "Matches", "Check",   "Find",  "Count", "Index",   "Equal", "_EQ",    "_Is",
          "_Get",       "get_thread_", "strcmp",  "strncmp", "mystr", "strto", "NumBits", "Sign"})
        if (function.find(part) != std::string_view::npos) return true;
    return false;
}

// Objects that are what the arguments make them; of others nothing is known.
bool is_made(std::string_view function) noexcept {
    for (const std::string_view part : {"_New", "_From", "_new", "PyUnicode_", "PyDescr_", "PyCFunction_", "PyCMethod_",
                                        "PyStaticMethod_", "Py_BuildValue", "_Py_BuildValue", "Py_VaBuildValue",
                                        "PyModule_", "PyType_", "PyBytes_", "PyBool_", "PyTuple_", "PyMemoryView_"})
        if (function.find(part) != std::string_view::npos) return true;
    return false;
}

bool is_of_c_api(std::string_view function) noexcept {
    return function.find("Py") != std::string_view::npos &&
           (c_api_returns(function) != Returns::unknown || c_api_function(function) != nullptr);
}

void make_object(Interpreter& interpreter) { interpreter.result_object(); }
void do_nothing(Interpreter& interpreter) { interpreter.result(0); }
// An instance may be a type itself (pybind11 makes metaclasses): large enough for one, and complete.
void make_instance(Interpreter& interpreter) {
    const std::uint64_t instance = interpreter.new_type(0);
    interpreter.own_objects().insert(instance);
    interpreter.give_own_type(instance, interpreter.argument(0));
    interpreter.result(instance);
}
// The function of a TLS descriptor: gets the descriptor, and gives back the offset from the thread pointer, in the
// register for results.
void tls_descriptor(Interpreter& interpreter) {
    Guest& guest = interpreter.guest();
    const std::uint64_t offset = guest.word(guest.result() + interpreter.word()).value_or(0);
    guest.set_result(guest.tls_block() + offset);
}

}  // namespace

Interpreter::Interpreter(Guest& guest, std::span<const Image* const> images, const InterpreterModel& model,
                         bool keep_calls)
    : guest_(guest), images_(images), model_(model), keep_calls_(keep_calls) {
    can_set_gil_ = std::ranges::any_of(images, [](const Image* one) {
        return std::ranges::find(one->imports, "PyUnstable_Module_SetGIL", &Import::name) != one->imports.end();
    });
}

bool Interpreter::load() {
    // Guest::load() asks for the imports while it works; stand-in 0 is the one of TLS descriptors.
    bool first = true;
    const bool loaded = guest_.load(images_, [&](std::size_t number, std::uint32_t import) {
        if (std::exchange(first, false)) {
            add_stand_in({.handler = &tls_descriptor});
            make_object_ = add_stand_in({.handler = &make_object});
            do_nothing_ = add_stand_in({.handler = &do_nothing});
            make_instance_ = add_stand_in({.handler = &make_instance});
            generic_type_ = new_type(0);
        }
        return address_of_import(number, import);
    });
    // Their type may have been imported after them.
    for (const char* truth : {"_Py_TrueStruct", "_Py_FalseStruct"})
        if (const std::uint64_t object = known_import(truth)) give_type(object, "PyBool_Type");
    return loaded;
}

std::uint64_t Interpreter::add_stand_in(StandIn stand_in) {
    const std::uint64_t address = guest_.new_stand_in();
    if (address != 0) stand_ins_.push_back(std::move(stand_in));
    return address;
}

std::uint64_t Interpreter::add_unknown(std::string_view name) {
    const std::uint64_t address = guest_.new_unknown();
    if (address != 0) unknown_.push_back({.name = name});
    return address;
}

// Where a library that comes with the module defines what is imported; 0 if none does. Names of Windows and macOS say
// in which library to look; another may be the one that it passes on.
std::uint64_t Interpreter::exported_by_library(const Import& import) const {
    for (std::size_t number = 1; number < images_.size(); ++number) {
        const Export* found = images_[number]->find_export(import.name);
        if (found != nullptr && found->address != 0) return guest_.to_guest(found->address, number);
    }
    return 0;
}

std::uint64_t Interpreter::address_of_import(std::size_t number, std::uint32_t index) {
    const Import& import = images_[number]->imports[index];
    if (import.name.empty()) {  // PE, by number
        return add_stand_in({.name = import.library});
    }
    if (const auto known = known_imports_.find(import.name); known != known_imports_.end()) return known->second;
    std::uint64_t address = 0;
    // What the interpreter and the C library define comes before what libraries of the module do, as in a process.
    const bool python = import.name.starts_with("Py") || import.name.starts_with("_Py");
    ModelFunction handler = c_api_function(import.name);
    if (handler == nullptr) handler = c_library_function(import.name);
    if (const Export* own = image().find_export(import.name); own != nullptr && own->address != 0) {
        address = guest_.to_guest(own->address);
    } else if (const std::uint64_t library = python || handler != nullptr ? 0 : exported_by_library(import)) {
        address = library;
    } else if (is_data(import.name)) {
        address = new_data(import.name);
    } else {
        // Optional hooks of the tools: not there, as in most processes.
        if (import.weak && handler == nullptr && !python) return 0;
        const bool unknown = handler == nullptr && !python && !import.function;
        address = unknown ? add_unknown(import.name) : add_stand_in({.name = import.name, .handler = handler});
    }
    known_imports_.emplace(import.name, address);
    return address;
}

// ob_refcnt such that nothing is ever freed; ob_type.
void Interpreter::fill_head(std::uint64_t object, std::uint64_t type) {
    const unsigned size = word();
    if (model_.free_threaded) {
        guest_.set_number(object + (size == 8 ? 12 : 8), 0xffffffff, 4);  // ob_ref_local: immortal
        guest_.set_word(object + (size == 8 ? 24 : 16), type);
    } else {
        guest_.set_word(object, size == 8 ? 0xffffffff : 0x3fffffff);
        guest_.set_word(object + size, type);
    }
}

std::uint64_t Interpreter::new_type(std::uint64_t flags) {
    const std::uint64_t type = guest_.new_object(type_size);
    if (type == 0) return 0;
    const unsigned size = word();
    const std::uint64_t head = head_size();
    fill_head(type, type);
    // PyTypeObject behind ob_size: name, basicsize, itemsize, 15 functions and protocols, flags, doc, ... (object.h).
    const auto field = [&](unsigned index) { return type + head + size + std::uint64_t{index} * size; };
    const std::uint64_t name = guest_.new_text("object");
    guest_.set_word(field(0), name);
    guest_.set_word(field(1), object_size);
    guest_.set_word(field(18), flags | 1u << 12);  // Py_TPFLAGS_READY
    complete_type(type);
    return type;
}

// What a type inherits: PyType_Ready() fills in what is NULL.
void Interpreter::complete_type(std::uint64_t type) {
    const unsigned size = word();
    const std::uint64_t head = head_size();
    const auto inherit = [&](unsigned index, std::uint64_t value) {
        const std::uint64_t place = type + head + size + std::uint64_t{index} * size;
        if (guest_.word(place) == 0u) guest_.set_word(place, value);
    };
    // getattr, repr, call, str, getattro, richcompare, iter, descr_get
    for (const unsigned index : {5u, 8u, 13u, 14u, 15u, 22u, 24u, 31u}) inherit(index, make_object_);
    // dealloc, setattr, hash, setattro, traverse, clear, iternext, descr_set, init, free
    for (const unsigned index : {3u, 6u, 12u, 16u, 20u, 21u, 25u, 32u, 34u, 37u}) inherit(index, do_nothing_);
    for (const unsigned index : {35u, 36u}) inherit(index, make_instance_);  // alloc, new
}

std::uint64_t Interpreter::new_object(const std::string& origin) {
    const std::uint64_t object = guest_.new_object(object_size);
    if (object == 0) return 0;
    fill_head(object, generic_type_);
    if (!origin.empty()) origins_[object] = shared(origin);
    return object;
}

std::uint64_t Interpreter::new_data(std::string_view name) {
    if (name.ends_with("_Type")) return new_type(type_flags_of(name));
    const std::uint64_t data = guest_.new_object(data_size);
    if (data == 0) return 0;
    if (name.starts_with("PyExc_") || name.ends_with("Object")) {  // a variable that holds an object
        const std::uint64_t object = name.starts_with("PyExc_") ? new_type(exception_flags) : new_object();
        texts_[object] = name.starts_with("PyExc_") ? std::string(name.substr(6)) : std::string(name);
        guest_.set_word(data, object);
    } else if (name == "Py_Version") {
        record_.asked_version = true;
        guest_.set_number(data, 0x030000f0u | model_.minor << 16, word() == 8 && image().format != Format::pe ? 8 : 4);
    } else if (name.ends_with("Struct")) {
        give_type(data, name == "_Py_TrueStruct" || name == "_Py_FalseStruct" ? "PyBool_Type" : "NoneType");
    } else if (name.starts_with("_ZTV") || name.starts_with("_ZTI")) {
        for (unsigned i = 0; i < 16; ++i) guest_.set_word(data + i * word(), do_nothing_);
    }
    return data;
}

std::uint64_t Interpreter::new_function_table(const std::string& origin) {
    // The table can be called itself: capsules hold functions as well as tables.
    const std::uint64_t table = guest_.new_table();
    if (table == 0) return 0;
    const std::string* name = shared(origin);
    tables_.push_back(name);
    for (std::uint32_t i = 0; i < table_entries; ++i) {
        const std::uint64_t function = add_stand_in({.origin = name, .entry = i, .entry_of_table = true});
        if (function == 0) return 0;
        guest_.set_word(table + std::uint64_t{i} * word(), function);
    }
    origins_[table] = name;
    return table;
}

std::uint64_t Interpreter::new_module_object(MadeModule made) {
    const std::uint64_t module = new_object();
    give_type(module, "PyModule_Type");
    if (module != 0) record_.modules[module] = made;
    return module;
}

void Interpreter::add_definition(std::uint64_t definition) {
    give_type(definition, "PyModuleDef_Type");
    record_.definitions.insert(definition);
}

bool Interpreter::is_definition(std::uint64_t object) {
    if (record_.definitions.contains(object)) return true;
    const std::uint64_t type = known_import("PyModuleDef_Type");
    const auto made = types_.find("PyModuleDef_Type");
    const auto own = guest_.word(object + head_size() - word());
    return own && *own != 0 && (*own == type || (made != types_.end() && *own == made->second));
}

void Interpreter::add_set_gil(std::uint64_t module, std::uint64_t value) {
    if (record_.set_gil.size() >= max_set_gil) {
        const auto earlier = std::ranges::find(record_.set_gil, module, &InitRecord::SetGil::module);
        if (earlier == record_.set_gil.end()) return give_up("more modules than the audit follows");
        record_.set_gil.erase(earlier);
    }
    record_.set_gil.push_back({module, value, guest_.return_address()});
}

void Interpreter::assume(std::string_view what) {
    if (record_.assumed.size() < max_assumed) record_.assumed.emplace(what);
}

void Interpreter::unknown_number(std::uint64_t likely_value, std::uint64_t other_value) {
    assume(current_);
    result(likely() ? likely_value : other_value);
}

// False is what a question to Python would be answered with.
void Interpreter::unknown_object(const std::string& origin) {
    assume(current_);
    if (fails()) {
        raise("RuntimeError");
        return result(0);
    }
    const std::uint64_t no = likely() ? 0 : known_import("_Py_FalseStruct");
    result(no != 0 ? no : opaque_object(origin));
}

std::uint64_t Interpreter::known_import(std::string_view name) const noexcept {
    const auto known = known_imports_.find(name);
    return known == known_imports_.end() ? 0 : known->second;
}

std::uint64_t Interpreter::find_symbol(const std::string& name) {
    if (const std::uint64_t known = known_import(name)) return known;
    if (!is_of_c_api(name)) return 0;
    const std::string& kept = *found_symbols_.insert(name).first;
    const std::uint64_t address = add_stand_in({.name = kept, .handler = c_api_function(kept)});
    known_imports_.emplace(kept, address);
    can_set_gil_ = can_set_gil_ || kept == "PyUnstable_Module_SetGIL";
    return address;
}

std::string Interpreter::text_of(std::uint64_t object) const {
    const auto known = texts_.find(object);
    return known == texts_.end() ? std::string() : known->second;
}

void Interpreter::clear_results(unsigned first, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        if (const std::uint64_t place = argument(first + i)) guest_.set_word(place, 0);
}

std::uint64_t Interpreter::opaque_object(const std::string& origin) {
    const auto fill = [&](std::uint64_t object, std::uint64_t size) {
        for (std::uint64_t field = 6 * word(); field < size; field += word()) guest_.set_word(object + field, sink_);
    };
    if (sink_ == 0) {
        sink_ = guest_.new_object(4096);
        fill_head(sink_, generic_type_);
        fill(sink_, 4096);
    }
    const std::uint64_t object = new_object(origin);
    if (object != 0) fill(object, object_size);
    return object;
}

std::uint64_t Interpreter::attribute(std::uint64_t object, const std::string& name) const {
    const auto found = attributes_.find({object, name});
    return found == attributes_.end() ? 0 : found->second;
}

void Interpreter::set_attribute(std::uint64_t object, const std::string& name, std::uint64_t value) {
    texts_size_ += name.size() + 64;
    if (texts_size_ > max_texts) return guest_.out_of_memory();
    attributes_[{object, name}] = value;
}

std::uint64_t Interpreter::exception_object() {
    if (record_.raised.empty()) return 0;
    const std::string kind = record_.raised.substr(0, record_.raised.find(':'));
    const std::uint64_t known = known_import("PyExc_" + kind);
    std::uint64_t type = known == 0 ? 0 : guest_.word(known).value_or(0);
    if (type == 0) {
        type = new_type(exception_flags);
        keep_text(type, kind);
    }
    const std::uint64_t object = new_object();
    fill_head(object, type);
    keep_text(object, kind);
    return object;
}

void Interpreter::keep_text(std::uint64_t object, std::string text) {
    texts_size_ += text.size();
    if (texts_size_ > max_texts) return guest_.out_of_memory();
    texts_[object] = std::move(text);
}

void Interpreter::make_capsule(std::uint64_t object) {
    if (const auto type = known_imports_.find("PyCapsule_Type"); type != known_imports_.end())
        fill_head(object, type->second);
}

void Interpreter::give_type(std::uint64_t object, std::string_view type) {
    if (type.empty()) return;
    std::uint64_t address = 0;
    if (const auto known = known_imports_.find(type); known != known_imports_.end())
        address = known->second;
    else if (auto& made = types_[type]; made != 0)
        address = made;
    else
        address = made = new_type(type_flags_of(type));
    fill_head(object, address);
}

void Interpreter::give_own_type(std::uint64_t object, std::uint64_t type) {
    if (guest_.word(type).has_value()) fill_head(object, type);
}

std::uint64_t Interpreter::new_text_object(const std::string& text) {
    const std::uint64_t object = new_object();
    give_type(object, "PyUnicode_Type");
    keep_text(object, text);
    return object;
}

std::uint64_t Interpreter::interpreter_state() {
    if (interpreter_state_ == 0) interpreter_state_ = guest_.new_object(4096);
    return interpreter_state_;
}

std::uint64_t Interpreter::thread_state() {
    if (thread_state_ == 0) {
        thread_state_ = guest_.new_object(4096);
        guest_.set_word(thread_state_ + 2 * std::uint64_t{word()}, interpreter_state());  // prev, next, interp
    }
    return thread_state_;
}

std::uint64_t Interpreter::new_interlock_host() {
    const std::uint64_t host = guest_.new_object(sizeof(il_host)), version = guest_.new_text(INTERLOCK_VERSION);
    guest_.set_word(host + offsetof(il_host, size), sizeof(il_host));
    guest_.set_number(host + offsetof(il_host, abi_version), IL_ABI_VERSION, sizeof(il_host::abi_version));
    guest_.set_word(host + offsetof(il_host, version), version);
    for (std::size_t offset = offsetof(il_host, raise); offset < sizeof(il_host); offset += sizeof(void*)) {
        const InterlockService service = interlock_service(offset);
        guest_.set_word(host + offset, add_stand_in({.name = service.name, .handler = service.function}));
    }
    return host;
}

std::uint64_t Interpreter::new_module() { return new_module_object({}); }

const std::string* Interpreter::origin(std::uint64_t object) const noexcept {
    const auto found = origins_.find(object);
    return found == origins_.end() ? nullptr : found->second;
}

std::uint64_t Interpreter::tls_address(std::uint64_t offset, std::size_t number) const noexcept {
    return GuestMap::tls + GuestMap::tls_size / 2 + guest_.tls_block(number) + offset + tls_bias(image().architecture);
}

// NumPy's import_array() compares versions before anything else; the numbers satisfy both NumPy 1 and 2.
void Interpreter::call_table_entry(const StandIn& stand_in) {
    const std::string& origin = *stand_in.origin;
    const bool numpy = origin.starts_with("numpy");
    if (numpy && stand_in.entry == 0) return result(0x01000009);               // PyArray_GetNDArrayCVersion
    if (numpy && stand_in.entry == 210) return result(image().little ? 1 : 2);  // PyArray_GetEndianness
    if (numpy && stand_in.entry == 211) return result(0x7f);                   // PyArray_GetNDArrayCFeatureVersion
    if (numpy && (stand_in.entry == 174 || stand_in.entry == 175)) {           // PyArray_DescrConverter(object, result)
        guest_.set_word(argument(1), new_object(origin));
        return result(1);
    }
    assume(origin + "'s C API");
    if (fails()) return result(0);
    result(opaque_object(origin));
}

/// Addresses are those in the file, which is where somebody can look.
std::string Interpreter::value_text(std::uint64_t value) { return hex_text(guest_.to_file(value).value_or(value)); }

void Interpreter::keep_call(std::string_view name) {
    if (record_.calls.size() >= max_calls) return;
    CallSeen call;
    call.function = escape(name, 200);
    const Parameters parameters = c_api_parameters(name);
    for (unsigned i = 0; i < parameters.count; ++i) {
        const std::uint64_t value = argument(i);
        const auto text = guest_.text(value, 120);
        const bool readable = text && text->size() > 1 &&
                              std::ranges::all_of(*text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
        call.arguments.push_back(readable ? quoted(*text, 120) : value_text(value));
    }
    if (parameters.more) call.arguments.emplace_back("...");
    const auto from = guest_.to_file(guest_.return_address());
    if (from) call.where = hex_text(*from);
    record_.calls.push_back(std::move(call));
}

// A function of which only the kind of result is known, or nothing.
void Interpreter::call_unmodelled(const StandIn& stand_in) {
    const std::string_view name = stand_in.name;
    switch (c_api_returns(name)) {
        case Returns::none:
            return;
        case Returns::number:
            if (name.starts_with("PyList_")) sized_.erase(argument(0));
            return is_value(name) ? unknown_number(0, 1) : result(0);
        case Returns::object: {
            const std::string* from = origin(argument(0));
            if (!is_made(name)) return unknown_object(from == nullptr ? std::string() : *from);
            const std::uint64_t made = new_object(from == nullptr ? std::string() : *from);
            give_type(made, type_made_by(name));
            return result(made);
        }
        case Returns::text:
            assume(name);
            return result(guest_.new_text(likely() ? "text" : "other text"));
        case Returns::memory:
            return result(guest_.new_object(4096));
        case Returns::unknown:
            break;
    }
    assume(name);
    // What an init function of another file makes comes from there.
    if (is_init_of_another(name) || name.starts_with("PyInit_")) return result(new_object(std::string(name)));
    if (name.starts_with("Py") || name.starts_with("_Py")) {
        if (fails()) return result(0);
        return result_object();
    }
    record_.called_library = true;
    result(likely() ? 0 : new_object());
}

void Interpreter::handle(std::uint32_t number) {
    if (number >= Guest::first_table) {
        current_ = {};
        return call_table_entry({.origin = tables_.at(number - Guest::first_table), .entry = ~0u});
    }
    const StandIn stand_in =
        number >= Guest::first_unknown ? unknown_[number - Guest::first_unknown] : stand_ins_[number];
    current_ = stand_in.name;
    const auto keep_result = [&] {
        if (keep_calls_ && !record_.calls.empty() && record_.calls.back().result.empty() && !stand_in.name.empty() &&
            c_api_returns(stand_in.name) != Returns::none)
            record_.calls.back().result = value_text(guest_.result());
    };
    if (keep_calls_ && !stand_in.name.empty()) keep_call(stand_in.name);
    if (stand_in.handler != nullptr)
        stand_in.handler(*this);
    else if (stand_in.entry_of_table)
        call_table_entry(stand_in);
    else
        call_unmodelled(stand_in);
    keep_result();
}

}  // namespace interlock::auditing

#endif
