// call.cpp: `interlock call`: calls one function of a module with arguments from the command line.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <interlock/escape.hpp>
#include <memory>

#include "call_arguments.hpp"
#include "exit_codes.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct CallOptions {
    std::string args_as = "auto";
    std::optional<std::string> timeout;
};

Result<Value> call_function(Session& session, const FunctionName& name, const List& arguments) {
    const Function function = find_function(session, name);
    const Session::Unfinished unfinished(session, CallKind::function, name.module, name.function);
    return call_module({CallKind::function, name.module, name.function, {}}, [&] { return function(arguments); });
}

int run_call(const CallOptions& options, Context& context, const std::vector<std::string>& words) {
    const FunctionName name(words[0]);
    List arguments;
    for (std::size_t i = 1; i < words.size(); ++i) arguments.push_back(argument_from(words[i], options.args_as));
    Session session(context);
    session.guard_calls(options.timeout);
    const Result<Value> result = call_function(session, name, arguments);
    if (context.options.json) {
        Json json{{"schema_version", 1}, {"module", name.module}, {"function", name.function}};
        if (result)
            json["result"] = Json::parse(result->to_json());
        else
            json["error"] = to_json(result.error());
        context.output.write_json(json);
    } else if (result) {
        context.output.write_line(result->to_json());
    }
    if (!result) context.output.error(fmt::format("{} failed: {}", escape(words[0]), result.error().message));
    session.finish();
    return result ? exit_ok : exit_findings;
}

}  // namespace

Verb call_verb() {
    auto options = std::make_shared<CallOptions>();
    Verb verb;
    verb.name = "call";
    verb.summary = "Call one function of a module, and print what it returns";
    verb.arguments = "MODULE.FUNCTION [ARGUMENT...]";
    verb.details =
        "An ARGUMENT that is JSON is that value: 12, -0.5, true, null, '\"12\"', '[1, 2]', '{\"a\": 1}'. Any other is "
        "text as\n"
        "it stands, and @FILE is the content of a file as octets, with @- that of stdin. Before an argument that\n"
        "begins like an option '--' is needed. The result is one line of JSON on stdout, octets in it are\n"
        "{\"bytes\": BASE64}. The exit status is 1 when the import or the call fails.";
    verb.at_least = 1;
    verb.at_most = any_number;
    verb.takes_numbers = true;
    verb.options = {
        choice("--args-as", options->args_as, {"auto", "json", "text"},
               "What the arguments are: JSON or else text, and @FILE (default); all JSON; all text"),
        timeout_option(options->timeout),
    };
    verb.run = [options](Context& context, const std::vector<std::string>& words) {
        return run_call(*options, context, words);
    };
    return verb;
}

}  // namespace interlock::cli
