// model_c_api.cpp: the functions of CPython's C API of which more has to be known than what they return.
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

std::string text_of_object(I& in, std::uint64_t object) {
    const auto known = in.texts().find(object);
    return known == in.texts().end() ? std::string() : known->second;
}

// Of the standard library, and what modules import first: they are always there.
bool is_always_there(std::string_view module) noexcept {
    static constexpr std::string_view names[] = {
        "_io",       "_thread",   "abc",     "array",     "asyncio",  "atexit",    "builtins",    "collections",
        "codecs",    "contextlib", "copy",    "copyreg",   "datetime", "decimal",   "enum",        "fractions",
        "functools", "gc",        "importlib", "inspect",  "io",       "itertools", "json",        "logging",
        "marshal",   "math",      "numbers", "operator",  "os",       "pathlib",   "pickle",      "platform",
        "random",    "re",        "signal",  "string",    "struct",   "sys",       "sysconfig",   "threading",
        "time",      "traceback", "types",   "typing",    "uuid",     "warnings",  "weakref",     "zlib"};
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
void import_by_object(I& in) { import(in, text_of_object(in, in.argument(0))); }
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
    const bool own = in.is_module(object) || in.own_objects().contains(object) || in.guest().to_file(object);
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
void attribute_by_object(I& in) { attribute(in, text_of_object(in, in.argument(1))); }

void set_attribute_by_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.argument(2));
    in.result(0);
}
void set_attribute_by_object(I& in) {
    in.set_attribute(in.argument(0), text_of_object(in, in.argument(1)), in.argument(2));
    in.result(0);
}

// ---- dictionaries: what was stored is found again ----

