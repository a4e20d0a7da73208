// model_c_api.cpp: functions of CPython's C API of which more has to be known than what they return: methods, capsules,
// threads, memory; those of other subjects are in the model_*.cpp of their name. And where each is looked up.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "emulation/c_api_names.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// Methods: the function lies behind the head.
void method_new(I& in, std::string_view type) {
    const std::uint64_t method = in.new_object();
    in.give_type(method, type);
    in.guest().set_word(method + in.head_size(), in.argument(0));
    in.guest().set_word(method + in.head_size() + in.word(), in.argument(1));
    in.result(method);
}
void bound_method_new(I& in) { method_new(in, "PyMethod_Type"); }
void instance_method_new(I& in) { method_new(in, "PyInstanceMethod_Type"); }

// PyCFunction_NewEx(definition, self, module)
void c_function_new(I& in) { in.result(in.new_c_function(in.argument(0), in.argument(1), in.argument(2))); }

// ---- capsules: one of the module's own keeps what is put into it; behind those of others are functions ----

constexpr const char *its_pointer = "\1pointer", *its_name = "\1name", *its_context = "\1context";
void capsule_new(I& in) {
    const std::uint64_t capsule = in.new_object();
    in.give_type(capsule, "PyCapsule_Type");
    in.set_attribute(capsule, its_pointer, in.argument(0));
    in.set_attribute(capsule, its_name, in.argument(1));
    if (in.argument(2) != 0) in.add_destructor(in.argument(2), capsule);
    in.result(capsule);
}
template <const char* const& Field>
void capsule_get(I& in) {
    in.result(in.attribute(in.argument(0), Field));
}
template <const char* const& Field>
void capsule_set(I& in) {
    in.set_attribute(in.argument(0), Field, in.argument(1));
    in.result(0);
}
void capsule_is_valid(I& in) {
    if (in.attribute(in.argument(0), its_pointer) == 0) return in.unknown_number(1, 0);
    const auto own = in.guest().text(in.attribute(in.argument(0), its_name)), other = in.guest().text(in.argument(1));
    in.result(own == other ? 1 : 0);
}
void capsule_pointer(I& in) {
    if (const std::uint64_t own = in.attribute(in.argument(0), its_pointer)) {
        const std::uint64_t name = in.attribute(in.argument(0), its_name);
        const bool same = name == in.argument(1) || (name != 0 && in.argument(1) != 0 &&
                                                     in.guest().text(name) == in.guest().text(in.argument(1)));
        if (!same) in.raise("ValueError: PyCapsule_GetPointer called with incorrect name");
        return in.result(same ? own : 0);
    }
    const std::string* origin = in.origin(in.argument(0));
    std::string from = origin != nullptr ? *origin : in.guest().text(in.argument(1)).value_or("a capsule");
    in.result(in.new_function_table(from));
}

void capsule_import(I& in) {
    std::string name = in.guest().text(in.argument(0)).value_or("a capsule");
    // SWIG asks whether another module of it was there first: none was.
    if (name.starts_with("swig_runtime_data")) return in.result(0);
    in.assume("the capsule " + name);
    if (in.fails()) {
        in.raise("ImportError: " + name);
        return in.result(0);
    }
    in.result(in.new_function_table(name.substr(0, name.rfind('.'))));
}

void fatal(I& in) { in.give_up("Py_FatalError"); }

// The thread may come first, or not in time: both is tried.
void start_thread(I& in) {
    in.assume("whether a thread is faster");
    if (in.likely()) return in.result(1);
    in.guest().call_first(in.argument(0), in.argument(1), 1);
}

// There is one interpreter with one thread: pybind11 compares them.
// A module that is made in several phases may be imported by another one as well.
void which_interpreter(I& in) { in.unknown_number(0, 1); }
void interpreter_state(I& in) { in.result(in.interpreter_state()); }
void thread_state(I& in) { in.result(in.thread_state()); }

// What extension modules keep there for each other is not known.
void interpreter_dict(I& in) { in.result(in.shared_dict("\1interpreter")); }
void thread_dict(I& in) { in.result(in.shared_dict("\1thread")); }
void builtins_dict(I& in) { in.result(in.dict_of(in.other_module("builtins"))); }

void one(I& in) { in.result(1); }
void zero(I& in) { in.result(0); }
void object(I& in) { in.result_object(); }
void same(I& in) { in.result(in.argument(0)); }

// ---- memory ----

