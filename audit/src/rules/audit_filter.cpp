// audit_filter.cpp: the words of --ignore and --fail-on, read into filters, and findings counted by them. A rule that
// does not exist is an error that names the nearest one.
//
// SPDX-License-Identifier: MIT
#include <interlock/audit_filter.hpp>

#include <algorithm>
#include <vector>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "base/glob.hpp"

namespace interlock {

namespace {

std::vector<std::string_view> rule_words() {
    std::vector<std::string_view> words;
    for (const Rule& rule : rules()) {
        words.push_back(rule.id);
        words.push_back(rule.name);
    }
    return words;
}

/// "IL" and digits: nobody calls a file so, but it is easily mistyped.
bool looks_like_id(std::string_view text) noexcept {
    return text.size() > 2 && (text[0] == 'I' || text[0] == 'i') && (text[1] == 'L' || text[1] == 'l') &&
           std::all_of(text.begin() + 2, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Error unknown_rule(std::string_view word) {
    const auto words = rule_words();
    const auto near = nearest_word(word, words);
    return {Errc::invalid_option,
            "there is no rule " + quoted(word, 80) +
                (near ? "; did you mean '" + std::string(*near) + "'?" : "; `interlock explain` lists them all")};
}

}  // namespace

Result<IgnoreFilter> parse_ignore(std::string_view text) {
    IgnoreFilter filter;
    filter.text = text;
    if (text.empty()) return {Errc::invalid_option, "a pattern or a rule is needed, not an empty text"};
    const std::string_view head = text.substr(0, text.find(':'));
    filter.rule = find_rule(head);
    if (filter.rule == nullptr && looks_like_id(head)) return unknown_rule(head);
    filter.glob = filter.rule == nullptr ? text : text.substr(std::min(head.size() + 1, text.size()));
    if (filter.rule != nullptr && head.size() != text.size() && filter.glob.empty())
        return {Errc::invalid_option, "there is no pattern behind the ':' of " + quoted(text, 80)};
    if (const auto error = base::check_glob(filter.glob); error && !filter.glob.empty())
        return {Errc::invalid_option, "bad pattern " + quoted(filter.glob) + ": " + std::string(error->what)};
    return filter;
}

bool ignores(const IgnoreFilter& filter, const Finding& finding) {
    if (filter.rule != nullptr && finding.rule != filter.rule) return false;
    if (filter.glob.empty()) return filter.rule != nullptr;
    const std::string_view path = finding.path;
    const std::string_view file = path.substr(path.find_last_of("/!") + 1);
    return base::glob_match(filter.glob, path) || base::glob_match(filter.glob, file) ||
           (!finding.module.empty() && base::glob_match(filter.glob, finding.module));
}

std::size_t ignore_findings(AuditReport& report, const IgnoreFilter& filter) {
    std::size_t count = 0;
    for (Finding& finding : report.findings) {
        if (!ignores(filter, finding)) continue;
        ++count;
        if (finding.accepted.empty()) finding.accepted = "ignored by " + escape(filter.text);
    }
    return count;
}

Result<FailFilter> parse_fail_on(std::string_view text) {
    FailFilter filter;
    if (text == "never") return filter;
    for (const Level level : {Level::note, Level::warning, Level::error}) {
        if (text == level_text(level)) {
            filter.level = level;
            return filter;
        }
    }
    for (const Confidence confidence : {Confidence::probable, Confidence::weak}) {
        if (text == confidence_name(confidence)) {
            filter.confidence = confidence;
            return filter;
        }
    }
    filter.rule = find_rule(text);
    if (filter.rule == nullptr) {
        std::vector<std::string_view> words = rule_words();
        words.insert(words.begin(), {"error", "warning", "note", "probable", "weak", "never"});
        const auto near = nearest_word(text, words);
        return {Errc::invalid_option,
                quoted(text, 80) + " is neither error, warning, note, probable, weak or never nor a rule" +
                    (near ? "; did you mean '" + std::string(*near) + "'?" : "; `interlock explain` lists the rules")};
    }
    return filter;
}

namespace {

// What no free-threaded interpreter loads has nothing to be unsure of.
bool is_unsure(const ModuleAudit& module, Confidence least) noexcept {
    if (module.verdict == Verdict::not_a_module || module.verdict == Verdict::not_applicable) return false;
    return module.verdict == Verdict::undetermined || module.confidence >= least;
}

std::size_t count_unsure(const AuditReport& report, std::span<const FailFilter> filters) noexcept {
    std::size_t count = 0;
    for (const BinaryAudit& binary : report.binaries)
        for (const ModuleAudit& module : binary.modules)
            count += std::any_of(filters.begin(), filters.end(), [&](const FailFilter& filter) {
                return filter.confidence && is_unsure(module, *filter.confidence);
            });
    return count;
}

}  // namespace

std::size_t count_failures(const AuditReport& report, std::span<const FailFilter> filters) noexcept {
    return count_unsure(report, filters) +
           static_cast<std::size_t>(
               std::count_if(report.findings.begin(), report.findings.end(), [&](const Finding& finding) {
                   return finding.accepted.empty() &&
                          std::any_of(filters.begin(), filters.end(),
                                      [&](const FailFilter& filter) { return filter.matches(finding); });
               }));
}

}  // namespace interlock
