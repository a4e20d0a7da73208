// Attach and detach: nesting, threads without a runtime, threads that end in the middle, the one runtime.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_attach
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <interlock/handoff_lock.hpp>
#include <interlock/runtime.hpp>
#include <string>

#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;

namespace {

std::string failure_of(const std::function<void()>& function, Errc expected) {
    try {
        function();
    } catch (const Failure& failure) {
        BOOST_CHECK_EQUAL(errc_name(failure.error().code), errc_name(expected));
        return failure.what();
    }
    return "no exception";
}

}  // namespace

BOOST_AUTO_TEST_CASE(attach_without_a_runtime_is_an_error_and_leaves_no_trace) {
    const char* expected =
        "a thread tried to attach, but no interlock::Runtime exists in this process; create one first and destroy it "
        "last";
    for (int i = 0; i < 2; ++i) {
        BOOST_CHECK_EQUAL(failure_of([] { Attached attached; }, Errc::wrong_state), expected);
        BOOST_CHECK(!is_attached());
        BOOST_CHECK_EQUAL(state_here(), detail::state_detached);
        Runtime runtime;
        Attached attached;
        BOOST_CHECK(is_attached());
    }
    safe_point();
    Detached nothing_to_give_up;
}

BOOST_AUTO_TEST_CASE(attach_nests) {
    Runtime runtime;
    BOOST_CHECK(!is_attached());
    {
        Attached one;
        BOOST_CHECK_EQUAL(state_here(), detail::state_free);
        {
            Attached two;
            Attached three;
            BOOST_CHECK_EQUAL(detail::own_slot()->depth, 3u);
            BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 1u);
        }
        BOOST_CHECK(is_attached());
        BOOST_CHECK_EQUAL(state_here(), detail::state_free);
    }
    BOOST_CHECK(!is_attached());
    BOOST_CHECK_EQUAL(state_here(), detail::state_detached);
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}

BOOST_AUTO_TEST_CASE(detached_gives_up_all_levels_and_brings_them_back) {
    Runtime runtime;
    Attached one;
    Attached two;
    {
        Detached outside;
        BOOST_CHECK(!is_attached());
        BOOST_CHECK_EQUAL(state_here(), detail::state_detached);
        Detached nothing_more;
        {
            Attached again;
            BOOST_CHECK_EQUAL(detail::own_slot()->depth, 1u);
            Detached outside_again;
            BOOST_CHECK(!is_attached());
        }
        BOOST_CHECK(!is_attached());
    }
    BOOST_CHECK_EQUAL(detail::own_slot()->depth, 2u);
    BOOST_CHECK_EQUAL(state_here(), detail::state_free);
}

BOOST_AUTO_TEST_CASE(an_exception_unwinds_attach_and_detach) {
    Runtime runtime;
    try {
        Attached attached;
        Detached detached;
        Attached nested;
        throw 1;
    } catch (int) {
    }
    BOOST_CHECK(!is_attached());
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}

BOOST_AUTO_TEST_CASE(there_is_one_runtime) {
    BOOST_CHECK(Runtime::current() == nullptr);
    {
        Runtime runtime;
        BOOST_CHECK(Runtime::current() == &runtime);
        BOOST_CHECK_EQUAL(failure_of([] { Runtime second; }, Errc::wrong_state),
                          "a second interlock::Runtime was created while one lives; a process has one mode, so use "
                          "Runtime::current() or destroy the first");
        BOOST_CHECK(Runtime::current() == &runtime);
        Attached attached;
    }
    BOOST_CHECK(Runtime::current() == nullptr);
    Runtime next;
    BOOST_CHECK(Runtime::current() == &next);
}

