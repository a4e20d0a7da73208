// The store-buffering litmus test for attach against the switch. One thread announces itself and reads the mode, the
// other writes the mode, fences, and reads the announcement. That neither sees the other is forbidden: it would leave
// a thread attached in parallel after the switch. Built twice, with the fence of the switcher and without it: only a
// machine that shows the outcome without the fence proves anything about the fence.
//
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <interlock/gate.hpp>

#include "../../runtime/src/process_state.hpp"

using namespace interlock::detail;

namespace {

constexpr int skipped = 77;

/// Both threads leave it at nearly the same moment.
class Line {
public:
    void wait(std::uint64_t round) {
        arrived_.fetch_add(1, std::memory_order_acq_rel);
        for (unsigned spins = 0; arrived_.load(std::memory_order_acquire) < 2 * round; ++spins)
            if (spins > 5000) std::this_thread::yield();
    }

private:
    alignas(128) std::atomic<std::uint64_t> arrived_{0};
};

std::uint64_t next_random(std::uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void pause_for(std::uint64_t turns) {
    for (std::uint64_t i = 0; i < turns; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// On the n-th CPU that this process may use, so that the two threads run at the same time on a busy machine, too.
bool pin_to_cpu(int n) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || n-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
    }
    return false;
}

struct Outcomes {
    std::uint64_t rounds = 0, forbidden = 0, both_saw = 0, only_attach_saw = 0, only_switch_saw = 0;
};

Outcomes run(std::uint64_t rounds, bool until_forbidden) {
    auto slot = std::make_unique<ThreadSlot>();
    const std::uint32_t parallel = parallel_word();
    mode_cell.word.store(parallel);
    Line begin, middle, end;
    std::atomic<bool> attached_free{false}, stop{false};

    std::atomic<int> pinned{0};
    std::thread attaching([&] {
        pinned = pin_to_cpu(1) ? 1 : -1;
        // Its misses fill the store buffer in front of the announcement, which has to wait behind them.
        std::vector<std::uint64_t> memory(std::size_t{1} << 22);
        std::uint64_t random = 88172645463325252u;
        for (std::uint64_t round = 1; !stop.load(std::memory_order_relaxed); ++round) {
            const std::uint64_t where = next_random(random) % memory.size();
            const std::uint64_t pause = next_random(random) % 256;
            begin.wait(round);
            pause_for(pause);
            memory[where] = round;
            attach(slot.get());
            attached_free.store(slot->state.load(std::memory_order_relaxed) == state_free, std::memory_order_relaxed);
            middle.wait(round);
            detach(slot.get());
            end.wait(round);
        }
    });

    while (pinned == 0) std::this_thread::yield();
    if (!pin_to_cpu(0) || pinned < 0) std::puts("the two threads could not be given a CPU each");
    Outcomes outcomes;
    std::uint64_t random = 2463534242u;
    for (std::uint64_t round = 1; !stop.load(std::memory_order_relaxed); ++round) {
        const std::uint64_t pause = next_random(random) % 512;
        begin.wait(round);
        pause_for(pause);
        mode_cell.word.store(mode_locked, std::memory_order_seq_cst);
        heavy_fence();
        const bool seen = slot->state.load(std::memory_order_seq_cst) != state_detached;
        middle.wait(round);
        const bool attach_saw = !attached_free.load(std::memory_order_relaxed);
        ++(seen ? (attach_saw ? outcomes.both_saw : outcomes.only_switch_saw)
                : (attach_saw ? outcomes.only_attach_saw : outcomes.forbidden));
        mode_cell.word.store(parallel, std::memory_order_seq_cst);
        outcomes.rounds = round;
        if (round == rounds || (until_forbidden && outcomes.forbidden != 0)) stop.store(true);
        end.wait(round);
    }
    attaching.join();
    mode_cell.word.store(mode_none);
    return outcomes;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3 || (std::strcmp(arguments[1], "sound") != 0 && std::strcmp(arguments[1], "broken") != 0)) {
        std::fprintf(stderr, "usage: %s sound|broken ROUNDS\n", arguments[0]);
        return 2;
    }
    const bool broken = std::strcmp(arguments[1], "broken") == 0;
    prepare_fences();
    const Outcomes outcomes = run(std::strtoull(arguments[2], nullptr, 10), broken);
    std::printf(
        "%s, %s: %llu rounds: forbidden %llu, both saw %llu, only attach saw %llu, only the switch saw %llu\n",
        broken ? "without the fence" : "with the fence", process().membarrier.load() ? "membarrier" : "portable fences",
        static_cast<unsigned long long>(outcomes.rounds), static_cast<unsigned long long>(outcomes.forbidden),
        static_cast<unsigned long long>(outcomes.both_saw), static_cast<unsigned long long>(outcomes.only_attach_saw),
        static_cast<unsigned long long>(outcomes.only_switch_saw));
    if (!broken) {
        if (outcomes.forbidden != 0) std::puts("FAILED: a thread was attached in parallel and the switch missed it");
        return outcomes.forbidden == 0 ? 0 : 1;
    }
    if (outcomes.forbidden != 0) return 0;
    std::puts("skipped: this machine does not show it (one CPU, or no store buffer between the two threads)");
    return skipped;
}
