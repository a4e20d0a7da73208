// A model of what threads wait for (docs/design.md, "The executor"): imports, loops and module locks, in every order in
// which a few threads can take their steps. Each rule is left out once, and then something has to go wrong.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE litmus_executor_model
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int nobody = -1;

/// 'i': imports module `what`. 'l': a loop of two pieces of program `what`. '(' and ')': begins and ends a call of a
/// module with lock `what`.
struct Action {
    char kind;
    int what = 0;
};
using Program = std::vector<Action>;

struct Scenario {
    std::vector<Program> programs;  ///< the first ones are those of the threads that begin
    int threads, workers;
    std::vector<int> execs;  ///< of each module: its program
    bool circular;           ///< imports are, so that a module that is not finished may be handed out
};

enum class Variant {
    sound,
    runs_other_work,        ///< who waits for a loop takes pieces of others meanwhile
    only_workers_help,      ///< a loop's caller leaves the pieces to the workers
    pieces_forget_imports,  ///< a piece is not part of what its loop's caller imports
    lock_is_kept,           ///< a module's lock is held on the way out of the module
    nobody_looks,           ///< whether waiting for an import would never end
};

struct Frame {
    int program;
    std::size_t at = 0;
    int exec_of = nobody, piece_of = nobody;  ///< a module, a loop
    int loop = nobody;                        ///< that was begun by the action at `at`
    bool begun = false;                       ///< the action at `at`, and its end is to come
    int lock = nobody;                        ///< given up for this action
};

struct Thread {
    std::vector<Frame> frames{};
    int lock = nobody, waits_for_module = nobody;
};

struct Loop {
    int body;
    std::set<int> chain;
    int left = 2, running = 0;
    bool open = true;
};

struct Module {
    int importer = nobody;
    bool loaded = false;
};

class World {
public:
    World(const Scenario& scenario, Variant variant) : scenario_(&scenario), variant_(variant) {
        threads_.resize(static_cast<std::size_t>(scenario.threads + scenario.workers));
        for (int i = 0; i < scenario.threads; ++i)
            threads_[static_cast<std::size_t>(i)].frames.push_back({.program = i});
        modules_.resize(scenario.execs.size());
        lock_holders_.resize(2, nobody);
    }

    /// All states that one step of a thread can lead to.
    std::vector<World> next() const {
        std::vector<World> states;
        for (std::size_t t = 0; t < threads_.size(); ++t) {
            if (threads_[t].frames.empty())
                take_any(t, states);
            else
                step(t, states);
        }
        return states;
    }
    bool is_done() const {
        return std::ranges::all_of(threads_, [](const Thread& thread) { return thread.frames.empty(); });
    }
    bool unfinished_was_used() const { return unfinished_; }

    std::string key() const {
        std::string key;
        const auto add = [&](auto... numbers) { ((key += static_cast<char>(numbers + 2)), ...); };
        for (const Thread& thread : threads_) {
            add(thread.lock, thread.waits_for_module, static_cast<int>(thread.frames.size()));
            for (const Frame& f : thread.frames)
                add(f.program, static_cast<int>(f.at), f.exec_of, f.piece_of, f.loop, f.begun, f.lock);
        }
        for (const Loop& loop : loops_) {
            add(loop.body, loop.left, loop.running, loop.open, static_cast<int>(loop.chain.size()));
            for (const int module : loop.chain) add(module);
        }
        for (const Module& module : modules_) add(module.importer, module.loaded);
        add(unfinished_);
        return key;
    }

private:
    std::set<int> chain_of(const Thread& thread) const {
        std::set<int> chain;
        for (auto frame = thread.frames.rbegin(); frame != thread.frames.rend(); ++frame) {
            if (frame->exec_of != nobody) chain.insert(frame->exec_of);
            if (frame->piece_of == nobody) continue;
            if (variant_ != Variant::pieces_forget_imports) {
                const std::set<int>& inherited = loops_[static_cast<std::size_t>(frame->piece_of)].chain;
                chain.insert(inherited.begin(), inherited.end());
            }
            break;  // what lies below has nothing to do with the piece, or is in that chain
        }
        return chain;
    }

    bool would_never_end(const Thread& thread, int module) const {
        if (variant_ == Variant::nobody_looks) return false;
        const std::set<int> own = chain_of(thread);
        std::vector<int> open{module};
        std::set<int> seen{module};
        while (!open.empty()) {
            const int one = open.back();
            open.pop_back();
            if (own.contains(one)) return true;
            for (const Thread& other : threads_)
                if (other.waits_for_module != nobody && chain_of(other).contains(one) &&
                    seen.insert(other.waits_for_module).second)
                    open.push_back(other.waits_for_module);
        }
        return false;
    }

