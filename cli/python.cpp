// python.cpp: `interlock python`: runs a Python program under a policy, in the interpreter's own process.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include <interlock/escape.hpp>

#include "exit_codes.hpp"
#include "options.hpp"
#include "python_interpreter.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

/// Prints what is wrong with the interpreter, or "ok". A folder called interlock in the working folder is no package.
constexpr const char* probe = R"(
import importlib.machinery as machinery, importlib.util as util, sysconfig
spec = util.find_spec("interlock")
if spec is None or spec.origin is None:
    print("missing")
elif sysconfig.get_config_var("Py_GIL_DISABLED") and \
        machinery.PathFinder.find_spec("interlock._host", spec.submodule_search_locations) is None:
    print("other", ascii(spec.origin))
else:
    print("ok")
)";

void check(const std::string& interpreter) {
    const Answer answer = ask_interpreter(interpreter, {"-c", probe});
    const std::string name = quoted(interpreter, 4096);
    if (answer.status != 0)
        throw CommandError(exit_unreadable,
                           fmt::format("{} does not work as a Python interpreter: it ended with status {}, and what it "
                                       "said of it is above",
                                       name, answer.status));
    if (answer.out.starts_with("ok")) return;
    const std::string install = fmt::format(
        "install it there: {} -m pip install FOLDER/python, where FOLDER is the "
        "source of interlock",
        escape(interpreter, 4096));
    if (answer.out.starts_with("other"))
        throw CommandError(exit_unreadable,
                           fmt::format("interlock is installed for another interpreter than {} (found {}, without the "
                                       "module _host for this one); {}",
                                       name, escape(answer.out.substr(6, answer.out.find('\n') - 6), 4096), install));
    throw CommandError(exit_unreadable, fmt::format("{} cannot import interlock; {}", name, install));
}

/// -W of interlock as -W of Python: of the fallback warnings only, which are told by their text, as Python reads the
/// option before it could import interlock's classes.
std::string python_filter(const std::string& filter) {
    const std::size_t colon = std::min(filter.find(':'), filter.size());
    const std::string action = filter.substr(0, colon);
    const std::string rest = filter.substr(std::min(colon + 1, filter.size()));
    const std::size_t second = std::min(rest.find(':'), rest.size());
    const std::string category = rest.substr(0, second), module = rest.substr(std::min(second + 1, rest.size()));
    if (!category.empty() && category != "fallback")
        throw UsageError(
            fmt::format("-W {}: Python programs get warnings of the category fallback only; filters for "
                        "others go into PYTHONWARNINGS",
                        quoted(filter, 200)));
    if (module.find_first_of("*?[\\,:") != module.npos)
        throw UsageError(
            fmt::format("-W {}: Python's filters take no patterns: name one module, or none", quoted(filter, 200)));
    return fmt::format("{}:The global interpreter lock (GIL) has been enabled to load module '{}:RuntimeWarning",
                       action, module.empty() ? "" : module + "'");
}

void refuse_other_options(const GlobalOptions& options) {
    const char* given = !options.path.empty()        ? "--path"
                        : options.threads            ? "--threads"
                        : options.switch_deadline    ? "--switch-deadline"
                        : options.warnings != "text" ? "--warnings"
                        : options.json               ? "--json"
                                                     : nullptr;
    if (given == nullptr) return;
    throw UsageError(fmt::format("{} is about interlock's own loader, and here CPython imports; leave it out", given));
}

[[noreturn]] void run_instead(const std::string& interpreter, const std::vector<std::string>& arguments,
                              Output& output) {
    std::vector<char*> words{const_cast<char*>(interpreter.c_str())};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    output.flush();
    std::signal(SIGPIPE, SIG_DFL);  // which main() ignores, and a program would inherit
    ::execv(interpreter.c_str(), words.data());
    throw CommandError(exit_unreadable,
                       fmt::format("cannot run {}: {}", quoted(interpreter, 4096), std::strerror(errno)));
}

int run_python(const std::optional<std::string>& python, Context& context, const std::vector<std::string>& program) {
    const GlobalOptions& options = context.options;
    refuse_other_options(options);
    std::vector<std::string> arguments;
    for (const std::string& x : options.x) arguments.insert(arguments.end(), {"-X", x});
    for (const std::string& filter : options.filters) arguments.insert(arguments.end(), {"-W", python_filter(filter)});
    arguments.insert(arguments.end(), {"-m", "interlock"});
    if (context.settings.policy)
        arguments.insert(arguments.end(), {"--policy", context.settings.policy->value.string()});
    for (const std::string& text : options.overrides) arguments.insert(arguments.end(), {"--override", text});
    if (options.report) arguments.insert(arguments.end(), {"--report", *options.report});
    arguments.insert(arguments.end(), program.begin(), program.end());

    const std::string interpreter = find_interpreter(python);
    check(interpreter);
    run_instead(interpreter, arguments, context.output);
}

}  // namespace

Verb python_verb() {
    auto python = std::make_shared<std::optional<std::string>>();
    Verb verb;
    verb.name = "python";
    verb.summary = "Run a Python program, with a policy that decides per extension module about the GIL";
    verb.arguments = "-- SCRIPT|-m MODULE|-c CODE [ARGUMENT...]";
    verb.details =
        "Runs PATH -m interlock, in this process, with the options -X gil, -W, --policy, --override and --report;\n"
        "what stands behind '--' is as for python itself. The interpreter must have the package interlock. The exit\n"
        "status is that of the program; 4 when the policy is wrong, 3 when there is no such interpreter.";
    verb.at_least = 1;
    verb.at_most = any_number;
    verb.options = {
        option("--python", "PATH", *python,
               "The interpreter, its virtual environment, or a version as 3.14t; over INTERLOCK_PYTHON (the newest "
               "free-threaded one on PATH)"),
    };
    verb.run = [python](Context& context, const std::vector<std::string>& program) {
        return run_python(*python, context, program);
    };
    return verb;
}

}  // namespace interlock::cli
