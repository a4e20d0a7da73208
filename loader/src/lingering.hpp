// What may still run code of a library when its module has been torn down.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

namespace interlock::detail {

/// The longest text of what_may_still_run().
inline constexpr std::size_t max_lingering = 200;

/// Looks for threads that began in the library, handlers of signals, and destructors of thread-specific data. One that
/// it finds, in words; "" for none. There is no way to find all: callbacks that other libraries hold, threads that it
/// began by way of another library, and the libraries that it brought along are not seen.
std::string what_may_still_run(void* library);

}  // namespace interlock::detail
