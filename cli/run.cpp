// run.cpp: `interlock run`: maps a module's function over files on all cores.
//
// Each thread of the executor takes the next input, reads it detached, calls the function through its gate, and hands
// the result on; whoever has the result that is next in order writes it, or folds it with the reduce function.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <interlock/escape.hpp>
#include <memory>

#include "exit_codes.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "run_events.hpp"
#include "run_inputs.hpp"
#include "run_order.hpp"
#include "run_tally.hpp"
#include "session.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct RunOptions {
    std::string input_as = "bytes";
    std::optional<std::string> reduce, timeout;
    std::vector<std::string> imports, imports_after, imports_during, unloads_after;
    bool unordered = false, null_separated = false;
};

/// What became of one input.
struct Done {
    std::string path;
    std::optional<Error> error;
    std::string json;  ///< the result, unless it is reduced
    Value value;       ///< the result, if it is
};

/// What one thread needs for its calls; used again for each, so that memory is not allocated anew.
class Caller {
public:
    Caller(const Function& function, const FunctionName& name, const RunOptions& options)
        : function_(function), name_(name), options_(options) {}

    Done operator()(Input input, std::uint64_t& bytes) {
        Done done{std::move(input.path), std::move(input.error), {}, {}};
        content_.clear();  // an input that was never read has no bytes, whatever this thread read before it
        try {
            if (!done.error) call(done);
        } catch (const std::bad_alloc&) {
            done.error = Error{Errc::unreadable, "cannot be read: it is too large for the memory"};
        }
        bytes = content_.size();
        constexpr std::size_t worth_keeping = 16 << 20;  // bytes
        if (content_.capacity() > worth_keeping) content_ = std::string();
        return done;
    }

private:
    void call(Done& done) {
        const bool by_path = options_.input_as == "path";
        if (!by_path) {
            if (Outcome read = read_content(done.path, content_); !read) {
                done.error = read.error();
                return;
            }
        }
        const std::string_view text = by_path ? done.path : content_;
        il_value argument = il_octets(text.data(), text.size());
        if (options_.input_as != "bytes") {
            if (const auto at = first_invalid_utf8(text)) {
                done.error = Error{Errc::invalid_argument,
                                   fmt::format("the {} is no UTF-8 text (byte {}){}", by_path ? "name" : "content", *at,
                                               by_path ? "" : "; use --input-as bytes")};
                return;
            }
            argument = options_.input_as == "lines" ? split(text) : il_text(text.data(), text.size());
        }
        il_value result = il_null();
        const il_status status = call_module({CallKind::function, name_.module, name_.function, done.path},
                                             [&] { return function_.call(scope_, std::span(&argument, 1), result); });
        if (status != IL_OK) {
            done.error = Error{Errc::call_failed, scope_.error_message()};
        } else if (Result<Value> copy = Value::copy_of(result); !copy) {
            done.error = copy.error();
        } else if (options_.reduce) {
            done.value = std::move(*copy);
        } else {
            done.json = copy->to_json();
        }
        scope_.reset();
    }

