// explain.cpp: `interlock explain`: what a code means, why it comes, what to do.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <interlock/diagnostic.hpp>
#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "exit_codes.hpp"
#include "explanations.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

std::vector<Explanation> all() {
    std::vector<Explanation> list(explanations().begin(), explanations().end());
    for (const DiagnosticCode& code : diagnostic_codes())
        list.push_back({"policy diagnostic", code.code, code.explanation, "", ""});
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

std::string in_words(const Output& output, const Explanation& entry) {
    std::string text =
        output.styled(Style::bold, entry.code) + fmt::format(" ({})\n", entry.kind) + wrapped(entry.what);
    if (!entry.why.empty()) text += "Why:\n" + wrapped(entry.why);
    if (!entry.fix.empty()) text += "What to do:\n" + wrapped(entry.fix);
    return text;
}

Json to_json(const Explanation& entry) {
    return Json{
        {"kind", entry.kind}, {"code", entry.code}, {"what", entry.what}, {"why", entry.why}, {"fix", entry.fix}};
}

std::string first_sentence(std::string_view text) {
    const std::size_t end = text.find(". ");
    return std::string(text.substr(0, std::min(end, text.size() - (text.ends_with('.') ? 1 : 0))));
}

int run_explain(Context& context, const std::vector<std::string>& arguments) {
    const std::vector<Explanation> list = all();
    std::vector<Explanation> chosen;
    for (const Explanation& entry : list) {
        if (arguments.empty() || same(entry.code, arguments[0])) chosen.push_back(entry);
    }
    if (chosen.empty()) {
        std::vector<std::string_view> known;
        for (const Explanation& entry : list) known.push_back(entry.code);
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
        Table table({"CODE", "KIND", "MEANS"});
        for (const Explanation& entry : chosen)
            table.add({std::string(entry.code), std::string(entry.kind), first_sentence(entry.what)});
        context.output.write(table.text(context.output));
    } else {
        for (const Explanation& entry : chosen) context.output.write(in_words(context.output, entry));
    }
    return exit_ok;
}

}  // namespace

Verb explain_verb() {
    Verb verb;
    verb.name = "explain";
    verb.summary = "Say what a code means, why it comes, and what to do; without CODE list them";
    verb.arguments = "[CODE]";
    verb.details = "Codes are those of errors, warning categories, policy diagnostics and exit statuses.";
    verb.at_most = 1;
    verb.run = run_explain;
    return verb;
}

}  // namespace interlock::cli
