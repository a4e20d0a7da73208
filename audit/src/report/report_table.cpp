// report_table.cpp: the report for people: packages, the modules in them of which there is something to say, what to do
// next, and one line that sums it up.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <map>
#include <set>

#include "base/columns.hpp"
#include "base/printable.hpp"
#include "report/report.hpp"

namespace interlock::auditing::report {

namespace {

/// A package with so many modules is shown with all of them.
constexpr std::size_t few_modules = 8;

base::Style paint_of(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::free:
            return base::Style::green;
        case Verdict::unmarked:
        case Verdict::global_lock:
            return base::Style::red;
        case Verdict::undetermined:
        case Verdict::delegated:
            return base::Style::yellow;
        case Verdict::not_applicable:
        case Verdict::not_a_module:
            break;
    }
    return base::Style::dim;
}

base::Columns::Cell effect_cell(Effect effect) {
    switch (effect) {
        case Effect::keeps_gil_off:
            return {"off", base::Style::green};
        case Effect::turns_gil_on:
            return {"ON", base::Style::red};
        case Effect::cannot_load:
            return {"cannot load", base::Style::dim};
        case Effect::crashes:
            return {"crashes", base::Style::red};
        case Effect::unknown:
            break;
    }
    return {"?", base::Style::yellow};
}

base::Style paint_of(Level level) noexcept {
    return level == Level::error ? base::Style::red : level == Level::warning ? base::Style::yellow : base::Style::dim;
}

class TableReport {
public:
    TableReport(const AuditReport& report, const AuditOutputOptions& options)
        : report_(report), options_(options), findings_(report), of_package_(report.packages.size() + 1) {
        for (const BinaryAudit& binary : report.binaries)
            of_package_[std::min(binary.package, report.packages.size())].push_back(&binary);
    }

    std::string text() {
        for (std::size_t i = 0; i < report_.packages.size(); ++i) add_package(&report_.packages[i], of_package_[i]);
        if (!of_package_.back().empty()) add_package(nullptr, of_package_.back());
        add_the_rest();
        if (options_.summary) {
            add_next_steps();
            add_summary();
        }
        return std::move(text_);
    }

private:
    std::string paint(base::Style style, std::string_view text) const {
        return base::styled(options_.color, style, text);
    }
    bool is_shown(const Finding& finding) const {
        return options_.verbose || (finding.accepted.empty() && finding.level != Level::note);
    }

    void add_package(const PackageAudit* package, const std::vector<const BinaryAudit*>& binaries) {
        std::size_t modules = 0;
        std::vector<const Finding*> own =
            package == nullptr ? std::vector<const Finding*>() : findings_.of(package->path);
        bool any = !own.empty();
        for (const BinaryAudit* binary : binaries) {
            for (const ModuleAudit& module : binary->modules) {
                const bool shown = options_.verbose || module.verdict != Verdict::not_a_module;
                if (shown && module.primary) ++modules;
                any = any || shown || !findings_.of(*binary, module).empty();
            }
            any = any || !findings_.of(binary->path).empty();
        }
        // A wheel without modules is worth no line.
        if (!any) return;
        if (!text_.empty()) text_ += '\n';
        if (package != nullptr) text_ += package_title(*package);
        add_modules(binaries, package, modules);
        std::size_t hidden = 0;
        const auto add = [&](const std::vector<const Finding*>& list) {
            for (const Finding* finding : list) {
                if (!written_.insert(finding).second) continue;
                if (is_shown(*finding))
                    add_finding(*finding, package);
                else if (finding->accepted.empty())
                    ++hidden;
            }
        };
        for (const BinaryAudit* binary : binaries) {
            for (const ModuleAudit& module : binary->modules) add(findings_.of(*binary, module));
            add(findings_.of(binary->path));
        }
        add(own);
        if (hidden != 0) text_ += "  " + paint(base::Style::dim, counted(hidden, "note") + "; -v shows them") + "\n";
    }

    std::string package_title(const PackageAudit& package) const {
        std::string title = base::printable(package.name);
        if (!package.version.empty()) title += ' ' + base::printable(package.version);
        std::string text = paint(base::Style::bold, title);
        if (package.path != package.name) text += "  " + paint(base::Style::dim, base::printable(package.path));
        std::size_t modules = 0, verdicts = 0;
        for (std::size_t i = 1; i < package.modules.size(); ++i) {  // 0 is not_a_module
            modules += package.modules[i];
            verdicts += package.modules[i] != 0 ? 1 : 0;
        }
        if (package.mixed) text += "  " + paint(base::Style::yellow, "mixed");
        // "free" is the worst where nothing else is loaded.
        const std::string_view which = verdicts == 1                    ? "all"
                                       : package.worst == Verdict::free ? "all that loads:"
                                                                        : "worst:";
        if (modules > 1)
            text += "  " + paint(paint_of(package.worst), fmt::format("{} {}", which, verdict_name(package.worst)));
        return text + '\n';
    }

