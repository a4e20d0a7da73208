// No memory in the middle of an import or an unloading: each allocation fails once, in a process of its own. What was
// asked for may fail; afterwards everything works as if it had not been asked for.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_low_memory
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <new>

#include "lab.hpp"

namespace {

constexpr long never = 1L << 60;
/// The allocations that still succeed before the one that fails.
std::atomic<long> left{never};

}  // namespace

// All forms of new come down to this one.
void* operator new(std::size_t size) {
    if (left.fetch_sub(1, std::memory_order_relaxed) == 0) throw std::bad_alloc();
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace interlock;
using namespace interlock::test;

namespace {

void ask(Loader& loader, const std::string& verb, const std::string& module) {
    try {
        if (verb == "import")
            static_cast<void>(loader.import(module));
        else
            static_cast<void>(loader.unload(module));
    } catch (const std::bad_alloc&) {
        // One of the allowed answers.
    }
}

/// 0, or where it went wrong.
int works_afterwards(Runtime& runtime, Loader& loader, const std::string& module) {
    if (loader.find(module) && !loader.unload(module)) return 10;
    if (!loader.import("free1")) return 11;
    if (!loader.import("unm1") || runtime.mode() != Mode::locked) return 12;
    if (!loader.unload("unm1") || runtime.mode() != Mode::parallel) return 13;
    if (runtime.stats().holds != 0) return 14;
    return 0;
}

/// In a child: asks, with allocation `point` failing. Exit status 1: everything that was asked for went without it.
[[noreturn]] void child(const std::string& verb, const std::string& module, long point) {
    ::signal(SIGABRT, SIG_DFL);
    ::alarm(20);  // a hang is a failure
    int status = 0;
    {
        Runtime runtime({.threads = 1});
        Loader loader(
            runtime,
            {.search_path = {MODULE_DIRECTORY}, .use_environment = false, .on_warning = [](const Warning&) {}});
        if (verb == "unload") loader.import(module).value();
        left.store(point);
        ask(loader, verb, module);
        const bool failed = left.exchange(never) < 0;
        status = works_afterwards(runtime, loader, module);
        if (status == 0 && !failed) status = 1;
    }
    ::_exit(status);
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_allocation_fails_once) {
    struct {
        const char* verb;
        const char* module;
    } const rows[] = {{"import", "free1"}, {"import", "unm1"}, {"import", "legacy1"}, {"import", "no_such_module"},
                      {"unload", "free1"}, {"unload", "unm1"}, {"import", "pkg.sub"}, {"import", "bad_export"}};
    for (const auto& row : rows) {
        long point = 0;
        for (bool more = true; more; ++point) {
            BOOST_REQUIRE(point < 10'000);
            const pid_t process = ::fork();
            BOOST_REQUIRE(process >= 0);
            if (process == 0) child(row.verb, row.module, point);
            int status = 0;
            BOOST_REQUIRE(::waitpid(process, &status, 0) == process);
            BOOST_TEST_CONTEXT(row.verb << ' ' << row.module << ", allocation " << point) {
                BOOST_TEST(!WIFSIGNALED(status), "signal " << WTERMSIG(status));
                more = !WIFEXITED(status) || WEXITSTATUS(status) != 1;
                if (more && WIFEXITED(status)) BOOST_TEST(WEXITSTATUS(status) == 0);
            }
        }
        BOOST_TEST_MESSAGE(row.verb << ' ' << row.module << ": " << point << " allocations");
        BOOST_TEST(point > 5);
    }
}
