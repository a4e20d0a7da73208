// main.cpp: the `interlock` command: finds the verb, runs it, turns whatever happens into a message and an exit status.
//
// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <interlock/escape.hpp>
#include <interlock/result.hpp>

#include "audit_program.hpp"
#include "command_line.hpp"
#include "exit_codes.hpp"
#include "options.hpp"
#include "verbs.hpp"
#include "version.hpp"

namespace {

using namespace interlock::cli;

// A file that is opened later must not become stdin, stdout or stderr. Opened the wrong way round, so that using them
// fails as it should.
void occupy_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) == -1)
            static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
    }
}

int run(int argc, char** argv, const CommandLine& command_line, const GlobalOptions& options, Output& output) {
    const Parsed parsed = command_line.parse(argc, argv);
    if (parsed.verb != nullptr && parsed.verb->elsewhere && (parsed.help || options.version == 0))
        become_audit_program(argv);
    output.use_color(choose_color(options.color, STDOUT_FILENO).on, choose_color(options.color, STDERR_FILENO).on);
    if (parsed.help || options.version != 0) {
        output.write(parsed.help ? *parsed.help : version_text(options.version > 1));
        output.flush();
        return exit_ok;
    }
    if (parsed.verb == nullptr) {
        output.note(command_line.help(""));
        return exit_usage;
    }
    const Settings settings = resolve_settings(options);
    Context context{options, settings, output};
    const int status = parsed.verb->run(context, parsed.arguments);
    output.flush();
    return status;
}

int run_and_explain(int argc, char** argv) {
    GlobalOptions options;
    Output output;
    const CommandLine command_line(global_options(options), all_verbs());
    try {
        return run(argc, argv, command_line, options, output);
    } catch (const UsageError& error) {
        output.error(error.what());
        const std::string verb = command_line.verb_in(argc, argv);
        output.note(fmt::format("Try: interlock {}--help\n", verb.empty() ? "" : verb + " "));
        return error.code();
    } catch (const CommandError& error) {
        // CPython's form, which scripts may look for.
        if (std::string_view(error.what()).starts_with("Fatal error: "))
            output.note(std::string(error.what()) + "\n");
        else
            output.error(error.what());
        return error.code();
    } catch (const interlock::Failure& failure) {
        output.error(fmt::format("{} [{}]", failure.what(), errc_name(failure.error().code)));
        return exit_internal;
    } catch (const std::exception& error) {
        output.error(fmt::format("a bug, please report it: {}", interlock::escape(error.what())));
        return exit_internal;
    }
}

}  // namespace

int main(int argc, char** argv) {
    // A reader that has gone away is noticed when writing; files are then written all the same.
    std::signal(SIGPIPE, SIG_IGN);
    occupy_standard_descriptors();
    return run_and_explain(argc, argv);
}
