// lingers.cpp: a module that leaves something behind that may still run its code, as the test wants it.
//
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <signal.h>

#include <cstring>
#include <thread>

#include <interlock/module.h>

#include "observe.h"

// Its variable is unique in the process, if the compiler is let, as those in templates of the standard library are.
template <typename T>
__attribute__((visibility("default"))) int& lingers_counter() {
    static int count = 0;
    return count;
}

namespace {

void* thread_of_c(void*) {
    observe("alive");
    return nullptr;
}
void on_signal(int) {}
void drop_specific(void*) { observe("destructor of a key"); }

pthread_key_t key;
std::thread thread;
pthread_t c_thread;

il_status exec(il_call* call) {
    ++lingers_counter<int>();
    const char* what = script_of("lingers:exec");
    if (what == nullptr) return IL_OK;
    if (std::strstr(what, "pthread") != nullptr) pthread_create(&c_thread, nullptr, thread_of_c, nullptr);
    if (std::strstr(what, "std::thread") != nullptr) thread = std::thread([] { observe("alive"); });
    if (std::strstr(what, "signal") != nullptr) signal(SIGUSR2, on_signal);
    if (std::strstr(what, "key") != nullptr) {
        pthread_key_create(&key, drop_specific);
        pthread_setspecific(key, &key);
    }
    return std::strstr(what, "fail") == nullptr ? IL_OK : il_raise(call, IL_ERROR_FAILED, "as the test wants it");
}

// A good module takes back what it began.
void teardown(il_call*) {
    const char* what = script_of("lingers:exec");
    if (what == nullptr || std::strstr(what, "tidy") == nullptr) {
        if (thread.joinable()) thread.detach();
        return;
    }
    if (thread.joinable()) thread.join();
    if (std::strstr(what, "pthread") != nullptr) pthread_join(c_thread, nullptr);
    if (std::strstr(what, "signal") != nullptr) signal(SIGUSR2, SIG_DFL);
    if (std::strstr(what, "key") != nullptr) pthread_key_delete(key);
}

}  // namespace

IL_MODULE(lingers, "lingers", "1.0", FREE, "Lingers.", 0, nullptr, exec, teardown);
