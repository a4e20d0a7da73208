// decide.cpp: the sources in their order; each that speaks leaves a step, with its words.
//
// SPDX-License-Identifier: MIT
#include "manifests/decide.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <interlock/escape.hpp>

namespace interlock {

std::string_view source_name(DecisionSource source) noexcept {
    switch (source) {
        case DecisionSource::override_:
            return "override";
        case DecisionSource::policy:
            return "policy";
        case DecisionSource::marker:
            return "marker";
        case DecisionSource::manifest:
            return "manifest";
        case DecisionSource::default_:
            return "default";
        case DecisionSource::init:
            return "init";
        case DecisionSource::library:
            return "library";
        case DecisionSource::abi:
            return "abi";
    }
    return "default";
}

void Decision::overrule(DecisionSource by, PolicyAction says, std::string text) {
    for (Reason& reason : why) reason.decided = false;
    why.push_back({by, says, true, std::move(text)});
    action = says;
    source = by;
}

namespace manifests {

namespace {

class Deciding {
public:
    void say(DecisionSource source, std::optional<PolicyAction> says, std::string text) {
        const bool decides = says.has_value() && !decided_;
        decision.why.push_back({source, says, decides, std::move(text)});
        if (!decides) return;
        decided_ = true;
        decision.action = *says;
        decision.source = source;
    }
    void say(DecisionSource source, const Statement& statement) { say(source, statement.says, statement.text); }

    Decision decision;

private:
    bool decided_ = false;
};

std::string place_of(const Policy& policy, const PolicyRule& rule) {
    return (policy.path.empty() ? std::string("the policy")
                                : escape(policy.path.string()) + ":" + std::to_string(rule.line)) +
           ": the rule for " + describe(rule);
}

void ask_policy(Deciding& deciding, const DecisionFacts& facts) {
    if (facts.policy == nullptr) return;
    for (const PolicyRule* rule : facts.expired)
        deciding.say(DecisionSource::policy, std::nullopt,
                     place_of(*facts.policy, *rule) + " has expired, so it does not count");
    if (facts.rule != nullptr)
        deciding.say(DecisionSource::policy, facts.rule->threading, statement_of(*facts.policy, *facts.rule));
}

// Its lock, and the global one, are taken by who imports it; who is linked to it goes in without.
void ask_libraries(Deciding& deciding, const std::vector<std::string>& libraries) {
    constexpr std::size_t most_reasons = 10;
    for (std::size_t i = 0; i < std::min(libraries.size(), most_reasons); ++i)
        deciding.say(DecisionSource::library, PolicyAction::global_lock, libraries[i]);
    if (libraries.size() > most_reasons)
        deciding.say(DecisionSource::library, PolicyAction::global_lock,
                     "and " + std::to_string(libraries.size() - most_reasons) + " other libraries");
}

Statement default_for(const DecisionFacts& facts) {
    if (facts.seen == Seen::nothing)
        return {PolicyAction::interpreter, "nothing is known of the module, so the interpreter decides"};
    if (facts.seen == Seen::not_what_it_does)
        return {PolicyAction::interpreter, "what it does is not known, so the interpreter decides"};
    const bool loader = facts.host == Host::loader;
    if (facts.policy != nullptr && facts.policy->default_unmarked) {
        const PolicyAction action = *facts.policy->default_unmarked;
        return {action, "the policy's default for unmarked modules" +
                            (loader ? " is " + std::string(action_name(action)) : std::string())};
    }
    return {PolicyAction::global_lock,
            std::string("a module that says nothing needs the ") + (loader ? "global lock" : "GIL")};
}

}  // namespace

Decision decide(const DecisionFacts& facts) {
    Deciding deciding;
    if (facts.unfit) deciding.say(DecisionSource::abi, PolicyAction::refuse, *facts.unfit);
    if (facts.override_)
        deciding.say(DecisionSource::override_, facts.override_,
                     "an override says " + std::string(action_name(*facts.override_)));
    ask_policy(deciding, facts);
    if (facts.unfit) return std::move(deciding.decision);
    // Who needs the lock by himself is not asked why others need it.
    const bool needs_lock = facts.marker.says == PolicyAction::global_lock;
    if (needs_lock) deciding.say(DecisionSource::marker, facts.marker);
    ask_libraries(deciding, facts.libraries);
    if (!needs_lock) deciding.say(DecisionSource::marker, facts.marker);
    if (facts.manifest) deciding.say(DecisionSource::manifest, *facts.manifest);
    // CPython's markers are all there is to say; the loader also says what would have been without.
    if (facts.host == Host::loader || !facts.marker.says) deciding.say(DecisionSource::default_, default_for(facts));
    return std::move(deciding.decision);
}

Statement statement_of(const ModuleFile& file, std::string_view module) {
    const Marker* marker = file.marker_for(module);
    if (marker == nullptr)
        return {std::nullopt, file.markers.empty()
                                  ? "the file carries no marker"
                                  : "the file carries a marker, but for module " + quoted(file.markers.front().module)};
    if (!marker->threading)
        return {std::nullopt, "the marker in the file says " + quoted(marker->threading_text) +
                                  ", which this version of interlock does not know"};
    return {static_cast<PolicyAction>(*marker->threading),
            "the marker in the file says " + std::string(level_name(*marker->threading))};
}

Statement statement_of(const Manifest& manifest) {
    return {static_cast<PolicyAction>(manifest.threading),
            "the manifest beside the file, declared by " + quoted(manifest.declared_by) + ", says " +
                std::string(level_name(manifest.threading)) + ", because: " + escape(manifest.reason)};
}

std::string statement_of(const Policy& policy, const PolicyRule& rule) {
    return place_of(policy, rule) + " says " + std::string(action_name(rule.threading)) +
           ", because: " + escape(rule.reason);
}

std::string said_in_init(ThreadingLevel level) { return "its init function says " + std::string(level_name(level)); }

std::string said_by_maker(std::string_view maker, std::string_view says) {
    return "its module is made by " + std::string(maker) + ", which says: " + std::string(says);
}

Statement interpreter_is_stuck() {
    return {PolicyAction::global_lock, "CPython cannot decide while another import is under way that does not end"};
}

}  // namespace manifests
}  // namespace interlock
