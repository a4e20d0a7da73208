// decision.cpp: see decision.hpp. Asks each source in order and keeps what every one said, as the loader does.
//
// SPDX-License-Identifier: MIT
#include "decision.hpp"

#include <fmt/format.h>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "judge.hpp"

namespace interlock::python {

namespace {

constexpr std::string_view no_module_lock =
    "module_lock is for programs that load modules with interlock; CPython can only run a module with the GIL "
    "(global_lock) or without it (free)";

constexpr std::string_view this_machine =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#else
    "";
#endif

/// Another build may judge otherwise.
std::string identity_of_judge(PythonVersion python) {
    const std::filesystem::path file = file_of_judge();
    return python.text() + ' ' + file.string() + ' ' + identity_of(file);
}

MarkerState marker_state(const KnownModule& module) noexcept {
    if (module.verdict == Verdict::free) return MarkerState::free;
    return module.verdict == Verdict::global_lock ? MarkerState::global_lock : MarkerState::unmarked;
}

Action as_action(PolicyAction action) noexcept {
    switch (action) {
        case PolicyAction::free:
            return Action::free;
        case PolicyAction::refuse:
            return Action::refuse;
        default:
            return Action::global_lock;
    }
}

/// Objects in it have another layout than in this interpreter: no rule can make that fit. What may load all the same is
/// left to the interpreter.
bool is_for_another_interpreter(const KnownModule& module) noexcept {
    return module.verdict == Verdict::not_applicable &&
           (module.effect == Effect::crashes || module.effect == Effect::cannot_load);
}

class Judgement {
public:
    Decision decision;

    void say(std::string source, std::optional<Action> says, std::string text) {
        const bool decides = says && decision.decided_by.empty();
        if (decides) {
            decision.action = *says;
            decision.decided_by = source;
        }
        decision.why.push_back(
            {std::move(source), says ? std::string(action_name(*says)) : std::string(), std::move(text), decides});
    }
};

}  // namespace

std::string_view action_name(Action action) noexcept {
    switch (action) {
        case Action::free:
            return "free";
        case Action::global_lock:
            return "global_lock";
        case Action::refuse:
            return "refuse";
        case Action::interpreter:
            break;
    }
    return "interpreter";
}

Policy policy_for_cpython(const std::filesystem::path& path) {
    Result<PolicyFile> file = read_policy(path, today_utc());
    if (!file) throw Failure(file.error());
    if (has_errors(file->diagnostics)) throw Failure({Errc::invalid_policy, error_text(file->diagnostics)});
    for (const PolicyRule& rule : file->policy.rules) {
        if (rule.threading == PolicyAction::module_lock)
            throw Failure({Errc::invalid_policy,
                           fmt::format("{}:{}:{}: {}", escape(path.string()), rule.line, rule.column, no_module_lock)});
    }
    if (file->policy.default_unmarked == PolicyAction::module_lock)
        throw Failure(
            {Errc::invalid_policy, fmt::format("{}: \"default\": {}", escape(path.string()), no_module_lock)});
    return std::move(file->policy);
}

std::pair<std::string, PolicyAction> override_from_text(std::string_view text) {
    const std::size_t equals = text.find('=');
    const auto action = equals == text.npos ? std::nullopt : policy_action_from_name(text.substr(equals + 1));
    if (!action || equals == 0)
        throw Failure({Errc::invalid_option, fmt::format("an override is MODULE=free, MODULE=global_lock or "
                                                         "MODULE=refuse, not {}",
                                                         quoted(text, 200))});
    if (*action == PolicyAction::module_lock)
        throw Failure({Errc::invalid_option, fmt::format("override {}: {}", quoted(text, 200), no_module_lock)});
    return {std::string(text.substr(0, equals)), *action};
}

Decider::Decider(Settings settings)
    : settings_(std::move(settings)), cache_(settings_.verdict_folder, identity_of_judge(settings_.python)) {}

std::shared_ptr<const KnownModule> Decider::known(const std::string& module, const std::filesystem::path& file,
                                                  std::string& problem) {
    const std::pair key(file.string(), module);
    const std::string identity = identity_of(file);
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = known_.find(key); found != known_.end() && found->second->identity == identity)
            return found->second;
    }
    std::optional<KnownModule> found = cache_.find(module, file, identity);
    const bool is_new = !found;
    if (is_new) {
        found = judged(module, file, problem);
        if (!found) return nullptr;
        found->identity = identity;
    }
    auto result = std::make_shared<const KnownModule>(std::move(*found));
    if (is_new) {
        // A file that was exchanged meanwhile is read again at the next import.
        if (identity.empty() || identity_of(file) != identity) return result;
        cache_.keep(module, file, *result);
    }
    const std::lock_guard lock(mutex_);
    known_.insert_or_assign(key, result);
    return result;
}

