// Control over the IL_POINTs of a runtime that was compiled with INTERLOCK_TEST_POINTS: a test can wait until some
// thread has come to a point, and hold the first one that comes there.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>

#include "../../runtime/src/test_points.hpp"

#ifndef INTERLOCK_TEST_POINTS
#error "compile this test with the target interlock_runtime_points"
#endif

namespace interlock::testing {

class Points {
public:
    Points() {
        Points* nobody = nullptr;
        if (!current_.compare_exchange_strong(nobody, this)) throw std::logic_error("a second Points");
        detail::test_point_hook.store([](const char* name) { current_.load()->arrive(name); });
    }
    ~Points() {
        detail::test_point_hook.store(nullptr);
        release_all();
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return inside_ == 0; });
        current_.store(nullptr);
    }
    Points(const Points&) = delete;
    Points& operator=(const Points&) = delete;

    /// The next thread that comes to the point stays there until release().
    void hold(const std::string& name) {
        std::lock_guard lock(mutex_);
        points_[name].hold = true;
    }
    void release(const std::string& name) {
        std::lock_guard lock(mutex_);
        Point& point = points_[name];
        point.hold = false;
        ++point.releases;
        changed_.notify_all();
    }
    /// Until `count` threads, or one thread so many times, have come to the point.
    void wait_for(const std::string& name, int count = 1) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return points_[name].arrivals >= count; });
    }
    int arrivals(const std::string& name) {
        std::lock_guard lock(mutex_);
        return points_[name].arrivals;
    }

private:
    struct Point {
        int arrivals = 0, releases = 0;
        bool hold = false;
    };

    void arrive(const char* name) {
        if (getpid() != process_) return;  // the child of a fork: mutex_ may have an owner that is gone
        std::unique_lock lock(mutex_);
        ++inside_;
        Point& point = points_[name];
        ++point.arrivals;
        changed_.notify_all();
        if (point.hold) {
            point.hold = false;
            const int releases = point.releases;
            changed_.wait(lock, [&] { return point.releases != releases; });
        }
        --inside_;
        changed_.notify_all();
    }
    void release_all() {
        std::lock_guard lock(mutex_);
        for (auto& [name, point] : points_) {
            point.hold = false;
            ++point.releases;
        }
        changed_.notify_all();
    }

    static inline std::atomic<Points*> current_{nullptr};
    const pid_t process_ = getpid();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Point> points_;
    int inside_ = 0;
};

}  // namespace interlock::testing
