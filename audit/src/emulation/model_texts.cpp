// model_texts.cpp: texts and bytes: how they are made, joined, compared and read, and PyUnicodeWriter.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t longest = 1u << 20;

/// The bytes at an address, if they are there and not more than a text can have here.
std::optional<std::string> bytes_at(I& in, std::uint64_t address, std::uint64_t size) {
    if (size > longest) return std::nullopt;
    std::string bytes(size, '\0');
    if (size != 0 && !in.guest().read(address, bytes.data(), size)) return std::nullopt;
    return bytes;
}
std::optional<std::string> known_text(I& in, std::uint64_t object) {
    const std::string* known = in.objects().text(object);
    if (known == nullptr || in.is_type(object)) return std::nullopt;
    // What is kept of an error is its class.
    if ((in.type_field(in.type_of(object), TypeField::flags) & TypeFlags::exception) != 0) return std::nullopt;
    in.guest().charge(known->size() / 16);
    if (in.guest().used_up()) return std::nullopt;
    return *known;
}
/// A text of which nothing is known.
std::uint64_t unknown_text(I& in) {
    in.unknown_number(0, 0);
    return in.new_text_object(in.likely() ? "text" : "other text");
}
// The empty text, and those of one character below 256, are the same object each time.
std::uint64_t text_object(I& in, const std::string& text) {
    const bool single = text.size() <= 1 || (text.size() == 2 && (static_cast<unsigned char>(text[0]) & 0xfc) == 0xc0);
    return single ? in.shared_text(text) : in.new_text_object(text);
}
void result_text(I& in, const std::optional<std::string>& text) {
    in.result(text ? text_object(in, *text) : unknown_text(in));
}

// ---- texts that are made ----

void from_text(I& in) { result_text(in, in.guest().text(in.argument(0), longest)); }
void from_text_and_size(I& in) { result_text(in, bytes_at(in, in.argument(0), in.argument(1))); }

void append_character(std::string& text, std::uint32_t c) {
    const auto add = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (c < 0x80) return add(c);
    if (c < 0x800) {
        add(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            add(0xe0 | c >> 12);
        } else {
            add(0xf0 | (c >> 18 & 7));
            add(0x80 | (c >> 12 & 0x3f));
        }
        add(0x80 | (c >> 6 & 0x3f));
    }
    add(0x80 | (c & 0x3f));
}
std::optional<std::string> from_latin1(const std::optional<std::string>& bytes) {
    if (!bytes) return std::nullopt;
    std::string text;
    for (const char c : *bytes) append_character(text, static_cast<unsigned char>(c));
    return text;
}
void from_latin1_and_size(I& in) { result_text(in, from_latin1(bytes_at(in, in.argument(0), in.argument(1)))); }
void from_ordinal(I& in) {
    std::string text;
    append_character(text, static_cast<std::uint32_t>(in.argument(0)));
    in.result(in.new_text_object(text));
}

// PyUnicode_FromFormat(format, ...): the conversions that names are put together with.
std::optional<std::string> formatted(I& in, unsigned first) {
    const auto format = in.guest().text(in.argument(first - 1));
    // Apple's convention for arm64 passes such arguments elsewhere than the others.
    const bool elsewhere =
        in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64;
    if (!format) return std::nullopt;
    std::string text;
    unsigned next = first;
    for (std::size_t i = 0; i < format->size(); ++i) {
        if ((*format)[i] != '%') {
            text += (*format)[i];
            continue;
        }
        std::string_view rest = std::string_view(*format).substr(i + 1);
        if (rest.starts_with('%')) {
            text += '%';
            ++i;
            continue;
        }
        const std::size_t wide = rest.starts_with('z') || rest.starts_with('l') ? 1 : 0;
        if (elsewhere || rest.size() <= wide || next > first + 3) return std::nullopt;
        const std::uint64_t value = in.argument(next++);
        const char kind = rest[wide];
        if (kind == 's' && wide == 0) {
            const auto part = in.guest().text(value);
            if (!part) return std::nullopt;
            text += *part;
        } else if ((kind == 'U' || kind == 'S') && wide == 0) {
            const auto part = known_text(in, value);
            if (!part) return std::nullopt;
            text += *part;
        } else if (kind == 'd' || kind == 'i') {
            text += fmt::format("{}", wide != 0 && in.word() == 8 ? static_cast<std::int64_t>(value)
                                                                  : std::int64_t{static_cast<std::int32_t>(value)});
        } else {
            return std::nullopt;
        }
        i += wide + 1;
    }
    return text;
}
void from_format(I& in) { result_text(in, formatted(in, 1)); }

