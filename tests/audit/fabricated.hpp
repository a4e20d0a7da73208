// fabricated.hpp: audits as the audit could have made them, so that rules and reports are tested without binaries.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>

#include "rules/findings.hpp"
#include "verdict/binary.hpp"

namespace interlock::test {

inline EffectOn effect_on(unsigned minor, Effect effect) { return {{3, minor}, effect, "for the test"}; }

inline ModuleAudit module_with(Verdict verdict, std::string name = "pkg._m") {
    ModuleAudit module;
    module.name = std::move(name);
    module.entry_point = "PyInit__m";
    module.verdict = verdict;
    module.reason = "as the test wants it";
    if (verdict == Verdict::free || verdict == Verdict::global_lock) {
        module.marker = verdict == Verdict::free;
        module.marker_kind = MarkerKind::slot;
    }
    const Effect effect = verdict == Verdict::free                                          ? Effect::keeps_gil_off
                          : verdict == Verdict::unmarked || verdict == Verdict::global_lock ? Effect::turns_gil_on
                          : verdict == Verdict::not_applicable                              ? Effect::cannot_load
                                                                                            : Effect::unknown;
    if (verdict != Verdict::not_a_module)
        for (const unsigned minor : {13u, 14u}) module.effects.push_back(effect_on(minor, effect));
    return module;
}

inline BinaryAudit binary_with(ModuleAudit module,
                               std::string path = "d/pkg-1.0.whl!pkg/_m.cpython-313t-x86_64-linux-gnu.so") {
    BinaryAudit binary;
    binary.path = std::move(path);
    binary.format = "ELF64 little-endian";
    binary.architecture = "x86_64";
    binary.platform = "linux";
    binary.abi = AbiFlavour::free_threaded;
    binary.abi_version = PythonVersion{3, 13};
    binary.modules.push_back(std::move(module));
    return binary;
}

/// One wheel with these binaries in it.
inline AuditReport wheel_with(std::vector<BinaryAudit> binaries, std::vector<std::string> tags = {}) {
    AuditReport report;
    report.pythons = {{3, 13}, {3, 14}};
    PackageAudit package;
    package.name = "Pkg";
    package.version = "1.0";
    package.path = "d/pkg-1.0.whl";
    package.kind = "wheel";
    package.wheel_tags = std::move(tags);
    for (const BinaryAudit& binary : binaries) {
        for (const ModuleAudit& module : binary.modules) {
            ++package.modules[static_cast<std::size_t>(module.verdict)];
            package.worst = std::max(package.worst, module.verdict);
        }
    }
    const auto number = [&](Verdict verdict) { return package.modules[static_cast<std::size_t>(verdict)]; };
    package.mixed = number(Verdict::free) != 0 && number(Verdict::unmarked) + number(Verdict::global_lock) != 0;
    report.packages.push_back(std::move(package));
    report.statistics = {.files = 9, .binaries = binaries.size(), .bytes = 1000, .duration = {}};
    report.binaries = std::move(binaries);
    return report;
}

inline AuditReport judged(AuditReport report, const Policy* policy = nullptr) {
    AuditOptions options;
    options.policy = policy;
    options.today = std::chrono::year_month_day{std::chrono::year(2026), std::chrono::month(6), std::chrono::day(1)};
    auditing::rules::find_all(report, options);
    return report;
}

/// "IL001 error, IL009 note (policy: why)", in the order of the report.
inline std::string in_short(const AuditReport& report) {
    std::string text;
    for (const Finding& finding : report.findings) {
        text +=
            (text.empty() ? "" : ", ") + std::string(finding.rule->id) + ' ' + std::string(level_text(finding.level));
        if (!finding.accepted.empty()) text += " (" + finding.accepted + ')';
    }
    return text;
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

/// What no report may hand on as it is.
inline constexpr std::string_view hostile[] = {
    "\x1b[2J\x1b]0;title\x07",
    "a|b`c``d",
    "<script>alert(1)</script></details>",
    "=cmd|'/c calc'!A1",
    "\xff\xfe\x80 not utf-8",
    "line\r\nbreak\n~~~~\n```\n@everyone #1 [x](http://example.org)",
    "\xe2\x80\xaerevo\xe2\x80\xac",
    "\"quoted\", 'and', comma; \\backslash\\",
    "\xef\xbc\x9d"
    "cmd",
};

/// A report with the same text in every place that comes from files.
inline AuditReport hostile_report(std::string_view text) {
    const std::string value(text);
    ModuleAudit module = module_with(Verdict::unmarked, value);
    module.reason = module.entry_point = module.delegated_to = module.phase = value;
    module.evidence = {{value, value}};
    module.assumed = {value};
    module.slots = {{4, value, 1, 0, false, true}};
    module.calls = {{value, {value}, value, value}};
    module.effects = {{{3, 13}, Effect::turns_gil_on, value}};
    BinaryAudit binary = binary_with(module, value);
    binary.format = binary.architecture = binary.platform = binary.build_id = value;
    binary.abi_evidence = {{value, value}};
    binary.exports = binary.libraries = binary.stateful_calls = binary.borrowed_calls = {value};
    AuditReport report = wheel_with({binary});
    report.packages[0].name = report.packages[0].version = report.packages[0].path = value;
    report.packages[0].notes = {value};
    report.errors = {{value, Errc::malformed_file, value}};
    report.skipped = {value};
    report = judged(std::move(report));
    for (Finding& finding : report.findings) {
        finding.message = finding.fix = value;
        finding.symbols = {value};
    }
    return report;
}

}  // namespace interlock::test
