// run_events.cpp: what happens during `interlock run` (run_events.hpp).
//
// SPDX-License-Identifier: MIT
#include "run_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <interlock/escape.hpp>
#include <limits>

#include "exit_codes.hpp"

namespace interlock::cli {

Event parse_event(std::string_view option, std::string_view text, bool unload) {
    const std::size_t colon = text.find(':');
    if (colon == text.npos || colon + 1 == text.size())
        throw UsageError(fmt::format("{} takes N:MODULE, not {}", option, quoted(text, 80)));
    Event event;
    event.after = parse_number(option, text.substr(0, colon), 0, std::numeric_limits<unsigned>::max());
    event.unload = unload;
    event.module = text.substr(colon + 1);
    return event;
}

EventThread::EventThread(Session& session, Output& output, Tally& tally, const std::vector<Event>& events)
    : session_(session), output_(output), tally_(tally) {
    for (const Event& event : events) {
        const auto place = std::upper_bound(events_.begin(), events_.end(), event,
                                            [](const Event& a, const Event& b) { return a.after < b.after; });
        events_.insert(place, event);
    }
    if (!events_.empty()) thread_ = std::thread([this] { run(); });
}

EventThread::~EventThread() {
    tally_.finish();
    if (thread_.joinable()) thread_.join();
}

bool EventThread::finish() {
    if (thread_.joinable()) thread_.join();
    if (exception_) std::rethrow_exception(exception_);
    return !failed_;
}

void EventThread::run() {
    try {
        for (const Event& event : events_) {
            const std::string_view what = event.unload ? "unloaded" : "imported";
            if (!tally_.wait_for(event.after)) {
                failed_ = true;
                output_.error(fmt::format("module {} was not {}: the run ended after {} of {} inputs",
                                          quoted(event.module), what, tally_.done(), event.after));
                continue;
            }
            const std::string importer = fmt::format("the command line, after {} inputs", event.after);
            std::optional<Error> error;
            if (event.unload) {
                if (const Outcome done = session_.unload(event.module); !done) error = done.error();
            } else {
                if (const Result<Module> done = session_.import(event.module, importer); !done) error = done.error();
            }
            if (!error) continue;
            failed_ = true;
            output_.error(error->message);
        }
    } catch (...) {
        failed_ = true;
        exception_ = std::current_exception();
    }
}

}  // namespace interlock::cli
