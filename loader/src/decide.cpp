// The decision (decision.hpp): asks each source in order, keeps what every one said.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "loader_state.hpp"

namespace interlock {

std::string_view source_name(DecisionSource source) noexcept {
    switch (source) {
        case DecisionSource::override_: return "override";
        case DecisionSource::policy: return "policy";
        case DecisionSource::marker: return "marker";
        case DecisionSource::manifest: return "manifest";
        case DecisionSource::default_: return "default";
        case DecisionSource::init: return "init";
        case DecisionSource::library: return "library";
    }
    return "default";
}

namespace detail {

namespace {

PolicyAction as_action(ThreadingLevel level) noexcept { return static_cast<PolicyAction>(level); }

/// What of a path dlopen() takes for one of its own variables: $LIB, ${LIB}. More than any version does, as they differ
/// in what may follow.
std::optional<std::string> replaced_by_linker(std::string_view path) {
    for (std::size_t dollar = path.find('$'); dollar != path.npos; dollar = path.find('$', dollar + 1)) {
        const bool braces = path.substr(dollar + 1).starts_with('{');
        const std::string_view rest = path.substr(dollar + (braces ? 2 : 1));
        for (const std::string_view variable : {"ORIGIN", "LIB", "PLATFORM"})
            if (rest.starts_with(variable)) return (braces ? "${" : "$") + std::string(variable) + (braces ? "}" : "");
    }
    return std::nullopt;
}

std::string where(const Policy& policy, const PolicyRule& rule) {
    return (policy.path.empty() ? std::string("the policy")
                                : escape(policy.path.string()) + ":" + std::to_string(rule.line)) +
           ": the rule for " + describe(rule);
}

std::string in_words(const Policy& policy, const PolicyRule& rule) {
    return where(policy, rule) + " says " + std::string(action_name(rule.threading)) + ", because: " +
           escape(rule.reason);
}

PolicySubject subject_for(const ModuleFile& file) {
    PolicySubject subject;
    subject.file = file.path;
    subject.build_id = file.build_id;
    subject.sha256 = [path = file.path] {
        Result<std::string> digest = sha256_file(path);
        return digest ? std::move(*digest) : std::string();
    };
    return subject;
}

class Judge {
public:
    Judge(const LoaderState& state, std::string_view name, const ModuleFile& file,
          std::vector<PulledLibrary> libraries)
        : state_(state), name_(name), file_(file) {
        judged_.libraries = std::move(libraries);
    }

    Result<LoaderState::Judged> decide(const std::optional<PolicyAction>& override_) {
        read_marker();
        ask_override(override_);
        ask_policy();
        // Who needs the lock by himself is not asked why others need it.
        if (marker_state_ == MarkerState::global_lock) ask_marker();
        ask_libraries();
        if (marker_state_ != MarkerState::global_lock) ask_marker();
        if (Outcome manifest = ask_manifest(); !manifest) return std::move(manifest).error();
        ask_default();
        judged_.marker = marker_state_;
        return std::move(judged_);
    }

private:
    void say(DecisionSource source, std::optional<PolicyAction> says, std::string text) {
        Decision& decision = judged_.decision;
        const bool decides = says.has_value() && !decided_;
        decision.why.push_back({source, says, decides, std::move(text)});
        if (!decides) return;
        decided_ = true;
        decision.action = *says;
        decision.source = source;
    }

    void warn(WarningCategory category, std::string headline, std::vector<WarningDetail> details) {
        judged_.warnings.push_back({category, std::string(name_), std::move(headline), std::move(details)});
    }

    void read_marker() {
        marker_ = file_.marker_for(name_);
        if (marker_ != nullptr && marker_->threading) marker_state_ = static_cast<MarkerState>(*marker_->threading);
    }

    void ask_override(const std::optional<PolicyAction>& override_) {
        std::optional<PolicyAction> says = override_;
        if (const auto entry = state_.options.overrides.find(name_); !says && entry != state_.options.overrides.end())
            says = entry->second;
        if (says)
            say(DecisionSource::override_, says, "an override says " + std::string(action_name(*says)));
    }

    const std::string& sha256() {
        if (!sha256_) {
            Result<std::string> digest = sha256_file(file_.path);
            sha256_ = digest ? *digest : std::string();
        }
        return *sha256_;
    }

    void ask_policy() {
        if (!state_.options.policy) return;
        const Policy& policy = *state_.options.policy;
        PolicySubject subject = subject_for(file_);
        subject.module = name_;
        subject.marker = marker_state_;
        subject.sha256 = [this] { return sha256(); };
        const std::chrono::year_month_day today = today_utc();
        const PolicyRule* rule = policy.match(subject, today);
        // What would have decided if it had not expired.
        for (const PolicyRule& other : policy.rules) {
            if (&other == rule) break;
            if (other.expires && *other.expires < today && rule_matches(other, policy.path.parent_path(), subject))
                say(DecisionSource::policy, std::nullopt, where(policy, other) + " has expired, so it does not count");
        }
        if (rule == nullptr) return;
        say(DecisionSource::policy, rule->threading, in_words(policy, *rule));
    }

