// IL_POINT("name"): places in slow paths where a test can hold a thread, to play through one interleaving exactly.
// Empty unless the tests compile the runtime with INTERLOCK_TEST_POINTS.
//
// SPDX-License-Identifier: MIT
#pragma once

#ifdef INTERLOCK_TEST_POINTS
#include <atomic>
namespace interlock::detail {
inline std::atomic<void (*)(const char* point)> test_point_hook{nullptr};
}
#define IL_POINT(name)                                                                                     \
    do {                                                                                                   \
        if (auto* hook = ::interlock::detail::test_point_hook.load(std::memory_order_acquire)) hook(name); \
    } while (false)
#else
#define IL_POINT(name) static_cast<void>(0)
#endif
