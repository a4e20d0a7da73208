// binary.hpp: from the bytes of one file to what the audit says of its modules.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "image/image.hpp"

namespace interlock::auditing::verdict {

/// More libraries than these are not given with a file, and not named as missing.
inline constexpr std::size_t most_libraries = 64;

/// What is known of a file beside its bytes.
struct BinaryContext {
    std::string path;         ///< for reports: BinaryAudit::path
    std::string module_path;  ///< below the root of its package, with '/': "numpy/_core/_x.cpython-313t-darwin.so"
    std::filesystem::path disk_path;  ///< where it lies; empty for a member of an archive
    std::string manifest;             ///< text of the manifest beside it; empty if there is none
    std::string not_run_because{};    ///< why init functions must not be run: they ended a process before. Else empty
    std::vector<std::string> libraries{};  ///< names, without folders, of the libraries that are given with it
};

/// Reads and judges all slices of one file: everything of BinaryAudit but `package`; `effects` are those of the
/// binary alone, before delegations are resolved. Does not look at policies. Errors: malformed_file, unsupported.
/// `libraries`: what is in those of `context`, in their order; one that cannot be read is as if it were not there.
/// [any-thread]: each thread keeps emulators of its own.
Result<std::vector<BinaryAudit>> audit_binary(image::Bytes file, const BinaryContext& context,
                                              const AuditOptions& options,
                                              std::span<const image::Bytes> libraries = {});

/// Modules of which nothing could be found out, in files whose names and contents do not say for which interpreters
/// they are, in wheels for interpreters with a GIL: they are for these.
void take_abi_from_wheel(AuditReport& report);

/// For modules that are `delegated` to one that is in `report` or in `others`: takes over its verdict, with the way as
/// evidence, and computes the effects anew. Circles and chains of any length are dealt with.
void resolve_delegations(AuditReport& report, std::span<const BinaryAudit> others, const AuditOptions& options);

/// Fills worst, mixed, modules and effects of each package from its binaries.
void summarize_packages(AuditReport& report);

}  // namespace interlock::auditing::verdict
