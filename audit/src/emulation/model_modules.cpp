// model_modules.cpp: modules: how they are made, what is put into them, and imports of others.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

#include "emulation/known_classes.hpp"
#include "emulation/model_attributes.hpp"
#include "emulation/module_def.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- modules ----

void module_def_init(I& in) {
    in.add_definition(in.argument(0));
    in.result(in.argument(0));
}

// Slots are for modules that are made in several phases.
void module_create(I& in) {
    const DefLayout layout = def_layout(in.word() == 8, in.model().free_threaded);
    // One for another layout has something else there.
    const std::uint64_t slots = in.guest().word(in.argument(0) + layout.slots).value_or(0);
    const std::uint64_t first = slots == 0 ? 0 : in.guest().number(slots, 4).value_or(0);
    if (first >= 1 && first <= 4) {
        in.raise("SystemError: PyModule_Create is incompatible with m_slots");
        return in.result(0);
    }
    in.result(in.new_module_object({.definition = in.argument(0)}));
}
void module_from_spec(I& in) { in.result(in.new_module_object({.definition = in.argument(0), .from_spec = true})); }
void module_from_slots(I& in) { in.result(in.new_module_object({.from_spec = true})); }
void new_module(I& in, const std::string& name) {
    const std::uint64_t module = in.new_module_object({});
    in.set_attribute(module, "__name__", in.new_text_object(name));
    in.result(module);
}
void module_new(I& in) { new_module(in, in.guest().text(in.argument(0)).value_or("")); }
void module_new_object(I& in) { new_module(in, in.text_of(in.argument(0))); }

std::uint64_t definition_of(I& in, std::uint64_t module) {
    const MadeModule* made = in.record().module(module);
    return made == nullptr ? 0 : made->definition;
}
void module_get_def(I& in) { in.result(definition_of(in, in.argument(0))); }
// The token of a module that is made from a definition is the definition.
void module_get_token(I& in) {
    in.guest().set_word(in.argument(1), definition_of(in, in.argument(0)));
    in.result(0);
}
void module_get_state(I& in) { in.result(in.module_state(in.argument(0))); }
void module_get_dict(I& in) { in.result(in.dict_of(in.argument(0))); }

// ---- what is put into them ----

void add_functions(I& in) {
    in.add_functions(in.argument(0), in.argument(1));
    in.result(0);
}

void add_type(I& in) {
    const std::uint64_t type = in.argument(1);
    in.ready_type(type);
    const std::string full = in.guest().text(in.type_field(type, TypeField::name)).value_or("");
    in.set_attribute(in.argument(0), full.substr(full.rfind('.') + 1), type);
    in.result(0);
}

void add_number(I& in) {
    // A long: 4 bytes on Windows and where a word has 4.
    const std::uint64_t raw = in.argument(2);
    const bool narrow = in.word() == 4 || in.image().format == image::Format::pe;
    const std::uint64_t value = narrow ? static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(raw)}) : raw;
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.new_number(value));
    in.result(0);
}
void add_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""),
                     in.new_text_object(in.guest().text(in.argument(2)).value_or("")));
    in.result(0);
}
// NULL is an error that was set before.
void add_object(I& in) {
    if (in.argument(2) == 0) return in.result(~std::uint64_t{0});
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.argument(2));
    in.result(0);
}
void set_doc(I& in) {
    in.set_attribute(in.argument(0), "__doc__", in.new_text_object(in.guest().text(in.argument(1)).value_or("")));
    in.result(0);
}

std::uint64_t name_of(I& in) {
    const std::uint64_t name = in.find_attribute(in.argument(0), "__name__").value;
    if (name != 0) return name;
    const std::string* origin = in.origin(in.argument(0));
    if (origin != nullptr) return in.new_text_object(*origin);
    in.assume("the name of a module");
    return in.new_text_object(in.likely() ? "name" : "other");
}
void module_name_object(I& in) { in.result(name_of(in)); }
void module_name(I& in) { in.result(in.guest().new_text(in.text_of(name_of(in)))); }

// ---- modules by definition or name ----

void state_add_module(I& in) {
    in.objects().set_module_of(in.argument(1), in.argument(0));
    in.result(0);
}
void state_find_module(I& in) { in.result(in.objects().module_of(in.argument(0))); }
void state_remove_module(I& in) {
    in.objects().forget_module_of(in.argument(0));
    in.result(0);
}

void boost_python_init_module(I& in) { in.result_object(std::string(boost_python)); }
void boost_python_init_module_gil(I& in) {
    in.record().note_argument_gil_not_used((in.argument(2) & 1) != 0);
    boost_python_init_module(in);
}

