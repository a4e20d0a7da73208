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

#include "binary.hpp"

namespace interlock::auditing {

std::string to_wire(const BinaryContext& context);
std::string to_wire(const Result<std::vector<BinaryAudit>>& result);
/// Errors: internal, when it is not what to_wire() makes.
Result<BinaryContext> context_from_wire(std::string_view wire);
Result<std::vector<BinaryAudit>> audits_from_wire(std::string_view wire);

}  // namespace interlock::auditing
