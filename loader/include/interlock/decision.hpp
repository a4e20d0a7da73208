// interlock/decision.hpp: which threading level an import gets, and every step that had a say.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/level.hpp>
#include <interlock/policy.hpp>

namespace interlock {

/// Who can decide, in the order of docs/policies.md: the first one that has something to say.
enum class DecisionSource : std::uint8_t {
    override_,  ///< the API or the command line
    policy,     ///< a rule of the policy
    marker,     ///< the note in the binary
    manifest,   ///< a manifest whose hash matches
    default_,   ///< the policy's "default", else global_lock
    init,       ///< a legacy module, from inside its init function
    library,    ///< a library that it pulls in needs the global lock; counts more than the module's own marker
};
IL_API std::string_view source_name(DecisionSource source) noexcept;  ///< "override", "policy", ...

/// One step: what a source said, whether it was listened to or not.
struct Reason {
    DecisionSource source;
    std::optional<PolicyAction> says;  ///< nullopt: it has no say, `text` tells why
    bool decided = false;
    std::string text;  ///< for people; values escaped
};

struct Decision {
    PolicyAction action = PolicyAction::global_lock;
    DecisionSource source = DecisionSource::default_;
    std::vector<Reason> why;

    bool refused() const noexcept { return action == PolicyAction::refuse; }
    /// Only when not refused.
    ThreadingLevel level() const noexcept { return static_cast<ThreadingLevel>(action); }
};

}  // namespace interlock
