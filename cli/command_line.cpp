// command_line.cpp: the parser and the help texts (command_line.hpp).
//
// CLI11 2.1 is kept to what it does well, taking options apart. Positional arguments are collected from what it does
// not know, and what is behind `--` never reaches it: its own lists turn an argument "[a,b]" into two, and `--` ends
// its subcommand.
//
// SPDX-License-Identifier: MIT
#include "command_line.hpp"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <map>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "exit_codes.hpp"

namespace interlock::cli {

Option flag(std::string names, bool& target, std::string help) {
    return {std::move(names), "", std::move(help), {}, [&target](const std::string&) { target = true; }};
}

Option counter(std::string names, unsigned& target, std::string help) {
    return {std::move(names), "", std::move(help), {}, [&target](const std::string&) { ++target; }};
}

Option option(std::string names, std::string value, std::optional<std::string>& target, std::string help) {
    return {std::move(names), std::move(value), std::move(help), {}, [&](const std::string& text) { target = text; }};
}

Option option_list(std::string names, std::string value, std::vector<std::string>& target, std::string help) {
    return {std::move(names), std::move(value), std::move(help), {}, [&](const std::string& text) {
                target.push_back(text);
            }};
}

Option choice(std::string names, std::string& target, std::vector<std::string> choices, std::string help) {
    std::string value = fmt::format("{}", fmt::join(choices, "|"));
    return {std::move(names), std::move(value), std::move(help), std::move(choices),
            [&](const std::string& text) { target = text; }};
}

unsigned parse_number(std::string_view option, std::string_view text, unsigned lowest, unsigned highest) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < lowest || number > highest)
        throw UsageError(
            fmt::format("{} takes a whole number from {} to {}, not {}", option, lowest, highest, quoted(text, 80)));
    return number;
}

