// model_characters.cpp: kinds of characters, and numbers in texts.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// Tables of the "C" locale, from -128 to 255, as glibc has them.
void character_table(I& in, unsigned width, int (*value)(int)) {
    const std::uint64_t table = in.guest().new_object(384 * width), variable = in.guest().new_object(in.word());
    for (int c = -128; c < 256; ++c)
        in.guest().set_number(table + static_cast<unsigned>(c + 128) * width,
                              static_cast<std::uint64_t>(c >= 0 && c < 128 ? value(c)
                                                         : width == 2      ? 0
                                                                           : c),
                              width);
    in.guest().set_word(variable, table + 128 * width);
    in.result(variable);
}
void upper_table(I& in) {
    character_table(in, 4, [](int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
}
void lower_table(I& in) {
    character_table(in, 4, [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
}
void class_table(I& in) {
    if (!in.image().little) return in.give_up("__ctype_b_loc()");  // the bits are swapped there
    character_table(in, 2, [](int c) {
        const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        const bool hex = digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'), graph = c > ' ' && c < 127;
        const bool alnum = upper || lower || digit, space = c == ' ' || (c >= 9 && c <= 13);
        return upper << 8 | lower << 9 | (upper || lower) << 10 | digit << 11 | hex << 12 | space << 13 |
               (graph || c == ' ') << 14 | graph << 15 | (c == ' ' || c == 9) << 0 | (c < 32 || c == 127) << 1 |
               (graph && !alnum) << 2 | alnum << 3;
    });
}

// The program's own number of an error is not set.
void note_overflow(I& in) {
    if (errno == ERANGE) in.assume("a number that is too large for its type");
}

void text_to_number(I& in) {  // (text, end or NULL, base)
    const std::string text = text_of(in, in.argument(0));
    const auto base = static_cast<int>(in.argument(2));
    char* end = nullptr;
    errno = 0;
    const long long value = base == 0 || (base > 1 && base <= 36) ? std::strtoll(text.c_str(), &end, base) : 0;
    if (const std::uint64_t place = in.argument(1); place != 0 && end != nullptr)
        in.guest().set_word(place, in.argument(0) + static_cast<std::uint64_t>(end - text.c_str()));
    note_overflow(in);
    in.result(static_cast<std::uint64_t>(value));
}
void text_to_unsigned(I& in) {  // the same
    const std::string text = text_of(in, in.argument(0));
    const auto base = static_cast<int>(in.argument(2));
    char* end = nullptr;
    errno = 0;
    const unsigned long long value =
        base == 0 || (base > 1 && base <= 36) ? std::strtoull(text.c_str(), &end, base) : 0;
    if (const std::uint64_t place = in.argument(1); place != 0 && end != nullptr)
        in.guest().set_word(place, in.argument(0) + static_cast<std::uint64_t>(end - text.c_str()));
    note_overflow(in);
    in.result(value);
}
void text_as_number(I& in) {
    in.result(static_cast<std::uint64_t>(std::strtoll(text_of(in, in.argument(0)).c_str(), nullptr, 10)));
}
// Numbers with fractions: how far they reach; which they are, in registers of their own, is not said.
void text_to_fraction(I& in) {  // (text, end or NULL)
    const std::string text = text_of(in, in.argument(0));
    char* end = nullptr;
    std::strtod(text.c_str(), &end);
    if (const std::uint64_t place = in.argument(1); place != 0)
        in.guest().set_word(place, in.argument(0) + static_cast<std::uint64_t>(end - text.c_str()));
    in.unknown_number(0, 0);
}
// The same for one character.
template <typename Answer>
void of_character(I& in, Answer answer) {
    const auto c = static_cast<std::int32_t>(static_cast<std::uint32_t>(in.argument(0)));
    in.result(static_cast<std::uint64_t>(static_cast<std::int64_t>(answer(c))));
}
void to_upper(I& in) {
    of_character(in, [](int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
}
void to_lower(I& in) {
    of_character(in, [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
}
void is_space(I& in) {
    of_character(in, [](int c) { return c == ' ' || (c >= 9 && c <= 13) ? 1 : 0; });
}
void is_digit(I& in) {
    of_character(in, [](int c) { return c >= '0' && c <= '9' ? 1 : 0; });
}
bool letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
void is_letter(I& in) {
    of_character(in, [](int c) { return letter(c) ? 1 : 0; });
}
void is_letter_or_digit(I& in) {
    of_character(in, [](int c) { return letter(c) || (c >= '0' && c <= '9') ? 1 : 0; });
}
void is_upper(I& in) {
    of_character(in, [](int c) { return c >= 'A' && c <= 'Z' ? 1 : 0; });
}
void is_lower(I& in) {
    of_character(in, [](int c) { return c >= 'a' && c <= 'z' ? 1 : 0; });
}
void is_printable(I& in) {
    of_character(in, [](int c) { return c >= ' ' && c < 127 ? 1 : 0; });
}

constexpr ModelEntry table[] = {
    {"strtol", text_to_number},
    {"strtoll", text_to_number},
    {"strtoul", text_to_unsigned},
    {"strtoull", text_to_unsigned},
    {"_strtoi64", text_to_number},
    {"_strtoui64", text_to_unsigned},
    {"__isoc23_strtol", text_to_number},
    {"__isoc23_strtoll", text_to_number},
    {"__isoc23_strtoul", text_to_unsigned},
    {"__isoc23_strtoull", text_to_unsigned},
    {"strtod", text_to_fraction},
    {"strtof", text_to_fraction},
    {"strtold", text_to_fraction},
    {"strtod_l", text_to_fraction},
    {"strtof_l", text_to_fraction},
    {"strtold_l", text_to_fraction},
    {"__strtod_l", text_to_fraction},
    {"__strtof_l", text_to_fraction},
    {"atoi", text_as_number},
    {"atol", text_as_number},
    {"atoll", text_as_number},
    {"__ctype_toupper_loc", upper_table},
    {"__ctype_tolower_loc", lower_table},
    {"__ctype_b_loc", class_table},
    {"toupper", to_upper},
    {"tolower", to_lower},
    {"isspace", is_space},
    {"isdigit", is_digit},
    {"isalpha", is_letter},
    {"isalnum", is_letter_or_digit},
    {"isupper", is_upper},
    {"islower", is_lower},
    {"isprint", is_printable},
};

}  // namespace

std::span<const ModelEntry> model_characters() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
