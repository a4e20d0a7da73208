// policy_match.cpp: which rule speaks for a module.
//
// SPDX-License-Identifier: MIT
#include <system_error>
#include <utility>

#include <interlock/escape.hpp>
#include <interlock/policy.hpp>

#include "base/glob.hpp"
#include "json_text.hpp"
#include "policy_text.hpp"

namespace interlock {
using namespace manifests;
namespace {

/// A subject whose hash is computed at most once however many rules ask for it.
class Subject {
public:
    explicit Subject(const PolicySubject& subject) : subject_(subject) {}
    const PolicySubject& operator*() const noexcept { return subject_; }
    const std::string& sha256() {
        if (!sha256_) sha256_ = subject_.sha256 ? subject_.sha256() : std::string();
        return *sha256_;
    }

private:
    const PolicySubject& subject_;
    std::optional<std::string> sha256_;
};

bool path_matches(const std::string& glob, const std::filesystem::path& policy_folder,
                  const std::filesystem::path& file) {
    if (glob.find('/') == std::string::npos) return base::glob_match(glob, file.filename().string());
    if (glob.front() == '/') return base::glob_match(glob, file.lexically_normal().string());
    std::error_code failed;
    const std::filesystem::path here = std::filesystem::current_path(failed);
    if (failed && !policy_folder.is_absolute()) return false;
    // The folder's own name may contain what a pattern takes for wildcards.
    const std::filesystem::path anchored =
        std::filesystem::path(base::glob_escape((here / policy_folder).string())) / glob;
    return base::glob_match(anchored.lexically_normal().string(), file.lexically_normal().string());
}

/// By the path under which the file was found, or by its real one: a link with another name is no way around a rule.
bool file_matches(const std::string& glob, const std::filesystem::path& policy_folder,
                  const std::filesystem::path& file) {
    if (path_matches(glob, policy_folder, file)) return true;
    std::error_code failed;
    const std::filesystem::path real = std::filesystem::canonical(file, failed);
    return !failed && real != file && path_matches(glob, policy_folder, real);
}

bool matches(const PolicyRule& rule, const std::filesystem::path& policy_folder, Subject& subject) {
    if (!rule.marker && !rule.build_id && !rule.module && !rule.file && !rule.sha256) return false;
    if (!(*subject).is_module && (rule.module || rule.marker)) return false;
    if (rule.marker && *rule.marker != (*subject).marker) return false;
    if (rule.build_id && *rule.build_id != (*subject).build_id) return false;
    if (rule.module && !base::glob_match(*rule.module, (*subject).module)) return false;
    if (rule.file && !file_matches(*rule.file, policy_folder, (*subject).file)) return false;
    // Last, as it may mean reading a large file. An unreadable one has the hash "", which no rule states.
    return !rule.sha256 || (!rule.sha256->empty() && *rule.sha256 == subject.sha256());
}

bool expired(const PolicyRule& rule, std::chrono::year_month_day today) noexcept {
    return rule.expires && *rule.expires < today;
}

/// The index of the rule that decides, or the number of rules.
std::size_t deciding_rule(const Policy& policy, const PolicySubject& given, std::chrono::year_month_day today) {
    const std::filesystem::path folder = policy.path.parent_path();
    Subject subject(given);
    std::size_t i = 0;
    while (i < policy.rules.size() && (expired(policy.rules[i], today) || !matches(policy.rules[i], folder, subject))) {
        ++i;
    }
    return i;
}

}  // namespace

std::string_view action_name(PolicyAction action) noexcept {
    return action == PolicyAction::interpreter ? "interpreter" : policy_actions[static_cast<std::size_t>(action)];
}

std::optional<PolicyAction> policy_action_from_name(std::string_view name) noexcept {
    for (std::size_t i = 0; i < policy_actions.size(); ++i) {
        if (policy_actions[i] == name) return static_cast<PolicyAction>(i);
    }
    return std::nullopt;
}

std::string_view marker_state_name(MarkerState state) noexcept {
    return marker_states[static_cast<std::size_t>(state)];
}

const PolicyRule* Policy::match(const PolicySubject& subject, std::chrono::year_month_day today) const {
    const std::size_t i = deciding_rule(*this, subject, today);
    return i < rules.size() ? &rules[i] : nullptr;
}

bool rule_matches(const PolicyRule& rule, const std::filesystem::path& policy_folder, const PolicySubject& subject) {
    Subject once(subject);
    return matches(rule, policy_folder, once);
}

std::vector<RuleUse> count_rule_matches(const Policy& policy, std::span<const PolicySubject> subjects,
                                        std::chrono::year_month_day today) {
    std::vector<RuleUse> uses;
    for (const PolicyRule& rule : policy.rules) uses.push_back({&rule, 0});
    for (const PolicySubject& subject : subjects) {
        const std::size_t i = deciding_rule(policy, subject, today);
        if (i < uses.size()) ++uses[i].matches;
    }
    return uses;
}

std::string describe(const PolicyRule& rule) {
    std::string out;
    const auto add = [&](std::string_view name, const std::string& value) {
        out += (out.empty() ? "" : ", ") + std::string(name) + ' ' + value;
    };
    if (rule.module) add("module", quoted(*rule.module));
    if (rule.file) add("file", quoted(*rule.file));
    if (rule.sha256) add("sha256", quoted(*rule.sha256));
    if (rule.build_id) add("build_id", quoted(*rule.build_id));
    if (rule.marker) add("marker", std::string(marker_state_name(*rule.marker)));
    return out;
}

std::string to_json_text(const PolicyRule& rule) {
    JsonText match;
    if (rule.module) match.string("module", *rule.module);
    if (rule.file) match.string("file", *rule.file);
    if (rule.sha256) match.string("sha256", *rule.sha256);
    if (rule.build_id) match.string("build_id", *rule.build_id);
    if (rule.marker) match.string("marker", marker_state_name(*rule.marker));
    JsonText text;
    text.raw("match", match.object());
    text.string("threading", action_name(rule.threading));
    text.string("reason", rule.reason);
    if (rule.expires) text.string("expires", date_text(*rule.expires));
    return text.object();
}

Result<Policy> load_policy(const std::filesystem::path& path) {
    Result<PolicyFile> file = read_policy(path, today_utc());
    if (!file) return std::move(file).error();
    if (has_errors(file->diagnostics))
        return Error{Errc::invalid_policy, "the policy " + quoted(path.string(), 1000) +
                                               " is wrong, so it is not used:\n" + error_text(file->diagnostics)};
    file->policy.findings = std::move(file->diagnostics);
    return std::move(file->policy);
}

std::chrono::year_month_day today_utc() {
    return std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
}

}  // namespace interlock