void allocate(I& in) { in.result(in.guest().allocate(in.argument(0))); }
void allocate_zeroed(I& in) {
    std::uint64_t size = 0;
    in.result(__builtin_mul_overflow(in.argument(0), in.argument(1), &size) ? 0 : in.guest().allocate(size));
}
void reallocate(I& in) { in.result(move_to_new(in, in.argument(0), in.argument(1))); }
void release(I&) {}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyABIInfo_Check", zero},
    ModelEntry{"PyCFunction_NewEx", c_function_new},
    ModelEntry{"PyCMethod_New", c_function_new},
    ModelEntry{"PyCapsule_GetContext", capsule_get<its_context>},
    ModelEntry{"PyCapsule_GetName", capsule_get<its_name>},
    ModelEntry{"PyCapsule_GetPointer", capsule_pointer},
    ModelEntry{"PyCapsule_Import", capsule_import},
    ModelEntry{"PyCapsule_IsValid", capsule_is_valid},
    ModelEntry{"PyCapsule_New", capsule_new},
    ModelEntry{"PyCapsule_SetContext", capsule_set<its_context>},
    ModelEntry{"PyCapsule_SetName", capsule_set<its_name>},
    ModelEntry{"PyCapsule_SetPointer", capsule_set<its_pointer>},
    ModelEntry{"PyEval_GetBuiltins", builtins_dict},
    ModelEntry{"PyEval_SaveThread", thread_state},
    ModelEntry{"PyGILState_Check", one},
    ModelEntry{"PyGILState_GetThisThreadState", thread_state},
    ModelEntry{"PyInstanceMethod_New", instance_method_new},
    ModelEntry{"PyInterpreterState_Get", interpreter_state},
    ModelEntry{"PyInterpreterState_GetDict", interpreter_dict},
    ModelEntry{"PyInterpreterState_GetID", which_interpreter},
    ModelEntry{"PyInterpreterState_Main", interpreter_state},
    ModelEntry{"PyMem_Calloc", allocate_zeroed},
    ModelEntry{"PyMem_Free", release},
    ModelEntry{"PyMem_Malloc", allocate},
    ModelEntry{"PyMem_RawCalloc", allocate_zeroed},
    ModelEntry{"PyMem_RawFree", release},
    ModelEntry{"PyMem_RawMalloc", allocate},
    ModelEntry{"PyMem_RawRealloc", reallocate},
    ModelEntry{"PyMem_Realloc", reallocate},
    ModelEntry{"PyMethod_New", bound_method_new},
    ModelEntry{"PyObject_Calloc", allocate_zeroed},
    ModelEntry{"PyObject_Free", release},
    ModelEntry{"PyObject_Malloc", allocate},
    ModelEntry{"PyObject_Realloc", reallocate},
    ModelEntry{"PyObject_SelfIter", same},
    ModelEntry{"PyThreadState_Get", thread_state},
    ModelEntry{"PyThreadState_GetDict", thread_dict},
    ModelEntry{"PyThreadState_GetInterpreter", interpreter_state},
    ModelEntry{"PyThreadState_GetUnchecked", thread_state},
    ModelEntry{"PyThread_start_new_thread", start_thread},
    ModelEntry{"PyUnstable_TryIncRef", one},
    ModelEntry{"Py_EnterRecursiveCall", zero},
    ModelEntry{"Py_FatalError", fatal},
    ModelEntry{"Py_IsFinalizing", zero},
    ModelEntry{"Py_IsInitialized", one},
    ModelEntry{"Py_NewRef", same},
    ModelEntry{"Py_XNewRef", same},
    ModelEntry{"_PyThreadState_UncheckedGet", thread_state},
    ModelEntry{"_PyWeakref_RefType", object},
    ModelEntry{"_Py_FatalErrorFunc", fatal},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

constexpr unsigned not_known = ~0u;  // or not in the registers for integers

struct Prototype {
    std::string_view name;
    Returns returns;
    unsigned count = not_known;
    bool more = false;
    unsigned since = 0, until = 0;
};
constexpr Prototype prototypes[] = {
#include "emulation/c_api_results.inc"
};

const Prototype* prototype_of(std::string_view name) noexcept {
    const auto found = std::ranges::lower_bound(prototypes, name, {}, &Prototype::name);
    return found != std::end(prototypes) && found->name == name ? found : nullptr;
}

}  // namespace

ModelFunction c_api_function(std::string_view name) noexcept {
    for (const std::span<const ModelEntry> entries :
         {std::span<const ModelEntry>(table), model_gil(), model_modules(), model_attributes(), model_calls(),
          model_formats(), model_references(), model_types(), model_values(), model_texts(), model_errors(),
          model_containers()}) {
        const auto found = std::ranges::lower_bound(entries, name, {}, &ModelEntry::name);
        if (found != entries.end() && found->name == name) return found->function;
    }
    return boost_python_init(name);
}

Returns c_api_returns(std::string_view name) noexcept {
    const Prototype* prototype = prototype_of(name);
    return prototype != nullptr ? prototype->returns : Returns::unknown;
}

Parameters c_api_parameters(std::string_view name) noexcept {
    const Prototype* prototype = prototype_of(name);
    if (prototype == nullptr || prototype->count == not_known) return {};
    return {prototype->count, prototype->more};
}

unsigned c_api_since(std::string_view name) noexcept {
    const Prototype* prototype = prototype_of(name);
    return prototype != nullptr ? prototype->since : 0;
}

unsigned c_api_until(std::string_view name) noexcept {
    const Prototype* prototype = prototype_of(name);
    return prototype != nullptr ? prototype->until : 0;
}

std::string_view c_api_gone(const image::Image& image, unsigned minor) noexcept {
    for (const image::Import& import : image.imports) {
        const unsigned until = import.weak ? 0 : c_api_until(import.name);
        if (until != 0 && minor >= until && image.find_export(import.name) == nullptr) return import.name;
    }
    return {};
}

Needs c_api_needs(const image::Image& image) noexcept {
    Needs needs;
    for (const image::Import& import : image.imports) {
        // The interpreter resolves all names when it loads a file.
        const unsigned since = import.weak ? 0 : c_api_since(import.name);
        if (since > needs.minor && image.find_export(import.name) == nullptr) needs = {since, import.name};
    }
    return needs;
}

}  // namespace interlock::auditing::emulation

#endif
