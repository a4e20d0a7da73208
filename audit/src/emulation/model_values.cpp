// model_values.cpp: numbers, truth and comparisons, and what the interpreter says of itself.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- numbers and truth ----

void bool_from_number(I& in) { in.result(in.variable(in.argument(0) != 0 ? "_Py_TrueStruct" : "_Py_FalseStruct")); }

std::uint64_t as_signed(std::uint64_t value, unsigned bytes) {
    return bytes == 4 ? static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)}) : value;
}
std::uint64_t as_unsigned(std::uint64_t value, unsigned bytes) { return bytes == 4 ? value & 0xffffffff : value; }
// Of 8 bytes on a machine of 32 bits there are two arguments.
std::uint64_t wide_argument(I& in) {
    if (in.word() == 8) return in.argument(0);
    const std::uint64_t first = in.argument(0) & 0xffffffff, second = in.argument(1) & 0xffffffff;
    return in.image().little ? second << 32 | first : first << 32 | second;
}
unsigned long_size(I& in) { return in.word() == 4 || in.image().format == image::Format::pe ? 4 : 8; }
void from_long(I& in) { in.result(in.new_number(as_signed(in.argument(0), long_size(in)))); }
void from_unsigned_long(I& in) { in.result(in.new_number(as_unsigned(in.argument(0), long_size(in)), false)); }
void from_long_long(I& in) { in.result(in.new_number(wide_argument(in))); }
void from_unsigned_long_long(I& in) { in.result(in.new_number(wide_argument(in), false)); }
void from_ssize(I& in) { in.result(in.new_number(as_signed(in.argument(0), in.word()))); }
void from_size(I& in) { in.result(in.new_number(as_unsigned(in.argument(0), in.word()), false)); }
void from_int32(I& in) { in.result(in.new_number(as_signed(in.argument(0), 4))); }
void from_uint32(I& in) { in.result(in.new_number(as_unsigned(in.argument(0), 4), false)); }

const std::uint64_t* known_number(I& in, std::uint64_t object) {
    if (const std::string_view* world = in.objects().what_number_says(object)) in.assume(*world);
    return in.objects().number(object);
}
void long_as_number(I& in) {
    if (const std::uint64_t* known = known_number(in, in.argument(0))) return in.result(*known);
    in.unknown_number(0, 1);
}
// PyLong_AsInt32(object, &value): 0 for success.
void long_as(I& in, unsigned bytes) {
    const std::uint64_t* known = known_number(in, in.argument(0));
    if (known == nullptr) in.unknown_number(0, 0);
    const std::uint64_t value = known != nullptr ? *known : in.likely() ? 0 : 1;
    in.guest().set_number(in.argument(1), value, bytes);
    in.result(0);
}
void long_as_4(I& in) { long_as(in, 4); }
void long_as_8(I& in) { long_as(in, 8); }
int sign_of(std::uint64_t value) { return value == 0 ? 0 : value >> 63 != 0 ? -1 : 1; }
template <int Sign>
void has_sign(I& in) {
    const std::uint64_t* known = known_number(in, in.argument(0));
    if (known == nullptr) return in.unknown_number(0, 1);
    in.result(sign_of(*known) == Sign ? 1 : 0);
}
void long_sign(I& in) {
    const std::uint64_t* known = known_number(in, in.argument(0));
    if (known == nullptr) in.unknown_number(0, 0);
    in.guest().set_number(in.argument(1),
                          static_cast<std::uint64_t>(known != nullptr ? sign_of(*known)
                                                     : in.likely()    ? 0
                                                                      : 1),
                          4);
    in.result(0);
}
// PyLong_FromNativeBytes(buffer, size, flags): -1 and 1 are the order of this machine and the lowest byte first, 4 says
// that there is no sign.
void long_from_bytes(I& in) {
    const std::uint64_t size = in.argument(1);
    const auto flags = static_cast<std::int32_t>(in.argument(2));
    const bool little = flags == -1 || (flags & 2) != 0 ? in.image().little : (flags & 1) != 0;
    if (size == 0 || size > 8) return in.unknown_object({});
    std::array<std::uint8_t, 8> bytes{};
    if (!in.guest().read(in.argument(0), bytes.data(), size)) return in.unknown_object({});
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < size; ++i) value = value << 8 | bytes[little ? size - 1 - i : i];
    const bool is_signed = flags == -1 || (flags & 4) == 0;
    if (is_signed && size < 8 && value >> (8 * size - 1) != 0) value |= ~std::uint64_t{0} << (8 * size);
    in.result(in.new_number(value, is_signed));
}

