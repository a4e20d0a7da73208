// late_invitation.cpp: a program that ends before oneTBB has followed an invitation of an executor that is gone. At its
// end LeakSanitizer looks whether something was lost.
//
// SPDX-License-Identifier: MIT
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <atomic>
#include <thread>

#include <interlock/runtime.hpp>

int main() {
    // The only thread that oneTBB has is busy until the end.
    const tbb::global_control one_thread(tbb::global_control::max_allowed_parallelism, 2);
    tbb::task_arena arena(2);
    static std::atomic<bool> busy = false;  // looked at by that thread until the process is gone
    arena.enqueue([] {
        busy = true;
        for (;;) busy.wait(true);
    });
    while (!busy) std::this_thread::yield();
    {
        interlock::Runtime runtime({.threads = 2});
        const interlock::Attached attached;
        runtime.parallel_for(0, 100, [](std::size_t) {});
    }
    return 0;
}
