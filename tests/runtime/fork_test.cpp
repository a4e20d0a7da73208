// fork(2) in every state: whatever other threads held, were about to take or waited for at that moment, the child works
// with its one thread, and the parent goes on.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_fork
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <interlock/gate.hpp>
#include <interlock/runtime.hpp>
#include <string>

#include "points.hpp"
#include "support/thread_sanitizer.hpp"
#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;
using detail::own_slot;

namespace {

/// Runs `check` in a child, which answers with an empty text or with what is wrong. A child that hangs is killed.
template <typename Check>
std::string in_child(Check check) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child < 0) return "no fork";
    if (child == 0) {
        alarm(20);
        std::string answer;
        try {
            answer = check();
        } catch (const std::exception& error) {
            answer = error.what();
        }
        if (write(pipe_ends[1], answer.data(), answer.size()) < 0) _exit(3);
        _exit(answer.empty() ? 0 : 1);
    }
    close(pipe_ends[1]);
    std::string answer(1000, ' ');
    const ssize_t got = read(pipe_ends[0], answer.data(), answer.size());
    close(pipe_ends[0]);
    answer.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
    return answer;
}

#define EXPECT(condition) \
    if (!(condition)) return std::string("not true in the child: " #condition)

/// Everything that a runtime can do with one thread.
std::string works(Runtime& runtime, std::string_view mode) {
    EXPECT(mode_name(runtime.mode()) == mode);
    {
        Attached attached;
        EXPECT(is_attached());
        safe_point();
        Detached detached;
    }
    EXPECT(runtime.stats().registered_threads == 1);
    const unsigned holds = runtime.stats().holds;
    EXPECT(runtime.switch_to_locked("child").value().switched == (mode == "parallel"));
    {
        Attached attached;
        EXPECT(holds_global_lock());
    }
    int sum = 0;
    runtime.parallel_for(0, 100, [&](std::size_t i) { sum += is_attached() ? static_cast<int>(i) : -1; });
    EXPECT(sum == 4950);
    EXPECT(runtime.submit([] { return is_attached() ? 7 : 0; }).get() == 7);
    runtime.switch_to_parallel();
    EXPECT(mode_name(runtime.mode()) == mode);
    EXPECT(runtime.stats().holds == holds);
    return {};
}

/// A thread in some state, until the end of the scope.
class Other {
public:
    template <typename Body>
    explicit Other(Body body) {
        thread_.start([this, body] { body(*this); });
        ready_.wait();
    }
    ~Other() { go_.set(); }
    /// Called by the body.
    void stay() {
        ready_.set();
        go_.wait();
    }

private:
    Event ready_, go_;
    Threads thread_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(nobody_else) {
    Runtime runtime;
    BOOST_CHECK_EQUAL(in_child([&] { return works(runtime, "parallel"); }), "");
    BOOST_REQUIRE(runtime.switch_to_locked("parent").ok());
    BOOST_CHECK_EQUAL(in_child([&] { return works(runtime, "locked"); }), "");
    BOOST_CHECK_EQUAL(in_child([&] { return in_child([&] { return works(runtime, "locked"); }); }), "");
}

BOOST_AUTO_TEST_CASE(by_an_attached_thread) {
    for (const GilSetting gil : {GilSetting::automatic, GilSetting::on}) {
        Runtime runtime({.gil = gil});
        Mutex object;
        HandoffLock module_lock;
        Attached one;
        Attached two;
        CriticalSection section(object);
        detail::take_module_lock(own_slot(), module_lock);
        const auto state = state_here();
        const auto as_before = [&]() -> std::string {
            EXPECT(own_slot()->depth == 2);
            EXPECT(state_here() == state);
            EXPECT(!object.try_lock());
            EXPECT(!module_lock.try_lock());
            return {};
        };
        BOOST_CHECK_EQUAL(in_child([&] {
                              const std::string wrong = as_before();
                              Detached outside;
                              return wrong.empty() ? works(runtime, mode_name(runtime.mode())) : wrong;
                          }),
                          "");
        BOOST_CHECK_EQUAL(as_before(), "");
        detail::drop_module_lock(own_slot());
    }
}

BOOST_AUTO_TEST_CASE(while_another_thread_is_attached) {
    Runtime runtime;
    Other other([](Other& self) {
        Attached attached;
        self.stay();
    });
    BOOST_CHECK_EQUAL(in_child([&] { return works(runtime, "parallel"); }), "");
    BOOST_CHECK_EQUAL(runtime.stats().attached_threads, 1u);
}

BOOST_AUTO_TEST_CASE(while_another_thread_holds_the_global_lock_and_a_third_waits_for_it) {
    Points points;
    Runtime runtime({.gil = GilSetting::on});
    Threads threads;
    {
        Other holder([](Other& self) {
            Attached attached;
            self.stay();
        });
        threads.start([] { Attached attached; });
        points.wait_for("enter.before_global_lock");
        BOOST_CHECK_EQUAL(in_child([&] { return works(runtime, "locked"); }), "");
    }
    threads.join();
    Attached attached;
}

BOOST_AUTO_TEST_CASE(while_another_thread_is_in_critical_sections) {
    Runtime runtime;
    Mutex objects[3];
    Other other([&](Other& self) {
        Attached attached;
        CriticalSection outer(objects[0]);
        CriticalSection inner(objects[1], objects[2]);
        self.stay();
    });
    BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                          Attached attached;
                          CriticalSection all(objects[2], objects[0]);
                          CriticalSection more(objects[1]);
                          return {};
                      }),
                      "");
    for (Mutex& object : objects) BOOST_CHECK(!object.try_lock());
}