// PyLongLayout: digits of 30 bits in 4 bytes, the lowest first.
void long_layout(I& in) {
    const std::uint64_t layout = in.guest().new_object(16);
    for (const auto& [at, value] : {std::pair(0u, 30u), {1u, 4u}, {2u, 0xffu}, {3u, in.image().little ? 0xffu : 1u}})
        in.guest().set_number(layout + at, value, 1);
    in.result(layout);
}
// PyLong_Export(object, &export): the value, for numbers of 64 bits.
void long_export(I& in) {
    const std::uint64_t* known = known_number(in, in.argument(0));
    if (known == nullptr) in.unknown_number(0, 0);
    in.guest().set_number(in.argument(1), known != nullptr ? *known : in.likely() ? 0 : 1, 8);
    for (unsigned at = 8; at < 8 + 4 * in.word(); at += in.word()) in.guest().set_word(in.argument(1) + at, 0);
    in.result(0);
}
// PyLongWriter_Create(negative, digits, &place): what is written there is read when it is finished.
void long_writer_create(I& in) {
    const std::uint64_t count = std::min(in.argument(1), I::most_items), writer = in.guest().new_object(64 + 4 * count);
    in.guest().set_word(writer, in.argument(0) & 0xffffffff);
    in.guest().set_word(writer + 8, count);
    in.guest().set_word(in.argument(2), writer + 64);
    in.result(writer);
}
void long_writer_finish(I& in) {
    const std::uint64_t writer = in.argument(0), count = in.guest().word(writer + 8).value_or(0);
    std::uint64_t value = 0;
    for (std::uint64_t i = std::min(count, I::most_items); i-- > 0;) {
        if (value >> 34 != 0) return in.unknown_object({});
        value = value << 30 | in.guest().number(writer + 64 + 4 * i, 4).value_or(0);
    }
    in.result(in.new_number(in.guest().word(writer).value_or(0) != 0 ? 0 - value : value));
}

void is_true(I& in) {
    const std::uint64_t object = in.argument(0);
    if (object != 0)
        for (const auto& [name, value] :
             {std::pair("_Py_TrueStruct", 1), {"_Py_FalseStruct", 0}, {"_Py_NoneStruct", 0}})
            if (in.known_import(name) == object) return in.result(static_cast<std::uint64_t>(value));
    if (const std::uint64_t* known = known_number(in, object)) return in.result(*known != 0 ? 1 : 0);
    if (const std::string* text = in.objects().text(object); text != nullptr && !in.is_type(object))
        return in.result(text->empty() ? 0 : 1);
    in.unknown_number(1, 0);
}
void is_false(I& in) {
    is_true(in);
    in.result(in.guest().result() == 0 ? 1 : 0);
}
// Only what is the same object, known texts and numbers, and tuples of these can be compared. -1: it is not known.
int equal(I& in, std::uint64_t a, std::uint64_t b, int depth = 0);
bool is_tuple(I& in, std::uint64_t object) {
    return in.objects().has_known_length(object) && in.type_of(object) == in.named_type("PyTuple_Type");
}
int equal_tuples(I& in, std::uint64_t a, std::uint64_t b, int depth) {
    const std::uint64_t count = in.guest().word(a + in.head_size()).value_or(0), first = in.head_size() + in.word();
    if (count != in.guest().word(b + in.head_size()).value_or(0)) return 0;
    int all = 1;
    for (std::uint64_t i = 0; i < std::min(count, I::most_items); ++i) {
        const std::uint64_t at = first + i * in.word();
        const int one = equal(in, in.guest().word(a + at).value_or(0), in.guest().word(b + at).value_or(0), depth + 1);
        if (one == 0) return 0;
        all = std::min(all, one);
    }
    return all;
}
int equal(I& in, std::uint64_t a, std::uint64_t b, int depth) {
    constexpr int deepest = 8;
    if (a == b) return 1;
    if (is_tuple(in, a) && is_tuple(in, b)) return depth < deepest ? equal_tuples(in, a, b, depth) : -1;
    const std::uint64_t *first = known_number(in, a), *second = known_number(in, b);
    if (first != nullptr && second != nullptr) return *first == *second ? 1 : 0;
    const bool texts = in.objects().has_text(a) && in.objects().has_text(b) && !in.is_type(a) && !in.is_type(b);
    return texts ? in.text_of(a) == in.text_of(b) ? 1 : 0 : -1;
}
constexpr std::uint64_t compare_equal = 2, compare_not_equal = 3;
std::optional<bool> compared(I& in) {
    const std::uint64_t how = in.argument(2) & 0xffffffff;
    const int same = equal(in, in.argument(0), in.argument(1));
    if (same < 0 || (how != compare_equal && how != compare_not_equal)) return std::nullopt;
    return (same == 1) == (how == compare_equal);
}
void rich_compare(I& in) {
    if (const auto answer = compared(in)) return in.result(in.variable(*answer ? "_Py_TrueStruct" : "_Py_FalseStruct"));
    in.unknown_object({});
}
void rich_compare_bool(I& in) {
    if (const auto answer = compared(in)) return in.result(*answer ? 1 : 0);
    in.unknown_number(0, 1);
}

