// second_copy.cpp: a library that has a copy of the runtime in it.
//
// SPDX-License-Identifier: MIT
#include <memory>
#include <string>

#include <interlock/runtime.hpp>

namespace {
std::unique_ptr<interlock::Runtime> runtime;
}

/// Begins a Runtime of this copy; what went wrong, or "".
extern "C" __attribute__((visibility("default"))) const char* second_copy_begin();
const char* second_copy_begin() {
    static std::string message;
    message.clear();
    try {
        runtime = std::make_unique<interlock::Runtime>(interlock::RuntimeOptions{.threads = 1});
    } catch (const interlock::Failure& failure) {
        message = failure.error().message;
    }
    return message.c_str();
}

extern "C" __attribute__((visibility("default"))) void second_copy_end();
void second_copy_end() { runtime.reset(); }
