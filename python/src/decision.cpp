// decision.cpp: see decision.hpp. Asks each source in order and keeps what every one said, as the loader does.
//
// SPDX-License-Identifier: MIT
#include "decision.hpp"

#include <sys/stat.h>

#include <fmt/format.h>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

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

/// Changes when the file does; empty when it cannot be looked at.
std::string identity_of(const std::filesystem::path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) return {};
    return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

MarkerState marker_state(const ModuleAudit& module) noexcept {
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

AuditOptions options_for(PythonVersion python) {
    AuditOptions options;
    options.pythons = {python};
    return options;
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
            throw Failure({Errc::invalid_policy, fmt::format("{}:{}:{}: {}", escape(path.string()), rule.line,
                                                             rule.column, no_module_lock)});
    }
    if (file->policy.default_unmarked == PolicyAction::module_lock)
        throw Failure({Errc::invalid_policy,
                       fmt::format("{}: \"default\": {}", escape(path.string()), no_module_lock)});
    return std::move(file->policy);
}

std::pair<std::string, PolicyAction> override_from_text(std::string_view text) {
    const std::size_t equals = text.find('=');
    const auto action =
        equals == text.npos ? std::nullopt : policy_action_from_name(text.substr(equals + 1));
    if (!action || equals == 0)
        throw Failure({Errc::invalid_option, fmt::format("an override is MODULE=free, MODULE=global_lock or "
                                                         "MODULE=refuse, not {}",
                                                         quoted(text, 200))});
    if (*action == PolicyAction::module_lock)
        throw Failure({Errc::invalid_option, fmt::format("override {}: {}", quoted(text, 200), no_module_lock)});
    return {std::string(text.substr(0, equals)), *action};
}

Decider::Decider(Settings settings) : settings_(std::move(settings)), auditor_(options_for(settings_.python)) {}

std::optional<Decider::Known> Decider::known(const std::string& module, const std::filesystem::path& file,
                                             std::string& problem) {
    const std::pair key(file.string(), module);
    const std::string identity = identity_of(file);
    {
        const std::lock_guard lock(mutex_);
        if (const auto found = known_.find(key); found != known_.end() && found->second.identity == identity)
            return found->second;
    }
    Result<std::vector<BinaryAudit>> binaries = auditor_.audit(file, module);
    if (!binaries) {
        problem = binaries.error().message;
        return std::nullopt;
    }
    const BinaryAudit* binary = nullptr;
    for (const BinaryAudit& slice : *binaries)
        if (binary == nullptr || slice.architecture == this_machine) binary = &slice;
    if (binary == nullptr || binary->modules.empty()) {
        problem = "there is no module in the file";
        return std::nullopt;
    }
    const ModuleAudit* audit = &binary->modules.front();
    const std::string_view last = std::string_view(module).substr(module.rfind('.') + 1);
    for (const ModuleAudit& one : binary->modules)
        if (one.entry_point == fmt::format("PyInit_{}", last) || one.entry_point == fmt::format("PyModExport_{}", last))
            audit = &one;
    Known result{identity, *audit, binary->build_id};
    // A file that was exchanged meanwhile is read again at the next import.
    if (!identity.empty() && identity_of(file) == identity) {
        const std::lock_guard lock(mutex_);
        known_.insert_or_assign(key, result);
    }
    return result;
}

Decision Decider::decide(const std::string& module, const std::filesystem::path& file) {
    Judgement judgement;
    std::string problem;
    const std::optional<Known> found = known(module, file, problem);
    if (const auto entry = settings_.overrides.find(module); entry != settings_.overrides.end())
        judgement.say("override", as_action(entry->second),
                      fmt::format("an override says {}", interlock::action_name(entry->second)));
    if (settings_.policy) {
        const Policy& policy = *settings_.policy;
        PolicySubject subject;
        subject.module = module;
        subject.file = file;
        if (found) {
            subject.build_id = found->build_id;
            subject.marker = marker_state(found->audit);
        }
        subject.sha256 = [&] {
            Result<std::string> digest = sha256_file(file);
            return digest ? *digest : std::string();
        };
        if (const PolicyRule* rule = policy.match(subject, today_utc()))
            judgement.say("policy", as_action(rule->threading),
                          fmt::format("{}:{}: the rule for {} says {}, because: {}", escape(policy.path.string()),
                                      rule->line, describe(*rule), interlock::action_name(rule->threading),
                                      escape(rule->reason)));
    }
    Decision& decision = judgement.decision;
    if (!found) {
        judgement.say("marker", std::nullopt, problem);
        judgement.say("default", Action::interpreter, "nothing is known of the file, so the interpreter decides");
        return std::move(decision);
    }
    const ModuleAudit& audit = found->audit;
    decision.verdict = verdict_name(audit.verdict);
    decision.confidence = confidence_name(audit.confidence);
    decision.reason = audit.reason;
    decision.delegated_to = audit.delegated_to;
    decision.evidence = audit.evidence;
    decision.build_id = found->build_id;
    const EffectOn effect = audit.effects.empty() ? EffectOn{} : audit.effects.front();
    // Part of the file could not be run: too little to go by where threads are at stake.
    switch (audit.confidence == Confidence::weak ? Effect::unknown : effect.effect) {
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
            judgement.say("marker", std::nullopt, effect.why.empty() ? audit.reason : effect.why);
            judgement.say("default", Action::interpreter, "what it does is not known, so the interpreter decides");
            break;
    }
    return std::move(decision);
}

}  // namespace interlock::python
