// wheel_tags.cpp: tags of wheels and file names taken apart into ABIs and machines, and held against what binaries are.
// A tag that is not known here promises nothing.
//
// SPDX-License-Identifier: MIT
#include "verdict/wheel_tags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <interlock/escape.hpp>

#include "base/python_tag.hpp"

namespace interlock::auditing::verdict {

namespace {

std::optional<AbiTag> abi_tag(std::string_view text) {
    if (text == "abi3") return AbiTag{AbiFlavour::abi3, std::nullopt, std::string(text)};
    if (text == "abi3t") return AbiTag{AbiFlavour::abi3t, std::nullopt, std::string(text)};
    if (!text.starts_with("cp")) return std::nullopt;
    const auto tag = base::read_python_tag(text.substr(2));
    if (!tag || tag->major != 3) return std::nullopt;
    return AbiTag{tag->free_threaded ? AbiFlavour::free_threaded : AbiFlavour::gil, PythonVersion{3, tag->minor},
                  std::string(text)};
}

/// What a platform tag promises: every one of these machines. Nothing for "any" and for tags that are not known here.
std::vector<Machine> machines_of(std::string_view tag) {
    struct Suffix {
        std::string_view text, architecture;
    };
    if (tag == "win32") return {{"windows", "i386"}};
    if (tag == "win_amd64") return {{"windows", "x86_64"}};
    if (tag == "win_arm64") return {{"windows", "aarch64"}};
    if (tag.starts_with("macosx_")) {
        if (tag.ends_with("_universal2")) return {{"macos", "x86_64"}, {"macos", "aarch64"}};
        if (tag.ends_with("_x86_64")) return {{"macos", "x86_64"}};
        if (tag.ends_with("_arm64")) return {{"macos", "aarch64"}};
        return {{"macos", ""}};
    }
    const bool glibc = tag.starts_with("manylinux"), musl = tag.starts_with("musllinux_");
    if (!glibc && !musl && !tag.starts_with("linux_")) return {};
    const CLibrary library = glibc ? CLibrary::glibc : musl ? CLibrary::musl : CLibrary::unknown;
    constexpr Suffix suffixes[] = {{"_x86_64", "x86_64"},   {"_i686", "i386"},
                                   {"_aarch64", "aarch64"}, {"_armv7l", "arm"},
                                   {"_armv6l", "arm"},      {"_ppc64le", "ppc64le"},
                                   {"_ppc64", "ppc64"},     {"_s390x", "s390x"},
                                   {"_riscv64", "riscv64"}, {"_loongarch64", "loongarch64"}};
    for (const Suffix& suffix : suffixes)
        if (tag.ends_with(suffix.text)) return {{"linux", std::string(suffix.architecture), library}};
    return {{"linux", "", library}};
}

CLibrary library_of(const BinaryAudit& binary) noexcept {
    for (const std::string_view library : binary.libraries) {
        if (library == "libc.so.6" || library.starts_with("ld-linux")) return CLibrary::glibc;
        if (library.starts_with("libc.musl-") || library.starts_with("ld-musl-")) return CLibrary::musl;
    }
    return CLibrary::unknown;
}

template <typename Value>
void add_once(std::vector<Value>& values, Value value) {
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(std::move(value));
}

}  // namespace

std::optional<unsigned> small_number(std::string_view digits) noexcept {
    if (digits.empty() || digits.size() > 3) return std::nullopt;
    unsigned value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
}

std::optional<AbiTag> abi_of(const FileTag& file) {
    if (file.abi == AbiFlavour::unknown) return std::nullopt;
    return AbiTag{file.abi, file.version, file.tag};
}

bool fits(const BinaryAudit& binary, const AbiTag& tag) noexcept {
    const bool version_fits = !binary.abi_version || !tag.version || *binary.abi_version == *tag.version;
    switch (tag.flavour) {
        case AbiFlavour::free_threaded:
            return (binary.abi == AbiFlavour::free_threaded && version_fits) || binary.abi == AbiFlavour::abi3t;
        case AbiFlavour::gil:
            return (binary.abi == AbiFlavour::gil && version_fits) || binary.abi == AbiFlavour::abi3 ||
                   binary.abi == AbiFlavour::abi3t;
        case AbiFlavour::abi3:
            // One that is for a GIL and shows no version may well keep to the stable ABI.
            return binary.abi == AbiFlavour::abi3 || binary.abi == AbiFlavour::abi3t ||
                   (binary.abi == AbiFlavour::gil && !binary.abi_version);
        case AbiFlavour::abi3t:
            return binary.abi == AbiFlavour::abi3t;
        case AbiFlavour::unknown:
        case AbiFlavour::interlock:
            break;
    }
    return true;
}

bool is_free_threaded(const AbiTag& tag) noexcept {
    return tag.flavour == AbiFlavour::free_threaded || tag.flavour == AbiFlavour::abi3t;
}

std::string Machine::text() const {
    return fmt::format("{}{}{}", escape(platform, 40), architecture.empty() ? "" : " on " + escape(architecture, 40),
                       library == CLibrary::glibc  ? " with glibc"
                       : library == CLibrary::musl ? " with musl"
                                                   : "");
}

Machine machine_of(const BinaryAudit& binary) { return {binary.platform, binary.architecture, library_of(binary)}; }

bool runs_on(const BinaryAudit& binary, const Machine& machine) noexcept {
    if (binary.platform != machine.platform) return false;
    if (!machine.architecture.empty() && binary.architecture != machine.architecture) return false;
    const CLibrary library = library_of(binary);
    return machine.library == CLibrary::unknown || library == CLibrary::unknown || library == machine.library;
}

bool WheelTags::fit_abi(const BinaryAudit& binary) const {
    return abis.empty() || binary.abi == AbiFlavour::unknown ||
           std::any_of(abis.begin(), abis.end(), [&](const AbiTag& tag) { return fits(binary, tag); });
}

bool WheelTags::fit_machine(const BinaryAudit& binary) const {
    if (platforms.empty() || other_platform) return true;
    return std::any_of(machines.begin(), machines.end(),
                       [&](const Machine& machine) { return runs_on(binary, machine); });
}

WheelTags read_tags(const PackageAudit& package) {
    WheelTags tags;
    std::set<std::string_view> seen;  // a WHEEL file can have tens of thousands
    for (const std::string& text : package.wheel_tags) {
        const auto parts = base::split(text, '-');
        if (parts.size() != 3) continue;
        for (const std::string_view part : base::split(parts[1], '.')) {
            tags.any_abi = tags.any_abi || part == "none";
            if (auto tag = abi_tag(part)) tags.abis.push_back(std::move(*tag));
        }
        for (const std::string_view part : base::split(parts[2], '.')) {
            if (!seen.insert(part).second) continue;
            tags.platforms.emplace_back(part);
            std::vector<Machine> machines = machines_of(part);
            if (part == "any")
                tags.any_platform = true;
            else if (machines.empty())
                tags.other_platform = true;
            for (Machine& machine : machines) add_once(tags.machines, std::move(machine));
        }
    }
    return tags;
}

}  // namespace interlock::auditing::verdict