// ---- texts that are joined, compared and read ----

void concatenate(I& in) {
    const auto left = known_text(in, in.argument(0)), right = known_text(in, in.argument(1));
    if (!left || !right) return in.result(unknown_text(in));
    in.result(in.new_text_object(*left + *right));
}
// PyUnicode_Append(&left, right)
void append(I& in) {
    const auto left = known_text(in, in.guest().word(in.argument(0)).value_or(0)),
               right = known_text(in, in.argument(1));
    in.guest().set_word(in.argument(0), left && right ? in.new_text_object(*left + *right) : unknown_text(in));
}
void as_text(I& in) {
    if (const auto known = known_text(in, in.argument(0))) return in.result(in.guest().new_text(*known));
    const std::uint64_t text = in.guest().new_text(in.likely() ? "text" : "other text");
    in.objects().add_made_up_text(text);
    in.unknown_number(text, text);
}
void as_text_and_size(I& in) {
    const auto known = known_text(in, in.argument(0));
    as_text(in);
    const std::uint64_t size = known ? known->size() : in.likely() ? 4 : 10;
    if (const std::uint64_t place = in.argument(1)) in.guest().set_word(place, size);
}
void as_bytes(I& in) {
    const auto known = known_text(in, in.argument(0));
    if (!known) return in.unknown_object({});
    const std::uint64_t text = in.guest().new_text(*known);
    in.result(in.new_bytes(text, known->size()));
}
void length(I& in) {
    const auto known = known_text(in, in.argument(0));
    if (!known) return in.unknown_number(4, 10);
    const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    in.result(static_cast<std::uint64_t>(std::ranges::count_if(*known, begins)));
}
void equals(I& in, const std::optional<std::string>& other) {
    const auto known = known_text(in, in.argument(0));
    if (!known || !other) return in.unknown_number(0, 1);
    in.result(*known == *other ? 1 : 0);
}
void equals_object(I& in) { equals(in, known_text(in, in.argument(1))); }
void equals_text(I& in) { equals(in, in.guest().text(in.argument(1), longest)); }
void equals_text_and_size(I& in) { equals(in, bytes_at(in, in.argument(1), in.argument(2))); }
void compare(I& in, const std::optional<std::string>& other) {
    const auto known = known_text(in, in.argument(0));
    if (!known || !other) return in.unknown_number(0, 1);
    in.result(static_cast<std::uint64_t>(std::int64_t{*known < *other ? -1 : *known == *other ? 0 : 1}));
}
void compare_object(I& in) { compare(in, known_text(in, in.argument(1))); }
void compare_text(I& in) { compare(in, in.guest().text(in.argument(1), longest)); }
void intern_text(I& in) {
    const auto text = in.guest().text(in.argument(0), longest);
    in.result(text ? in.shared_text(*text) : unknown_text(in));
}
void intern(I& in) {  // (&text)
    const auto text = known_text(in, in.guest().word(in.argument(0)).value_or(0));
    if (text) in.guest().set_word(in.argument(0), in.shared_text(*text));
}
// str(text) is the text, and str(number) its digits.
void as_str(I& in) {
    if (known_text(in, in.argument(0))) return in.result(in.argument(0));
    const bool truth = in.type_of(in.argument(0)) == in.named_type("PyBool_Type");
    if (const auto number = in.objects().number(in.argument(0)); number != nullptr && !truth)
        return in.result(in.new_text_object(std::to_string(static_cast<std::int64_t>(*number))));
    in.unknown_object({});
}

