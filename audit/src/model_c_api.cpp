// model_c_api.cpp: the functions of CPython's C API of which more has to be known than what they return: modules,
// imports, attributes, threads, memory. Others are in model_values.cpp and model_containers.cpp.
//
// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace interlock::auditing {

namespace {

using I = Interpreter;

// ---- modules ----

void module_def_init(I& in) {
    in.add_definition(in.argument(0));
    in.result(in.argument(0));
}

void module_create(I& in) { in.result(in.new_module_object({.definition = in.argument(0)})); }
void module_from_spec(I& in) { in.result(in.new_module_object({.definition = in.argument(0), .from_spec = true})); }
void module_new(I& in) { in.result(in.new_module_object({})); }

void set_gil(I& in) {
    in.add_set_gil(in.argument(0), in.argument(1));
    in.result(0);
}

void module_get_def(I& in) {
    const auto& modules = in.record().modules;
    const auto module = modules.find(in.argument(0));
    in.result(module == modules.end() ? 0 : module->second.definition);
}

void boost_python_init_module(I& in) { in.result_object(std::string(boost_python)); }
void boost_python_init_module_gil(I& in) {
    in.record().argument_gil_not_used = in.argument(2) & 1;
    boost_python_init_module(in);
}

// ---- what other modules hand out ----

// Of the standard library, and what modules import first: they are always there.
bool is_always_there(std::string_view module) noexcept {
    static constexpr std::string_view names[] = {
        "_io",       "_thread",    "abc",       "array",    "asyncio",  "atexit",    "builtins",  "collections",
        "codecs",    "contextlib", "copy",      "copyreg",  "datetime", "decimal",   "enum",      "fractions",
        "functools", "gc",         "importlib", "inspect",  "io",       "itertools", "json",      "logging",
        "marshal",   "math",       "numbers",   "operator", "os",       "pathlib",   "pickle",    "platform",
        "random",    "re",         "signal",    "string",   "struct",   "sys",       "sysconfig", "threading",
        "time",      "traceback",  "types",     "typing",   "uuid",     "warnings",  "weakref",   "zlib"};
    return std::ranges::find(names, module.substr(0, module.find('.'))) != std::end(names);
}

void import(I& in, const std::string& name) {
    if (!is_always_there(name)) {
        in.assume("the import of " + (name.empty() ? std::string("an unknown module") : name));
        if (in.fails()) {
            in.raise("ModuleNotFoundError: No module named " + name);
            return in.result(0);
        }
    }
    in.result_object(name.empty() ? "an unknown module" : name);
}
void import_by_text(I& in) { import(in, in.guest().text(in.argument(0)).value_or("")); }
void import_by_object(I& in) { import(in, in.text_of(in.argument(0))); }
void add_module(I& in) { in.result_object(in.guest().text(in.argument(0)).value_or("an unknown module")); }

// What comes from an object of another module comes from that module.
void derived(I& in) {
    const std::string* origin = in.origin(in.argument(0));
    in.unknown_object(origin == nullptr ? std::string() : *origin);
}

// What C code sees of NumPy's universal functions: the numbers of their inputs and outputs, and the sum. Libraries that
// add types to NumPy compare them with their own.
constexpr std::string_view unary_functions[] = {
    "absolute", "arccos",  "arccosh", "arcsin",     "arcsinh", "arctan", "arctanh",     "bitwise_count",
    "cbrt",     "ceil",    "conj",    "conjugate",  "cos",     "cosh",   "deg2rad",     "degrees",
    "exp",      "exp2",    "expm1",   "fabs",       "floor",   "invert", "isfinite",    "isinf",
    "isnan",    "isnat",   "log",     "log10",      "log1p",   "log2",   "logical_not", "negative",
    "positive", "rad2deg", "radians", "reciprocal", "rint",    "sign",   "signbit",     "sin",
    "sinh",     "spacing", "sqrt",    "square",     "tan",     "tanh",   "trunc"};
void fill_universal_function(I& in, std::uint64_t object, std::string_view name) {
    std::uint32_t inputs = 2, outputs = 1;
    if (std::ranges::find(unary_functions, name) != std::end(unary_functions)) inputs = 1;
    if (name == "frexp" || name == "modf") inputs = 1, outputs = 2;
    if (name == "divmod") outputs = 2;
    const std::uint64_t field = object + in.head_size();
    in.guest().set_number(field, inputs, 4);
    in.guest().set_number(field + 4, outputs, 4);
    in.guest().set_number(field + 8, inputs + outputs, 4);
}

// Classes of the standard library that init functions fetch and check to be types. A class of another name may be one
// as well; then the module raises an error here, and is not judged.
bool is_class(std::string_view module, std::string_view name) noexcept {
    struct Known {
        std::string_view module, name;
    };
    static constexpr std::array known = {Known{"abc", "ABCMeta"},
                                         Known{"array", "array"},
                                         Known{"collections", "ChainMap"},
                                         Known{"collections", "Counter"},
                                         Known{"collections", "OrderedDict"},
                                         Known{"collections", "defaultdict"},
                                         Known{"collections", "deque"},
                                         Known{"datetime", "date"},
                                         Known{"datetime", "datetime"},
                                         Known{"datetime", "time"},
                                         Known{"datetime", "timedelta"},
                                         Known{"datetime", "timezone"},
                                         Known{"datetime", "tzinfo"},
                                         Known{"decimal", "Decimal"},
                                         Known{"enum", "Enum"},
                                         Known{"enum", "EnumMeta"},
                                         Known{"enum", "EnumType"},
                                         Known{"enum", "Flag"},
                                         Known{"enum", "IntEnum"},
                                         Known{"enum", "IntFlag"},
                                         Known{"enum", "StrEnum"},
                                         Known{"fractions", "Fraction"},
                                         Known{"functools", "partial"},
                                         Known{"io", "IOBase"},
                                         Known{"pathlib", "Path"},
                                         Known{"pathlib", "PurePath"},
                                         Known{"types", "FunctionType"},
                                         Known{"types", "GenericAlias"},
                                         Known{"types", "MethodType"},
                                         Known{"types", "ModuleType"},
                                         Known{"types", "SimpleNamespace"},
                                         Known{"types", "UnionType"},
                                         Known{"typing", "Generic"},
                                         Known{"typing", "TypeVar"},
                                         Known{"uuid", "UUID"},
                                         Known{"weakref", "ReferenceType"}};
    return std::ranges::any_of(known, [&](const Known& one) { return one.module == module && one.name == name; });
}

// C APIs of modules are kept in capsules, and by custom under such names; who asks checks the type.
void attribute(I& in, const std::string& name) {
    if (const std::string* module = in.origin(in.argument(0)); module != nullptr && is_class(*module, name)) {
        const std::uint64_t type = in.new_type(0);
        in.give_type(type, "PyType_Type");
        return in.result(type);
    }
    if (const std::uint64_t stored = in.attribute(in.argument(0), name)) return in.result(stored);
    const std::string* from = in.origin(in.argument(0));
    // A new module or class has nothing but what all have, until something is stored there.
    const std::uint64_t object = in.argument(0);
    const bool common = name.starts_with("__") && name.ends_with("__") && name != "__all__";
    const bool own = in.is_module(object) || in.own_objects().contains(object) || in.guest().image_at(object);
    if (own && !common) {
        in.assume("an attribute of its own objects");
        if (!in.likely()) return in.result_object();
        in.raise("AttributeError: " + name);
        return in.result(0);
    }
    in.assume("an attribute of " + (from == nullptr ? std::string("an object") : *from));
    if (in.fails()) {
        in.raise("AttributeError: " + name);
        return in.result(0);
    }
    if (name == "__name__" || name == "__qualname__" || name == "__module__")
        return in.result(in.new_text_object(in.likely() ? "name" : "other"));
    in.result(in.opaque_object(from == nullptr ? std::string() : *from));
    // Inherited from `object`: no function of C that could be looked into.
    if (own) in.give_type(in.guest().result(), "wrapper_descriptor");
    if (name.find("API") != std::string::npos || name.find("capi") != std::string::npos)
        in.make_capsule(in.guest().result());
    else if (const std::string* origin = in.origin(in.argument(0)); origin != nullptr && origin->starts_with("numpy"))
        fill_universal_function(in, in.guest().result(), name);
}
void attribute_by_text(I& in) { attribute(in, in.guest().text(in.argument(1)).value_or("")); }
void attribute_by_object(I& in) { attribute(in, in.text_of(in.argument(1))); }

void set_attribute_by_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.argument(2));
    in.result(0);
}
void set_attribute_by_object(I& in) {
    in.set_attribute(in.argument(0), in.text_of(in.argument(1)), in.argument(2));
    in.result(0);
}

