// A plugin that uses interlock is closed, and then the thread ends that had attached in it.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_closed_plugin
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>

#include <thread>

namespace {

void run_and_close(const char* file) {
    int answer = 0;
    std::thread([&] {
        void* plugin = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (plugin == nullptr) return;
        auto* run = reinterpret_cast<int (*)()>(::dlsym(plugin, "plugin_run"));
        if (run != nullptr) answer = run();
        ::dlclose(plugin);
        // Here the thread ends, and its slot is given back by code of the library.
    }).join();
    BOOST_TEST(answer == 42);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_thread_ends_after_the_plugin_was_closed) {
    run_and_close(PLUGIN);
    run_and_close(PLUGIN);
}

BOOST_AUTO_TEST_CASE(the_same_with_the_static_library) { run_and_close(STATIC_PLUGIN); }
