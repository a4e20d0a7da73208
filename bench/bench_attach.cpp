// Attach and detach, as every call into a module pays them, beside what else could guard such a call.
//
// SPDX-License-Identifier: MIT
#include <oneapi/tbb/spin_rw_mutex.h>

#include <interlock/runtime.hpp>
#include <mutex>
#include <shared_mutex>

#include "micro.hpp"
#include "rows.hpp"

using namespace interlock;
using namespace interlock::bench;

namespace {

[[gnu::noinline]] void empty_call() { asm volatile("" ::: "memory"); }

void empty(benchmark::State& state) {
    for (auto _ : state) empty_call();
}

void attach_detach(benchmark::State& state) {
    for (auto _ : state) {
        Attached attached;
        benchmark::ClobberMemory();
    }
}

void nested_attach_detach(benchmark::State& state) {
    Attached outer;
    for (auto _ : state) {
        Attached attached;
        benchmark::ClobberMemory();
    }
}

void attached_safe_point(benchmark::State& state) {
    Attached attached;
    for (auto _ : state) {
        safe_point();
        benchmark::ClobberMemory();
    }
}

template <typename Lock>
Lock& shared_lock() {
    alignas(128) static Lock lock;
    return lock;
}

template <typename Lock>
void exclusive(benchmark::State& state) {
    Lock& lock = shared_lock<Lock>();
    for (auto _ : state) {
        std::lock_guard guard(lock);
        benchmark::ClobberMemory();
    }
}

template <typename Lock>
void reader(benchmark::State& state) {
    Lock& lock = shared_lock<Lock>();
    for (auto _ : state) {
        lock.lock_shared();
        benchmark::ClobberMemory();
        lock.unlock_shared();
    }
}

/// What CPython does with its thread states: one compare-exchange to attach, a store with a full barrier to detach.
void cpython_style(benchmark::State& state) {
    alignas(128) std::atomic<int> own{0};
    for (auto _ : state) {
        int detached = 0;
        own.compare_exchange_strong(detached, 1);
        benchmark::ClobberMemory();
        own.store(0);
    }
}

void cas_cas(benchmark::State& state) {
    alignas(128) std::atomic<int> own{0};
    for (auto _ : state) {
        int detached = 0, attached = 1;
        own.compare_exchange_strong(detached, 1);
        benchmark::ClobberMemory();
        own.compare_exchange_strong(attached, 0);
    }
}

}  // namespace

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    const std::pair<const char*, void (*)(benchmark::State&)> all[] = {
        {"empty", empty},
        {"attach", attach_detach},
        {"nested", nested_attach_detach},
        {"safe_point", attached_safe_point},
        {"cpython", cpython_style},
        {"cas", cas_cas},
        {"mutex", exclusive<std::mutex>},
        {"shared_mutex", reader<std::shared_mutex>},
        {"spin_rw", reader<tbb::spin_rw_mutex>},
    };
    for (const auto& [name, function] : all)
        for (const int threads : {1, 2}) benchmark::RegisterBenchmark(name, function)->UseRealTime()->Threads(threads);

    Runtime runtime;
    Medians medians;
    if (!medians.run(count, arguments)) return 2;
    const double attach = medians.of("attach"), nothing = medians.of("empty");
    rows.add({"attach + detach, parallel mode, inlined", attach, "ns", {}, {}, Target::value_at_most(2)});
    rows.add({"attach + detach", attach, "ns", "an empty call", nothing, Target::ratio_at_most(3)});
    rows.add({"attach + detach", attach, "ns", "compare-exchange + store (CPython)", medians.of("cpython")});
    rows.add({"attach + detach", attach, "ns", "compare-exchange twice", medians.of("cas")});
    rows.add({"attach + detach", attach, "ns", "std::mutex", medians.of("mutex")});
    rows.add({"attach + detach", attach, "ns", "std::shared_mutex, shared", medians.of("shared_mutex")});
    rows.add({"attach + detach", attach, "ns", "tbb::spin_rw_mutex, shared", medians.of("spin_rw")});
    rows.add({"attach + detach, nested", medians.of("nested"), "ns", "an empty call", nothing});
    rows.add({"safe point, parallel mode", medians.of("safe_point"), "ns", "an empty call", nothing});
    const double attach_2 = medians.of("attach", 2);
    rows.add({"attach + detach, 2 threads at once, each", attach_2, "ns", "an empty call, 2 threads at once",
              medians.of("empty", 2), Target::ratio_at_most(3)});
    rows.add({"attach + detach, 2 threads at once, each", attach_2, "ns", "std::shared_mutex, 2 threads at once",
              medians.of("shared_mutex", 2)});
}