    // Its lock, and the global one, are taken by who imports it; who is linked to it goes in without.
    void ask_libraries() {
        constexpr std::size_t most_reasons = 10;
        std::size_t reasons = 0;
        for (const PulledLibrary& library : judged_.libraries)
            if (library.needs_lock() && ++reasons <= most_reasons)
                say(DecisionSource::library, PolicyAction::global_lock, pulled_in(library) + ": " + library.why);
        if (reasons > most_reasons)
            say(DecisionSource::library, PolicyAction::global_lock,
                "and " + std::to_string(reasons - most_reasons) + " other libraries");
    }

    void ask_marker() {
        if (marker_ == nullptr) {
            say(DecisionSource::marker, std::nullopt,
                file_.markers.empty()
                    ? "the file carries no marker"
                    : "the file carries a marker, but for module " + quoted(file_.markers.front().module));
            return;
        }
        if (marker_->threading) {
            say(DecisionSource::marker, as_action(*marker_->threading),
                "the marker in the file says " + std::string(level_name(*marker_->threading)));
            return;
        }
        std::string text = "the marker in the file says " + quoted(marker_->threading_text) +
                           ", which this version of interlock does not know";
        warn(WarningCategory::marker,
             "module " + quoted(name_) + " states a threading level that is not known: " +
                 quoted(marker_->threading_text) + "; it is treated as unmarked",
             {{"file", escape(file_.path.string())},
              {"fix", "use a newer version of interlock, or state the level in a policy rule"}});
        say(DecisionSource::marker, std::nullopt, std::move(text));
    }

    Outcome ask_manifest() {
        Result<std::optional<ManifestFile>> found = read_manifest_of(file_.path);
        if (!found) {
            manifest_ignored("it cannot be read: " + found.error().message);
            return Ok{};
        }
        if (!*found) return Ok{};
        const ManifestFile& read = **found;
        if (has_errors(read.diagnostics)) {
            std::string errors = error_text(read.diagnostics);
            while (!errors.empty() && errors.back() == '\n') errors.pop_back();
            for (std::size_t end; (end = errors.find('\n')) != errors.npos;) errors.replace(end, 1, "; ");
            manifest_ignored("it is not valid: " + errors);
            return Ok{};
        }
        const Manifest& manifest = read.manifest;
        if (manifest.module != name_) {
            manifest_ignored("it is for module " + quoted(manifest.module));
            return Ok{};
        }
        if (manifest.build_id && *manifest.build_id != file_.build_id) {
            manifest_ignored("manifest hash mismatch: it is for build-id " + escape(*manifest.build_id) +
                             ", the file has " + (file_.build_id.empty() ? std::string("none") : file_.build_id));
            return Ok{};
        }
        if (manifest.sha256 && *manifest.sha256 != sha256()) {
            manifest_ignored("manifest hash mismatch: it is for sha256 " + escape(*manifest.sha256) +
                             ", the file has " + sha256());
            return Ok{};
        }
        if (marker_ != nullptr && marker_->threading && *marker_->threading != manifest.threading)
            warn(WarningCategory::marker,
                 "module " + quoted(name_) + ": the marker in the file says " +
                     std::string(level_name(*marker_->threading)) + ", its manifest says " +
                     std::string(level_name(manifest.threading)) + "; the marker counts",
                 {{"file", escape(file_.path.string())},
                  {"fix", "remove the manifest, or state the exception in a policy rule"}});
        say(DecisionSource::manifest, as_action(manifest.threading),
            "the manifest beside the file, declared by " + quoted(manifest.declared_by) + ", says " +
                std::string(level_name(manifest.threading)) + ", because: " + escape(manifest.reason));
        return Ok{};
    }

    void manifest_ignored(std::string why) {
        warn(WarningCategory::manifest, "the manifest of module " + quoted(name_) + " is ignored: " + why,
             {{"file", escape(manifest_path(file_.path).string())},
              {"fix", "write it anew: interlock manifest create " + escape(file_.path.string())}});
        say(DecisionSource::manifest, std::nullopt, std::move(why));
    }

    void ask_default() {
        if (state_.options.policy && state_.options.policy->default_unmarked) {
            const PolicyAction action = *state_.options.policy->default_unmarked;
            say(DecisionSource::default_, action,
                "the policy's default for unmarked modules is " + std::string(action_name(action)));
            return;
        }
        say(DecisionSource::default_, PolicyAction::global_lock, "a module that says nothing needs the global lock");
    }