    void take(std::size_t thread, std::size_t loop, std::vector<World>& states) const {
        if (!loops_[loop].open || loops_[loop].left == 0) return;
        World& state = states.emplace_back(*this);
        --state.loops_[loop].left;
        ++state.loops_[loop].running;
        state.threads_[thread].frames.push_back({.program = loops_[loop].body, .piece_of = static_cast<int>(loop)});
    }
    void take_any(std::size_t thread, std::vector<World>& states) const {
        for (std::size_t loop = 0; loop < loops_.size(); ++loop) take(thread, loop, states);
    }

    /// The lock that was given up on the way out of a module; false: somebody else has it.
    bool retake(std::size_t t) {
        Thread& thread = threads_[t];
        int& wanted = thread.frames.back().lock;
        if (wanted == nobody) return true;
        int& holder = lock_holders_[static_cast<std::size_t>(wanted)];
        if (holder != nobody) return false;
        holder = static_cast<int>(t);
        thread.lock = std::exchange(wanted, nobody);
        return true;
    }
    void give_up_lock(Thread& thread) {
        if (thread.lock == nobody || variant_ == Variant::lock_is_kept) return;
        lock_holders_[static_cast<std::size_t>(thread.lock)] = nobody;
        thread.frames.back().lock = std::exchange(thread.lock, nobody);
    }
    void finish_action(std::size_t t, std::vector<World>& states) const {
        World state = *this;
        if (!state.retake(t)) return;
        Frame& frame = state.threads_[t].frames.back();
        ++frame.at;
        frame.begun = false;
        frame.loop = nobody;
        states.push_back(std::move(state));
    }

    void step(std::size_t t, std::vector<World>& states) const {
        const Thread& thread = threads_[t];
        const Frame& frame = thread.frames.back();
        const Program& program = scenario_->programs[static_cast<std::size_t>(frame.program)];
        if (frame.at == program.size()) {
            World& state = states.emplace_back(*this);
            if (frame.exec_of != nobody) {
                state.modules_[static_cast<std::size_t>(frame.exec_of)] = {.importer = nobody, .loaded = true};
                for (Thread& other : state.threads_)
                    if (other.waits_for_module == frame.exec_of) other.waits_for_module = nobody;
            }
            if (frame.piece_of != nobody) --state.loops_[static_cast<std::size_t>(frame.piece_of)].running;
            state.threads_[t].frames.pop_back();
            return;
        }
        const auto what = static_cast<std::size_t>(program[frame.at].what);
        switch (program[frame.at].kind) {
            case 'i':
                return step_import(t, what, states);
            case 'l':
                return step_loop(t, what, states);
            case '(': {
                if (lock_holders_[what] != nobody) return;
                World& state = states.emplace_back(*this);
                state.lock_holders_[what] = static_cast<int>(t);
                state.threads_[t].lock = static_cast<int>(what);
                ++state.threads_[t].frames.back().at;
                return;
            }
            default: {
                World& state = states.emplace_back(*this);
                state.lock_holders_[what] = nobody;
                state.threads_[t].lock = nobody;
                ++state.threads_[t].frames.back().at;
            }
        }
    }

    void step_import(std::size_t t, std::size_t module, std::vector<World>& states) const {
        if (threads_[t].waits_for_module != nobody) return;
        if (modules_[module].loaded) return finish_action(t, states);
        World state = *this;
        Thread& thread = state.threads_[t];
        if (!thread.frames.back().begun) {
            state.give_up_lock(thread);
            thread.frames.back().begun = true;
        }
        if (modules_[module].importer == nobody) {
            state.modules_[module].importer = static_cast<int>(t);
            thread.frames.push_back({.program = scenario_->execs[module], .exec_of = static_cast<int>(module)});
        } else if (would_never_end(threads_[t], static_cast<int>(module))) {
            state.unfinished_ = true;
            return state.finish_action(t, states);
        } else {
            thread.waits_for_module = static_cast<int>(module);
        }
        states.push_back(std::move(state));
    }