std::string behind_minor_version(I& in) {
    const char* build = !in.model().free_threaded ? ""
                        : in.model().minor < 14   ? "experimental free-threading build "
                                                  : "free-threading build ";
    return fmt::format("{} {}(main, Oct  7 2025, 12:00:00) [GCC 14.2.0]", in.micro_version(), build);
}
// The minor version is what modules compare; who reads on depends on more.
void get_version(I& in) {
    in.record().note_asked_version();
    in.result(in.version_text());
}
void get_platform(I& in) {
    const std::string& platform = in.image().platform;
    in.result(in.guest().new_text(platform == "macos" ? "darwin" : platform == "windows" ? "win32" : platform));
}
// An attribute of `sys`; 0 without an error.
std::uint64_t of_sys(I& in, const std::string& name) {
    if (name == "modules") return in.modules_dict();
    // Of a tuple the minor version can be read alone.
    constexpr std::string_view micro = "the micro version of the interpreter";
    if (name == "version" || name == "hexversion" || name == "version_info") in.record().note_asked_version();
    if (name == "version") in.assume(micro);
    if (name == "version")
        return in.new_text_object(fmt::format("3.{}.{}", in.model().minor, behind_minor_version(in)));
    if (name == "hexversion") {
        const std::uint64_t all = in.new_number(0x030000f0u | in.model().minor << 16 | in.micro_version() << 8);
        in.objects().add_number_of_the_world(all, micro);
        return all;
    }
    if (name == "version_info") {
        // Who reads its digits in memory is met with other ones in another run.
        const std::uint64_t last = in.new_large_number(in.micro_version());
        in.objects().add_number_of_the_world(last, micro);
        in.guest().forget_written(last + in.head_size() + in.word(), 4);
        const std::array parts{in.new_number(3), in.new_number(in.model().minor), last, in.new_text_object("final"),
                               in.new_number(0)};
        return in.new_tuple_of(parts);
    }
    // Only in builds that trace references, and no one loads modules for others there.
    if (name == "getobjects" || name == "gettotalrefcount") return 0;
    const std::uint64_t sys = in.other_module("sys");
    if (const std::uint64_t known = in.attribute(sys, name)) return known;
    in.assume("sys." + name);
    if (in.fails()) return 0;
    const std::uint64_t object = in.new_object("sys");
    in.set_attribute(sys, name, object);
    return object;
}
void sys_object(I& in) { in.result(of_sys(in, in.guest().text(in.argument(0)).value_or(""))); }
// PySys_GetAttr(): with an error.
void sys_attribute(I& in, const std::string& name) {
    const std::uint64_t found = of_sys(in, name);
    if (found == 0) in.raise("RuntimeError: lost sys." + name);
    in.result(found);
}
void sys_attribute_by_object(I& in) { sys_attribute(in, in.text_of(in.argument(0))); }
void sys_attribute_by_text(I& in) { sys_attribute(in, in.guest().text(in.argument(0)).value_or("")); }
void sys_optional(I& in, const std::string& name) {
    const std::uint64_t found = of_sys(in, name);
    in.guest().set_word(in.argument(1), found);
    in.result(found != 0 ? 1 : 0);
}
void sys_optional_by_object(I& in) { sys_optional(in, in.text_of(in.argument(0))); }
void sys_optional_by_text(I& in) { sys_optional(in, in.guest().text(in.argument(0)).value_or("")); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyBool_FromLong", bool_from_number},
    ModelEntry{"PyLongWriter_Create", long_writer_create},
    ModelEntry{"PyLongWriter_Finish", long_writer_finish},
    ModelEntry{"PyLong_AsInt", long_as_number},
    ModelEntry{"PyLong_AsInt32", long_as_4},
    ModelEntry{"PyLong_AsInt64", long_as_8},
    ModelEntry{"PyLong_AsLong", long_as_number},
    ModelEntry{"PyLong_AsLongLong", long_as_number},
    ModelEntry{"PyLong_AsSize_t", long_as_number},
    ModelEntry{"PyLong_AsSsize_t", long_as_number},
    ModelEntry{"PyLong_AsUInt32", long_as_4},
    ModelEntry{"PyLong_AsUInt64", long_as_8},
    ModelEntry{"PyLong_AsUnsignedLong", long_as_number},
    ModelEntry{"PyLong_AsUnsignedLongLong", long_as_number},
    ModelEntry{"PyLong_AsUnsignedLongLongMask", long_as_number},
    ModelEntry{"PyLong_AsUnsignedLongMask", long_as_number},
    ModelEntry{"PyLong_Export", long_export},
    ModelEntry{"PyLong_FromInt32", from_int32},
    ModelEntry{"PyLong_FromInt64", from_long_long},
    ModelEntry{"PyLong_FromLong", from_long},
    ModelEntry{"PyLong_FromLongLong", from_long_long},
    ModelEntry{"PyLong_FromNativeBytes", long_from_bytes},
    ModelEntry{"PyLong_FromSize_t", from_size},
    ModelEntry{"PyLong_FromSsize_t", from_ssize},
    ModelEntry{"PyLong_FromUInt32", from_uint32},
    ModelEntry{"PyLong_FromUInt64", from_unsigned_long_long},
    ModelEntry{"PyLong_FromUnsignedLong", from_unsigned_long},
    ModelEntry{"PyLong_FromUnsignedLongLong", from_unsigned_long_long},
    ModelEntry{"PyLong_FromVoidPtr", from_size},
    ModelEntry{"PyLong_GetNativeLayout", long_layout},
    ModelEntry{"PyLong_GetSign", long_sign},
    ModelEntry{"PyLong_IsNegative", has_sign<-1>},
    ModelEntry{"PyLong_IsPositive", has_sign<1>},
    ModelEntry{"PyLong_IsZero", has_sign<0>},
    ModelEntry{"PyObject_IsTrue", is_true},
    ModelEntry{"PyObject_Not", is_false},
    ModelEntry{"PyObject_RichCompare", rich_compare},
    ModelEntry{"PyObject_RichCompareBool", rich_compare_bool},
    ModelEntry{"PySys_GetAttr", sys_attribute_by_object},
    ModelEntry{"PySys_GetAttrString", sys_attribute_by_text},
    ModelEntry{"PySys_GetObject", sys_object},
    ModelEntry{"PySys_GetOptionalAttr", sys_optional_by_object},
    ModelEntry{"PySys_GetOptionalAttrString", sys_optional_by_text},
    ModelEntry{"Py_GetPlatform", get_platform},
    ModelEntry{"Py_GetVersion", get_version},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::uint64_t Interpreter::version_text() {
    if (version_text_ == 0)
        version_text_ = guest_.new_watched_text(fmt::format("3.{}.", model_.minor),
                                                behind_minor_version(*this) + std::string(1, '\0'));
    return version_text_;
}

std::span<const ModelEntry> model_values() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
