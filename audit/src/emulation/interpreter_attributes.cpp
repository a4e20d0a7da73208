// interpreter_attributes.cpp: the attributes of modules, types and other objects, and what dictionaries hold. Beside
// what a module stores there is what CPython puts there: the functions of a definition, the methods of a type, names.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include "emulation/module_def.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using F = TypeField;

constexpr std::uint64_t max_stored = 16u << 20;
constexpr unsigned most_functions = 16384;
constexpr std::uint64_t state_of_unknown_size = 64u << 10, largest_state = 16u << 20;

bool is_special(std::string_view name) noexcept { return name.starts_with("__") && name.ends_with("__"); }

// What only modules have that were imported or written in Python.
bool is_set_by_import(std::string_view name) noexcept {
    static constexpr std::string_view names[] = {"__all__",  "__builtins__", "__cached__", "__file__",
                                                 "__path__", "__version__",  "__author__"};
    return std::ranges::find(names, name) != std::end(names);
}

std::string_view behind_last_dot(std::string_view name) noexcept { return name.substr(name.rfind('.') + 1); }

}  // namespace

std::uint64_t Interpreter::new_dict() {
    const std::uint64_t dict = new_object();
    give_type(dict, "PyDict_Type");
    objects_.add_new_dict(dict);
    return dict;
}

std::uint64_t Interpreter::dict_of(std::uint64_t object) {
    std::uint64_t dict = objects_.dict_of(object);
    if (dict == 0) {
        dict = new_object();
        give_type(dict, "PyDict_Type");
        objects_.set_dict(object, dict);
    }
    return dict;
}

std::uint64_t Interpreter::attribute(std::uint64_t object, const std::string& name) const {
    const std::uint64_t* found = objects_.stored(objects_.owner_of(object), name);
    return found == nullptr ? 0 : *found;
}

void Interpreter::set_attribute(std::uint64_t object, const std::string& name, std::uint64_t value) {
    if (!objects_.take_room(name.size() + 64, max_stored)) return guest_.out_of_memory();
    objects_.store(objects_.owner_of(object), name, value);
}

void Interpreter::open(std::uint64_t object) {
    if (is_closed(object)) objects_.open(objects_.owner_of(object));
}

bool Interpreter::is_closed(std::uint64_t object) const noexcept {
    const std::uint64_t owner = objects_.owner_of(object);
    if (objects_.is_open(owner)) return false;
    return is_module(owner) || (owner == object && objects_.is_new_dict(object));
}

void Interpreter::add_functions(std::uint64_t module, std::uint64_t methods) {
    if (methods != 0) objects_.add_functions(module, methods);
}

std::uint64_t Interpreter::new_c_function(std::uint64_t definition, std::uint64_t self, std::uint64_t module) {
    const std::uint64_t function = new_object(), place = function + head_size();
    give_type(function, "PyCFunction_Type");
    guest_.set_word(place, definition);
    guest_.set_word(place + word(), self);
    guest_.set_word(place + 2 * std::uint64_t{word()}, module);
    return function;
}

std::uint64_t Interpreter::new_bound_method(std::uint64_t self, const std::string& name) {
    const std::uint64_t method = new_c_function(0, self, 0);
    objects_.add_bound_method(method, {self, name});
    return method;
}

// Arrays of PyMethodDef, PyMemberDef or PyGetSetDef: each entry begins with its name, and the last has none. The value
// is the address of the entry.
Interpreter::Found Interpreter::find_in_table(std::uint64_t table, unsigned words, const std::string& name) {
    const std::uint64_t size = std::uint64_t{words} * word();
    for (unsigned i = 0; table != 0 && i < most_functions; ++i) {
        const std::uint64_t entry = table + i * size, text = guest_.word(entry).value_or(0);
        guest_.charge(20);
        if (text == 0) break;
        if (guest_.text(text, 1024) == name) return {.value = entry};
    }
    return {};
}

Interpreter::Found Interpreter::find_in_module(std::uint64_t module, const std::string& name) {
    for (const std::uint64_t table : objects_.functions_of(module))
        if (const Found entry = find_in_table(table, 4, name); entry.value != 0)
            return {.value = new_c_function(entry.value, module, variable("_Py_NoneStruct"))};
    if (name == "__loader__" || name == "__package__" || name == "__spec__")
        return {.value = variable("_Py_NoneStruct")};
    const std::uint64_t definition = record_.module(module)->definition;
    if (name == "__name__" || name == "__doc__") {
        if (definition == 0) return {};
        const std::uint64_t text = guest_.word(definition_field(definition, name == "__doc__")).value_or(0);
        if (text == 0) return {.value = variable("_Py_NoneStruct")};
        std::string value = guest_.text(text).value_or("");
        if (name == "__name__") {  // the interpreter puts the package before it
            assume("the full name of the module");
            if (!likely()) value.insert(0, "package.");
        }
        return {.value = new_text_object(value)};
    }
    return {.certain = is_closed(module) && (!is_special(name) || is_set_by_import(name))};
}

