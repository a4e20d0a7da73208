// abi_by_wheel.cpp: for which interpreters a file is, where nothing in it could be found out: what its wheel promises.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "verdict/binary.hpp"
#include "verdict/verdict.hpp"
#include "verdict/wheel_tags.hpp"

namespace interlock::auditing::verdict {

namespace {

bool is_for_gil(const AbiTag& tag) noexcept {
    return tag.flavour == AbiFlavour::gil || tag.flavour == AbiFlavour::abi3;
}

// An init function that could not be followed shows no definition, whose layout would say it.
bool is_open(const BinaryAudit& binary, const ModuleAudit& module, const FileTag& name) {
    return module.primary && module.verdict == Verdict::undetermined && name.tag.empty() &&
           (binary.abi == AbiFlavour::unknown || binary.abi == AbiFlavour::gil);
}

}  // namespace

void take_abi_from_wheel(AuditReport& report) {
    for (BinaryAudit& binary : report.binaries) {
        const PackageAudit& package = report.packages[binary.package];
        if (package.kind != "wheel") continue;
        const FileTag name = read_file_tag(binary.path.substr(binary.path.find_last_of("/!") + 1));
        for (ModuleAudit& module : binary.modules) {
            if (!is_open(binary, module, name)) continue;
            const WheelTags tags = read_tags(package);
            if (tags.any_abi || tags.abis.empty() || !std::ranges::all_of(tags.abis, is_for_gil)) continue;
            binary.abi = AbiFlavour::gil;
            binary.abi_evidence.push_back({"its wheel is for interpreters with a GIL alone", "the tags of the wheel"});
            module.evidence.push_back({"whether it has a marker is not known: " + module.reason, module.entry_point});
            module.verdict = Verdict::not_applicable;
            module.confidence = Confidence::probable;
            module.assumed.push_back("that its wheel is for what its tags say");
            module.reason = "its wheel is for interpreters with a GIL, where a marker has no effect";
            module.effects = effects_of(binary, name, module, nullptr, false, report.pythons);
        }
    }
}

}  // namespace interlock::auditing::verdict
