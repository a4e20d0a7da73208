// plugin.cpp: a plugin of some program, which uses interlock inside.
//
// SPDX-License-Identifier: MIT
#include <interlock/runtime.hpp>

extern "C" __attribute__((visibility("default"))) int plugin_run() {
    const interlock::Runtime runtime({.threads = 1});
    const interlock::Attached attached;
    return 42;
}
