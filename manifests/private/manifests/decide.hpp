// decide.hpp: from what is known of one import to the decision about it (interlock/decision.hpp). Nothing is read here:
// each host, the loader and the one for CPython, gathers the facts; the order of the sources, what each of them says in
// words, and who is listened to is the same for both.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/decision.hpp>
#include <interlock/manifest.hpp>
#include <interlock/marker.hpp>
#include <interlock/policy.hpp>

namespace interlock::manifests {

/// What one source says; nullopt when it has no say, and `text` tells why.
struct Statement {
    std::optional<PolicyAction> says;
    std::string text;
};

enum class Host : std::uint8_t { loader, cpython };

/// What could be found out about the module itself. The loader knows it all.
enum class Seen : std::uint8_t {
    everything,
    not_what_it_does,
    nothing,
};

struct DecisionFacts {
    Host host = Host::loader;
    Seen seen = Seen::everything;
    std::optional<std::string> unfit{};  ///< why it cannot run in this interpreter
    std::optional<PolicyAction> override_;
    const Policy* policy = nullptr;            ///< null: there is none
    const PolicyRule* rule = nullptr;          ///< of it: the one that matches
    std::vector<const PolicyRule*> expired{};  ///< of it: those that would have, had they not expired
    Statement marker;
    std::vector<std::string> libraries{};  ///< that it pulls in and that need the lock, in words
    std::optional<Statement> manifest{};
};

/// Asks each source in order, and keeps what every one said. [any-thread]
Decision decide(const DecisionFacts& facts);

// What sources say, in words.
Statement statement_of(const ModuleFile& file, std::string_view module);  ///< of its marker
Statement statement_of(const Manifest& manifest);
std::string statement_of(const Policy& policy, const PolicyRule& rule);
/// An init function that says the level itself.
std::string said_in_init(ThreadingLevel level);
/// A module that another one makes. `maker` is escaped; `says` is the reason for what that one says.
std::string said_by_maker(std::string_view maker, std::string_view says);
/// CPython is to decide, and cannot.
Statement interpreter_is_stuck();

}  // namespace interlock::manifests