BOOST_AUTO_TEST_CASE(a_slot_is_used_again_by_a_later_thread) {
    Runtime runtime;
    detail::ThreadSlot* first = nullptr;
    on_other_thread([&] {
        Attached attached;
        first = detail::own_slot();
        if (first->os_thread.load() != syscall(SYS_gettid)) first = nullptr;
    });
    BOOST_REQUIRE(first != nullptr);
    BOOST_CHECK_EQUAL(first->os_thread.load(), 0);
    BOOST_CHECK(!first->in_use.load());
    const unsigned registered = runtime.stats().registered_threads;
    detail::ThreadSlot* second = nullptr;
    unsigned during = 0;
    on_other_thread([&] {
        Attached attached;
        second = detail::own_slot();
        during = runtime.stats().registered_threads;
    });
    BOOST_CHECK(first == second);
    BOOST_CHECK_EQUAL(during, registered + 1);
    BOOST_CHECK_EQUAL(runtime.stats().registered_threads, registered);
}

namespace {

/// Attaches at the very end of its thread, after the slot may have been given back.
struct AttachesInDestructor {
    bool used = false;
    int* count = nullptr;
    ~AttachesInDestructor() {
        Attached attached;
        if (is_attached() && count != nullptr) ++*count;
    }
};
thread_local AttachesInDestructor late;

}  // namespace

BOOST_AUTO_TEST_CASE(a_thread_may_attach_in_a_thread_local_destructor) {
    Runtime runtime;
    int count = 0;
    on_other_thread([&] {
        late.count = &count;
        Attached attached;
    });
    BOOST_CHECK_EQUAL(count, 1);
    BOOST_CHECK_EQUAL(runtime.stats().exited_attached, 0u);
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}

namespace {

void* exit_in_the_middle(void*) {
    Attached attached;
    Attached nested;
    pthread_exit(nullptr);
}

void* exit_without_unwinding(void* lock) {
    // As C code does: nothing runs at pthread_exit().
    detail::attach(detail::own_slot());
    detail::attach(detail::own_slot());
    if (lock != nullptr) detail::own_slot()->module_lock = static_cast<HandoffLock*>(lock);
    pthread_exit(nullptr);
}

void run(void* (*function)(void*), void* argument = nullptr) {
    pthread_t thread{};
    BOOST_REQUIRE_EQUAL(pthread_create(&thread, nullptr, function, argument), 0);
    pthread_join(thread, nullptr);
}

}  // namespace

BOOST_AUTO_TEST_CASE(pthread_exit_unwinds_the_guards_of_cpp_code) {
    Runtime runtime;
    const auto before = runtime.stats().exited_attached;
    run(exit_in_the_middle);
    BOOST_CHECK_EQUAL(runtime.stats().exited_attached, before);
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
}

BOOST_AUTO_TEST_CASE(a_thread_that_exits_while_attached_is_detached_and_counted) {
    for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
        Runtime runtime({.gil = gil});
        const auto before = runtime.stats().exited_attached;
        HandoffLock module_lock;
        module_lock.lock();
        run(exit_without_unwinding, &module_lock);
        BOOST_CHECK_EQUAL(runtime.stats().exited_attached, before + 1);
        BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 0u);
        BOOST_CHECK(module_lock.try_lock());
        module_lock.unlock(HandoffLock::Release::eager);
        // The global lock is free, the slot is as new.
        on_other_thread([] { Attached attached; });
        BOOST_CHECK(runtime.switch_to_locked("test").ok());
        runtime.switch_to_parallel();
    }
}

BOOST_AUTO_TEST_CASE(stats_know_the_runtime) {
    Runtime runtime({.threads = 3});
    const RuntimeStats stats = runtime.stats();
    BOOST_CHECK(stats.mode == Mode::parallel);
    BOOST_CHECK_EQUAL(stats.threads, 3u);
    BOOST_CHECK_EQUAL(runtime.threads(), 3u);
    BOOST_CHECK_EQUAL(stats.holds, 0u);
    BOOST_CHECK_EQUAL(stats.switches_to_locked, 0u);
    BOOST_CHECK_EQUAL(stats.failed_switches, 0u);
    BOOST_CHECK_EQUAL(std::string(mode_name(Mode::parallel)) + " " + mode_name(Mode::locked), "parallel locked");
    const char* disabled = std::getenv("INTERLOCK_NO_MEMBARRIER");
    BOOST_CHECK_EQUAL(stats.membarrier, disabled == nullptr);
}
