// explanations.hpp: what the codes mean that the command prints and returns.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

namespace interlock::cli {

struct Explanation {
    std::string_view kind;  ///< "error", "warning", "policy diagnostic", "exit status", "audit rule"
    std::string_view code;
    std::string_view what;  ///< it means: one sentence
    std::string_view why;   ///< the usual reasons
    std::string_view fix;   ///< what to do
};

/// All but the diagnostics of policy files, which explain themselves (diagnostic_codes()).
std::span<const Explanation> explanations() noexcept;

}  // namespace interlock::cli
