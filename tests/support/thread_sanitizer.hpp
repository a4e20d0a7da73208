// thread_sanitizer.hpp: whether the test is built with ThreadSanitizer, which refuses threads in the child of a process
// with threads.
//
// SPDX-License-Identifier: MIT
#pragma once

namespace interlock::test {

// gcc says it by a macro, clang by a feature.
#ifdef __has_feature
inline constexpr bool under_thread_sanitizer = __has_feature(thread_sanitizer);
#elif defined(__SANITIZE_THREAD__)
inline constexpr bool under_thread_sanitizer = true;
#else
inline constexpr bool under_thread_sanitizer = false;
#endif

}  // namespace interlock::test