BOOST_AUTO_TEST_CASE(while_another_thread_has_one_object_of_two) {
    Points points;
    Runtime runtime;
    Mutex objects[2];
    Threads threads;
    {
        Other has_second([&](Other& self) {
            Attached attached;
            CriticalSection section(objects[1]);
            self.stay();
        });
        points.hold("critical.first_taken");
        threads.start([&] {
            Attached attached;
            CriticalSection section(objects[0], objects[1]);
        });
        points.wait_for("critical.first_taken");
        BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                              EXPECT(objects[0].try_lock());
                              EXPECT(objects[1].try_lock());
                              return {};
                          }),
                          "");
        points.release("critical.first_taken");
    }
    threads.join();
    BOOST_CHECK(objects[0].try_lock());
}

BOOST_AUTO_TEST_CASE(while_another_thread_is_inside_a_module) {
    Runtime runtime;
    HandoffLock module_lock;
    static const CallSite site{"m", "f"};
    constexpr std::size_t module_index = 3;
    Other other([&](Other& self) {
        Attached attached;
        detail::take_module_lock(own_slot(), module_lock);
        detail::bump(detail::tally_of(own_slot(), module_index)->inside, 1u);
        own_slot()->site.store(&site);
        self.stay();
        detail::drop_module_lock(own_slot());
        detail::bump(detail::tally_of(own_slot(), module_index)->inside, static_cast<std::uint32_t>(-1));
    });
    BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                          EXPECT(detail::sum_tallies(module_index).inside == 0);
                          EXPECT(detail::wait_until_outside(module_index, 0, 0));
                          EXPECT(module_lock.try_lock());
                          module_lock.unlock(HandoffLock::Release::eager);
                          return works(runtime, "parallel");
                      }),
                      "");
    BOOST_CHECK_EQUAL(detail::sum_tallies(module_index).inside, 1u);
    BOOST_CHECK(!module_lock.try_lock());
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_another_threads_switch_to_locked_mode_it_is_undone) {
    // Before the mode is stored, and when it is and others are waited for.
    for (const std::string point : {"switch.before_mode", "switch.before_wait"}) {
        Points points;
        Runtime runtime;
        bool asked = false, switched = false;
        points.hold(point);
        Threads threads;
        threads.start([&] { switched = runtime.switch_to_locked("other", std::nullopt, &asked).value().switched; });
        points.wait_for(point);
        BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                              EXPECT(!asked);
                              EXPECT(runtime.stats().holds == 0);
                              return works(runtime, "parallel");
                          }),
                          "");
        points.release(point);
        threads.join();
        BOOST_CHECK(asked && switched);
        BOOST_CHECK_EQUAL(runtime.stats().holds, 1u);
        BOOST_CHECK_EQUAL(in_child([&] { return works(runtime, "locked"); }), "");
    }
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_another_threads_switch_to_parallel_mode_it_is_over) {
    Runtime runtime;
    bool asked = false, parallel = false;
    BOOST_REQUIRE(runtime.switch_to_locked("test", std::nullopt, &asked).ok());
    Threads threads;
    {
        Other holder([](Other& self) {
            Attached attached;
            self.stay();
        });
        threads.start([&] { parallel = runtime.switch_to_parallel(&asked); });
        while (runtime.stats().holds != 0) std::this_thread::yield();
        BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                              EXPECT(!asked);
                              return works(runtime, "parallel");
                          }),
                          "");
        BOOST_CHECK(runtime.mode() == Mode::locked);
    }
    threads.join();
    BOOST_CHECK(parallel && !asked);
}