// PyCFunctionObject: behind the head are the definition, `self` and the module.
void c_function_new(I& in) {
    const std::uint64_t function = in.new_object();
    in.give_type(function, "PyCFunction_Type");
    for (unsigned i = 0; i < 3; ++i) in.guest().set_word(function + in.head_size() + i * in.word(), in.argument(i));
    in.result(function);
}

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

void capsule_pointer(I& in) {
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

// ---- results through pointers ----

void nothing_found_at_2(I& in) {
    in.clear_results(2, 1);
    if (!in.likely())
        if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, in.new_object());
    in.unknown_number(0, 1);
}
void nothing_found_at_1(I& in) { in.clear_results(1, 1), in.result(0); }

void attribute_at_2(I& in) {
    if (in.fails()) {
        in.clear_results(2, 1);
        in.assume("an attribute of an object");
        return in.result(0);
    }
    const std::string* origin = in.origin(in.argument(0));
    in.assume("an attribute of " + (origin == nullptr ? std::string("an object") : *origin));
    if (const std::uint64_t place = in.argument(2))
        in.guest().set_word(place, in.new_object(origin == nullptr ? std::string() : *origin));
    in.result(1);
}

void fatal(I& in) { in.give_up("Py_FatalError"); }

// The thread may come first, or not in time: both is tried.
void start_thread(I& in) {
    in.assume("whether a thread is faster");
    if (in.likely()) return in.result(1);
    in.guest().call_first(in.argument(0), in.argument(1), 1);
}

