// names.cpp: the words for verdicts, flavours, effects and levels, as they appear in all reports; and the names of
// interpreters.
//
// SPDX-License-Identifier: MIT
#include <array>
#include <charconv>

#include <interlock/audit.hpp>

namespace interlock {

namespace {

/// The name at the place of an enumerator; the tables below are as long as their enumerations.
template <std::size_t Size, typename Enum>
constexpr std::string_view name_at(const std::array<std::string_view, Size>& names, Enum value) noexcept {
    const auto index = static_cast<std::size_t>(value);
    return index < Size ? names[index] : "unknown";
}

constexpr std::array<PythonVersion, 3> defaults = {{{3, 13}, {3, 14}, {3, 15}}};

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
    constexpr std::array<std::string_view, verdict_count> names = {
        "not_a_module", "free", "not_applicable", "delegated", "undetermined", "unmarked", "global_lock"};
    return name_at(names, verdict);
}

std::string_view confidence_name(Confidence confidence) noexcept {
    constexpr std::array<std::string_view, 3> names = {"certain", "probable", "weak"};
    return name_at(names, confidence);
}

std::string_view confidence_name(const ModuleAudit& module) noexcept {
    return module.verdict == Verdict::undetermined ? std::string_view() : confidence_name(module.confidence);
}

std::string_view abi_flavour_name(AbiFlavour flavour) noexcept {
    constexpr std::array<std::string_view, 6> names = {"unknown", "gil", "free_threaded", "abi3", "abi3t", "interlock"};
    return name_at(names, flavour);
}

std::string_view effect_name(Effect effect) noexcept {
    constexpr std::array<std::string_view, 5> names = {"keeps_gil_off", "turns_gil_on", "cannot_load", "crashes",
                                                       "unknown"};
    return name_at(names, effect);
}

std::string marker_kind_text(const ModuleAudit& module) {
    constexpr std::array<std::string_view, marker_kind_count> names = {
        "",         "slot",      "slot twice", "slot value", "SetGIL",   "SetGIL too late",
        "argument", "delegated", "note",       "init",       "manifest", "manifest hash mismatch"};
    std::string text(name_at(names, module.marker_kind));
    if (module.marker_kind == MarkerKind::slot_value) text += ' ' + std::to_string(module.marker_value);
    return text;
}

std::string_view level_text(Level level) noexcept {
    constexpr std::array<std::string_view, 3> names = {"note", "warning", "error"};
    return name_at(names, level);
}

std::string PythonVersion::text() const { return std::to_string(major) + '.' + std::to_string(minor) + 't'; }

std::optional<PythonVersion> python_version_from_text(std::string_view text) noexcept {
    if (text.ends_with('t')) text.remove_suffix(1);
    // "313": the major version has one digit, as in file names.
    if (text.size() < 2) return std::nullopt;
    const std::string_view minor = text.substr(text[1] == '.' ? 2 : 1);
    PythonVersion version;
    version.major = static_cast<unsigned>(text[0] - '0');
    if (version.major != 3 || minor.empty() || minor.size() > 3 || (minor[0] == '0' && minor.size() > 1))
        return std::nullopt;
    const auto [end, error] = std::from_chars(minor.data(), minor.data() + minor.size(), version.minor);
    if (error != std::errc() || end != minor.data() + minor.size()) return std::nullopt;
    // There is no free-threaded interpreter before 3.13.
    if (version.minor < 13) return std::nullopt;
    return version;
}

std::span<const PythonVersion> default_pythons() noexcept { return defaults; }

}  // namespace interlock