BOOST_AUTO_TEST_CASE(a_request_that_another_thread_is_about_to_take_back_counts_and_is_said_to) {
    Points points;
    Runtime runtime;
    bool asked = false;
    BOOST_REQUIRE(runtime.switch_to_locked("test", std::nullopt, &asked).ok());
    points.hold("switch.before_taking_back");
    Threads threads;
    threads.start([&] { runtime.switch_to_parallel(&asked); });
    points.wait_for("switch.before_taking_back");
    BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                          EXPECT(asked && runtime.stats().holds == 1 && runtime.mode() == Mode::locked);
                          EXPECT(runtime.switch_to_parallel(&asked));
                          EXPECT(!asked);
                          return works(runtime, "parallel");
                      }),
                      "");
    points.release("switch.before_taking_back");
    threads.join();
    BOOST_CHECK(!asked);
}

BOOST_AUTO_TEST_CASE(while_another_thread_destroys_the_runtime_there_is_none) {
    auto runtime = std::make_unique<Runtime>();
    Threads threads;
    {
        Other attached([](Other& self) {
            Attached guard;
            self.stay();
        });
        threads.start([&] { runtime.reset(); });
        for (bool gone = false; !gone; std::this_thread::yield()) {
            try {
                const Attached guard;
            } catch (const Failure&) {
                gone = true;
            }
        }
        BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                              EXPECT(Runtime::current() == nullptr);
                              Runtime next;
                              return works(next, "parallel");
                          }),
                          "");
    }
    threads.join();
}

BOOST_AUTO_TEST_CASE(by_an_attached_thread_that_a_switch_waits_for) {
    Points points;
    Runtime runtime;
    std::string answer = "not run";
    Event attached, go;
    bool switched = false;
    Threads threads;
    threads.start([&] {
        Attached guard;
        attached.set();
        go.wait();
        // Detaches for the time of the fork, so the switch gets through, in the child as well if it was early enough.
        answer = in_child([&]() -> std::string {
            const Mode mode = runtime.mode();
            EXPECT(is_attached() && holds_global_lock() == (mode == Mode::locked));
            EXPECT(runtime.stats().holds == (mode == Mode::locked ? 1 : 0));
            Detached outside;
            return works(runtime, mode_name(mode));
        });
    });
    attached.wait();
    threads.start([&] { switched = runtime.switch_to_locked("test").value().switched; });
    points.wait_for("switch.before_wait");
    go.set();
    threads.join();
    BOOST_CHECK_EQUAL(answer, "");
    BOOST_CHECK(switched);
}

