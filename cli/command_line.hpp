// command_line.hpp: what the verbs and their options are, as data. Help texts, suggestions for misspelt words and the
// parser are all made from it. CLI11 does the parsing, in command_line.cpp only, as its headers take long to compile.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace interlock::cli {

struct Context;

struct Option {
    std::string names;                 ///< "-j,--threads"
    std::string value;                 ///< what help calls the value: "N"; empty: the option takes none
    std::string help;                  ///< without a full stop
    std::vector<std::string> choices;  ///< the values that are accepted; empty: any
    /// Called each time that the option is given, in order; with "" if it takes no value. Empty: only for the help.
    std::function<void(const std::string&)> set;
};

Option flag(std::string names, bool& target, std::string help);
/// Counts how often it is given.
Option counter(std::string names, unsigned& target, std::string help);
/// The last one given counts.
Option option(std::string names, std::string value, std::optional<std::string>& target, std::string help);
Option option_list(std::string names, std::string value, std::vector<std::string>& target, std::string help);
Option choice(std::string names, std::string& target, std::vector<std::string> choices, std::string help);

/// Verb::at_most without a limit.
inline constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

struct Verb {
    std::string name;       ///< "run", or with its group "policy check"
    std::string summary;    ///< one line, for the list of verbs
    std::string arguments;  ///< as in the usage line: "FILE [DIR]"
    std::string details;    ///< paragraphs below the summary; lines already broken
    std::size_t at_least = 0, at_most = 0;
    std::vector<Option> options;
    bool takes_numbers = false;  ///< "-2" is an argument
    bool elsewhere = false;      ///< another program has it: of its options and arguments nothing is known here
    std::function<int(Context& context, const std::vector<std::string>& arguments)> run;
};

struct Parsed {
    const Verb* verb = nullptr;  ///< null: none was given
    std::vector<std::string> arguments;
    std::optional<std::string> help;  ///< was asked for; print it and do nothing else
};

class CommandLine {
public:
    CommandLine(std::vector<Option> global, std::vector<Verb> verbs);
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    /// Sets the options' targets. Throws UsageError. Of a verb that is elsewhere only the name and the options of every
    /// verb are looked at.
    Parsed parse(int argc, const char* const* argv) const;
    /// Of a verb, of a group of verbs ("policy"), or for "" of the command.
    std::string help(std::string_view name) const;
    /// The verb in a failed command line, for "try ... --help"; "" if there was none.
    std::string verb_in(int argc, const char* const* argv) const;

private:
    const Verb* find(std::string_view name) const noexcept;
    void check_assignment(std::string_view word) const;
    std::string needs_value(std::string_view name) const;

    std::vector<Option> global_;
    std::vector<Verb> verbs_;
};

/// `text` as a number from `lowest` to `highest`; otherwise throws a UsageError that names `option`.
unsigned parse_number(std::string_view option, std::string_view text, unsigned lowest, unsigned highest);

}  // namespace interlock::cli