    void step_loop(std::size_t t, std::size_t body, std::vector<World>& states) const {
        const Frame& frame = threads_[t].frames.back();
        if (!frame.begun) {
            World state = *this;
            Thread& thread = state.threads_[t];
            state.give_up_lock(thread);
            thread.frames.back().begun = true;
            thread.frames.back().loop = static_cast<int>(loops_.size());
            state.loops_.push_back({.body = static_cast<int>(body), .chain = chain_of(threads_[t])});
            states.push_back(std::move(state));
            return;
        }
        const auto loop = static_cast<std::size_t>(frame.loop);
        if (loops_[loop].left != 0) {
            if (variant_ != Variant::only_workers_help) take(t, loop, states);
        } else if (loops_[loop].running == 0) {
            World state = *this;
            state.loops_[loop].open = false;
            state.finish_action(t, states);
        } else if (variant_ == Variant::runs_other_work) {
            take_any(t, states);
        }
    }

    const Scenario* scenario_;
    Variant variant_;
    std::vector<Thread> threads_;
    std::vector<Loop> loops_;
    std::vector<Module> modules_;
    std::vector<int> lock_holders_;
    bool unfinished_ = false;
};

struct Found {
    std::size_t states = 0;
    bool hangs = false, unfinished = false;
    bool nothing() const { return !hangs && !unfinished; }
};

Found search(const Scenario& scenario, Variant variant) {
    Found found;
    std::set<std::string> seen;
    std::vector<World> open{World(scenario, variant)};
    while (!open.empty()) {
        const World world = std::move(open.back());
        open.pop_back();
        if (!seen.insert(world.key()).second) continue;
        found.unfinished = found.unfinished || (world.unfinished_was_used() && !scenario.circular);
        std::vector<World> next = world.next();
        found.hangs = found.hangs || (next.empty() && !world.is_done());
        std::move(next.begin(), next.end(), std::back_inserter(open));
    }
    found.states = seen.size();
    return found;
}

// A module whose exec runs a loop, while the pieces of another caller's loop import it.
const Scenario exec_loops{{{{'i', 0}}, {{'l', 3}}, {{'l', 4}}, {{'i', 0}}, {}}, 2, 1, {2}, false};
// The same beneath another loop, from both.
const Scenario nested_loops{{{{'l', 3}}, {{'l', 4}}, {{'l', 5}}, {{'l', 4}}, {{'i', 0}}, {}}, 2, 1, {2}, false};
// Two modules that import each other, in pieces of the loops of their execs.
const Scenario circle{{{{'i', 0}}, {{'i', 1}}, {{'l', 4}}, {{'l', 5}}, {{'i', 1}}, {{'i', 0}}}, 2, 1, {2, 3}, true};
// A call behind a lock that runs a loop whose pieces go through that lock, and one that imports a module that does so.
const Scenario locked_loops{
    {{{'(', 0}, {'l', 3}, {')', 0}}, {{'(', 0}, {'i', 0}, {')', 0}}, {{'l', 3}}, {{'(', 0}, {')', 0}}},
    2,
    1,
    {2},
    false};

const Scenario* const all[] = {&exec_loops, &nested_loops, &circle, &locked_loops};

}  // namespace

BOOST_AUTO_TEST_CASE(in_no_order_does_anybody_wait_for_ever) {
    for (const Scenario* scenario : all)
        for (const int workers : {0, 1, 2}) {
            Scenario with = *scenario;
            with.workers = workers;
            const Found found = search(with, Variant::sound);
            BOOST_TEST(found.nothing());
            BOOST_TEST_MESSAGE(found.states << " states");
        }
}

BOOST_AUTO_TEST_CASE(other_work_while_waiting) {
    BOOST_TEST(!search(exec_loops, Variant::runs_other_work).nothing());
    BOOST_TEST(!search(nested_loops, Variant::runs_other_work).nothing());
}

BOOST_AUTO_TEST_CASE(callers_that_leave_their_loops_to_others) {
    BOOST_TEST(search(exec_loops, Variant::only_workers_help).hangs);
}

BOOST_AUTO_TEST_CASE(pieces_that_do_not_know_what_they_are_part_of) {
    BOOST_TEST(search(circle, Variant::pieces_forget_imports).hangs);
}

BOOST_AUTO_TEST_CASE(a_lock_that_is_kept_on_the_way_out) {
    BOOST_TEST(search(locked_loops, Variant::lock_is_kept).hangs);
}

BOOST_AUTO_TEST_CASE(nobody_looks_whether_the_wait_would_end) {
    BOOST_TEST(search(circle, Variant::nobody_looks).hangs);
}
