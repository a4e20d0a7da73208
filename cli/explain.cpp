// explain.cpp: `interlock explain`: what a code means, why it comes, what to do. The texts are in pages: cli/codes,
// manifests/codes.md and audit/rules.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <interlock/audit.hpp>
#include <interlock/diagnostic.hpp>
#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "exit_codes.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct Explanation {
    std::string_view kind;  ///< "error", "warning", "policy diagnostic", "exit status", "audit rule"
    std::string_view code;
    std::string_view what;  ///< it means: one sentence
    std::string_view why;   ///< the usual reasons
    std::string_view fix;   ///< what to do
};

/// All but the diagnostics of policy files and the rules, which are tables of the library.
constexpr auto own_codes = std::to_array<Explanation>({
#include "codes.inc"
});

constexpr std::string_view audit_rule = "audit rule";

std::vector<Explanation> all() {
    std::vector<Explanation> list(own_codes.begin(), own_codes.end());
    for (const DiagnosticCode& code : diagnostic_codes())
        list.push_back({"policy diagnostic", code.code, code.explanation, "", ""});
    for (const Rule& rule : rules()) list.push_back({audit_rule, rule.id, rule.summary, rule.help, rule.fix});
    return list;
}

/// "Unknown-Key" and "unknown_key" are the same for people.
bool same(std::string_view a, std::string_view b) {
    const auto plain = [](char c) {
        if (c == '_') return '-';
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return plain(x) == plain(y); });
}

std::string wrapped(std::string_view text) {
    constexpr std::size_t width = 100;
    std::string out, line = " ";
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (line.size() + 1 + end > width) {
            out += line + '\n';
            line = " ";
        }
        line.append(1, ' ').append(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out + line + '\n';
}

/// The texts of rules are Markdown: paragraphs are wrapped, headings and code stay as they are.
std::string markdown(std::string_view text) {
    std::string out, paragraph;
    const auto end_paragraph = [&] {
        if (!paragraph.empty()) out += wrapped(paragraph);
        paragraph.clear();
    };
    bool fence = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const bool marker = line.starts_with("```");
        if (fence || marker || line.empty() || line.starts_with('#') || line.starts_with("    ")) {
            end_paragraph();
            if (!line.empty()) out.append("  ").append(line);
            out += '\n';
            fence = fence != marker;
        } else {
            paragraph.append(paragraph.empty() ? "" : " ").append(line);
        }
    }
    end_paragraph();
    return out;
}

std::string paragraphs(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\n\n"), text.size());
        out += (out.empty() ? "" : "\n") + wrapped(text.substr(0, end));
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return out;
}

std::string rule_in_words(const Output& output, const Explanation& entry) {
    const Rule& rule = *find_rule(entry.code);
    return output.styled(base::Style::bold, rule.id) + fmt::format(" ({})\n", entry.kind) +
           wrapped(fmt::format("{} ({}, {})", rule.summary, rule.name, level_text(rule.level))) + "Why:\n" +
           paragraphs(rule.help) + "What to do:\n" + markdown(rule.fix);
}

std::string in_words(const Output& output, const Explanation& entry) {
    if (entry.kind == audit_rule) return rule_in_words(output, entry);
    std::string text =
        output.styled(base::Style::bold, entry.code) + fmt::format(" ({})\n", entry.kind) + wrapped(entry.what);
    if (!entry.why.empty()) text += "Why:\n" + wrapped(entry.why);
    if (!entry.fix.empty()) text += "What to do:\n" + wrapped(entry.fix);
    return text;
}

Json to_json(const Explanation& entry) {
    Json json{{"kind", entry.kind}, {"code", entry.code}, {"what", entry.what}, {"why", entry.why}, {"fix", entry.fix}};
    if (entry.kind == audit_rule) {
        const Rule& rule = *find_rule(entry.code);
        json["name"] = rule.name;
        json["level"] = level_text(rule.level);
    }
    return json;
}

std::string first_sentence(std::string_view text) {
    const std::size_t end = text.find(". ");
    return std::string(text.substr(0, std::min(end, text.size() - (text.ends_with('.') ? 1 : 0))));
}

int run_explain(Context& context, const std::vector<std::string>& arguments) {
    const std::vector<Explanation> list = all();
    // A rule may be called by its name as well.
    const Rule* rule = arguments.empty() ? nullptr : find_rule(arguments[0]);
    std::vector<Explanation> chosen;
    for (const Explanation& entry : list) {
        if (arguments.empty() || same(entry.code, arguments[0]) || (rule != nullptr && entry.code == rule->id))
            chosen.push_back(entry);
    }
    if (chosen.empty()) {
        std::vector<std::string_view> known;
        for (const Explanation& entry : list) known.push_back(entry.code);
        for (const Rule& each : rules()) known.push_back(each.name);
        const auto near = nearest_word(arguments[0], known);
        throw UsageError(fmt::format("there is no code {}{}; `interlock explain` lists them all",
                                     quoted(arguments[0], 80),
                                     near ? fmt::format("; did you mean '{}'?", *near) : std::string()));
    }
    if (context.options.json) {
        Json codes = Json::array();
        for (const Explanation& entry : chosen) codes.push_back(to_json(entry));
        context.output.write_json(Json{{"schema_version", 1}, {"codes", std::move(codes)}});
    } else if (arguments.empty()) {
        base::Columns table({"CODE", "KIND", "MEANS"});
        for (const Explanation& entry : chosen)
            table.add_texts({std::string(entry.code), std::string(entry.kind), first_sentence(entry.what)});
        context.output.write(table.text(0, context.output.color()));
    } else {
        for (const Explanation& entry : chosen) context.output.write(in_words(context.output, entry));
    }
    return exit_ok;
}

}  // namespace

Verb explain_verb() {
    Verb verb;
    verb.name = "explain";
    verb.summary = explain_summary;
    verb.arguments = "[CODE]";
    verb.details =
        "Codes are those of errors, warning categories, policy diagnostics, exit statuses, and the rules of the audit\n"
        "(IL001 or its name), with how to fix what they find in each framework.";
    verb.at_most = 1;
    verb.run = run_explain;
    return verb;
}

}  // namespace interlock::cli
