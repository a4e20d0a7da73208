// What is known of a module before its library is mapped, and what follows from it: the facts for the decision
// (decide() in manifests/), and what stands against an import.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "loader_state.hpp"
#include "manifests/decide.hpp"

namespace interlock::detail {

namespace {

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

/// Gathers the facts; the warnings are about those that are no facts.
class FactGatherer {
public:
    FactGatherer(const LoaderState& state, std::string_view name, const ModuleFile& file,
                 std::vector<PulledLibrary> libraries)
        : state_(state), name_(name), file_(file), marker_(file.marker_for(name)) {
        judged_.libraries = std::move(libraries);
        if (marker_ != nullptr && marker_->threading) judged_.marker = static_cast<MarkerState>(*marker_->threading);
    }

    LoaderState::Judged decide(const std::optional<PolicyAction>& override_) {
        facts_.override_ = override_;
        if (const auto entry = state_.options.overrides.find(name_);
            !override_ && entry != state_.options.overrides.end())
            facts_.override_ = entry->second;
        ask_policy();
        for (const PulledLibrary& library : judged_.libraries)
            if (library.needs_lock()) facts_.libraries.push_back(pulled_in(library) + ": " + library.why);
        facts_.marker = manifests::statement_of(file_, name_);
        if (marker_ != nullptr && !marker_->threading) warn_of_unknown_level();
        ask_manifest();
        judged_.decision = manifests::decide(facts_);
        return std::move(judged_);
    }

private:
    void warn(WarningCategory category, std::string headline, std::vector<WarningDetail> details) {
        judged_.warnings.push_back({category, std::string(name_), std::move(headline), std::move(details)});
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
        subject.marker = judged_.marker;
        subject.sha256 = [this] { return sha256(); };
        const std::chrono::year_month_day today = today_utc();
        facts_.policy = &policy;
        facts_.rule = policy.match(subject, today);
        for (const PolicyRule& other : policy.rules) {
            if (&other == facts_.rule) break;
            if (other.expires && *other.expires < today && rule_matches(other, policy.path.parent_path(), subject))
                facts_.expired.push_back(&other);
        }
    }

    void warn_of_unknown_level() {
        warn(WarningCategory::marker,
             "module " + quoted(name_) + " states a threading level that is not known: " +
                 quoted(marker_->threading_text) + "; it is treated as unmarked",
             {{"file", escape(file_.path.string())},
              {"fix", "use a newer version of interlock, or state the level in a policy rule"}});
    }

    void ask_manifest() {
        const Result<std::optional<ManifestFile>> found = read_manifest_of(file_.path);
        if (!found) return ignore_manifest("it cannot be read: " + found.error().message);
        if (!*found) return;
        const ManifestFile& read = **found;
        if (has_errors(read.diagnostics)) {
            std::string errors = error_text(read.diagnostics);
            while (!errors.empty() && errors.back() == '\n') errors.pop_back();
            for (std::size_t end; (end = errors.find('\n')) != errors.npos;) errors.replace(end, 1, "; ");
            return ignore_manifest("it is not valid: " + errors);
        }
        const Manifest& manifest = read.manifest;
        if (manifest.module != name_) return ignore_manifest("it is for module " + quoted(manifest.module));
        if (const std::string mismatch = manifest_mismatch(manifest, file_.build_id, [this] { return sha256(); });
            !mismatch.empty())
            return ignore_manifest("manifest hash mismatch: " + mismatch);
        if (marker_ != nullptr && marker_->threading && *marker_->threading != manifest.threading)
            warn(WarningCategory::marker,
                 "module " + quoted(name_) + ": the marker in the file says " +
                     std::string(level_name(*marker_->threading)) + ", its manifest says " +
                     std::string(level_name(manifest.threading)) + "; the marker counts",
                 {{"file", escape(file_.path.string())},
                  {"fix", "remove the manifest, or state the exception in a policy rule"}});
        facts_.manifest = manifests::statement_of(manifest);
    }

    void ignore_manifest(std::string why) {
        warn(WarningCategory::manifest, "the manifest of module " + quoted(name_) + " is ignored: " + why,
             {{"file", escape(manifest_path(file_.path).string())},
              {"fix", "write it anew: interlock manifest create " + escape(file_.path.string())}});
        facts_.manifest = {std::nullopt, std::move(why)};
    }

    const LoaderState& state_;
    std::string_view name_;
    const ModuleFile& file_;
    const Marker* marker_;
    std::optional<std::string> sha256_;
    manifests::DecisionFacts facts_;
    LoaderState::Judged judged_;
};

}  // namespace

LoaderState::Judged LoaderState::decide(std::string_view name, const ModuleFile& file,
                                        const std::optional<PolicyAction>& override_,
                                        std::vector<PulledLibrary> pulled_in) const {
    return FactGatherer(*this, name, file, std::move(pulled_in)).decide(override_);
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
                     text.substr(begin) +
                         "  the import is refused, as a warning filter turns this warning into an "
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
    return manifests::statement_of(*options.policy, *rule);
}

bool LoaderState::needs_lock(const Decision& decision) const noexcept {
    return decision.action == PolicyAction::global_lock && runtime.options().gil == GilSetting::automatic;
}

}  // namespace interlock::detail
