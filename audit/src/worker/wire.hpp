// wire.hpp: results on their way from the process that judges to the one that asked. Both are the same program, so the
// form is nobody else's business; but what the judging process writes is as trustworthy as the file that it judged, and
// is read with checked bounds.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "inputs/archive_zip.hpp"
#include "verdict/binary.hpp"

namespace interlock::auditing::worker {

/// A tar file, and what has been counted before it.
struct TarPlace {
    inputs::Compression compression = inputs::Compression::none;
    std::string name;       ///< for messages
    std::string outermost;  ///< archive of the user
    std::uint64_t packed = 0, entries = 0, unpacked = 0;
};

std::string to_wire(const verdict::BinaryContext& context);
std::string to_wire(const inputs::PackedMember& packed);  ///< without the archive
std::string to_wire(const TarPlace& place);
std::string to_wire(const inputs::Member& member);
std::string to_wire(const Error& error);
std::string to_wire(const Result<std::vector<BinaryAudit>>& result);
/// Errors: internal, when it is not what to_wire() makes.
Result<verdict::BinaryContext> context_from_wire(std::string_view wire);
Result<std::vector<BinaryAudit>> audits_from_wire(std::string_view wire);
/// These are false for what to_wire() does not make.
bool packed_from_wire(std::string_view wire, inputs::PackedMember& packed);
bool tar_from_wire(std::string_view wire, TarPlace& place);
bool member_from_wire(std::string_view wire, inputs::Member& member);
bool error_from_wire(std::string_view wire, Error& error);

}  // namespace interlock::auditing::worker