    /// What tells files with modules of one name apart, in the fewest words.
    static std::string label(const BinaryAudit& binary, const PackageAudit* package, unsigned attempt) {
        std::string tag(abi_flavour_name(binary.abi));
        if (binary.abi_version && (binary.abi == AbiFlavour::gil || binary.abi == AbiFlavour::free_threaded))
            tag = fmt::format("cp{}{}{}", binary.abi_version->major, binary.abi_version->minor,
                              binary.abi == AbiFlavour::free_threaded ? "t" : "");
        if (attempt == 0) return binary.slice ? base::printable(binary.architecture) : tag;
        if (attempt == 1)
            return fmt::format("{} {} {}", tag, base::printable(binary.platform), base::printable(binary.architecture));
        return place(binary.path, package) + (binary.slice ? ' ' + base::printable(binary.architecture) : "");
    }

    using Files = std::vector<const BinaryAudit*>;
    /// For each file with a module whose name others have as well: what to write behind the name.
    static std::map<const BinaryAudit*, std::string> labels(const Files& binaries, const PackageAudit* package) {
        std::map<std::string_view, Files> of_name;
        for (const BinaryAudit* binary : binaries) {
            if (!binary->modules.empty()) of_name[binary->modules.front().name].push_back(binary);
        }
        std::map<const BinaryAudit*, std::string> labels;
        for (const auto& [name, files] : of_name) {
            if (files.size() == 1 && !files.front()->slice) continue;
            for (unsigned attempt = 0; attempt < 3; ++attempt) {
                std::set<std::string> different;
                for (const BinaryAudit* file : files) different.insert(labels[file] = label(*file, package, attempt));
                if (different.size() == files.size()) break;
            }
        }
        return labels;
    }

    void add_modules(const Files& binaries, const PackageAudit* package, std::size_t modules) {
        const std::map<const BinaryAudit*, std::string> label_of = labels(binaries, package);
        base::Columns columns;
        std::vector<base::Columns::Cell> header = {{"MODULE", base::Style::bold}, {"VERDICT", base::Style::bold}};
        for (const PythonVersion& python : report_.pythons)
            header.push_back({"GIL " + python.text(), base::Style::bold});
        header.push_back({"RULES", base::Style::bold});
        columns.add(std::move(header));
        std::map<Verdict, std::size_t> hidden, hidden_functions;
        bool any = false;
        for (const BinaryAudit* binary : binaries) {
            for (const ModuleAudit& module : binary->modules) {
                const bool library = module.verdict == Verdict::not_a_module;
                std::vector<const Finding*> said = findings_.of(*binary, module);
                std::erase_if(said, [this](const Finding* finding) { return !is_shown(*finding); });
                std::string rules = rule_ids(said);
                const bool quiet = module.verdict == Verdict::free || module.verdict == Verdict::not_applicable;
                if (!options_.verbose && (library || (quiet && rules.empty() && modules > few_modules))) {
                    // As in the summary, a module is what an import of the file finds.
                    if (!library) ++(module.primary ? hidden : hidden_functions)[module.verdict];
                    continue;
                }
                const auto label = label_of.find(binary);
                add_module_row(columns, *binary, module, label == label_of.end() ? std::string_view() : label->second,
                               std::move(rules));
                any = true;
            }
        }
        if (any) text_ += columns.text(2, options_.color);
        for (const auto& [verdict, number] : hidden)
            text_ += fmt::format("  {}{}: {}\n", any ? "and " : "", counted(number, "module"), verdict_name(verdict));
        for (const auto& [verdict, number] : hidden_functions)
            text_ += fmt::format("  and {}: {}\n", counted(number, "further init function"), verdict_name(verdict));
    }

