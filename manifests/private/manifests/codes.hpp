// codes.hpp: the kinds of finding that the parsers of this component report. manifests/codes.md gives each its
// name, severity and explanation, so that the three cannot drift apart.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <interlock/diagnostic.hpp>

namespace interlock::manifests {

/// In the order of manifests/codes.md.
enum class Code : std::uint8_t {
    syntax,
    too_large,
    too_deep,
    duplicate_key,
    unknown_key,
    missing_key,
    wrong_type,
    unknown_version,
    unknown_word,
    empty_value,
    empty_match,
    bad_glob,
    bad_hash,
    bad_date,
    bad_module_name,
    bad_filter,
    expired_rule,
    shadowed_rule,
};

const DiagnosticCode& info(Code code) noexcept;

}  // namespace interlock::manifests