// 0 with an error.
std::uint64_t import(I& in, const std::string& name) {
    if (const std::uint64_t own = in.attribute(in.modules_dict(), name)) return own;
    if (!is_always_there(name)) {
        in.assume("the import of " + (name.empty() ? std::string("an unknown module") : name));
        if (in.fails()) {
            in.raise("ModuleNotFoundError: No module named " + name);
            return 0;
        }
    }
    return in.other_module(name);
}
void import_by_text(I& in) { in.result(import(in, in.guest().text(in.argument(0)).value_or(""))); }
void import_by_object(I& in) { in.result(import(in, in.text_of(in.argument(0)))); }
void import_attribute(I& in, const std::string& module, const std::string& name) {
    const std::uint64_t from = import(in, module);
    in.result(from == 0 ? 0 : attribute_of(in, from, name));
}
void import_attribute_by_text(I& in) {
    import_attribute(in, in.guest().text(in.argument(0)).value_or(""), in.guest().text(in.argument(1)).value_or(""));
}
void import_attribute_by_object(I& in) { import_attribute(in, in.text_of(in.argument(0)), in.text_of(in.argument(1))); }

// The module that is there already, or a new one.
void add_module(I& in, const std::string& name) {
    std::uint64_t module = in.attribute(in.modules_dict(), name);
    if (module == 0) {
        module = in.other_module(name);
        in.set_attribute(in.modules_dict(), name, module);
    }
    in.result(module);
}
void add_module_by_text(I& in) { add_module(in, in.guest().text(in.argument(0)).value_or("")); }
void add_module_by_object(I& in) { add_module(in, in.text_of(in.argument(0))); }
// Whether another module was imported before.
void get_module(I& in) {
    const std::string name = in.text_of(in.argument(0));
    if (const std::uint64_t own = in.attribute(in.modules_dict(), name)) return in.result(own);
    in.unknown_number(0, in.likely() ? 0 : in.other_module(name));
}
void modules(I& in) { in.result(in.modules_dict()); }

void zero(I& in) { in.result(0); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyImport_AddModule", add_module_by_text},
    ModelEntry{"PyImport_AddModuleObject", add_module_by_object},
    ModelEntry{"PyImport_AddModuleRef", add_module_by_text},
    ModelEntry{"PyImport_GetModule", get_module},
    ModelEntry{"PyImport_GetModuleDict", modules},
    ModelEntry{"PyImport_Import", import_by_object},
    ModelEntry{"PyImport_ImportModule", import_by_text},
    ModelEntry{"PyImport_ImportModuleAttr", import_attribute_by_object},
    ModelEntry{"PyImport_ImportModuleAttrString", import_attribute_by_text},
    ModelEntry{"PyImport_ImportModuleLevel", import_by_text},
    ModelEntry{"PyImport_ImportModuleLevelObject", import_by_object},
    ModelEntry{"PyImport_ImportModuleNoBlock", import_by_text},
    ModelEntry{"PyModuleDef_Init", module_def_init},
    ModelEntry{"PyModule_Add", add_object},
    ModelEntry{"PyModule_AddFunctions", add_functions},
    ModelEntry{"PyModule_AddIntConstant", add_number},
    ModelEntry{"PyModule_AddObject", add_object},
    ModelEntry{"PyModule_AddObjectRef", add_object},
    ModelEntry{"PyModule_AddStringConstant", add_text},
    ModelEntry{"PyModule_AddType", add_type},
    ModelEntry{"PyModule_Create2", module_create},
    ModelEntry{"PyModule_Exec", zero},
    ModelEntry{"PyModule_ExecDef", zero},
    ModelEntry{"PyModule_FromDefAndSpec2", module_from_spec},
    ModelEntry{"PyModule_FromSlotsAndSpec", module_from_slots},
    ModelEntry{"PyModule_GetDef", module_get_def},
    ModelEntry{"PyModule_GetDict", module_get_dict},
    ModelEntry{"PyModule_GetName", module_name},
    ModelEntry{"PyModule_GetNameObject", module_name_object},
    ModelEntry{"PyModule_GetState", module_get_state},
    ModelEntry{"PyModule_GetState_DuringGC", module_get_state},
    ModelEntry{"PyModule_GetToken", module_get_token},
    ModelEntry{"PyModule_GetToken_DuringGC", module_get_token},
    ModelEntry{"PyModule_New", module_new},
    ModelEntry{"PyModule_NewObject", module_new_object},
    ModelEntry{"PyModule_SetDocString", set_doc},
    ModelEntry{"PyState_AddModule", state_add_module},
    ModelEntry{"PyState_FindModule", state_find_module},
    ModelEntry{"PyState_RemoveModule", state_remove_module},
    ModelEntry{"_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE", boost_python_init_module},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_modules() noexcept { return table; }

ModelFunction boost_python_init(std::string_view name) noexcept {
    // Later releases have one more argument, which says whether the module needs the GIL.
    return name.starts_with("_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE") ? boost_python_init_module_gil
                                                                                        : nullptr;
}

}  // namespace interlock::auditing::emulation

#endif