    void add_module_row(base::Columns& columns, const BinaryAudit& binary, const ModuleAudit& module,
                        std::string_view label, std::string rules) const {
        std::string name = base::printable(module.name);
        if (!label.empty()) name.append(" [").append(label) += ']';
        std::string verdict = verdict_text(module);
        if (module.confidence != Confidence::certain && module.verdict != Verdict::undetermined) {
            const bool marked = verdict.ends_with(')');
            if (marked) verdict.pop_back();
            verdict += fmt::format("{}{})", marked ? ", " : " (", confidence_name(module.confidence));
        }
        std::vector<base::Columns::Cell> row = {{std::move(name)}, {std::move(verdict), paint_of(module.verdict)}};
        for (const PythonVersion& python : report_.pythons) {
            // Modules of interlock are none of Python's.
            base::Columns::Cell cell{binary.abi == AbiFlavour::interlock ? "-" : "", base::Style::plain};
            for (const EffectOn& on : module.effects) {
                if (on.python == python) cell = effect_cell(on.effect);
            }
            row.push_back(std::move(cell));
        }
        row.push_back({std::move(rules)});
        columns.add(std::move(row));
    }

    /// The path as far as the package's title does not say it.
    static std::string place(std::string_view path, const PackageAudit* package) {
        if (package != nullptr && path.starts_with(package->path) && path.size() > package->path.size() + 1 &&
            (path[package->path.size()] == '!' || path[package->path.size()] == '/'))
            path.remove_prefix(package->path.size() + 1);
        return base::printable(path);
    }

    void add_finding(const Finding& finding, const PackageAudit* package) {
        const base::Style style = finding.accepted.empty() ? paint_of(finding.level) : base::Style::dim;
        const std::string where =
            names_place(finding.message, finding.path) ? std::string() : ' ' + place(finding.path, package) + ':';
        text_ += fmt::format("  {} {}{} {}\n", paint(style, level_text(finding.level)), finding.rule->id, where,
                             base::printable(finding.message));
        if (!finding.accepted.empty())
            text_ += fmt::format("    {}\n", paint(base::Style::dim, "accepted: " + base::printable(finding.accepted)));
        else if (options_.verbose && !finding.fix.empty())
            text_ += fmt::format("    fix: {}\n", base::printable(finding.fix));
    }

    /// Findings about none of the packages (the policy), and what could not be read.
    void add_the_rest() {
        bool first = true;
        for (const Finding& finding : report_.findings) {
            if (!written_.insert(&finding).second || !is_shown(finding)) continue;
            if (first && !text_.empty()) text_ += '\n';
            first = false;
            add_finding(finding, nullptr);
        }
        if (!report_.errors.empty() && !text_.empty()) text_ += '\n';
        for (const InputError& error : report_.errors)
            text_ += fmt::format("{} {}{}\n", paint(base::Style::red, "not read:"),
                                 names_place(error.message, error.path) ? "" : base::printable(error.path) + ": ",
                                 base::printable(error.message));
        if (!options_.verbose) return;
        for (const std::string& skipped : report_.skipped) text_ += "skipped: " + base::printable(skipped) + '\n';
    }

    void add_next_steps() {
        std::map<std::string_view, std::pair<const Finding*, std::size_t>> rules;
        for (const Finding& finding : report_.findings) {
            if (!finding.accepted.empty() || finding.level == Level::note) continue;
            auto& [first, number] = rules[finding.rule->id];
            if (number++ == 0) first = &finding;
        }
        if (rules.empty()) return;
        text_ += '\n' + paint(base::Style::bold, "What to do") + '\n';
        for (const auto& [id, entry] : rules) {
            const Finding& finding = *entry.first;
            text_ += fmt::format(
                "  {} ({}, {}): {}\n", id, finding.rule->name, entry.second,
                finding.fix.empty() ? fmt::format("see `interlock explain {}`", id) : base::printable(finding.fix));
        }
    }

    void add_summary() {
        const Tally count = tally(report_);
        if (!text_.empty()) text_ += '\n';
        text_ += fmt::format("{}; {}, {}, {}{}{}\n", counted_modules(report_, count), counted(count.errors, "error"),
                             counted(count.warnings, "warning"), counted(count.notes, "note"),
                             count.accepted == 0 ? "" : fmt::format(", {} accepted", count.accepted),
                             report_.errors.empty() ? "" : fmt::format("; {} not read", report_.errors.size()));
    }

    const AuditReport& report_;
    const AuditOutputOptions& options_;
    const FindingIndex findings_;
    std::vector<std::vector<const BinaryAudit*>> of_package_;  // the last: of none
    std::set<const Finding*> written_;                         // a path may be that of a package and of its only file
    std::string text_;
};

}  // namespace

std::string table_report(const AuditReport& report, const AuditOutputOptions& options) {
    return TableReport(report, options).text();
}

}  // namespace interlock::auditing::report
