// model_values.cpp: texts, numbers, truth, errors and types, and what the interpreter says of itself.
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

// ---- text ----

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
        for (const auto& [name, value] :
             {std::pair("_Py_TrueStruct", 1), {"_Py_FalseStruct", 0}, {"_Py_NoneStruct", 0}})
            if (in.known_import(name) == object) return in.result(static_cast<std::uint64_t>(value));
    const auto known = in.numbers().find(object);
    if (known != in.numbers().end()) return in.result(known->second != 0 ? 1 : 0);
    in.unknown_number(1, 0);
}
void perhaps(I& in) { in.unknown_number(1, 0); }
void not_found(I& in) { in.unknown_number(0, in.likely() ? 0 : in.new_object()); }

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

// ---- errors ----

void err_fetch(I& in) {
    in.clear_results(0, 3);
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
    const bool parent =
        kind == "Exception" || kind == "BaseException" || (is == "ModuleNotFoundError" && kind == "ImportError");
    if (is == kind || parent) return in.result(1);
    in.unknown_number(0, 1);
}
void err_matches(I& in) {
    const std::string& raised = in.record().raised;
    matches(in, raised.substr(0, raised.find(':')), in.text_of(in.argument(0)));
}
void given_matches(I& in) { matches(in, in.text_of(in.argument(0)), in.text_of(in.argument(1))); }

void raise(I& in) {
    const std::string kind = in.text_of(in.argument(0));
    in.raise((kind.empty() ? "an exception" : kind) + ": " + in.guest().text(in.argument(1)).value_or(""));
    in.result(0);
}
void raise_object(I& in) {
    const std::string kind = in.text_of(in.argument(0));
    in.raise(kind.empty() ? "an exception" : kind);
}
void raise_none(I& in) {
    in.raise({});
    in.result(0);
}

void type_ready(I& in) {
    in.complete_type(in.argument(0));
    // tp_bases, field 39: of tp_base alone, field 29, unless there are more.
    Guest& guest = in.guest();
    const auto field = [&](unsigned index) { return in.argument(0) + in.head_size() + (index + 1) * in.word(); };
    const std::uint64_t base = guest.word(field(29)).value_or(0);
    // What macros ask for, of int to type, is inherited.
    constexpr std::uint64_t kinds = std::uint64_t{0xff} << 24;
    const auto flags = guest.word(base + in.head_size() + 19 * in.word());
    if (base != 0 && flags) guest.set_word(field(18), guest.word(field(18)).value_or(0) | (*flags & kinds));
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

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyBool_FromLong", bool_from_number},
    ModelEntry{"PyCallable_Check", perhaps},
    ModelEntry{"PyCapsule_IsValid", perhaps},
    ModelEntry{"PyErr_Clear", raise_none},
    ModelEntry{"PyErr_ExceptionMatches", err_matches},
    ModelEntry{"PyErr_Fetch", err_fetch},
    ModelEntry{"PyErr_Format", raise},
    ModelEntry{"PyErr_GetRaisedException", err_take},
    ModelEntry{"PyErr_GivenExceptionMatches", given_matches},
    ModelEntry{"PyErr_Occurred", err_occurred},
    ModelEntry{"PyErr_Restore", err_restore},
    ModelEntry{"PyErr_SetNone", raise_object},
    ModelEntry{"PyErr_SetObject", raise_object},
    ModelEntry{"PyErr_SetRaisedException", err_restore},
    ModelEntry{"PyErr_SetString", raise},
    ModelEntry{"PyImport_GetModule", not_found},
    ModelEntry{"PyLong_AsInt", long_as_number},
    ModelEntry{"PyLong_AsLong", long_as_number},
    ModelEntry{"PyLong_AsLongLong", long_as_number},
    ModelEntry{"PyLong_AsSize_t", long_as_number},
    ModelEntry{"PyLong_AsSsize_t", long_as_number},
    ModelEntry{"PyLong_AsUnsignedLong", long_as_number},
    ModelEntry{"PyLong_AsUnsignedLongLong", long_as_number},
    ModelEntry{"PyLong_FromLong", long_from_number},
    ModelEntry{"PyLong_FromLongLong", long_from_number},
    ModelEntry{"PyLong_FromSize_t", long_from_number},
    ModelEntry{"PyLong_FromSsize_t", long_from_number},
    ModelEntry{"PyLong_FromUnsignedLong", long_from_number},
    ModelEntry{"PyLong_FromUnsignedLongLong", long_from_number},
    ModelEntry{"PyObject_IsTrue", is_true},
    ModelEntry{"PyObject_VectorcallMethod", not_found},
    ModelEntry{"PySys_GetObject", sys_object},
    ModelEntry{"PyType_GetFlags", type_flags},
    ModelEntry{"PyType_IsSubtype", type_is_subtype},
    ModelEntry{"PyType_Ready", type_ready},
    ModelEntry{"PyUnicode_AsUTF8", unicode_as_text},
    ModelEntry{"PyUnicode_AsUTF8AndSize", unicode_as_text_and_size},
    ModelEntry{"PyUnicode_FromString", unicode_from_text},
    ModelEntry{"PyUnicode_FromStringAndSize", unicode_from_text_and_size},
    ModelEntry{"PyUnicode_InternFromString", unicode_from_text},
    ModelEntry{"Py_GetPlatform", get_platform},
    ModelEntry{"Py_GetVersion", get_version},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_values() noexcept { return table; }

}  // namespace interlock::auditing

#endif
