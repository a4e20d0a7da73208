// exit_host.cpp: a host whose Runtime and Loader are static, and which exits in the middle of something.
//
// usage: exit_host MODULE_DIRECTORY PLACE
//
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <interlock/interlock.hpp>

using namespace interlock;

namespace {
std::string_view place;
}

extern "C" __attribute__((visibility("default"), used)) int interlock_test_observe(const char* event) {
    std::printf("%s\n", event);
    if (event == place) std::exit(3);
    return 0;
}
extern "C" __attribute__((visibility("default"), used)) const char* interlock_test_script(const char*) {
    return nullptr;
}

int main(int, char** argv) {
    place = argv[2];
    static Runtime runtime({.threads = 2});
    static Loader loader(runtime, {.search_path = {argv[1]}, .use_environment = false});
    const Module module = loader.import("free1").value();
    const Function run = module.function("run").value();
    if (place == "attached") {
        const Attached attached;
        std::exit(3);
    }
    if (place == "loop") runtime.parallel_for(0, 1, [](std::size_t) { std::exit(3); });
    static_cast<void>(run({"observe call"}));
    static_cast<void>(run({"detached block"}));
    static_cast<void>(run({"parallel 1 observe body"}));
    return 0;
}
