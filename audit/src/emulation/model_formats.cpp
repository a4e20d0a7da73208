// model_formats.cpp: formats of Py_BuildValue() and PyArg_ParseTuple(), of the units that nearly all of them have.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_formats.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::size_t longest_format = 64;

// Apple's convention for arm64 passes such arguments elsewhere than the others.
bool passes_them_elsewhere(I& in) {
    return in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64;
}
std::uint64_t as_long(I& in, std::uint64_t value) {
    const bool narrow = in.word() == 4 || in.image().format == image::Format::pe;
    return narrow ? static_cast<std::uint64_t>(std::int64_t{as_int(value)}) : value;
}

// ---- values that are made ----

void build_value(I& in) {
    const std::string format = format_at(in, 0);
    const bool tuple = format.starts_with('(') && format.ends_with(')');
    const auto values = values_of_format(in, tuple ? format.substr(1, format.size() - 2) : format, 1);
    if (!values) {
        in.assume("what Py_BuildValue makes");
        return in.result(in.new_object());
    }
    if (tuple || values->size() > 1) return in.result(in.new_tuple_of(*values));
    in.result(values->empty() ? in.variable("_Py_NoneStruct") : values->front());
}

// ---- arguments that are taken apart ----

/// Where the results go, one after the other.
struct Places {
    I& in;
    unsigned next;
    std::uint64_t take() { return in.argument(next++); }
};

// False for what is not known, and was not stored; `error` for what does not fit.
bool store_one(I& in, char unit, std::uint64_t object, Places& places, std::string& error) {
    const std::uint64_t place = places.take();
    const auto number = in.objects().number(object);
    const auto text = in.objects().text(object);
    const bool is_text = text != nullptr && !in.is_type(object);
    if (unit == 'O' || (unit == 'U' && is_text)) return in.guest().set_word(place, object);
    if (std::string_view("sz").contains(unit) && is_text) return in.guest().set_word(place, in.guest().new_text(*text));
    if (unit == 'z' && object == in.variable("_Py_NoneStruct")) return in.guest().set_word(place, 0);
    const bool known = number != nullptr && in.objects().what_number_says(object) == nullptr;
    if (std::string_view("iI").contains(unit) && known) return in.guest().set_number(place, *number, 4);
    if (std::string_view("lkn").contains(unit) && known)
        return in.guest().set_number(place, *number,
                                     unit != 'n' && in.image().format == image::Format::pe ? 4 : in.word());
    const bool wrong = (std::string_view("iIlkn").contains(unit) && is_text) ||
                       (std::string_view("sU").contains(unit) && (known || object == in.variable("_Py_NoneStruct")));
    if (wrong) error = "TypeError: an argument of another type";
    return wrong;
}