    il_value split(std::string_view text) {
        lines_.clear();
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            lines_.push_back(il_text(text.data(), end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        return il_items(lines_.data(), lines_.size());
    }

    const Function& function_;
    const FunctionName& name_;
    const RunOptions& options_;
    Scope scope_;
    std::string content_;
    std::vector<il_value> lines_;
};

InputEnd end_of(const Done& done) noexcept {
    if (!done.error) return InputEnd::ok;
    const bool unreadable = done.error->code == Errc::unreadable || done.error->code == Errc::not_found ||
                            done.error->code == Errc::io_error;
    return unreadable ? InputEnd::unreadable : InputEnd::failed;
}

/// What the options say, before anything is done.
std::vector<Event> parse_events(const RunOptions& options, bool inputs_are_counted) {
    std::vector<Event> events;
    for (const std::string& text : options.imports_after) events.push_back(parse_event("--import-after", text, false));
    for (const std::string& text : options.unloads_after) events.push_back(parse_event("--unload-after", text, true));
    if (!inputs_are_counted && !options.imports_during.empty())
        throw UsageError(
            "--import-during needs to know the number of inputs, which '-' does not tell; use "
            "--import-after N:MODULE");
    return events;
}

class Run {
public:
    Run(const RunOptions& options, Context& context, const std::vector<std::string>& arguments,
        std::vector<Event> events)
        : options_(options),
          name_(arguments[0]),
          context_(context),
          session_(context),
          inputs_({arguments.begin() + 1, arguments.end()}, options.null_separated ? '\0' : '\n', stop_),
          events_(std::move(events)) {
        session_.guard_calls(options.timeout);
        for (const std::string& module : options.imports_during)
            events_.push_back({inputs_.total().value_or(0) / 2, false, module});
        for (const std::string& name : options.imports) {
            if (const Result<Module> module = session_.import(name); !module)
                throw CommandError(exit_findings, module.error().message);
        }
        map_.emplace(find_function(session_, name_));
        if (options.reduce) {
            reduce_name_.emplace(*options.reduce);
            reduce_.emplace(find_function(session_, *reduce_name_));
        }
    }

    int work() {
        Runtime& runtime = session_.runtime();
        std::optional<ProgressBar> bar;
        if (!context_.options.quiet && !context_.options.no_progress && progress_possible())
            bar.emplace(context_.output);
        Tally tally(runtime, inputs_.total(), bar ? &*bar : nullptr);
        constexpr std::size_t results_per_thread = 64;
        InOrder<Done> results(
            !options_.unordered, results_per_thread * runtime.threads(),
            [this](Done done) { consume(std::move(done)); }, [this] { flush(); });
        bool events_ok = false;
        {
            const Session::Unfinished unfinished(session_, CallKind::function, name_.module, name_.function);
            EventThread events(session_, context_.output, tally, events_);
            runtime.parallel_for(0, runtime.threads(), [&](std::size_t) { take_part(tally, results); }, 1);
            tally.finish();
            events_ok = events.finish();
        }
        bar.reset();
        results.rethrow();
        // Of a part of the inputs the value would look as if it were that of all.
        if (options_.reduce && !reduce_error_ && stop_.received() == 0) context_.output.write_line(reduced_.to_json());
        context_.output.flush();
        if (!context_.output.unread()) report(tally);
        session_.finish();
        if (stop_.received() != 0) return 128 + stop_.received();
        if (tally.count(InputEnd::unreadable) != 0) return exit_unreadable;
        return tally.count(InputEnd::failed) != 0 || reduce_error_ || !events_ok ? exit_findings : exit_ok;
    }

private:
    // One thread of the executor, until there are no more inputs.
    void take_part(Tally& tally, InOrder<Done>& results) {
        const Detached but_for_calls;
        try {
            Caller caller(*map_, name_, options_);
            while (std::optional<Input> input = inputs_.next()) {
                const std::size_t index = input->index;
                if (!results.admit(index)) return;
                std::uint64_t bytes = 0;
                Done done = caller(std::move(*input), bytes);
                tally.add(bytes, end_of(done));
                results.deliver(index, std::move(done));
            }
        } catch (...) {
            results.stop(std::current_exception());
        }
    }

    // The same threads as consume().
    void flush() {
        context_.output.flush();
        if (context_.output.unread()) inputs_.close();  // nobody wants the other results
    }

    // One thread at a time, detached.
    void consume(Done done) {
        const std::string problem =
            done.error ? fmt::format("{}: {}", escape(done.path, 4096), done.error->message) : std::string();
        if (first_problem_.empty()) first_problem_ = problem;
        if (!options_.reduce) {
            context_.output.write_line(fmt::format(R"({{"input":{},"{}":{}}})", json_string(done.path),
                                                   done.error ? "error" : "result",
                                                   done.error ? to_text(to_json(*done.error)) : done.json));
            return;
        }
        if (done.error) {
            context_.output.error(problem);
            return;
        }
        if (reduce_error_) return;
        Result<Value> sum = call_module({CallKind::function, reduce_name_->module, reduce_name_->function, done.path},
                                        [&] { return (*reduce_)({std::move(reduced_), std::move(done.value)}); });
        if (sum) {
            reduced_ = std::move(*sum);
            return;
        }
        reduce_error_ = true;
        inputs_.close();  // nothing that follows could make up for it
        context_.output.error(
            fmt::format("{} failed at {}: {}", escape(*options_.reduce), quoted(done.path, 4096), sum.error().message));
    }

    void report(const Tally& tally) const {
        const std::uint64_t bad = tally.count(InputEnd::failed) + tally.count(InputEnd::unreadable);
        if (bad != 0 && !options_.reduce)
            context_.output.error(
                fmt::format("{} of {} inputs failed; the first: {}", bad, tally.done(), first_problem_));
        if (stop_.received() != 0)
            context_.output.note(fmt::format("interlock: stopped by a signal after {} inputs\n", tally.done()));
        if (context_.options.quiet) return;
        const RuntimeStats stats = session_.runtime_stats();
        std::uint64_t bytes = 0;
        double seconds = 0;
        const std::vector<Phase> phases = tally.phases();
        for (const Phase& phase : phases) {
            bytes += phase.bytes;
            seconds += phase.seconds;
        }
        if (context_.options.json)
            context_.output.note(to_text(summary_json(tally, phases, stats)) + "\n");
        else
            context_.output.note(summary_text(tally, phases, stats, bytes, seconds));
    }

    static std::string rate(std::uint64_t bytes, double seconds) {
        return in_bytes(seconds > 0 ? static_cast<double>(bytes) / seconds : 0) + "/s";
    }

    static std::string summary_text(const Tally& tally, const std::vector<Phase>& phases, const RuntimeStats& stats,
                                    std::uint64_t bytes, double seconds) {
        std::string text =
            fmt::format("interlock: {} inputs, {} in {:.3f} s ({}) on {} thread{}; {} ok, {} failed, {} unreadable\n",
                        tally.done(), in_bytes(static_cast<double>(bytes)), seconds, rate(bytes, seconds),
                        stats.threads, stats.threads == 1 ? "" : "s", tally.count(InputEnd::ok),
                        tally.count(InputEnd::failed), tally.count(InputEnd::unreadable));
        base::Columns table({"mode", "inputs", "size", "time", "speed"});
        for (const Phase& phase : phases)
            table.add_texts({mode_name(phase.mode), std::to_string(phase.inputs),
                             in_bytes(static_cast<double>(phase.bytes)), fmt::format("{:.3f} s", phase.seconds),
                             rate(phase.bytes, phase.seconds)});
        if (!phases.empty()) text += table.text(2, false);
        return text + fmt::format("  switched to locked {}x, to parallel {}x; {} now\n", stats.switches_to_locked,
                                  stats.switches_to_parallel, mode_name(stats.mode));
    }

    static Json summary_json(const Tally& tally, const std::vector<Phase>& phases, const RuntimeStats& stats) {
        Json list = Json::array();
        for (const Phase& phase : phases)
            list.push_back(Json{{"mode", mode_name(phase.mode)},
                                {"inputs", phase.inputs},
                                {"bytes", phase.bytes},
                                {"seconds", phase.seconds}});
        return Json{{"summary", Json{{"schema_version", 1},
                                     {"inputs", tally.done()},
                                     {"ok", tally.count(InputEnd::ok)},
                                     {"failed", tally.count(InputEnd::failed)},
                                     {"unreadable", tally.count(InputEnd::unreadable)},
                                     {"threads", stats.threads},
                                     {"phases", std::move(list)},
                                     {"switches_to_locked", stats.switches_to_locked},
                                     {"switches_to_parallel", stats.switches_to_parallel},
                                     {"mode", mode_name(stats.mode)}}}};
    }

    const RunOptions& options_;
    const FunctionName name_;
    std::optional<FunctionName> reduce_name_;
    Context& context_;
    Session session_;
    StopSignal stop_;
    InputSource inputs_;
    std::vector<Event> events_;
    std::optional<Function> map_, reduce_;
    // Of consume().
    Value reduced_;
    std::string first_problem_;
    bool reduce_error_ = false;
};

}  // namespace

Verb run_verb() {
    auto options = std::make_shared<RunOptions>();
    Verb verb;
    verb.name = "run";
    verb.summary = "Call a module's function for each input file, on all cores";
    verb.arguments = "MODULE.FUNCTION INPUT...";
    verb.details =
        "INPUT is a file, a folder (all regular files in it and below, sorted by name; symbolic links found there are\n"
        "left out), or '-' for names that come on stdin. Results are JSON lines in the order of the inputs:\n"
        "    {\"input\": NAME, \"result\": VALUE}  or  {\"input\": NAME, \"error\": {\"code\": CODE, \"message\": "
        "TEXT}}\n"
        "An input that cannot be read, or for which the function fails, does not stop the others; the exit status is\n"
        "then 3 or 1. Ctrl-C lets the calls that are under way finish.";
    verb.at_least = 2;
    verb.at_most = any_number;
    verb.options = {
        choice("--input-as", options->input_as, {"bytes", "text", "lines", "path"},
               "What the function gets: the content as octets (default), as UTF-8 text, or as a list of lines; or the "
               "name"),
        option("--reduce", "MODULE.FUNCTION", options->reduce,
               "Fold the results with f(accumulated, next), in the order of the inputs; the first accumulated is null. "
               "Prints one value as JSON"),
        flag("--unordered", options->unordered, "Write results as they come"),
        option_list("--import", "MODULE", options->imports, "Import this one first; repeatable"),
        option_list("--import-after", "N:MODULE", options->imports_after,
                    "Import it from another thread when N inputs are done; repeatable"),
        option_list("--import-during", "MODULE", options->imports_during,
                    "The same when half of the inputs are done; repeatable"),
        option_list("--unload-after", "N:MODULE", options->unloads_after,
                    "Unload it when N inputs are done; repeatable"),
        timeout_option(options->timeout),
        flag("-0,--null", options->null_separated, "Names on stdin end with a zero byte instead of a newline"),
    };
    verb.run = [options](Context& context, const std::vector<std::string>& arguments) {
        if (options->reduce) static_cast<void>(FunctionName(*options->reduce));  // before anything is done
        const bool from_stdin = std::find(arguments.begin() + 1, arguments.end(), "-") != arguments.end();
        if (from_stdin && arguments.size() != 2)
            throw UsageError("'-' reads the names of all inputs from stdin; give no others");
        return Run(*options, context, arguments, parse_events(*options, !from_stdin)).work();
    };
    return verb;
}

}  // namespace interlock::cli