// ---- bytes ----

bool is_bytes(I& in, std::uint64_t object) {
    return in.objects().has_known_length(object) && in.type_of(object) == in.named_type("PyBytes_Type");
}
void bytes_from_text(I& in) {
    const auto text = in.guest().text(in.argument(0), longest);
    in.result(in.new_bytes(in.argument(0), text ? text->size() : 0));
}
void bytes_from_text_and_size(I& in) { in.result(in.new_bytes(in.argument(0), in.argument(1))); }
void bytes_as_text(I& in) {
    const std::uint64_t object = in.argument(0);
    if (is_bytes(in, object)) return in.result(object + in.head_size() + 2 * std::uint64_t{in.word()});
    in.unknown_number(in.guest().new_text("text"), in.guest().new_text("other text"));
}
// _PyBytes_Resize(&bytes, size), PyBytes_Concat(&bytes, more)
std::uint64_t first_byte(I& in, std::uint64_t bytes) { return bytes + in.head_size() + 2 * std::uint64_t{in.word()}; }
std::uint64_t size_of(I& in, std::uint64_t bytes) { return in.guest().word(bytes + in.head_size()).value_or(0); }
void bytes_resize(I& in) {
    const std::uint64_t old = in.guest().word(in.argument(0)).value_or(0), size = in.argument(1);
    const std::string kept = bytes_at(in, first_byte(in, old), std::min(size_of(in, old), size)).value_or("");
    const std::uint64_t bytes = in.new_bytes(0, size);
    if (bytes != 0) in.guest().write(first_byte(in, bytes), kept.data(), kept.size());
    in.guest().set_word(in.argument(0), bytes);
    in.result(0);
}
void bytes_concatenate(I& in) {
    const std::uint64_t left = in.guest().word(in.argument(0)).value_or(0), right = in.argument(1);
    const auto before = is_bytes(in, left) ? bytes_at(in, first_byte(in, left), size_of(in, left)) : std::nullopt;
    const auto after = is_bytes(in, right) ? bytes_at(in, first_byte(in, right), size_of(in, right)) : std::nullopt;
    if (!before || !after) in.unknown_number(0, 0);
    const std::string all = before.value_or("text") + after.value_or(in.likely() ? "" : "other text");
    const std::uint64_t bytes = in.new_bytes(0, all.size());
    if (bytes != 0) in.guest().write(first_byte(in, bytes), all.data(), all.size());
    in.guest().set_word(in.argument(0), bytes);
}
void bytes_size(I& in) {
    if (is_bytes(in, in.argument(0))) return in.result(in.guest().word(in.argument(0) + in.head_size()).value_or(0));
    in.unknown_number(4, 10);
}

// ---- PyUnicodeWriter, and the bytes of PyBytesWriter ----