// (tuple, format, places...), with what else there is before the places.
void parse(I& in, std::uint64_t tuple, std::uint64_t format_place, unsigned first, bool keywords) {
    const std::string format = in.guest().text(format_place, longest_format).value_or("?");
    const bool known =
        in.objects().has_known_length(tuple) && !in.objects().is_list(tuple) && !passes_them_elsewhere(in) && !keywords;
    const std::uint64_t items = tuple + in.head_size() + in.word();
    const std::uint64_t count = known ? in.guest().word(tuple + in.head_size()).value_or(0) : 0;
    Places places{in, first};
    std::uint64_t next = 0, least = 0;
    bool optional = false, all = known;
    std::string error;
    for (std::size_t i = 0; i < format.size() && all && error.empty(); ++i) {
        const char unit = format[i];
        if (unit == ':' || unit == ';') break;
        if (unit == '|') {
            optional = true;
            continue;
        }
        all = std::string_view("OUszilnkI").contains(unit) &&
              !(i + 1 < format.size() && std::string_view("!&#*").contains(format[i + 1]));
        if (!all) break;
        least += optional ? 0 : 1;
        if (next < count)
            all = store_one(in, unit, in.guest().word(items + next * in.word()).value_or(0), places, error);
        else
            places.take();
        ++next;
    }
    if (all && (count < least || count > next)) error = "TypeError: a function takes another number of arguments";
    if (!error.empty()) {
        in.raise(error);
        return in.result(0);
    }
    if (all) return in.result(1);
    in.assume("arguments that are taken apart");
    in.result(in.fails() ? 0 : 1);
}
void parse_tuple(I& in) { parse(in, in.argument(0), in.argument(1), 2, false); }
void parse_with_keywords(I& in) { parse(in, in.argument(0), in.argument(2), 4, in.argument(1) != 0); }
void parse_unknown(I& in) {
    in.assume("arguments that are taken apart");
    in.result(in.fails() ? 0 : 1);
}
// PyArg_UnpackTuple(tuple, name, least, most, places...)
void unpack_tuple(I& in) {
    const std::uint64_t tuple = in.argument(0), least = in.argument(2), most = in.argument(3);
    if (!in.objects().has_known_length(tuple) || most > longest_format || passes_them_elsewhere(in))
        return parse_unknown(in);
    const std::uint64_t count = in.guest().word(tuple + in.head_size()).value_or(0);
    if (count < least || count > most) {
        in.raise("TypeError: a function takes another number of arguments");
        return in.result(0);
    }
    for (unsigned i = 0; i < count; ++i)
        in.guest().set_word(in.argument(4 + i),
                            in.guest().word(tuple + in.head_size() + (i + 1) * in.word()).value_or(0));
    in.result(1);
}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyArg_Parse", parse_unknown},
    ModelEntry{"PyArg_ParseArray", parse_unknown},
    ModelEntry{"PyArg_ParseArrayAndKeywords", parse_unknown},
    ModelEntry{"PyArg_ParseTuple", parse_tuple},
    ModelEntry{"PyArg_ParseTupleAndKeywords", parse_with_keywords},
    ModelEntry{"PyArg_UnpackTuple", unpack_tuple},
    ModelEntry{"PyArg_VaParse", parse_unknown},
    ModelEntry{"PyArg_VaParseTupleAndKeywords", parse_unknown},
    ModelEntry{"Py_BuildValue", build_value},
    ModelEntry{"_PyArg_ParseTupleAndKeywords_SizeT", parse_with_keywords},
    ModelEntry{"_PyArg_ParseTuple_SizeT", parse_tuple},
    ModelEntry{"_Py_BuildValue_SizeT", build_value},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_formats() noexcept { return table; }

std::string format_at(I& in, unsigned index) {
    const std::uint64_t place = in.argument(index);
    std::string format = place == 0 ? std::string() : in.guest().text(place, longest_format).value_or("?");
    std::erase_if(format, [](char c) { return c == ' ' || c == ',' || c == ':'; });
    return format;
}

std::optional<Arguments> values_of_format(I& in, std::string_view format, unsigned first) {
    if (passes_them_elsewhere(in) && !format.empty()) return std::nullopt;
    Arguments found;
    for (std::size_t i = 0; i < format.size(); ++i) {
        const char unit = format[i];
        if (i + 1 < format.size() && std::string_view("#&*").contains(format[i + 1])) return std::nullopt;
        const std::uint64_t value = in.argument(first++);
        if (std::string_view("OSNU").contains(unit)) {
            if (value == 0) return std::nullopt;
            found.push_back(value);
        } else if (std::string_view("sz").contains(unit)) {
            const auto text = value == 0 ? std::nullopt : in.guest().text(value);
            found.push_back(text ? in.new_text_object(*text) : in.variable("_Py_NoneStruct"));
        } else if (std::string_view("ibhBH").contains(unit)) {
            found.push_back(in.new_number(static_cast<std::uint64_t>(std::int64_t{as_int(value)})));
        } else if (std::string_view("lk").contains(unit)) {
            found.push_back(in.new_number(as_long(in, value), unit == 'l'));
        } else if (unit == 'n') {
            found.push_back(
                in.new_number(in.word() == 4 ? static_cast<std::uint64_t>(std::int64_t{as_int(value)}) : value));
        } else if (std::string_view("LK").contains(unit) && in.word() == 8) {
            found.push_back(in.new_number(value, unit == 'L'));
        } else {
            return std::nullopt;
        }
    }
    return found;
}

}  // namespace interlock::auditing::emulation

#endif