std::optional<KnownModule> Decider::judged(const std::string& module, const std::filesystem::path& file,
                                           std::string& problem) {
    // Its process ends with it. One that stays would be a child that the program knows nothing of, and waits for; and
    // it would keep the memory that the program had at that time.
    Result<std::vector<BinaryAudit>> binaries = judge(settings_.python, file, module);
    if (!binaries) {
        problem = binaries.error().message;
        return std::nullopt;
    }
    BinaryAudit* binary = nullptr;
    for (BinaryAudit& slice : *binaries)
        if (binary == nullptr || slice.architecture == this_machine) binary = &slice;
    if (binary == nullptr || binary->modules.empty()) {
        problem = "there is no module in the file";
        return std::nullopt;
    }
    ModuleAudit* audit = &binary->modules.front();
    const std::string_view last = std::string_view(module).substr(module.rfind('.') + 1);
    for (ModuleAudit& one : binary->modules)
        if (one.entry_point == fmt::format("PyInit_{}", last) || one.entry_point == fmt::format("PyModExport_{}", last))
            audit = &one;
    KnownModule result;
    result.verdict = audit->verdict;
    result.confidence = audit->confidence;
    if (!audit->effects.empty()) {
        result.effect = audit->effects.front().effect;
        result.effect_why = std::move(audit->effects.front().why);
    }
    result.reason = std::move(audit->reason);
    result.delegated_to = std::move(audit->delegated_to);
    result.build_id = std::move(binary->build_id);
    result.evidence = std::move(audit->evidence);
    return result;
}

Decision Decider::decide(const std::string& module, const std::optional<std::filesystem::path>& file) {
    Judgement judgement;
    std::string problem = "it is built into the program: there is no file to read";
    const std::shared_ptr<const KnownModule> found = file ? known(module, *file, problem) : nullptr;
    if (found && is_for_another_interpreter(*found)) judgement.say("abi", Action::refuse, found->effect_why);
    if (const auto entry = settings_.overrides.find(module); entry != settings_.overrides.end())
        judgement.say("override", as_action(entry->second),
                      fmt::format("an override says {}", interlock::action_name(entry->second)));
    if (settings_.policy) {
        const Policy& policy = *settings_.policy;
        PolicySubject subject;
        subject.module = module;
        if (file) subject.file = *file;
        if (found) {
            subject.build_id = found->build_id;
            subject.marker = marker_state(*found);
        }
        subject.sha256 = [&] {
            const Result<std::string> digest = file ? sha256_file(*file) : std::string();
            return digest ? *digest : std::string();
        };
        if (const PolicyRule* rule = policy.match(subject, today_utc()))
            judgement.say(
                "policy", as_action(rule->threading),
                fmt::format("{}:{}: the rule for {} says {}, because: {}", escape(policy.path.string()), rule->line,
                            describe(*rule), interlock::action_name(rule->threading), escape(rule->reason)));
    }
    Decision& decision = judgement.decision;
    if (!found) {
        judgement.say("marker", std::nullopt, problem);
        judgement.say("default", Action::interpreter, "nothing is known of the module, so the interpreter decides");
        return std::move(decision);
    }
    const KnownModule& audit = *found;
    decision.module = found;
    if (decision.decided_by == "abi") return std::move(decision);
    // Part of the file could not be run: too little to go by where threads are at stake.
    switch (audit.confidence == Confidence::weak ? Effect::unknown : audit.effect) {
        case Effect::keeps_gil_off:
            judgement.say("marker", Action::free, audit.reason);
            break;
        case Effect::turns_gil_on:
            if (audit.verdict == Verdict::unmarked) {
                judgement.say("marker", std::nullopt, audit.reason);
                const auto by_default = settings_.policy ? settings_.policy->default_unmarked : std::nullopt;
                judgement.say("default", by_default ? as_action(*by_default) : Action::global_lock,
                              by_default ? "the policy's default for unmarked modules"
                                         : "a module that says nothing needs the GIL");
            } else {
                judgement.say("marker", Action::global_lock, audit.reason);
            }
            break;
        default:
            judgement.say("marker", std::nullopt, audit.effect_why.empty() ? audit.reason : audit.effect_why);
            judgement.say("default", Action::interpreter, "what it does is not known, so the interpreter decides");
            break;
    }
    return std::move(decision);
}

}  // namespace interlock::python