    const LoaderState& state_;
    std::string_view name_;
    const ModuleFile& file_;
    const Marker* marker_ = nullptr;
    MarkerState marker_state_ = MarkerState::unmarked;
    std::optional<std::string> sha256_;
    bool decided_ = false;
    LoaderState::Judged judged_;
};

}  // namespace

Result<LoaderState::Judged> LoaderState::decide(std::string_view name, const ModuleFile& file,
                                                const std::optional<PolicyAction>& override_,
                                                std::vector<PulledLibrary> pulled_in) const {
    return Judge(*this, name, file, std::move(pulled_in)).decide(override_);
}

EntryKind entry_of(const ModuleFile& file, std::string_view name) {
    const auto contains = [last = last_component(name)](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), last) != names.end();
    };
    if (contains(file.exports)) return EntryKind::export_;
    if (contains(file.legacy_inits)) return EntryKind::legacy_init;
    return EntryKind::none;
}

std::string missing_entry(const ModuleFile& file, std::string_view name) {
    const std::string last(last_component(name));
    std::string others, first;
    for (const auto* names : {&file.exports, &file.legacy_inits})
        for (const std::string& other : *names) {
            if (first.empty()) first = other;
            others += (others.empty() ? "" : ", ") + quoted(other, 200);
        }
    return "it exports neither il_module_export_" + last + " nor il_module_init_" + last +
           (others.empty() ? "; it is not a module of interlock"
                           : "; it has the entry point of " + others + ": name the file " + escape(first, 200) +
                                 ".so, or give IL_MODULE the id " + last);
}

std::optional<Error> LoaderState::obstacle(std::string_view name, const ModuleFile& file, const Judged& judged,
                                           const std::vector<std::string>& imported_by) const {
    const auto failed = [&](Errc code, std::string why) {
        return Error{code,
                     "module " + quoted(name) + " from " + quoted(file.path.string(), 1000) + ": " + std::move(why)};
    };
    const auto as_error = [](const Warning& warning) {
        // The error around it says what this is; but there are tools that look for CPython's words.
        const std::string text = warning.text();
        const std::size_t begin = warning.python ? 0 : text.find(warning.headline);
        return Error{Errc::warning_as_error,
                     text.substr(begin) + "  the import is refused, as a warning filter turns this warning into an "
                                          "error; the runtime stays as it was"};
    };
    if (!file.native)
        return failed(Errc::load_failed,
                      "it is a library for another machine (ELF e_machine " + std::to_string(file.machine) + ")");
    if (const Marker* marker = file.marker_for(name); marker != nullptr && marker->abi != IL_ABI_VERSION)
        return failed(Errc::wrong_abi, "its marker says ABI " + std::to_string(marker->abi) +
                                           ", this interlock has ABI " + std::to_string(IL_ABI_VERSION) +
                                           "; rebuild the module with the interlock/module.h of this version");
    if (judged.decision.refused()) {
        std::string why = "refused";
        for (const Reason& reason : judged.decision.why)
            if (reason.decided) why += ": " + reason.text;
        return failed(Errc::refused, std::move(why));
    }
    if (const auto token = replaced_by_linker(file.path.native()))
        return failed(Errc::unsupported, "the dynamic linker puts something else in the place of " + quoted(*token) +
                                             " in a path, so it would load another file than the one that was read; "
                                             "use a path without it, or a link to the folder under another name");
    if (file.has_entry_points && entry_of(file, name) == EntryKind::none)
        return failed(Errc::missing_symbol, missing_entry(file, name));
    for (const PulledLibrary& library : judged.libraries) {
        if (library.error)
            return failed(library.error->code, pulled_in(library) + "; it cannot be judged: " + library.error->message);
        if (library.refused()) return failed(Errc::refused, pulled_in(library) + "; it is refused: " + library.why);
    }
    for (const Warning& warning : judged.warnings)
        if (action_for(warning.category, name) == WarningAction::error) return as_error(warning);
    if (needs_lock(judged.decision) && action_for(WarningCategory::fallback, name) == WarningAction::error)
        return as_error(fallback_warning(name, file, judged, imported_by, std::nullopt));
    return std::nullopt;
}

std::optional<std::string> LoaderState::refusal_of(const ModuleFile& library) const {
    if (!options.policy) return std::nullopt;
    PolicySubject subject = subject_for(library);
    subject.is_module = false;
    const PolicyRule* rule = options.policy->match(subject, today_utc());
    if (rule == nullptr || rule->threading != PolicyAction::refuse) return std::nullopt;
    return in_words(*options.policy, *rule);
}

bool LoaderState::needs_lock(const Decision& decision) const noexcept {
    return decision.action == PolicyAction::global_lock && runtime.options().gil == GilSetting::automatic;
}

}  // namespace detail
}  // namespace interlock
