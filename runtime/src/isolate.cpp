// Isolation (gate.hpp): the code of a module may use oneTBB itself, and a thread that waits in it runs whatever task
// lies in its arena. One from outside of the call could call the same module, or import it, beneath this very call.
//
// SPDX-License-Identifier: MIT
#include <interlock/gate.hpp>

#include <oneapi/tbb/task_arena.h>

namespace interlock::detail {

void isolate(void (*code)(void* context), void* context) {
    // A thread that is in no arena yet finds in its own one nothing but what the code puts there.
    if (tbb::this_task_arena::current_thread_index() == tbb::task_arena::not_initialized)
        code(context);
    else
        tbb::this_task_arena::isolate([&] { code(context); });
}

}  // namespace interlock::detail
