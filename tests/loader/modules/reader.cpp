// reader.cpp: a module that uses what belongs to other modules: during a call, between calls, and in its teardown.
//
// SPDX-License-Identifier: MIT
#include <cstdint>

#include <interlock/module.h>

#include "observe.h"

namespace {

struct State {
    il_value kept;
};
State& state(il_call* call) { return *static_cast<State*>(call->state); }

double sum_of(const il_buffer& buffer) {
    double sum = 0;
    for (size_t i = 0; i < buffer.shape[0] * buffer.shape[1]; ++i) sum += static_cast<const double*>(buffer.data)[i];
    return sum;
}

const il_buffer* buffer_in(const il_value& value) {
    if (value.type == IL_BUFFER) return value.as.buffer;
    if (value.type == IL_LIST && value.as.list.count == 1) return buffer_in(value.as.list.items[0]);
    if (value.type == IL_MAP && value.as.map.count == 1) return buffer_in(value.as.map.entries[0].value);
    return nullptr;
}

// sum(buffer), which tells the test before it reads.
il_status sum(il_call* call, const il_value* args, size_t, il_value* result) {
    observe("reading");
    const il_buffer* buffer = buffer_in(args[0]);
    if (buffer == nullptr) return il_raise(call, IL_ERROR_ARGUMENT, "no buffer");
    *result = il_double(sum_of(*buffer));
    return IL_OK;
}

// A call that came from a module: it makes the buffer itself that it gives on.
il_status ask(il_call* call, const il_value* args, size_t nargs, il_value* result) {
    il_module* module;
    il_callable* function;
    il_status status = il_import(call, "reader2", &module);
    if (status == IL_OK) status = il_find(call, module, "sum", &function);
    return status == IL_OK ? il_invoke(call, function, args, nargs, result) : status;
}

il_status keep(il_call* call, const il_value* args, size_t, il_value*) {
    il_release(call, &state(call).kept);
    const il_status status = il_retain(call, &args[0], &state(call).kept);
    observe("keeping");
    return status;
}
il_status sum_kept(il_call* call, const il_value*, size_t, il_value* result) {
    return sum(call, &state(call).kept, 1, result);
}
il_status drop(il_call* call, const il_value*, size_t, il_value*) {
    il_release(call, &state(call).kept);
    return IL_OK;
}

void teardown(il_call* call) {
    if (const il_buffer* buffer = buffer_in(state(call).kept))
        observe(sum_of(*buffer) == 15 ? "kept 15" : "kept other");
}

const il_method methods[] = {{"sum", sum, nullptr},           {"ask", ask, nullptr},   {"keep", keep, nullptr},
                             {"sum_kept", sum_kept, nullptr}, {"drop", drop, nullptr}, {nullptr, nullptr, nullptr}};

}  // namespace

IL_MODULE(READER_ID, TEST_TEXT(READER_ID), "1.0", FREE, "Reads.", sizeof(State), methods, nullptr, teardown);
