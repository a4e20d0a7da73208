// findings_tags.cpp: the rules that compare what file names, wheel tags and places promise with what the binary is.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include <interlock/escape.hpp>

#include "base/python_tag.hpp"
#include "rules/findings.hpp"
#include "verdict/verdict.hpp"
#include "verdict/wheel_tags.hpp"

namespace interlock::auditing::rules {

namespace {

std::string describe(const BinaryAudit& binary) {
    const std::string version =
        binary.abi_version ? fmt::format("{}.{}", binary.abi_version->major, binary.abi_version->minor) : "";
    switch (binary.abi) {
        case AbiFlavour::gil:
            return version.empty() ? "an interpreter with a GIL" : "Python " + version + " with a GIL";
        case AbiFlavour::free_threaded:
            return version.empty() ? "a free-threaded interpreter" : "free-threaded Python " + version;
        case AbiFlavour::abi3:
            return "the stable ABI with a GIL (abi3)";
        case AbiFlavour::abi3t:
            return "the stable ABI of both kinds of interpreter (abi3t)";
        case AbiFlavour::unknown:
        case AbiFlavour::interlock:
            break;
    }
    return "an unknown interpreter";
}

std::string names(const std::vector<verdict::AbiTag>& tags) {
    std::vector<std::string> texts;
    for (const verdict::AbiTag& tag : tags) texts.push_back(tag.text);
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    return listed_tags(texts);
}

using Slices = std::map<std::string_view, std::vector<const BinaryAudit*>>;

/// A file for several machines fits when one of its slices does.
bool any_slice_fits(const BinaryAudit& binary, const Slices& slices, const verdict::WheelTags& wheel) {
    const auto found = slices.find(binary.path);
    if (found == slices.end()) return wheel.fit_machine(binary);
    return std::any_of(found->second.begin(), found->second.end(),
                       [&](const BinaryAudit* slice) { return wheel.fit_machine(*slice); });
}

std::string_view file_name(std::string_view path) noexcept { return path.substr(path.find_last_of("/!") + 1); }

/// The interpreter that looks for modules where a file lies: "lib/python3.13t/site-packages/...".
struct Place {
    PythonVersion python;
    bool free_threaded = false;
};

std::optional<Place> place_of(const std::string& path) {
    // Of archives what they unpack to. A user may stand in the folder.
    const std::size_t member = path.rfind('!');
    std::error_code failed;
    const std::string whole = member == path.npos ? std::filesystem::absolute(path, failed).lexically_normal().native()
                                                  : path.substr(member + 1);
    std::optional<Place> place;
    const auto folders = base::split(whole, '/');
    for (std::size_t i = 0; i + 2 < folders.size(); ++i) {
        const bool of_modules =
            folders[i + 1] == "site-packages" || folders[i + 1] == "dist-packages" || folders[i + 1] == "lib-dynload";
        if (!of_modules || !folders[i].starts_with("python3.")) continue;
        std::string_view digits = folders[i].substr(8);
        const bool free_threaded = digits.ends_with('t');
        if (free_threaded) digits.remove_suffix(1);
        if (const auto minor = verdict::small_number(digits)) place = Place{{3, *minor}, free_threaded};
    }
    return place;
}

/// What a file for a GIL does to those that take it: "it crashes 3.13t, its import fails in 3.15t". Empty if none takes
/// it.
std::string harm_of(const BinaryAudit& binary, const ModuleAudit& module, const verdict::FileTag& name) {
    ModuleAudit found;
    for (const EffectOn& on : module.effects)
        if (verdict::finds_file_for_gil(binary, name, on.python)) found.effects.push_back(on);
    std::vector<std::string> harms;
    for (const auto& [effect, text] :
         {std::pair(Effect::crashes, "it crashes "), std::pair(Effect::cannot_load, "its import fails in "),
          std::pair(Effect::unknown, "its objects have another layout in ")})
        if (const std::string pythons = pythons_with(found, effect); !pythons.empty()) harms.push_back(text + pythons);
    return fmt::format("{}", fmt::join(harms, ", "));
}

/// What an interpreter finds and loads, and crashes or fails with: an error where one does, a warning where it may be.
void find_crash(const BinaryAudit& binary, const ModuleAudit& module, const verdict::FileTag& name,
                const verdict::WheelTags& wheel, FindingCollector& findings) {
    const std::string harm = harm_of(binary, module, name);
    if (harm.empty()) return;
    std::string where;
    Level level = Level::error;
    if (!wheel.platforms.empty()) {
        // The installer of a free-threaded interpreter takes no other wheel with such a file.
        if (!wheel.any_abi) return;
        where = fmt::format("; the wheel's tag lets every interpreter have it, and {}", harm);
    } else if (const auto place = place_of(binary.path)) {
        const auto here = std::find_if(module.effects.begin(), module.effects.end(),
                                       [&](const EffectOn& on) { return on.python == place->python; });
        if (!place->free_threaded || here == module.effects.end() ||
            !verdict::finds_file_for_gil(binary, name, here->python))
            return;
        where = fmt::format("; it lies where {} finds it, loads it and {}", here->python.text(),
                            here->effect == Effect::crashes       ? "crashes"
                            : here->effect == Effect::cannot_load ? "fails to import it"
                                                                  : "has objects of another layout");
    } else {
        where = fmt::format("; where it is found {}", harm);
        level = Level::warning;
    }
    Finding& finding =
        findings.add(RuleId::crashes, binary, module,
                     fmt::format("the file of {} is for {}{}", named(binary, module), describe(binary), where));
    finding.level = level;
    finding.fix = "install a build for the free-threaded version instead";
}

void compare(const BinaryAudit& binary, const verdict::WheelTags& wheel, const Slices& slices,
             FindingCollector& findings) {
    const ModuleAudit* module = primary_module(binary);
    if (module == nullptr || binary.abi == AbiFlavour::interlock) return;
    std::vector<std::string> wrong;
    std::vector<verdict::AbiTag> free_threaded;
    const verdict::FileTag name = verdict::read_file_tag(file_name(binary.path));
    const auto file = verdict::abi_of(name);
    for (const verdict::AbiTag& tag : wheel.abis) {
        if (verdict::is_free_threaded(tag)) free_threaded.push_back(tag);
    }
    if (file && verdict::is_free_threaded(*file)) free_threaded.push_back(*file);
    if (binary.abi == AbiFlavour::abi3 && !free_threaded.empty()) {
        const std::string harm = harm_of(binary, *module, name);
        Finding& finding = findings.add(
            RuleId::abi3_in_free_threaded_tag, binary, *module,
            fmt::format("the file of {} is for {}, but is offered to free-threaded interpreters (tag {}){}",
                        named(binary, *module), describe(binary), names(free_threaded),
                        harm.empty() ? "" : "; " + harm));
        finding.fix = "build it for the free-threaded version, or for abi3t from 3.15 on";
    } else if (binary.abi != AbiFlavour::unknown) {
        if (file && !verdict::fits(binary, *file))
            wrong.push_back(fmt::format("the file name says {}", escape(file->text, 40)));
        if (!wheel.fit_abi(binary)) wrong.push_back(fmt::format("the wheel's tag says {}", names(wheel.abis)));
    }
    std::vector<std::string> messages;
    if (!wrong.empty())
        messages.push_back(fmt::format("{}, but the binary is for {}", fmt::join(wrong, " and "), describe(binary)));
    wrong.clear();
    if (verdict::is_named_for_another_machine(name, binary))
        wrong.push_back(fmt::format("the file name says {}", escape(name.tag.empty() ? ".pyd" : name.tag, 60)));
    // What a wheel for all machines has for one of them is said of the wheel.
    if (!wheel.any_platform && !any_slice_fits(binary, slices, wheel))
        wrong.push_back(fmt::format("the wheel's platform tag is {}", listed_tags(wheel.platforms)));
    if (!wrong.empty())
        messages.push_back(
            fmt::format("{}, but the binary is for {}", fmt::join(wrong, " and "), verdict::machine_of(binary).text()));
    if (messages.empty()) {
        if (free_threaded.empty()) find_crash(binary, *module, name, wheel, findings);
        return;
    }
    Finding& finding =
        findings.add(RuleId::tag_mismatch, binary, *module, fmt::format("{}", fmt::join(messages, "; ")));
    finding.fix =
        "build this file again for what the tag says, in a clean folder; stale files of other builds are the "
        "usual cause";
}

}  // namespace

std::string listed_tags(const std::vector<std::string>& tags) {
    constexpr std::size_t most = 6;
    std::string text;
    for (std::size_t i = 0; i < tags.size() && i < most; ++i) text += (i == 0 ? "" : ", ") + escape(tags[i], 80);
    return tags.size() > most ? fmt::format("{} and {} more", text, tags.size() - most) : text;
}

void find_in_tags(const AuditReport& report, const StrayFiles& strays, FindingCollector& findings) {
    Slices slices;
    for (const BinaryAudit& binary : report.binaries) {
        if (binary.slice) slices[binary.path].push_back(&binary);
    }
    std::vector<verdict::WheelTags> tags;
    for (const PackageAudit& package : report.packages) {
        tags.push_back(verdict::read_tags(package));
        if (package.metadata_tags.empty()) continue;
        Finding& finding =
            findings.add(RuleId::tag_mismatch, package,
                         fmt::format("the wheel is named for {}, but its WHEEL file says {}; installers go by the name",
                                     listed_tags(package.wheel_tags), listed_tags(package.metadata_tags)));
        finding.level = Level::warning;
        finding.fix = "rename it with `wheel tags`, which changes both";
    }
    for (const BinaryAudit& binary : report.binaries) {
        if (strays.contains(&binary)) continue;  // which are said of the wheel
        compare(binary, binary.package < tags.size() ? tags[binary.package] : verdict::WheelTags{}, slices, findings);
    }
}

}  // namespace interlock::auditing::rules