namespace {

std::string_view group_of(std::string_view verb) noexcept {
    const std::size_t space = verb.find(' ');
    return space == verb.npos ? std::string_view() : verb.substr(0, space);
}

std::string_view last_word(std::string_view verb) noexcept { return verb.substr(verb.find(' ') + 1); }

/// "-2", "-.5": no option is called like that.
bool begins_like_number(std::string_view word) noexcept {
    if (word.size() < 2 || word[0] != '-') return false;
    const char digit = word[1] == '.' && word.size() > 2 ? word[2] : word[1];
    return digit >= '0' && digit <= '9';
}

std::vector<std::string_view> words_of(const std::vector<Verb>& verbs, std::string_view group) {
    std::vector<std::string_view> words;
    for (const Verb& verb : verbs) {
        if (group_of(verb.name) == group) words.push_back(last_word(verb.name));
        if (group.empty() && !group_of(verb.name).empty() &&
            std::find(words.begin(), words.end(), group_of(verb.name)) == words.end())
            words.push_back(group_of(verb.name));
    }
    return words;
}

/// Of "-j,--threads" the last one.
std::string_view long_name(const Option& option) noexcept {
    return std::string_view(option.names).substr(option.names.rfind(',') + 1);
}

void check_choice(const Option& option, const std::string& text) {
    if (option.choices.empty() || std::find(option.choices.begin(), option.choices.end(), text) != option.choices.end())
        return;
    const std::vector<std::string_view> known(option.choices.begin(), option.choices.end());
    throw UsageError(fmt::format("{} takes one of {}, not {}; {}", long_name(option), option.value, quoted(text, 80),
                                 did_you_mean(text, known)));
}

void add_option(CLI::App& app, const Option& option) {
    if (!option.set) return;
    if (option.value.empty()) {
        app.add_flag_function(
               option.names,
               [&option](std::int64_t times) {
                   for (; times > 0; --times) option.set("");
               },
               option.help)
            ->disable_flag_override();
        return;
    }
    app.add_option(
           option.names,
           [&option](const CLI::results_t& texts) {
               for (const std::string& text : texts) {
                   check_choice(option, text);
                   option.set(text);
               }
               return true;
           },
           option.help)
        ->type_name(option.value)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// "-j, --threads N"; long names alone are indented so that they stand below each other.
std::string left_column(const Option& option) {
    std::string names = option.names.front() == '-' && option.names[1] == '-' ? "    " : "";
    for (const char c : option.names) names += c == ',' ? std::string(", ") : std::string(1, c);
    return option.value.empty() ? names : names + " " + option.value;
}

void write_column(std::string& text, const std::string& left, std::string_view right) {
    constexpr std::size_t column = 30, width = 100;
    std::string line = "  " + left;
    if (line.size() + 2 > column) {
        text += line + '\n';
        line.clear();
    }
    line.resize(std::max(line.size(), column), ' ');
    bool first = true;
    while (!right.empty()) {
        const std::size_t end = std::min(right.find(' '), right.size());
        if (!first && line.size() + 1 + end > width) {
            text += line + '\n';
            line.assign(column, ' ');
            first = true;
        }
        if (!first) line += ' ';
        line += right.substr(0, end);
        right.remove_prefix(std::min(end + 1, right.size()));
        first = false;
    }
    text += line + '\n';
}

void write_options(std::string& text, std::string_view title, const std::vector<Option>& options) {
    if (options.empty()) return;
    text += fmt::format("\n{}:\n", title);
    for (const Option& option : options) write_column(text, left_column(option), option.help);
}

}  // namespace

CommandLine::CommandLine(std::vector<Option> global, std::vector<Verb> verbs)
    : global_(std::move(global)), verbs_(std::move(verbs)) {}

const Verb* CommandLine::find(std::string_view name) const noexcept {
    const auto found = std::find_if(verbs_.begin(), verbs_.end(), [&](const Verb& verb) { return verb.name == name; });
    return found == verbs_.end() ? nullptr : &*found;
}

std::string CommandLine::help(std::string_view name) const {
    std::string text;
    if (const Verb* verb = find(name)) {
        text = fmt::format("Usage: interlock [OPTIONS] {} {}{}\n\n{}.\n", verb->name,
                           verb->options.empty() ? "" : "[OPTIONS] ", verb->arguments, verb->summary);
        if (!verb->details.empty()) text += "\n" + verb->details + "\n";
        write_options(text, "Options", verb->options);
        text += "\nThe options of every verb are in: interlock --help\n";
        return text;
    }
    const std::string prefix = name.empty() ? "" : std::string(name) + " ";
    text = fmt::format("Usage: interlock [OPTIONS] {}VERB [ARGUMENTS]\n\n", prefix);
    if (name.empty())
        text += "Imports native modules into a parallel runtime, and falls back when one is not safe.\n\n";
    text += "Verbs:\n";
    for (const Verb& verb : verbs_) {
        if (verb.name.starts_with(prefix)) write_column(text, verb.name, verb.summary);
    }
    if (name.empty()) write_options(text, "Options, before or behind the verb", global_);
    text += fmt::format("\nMore: interlock {}VERB --help\n", prefix);
    return text;
}

std::string CommandLine::verb_in(int argc, const char* const* argv) const {
    std::string name;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto words = words_of(verbs_, name);
        if (std::find(words.begin(), words.end(), word) == words.end()) continue;
        name += (name.empty() ? "" : " ") + std::string(word);
        if (find(name) != nullptr) break;
    }
    return name;
}

std::string CommandLine::needs_value(std::string_view name) const {
    std::string_view value;
    const auto look = [&](const std::vector<Option>& options) {
        for (const Option& option : options)
            if (long_name(option) == name) value = option.value;
    };
    look(global_);
    for (const Verb& verb : verbs_) look(verb.options);
    return fmt::format("{} needs a value: {}", name, value);
}

// "--name=value": CLI11 would take the next argument for an empty value, and a flag's value for a number.
void CommandLine::check_assignment(std::string_view word) const {
    const std::size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == word.npos) return;
    const std::string_view name = word.substr(0, equals), value = word.substr(equals + 1);
    if (value.empty()) throw UsageError(fmt::format("{} is given an empty value", escape(name, 80)));
    const auto check = [&](const std::vector<Option>& options) {
        for (const Option& option : options) {
            if (option.value.empty() && long_name(option) == name)
                throw UsageError(fmt::format("{} takes no value, but is given {}", name, quoted(value, 80)));
        }
    };
    check(global_);
    for (const Verb& verb : verbs_) check(verb.options);
}