BOOST_AUTO_TEST_CASE(inside_on_stall) {
    Event go;
    std::string answer = "not run";
    int child_answer = -1;
    Runtime* used = nullptr;
    bool forked = false, is_child = false;
    int pipe_ends[2];
    BOOST_REQUIRE_EQUAL(pipe(pipe_ends), 0);
    Runtime runtime({.stall_report = std::chrono::milliseconds(1), .on_stall = [&](const StallReport&) {
                         if (forked) return;
                         forked = true;
                         const pid_t child = fork();
                         if (child == 0) {
                             alarm(20);
                             is_child = true;
                             return;
                         }
                         int status = 0;
                         waitpid(child, &status, 0);
                         child_answer = WIFEXITED(status) ? WEXITSTATUS(status) : -2;
                         go.set();
                     }});
    used = &runtime;
    Event attached;
    Threads threads;
    threads.start([&] {
        Attached guard;
        attached.set();
        go.wait();
    });
    attached.wait();
    const bool switched = runtime.switch_to_locked("test").value().switched;
    if (is_child) _exit(switched && works(*used, "locked").empty() ? 0 : 1);
    BOOST_CHECK(switched);
    BOOST_CHECK_EQUAL(child_answer, 0);
    threads.join();
    BOOST_CHECK_EQUAL(runtime.stats().holds, 1u);
}

BOOST_AUTO_TEST_CASE(under_load) {
    Runtime runtime({.switch_interval = std::chrono::microseconds(100)});
    Mutex object;
    HandoffLock module_lock;
    Event stop;
    long plain = 0;
    std::atomic<int> forks{0};
    Threads threads;
    threads.start(3, [&](int thread) {
        while (!stop.happened()) {
            Attached attached;
            CriticalSection section(object);
            detail::take_module_lock(own_slot(), module_lock);
            ++plain;
            detail::drop_module_lock(own_slot());
            safe_point();
            if (thread == 0 && runtime.switch_to_locked("load", std::chrono::milliseconds(1)).ok())
                runtime.switch_to_parallel();
        }
    });
    int wrong = 0;
    for (; forks < 60; ++forks) {
        const std::string answer = in_child([&]() -> std::string {
            const std::string mode = mode_name(runtime.mode());
            {
                Attached attached;
                CriticalSection section(object);
                detail::take_module_lock(own_slot(), module_lock);
                detail::drop_module_lock(own_slot());
            }
            return works(runtime, mode);
        });
        if (!answer.empty() && wrong++ == 0) BOOST_TEST_MESSAGE(answer);
    }
    stop.set();
    threads.join();
    BOOST_CHECK_EQUAL(wrong, 0);
    BOOST_CHECK_GT(plain, 0);
}

BOOST_AUTO_TEST_CASE(the_child_may_end_its_runtime_and_make_another) {
    auto runtime = std::make_unique<Runtime>();
    Other other([](Other& self) {
        Attached attached;
        self.stay();
    });
    BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                          runtime.reset();
                          Runtime next;
                          return works(next, "parallel");
                      }),
                      "");
}

BOOST_AUTO_TEST_CASE(the_child_may_start_threads, *boost::unit_test::enable_if<!test::under_thread_sanitizer>()) {
    Runtime runtime;
    Other other([](Other& self) {
        Attached attached;
        self.stay();
    });
    BOOST_CHECK_EQUAL(in_child([&]() -> std::string {
                          std::atomic<int> attached{0};
                          Threads threads;
                          threads.start(3, [&](int) {
                              Attached guard;
                              ++attached;
                          });
                          EXPECT(runtime.switch_to_locked("child").ok());
                          threads.join();
                          EXPECT(attached == 3);
                          return {};
                      }),
                      "");
}

BOOST_AUTO_TEST_CASE(the_hooks_of_the_loader_are_called) {
    Runtime runtime;
    std::string calls;
    const detail::ForkHooks hooks{
        [](void* context) { *static_cast<std::string*>(context) += "before "; },
        [](void* context) { *static_cast<std::string*>(context) += "parent "; },
        [](void* context) { *static_cast<std::string*>(context) += "child "; },
        &calls,
    };
    detail::set_fork_hooks(&hooks);
    BOOST_CHECK_EQUAL(in_child([&] { return calls; }), "before child ");
    BOOST_CHECK_EQUAL(calls, "before parent ");
    detail::set_fork_hooks(nullptr);
    BOOST_CHECK_EQUAL(in_child([&] { return calls; }), "before parent ");
}