std::string key_of(I& in, std::uint64_t object) {
    const auto text = in.texts().find(object);
    return text != in.texts().end() ? text->second : fmt::format("\1{:#x}", object);  // no text begins like that
}
void dict_set(I& in) {
    in.set_attribute(in.argument(0), key_of(in, in.argument(1)), in.argument(2));
    in.result(0);
}
void dict_get(I& in, const std::string& key) {
    if (const std::uint64_t stored = in.attribute(in.argument(0), key)) return in.result(stored);
    in.unknown_number(0, in.likely() ? 0 : in.new_object());
}
void dict_get_object(I& in) { dict_get(in, key_of(in, in.argument(1))); }
void dict_get_text(I& in) { dict_get(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_get_ref(I& in, const std::string& key) {
    std::uint64_t found = in.attribute(in.argument(0), key);
    const bool stored = found != 0;
    if (!stored && !in.likely()) found = in.new_object();
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, found);
    stored ? in.result(1) : in.unknown_number(0, 1);
}
void dict_get_ref_object(I& in) { dict_get_ref(in, key_of(in, in.argument(1))); }
void dict_get_ref_text(I& in) { dict_get_ref(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_contains(I& in) {
    if (in.attribute(in.argument(0), key_of(in, in.argument(1))) != 0) return in.result(1);
    in.unknown_number(0, 1);
}
void module_dict(I& in) {
    const std::string where = "\1dict";
    std::uint64_t dict = in.attribute(in.argument(0), where);
    if (dict == 0) {
        dict = in.new_object();
        in.give_type(dict, "PyDict_Type");
        in.set_attribute(in.argument(0), where, dict);
    }
    in.result(dict);
}

// PyCFunctionObject: behind the head are the definition, `self` and the module.
void c_function_new(I& in) {
    const std::uint64_t function = in.new_object();
    in.give_type(function, "PyCFunction_Type");
    for (unsigned i = 0; i < 3; ++i)
        in.guest().set_word(function + in.head_size() + i * in.word(), in.argument(i));
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

// ---- values ----

void unicode_from_text(I& in) { in.result(in.new_text_object(in.guest().text(in.argument(0)).value_or(""))); }

void unicode_from_text_and_size(I& in) {
    std::string text(std::min<std::uint64_t>(in.argument(1), 4096), '\0');
    if (!in.guest().read(in.argument(0), text.data(), text.size())) text.clear();
    in.result(in.new_text_object(text));
}

void unicode_as_text(I& in) {
    const auto known = in.texts().find(in.argument(0));
    if (known != in.texts().end()) return in.result(in.guest().new_text(known->second));
    in.unknown_number(in.guest().new_text("text"), in.guest().new_text("other text"));
}
void unicode_as_text_and_size(I& in) {
    unicode_as_text(in);
    const auto text = in.guest().text(in.guest().result(), 1u << 16);
    if (const std::uint64_t place = in.argument(1); place != 0 && text) in.guest().set_word(place, text->size());
}

// ---- numbers and truth ----

void bool_from_number(I& in) {
    const bool yes = in.argument(0) != 0;
    const std::uint64_t known = in.known_import(yes ? "_Py_TrueStruct" : "_Py_FalseStruct");
    if (known != 0) return in.result(known);
    in.result_object();
    in.numbers()[in.guest().result()] = yes ? 1 : 0;
}
void long_from_number(I& in) {
    const std::uint64_t value = in.argument(0), object = in.new_object();
    in.give_type(object, "PyLong_Type");
    in.numbers()[object] = value;
    in.result(object);
}
void long_as_number(I& in) {
    const auto known = in.numbers().find(in.argument(0));
    if (known != in.numbers().end()) return in.result(known->second);
    in.unknown_number(0, 1);
}
void is_true(I& in) {
    const std::uint64_t object = in.argument(0);
    if (object != 0)
        for (const auto& [name, value] : {std::pair("_Py_TrueStruct", 1), {"_Py_FalseStruct", 0}, {"_Py_NoneStruct", 0}})
            if (in.known_import(name) == object) return in.result(static_cast<std::uint64_t>(value));
    const auto known = in.numbers().find(object);
    if (known != in.numbers().end()) return in.result(known->second != 0 ? 1 : 0);
    in.unknown_number(1, 0);
}
void perhaps(I& in) { in.unknown_number(1, 0); }
void not_found(I& in) { in.unknown_number(0, in.likely() ? 0 : in.new_object()); }

// Macros write the items of lists and tuples: ob_size, then a pointer to the items, or the items themselves.
constexpr std::uint64_t most_items = 4096;
void list_new(I& in) {
    const std::uint64_t count = std::min(in.argument(0), most_items), list = in.new_object();
    in.give_type(list, "PyList_Type");
    in.sized().insert(list);
    in.lists().insert(list);
    in.guest().set_word(list + in.head_size(), count);
    in.guest().set_word(list + in.head_size() + in.word(), in.guest().allocate(count * in.word()));
    in.result(list);
}
void tuple_new(I& in) {
    const std::uint64_t count = std::min(in.argument(0), most_items);
    const std::uint64_t tuple = in.guest().new_object(in.head_size() + 2 * in.word() + count * in.word());
    if (tuple != 0) {
        in.give_type(tuple, "PyTuple_Type");
        in.sized().insert(tuple);
        in.guest().set_word(tuple + in.head_size(), count);
    }
    in.result(tuple);
}

void tuple_pack(I& in) {
    const std::uint64_t count = std::min<std::uint64_t>(in.argument(0), 64);
    const std::uint64_t items = in.head_size() + in.word(), tuple = in.guest().new_object(items + count * in.word());
    if (tuple != 0) {
        in.give_type(tuple, "PyTuple_Type");
        in.sized().insert(tuple);
        in.guest().set_word(tuple + in.head_size(), count);
        // Apple's convention for arm64 passes such arguments elsewhere than the others.
        const bool elsewhere = in.image().format == Format::macho && in.image().architecture == Architecture::aarch64;
        for (unsigned i = 0; i < count; ++i)
            in.guest().set_word(tuple + items + i * in.word(), elsewhere ? in.new_object() : in.argument(i + 1));
    }
    in.result(tuple);
}

void size_of(I& in) {
    const std::uint64_t size = in.guest().word(in.argument(0) + in.head_size()).value_or(0);
    if (in.sized().contains(in.argument(0))) return in.result(size);
    in.unknown_number(size, size + 1);
}

/// Address of item `index` of a tuple or list; 0 when it has none.
std::uint64_t item_place(I& in, bool list) {
    const std::uint64_t sequence = in.argument(0), index = in.argument(1);
    if (index >= in.guest().word(sequence + in.head_size()).value_or(0)) return 0;
    const std::uint64_t first = sequence + in.head_size() + in.word();
    return (list ? in.guest().word(first).value_or(0) : first) + index * in.word();
}
void item(I& in, bool list) {
    const std::uint64_t place = item_place(in, list);
    const std::uint64_t object = place == 0 ? 0 : in.guest().word(place).value_or(0);
    if (object != 0)
        in.result(object);
    else
        in.result_object();
}
void set_item(I& in, bool list) {
    if (const std::uint64_t place = item_place(in, list)) in.guest().set_word(place, in.argument(2));
    in.result(0);
}
void list_append(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t list = in.argument(0), word = in.word(), first = list + in.head_size() + word;
    const std::uint64_t count = guest.word(list + in.head_size()).value_or(0);
    in.result(0);
    if (!in.sized().contains(list)) return;
    if (count >= most_items) {
        in.sized().erase(list);  // from now on its length is not known
        return;
    }
    std::uint64_t items = guest.word(first).value_or(0);
    if (guest.allocated_size(items) < (count + 1) * word) {
        const std::uint64_t larger = guest.allocate((2 * count + 4) * word);
        for (std::uint64_t i = 0; larger != 0 && i < count; ++i)
            guest.set_word(larger + i * word, guest.word(items + i * word).value_or(0));
        guest.set_word(first, items = larger);
    }
    guest.set_word(items + count * word, in.argument(1));
    guest.set_word(list + in.head_size(), count + 1);
}
void tuple_of(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t from = in.argument(0), word = in.word();
    const std::uint64_t count = guest.word(from + in.head_size()).value_or(0);
    if (!in.sized().contains(from) || count > most_items) return in.unknown_object({});
    const std::uint64_t tuple = guest.new_object(in.head_size() + word + count * word);
    in.give_type(tuple, "PyTuple_Type");
    in.sized().insert(tuple);
    guest.set_word(tuple + in.head_size(), count);
    const bool list = in.lists().contains(from);
    const std::uint64_t first = from + in.head_size() + word, items = list ? guest.word(first).value_or(0) : first;
    for (std::uint64_t i = 0; i < count; ++i)
        guest.set_word(tuple + in.head_size() + word + i * word, guest.word(items + i * word).value_or(0));
    in.result(tuple);
}
void tuple_item(I& in) { item(in, false); }
void list_item(I& in) { item(in, true); }
void tuple_set_item(I& in) { set_item(in, false); }
void list_set_item(I& in) { set_item(in, true); }

std::string version_text(I& in) {
    in.record().asked_version = true;
    const unsigned minor = in.model().minor;
    const char* build = !in.model().free_threaded ? ""
                        : minor < 14              ? "experimental free-threading build "
                                                  : "free-threading build ";
    return fmt::format("3.{}.0 {}(main, Oct  7 2025, 12:00:00) [GCC 14.2.0]", minor, build);
}
void get_version(I& in) { in.result(in.guest().new_text(version_text(in))); }
void get_platform(I& in) {
    const std::string& platform = in.image().platform;
    in.result(in.guest().new_text(platform == "macos" ? "darwin" : platform == "windows" ? "win32" : platform));
}
void sys_object(I& in) {
    const std::string name = in.guest().text(in.argument(0)).value_or("");
    if (name == "version") return in.result(in.new_text_object(version_text(in)));
    if (name == "hexversion" || name == "version_info") in.record().asked_version = true;
    // Only in builds that trace references, and no one loads modules for others there.
    if (name == "getobjects" || name == "gettotalrefcount") return in.result(0);
    in.assume("sys." + name);
    if (in.fails()) return in.result(0);  // without an error
    in.result_object("sys");
}

// ---- results through pointers ----

/// Clears `count` pointers given from argument `first` on.
void clear_results(I& in, unsigned first, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        if (const std::uint64_t place = in.argument(first + i)) in.guest().set_word(place, 0);
}

void nothing_found_at_2(I& in) {
    clear_results(in, 2, 1);
    if (!in.likely())
        if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, in.new_object());
    in.unknown_number(0, 1);
}
void nothing_found_at_1(I& in) { clear_results(in, 1, 1), in.result(0); }

void attribute_at_2(I& in) {
    if (in.fails()) {
        clear_results(in, 2, 1);
        in.assume("an attribute of an object");
        return in.result(0);
    }
    const std::string* origin = in.origin(in.argument(0));
    in.assume("an attribute of " + (origin == nullptr ? std::string("an object") : *origin));
    if (const std::uint64_t place = in.argument(2))
        in.guest().set_word(place, in.new_object(origin == nullptr ? std::string() : *origin));
    in.result(1);
}

// ---- errors ----

void err_fetch(I& in) {
    clear_results(in, 0, 3);
    if (const std::uint64_t place = in.argument(0)) in.guest().set_word(place, in.exception_object());
    in.record().fetched = std::exchange(in.record().raised, {});
}
void err_take(I& in) {
    in.result(in.exception_object());
    in.record().fetched = std::exchange(in.record().raised, {});
}
void err_restore(I& in) {
    std::string& fetched = in.record().fetched;
    in.raise(in.argument(0) == 0 ? "" : fetched.empty() ? "an exception" : std::exchange(fetched, {}));
}
void err_occurred(I& in) { in.result(in.exception_object()); }
void matches(I& in, const std::string& is, const std::string& kind) {
    if (is.empty()) return in.result(0);
    const bool parent = kind == "Exception" || kind == "BaseException" ||
                        (is == "ModuleNotFoundError" && kind == "ImportError");
    if (is == kind || parent) return in.result(1);
    in.unknown_number(0, 1);
}
void err_matches(I& in) {
    const std::string& raised = in.record().raised;
    matches(in, raised.substr(0, raised.find(':')), text_of_object(in, in.argument(0)));
}
void given_matches(I& in) {
    matches(in, text_of_object(in, in.argument(0)), text_of_object(in, in.argument(1)));
}

void raise(I& in) {
    const std::string kind = text_of_object(in, in.argument(0));
    in.raise((kind.empty() ? "an exception" : kind) + ": " + in.guest().text(in.argument(1)).value_or(""));
    in.result(0);
}
void raise_object(I& in) {
    const std::string kind = text_of_object(in, in.argument(0));
    in.raise(kind.empty() ? "an exception" : kind);
}
void raise_none(I& in) {
    in.raise({});
    in.result(0);
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

void type_ready(I& in) {
    in.complete_type(in.argument(0));
    // tp_bases, field 39: of tp_base alone, field 29, unless there are more.
    Guest& guest = in.guest();
    const auto field = [&](unsigned index) { return in.argument(0) + in.head_size() + (index + 1) * in.word(); };
    const std::uint64_t base = guest.word(field(29)).value_or(0);
    // What macros ask for, of int to type, is inherited.
    constexpr std::uint64_t kinds = std::uint64_t{0xff} << 24;
    const auto flags = guest.word(base + in.head_size() + 19 * in.word());
    if (base != 0 && flags)
        guest.set_word(field(18), guest.word(field(18)).value_or(0) | (*flags & kinds));
    if (base != 0 && guest.word(field(39)) == 0u) {
        const std::uint64_t bases = guest.new_object(in.head_size() + 2 * in.word());
        in.give_type(bases, "PyTuple_Type");
        guest.set_word(bases + in.head_size(), 1);
        guest.set_word(bases + in.head_size() + in.word(), base);
        guest.set_word(field(39), bases);
    }
    in.result(0);
}

void type_flags(I& in) { in.result(in.guest().word(in.argument(0) + in.head_size() + 19 * in.word()).value_or(0)); }

// Along tp_base, field 29 behind ob_size. An object of which nothing is known is what the module expects.
void type_is_subtype(I& in) {
    if (in.is_generic_type(in.argument(0))) return in.unknown_number(1, 0);
    std::uint64_t type = in.argument(0);
    for (int depth = 0; depth < 16 && type != 0; ++depth) {
        if (type == in.argument(1)) return in.result(1);
        type = in.guest().word(type + in.head_size() + 30 * std::uint64_t{in.word()}).value_or(0);
    }
    in.result(0);
}

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

struct Entry {
    std::string_view name;
    ModelFunction function;
};

// Sorted by name.
constexpr std::array table = {
    Entry{"PyABIInfo_Check", zero},
    Entry{"PyBool_FromLong", bool_from_number},
    Entry{"PyCFunction_NewEx", c_function_new},
    Entry{"PyCMethod_New", c_function_new},
    Entry{"PyCallable_Check", perhaps},
    Entry{"PyCapsule_GetContext", zero},
    Entry{"PyCapsule_GetPointer", capsule_pointer},
    Entry{"PyCapsule_Import", capsule_import},
    Entry{"PyCapsule_IsValid", perhaps},
    Entry{"PyContextVar_Get", attribute_at_2},
    Entry{"PyDict_Contains", dict_contains},
    Entry{"PyDict_GetItem", dict_get_object},
    Entry{"PyDict_GetItemRef", dict_get_ref_object},
    Entry{"PyDict_GetItemString", dict_get_text},
    Entry{"PyDict_GetItemStringRef", dict_get_ref_text},
    Entry{"PyDict_GetItemWithError", dict_get_object},
    Entry{"PyDict_SetItem", dict_set},
    Entry{"PyDict_SetItemString", set_attribute_by_text},
    Entry{"PyErr_Clear", raise_none},
    Entry{"PyErr_ExceptionMatches", err_matches},
    Entry{"PyErr_Fetch", err_fetch},
    Entry{"PyErr_Format", raise},
    Entry{"PyErr_GetRaisedException", err_take},
    Entry{"PyErr_GivenExceptionMatches", given_matches},
    Entry{"PyErr_NoMemory", zero},
    Entry{"PyErr_Occurred", err_occurred},
    Entry{"PyErr_Restore", err_restore},
    Entry{"PyErr_SetNone", raise_object},
    Entry{"PyErr_SetObject", raise_object},
    Entry{"PyErr_SetRaisedException", err_restore},
    Entry{"PyErr_SetString", raise},
    Entry{"PyGILState_Check", one},
    Entry{"PyGILState_GetThisThreadState", thread_state},
    Entry{"PyImport_AddModule", add_module},
    Entry{"PyImport_AddModuleRef", add_module},
    Entry{"PyImport_GetModule", not_found},
    Entry{"PyImport_GetModuleDict", object},
    Entry{"PyImport_Import", import_by_object},
    Entry{"PyImport_ImportModule", import_by_text},
    Entry{"PyImport_ImportModuleLevel", import_by_text},
    Entry{"PyImport_ImportModuleLevelObject", import_by_object},
    Entry{"PyImport_ImportModuleNoBlock", import_by_text},
    Entry{"PyInstanceMethod_New", instance_method_new},
    Entry{"PyInterpreterState_Get", interpreter_state},
    Entry{"PyInterpreterState_GetID", zero},
    Entry{"PyInterpreterState_Main", interpreter_state},
    Entry{"PyList_Append", list_append},
    Entry{"PyList_AsTuple", tuple_of},
    Entry{"PyList_GetItem", list_item},
    Entry{"PyList_GetItemRef", list_item},
    Entry{"PyList_New", list_new},
    Entry{"PyList_SetItem", list_set_item},
    Entry{"PyList_Size", size_of},
    Entry{"PyLong_AsInt", long_as_number},
    Entry{"PyLong_AsLong", long_as_number},
    Entry{"PyLong_AsLongLong", long_as_number},
    Entry{"PyLong_AsSize_t", long_as_number},
    Entry{"PyLong_AsSsize_t", long_as_number},
    Entry{"PyLong_AsUnsignedLong", long_as_number},
    Entry{"PyLong_AsUnsignedLongLong", long_as_number},
    Entry{"PyLong_FromLong", long_from_number},
    Entry{"PyLong_FromLongLong", long_from_number},
    Entry{"PyLong_FromSize_t", long_from_number},
    Entry{"PyLong_FromSsize_t", long_from_number},
    Entry{"PyLong_FromUnsignedLong", long_from_number},
    Entry{"PyLong_FromUnsignedLongLong", long_from_number},
    Entry{"PyMapping_GetOptionalItem", nothing_found_at_2},
    Entry{"PyMapping_GetOptionalItemString", nothing_found_at_2},
    Entry{"PyMem_Calloc", allocate_zeroed},
    Entry{"PyMem_Free", release},
    Entry{"PyMem_Malloc", allocate},
    Entry{"PyMem_RawCalloc", allocate_zeroed},
    Entry{"PyMem_RawFree", release},
    Entry{"PyMem_RawMalloc", allocate},
    Entry{"PyMem_RawRealloc", reallocate},
    Entry{"PyMem_Realloc", reallocate},
    Entry{"PyMethod_New", bound_method_new},
    Entry{"PyModuleDef_Init", module_def_init},
    Entry{"PyModule_Add", set_attribute_by_text},
    Entry{"PyModule_AddObject", set_attribute_by_text},
    Entry{"PyModule_AddObjectRef", set_attribute_by_text},
    Entry{"PyModule_Create2", module_create},
    Entry{"PyModule_FromDefAndSpec2", module_from_spec},
    Entry{"PyModule_GetDef", module_get_def},
    Entry{"PyModule_GetDict", module_dict},
    Entry{"PyModule_GetState", module_state},
    Entry{"PyModule_New", module_new},
    Entry{"PyModule_NewObject", module_new},
    Entry{"PyObject_Call", derived},
    Entry{"PyObject_CallFunction", derived},
    Entry{"PyObject_CallFunctionObjArgs", derived},
    Entry{"PyObject_CallMethod", derived},
    Entry{"PyObject_CallMethodObjArgs", derived},
    Entry{"PyObject_CallNoArgs", derived},
    Entry{"PyObject_CallObject", derived},
    Entry{"PyObject_CallOneArg", derived},
    Entry{"PyObject_Calloc", allocate_zeroed},
    Entry{"PyObject_Free", release},
    Entry{"PyObject_GetAttr", attribute_by_object},
    Entry{"PyObject_GetAttrString", attribute_by_text},
    Entry{"PyObject_GetOptionalAttr", attribute_at_2},
    Entry{"PyObject_GetOptionalAttrString", attribute_at_2},
    Entry{"PyObject_IsTrue", is_true},
    Entry{"PyObject_Malloc", allocate},
    Entry{"PyObject_Realloc", reallocate},
    Entry{"PyObject_SelfIter", same},
    Entry{"PyObject_SetAttr", set_attribute_by_object},
    Entry{"PyObject_SetAttrString", set_attribute_by_text},
    Entry{"PyObject_Vectorcall", derived},
    Entry{"PyObject_VectorcallMethod", not_found},
    Entry{"PySequence_Tuple", tuple_of},
    Entry{"PyState_FindModule", zero},
    Entry{"PySys_GetObject", sys_object},
    Entry{"PyThreadState_Get", thread_state},
    Entry{"PyThreadState_GetInterpreter", interpreter_state},
    Entry{"PyThreadState_GetUnchecked", thread_state},
    Entry{"PyThread_allocate_lock", object},
    Entry{"PyThread_start_new_thread", start_thread},
    Entry{"PyThread_tss_alloc", object},
    Entry{"PyThread_tss_get", zero},
    Entry{"PyThread_tss_is_created", zero},
    Entry{"PyTuple_GetItem", tuple_item},
    Entry{"PyTuple_New", tuple_new},
    Entry{"PyTuple_Pack", tuple_pack},
    Entry{"PyTuple_SetItem", tuple_set_item},
    Entry{"PyTuple_Size", size_of},
    Entry{"PyType_GetFlags", type_flags},
    Entry{"PyType_IsSubtype", type_is_subtype},
    Entry{"PyType_Ready", type_ready},
    Entry{"PyUnicode_AsUTF8", unicode_as_text},
    Entry{"PyUnicode_AsUTF8AndSize", unicode_as_text_and_size},
    Entry{"PyUnicode_FromString", unicode_from_text},
    Entry{"PyUnicode_FromStringAndSize", unicode_from_text_and_size},
    Entry{"PyUnicode_InternFromString", unicode_from_text},
    Entry{"PyUnstable_Module_SetGIL", set_gil},
    Entry{"PyWeakref_GetRef", nothing_found_at_1},
    Entry{"Py_EnterRecursiveCall", zero},
    Entry{"Py_FatalError", fatal},
    Entry{"Py_GetPlatform", get_platform},
    Entry{"Py_GetVersion", get_version},
    Entry{"Py_IsFinalizing", zero},
    Entry{"Py_IsInitialized", one},
    Entry{"Py_NewRef", same},
    Entry{"Py_XNewRef", same},
    Entry{"_PyObject_GC_New", object},
    Entry{"_PyObject_New", object},
    Entry{"_PyThreadState_UncheckedGet", thread_state},
    Entry{"_PyWeakref_RefType", object},
    Entry{"_Py_FatalErrorFunc", fatal},
    Entry{"_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE", boost_python_init_module},
};

static_assert(std::ranges::is_sorted(table, {}, &Entry::name));

struct Result {
    std::string_view name;
    Returns returns;
};
constexpr Result results[] = {
#include "c_api_results.inc"
};

}  // namespace

ModelFunction c_api_function(std::string_view name) noexcept {
    const auto found = std::ranges::lower_bound(table, name, {}, &Entry::name);
    if (found != table.end() && found->name == name) return found->function;
    // Later releases have one more argument, which says whether the module needs the GIL.
    if (name.starts_with("_ZN5boost6python6detail11init_moduleER11PyModuleDefPFvvE"))
        return boost_python_init_module_gil;
    return nullptr;
}

Returns c_api_returns(std::string_view name) noexcept {
    const auto found = std::ranges::lower_bound(results, name, {}, &Result::name);
    return found != std::end(results) && found->name == name ? found->returns : Returns::unknown;
}

}  // namespace interlock::auditing

#endif