Parsed CommandLine::parse(int argc, const char* const* argv) const {
    std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    const auto mark = std::find(words.begin(), words.end(), "--");
    std::vector<std::string> behind_mark(mark == words.end() ? mark : mark + 1, words.end());
    words.erase(mark, words.end());
    for (const std::string& word : words) check_assignment(word);

    CLI::App root("", "interlock");
    root.set_help_flag("-h,--help");
    root.allow_extras();
    root.fallthrough();
    root.require_subcommand(0, 1);
    for (const Option& option : global_) add_option(root, option);
    std::map<std::string_view, CLI::App*> groups{{"", &root}};
    std::map<const CLI::App*, const Verb*> verbs;
    for (const Verb& verb : verbs_) {
        CLI::App*& group = groups[group_of(verb.name)];
        if (group == nullptr) {
            group = root.add_subcommand(std::string(group_of(verb.name)));
            group->require_subcommand(0, 1);
        }
        CLI::App* app = group->add_subcommand(std::string(last_word(verb.name)));
        for (const Option& option : verb.options) add_option(*app, option);
        verbs[app] = &verb;
    }

    std::reverse(words.begin(), words.end());  // as CLI11 wants it
    Parsed parsed;
    bool help = false;
    try {
        root.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
        help = true;
    } catch (const CLI::ArgumentMismatch& error) {
        // "--policy: 1 required FILE missing"
        const std::string_view text = error.what();
        throw UsageError(needs_value(text.substr(0, text.find(':'))));
    } catch (const CLI::ParseError& error) {
        throw UsageError(escape(error.what()));
    }
    const CLI::App* app = &root;
    std::string name;
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().front();
        name += (name.empty() ? "" : " ") + app->get_name();
    }
    if (const auto found = verbs.find(app); found != verbs.end()) parsed.verb = found->second;
    const bool elsewhere = parsed.verb != nullptr && parsed.verb->elsewhere;
    if (help) parsed.help = elsewhere ? std::string() : this->help(name);
    if (help || elsewhere) return parsed;

    for (std::string& word : root.remaining(true)) {
        const bool is_number = parsed.verb != nullptr && parsed.verb->takes_numbers && begins_like_number(word);
        if (word.size() < 2 || word.front() != '-' || is_number) {
            parsed.arguments.push_back(std::move(word));
            continue;
        }
        std::vector<std::string_view> known;
        const auto add = [&](const std::vector<Option>& options) {
            for (const Option& option : options) known.push_back(long_name(option));
        };
        if (parsed.verb != nullptr) add(parsed.verb->options);
        add(global_);
        const auto near = nearest_word(std::string_view(word).substr(0, word.find('=')), known);
        throw UsageError(fmt::format("unknown option {}{}", quoted(word, 80),
                                     near ? fmt::format("; did you mean '{}'?", *near) : std::string()));
    }
    std::move(behind_mark.begin(), behind_mark.end(), std::back_inserter(parsed.arguments));

    if (parsed.verb == nullptr) {
        if (!parsed.arguments.empty()) {
            const auto known = words_of(verbs_, name);
            throw UsageError(fmt::format("unknown verb {}; {}", quoted(parsed.arguments[0], 80),
                                         did_you_mean(parsed.arguments[0], known)));
        }
        if (!name.empty()) throw UsageError(fmt::format("'{}' needs another verb behind it", name));
        return parsed;
    }
    const std::size_t count = parsed.arguments.size();
    if (count < parsed.verb->at_least || count > parsed.verb->at_most)
        throw UsageError(fmt::format("'{}' takes {}, but {} given", parsed.verb->name,
                                     parsed.verb->arguments.empty() ? "no arguments" : parsed.verb->arguments,
                                     count == 0   ? "nothing was"
                                     : count == 1 ? "one argument was"
                                                  : fmt::format("{} arguments were", count)));
    return parsed;
}

}  // namespace interlock::cli
