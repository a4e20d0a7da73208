// throwing.cpp: functions that end in ways that no function should.
//
// SPDX-License-Identifier: MIT
#include <new>
#include <stdexcept>

#include <pthread.h>

#include <interlock/module.h>

#include "observe.h"

namespace {

il_status standard(il_call*, const il_value*, size_t, il_value*) { throw std::runtime_error("with a \x1b[31m in it"); }
il_status memory(il_call*, const il_value*, size_t, il_value*) { throw std::bad_alloc(); }
il_status number(il_call*, const il_value*, size_t, il_value*) { throw 42; }
il_status detached(il_call* call, const il_value*, size_t, il_value*) {
    call->host->detach(call);
    throw std::runtime_error("while detached");
}
il_status end_thread(il_call*, const il_value*, size_t, il_value*) { pthread_exit(nullptr); }
il_status stay_detached(il_call* call, const il_value*, size_t, il_value*) {
    call->host->detach(call);
    return IL_OK;
}
il_status silent(il_call*, const il_value*, size_t, il_value*) { return 77; }
il_status negative(il_call*, const il_value*, size_t, il_value*) { return -5; }
il_status recovered(il_call* call, const il_value*, size_t, il_value* result) {
    il_module* module;
    if (il_import(call, "no_such_module", &module) == IL_OK) return IL_ERROR_FAILED;
    *result = il_text("recovered", 9);
    return IL_OK;
}
il_status passed_on(il_call* call, const il_value*, size_t, il_value*) {
    il_module* module;
    return il_import(call, "no_such_module", &module);
}

// Broken in a way that nothing can be repaired.
il_mutex mutex = IL_MUTEX_INIT;
il_status leave_section(il_call* call, const il_value*, size_t, il_value*) {
    static thread_local il_critical_section section;
    call->host->critical_begin(call, &section, &mutex, nullptr);
    return IL_OK;
}
il_status detach_twice(il_call* call, const il_value*, size_t, il_value*) {
    call->host->detach(call);
    call->host->detach(call);
    return IL_OK;
}
il_status attach_only(il_call* call, const il_value*, size_t, il_value*) {
    call->host->attach(call);
    return IL_OK;
}

const il_method methods[] = {{"standard", standard, nullptr},
                             {"memory", memory, nullptr},
                             {"number", number, nullptr},
                             {"detached", detached, nullptr},
                             {"end_thread", end_thread, nullptr},
                             {"stay_detached", stay_detached, nullptr},
                             {"silent", silent, nullptr},
                             {"negative", negative, nullptr},
                             {"recovered", recovered, nullptr},
                             {"passed_on", passed_on, nullptr},
                             {"leave_section", leave_section, nullptr},
                             {"detach_twice", detach_twice, nullptr},
                             {"attach_only", attach_only, nullptr},
                             {nullptr, nullptr, nullptr}};

}  // namespace

IL_MODULE(throwing, "throwing", "1.0", FREE, nullptr, 0, methods, nullptr, nullptr);
