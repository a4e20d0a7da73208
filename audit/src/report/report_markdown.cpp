// report_markdown.cpp: the comment of a pull request: what changed for the GIL at a glance, details folded. Text from
// files stands only in code spans, fences and escaped HTML, where nothing is a link, a mention, a table or a tag.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <map>

#include "base/printable.hpp"
#include "report/report.hpp"

namespace interlock::auditing::report {

namespace {

/// GitHub takes 65536 characters; the rest is for what is added behind the last piece. Bytes are never fewer.
constexpr std::size_t budget = 64'000;
constexpr std::size_t most_rows = 50;
constexpr std::size_t longest_value = 200;

/// The end stays: it is the file name, which tells paths apart.
std::string shortened_path(std::string_view value) {
    std::string text = base::printable(value);
    if (text.size() <= longest_value) return text;
    std::size_t begin = text.size() - longest_value;
    while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
    return "..." + text.substr(begin);
}

std::string shortened(std::string_view value, std::size_t limit) {
    std::string text = base::printable(value);
    if (text.size() <= limit) return text;
    std::size_t end = limit;
    while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end) + "...";
}

/// A code span that stands in a table as well: neither a '|' nor a '`' is in it.
std::string code(std::string_view value) {
    std::string out = "`";
    for (const char c : shortened_path(value)) {
        if (c == '`' || c == '|')
            out += c == '`' ? "\\x60" : "\\x7c";
        else
            out += c;
    }
    // An empty span is no span; one that begins with a space loses it.
    return out == "`" ? "` `" : out + "`";
}

std::string html(std::string_view value) {
    std::string out;
    for (const char c : shortened(value, longest_value)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string_view effect_in_words(Effect effect) noexcept {
    switch (effect) {
        case Effect::keeps_gil_off:
            return "off";
        case Effect::turns_gil_on:
            return "**on**";
        case Effect::cannot_load:
            return "cannot load";
        case Effect::crashes:
            return "**crashes**";
        case Effect::unknown:
            break;
    }
    return "?";
}

std::string headline(const Tally& count) {
    if (count.errors + count.warnings == 0) return "no errors and no warnings";
    std::string text;
    if (count.errors != 0) text = counted(count.errors, "error");
    if (count.warnings != 0) text += (text.empty() ? "" : ", ") + counted(count.warnings, "warning");
    return text;
}

/// One row for each module of which something above a note is said.
std::string module_table(const AuditReport& report, const FindingIndex& findings) {
    std::string header = "| module | file | verdict |";
    std::string line = "|---|---|---|";
    for (const PythonVersion& python : report.pythons) {
        header += " GIL in " + python.text() + " |";
        line += "---|";
    }
    std::string rows;
    std::size_t count = 0;
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            std::vector<const Finding*> said = findings.of(binary, module);
            std::erase_if(said, [](const Finding* finding) {
                return !finding->accepted.empty() || finding->level == Level::note;
            });
            const std::string rules = rule_ids(said);
            if (rules.empty() || ++count > most_rows) continue;
            rows += fmt::format("| {} | {} | {} {} |", code(module.name),
                                code(binary.slice ? binary.path + " (" + binary.architecture + ')' : binary.path),
                                verdict_text(module), rules);
            for (const PythonVersion& python : report.pythons) {
                std::string_view effect = binary.abi == AbiFlavour::interlock ? "-" : "?";
                for (const EffectOn& on : module.effects) {
                    if (on.python == python) effect = effect_in_words(on.effect);
                }
                rows += fmt::format(" {} |", effect);
            }
            rows += '\n';
        }
    }
    if (rows.empty()) return {};
    if (count > most_rows)
        rows += fmt::format("\n{} in the full report.\n", count - most_rows == 1
                                                              ? "1 more module is"
                                                              : fmt::format("{} more modules are", count - most_rows));
    return header + "\n" + line + '\n' + rows + '\n';
}

struct RuleGroup {
    Level level = Level::note;
    std::vector<const Finding*> open;
};

/// The findings of one rule, folded; the lines in the fence begin with "- ", so none of them can end it.
std::string details(const Rule& rule, const RuleGroup& group, std::size_t room) {
    std::string text =
        fmt::format("<details><summary>{} {} ({}): {}, {}</summary>\n\n{}\n\n~~~~text\n", rule.id, rule.name,
                    level_text(group.level), html(rule.summary), counted(group.open.size(), "finding"), rule.help);
    const std::string end = fmt::format("~~~~\n\n`interlock explain {}` shows what to do.\n\n</details>\n\n", rule.id);
    constexpr std::size_t for_omission = 80;
    std::size_t written = 0;
    for (const Finding* finding : group.open) {
        const std::string place =
            names_place(finding->message, finding->path) ? std::string() : shortened_path(finding->path) + ": ";
        const std::string line = fmt::format("- {}{}\n", place, shortened(finding->message, 1000));
        if (text.size() + line.size() + end.size() + for_omission > room) break;
        text += line;
        ++written;
    }
    if (written < group.open.size())
        text += fmt::format("- and {}; they are in the full report\n", counted(group.open.size() - written, "finding"));
    text += end;
    return text.size() <= room ? text : std::string();
}

}  // namespace

std::string markdown_report(const AuditReport& report, const AuditOutputOptions&) {
    const Tally count = tally(report);
    const FindingIndex index(report);
    // The first line lets a bot find its own comment, to replace it.
    std::string text = fmt::format("<!-- interlock audit -->\n### Free-threading audit: {}\n\n{}.\n\n", headline(count),
                                   counted_modules(report, count));
    const std::string rows = module_table(report, index);
    text += rows.size() <= budget / 2 ? rows : std::string();

    std::map<std::string_view, RuleGroup> groups;
    for (const Finding& finding : report.findings) {
        if (!finding.accepted.empty()) continue;
        RuleGroup& group = groups[finding.rule->id];
        group.level = std::max(group.level, finding.level);
        group.open.push_back(&finding);
    }
    std::size_t omitted = 0;
    for (const Level level : {Level::error, Level::warning, Level::note}) {
        for (const auto& [id, group] : groups) {
            if (group.level != level) continue;
            const std::string piece = details(*group.open.front()->rule, group, budget - text.size());
            omitted += piece.empty() ? 1 : 0;
            text += piece;
        }
    }
    if (omitted != 0) text += fmt::format("{} did not fit in here.\n\n", counted(omitted, "more rule"));
    if (!report.errors.empty()) {
        std::string piece = fmt::format("<details><summary>{} could not be read</summary>\n\n~~~~text\n",
                                        counted(report.errors.size(), "input"));
        for (const InputError& error : report.errors) {
            const std::string line = "- " + shortened(error.message, 300) + '\n';
            if (text.size() + piece.size() + line.size() > budget + 500) break;
            piece += line;
        }
        text += piece + "~~~~\n\n</details>\n\n";
    }
    if (count.accepted != 0)
        text += counted(count.accepted, "finding") + (count.accepted == 1 ? " is" : " are") +
                " accepted by policy, baseline or `--ignore`.\n";
    return text;
}

}  // namespace interlock::auditing::report
