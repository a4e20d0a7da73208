// visits.hpp: threads that are somewhere until the test lets them go: where a module tells an event, inside a function
// of a module, attached; and whether one sleeps.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <atomic>
#include <ios>
#include <optional>
#include <string>
#include <thread>

#include "lab.hpp"

namespace interlock::test {

/// Holds whoever tells `event`, until release(). Not in the child of a fork.
class HeldUp {
public:
    enum class As { it_is, detached };
    explicit HeldUp(const std::string& event, As as = As::it_is) {
        Events::all().on(event, [this, as] {
            if (::getpid() != process_) return 0;
            reached_.set();
            std::optional<Detached> outside;
            if (as == As::detached) outside.emplace();
            go_on_.wait();
            return 0;
        });
    }
    /// Until somebody has come there.
    void wait() const { reached_.wait(); }
    void release() { go_on_.set(); }

private:
    const pid_t process_ = ::getpid();
    Event reached_, go_on_;
};

/// A thread inside run() of a module, where the script tells `event`, until release().
class Visitor {
public:
    Visitor(const Module& module, const std::string& script, const std::string& event) : held_(event) {
        const Function run = module.function("run").value();
        threads_.start([this, run, script] { result.emplace(run({script})); });
        held_.wait();
    }
    ~Visitor() { release(); }
    void release() {
        held_.release();
        threads_.join();
    }
    std::optional<Result<Value>> result;

private:
    HeldUp held_;
    Threads threads_;
};

/// A thread that is attached, and so holds up a switch, until release().
class AttachedThread {
public:
    AttachedThread() {
        threads_.start([this] {
            const Attached guard;
            attached_.set();
            leave_.wait();
        });
        attached_.wait();
    }
    ~AttachedThread() { release(); }
    void release() {
        leave_.set();
        threads_.join();
    }

private:
    Event attached_, leave_;
    Threads threads_;
};

/// A thread that may have to wait for something.
class Sleeper {
public:
    /// Of the thread itself: from here to ended() it sleeps only there.
    void begins() { thread_.store(::gettid()); }
    void ended() { ended_.store(true); }
    /// Waits until it sleeps; false if it has ended without.
    bool sleeps() const {
        for (; !ended_.load(); std::this_thread::yield()) {
            if (thread_.load() == 0) continue;
            std::string stat;
            try {
                stat = text_of("/proc/self/task/" + std::to_string(thread_.load()) + "/stat");
            } catch (const std::ios_base::failure&) {
                // It has ended after the file was opened.
            }
            if (stat.empty()) return false;  // it is gone
            if (stat.find(") S ") != std::string::npos) return true;
        }
        return false;
    }

private:
    std::atomic<pid_t> thread_{0};
    std::atomic<bool> ended_{false};
};

}  // namespace interlock::test
