// The heavy side of the asymmetric fence: membarrier(2), PRIVATE_EXPEDITED (Linux 4.14), which makes every CPU that
// runs a thread of this process pass a full barrier. Where it is missing (old kernel, seccomp, gVisor) the mode word
// is `parallel_fenced` and attaching threads pay for a barrier of their own; also from the moment on at which a sandbox
// that is set up later refuses it.
//
// SPDX-License-Identifier: MIT
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <interlock/gate.hpp>

#include "process_state.hpp"

namespace interlock::detail {

void prepare_fences() noexcept {
    // For tests, and for who suspects the kernel's implementation.
    const char* disabled = std::getenv("INTERLOCK_NO_MEMBARRIER");
    const bool wanted = disabled == nullptr || std::strcmp(disabled, "1") != 0;
    const bool available = wanted && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    process().membarrier.store(available, std::memory_order_relaxed);
}

std::uint32_t parallel_word() noexcept {
    return process().membarrier.load(std::memory_order_relaxed) ? mode_parallel : mode_parallel_fenced;
}

namespace {

/// Runs on every CPU that this process may use, one after the other. Whatever thread of it ran there before has been
/// through the scheduler then, which is a full barrier. Slow, and for once.
bool visit_every_cpu() noexcept {
    constexpr std::size_t most_cpus = 8192, bits = 8 * sizeof(unsigned long);
    using Mask = std::array<unsigned long, most_cpus / bits>;
    const auto set = [](const Mask& mask) {
        return sched_setaffinity(0, sizeof mask, reinterpret_cast<const cpu_set_t*>(mask.data())) == 0;
    };
    Mask before{};
    if (sched_getaffinity(0, sizeof before, reinterpret_cast<cpu_set_t*>(before.data())) != 0) return false;
    const long cpus = std::min<long>(sysconf(_SC_NPROCESSORS_CONF), most_cpus);
    bool all = cpus > 0, any = false;
    for (long cpu = 0; cpu < cpus && all; ++cpu) {
        Mask only{};
        only[static_cast<std::size_t>(cpu) / bits] = 1UL << (static_cast<std::size_t>(cpu) % bits);
        const bool there = set(only);
        any = any || there;
        all = there || errno == EINVAL;  // it is off, or not for this process
    }
    set(before);
    return all && any;
}

}  // namespace

void heavy_fence() noexcept {
    bool refused = false;
    if (process().membarrier.load(std::memory_order_relaxed)) {
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
        process().membarrier.store(false, std::memory_order_seq_cst);
        refused = true;
    }
    static std::atomic<std::uint32_t> any{0};
    any.exchange(1, std::memory_order_seq_cst);
    // It was refused after the start, by a sandbox: from here on every attach pays for a barrier of its own. Threads
    // that are in the middle of an attach without one have passed a barrier when all CPUs have been visited. Also when
    // somebody has put back the old word in between, who asked for it before the refusal.
    std::uint32_t word = mode_parallel;
    const bool unfenced = mode_cell.word.compare_exchange_strong(word, mode_parallel_fenced, std::memory_order_seq_cst);
    if ((refused || unfenced) && !visit_every_cpu())
        fatal(
            "membarrier(2) is refused since the Runtime was created, by a seccomp filter as it seems, and so is "
            "sched_setaffinity(2), which could take its place once; allow one of them, or create the Runtime after "
            "the filter is in place");
}

}  // namespace interlock::detail
