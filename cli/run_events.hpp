// run_events.hpp: imports and unloads modules in the middle of `interlock run`, from a thread of its own, as a program
// would that loads plug-ins while it works.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "run_tally.hpp"
#include "session.hpp"

namespace interlock::cli {

struct Event {
    std::uint64_t after = 0;  ///< inputs
    bool unload = false;
    std::string module;
};

/// "N:MODULE". Throws UsageError.
Event parse_event(std::string_view option, std::string_view text, bool unload);

/// Runs for its lifetime.
class EventThread {
public:
    EventThread(Session& session, Output& output, Tally& tally, const std::vector<Event>& events);
    ~EventThread();
    EventThread(const EventThread&) = delete;
    EventThread& operator=(const EventThread&) = delete;

    /// Waits for the end; Tally::finish() must have been called. Whether all went well.
    bool finish();

private:
    void run();

    Session& session_;
    Output& output_;
    Tally& tally_;
    std::vector<Event> events_;  // by `after`; those with the same number as they were given
    bool failed_ = false;
    std::exception_ptr exception_;
    std::thread thread_;
};

}  // namespace interlock::cli
