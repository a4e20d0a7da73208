// wheel_tags.hpp: what the tags of a wheel and of a file name promise of the files that they are on: for which
// interpreters and for which machines these are.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verdict/python_abi.hpp"

namespace interlock::auditing::verdict {

/// What a tag promises of the ABI.
struct AbiTag {
    AbiFlavour flavour = AbiFlavour::unknown;
    std::optional<PythonVersion> version;  // of cp314 and cp314t
    std::string text;
};

/// What the name of a file promises; nothing for a bare suffix and for other implementations of Python.
std::optional<AbiTag> abi_of(const FileTag& file);
bool fits(const BinaryAudit& binary, const AbiTag& tag) noexcept;
bool is_free_threaded(const AbiTag& tag) noexcept;

enum class CLibrary : std::uint8_t { unknown, glibc, musl };

/// One kind of machine. What is empty or unknown can be any.
struct Machine {
    std::string platform, architecture;
    CLibrary library = CLibrary::unknown;
    auto operator<=>(const Machine&) const = default;
    std::string text() const;  ///< "linux on x86_64 with musl"; escaped
};
/// The C library by what it is linked against; a module that needs none of its functions does not say.
Machine machine_of(const BinaryAudit& binary);
bool runs_on(const BinaryAudit& binary, const Machine& machine) noexcept;

/// The tags of a wheel. Sets of tags may be written in one: "cp315-abi3.abi3t-manylinux_2_17_x86_64".
struct WheelTags {
    std::vector<AbiTag> abis;
    std::vector<std::string> platforms;  ///< each once
    std::vector<Machine> machines;       ///< that the platforms promise, each once
    bool any_abi = false;                ///< "none": installers give it to every interpreter
    bool any_platform = false;           ///< "any": to every machine
    bool other_platform = false;         ///< one that is not known here: it may be for any machine

    /// Whether an interpreter that gets the wheel can be one that this file is for; likewise the machine. True where
    /// the tags are not known here.
    bool fit_abi(const BinaryAudit& binary) const;
    bool fit_machine(const BinaryAudit& binary) const;
};
WheelTags read_tags(const PackageAudit& package);

/// "3.14" of "314", for folder names; nullopt for what is no number of up to three digits.
std::optional<unsigned> small_number(std::string_view digits) noexcept;

}  // namespace interlock::auditing::verdict
