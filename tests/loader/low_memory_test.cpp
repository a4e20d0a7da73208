// No memory in the middle of an import, an unloading and the like: each allocation fails once, in a process of its own.
// What was asked for may fail; it is told of if and only if it has happened, and afterwards everything works.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_low_memory
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <optional>
#include <thread>

#include <interlock/interlock.hpp>

namespace {

constexpr long never = 1L << 60;
/// The allocations that still succeed before the one that fails.
std::atomic<long> left{never};

}  // namespace

// All forms of new come down to this one; that of arrays only if told so, where AddressSanitizer has its own.
void* operator new(std::size_t size) {
    if (left.fetch_sub(1, std::memory_order_relaxed) == 0) throw std::bad_alloc();
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace interlock;

namespace {

// What modules and the loader tell. Not by way of lab.hpp, whose records need memory.
std::atomic<int> destroyed{0}, warned{0};
std::atomic<int> told[all_event_kinds.size()];
const char* script_of_lingers = nullptr;
std::atomic<bool> importing{false}, go_on{true};

int told_of(EventKind kind) { return told[static_cast<std::size_t>(kind)].load(); }

}  // namespace

extern "C" __attribute__((visibility("default"), used)) int interlock_test_observe(const char* event) {
    if (std::strcmp(event, "destroy") == 0) ++destroyed;
    if (std::strcmp(event, "free2:exec") == 0) {
        importing = true;
        const Detached outside;
        while (!go_on) std::this_thread::yield();
    }
    return 0;
}
extern "C" __attribute__((visibility("default"), used)) const char* interlock_test_script(const char* event) {
    return std::strcmp(event, "lingers:exec") == 0 ? script_of_lingers : nullptr;
}

namespace {

/// A process that is about to ask for something.
struct Process {
    Runtime runtime{
        {.threads = 1, .on_event = [](const RuntimeEvent& event) { ++told[static_cast<std::size_t>(event.kind)]; }}};
    Loader loader{
        runtime,
        {.search_path = {MODULE_DIRECTORY}, .use_environment = false, .on_warning = [](const Warning&) { ++warned; }}};

    bool loaded(const char* module) const { return loader.find(module).ok(); }
    /// nullopt: there was no memory for the figures of the module, which is unloaded.
    std::optional<bool> mapped(const char* module) const {
        const LoaderReport report = loader.report();
        const auto named = [&](const ModuleStats& stats) { return stats.module == module; };
        const auto found = std::find_if(report.modules.begin(), report.modules.end(), named);
        return found == report.modules.end() ? std::nullopt : std::optional(found->mapped);
    }
};

/// Runs `action` with allocation `point` failing. Whether it failed for want of memory: nullopt if no allocation did.
enum class Answer { none_failed, yes, no };
Answer asked(long point, const std::function<bool()>& action) {
    bool done = false;
    left.store(point);
    try {
        done = action();
    } catch (const std::bad_alloc&) {
        // One of the allowed answers.
    }
    const bool failed = left.exchange(never) < 0;
    return !failed ? Answer::none_failed : done ? Answer::yes : Answer::no;
}

/// 0, or where it went wrong.
int works_afterwards(Process& here, const char* module) {
    Loader& loader = here.loader;
    if (here.loaded(module) && !loader.unload(module)) return 10;
    if (!loader.import("free1")) return 11;
    if (!loader.import("unm1") || here.runtime.mode() != Mode::locked) return 12;
    if (!loader.unload("unm1") || here.runtime.mode() != Mode::parallel) return 13;
    if (here.runtime.stats().holds != 0) return 14;
    return 0;
}

struct Row {
    const char* module;
    const char* script = nullptr;  ///< of the module "lingers"
};

/// Exit status: 0, 1 if no allocation failed, or where it went wrong.
using Child = int (*)(const Row& row, long point);

int finished(Answer answer, int wrong) { return wrong != 0 ? wrong : answer == Answer::none_failed ? 1 : 0; }

int import(const Row& row, long point) {
    Process here;
    bool ok = false;
    const Answer answer = asked(point, [&] { return ok = here.loader.import(row.module).ok(); });
    if (ok != here.loaded(row.module)) return 20;
    if (told_of(EventKind::imported) != static_cast<int>(here.loader.modules().size())) return 21;
    if (answer == Answer::none_failed && told_of(EventKind::import_failed) != (ok ? 0 : 1)) return 22;
    const bool locked = here.runtime.mode() == Mode::locked;
    if (told_of(EventKind::mode_changed) % 2 != (locked ? 1 : 0)) return 23;
    if (locked && warned != 1) return 24;
    struct sigaction handler;
    ::sigaction(SIGUSR2, nullptr, &handler);
    // It has run, and left that behind.
    if (!ok && handler.sa_handler != SIG_DFL && warned != 1) return 25;
    return finished(answer, works_afterwards(here, row.module));
}

int unload(const Row& row, long point) {
    Process here;
    here.loader.import(row.module).value();
    const bool locked = here.runtime.mode() == Mode::locked;
    warned = 0;
    for (auto& count : told) count = 0;
    bool ok = false;
    const Answer answer = asked(point, [&] { return ok = here.loader.unload(row.module).ok(); });
    if (ok == here.loaded(row.module)) return 30;
    if (told_of(EventKind::unloaded) != (ok ? 1 : 0)) return 31;
    if (told_of(EventKind::mode_changed) != (ok && locked ? 1 : 0)) return 32;
    const bool lingers = row.script != nullptr;
    if (warned != (ok && here.mapped(row.module).value_or(lingers) ? 1 : 0)) return 33;
    if (ok && lingers && warned != 1) return 34;
    return finished(answer, works_afterwards(here, row.module));
}

int reload(const Row& row, long point) {
    Process here;
    const Function count = here.loader.import(row.module).value().function("count").value();
    bool ok = false;
    const Answer answer = asked(point, [&] { return ok = here.loader.reload(row.module).ok(); });
    if (ok && !here.loaded(row.module)) return 40;
    // Whatever became of it, it can be said once more, and then functions go on to the new version.
    if (!here.loader.reload(row.module)) return 41;
    if (!count({})) return 42;
    return finished(answer, works_afterwards(here, row.module));
}

/// The last reference to an object goes.
int drop(const Row& row, long point, bool elsewhere) {
    Answer answer{};
    int wrong = 0;
    {
        Process here;
        Value object = here.loader.import(row.module).value().function("object").value()({7}).value();
        const auto dropped = [&] { return asked(point, [&] { return object = Value(), true; }); };
        if (elsewhere)
            std::thread([&] { answer = dropped(); }).join();
        else
            answer = dropped();
        if (answer == Answer::none_failed && destroyed != 1) return 50;
        if (destroyed > 1) return 51;
        wrong = works_afterwards(here, row.module);
    }
    return finished(answer, destroyed == 1 ? wrong : 52);
}
int drop_here(const Row& row, long point) { return drop(row, point, false); }
int drop_elsewhere(const Row& row, long point) { return drop(row, point, true); }

/// While another thread imports a module, which in the child will never end.
int fork(const Row& row, long point) {
    Process here;
    here.loader.import("unm2").value();
    go_on = false;
    std::thread other([&] { here.loader.import(row.module).value(); });
    while (!importing) std::this_thread::yield();
    pid_t child = -1;
    const Answer answer = asked(point, [&] { return child = ::fork(), true; });
    if (child == 0) {
        const bool sound = !here.loaded(row.module) && here.loaded("unm2") && here.loader.unload("unm2") &&
                           here.runtime.mode() == Mode::parallel;
        ::_exit(finished(answer, sound ? 0 : 60));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    go_on = true;
    other.join();
    if (!WIFEXITED(status)) return 61;
    return WEXITSTATUS(status);
}

void each_allocation_fails_once(Child ask, const Row& row, long at_least) {
    long point = 0;
    for (bool more = true; more; ++point) {
        BOOST_REQUIRE(point < 10'000);
        const pid_t process = ::fork();
        BOOST_REQUIRE(process >= 0);
        if (process == 0) {
            ::signal(SIGABRT, SIG_DFL);
            ::alarm(20);  // a hang is a failure
            script_of_lingers = row.script;
            ::_exit(ask(row, point));
        }
        int status = 0;
        BOOST_REQUIRE(::waitpid(process, &status, 0) == process);
        BOOST_TEST_CONTEXT(row.module << ", allocation " << point) {
            BOOST_TEST(!WIFSIGNALED(status), "signal " << WTERMSIG(status));
            more = !WIFEXITED(status) || WEXITSTATUS(status) != 1;
            if (more && WIFEXITED(status)) BOOST_TEST(WEXITSTATUS(status) == 0);
        }
    }
    BOOST_TEST_MESSAGE(row.module << ": " << point - 1 << " allocations");
    BOOST_TEST(point > at_least);
}

}  // namespace

BOOST_AUTO_TEST_CASE(in_an_import) {
    for (const char* module : {"free1", "unm1", "legacy1", "no_such_module", "pkg.sub", "bad_export"})
        each_allocation_fails_once(import, {module}, 5);
}

BOOST_AUTO_TEST_CASE(in_an_import_that_leaves_something_behind) {
    each_allocation_fails_once(import, {"lingers", "signal fail"}, 5);
}

BOOST_AUTO_TEST_CASE(in_an_unloading) {
    for (const char* module : {"free1", "unm1"}) each_allocation_fails_once(unload, {module}, 5);
}

BOOST_AUTO_TEST_CASE(in_an_unloading_that_leaves_something_behind) {
    each_allocation_fails_once(unload, {"lingers", "signal"}, 5);
}

BOOST_AUTO_TEST_CASE(in_a_reload) { each_allocation_fails_once(reload, {"free1"}, 5); }

BOOST_AUTO_TEST_CASE(as_the_last_reference_to_an_object_goes) {
    each_allocation_fails_once(drop_here, {"values"}, 0);
    // On a thread that has never been in the module.
    each_allocation_fails_once(drop_elsewhere, {"values"}, 1);
}

BOOST_AUTO_TEST_CASE(in_a_fork) { each_allocation_fails_once(fork, {"free2"}, 0); }
