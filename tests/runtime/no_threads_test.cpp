// A process that can have no more threads, or only one: loops run on their callers, and what was submitted in get() or
// in the destructor of the runtime.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_no_threads
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>

#include <interlock/runtime.hpp>

using namespace interlock;

namespace {

std::atomic<int> threads_left{1000};

/// In a process of its own, since oneTBB makes its threads once.
int in_child(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            ::_exit(body() ? 0 : 1);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s\n", e.what());
            ::_exit(2);
        }
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

bool everything_runs() {
    std::atomic<int> items{0}, forgotten{0};
    {
        Runtime runtime({.threads = 4});
        for (int round = 0; round < 20; ++round) runtime.parallel_for(0, 100, [&](std::size_t) { ++items; }, 1);
        runtime.parallel_for(0, 10, [&](std::size_t) { runtime.parallel_for(0, 10, [&](std::size_t) { ++items; }); });
        for (int round = 0; round < 100; ++round)
            if (runtime.submit([round] { return round; }).get() != round) return false;
        for (int round = 0; round < 100; ++round) static_cast<void>(runtime.submit([&] { ++forgotten; }));
        try {
            runtime.parallel_for(0, 100, [](std::size_t) { throw std::runtime_error("as it should"); });
            return false;
        } catch (const std::runtime_error&) {
        }
    }
    return items == 2100 && forgotten == 100;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*function)(void*),
                                                                     void* argument) noexcept {
    static const auto real = reinterpret_cast<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>(
        dlsym(RTLD_NEXT, "pthread_create"));
    if (threads_left.fetch_sub(1) <= 0) return EAGAIN;
    return real(thread, attributes, function, argument);
}

BOOST_AUTO_TEST_CASE(without_a_thread) {
    threads_left = 0;
    BOOST_TEST(in_child(everything_runs) == 0);
}

BOOST_AUTO_TEST_CASE(with_one_thread_of_three) {
    threads_left = 1;
    BOOST_TEST(in_child(everything_runs) == 0);
}

BOOST_AUTO_TEST_CASE(with_all) {
    threads_left = 1000;
    BOOST_TEST(in_child(everything_runs) == 0);
}
