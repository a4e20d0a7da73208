// interlock/event.hpp: what happens in a runtime and its loader, for hosts that keep a log or count
// (RuntimeOptions::on_event).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <interlock/export.hpp>
#include <interlock/thread.hpp>

namespace interlock {

enum class EventKind : std::uint8_t {
    mode_changed,   ///< the mode is another one now: `mode`, `text` why, `duration` of the switch to locked mode
    switch_failed,  ///< a switch to locked mode gave up at its deadline: `text` says what held it up
    stalled,        ///< a switch waits for threads: `text` as StallReport::text(), `duration` so far
    imported,       ///< `module` is loaded: `text` its file, `duration` of the import
    import_failed,  ///< `module` was looked for and is not loaded: `text` the error
    unloaded,       ///< `module` is gone; `text` its file
};
inline constexpr std::array<EventKind, 6> all_event_kinds = {EventKind::mode_changed,  EventKind::switch_failed,
                                                             EventKind::stalled,       EventKind::imported,
                                                             EventKind::import_failed, EventKind::unloaded};
/// "mode_changed", ... Stable. [any-thread]
IL_API std::string_view event_name(EventKind kind) noexcept;

struct RuntimeEvent {
    EventKind kind = EventKind::mode_changed;
    std::string module = {};     ///< full dotted name, unescaped; empty if it is about the runtime
    std::string text = {};       ///< for people; values escaped. Empty if there was no memory for it
    Mode mode = Mode::parallel;  ///< of the runtime, as the event was told of
    std::chrono::nanoseconds duration{};
    std::chrono::system_clock::time_point at{};
    std::uint64_t number = 0;  ///< 1, 2, ...: in this order the events of a runtime were told of

    /// Sets `text`, to nothing if there is no memory for it. [any-thread]
    IL_API void set_text(std::string_view words) noexcept;
};

}  // namespace interlock
