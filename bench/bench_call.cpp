// A call of a module's function through its gate, beside the same call through a plain function pointer.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include <mutex>

#include <interlock/loader.hpp>

#include "micro.hpp"
#include "rows.hpp"

using namespace interlock;
using namespace interlock::bench;

namespace {

il_function direct = nullptr, direct_add = nullptr;
const Function* gated = nullptr;
const Function* gated_add = nullptr;
const Function* same = nullptr;
const TypedFunction<std::int64_t(std::int64_t, std::int64_t)>* typed_add = nullptr;
const Function* gated_by_lock = nullptr;
std::mutex mutex;

void direct_call(benchmark::State& state) {
    il_value result = il_null();
    for (auto _ : state) benchmark::DoNotOptimize(direct(nullptr, nullptr, 0, &result));
}

void gated_call(benchmark::State& state) {
    Scope scope;
    il_value result = il_null();
    for (auto _ : state) benchmark::DoNotOptimize(gated->call(scope, {}, result));
}

void attached_gated_call(benchmark::State& state) {
    Attached attached;
    gated_call(state);
}

void mutex_call(benchmark::State& state) {
    il_value result = il_null();
    for (auto _ : state) {
        const std::lock_guard guard(mutex);
        benchmark::DoNotOptimize(direct(nullptr, nullptr, 0, &result));
    }
}

void module_lock_call(benchmark::State& state) {
    Scope scope;
    il_value result = il_null();
    for (auto _ : state) benchmark::DoNotOptimize(gated_by_lock->call(scope, {}, result));
}

void locked_mode_call(benchmark::State& state) {
    if (!Runtime::current()->switch_to_locked("benchmark").ok()) return state.SkipWithError("no locked mode");
    gated_call(state);
    Runtime::current()->switch_to_parallel();
}

void convenient_call(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize((*gated)({}));
}

/// Two integers, which the compiler does not know.
struct Pair {
    il_value values[2] = {il_int64(2), il_int64(3)};
    std::span<const il_value> get() {
        benchmark::DoNotOptimize(values);
        return values;
    }
};

void direct_add_call(benchmark::State& state) {
    Pair pair;
    il_value result = il_null();
    for (auto _ : state) benchmark::DoNotOptimize(direct_add(nullptr, pair.get().data(), 2, &result));
}

void gated_add_call(benchmark::State& state) {
    Scope scope;
    Pair pair;
    il_value result = il_null();
    for (auto _ : state) benchmark::DoNotOptimize(gated_add->call(scope, pair.get(), result));
}

void typed_add_call(benchmark::State& state) {
    Scope scope;
    std::int64_t number = 2;
    for (auto _ : state) {
        benchmark::DoNotOptimize(number);
        benchmark::DoNotOptimize(typed_add->call(scope, number, number));
    }
}

void mutex_add_call(benchmark::State& state) {
    Pair pair;
    il_value result = il_null();
    for (auto _ : state) {
        const std::lock_guard guard(mutex);
        benchmark::DoNotOptimize(direct_add(nullptr, pair.get().data(), 2, &result));
    }
}

constexpr std::int64_t items = 10'000;

Value long_list() {
    List list;
    for (std::int64_t i = 0; i < items; ++i) list.emplace_back(i);
    return list;
}

void list_there_and_back(benchmark::State& state) {
    const Value list = long_list();
    for (auto _ : state) benchmark::DoNotOptimize((*same)(std::span(&list, 1)));
}

void list_copied(benchmark::State& state) {
    const Value list = long_list();
    for (auto _ : state) {
        Value copy = list;
        benchmark::DoNotOptimize(copy);
    }
}

}  // namespace

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    Runtime runtime;
    Loader loader(runtime, {.search_path = {BENCH_MODULE_FOLDER}});
    const Module module = loader.import("bench_module").value();
    const Function function = module.function("nothing").value();
    gated = &function;
    const Function add = module.function("add").value(), list_function = module.function("same").value();
    gated_add = &add;
    same = &list_function;
    const auto typed = module.function<std::int64_t(std::int64_t, std::int64_t)>("add").value();
    typed_add = &typed;
    const Function locked_function = loader.import("bench_lock").value().function("nothing").value();
    gated_by_lock = &locked_function;

    void* library = dlopen(module.file().c_str(), RTLD_NOW | RTLD_LOCAL);
    void* entry = library == nullptr ? nullptr : dlsym(library, "il_module_export_bench_module");
    if (entry == nullptr) {
        std::fprintf(stderr, "%s: %s\n", arguments[0], dlerror());
        return 1;
    }
    const il_method* const methods = reinterpret_cast<il_module_export>(entry)()->methods;
    direct = methods[0].function;
    direct_add = methods[1].function;

    const std::pair<const char*, void (*)(benchmark::State&)> all[] = {
        {"direct", direct_call},           {"gated", gated_call},
        {"attached", attached_gated_call}, {"mutex", mutex_call},
        {"module_lock", module_lock_call}, {"locked_mode", locked_mode_call},
        {"convenient", convenient_call},   {"direct_add", direct_add_call},
        {"gated_add", gated_add_call},     {"typed_add", typed_add_call},
        {"mutex_add", mutex_add_call},     {"list", list_there_and_back},
        {"list_copy", list_copied},
    };
    for (const auto& [name, body] : all)
        for (const int threads : {1, 2}) benchmark::RegisterBenchmark(name, body)->UseRealTime()->Threads(threads);
    Medians medians;
    if (!medians.run(count, arguments)) return 2;

    const double plain = medians.of("direct"), through_gate = medians.of("gated");
    rows.add({"gated call of an empty function", through_gate, "ns", "a direct call", plain});
    const double through_mutex = medians.of("mutex");
    rows.add({"what the gate adds to a call", through_gate - plain, "ns", "what an uncontended std::mutex adds",
              through_mutex - plain, Target::ratio_at_most(1.25)});
    const double plain_add = medians.of("direct_add"), add_through_gate = medians.of("gated_add");
    rows.add({"what the gate adds to a call with two integers", add_through_gate - plain_add, "ns",
              "what an uncontended std::mutex adds", medians.of("mutex_add") - plain_add, Target::ratio_at_most(1.25)});
    rows.add({"the same, with a C++ signature", medians.of("typed_add") - plain_add, "ns",
              "what an uncontended std::mutex adds", medians.of("mutex_add") - plain_add});
    rows.add({"what the gate adds, caller attached already", medians.of("attached") - plain, "ns"});
    rows.add({"what the gate adds, 2 threads at once, each", medians.of("gated", 2) - medians.of("direct", 2), "ns",
              "one thread", through_gate - plain});
    rows.add({"gated call through an uncontended module lock", medians.of("module_lock"), "ns",
              "std::mutex and a direct call", through_mutex});
    rows.add({"gated call in locked mode, one thread", medians.of("locked_mode"), "ns", "std::mutex and a direct call",
              through_mutex});
    rows.add({"the convenient form, with Value", medians.of("convenient"), "ns", "a direct call", plain});
    rows.add({"a list of integers there and back, each item", medians.of("list") / items, "ns", "a copy of the list",
              medians.of("list_copy") / items});
    dlclose(library);
}
