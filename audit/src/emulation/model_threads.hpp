// model_threads.hpp: waits for other threads, which several parts of the model have.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

/// The function at hand waits for another thread, and returns `value`. One that was started runs now, to its end. Ends
/// the run where that was tried too often.
void wait_for_thread(Interpreter& interpreter, std::uint64_t value);

/// Whether the image has the runtime of Go, which does all its work in threads of its own.
bool has_go_runtime(Interpreter& interpreter);

/// What pthread_self() returns; on macOS the words of the thread, where inlined code finds them, too.
constexpr std::uint64_t thread_itself(const image::Image& image) noexcept {
    return image.format == image::Format::macho ? GuestMap::tls + GuestMap::tls_size / 8
                                                : GuestMap::tls + GuestMap::tls_size / 2;
}

}  // namespace interlock::auditing::emulation
