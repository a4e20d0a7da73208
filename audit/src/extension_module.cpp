// extension_module.cpp: one file, audited in a process that ends with the call; of what comes out, the module that an
// import finds.
//
// SPDX-License-Identifier: MIT
#include "audit/extension_module.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <interlock/auditor.hpp>

namespace interlock::auditing {

namespace {

constexpr std::string_view this_machine =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#else
    "";
#endif

/// Its process ends with it. One that stays would be a child that the program knows nothing of, and waits for; and it
/// would keep the memory that the program had at that time.
Result<std::vector<BinaryAudit>> audit_once(PythonVersion python, const std::filesystem::path& file,
                                            const std::string& module) {
    AuditOptions options;
    options.pythons = {python};
    try {
        return Auditor(std::move(options)).audit(file, module);
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace

Result<ExtensionModule> audit_extension(PythonVersion python, const std::filesystem::path& file,
                                        const std::string& module) {
    Result<std::vector<BinaryAudit>> binaries = audit_once(python, file, module);
    if (!binaries) return std::move(binaries).error();
    BinaryAudit* binary = nullptr;
    for (BinaryAudit& slice : *binaries)
        if (binary == nullptr || slice.architecture == this_machine) binary = &slice;
    if (binary == nullptr || binary->modules.empty()) return Error{Errc::not_found, "there is no module in the file"};
    ModuleAudit* audit = &binary->modules.front();
    const std::string_view last = std::string_view(module).substr(module.rfind('.') + 1);
    for (ModuleAudit& one : binary->modules)
        if (one.entry_point == fmt::format("PyInit_{}", last) || one.entry_point == fmt::format("PyModExport_{}", last))
            audit = &one;
    ExtensionModule result;
    result.verdict = audit->verdict;
    result.confidence = audit->confidence;
    if (!audit->effects.empty()) {
        result.effect = audit->effects.front().effect;
        result.effect_why = std::move(audit->effects.front().why);
    }
    result.reason = std::move(audit->reason);
    result.delegated_to = std::move(audit->delegated_to);
    result.build_id = std::move(binary->build_id);
    result.evidence = std::move(audit->evidence);
    return result;
}

}  // namespace interlock::auditing
