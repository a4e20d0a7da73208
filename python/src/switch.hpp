// switch.hpp: the interpreter's switch, and who may move it when.
//
// While it is held (`enable_gil` is 0) CPython neither turns the GIL on for an import nor stops all threads for one. An
// import for which CPython itself has to decide goes through a window: `enable_gil` is -1 meanwhile.
//
// Invariant: an import ends under the setting under which it began. CPython counts up when an init function begins and
// down when it has ended, and looks at the setting each time (Python/ceval_gil.c). What began while held has not been
// counted, and would be counted down in a window, which leaves a count of -1: on, for ever, and nobody's. So
//
// - a window is opened, or joined, when no import that began while held can end: each belongs to this thread, to one
// that
//   waits here as well, or to one that is in a window itself;
// - it stays open until all imports in it have ended;
// - a thread that leaves a window in the middle of an import that began while held waits until it is closed.
//
// Once the GIL is on for good no count matters any more. No lock is held while an init function runs. All of a step is
// in one function here, as what interrupts Python code (a signal, a destructor, a trace function) may import as well,
// or raise.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>

namespace interlock::python {

/// What the switch acts on. Called with the lock of the switch held.
class Interpreter {
public:
    Interpreter() = default;
    virtual ~Interpreter() = default;
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;
    virtual void set_enable_gil(int value) noexcept = 0;  ///< 0 or -1
    virtual bool gil_is_on() noexcept = 0;                ///< also when only for the moment
};

/// [any-thread] Functions that change something call `Interpreter`.
class Switch {
public:
    using Thread = unsigned long;  ///< as of PyThread_get_thread_ident()

    /// How an import, or what else is done in a window, began: end() is told.
    enum class Began {
        not_yet,    ///< it has to wait
        uncounted,  ///< the switch is not held, or the GIL is on for good
        held,
        in_window,
    };

    explicit Switch(Interpreter& interpreter) noexcept : interpreter_(interpreter) {}
    virtual ~Switch() = default;
    Switch(const Switch&) = delete;
    Switch& operator=(const Switch&) = delete;

    /// It is held from now on; while the GIL is on, as soon as an import finds it off.
    void want();
    bool is_wanted() const;
    bool is_held() const;
    bool is_on_for_good() const;

    /// For an import that leaves the GIL alone. Never not_yet: while a window is open it is in that.
    Began begin_held(Thread me);
    /// For what goes through a window. With `force` it is opened although an import that began while held may end in
    /// it.
    Began begin_in_window(Thread me, bool force = false);
    /// True: this thread has to wait until may_go_on().
    bool end(Thread me, Began began);
    bool may_go_on() const;

    /// A thread that waits for something here: its imports cannot end meanwhile. Nests.
    void park(Thread me);
    void unpark(Thread me);

    /// Who turns the GIL on is alone; false while another thread is at it. Nests.
    bool begin_turning_on(Thread me);
    /// To be called before its window is left: who is in that as well may wait for its turn.
    void end_turning_on(bool is_on_for_good);

    /// A number that is another one after each step that a thread may wait for.
    unsigned changes() const;
    /// The one function that blocks: until the number is another one than `seen`, or the time is over.
    void wait_for_change(unsigned seen, std::chrono::milliseconds longest);

    struct State {
        bool held, on_for_good;
        std::size_t threads_held, threads_in_window, threads_parked;
    };
    State state() const;

    /// Around a fork: what another thread does here is whole in the child.
    void before_fork();
    void after_fork_in_parent();
    void after_fork_in_child();
    /// To be called in the child when Python can be used there.
    void forget_other_threads(Thread me);

protected:
    /// With the lock held. Virtual for the test that shows what it is for.
    virtual bool nobody_can_end(Thread me) const;

private:
    using Counts = std::map<Thread, unsigned>;
    static void count_down(Counts& counts, Thread thread);
    void hold_if_wanted();
    void close_if_unused();
    void changed();

    Interpreter& interpreter_;
    mutable std::mutex mutex_;  ///< guards all that follows
    std::condition_variable changed_;
    unsigned changes_ = 0;
    bool wanted_ = false, held_ = false, on_for_good_ = false;
    Counts uncounted_, outside_, inside_, parked_;
    Thread turning_ = 0;  ///< the thread that turns the GIL on
    unsigned turning_depth_ = 0;
};

}  // namespace interlock::python
