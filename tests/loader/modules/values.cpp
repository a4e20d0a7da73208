// values.cpp: a module that makes and takes values of every kind, right and wrong.
//
// SPDX-License-Identifier: MIT
#include <cstdint>
#include <cstring>
#include <string>

#include <interlock/module.h>

#include "observe.h"

namespace {

struct Object {
    int number;
};

void destroy_object(void* object) {
    observe("destroy");
    delete static_cast<Object*>(object);
}
void destroy_memory(void* memory) {
    observe("free");
    delete[] static_cast<double*>(memory);
}

const il_handle_type object_type = {"object\n", destroy_object};
const il_handle_type memory_type = {"memory", destroy_memory};
const il_handle_type other_type = {"other", nullptr};

struct State {
    il_value kept;
};
State& state(il_call* call) { return *static_cast<State*>(call->state); }

il_status echo(il_call*, const il_value* args, size_t nargs, il_value* result) {
    *result = nargs == 1 ? args[0] : il_items(args, nargs);
    return IL_OK;
}

il_status fixed(il_call*, const il_value*, size_t, il_value* result) {
    static const il_entry entries[] = {{{"b", 1}, il_int64(1)}, {{"a", 1}, il_text("x", 1)}, {{"b", 1}, il_int64(2)}};
    *result = il_entries(entries, 3);
    return IL_OK;
}

il_status object(il_call* call, const il_value* args, size_t, il_value* result) {
    il_handle* handle;
    auto* made = new Object{static_cast<int>(args[0].as.int64)};
    const il_status status = il_handle_new(call, &object_type, made, &handle);
    if (status == IL_OK)
        *result = il_object(handle);
    else
        delete made;
    return status;
}

il_status number_of(il_call* call, const il_value* args, size_t nargs, il_value* result) {
    void* made;
    const il_status status = il_handle_get(call, &args[0], nargs == 2 ? &other_type : &object_type, &made);
    if (status == IL_OK) *result = il_int64(static_cast<Object*>(made)->number);
    return status;
}

// [0, 1, 2, ...] as a matrix with 2 rows, owned by a handle.
il_status matrix(il_call* call, const il_value* args, size_t, il_value* result) {
    const auto columns = static_cast<size_t>(args[0].as.int64);
    auto* data = new double[2 * columns];
    for (size_t i = 0; i < 2 * columns; ++i) data[i] = static_cast<double>(i);
    auto* view = static_cast<il_buffer*>(il_alloc(call, sizeof(il_buffer), alignof(il_buffer)));
    *view = il_buffer{data, IL_ITEM_F64, 1, 2, 0, {2, columns}, nullptr};
    const il_status status = il_handle_new(call, &memory_type, data, &view->owner);
    *result = il_view(view);
    return status;
}

// The address of the items, to see whether a buffer was copied on the way.
il_status address(il_call*, const il_value* args, size_t, il_value* result) {
    *result = il_int64(static_cast<int64_t>(reinterpret_cast<intptr_t>(args[0].as.buffer->data)));
    return IL_OK;
}

il_status keep(il_call* call, const il_value* args, size_t, il_value*) {
    il_release(call, &state(call).kept);
    return il_retain(call, &args[0], &state(call).kept);
}
il_status kept(il_call* call, const il_value*, size_t, il_value* result) {
    *result = state(call).kept;
    return IL_OK;
}
il_status drop(il_call* call, const il_value*, size_t, il_value* result) {
    il_release(call, &state(call).kept);
    *result = state(call).kept;
    return IL_OK;
}

// Sizes and alignments of il_alloc that succeed, as text.
il_status allocate(il_call* call, const il_value* args, size_t, il_value* result) {
    const auto size = static_cast<size_t>(args[0].as.int64), alignment = static_cast<size_t>(args[1].as.int64);
    auto* memory = static_cast<unsigned char*>(il_alloc(call, size, alignment));
    if (memory == nullptr) return IL_ERROR_MEMORY;
    if (alignment != 0 && reinterpret_cast<uintptr_t>(memory) % alignment != 0)
        return il_raise(call, IL_ERROR_FAILED, "not aligned");
    std::memset(memory, 7, size);
    *result = il_octets(memory, size);
    return IL_OK;
}

il_status raise(il_call* call, const il_value* args, size_t nargs, il_value*) {
    const il_string text = args[1].as.string;
    const auto code = static_cast<il_status>(args[0].as.int64);
    if (nargs == 3) il_raise(call, IL_ERROR_IO, "the first of two");
    return il_raise(call, code, "%.*s, %d", static_cast<int>(text.size), text.data, 42);
}

il_status nested(il_call* call, size_t depth, il_value* result) {
    *result = il_int64(1);
    for (; depth != 0; --depth) {
        auto* item = static_cast<il_value*>(il_alloc(call, sizeof(il_value), alignof(il_value)));
        *item = *result;
        *result = il_items(item, 1);
    }
    return IL_OK;
}

il_status deep(il_call* call, const il_value* args, size_t, il_value* result) {
    return nested(call, static_cast<size_t>(args[0].as.int64), result);
}

// shared(depth, size): a list of twice the same list, ..., of twice the same text.
il_status shared(il_call* call, const il_value* args, size_t, il_value* result) {
    const auto size = static_cast<size_t>(args[1].as.int64);
    auto* text = static_cast<char*>(il_alloc(call, size, 1));
    std::memset(text, 'x', size);
    *result = il_text(text, size);
    for (int64_t depth = args[0].as.int64; depth != 0; --depth) {
        auto* items = static_cast<il_value*>(il_alloc(call, 2 * sizeof(il_value), alignof(il_value)));
        items[0] = items[1] = *result;
        *result = il_items(items, 2);
    }
    return IL_OK;
}

// nulls(n): NULL where the n-th service wants something.
il_status nulls(il_call* call, const il_value* args, size_t, il_value* result) {
    il_module* module = nullptr;
    il_callable* function = nullptr;
    il_handle* handle = nullptr;
    void* object = nullptr;
    switch (args[0].as.int64) {
        case 0:
            return il_import(call, nullptr, &module);
        case 1:
            return il_find(call, nullptr, "echo", &function);
        case 2:
            return il_find(call, call->module, nullptr, &function);
        case 3:
            return il_invoke(call, nullptr, args, 1, result);
        case 4:
            return il_handle_new(call, nullptr, call, &handle);
        case 5:
            return il_handle_new(call, &object_type, nullptr, &handle);
        case 6:
            return il_handle_get(call, &args[0], nullptr, &object);
        case 7: {
            const char* no_format = nullptr;
            return call->host->raise(call, IL_ERROR_FAILED, no_format, 1);
        }
        default:
            return IL_OK;
    }
}

il_status malformed(il_call* call, const il_value* args, size_t, il_value* result) {
    auto* buffer = static_cast<il_buffer*>(il_alloc(call, sizeof(il_buffer), alignof(il_buffer)));
    *buffer = il_buffer{buffer, IL_ITEM_U8, 0, 1, 0, {1}, nullptr};
    *result = il_view(buffer);
    static il_value circle[2];
    switch (args[0].as.int64) {
        case 0:
            *result = il_null(), result->type = 99;
            break;
        case 1:
            *result = il_items(nullptr, 3);
            break;
        case 2:
            *result = il_entries(nullptr, 3);
            break;
        case 3:
            *result = il_text(nullptr, 3);
            break;
        case 4:
            *result = il_octets(nullptr, 3);
            break;
        case 5:
            *result = il_view(nullptr);
            break;
        case 6:
            *result = il_object(nullptr);
            break;
        case 7:
            buffer->item = 0x0909;
            break;
        case 8:
            buffer->dimensions = 0;
            break;
        case 9:
            buffer->dimensions = 9;
            break;
        case 10:
            buffer->data = nullptr;
            break;
        case 11:
            buffer->dimensions = 3, buffer->shape[0] = buffer->shape[1] = buffer->shape[2] = size_t{1} << 62;
            break;
        case 12:
            circle[0] = circle[1] = il_items(circle, 2);
            *result = circle[0];
            break;
        case 13:
            *result = il_items(circle, SIZE_MAX);
            break;
        case 14:
            *result = il_text("x", SIZE_MAX);
            break;
        case 15:
            *result = il_octets("x", SIZE_MAX);
            break;
        case 16: {
            static const il_entry entry = {{nullptr, 5}, {IL_NULL, 0, {0}}};
            *result = il_entries(&entry, 1);
            break;
        }
        default:
            return il_raise(call, IL_ERROR_ARGUMENT, "no such case");
    }
    return IL_OK;
}

const il_method methods[] = {{"echo", echo, nullptr},           {"fixed", fixed, nullptr},
                             {"object", object, nullptr},       {"number_of", number_of, nullptr},
                             {"matrix", matrix, nullptr},       {"address", address, nullptr},
                             {"keep", keep, nullptr},           {"kept", kept, nullptr},
                             {"drop", drop, nullptr},           {"allocate", allocate, nullptr},
                             {"raise", raise, nullptr},         {"deep", deep, nullptr},
                             {"shared", shared, nullptr},       {"nulls", nulls, nullptr},
                             {"malformed", malformed, nullptr}, {"odd \x1b[31m name", echo, "Its name is odd."},
                             {nullptr, nullptr, nullptr}};

void teardown(il_call* call) {
    // Still there: what a module keeps lives until it is unloaded.
    observe(state(call).kept.type == IL_STRING && state(call).kept.as.string.size == 4 ? "kept text" : "nothing kept");
    il_release(call, &state(call).kept);
}

}  // namespace

IL_MODULE(values, "values", "1.0", FREE, "Values.", sizeof(State), methods, nullptr, teardown);