Interpreter::Found Interpreter::find_in_type(std::uint64_t type, const std::string& name) {
    struct Table {
        unsigned field, words;
        std::string_view made;
    };
    // PyMemberDef and PyGetSetDef have five words; type and flags of a member share one with padding where a word has 8
    // bytes.
    for (const Table& table : {Table{F::methods, 4, "PyMethodDescr_Type"}, Table{F::members, 5, "PyMemberDescr_Type"},
                               Table{F::getset, 5, "PyGetSetDescr_Type"}}) {
        const Found entry = find_in_table(type_field(type, table.field), table.words, name);
        if (entry.value == 0) continue;
        // PyDescrObject: the type, the name, the qualified name; then the definition.
        const std::uint64_t made = new_object(), place = made + head_size();
        give_type(made, table.made);
        guest_.set_word(place, type);
        guest_.set_word(place + word(), new_text_object(name));
        guest_.set_word(place + 3 * std::uint64_t{word()}, entry.value);
        return {.value = made};
    }
    return {};
}

Interpreter::Found Interpreter::find_attribute(std::uint64_t object, const std::string& name, bool inherited) {
    const std::uint64_t owner = objects_.owner_of(object);
    // What was stored there once stays the same object; what was deleted is stored as 0.
    const auto keep = [&](std::uint64_t where, Found found) {
        if (found.value != 0) set_attribute(where, name, found.value);
        return found;
    };
    const auto stored = [&](std::uint64_t where) { return objects_.stored(where, name); };
    if (const std::uint64_t* own = stored(owner)) return {.value = *own, .certain = *own == 0 && is_closed(owner)};
    const bool module = is_module(owner);
    if (module) {
        const Found found = find_in_module(owner, name);
        if (found.value != 0 || found.certain) return keep(owner, found);
    }
    if (!inherited) return {};
    if (name == "__dict__" && (module || objects_.is_own(object))) return {.value = dict_of(object)};
    if (name == "__class__" && !is_generic_type(type_of(object))) return {.value = type_of(object)};
    const bool type = is_type(object);
    if (type) {
        if (name == "__dict__") return {.value = dict_of(object)};
        if (name == "__mro__") return {.value = type_field(object, F::mro)};
        if (name == "__bases__") return {.value = type_field(object, F::bases)};
        if (name == "__base__" && type_field(object, F::base) != 0) return {.value = type_field(object, F::base)};
        if (name == "__name__" || name == "__qualname__" || name == "__module__") {
            const std::string full = guest_.text(type_field(object, F::name)).value_or("");
            const std::string_view last = behind_last_dot(full);
            const bool of_module = name == "__module__";
            const std::size_t before = full.size() - last.size();
            return keep(object, {.value = new_text_object(!of_module    ? std::string(last)
                                                          : before == 0 ? std::string("builtins")
                                                                        : full.substr(0, before - 1))});
        }
    }
    const std::uint64_t start = type ? object : type_of(object);
    if (is_generic_type(start)) return {};
    for (const std::uint64_t one : items_of(type_field(start, F::mro))) {
        if (one == 0) continue;
        if (const std::uint64_t* found = stored(one)) return {.value = *found};
        if (const Found found = find_in_type(one, name); found.value != 0) return keep(one, found);
    }
    return {};
}

std::uint64_t Interpreter::definition_field(std::uint64_t definition, bool doc) const noexcept {
    const unsigned size = word();
    return definition + head_size() + std::uint64_t{doc ? 4u : 3u} * size;  // m_init, m_index and m_copy come first
}

std::uint64_t Interpreter::shared_dict(const std::string& name) {
    std::uint64_t& dict = shared_dicts_[name];
    if (dict == 0) {
        dict = new_object();
        give_type(dict, "PyDict_Type");
    }
    return dict;
}

std::uint64_t Interpreter::modules_dict() { return shared_dict("\1modules"); }

std::uint64_t Interpreter::other_module(const std::string& name) {
    std::uint64_t& module = other_modules_[name];
    if (module == 0) {
        module = new_object(name.empty() ? "an unknown module" : name);
        give_type(module, "PyModule_Type");
    }
    return module;
}

std::uint64_t Interpreter::module_state(std::uint64_t module) {
    const MadeModule* made = record_.module(module);
    std::uint64_t size = state_of_unknown_size;
    if (made != nullptr && made->definition != 0) {
        const std::uint64_t asked = guest_.word(definition_field(made->definition, true) + word()).value_or(0);
        const bool negative = asked >> (8 * word() - 1) != 0;
        if (asked == 0 || negative) return 0;
        size = std::min(asked, largest_state);
    }
    std::uint64_t& state = states_[module];
    if (state == 0) state = guest_.allocate(size);
    return state;
}

}  // namespace interlock::auditing::emulation

#endif
