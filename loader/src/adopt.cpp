// From a module's definition (il_module_def) to the loader's record of it, with everything checked.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>

#include <interlock/escape.hpp>

#include "module_record.hpp"

namespace interlock::detail {

namespace {

constexpr std::size_t definition_size = sizeof(il_module_def);  // of ABI 1; a later one may be larger
constexpr std::size_t max_methods = 100'000;                    // a table without end is a missing {NULL}
constexpr std::size_t max_state = std::size_t{1} << 40;

Outcome adopt_methods(ModuleRecord& record, const il_method* method) {
    if (method == nullptr) return Ok{};
    for (; method->name != nullptr; ++method) {
        if (record.functions.size() == max_methods)
            return Error{Errc::export_failed, "its method table has no end: the last entry must have a NULL name"};
        if (method->function == nullptr)
            return Error{Errc::export_failed, "its method " + quoted(method->name) + " has no function"};
        FunctionRecord& function = record.functions.emplace_back();
        function.module = &record;
        function.function = method->function;
        function.name = method->name;
        function.doc = method->doc == nullptr ? "" : method->doc;
        function.site = call_site(record.name, function.name);
        if (!record.by_name.emplace(function.name, &function).second)
            return Error{Errc::export_failed, "it has two methods named " + quoted(method->name)};
    }
    return Ok{};
}

}  // namespace

Outcome adopt_definition(ModuleRecord& record, const il_module_def* def) {
    if (def == nullptr) return Error{Errc::export_failed, "it has no definition (NULL)"};
    if (def->abi_version != IL_ABI_VERSION || def->size < definition_size)
        return Error{Errc::wrong_abi, "it was compiled for ABI " + std::to_string(def->abi_version) +
                                          " with a definition of " + std::to_string(def->size) +
                                          " bytes; this interlock has ABI " + std::to_string(IL_ABI_VERSION) +
                                          " with " + std::to_string(definition_size) +
                                          "; rebuild the module with the interlock/module.h of this version"};
    if (def->name == nullptr || record.name != def->name)
        return Error{Errc::export_failed,
                     "its definition is for module " + quoted(def->name == nullptr ? "(null)" : def->name)};
    if (def->state_size > max_state)
        return Error{Errc::export_failed, "it asks for a state of " + std::to_string(def->state_size) + " bytes"};
    if (Outcome methods = adopt_methods(record, def->methods); !methods) {
        record.by_name.clear();
        record.functions.clear();
        return methods;
    }
    void* state = std::calloc(1, std::max<std::size_t>(def->state_size, 1));
    if (state == nullptr)
        return Error{Errc::export_failed, "no memory for its state of " + std::to_string(def->state_size) + " bytes"};
    record.state = state;
    record.def = def;
    record.version = def->version == nullptr ? "" : escape(def->version, 100);
    record.doc = def->doc == nullptr ? "" : def->doc;
    return Ok{};
}

}  // namespace interlock::detail
