// cpython_import.cpp: the facts that an audit and a policy give for decide(), and what CPython itself would do where
// these do not say it.
//
// SPDX-License-Identifier: MIT
#include "audit/cpython_import.hpp"

#include <vector>

#include <fmt/format.h>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "manifests/decide.hpp"
#include "verdict/delegation_way.hpp"

namespace interlock::auditing {

namespace {

using manifests::Seen;
using verdict::DelegationWay;
using verdict::DelegationWays;
using verdict::MakerFinder;

constexpr std::string_view no_module_lock =
    "module_lock is for programs that load modules with interlock; CPython can only run a module with the GIL "
    "(global_lock) or without it (free)";

MarkerState marker_state(const ExtensionModule& module) noexcept {
    if (module.verdict == Verdict::free) return MarkerState::free;
    return module.verdict == Verdict::global_lock ? MarkerState::global_lock : MarkerState::unmarked;
}

/// Objects in it have another layout than in this interpreter: no rule can make that fit. What may load all the same is
/// left to the interpreter.
bool is_for_another_interpreter(const ExtensionModule& module) noexcept {
    return module.verdict == Verdict::not_applicable &&
           (module.effect == Effect::crashes || module.effect == Effect::cannot_load);
}

void add_marker(manifests::DecisionFacts& facts, const ExtensionModule& module) {
    // Part of the file could not be run: too little to go by where threads are at stake.
    switch (module.confidence == Confidence::weak ? Effect::unknown : module.effect) {
        case Effect::keeps_gil_off:
            facts.marker = {PolicyAction::free, module.reason};
            break;
        case Effect::turns_gil_on:
            facts.marker.text = module.reason;
            if (module.verdict != Verdict::unmarked) facts.marker.says = PolicyAction::global_lock;
            break;
        default:
            facts.seen = Seen::not_what_it_does;
            facts.marker.text = module.effect_why.empty() ? module.reason : module.effect_why;
            break;
    }
}

/// Each is found under one name, once.
class Imports : public MakerFinder {
public:
    Imports(const ImportDecision& decision, const FindMaker& find) : find_(find) { modules_.push_back({"", decision}); }

    const MakerModule& at(std::size_t module) const { return modules_[module]; }

    std::optional<std::string> maker_of(std::size_t module) override {
        const ImportDecision& decision = at(module).decision;
        if (decision.action != PolicyAction::interpreter || !decision.module ||
            decision.module->verdict != Verdict::delegated || decision.module->delegated_to.empty())
            return std::nullopt;
        return decision.module->delegated_to;
    }

    std::vector<Found> find(const std::string& name, std::size_t) override {
        auto known = numbers_.find(name);
        if (known == numbers_.end()) {
            std::optional<MakerModule> found = find_(name);
            if (!found) return {};
            known = numbers_.emplace(name, modules_.size()).first;
            modules_.push_back(std::move(*found));
        }
        return {{.module = known->second}};
    }

    std::optional<unsigned> says(std::size_t module) override {
        const PolicyAction action = at(module).decision.action;
        return action == PolicyAction::interpreter ? std::nullopt : std::optional(static_cast<unsigned>(action));
    }

private:
    const FindMaker& find_;
    std::vector<MakerModule> modules_;
    std::map<std::string, std::size_t> numbers_;
};

}  // namespace

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

ImportDecision decide_import(const ImportSettings& settings, const std::string& module,
                             const std::optional<std::filesystem::path>& file,
                             std::shared_ptr<const ExtensionModule> found, const std::string& problem) {
    manifests::DecisionFacts facts;
    facts.host = manifests::Host::cpython;
    if (found && is_for_another_interpreter(*found)) facts.unfit = found->effect_why;
    if (const auto entry = settings.overrides.find(module); entry != settings.overrides.end())
        facts.override_ = entry->second;
    if (settings.policy) {
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
        facts.policy = &*settings.policy;
        facts.rule = settings.policy->match(subject, today_utc());
    }
    if (found) {
        add_marker(facts, *found);
    } else {
        facts.seen = Seen::nothing;
        facts.marker.text = problem;
    }
    return {manifests::decide(facts), std::move(found)};
}

void follow_delegation(ImportDecision& decision, const FindMaker& find) {
    Imports imports(decision, find);
    DelegationWays ways(imports);
    const DelegationWay& way = ways.from(0);
    if (way.modules.empty() || way.end != DelegationWay::End::decided || !way.says) return;
    const auto says = static_cast<PolicyAction>(*way.says);
    const MakerModule& maker = imports.at(way.modules.front());
    // That one cannot be imported: what becomes of this one is to be seen, and the GIL is on the safe side.
    decision.overrule(DecisionSource::marker, says == PolicyAction::refuse ? PolicyAction::global_lock : says,
                      manifests::said_by_maker(maker.name, maker.decision.module ? maker.decision.module->reason : ""));
}

}  // namespace interlock::auditing
