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

/// Who can decide. In which order they are asked is in docs/policies.md: the first one that has something to say
/// decides.
enum class DecisionSource : std::uint8_t {
    override_,  ///< the API or the command line
    policy,     ///< a rule of the policy
    marker,     ///< the note in the binary
    manifest,   ///< a manifest whose hash matches
    default_,   ///< the policy's "default", else global_lock
    init,       ///< a legacy module, from inside its init function
    library,    ///< a library that it pulls in needs the global lock; counts more than the module's own marker
    abi,        ///< only for CPython: the file is for another interpreter, so no rule can make it fit
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
    /// For what is known only later, and counts: nothing that was said before has decided then.
    IL_API void overrule(DecisionSource by, PolicyAction says, std::string text);
};

}  // namespace interlock