// There is one interpreter with one thread: pybind11 compares them.
void interpreter_state(I& in) { in.result(in.interpreter_state()); }
void thread_state(I& in) { in.result(in.thread_state()); }

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
void reallocate(I& in) {
    const std::uint64_t old = in.argument(0), size = in.argument(1), fresh = in.guest().allocate(size);
    const std::uint64_t count = std::min(in.guest().allocated_size(old), size);
    if (old != 0 && fresh != 0 && count != 0) {
        std::vector<std::uint8_t> bytes(count);
        if (in.guest().read(old, bytes.data(), count)) in.guest().write(fresh, bytes.data(), count);
    }
    in.result(fresh);
}
void release(I&) {}

void module_state(I& in) { in.result(in.guest().allocate(64 << 10)); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyABIInfo_Check", zero},
    ModelEntry{"PyCFunction_NewEx", c_function_new},
    ModelEntry{"PyCMethod_New", c_function_new},
    ModelEntry{"PyCapsule_GetContext", zero},
    ModelEntry{"PyCapsule_GetPointer", capsule_pointer},
    ModelEntry{"PyCapsule_Import", capsule_import},
    ModelEntry{"PyContextVar_Get", attribute_at_2},
    ModelEntry{"PyErr_NoMemory", zero},
    ModelEntry{"PyGILState_Check", one},
    ModelEntry{"PyGILState_GetThisThreadState", thread_state},
    ModelEntry{"PyImport_AddModule", add_module},
    ModelEntry{"PyImport_AddModuleRef", add_module},
    ModelEntry{"PyImport_GetModuleDict", object},
    ModelEntry{"PyImport_Import", import_by_object},
    ModelEntry{"PyImport_ImportModule", import_by_text},
    ModelEntry{"PyImport_ImportModuleLevel", import_by_text},
    ModelEntry{"PyImport_ImportModuleLevelObject", import_by_object},
    ModelEntry{"PyImport_ImportModuleNoBlock", import_by_text},
    ModelEntry{"PyInstanceMethod_New", instance_method_new},
    ModelEntry{"PyInterpreterState_Get", interpreter_state},
    ModelEntry{"PyInterpreterState_GetID", zero},
    ModelEntry{"PyInterpreterState_Main", interpreter_state},
    ModelEntry{"PyMapping_GetOptionalItem", nothing_found_at_2},
    ModelEntry{"PyMapping_GetOptionalItemString", nothing_found_at_2},
    ModelEntry{"PyMem_Calloc", allocate_zeroed},
    ModelEntry{"PyMem_Free", release},
    ModelEntry{"PyMem_Malloc", allocate},
    ModelEntry{"PyMem_RawCalloc", allocate_zeroed},
    ModelEntry{"PyMem_RawFree", release},
    ModelEntry{"PyMem_RawMalloc", allocate},
    ModelEntry{"PyMem_RawRealloc", reallocate},
    ModelEntry{"PyMem_Realloc", reallocate},
    ModelEntry{"PyMethod_New", bound_method_new},
    ModelEntry{"PyModuleDef_Init", module_def_init},
    ModelEntry{"PyModule_Add", set_attribute_by_text},
    ModelEntry{"PyModule_AddObject", set_attribute_by_text},
    ModelEntry{"PyModule_AddObjectRef", set_attribute_by_text},
    ModelEntry{"PyModule_Create2", module_create},
    ModelEntry{"PyModule_FromDefAndSpec2", module_from_spec},
    ModelEntry{"PyModule_GetDef", module_get_def},
    ModelEntry{"PyModule_GetState", module_state},
    ModelEntry{"PyModule_New", module_new},
    ModelEntry{"PyModule_NewObject", module_new},
    ModelEntry{"PyObject_Call", derived},
    ModelEntry{"PyObject_CallFunction", derived},
    ModelEntry{"PyObject_CallFunctionObjArgs", derived},
    ModelEntry{"PyObject_CallMethod", derived},
    ModelEntry{"PyObject_CallMethodObjArgs", derived},
    ModelEntry{"PyObject_CallNoArgs", derived},
    ModelEntry{"PyObject_CallObject", derived},
    ModelEntry{"PyObject_CallOneArg", derived},
    ModelEntry{"PyObject_Calloc", allocate_zeroed},
    ModelEntry{"PyObject_Free", release},
    ModelEntry{"PyObject_GetAttr", attribute_by_object},
    ModelEntry{"PyObject_GetAttrString", attribute_by_text},
    ModelEntry{"PyObject_GetOptionalAttr", attribute_at_2},
    ModelEntry{"PyObject_GetOptionalAttrString", attribute_at_2},
    ModelEntry{"PyObject_Malloc", allocate},
    ModelEntry{"PyObject_Realloc", reallocate},
    ModelEntry{"PyObject_SelfIter", same},
    ModelEntry{"PyObject_SetAttr", set_attribute_by_object},
    ModelEntry{"PyObject_SetAttrString", set_attribute_by_text},
    ModelEntry{"PyObject_Vectorcall", derived},
    ModelEntry{"PyState_FindModule", zero},
    ModelEntry{"PyThreadState_Get", thread_state},
    ModelEntry{"PyThreadState_GetInterpreter", interpreter_state},
    ModelEntry{"PyThreadState_GetUnchecked", thread_state},
    ModelEntry{"PyThread_allocate_lock", object},
    ModelEntry{"PyThread_start_new_thread", start_thread},
    ModelEntry{"PyThread_tss_alloc", object},
    ModelEntry{"PyThread_tss_get", zero},
    ModelEntry{"PyThread_tss_is_created", zero},
    ModelEntry{"PyUnstable_Module_SetGIL", set_gil},
    ModelEntry{"PyWeakref_GetRef", nothing_found_at_1},
    ModelEntry{"Py_EnterRecursiveCall", zero},
    ModelEntry{"Py_FatalError", fatal},
    ModelEntry{"Py_IsFinalizing", zero},
    ModelEntry{"Py_IsInitialized", one},
    ModelEntry{"Py_NewRef", same},
    ModelEntry{"Py_XNewRef", same},
    ModelEntry{"_PyObject_GC_New", object},
    ModelEntry{"_PyObject_New", object},
    ModelEntry{"_PyThreadState_UncheckedGet", thread_state},
    ModelEntry{"_PyWeakref_RefType", object},
    ModelEntry{"_Py_FatalErrorFunc", fatal},
    ModelEntry{"_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE", boost_python_init_module},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

constexpr unsigned not_known = ~0u;  // or not in the registers for integers

struct Prototype {
    std::string_view name;
    Returns returns;
    unsigned count = not_known;
    bool more = false;
};
constexpr Prototype prototypes[] = {
#include "c_api_results.inc"
};

const Prototype* prototype_of(std::string_view name) noexcept {
    const auto found = std::ranges::lower_bound(prototypes, name, {}, &Prototype::name);
    return found != std::end(prototypes) && found->name == name ? found : nullptr;
}

}  // namespace

ModelFunction c_api_function(std::string_view name) noexcept {
    for (const std::span<const ModelEntry> entries :
         {std::span<const ModelEntry>(table), model_values(), model_containers()}) {
        const auto found = std::ranges::lower_bound(entries, name, {}, &ModelEntry::name);
        if (found != entries.end() && found->name == name) return found->function;
    }
    // Later releases have one more argument, which says whether the module needs the GIL.
    if (name.starts_with("_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE"))
        return boost_python_init_module_gil;
    return nullptr;
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

}  // namespace interlock::auditing

#endif