void writer_create(I& in) {
    const std::uint64_t writer = in.guest().new_object(64);
    in.objects().begin_text(writer);
    in.result(writer);
}
void write(I& in, const std::optional<std::string>& more) {
    in.objects().append_text(in.argument(0), more, longest);
    in.result(0);
}
// -1 is the size of a text that ends with a zero.
std::optional<std::string> sized_text(I& in) {
    const std::uint64_t size = in.argument(2);
    const bool ends_with_zero = size == ~std::uint64_t{0} || (in.word() == 4 && size == 0xffffffff);
    return ends_with_zero ? in.guest().text(in.argument(1), longest) : bytes_at(in, in.argument(1), size);
}
void writer_write_utf8(I& in) { write(in, sized_text(in)); }
void writer_write_character(I& in) {
    std::string text;
    append_character(text, static_cast<std::uint32_t>(in.argument(1)));
    write(in, text);
}
void writer_write_object(I& in) { write(in, known_text(in, in.argument(1))); }
void writer_write_unknown(I& in) { write(in, std::nullopt); }
void writer_write_format(I& in) { write(in, formatted(in, 2)); }
void writer_finish(I& in) { result_text(in, in.objects().end_text(in.argument(0))); }
void writer_discard(I& in) { in.objects().end_text(in.argument(0)); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyBytes_AsString", bytes_as_text},
    ModelEntry{"PyBytes_Concat", bytes_concatenate},
    ModelEntry{"PyBytes_ConcatAndDel", bytes_concatenate},
    ModelEntry{"PyBytes_FromString", bytes_from_text},
    ModelEntry{"PyBytes_FromStringAndSize", bytes_from_text_and_size},
    ModelEntry{"PyBytes_Size", bytes_size},
    ModelEntry{"PyObject_Str", as_str},
    ModelEntry{"PyUnicodeWriter_Create", writer_create},
    ModelEntry{"PyUnicodeWriter_DecodeUTF8Stateful", writer_write_utf8},
    ModelEntry{"PyUnicodeWriter_Discard", writer_discard},
    ModelEntry{"PyUnicodeWriter_Finish", writer_finish},
    ModelEntry{"PyUnicodeWriter_Format", writer_write_format},
    ModelEntry{"PyUnicodeWriter_WriteASCII", writer_write_utf8},
    ModelEntry{"PyUnicodeWriter_WriteChar", writer_write_character},
    ModelEntry{"PyUnicodeWriter_WriteRepr", writer_write_unknown},
    ModelEntry{"PyUnicodeWriter_WriteStr", writer_write_object},
    ModelEntry{"PyUnicodeWriter_WriteSubstring", writer_write_unknown},
    ModelEntry{"PyUnicodeWriter_WriteUCS4", writer_write_unknown},
    ModelEntry{"PyUnicodeWriter_WriteUTF8", writer_write_utf8},
    ModelEntry{"PyUnicodeWriter_WriteWideChar", writer_write_unknown},
    ModelEntry{"PyUnicode_Append", append},
    ModelEntry{"PyUnicode_AppendAndDel", append},
    ModelEntry{"PyUnicode_AsUTF8", as_text},
    ModelEntry{"PyUnicode_AsUTF8AndSize", as_text_and_size},
    ModelEntry{"PyUnicode_AsUTF8String", as_bytes},
    ModelEntry{"PyUnicode_Compare", compare_object},
    ModelEntry{"PyUnicode_CompareWithASCIIString", compare_text},
    ModelEntry{"PyUnicode_Concat", concatenate},
    ModelEntry{"PyUnicode_DecodeASCII", from_text_and_size},
    ModelEntry{"PyUnicode_DecodeFSDefault", from_text},
    ModelEntry{"PyUnicode_DecodeFSDefaultAndSize", from_text_and_size},
    ModelEntry{"PyUnicode_DecodeLatin1", from_latin1_and_size},
    ModelEntry{"PyUnicode_DecodeUTF8", from_text_and_size},
    ModelEntry{"PyUnicode_Equal", equals_object},
    ModelEntry{"PyUnicode_EqualToUTF8", equals_text},
    ModelEntry{"PyUnicode_EqualToUTF8AndSize", equals_text_and_size},
    ModelEntry{"PyUnicode_FromFormat", from_format},
    ModelEntry{"PyUnicode_FromOrdinal", from_ordinal},
    ModelEntry{"PyUnicode_FromString", from_text},
    ModelEntry{"PyUnicode_FromStringAndSize", from_text_and_size},
    ModelEntry{"PyUnicode_GetLength", length},
    ModelEntry{"PyUnicode_InternFromString", intern_text},
    ModelEntry{"PyUnicode_InternInPlace", intern},
    ModelEntry{"_PyBytes_Resize", bytes_resize},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_texts() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
