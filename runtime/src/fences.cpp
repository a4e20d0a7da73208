// The heavy side of the asymmetric fence: membarrier(2), PRIVATE_EXPEDITED (Linux 4.14), which makes every CPU that
// runs a thread of this process pass a full barrier. Where it is missing (old kernel, seccomp, gVisor) the mode word
// is `parallel_fenced` and attaching threads pay for a barrier of their own.
//
// SPDX-License-Identifier: MIT
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include <interlock/gate.hpp>

#include "process_state.hpp"

namespace interlock::detail {

void prepare_fences() noexcept {
    // For tests, and for who suspects the kernel's implementation.
    const char* disabled = std::getenv("INTERLOCK_NO_MEMBARRIER");
    const bool wanted = disabled == nullptr || std::strcmp(disabled, "1") != 0;
    const bool available =
        wanted && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    process().membarrier.store(available, std::memory_order_relaxed);
}

std::uint32_t parallel_word() noexcept {
    return process().membarrier.load(std::memory_order_relaxed) ? mode_parallel : mode_parallel_fenced;
}

void heavy_fence() noexcept {
    if (process().membarrier.load(std::memory_order_relaxed)) {
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
            fatal("membarrier(2) failed after it had been registered");
        return;
    }
    static std::atomic<std::uint32_t> any{0};
    any.exchange(1, std::memory_order_seq_cst);
}

}  // namespace interlock::detail
