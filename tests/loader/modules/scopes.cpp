// scopes.cpp: a module that ends results before its call ends, rightly and wrongly, and that logs from its own thread.
//
// SPDX-License-Identifier: MIT
#include <cstring>
#include <thread>

#include <interlock/module.h>

#include "observe.h"

namespace {

il_status find(il_call* call, const char* name, il_callable** function) {
    il_module* values;
    const il_status status = il_import(call, "values", &values);
    return status == IL_OK ? il_find(call, values, name, function) : status;
}

// many(n): n objects of another module, one at a time; tells after each.
il_status many(il_call* call, const il_value* args, size_t, il_value* result) {
    il_callable* object;
    if (find(call, "object", &object) != IL_OK) return IL_ERROR_FAILED;
    auto* sum = static_cast<int64_t*>(il_alloc(call, sizeof(int64_t), alignof(int64_t)));
    *sum = 0;
    for (int64_t i = 0; i < args[0].as.int64; ++i) {
        il_scope* outer = il_scope_begin(call);
        const il_value number = il_int64(i);
        il_value made;
        if (il_invoke(call, object, &number, 1, &made) != IL_OK) return IL_ERROR_FAILED;
        il_scope* inner = il_scope_begin(call);
        std::memset(il_alloc(call, 5000, 16), 1, 5000);
        il_scope_end(call, inner);
        *sum += made.type == IL_HANDLE ? i : -1000;
        il_scope_end(call, outer);
        observe("after one");
    }
    *result = il_int64(*sum);
    return IL_OK;
}

// Results of a scope that is still open.
il_status open_one(il_call* call, const il_value*, size_t, il_value* result) {
    il_scope_begin(call);
    *result = il_text(static_cast<const char*>(il_alloc(call, 5, 1)), 5);
    return IL_OK;
}

il_status open_two_and_fail(il_call* call, const il_value*, size_t, il_value*) {
    il_scope_begin(call);
    il_callable* object;
    if (find(call, "object", &object) != IL_OK) return IL_ERROR_FAILED;
    const il_value number = il_int64(1);
    il_value made;
    il_invoke(call, object, &number, 1, &made);
    il_scope_begin(call);
    return find(call, "no such function", &object);
}

// The text of an error that was met in a scope.
il_status fail_in_one(il_call* call, const il_value*, size_t, il_value*) {
    il_scope* scope = il_scope_begin(call);
    il_callable* function;
    const il_status status = find(call, "no such function", &function);
    il_scope_end(call, scope);
    return status;
}

il_status throw_in_one(il_call* call, const il_value*, size_t, il_value*) {
    il_scope_begin(call);
    throw 1;
}

il_status wrong_order(il_call* call, const il_value*, size_t, il_value*) {
    il_scope* outer = il_scope_begin(call);
    il_scope_begin(call);
    il_scope_end(call, outer);
    return IL_OK;
}

// On a thread that has no call.
il_status log_elsewhere(il_call* call, const il_value*, size_t, il_value*) {
    const il_host* host = call->host;
    il_module* module = call->module;
    std::thread([=] {
        if (il_current_call(host) == nullptr) il_log_from(host, module, IL_LOG_WARNING, "from thread %d", 2);
    }).join();
    return IL_OK;
}

const il_method methods[] = {{"many", many, nullptr},
                             {"open_one", open_one, nullptr},
                             {"open_two_and_fail", open_two_and_fail, nullptr},
                             {"fail_in_one", fail_in_one, nullptr},
                             {"throw_in_one", throw_in_one, nullptr},
                             {"wrong_order", wrong_order, nullptr},
                             {"log_elsewhere", log_elsewhere, nullptr},
                             {nullptr, nullptr, nullptr}};

}  // namespace

IL_MODULE(scopes, "scopes", "1.0", FREE, "Scopes.", 0, methods, nullptr, nullptr);
