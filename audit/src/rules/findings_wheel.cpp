// findings_wheel.cpp: what a wheel as a whole holds, against what its tags promise: a machine for which nothing is in
// it, files that are for one machine in a wheel for all, and files that were left over from other builds.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include <interlock/escape.hpp>

#include "rules/findings.hpp"
#include "verdict/wheel_tags.hpp"

namespace interlock::auditing::rules {

namespace {

using Files = std::vector<const BinaryAudit*>;

/// The files and slices that are modules of CPython, by the name of the module.
struct WheelFiles {
    verdict::WheelTags tags;
    std::map<std::string_view, Files> modules;
};

std::vector<WheelFiles> wheels_of(const AuditReport& report) {
    std::vector<WheelFiles> wheels;
    for (const PackageAudit& package : report.packages) wheels.push_back({verdict::read_tags(package), {}});
    for (const BinaryAudit& binary : report.binaries) {
        const ModuleAudit* module = primary_module(binary);
        if (module != nullptr && binary.abi != AbiFlavour::interlock && binary.package < wheels.size())
            wheels[binary.package].modules[module->name].push_back(&binary);
    }
    return wheels;
}

std::string_view file_name(const BinaryAudit& binary) noexcept {
    const std::string_view path = binary.path;
    return path.substr(path.find_last_of("/!") + 1);
}

bool fits_wheel(const BinaryAudit& binary, const verdict::WheelTags& tags) {
    return tags.fit_abi(binary) && (tags.any_platform || tags.fit_machine(binary));
}

/// Whether the name says for which version the file is, and tells the truth: then only that version looks for it.
bool keeps_its_promise(const BinaryAudit& binary) {
    const verdict::FileTag name = verdict::read_file_tag(file_name(binary));
    const auto said = verdict::abi_of(name);
    return said && said->version && verdict::fits(binary, *said) &&
           !verdict::is_named_for_another_machine(name, binary);
}

std::string counted(std::size_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string joined(const std::set<std::string>& texts) {
    constexpr std::size_t most = 8;
    std::string all;
    std::size_t shown = 0;
    for (const std::string& text : texts) {
        if (++shown > most) return fmt::format("{} and {} more", all, texts.size() - most);
        all += (all.empty() ? "" : ", ") + text;
    }
    return all;
}

void find_strays(const PackageAudit& package, const WheelFiles& wheel, const StrayFiles& strays,
                 FindingCollector& findings) {
    std::set<std::string> files;
    for (const auto& [name, binaries] : wheel.modules)
        for (const BinaryAudit* binary : binaries)
            if (strays.contains(binary)) files.insert(quoted(file_name(*binary), 100));
    if (files.empty()) return;
    const bool one = files.size() == 1;
    Finding& finding = findings.add(
        RuleId::tag_mismatch, package,
        fmt::format("{} of other builds {} left in the wheel, where no interpreter that gets it looks for {}: {}",
                    counted(files.size(), "file"), one ? "is" : "are", one ? "it" : "them", joined(files)),
        "files of other builds");
    finding.level = Level::warning;
    finding.fix = "build the wheel in a clean folder, so that these files are not in it";
}

/// A wheel for all machines can hold modules for some that it does without elsewhere.
void find_optional_modules(const PackageAudit& package, const WheelFiles& wheel, FindingCollector& findings) {
    if (!wheel.tags.any_platform) return;
    std::set<std::string> machines;
    for (const auto& [name, binaries] : wheel.modules)
        for (const BinaryAudit* binary : binaries) machines.insert(verdict::machine_of(*binary).text());
    if (machines.empty()) return;
    const bool one = wheel.modules.size() == 1;
    Finding& finding = findings.add(
        RuleId::tag_mismatch, package,
        fmt::format("the wheel's platform tag is any, and {} in it {} for {} only; elsewhere the package has to do "
                    "without {}",
                    counted(wheel.modules.size(), "module"), one ? "is" : "are", joined(machines), one ? "it" : "them"),
        "modules for some machines");
    finding.level = Level::note;
    finding.fix = "if the package needs them, build a wheel for each platform";
}

bool runs_one_of(const verdict::Machine& machine, const Files& files) {
    return std::any_of(files.begin(), files.end(),
                       [&](const BinaryAudit* file) { return verdict::runs_on(*file, machine); });
}

/// Some packages have a file for each architecture, under different names, and choose when they are imported: then
/// there is a module for `machine` which lacks one of those that this one has.
bool has_counterpart(const Files& files, const verdict::Machine& machine, const WheelFiles& wheel) {
    for (const verdict::Machine& other : wheel.tags.machines) {
        if (other == machine || !runs_one_of(other, files)) continue;
        for (const auto& [name, theirs] : wheel.modules)
            if (runs_one_of(machine, theirs) && !runs_one_of(other, theirs)) return true;
    }
    return false;
}

std::string machines_of_files(const WheelFiles& wheel) {
    std::set<std::string> machines;
    for (const auto& [name, binaries] : wheel.modules)
        for (const BinaryAudit* binary : binaries)
            if (wheel.tags.fit_machine(*binary)) machines.insert(verdict::machine_of(*binary).text());
    return joined(machines);
}

/// Each machine that the tags promise must have a file. That one file does not fit at all is said of the file.
void find_missing_machines(const PackageAudit& package, const WheelFiles& wheel, FindingCollector& findings) {
    if (wheel.tags.machines.size() < 2) return;
    std::vector<const verdict::Machine*> missing, there;
    for (const verdict::Machine& machine : wheel.tags.machines) {
        const bool any = std::any_of(wheel.modules.begin(), wheel.modules.end(),
                                     [&](const auto& module) { return runs_one_of(machine, module.second); });
        (any ? there : missing).push_back(&machine);
    }
    if (there.empty()) return;
    for (const verdict::Machine* machine : missing) {
        Finding& finding = findings.add(
            RuleId::tag_mismatch, package,
            fmt::format("the wheel's platform tag is {}, but none of its modules is for {}; {} for {}",
                        listed_tags(wheel.tags.platforms), machine->text(),
                        wheel.modules.size() == 1 ? "the only one is" : fmt::format("all {} are", wheel.modules.size()),
                        machines_of_files(wheel)),
            "no module for " + machine->text());
        finding.fix = "build the modules for each architecture and join them, or name the wheel for what is in it";
    }
    for (const verdict::Machine* machine : there) {
        std::set<std::string> lacking;
        for (const auto& [name, files] : wheel.modules) {
            const bool fits = std::any_of(there.begin(), there.end(),
                                          [&](const verdict::Machine* other) { return runs_one_of(*other, files); });
            if (fits && !runs_one_of(*machine, files) && !has_counterpart(files, *machine, wheel))
                lacking.insert(quoted(name, 100));
        }
        if (lacking.empty()) continue;
        Finding& finding = findings.add(
            RuleId::tag_mismatch, package,
            fmt::format("the wheel's platform tag is {}, but {} of its {} {} not for {}, where an import of {} fails: "
                        "{}",
                        listed_tags(wheel.tags.platforms), lacking.size(), counted(wheel.modules.size(), "module"),
                        lacking.size() == 1 ? "is" : "are", machine->text(), lacking.size() == 1 ? "it" : "them",
                        joined(lacking)),
            "some modules not for " + machine->text());
        finding.level = Level::warning;  // the package may know, and do without
        finding.fix = "build them for each architecture that the tag names";
    }
}

}  // namespace

StrayFiles find_stray_files(const AuditReport& report) {
    StrayFiles strays;
    for (const WheelFiles& wheel : wheels_of(report)) {
        if (wheel.tags.platforms.empty()) continue;  // no wheel: who gets it is not known
        for (const auto& [name, binaries] : wheel.modules) {
            const bool one_fits = std::any_of(binaries.begin(), binaries.end(), [&](const BinaryAudit* binary) {
                return fits_wheel(*binary, wheel.tags);
            });
            // The only file of a module is missed by the interpreters that get the wheel.
            if (!one_fits) continue;
            std::set<std::string_view> fitting;  // a slice of them is part of a file that is wanted
            for (const BinaryAudit* binary : binaries)
                if (fits_wheel(*binary, wheel.tags)) fitting.insert(binary->path);
            for (const BinaryAudit* binary : binaries)
                if (!fitting.contains(binary->path) && keeps_its_promise(*binary)) strays.insert(binary);
        }
    }
    return strays;
}

void find_in_wheels(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings) {
    const std::vector<WheelFiles> wheels = wheels_of(report);
    std::set<std::string_view> incomplete;
    for (const InputError& error : report.errors)
        incomplete.insert(std::string_view(error.path).substr(0, error.path.rfind('!')));
    for (std::size_t i = 0; i < wheels.size(); ++i) {
        const PackageAudit& package = report.packages[i];
        find_strays(package, wheels[i], strays, findings);
        find_optional_modules(package, wheels[i], findings);
        // What could not be read may be what seems to be missing.
        if (!incomplete.contains(package.path)) find_missing_machines(package, wheels[i], findings);
    }
}

}  // namespace interlock::auditing::rules
