// known_classes.cpp: modules that are always there, and classes of the standard library and of NumPy.
//
// SPDX-License-Identifier: MIT
#include "emulation/known_classes.hpp"

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

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

// Classes of the standard library that init functions fetch and check to be types. A class of another name may be one
// as well; then the module raises an error here, and is not judged.
bool is_known_class(std::string_view module, std::string_view name) noexcept {
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

bool is_named_like_a_class(std::string_view module, std::string_view name) noexcept {
    static constexpr std::string_view of_numpy[] = {
        "bool",        "bool_",      "broadcast", "byte",          "bytes_",          "cdouble",  "character",
        "clongdouble", "complex128", "complex64", "csingle",       "datetime64",      "double",   "dtype",
        "flatiter",    "flexible",   "float16",   "float32",       "float64",         "floating", "generic",
        "half",        "inexact",    "int16",     "int32",         "int64",           "int8",     "int_",
        "intc",        "integer",    "intp",      "long",          "longdouble",      "longlong", "ndarray",
        "number",      "object_",    "short",     "signedinteger", "single",          "str_",     "timedelta64",
        "ubyte",       "ufunc",      "uint",      "uint16",        "uint32",          "uint64",   "uint8",
        "uintc",       "uintp",      "ulong",     "ulonglong",     "unsignedinteger", "ushort",   "void"};
    if (module.starts_with("numpy") && std::ranges::find(of_numpy, name) != std::end(of_numpy)) return true;
    // CamelCase; constants have no small letters.
    const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
    return !name.empty() && is_capital(name.front()) && name.find('_') == std::string_view::npos &&
           std::ranges::any_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace interlock::auditing::emulation
