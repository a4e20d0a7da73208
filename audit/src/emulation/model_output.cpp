// model_output.cpp: what is written: to files, of which what people would read is kept, and into memory, by formats
// like that of printf().
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- arguments of which the number is open ----

// Whole numbers and addresses, one after the other. A number with a fraction is not read: where it was is known, its
// value is taken to be 0.
class Arguments {
public:
    /// Those of the function at hand, from argument `first` on.
    Arguments(I& in, unsigned first) : in_(in), next_(first) {
        // There all of them are on the stack, behind those with a name.
        const bool apple =
            in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64;
        if (apple) next_ = 0;
        kind_ = apple ? Kind::stack : Kind::direct;
    }
    /// Those of a va_list.
    static Arguments of_list(I& in, std::uint64_t list) {
        Arguments made(in, 0);
        made.list_ = list;
        const image::Architecture processor = in.image().architecture;
        const bool elf = in.image().format == image::Format::elf, pe = in.image().format == image::Format::pe;
        made.kind_ = processor == image::Architecture::x86_64 && !pe    ? Kind::list_x86_64
                     : processor == image::Architecture::aarch64 && elf ? Kind::list_aarch64
                     : processor == image::Architecture::s390x          ? Kind::list_s390x
                                                                        : Kind::list;
        return made;
    }

    std::uint64_t next(bool wide) {
        const bool two = wide && in_.word() == 4;
        const std::uint64_t low = next_word(two);
        return two ? low | next_word(false) << 32 : low;
    }
    /// A number with a fraction; where these are passed like whole ones, it is stepped over.
    void skip_fraction() {
        in_.assume("a number in a text");
        const bool like_whole = kind_ == Kind::stack || kind_ == Kind::list || in_.image().format == image::Format::pe;
        if (like_whole || in_.word() == 4) next(true);
    }

private:
    enum class Kind : std::uint8_t { direct, stack, list, list_x86_64, list_aarch64, list_s390x };

    std::uint64_t next_word(bool pair) {
        Guest& guest = in_.guest();
        const std::uint64_t word = in_.word();
        const bool even = pair && in_.image().architecture == image::Architecture::arm;
        switch (kind_) {
            case Kind::direct:
                if (even && next_ % 2 != 0) ++next_;
                return in_.argument(next_++);
            case Kind::stack:
                return guest.stack_argument(next_++);
            case Kind::list:
                if (even) list_ = (list_ + 7) & ~std::uint64_t{7};
                list_ += word;
                return guest.word(list_ - word).value_or(0);
            case Kind::list_x86_64: {  // offset of whole ones, of others, then the stack, the registers
                const std::uint64_t offset = guest.number(list_, 4).value_or(48);
                if (offset < 48) {
                    guest.set_number(list_, offset + 8, 4);
                    return guest.word(guest.word(list_ + 16).value_or(0) + offset).value_or(0);
                }
                return from_memory(list_ + 8);
            }
            case Kind::list_aarch64: {  // the stack, the ends of the registers, and how far before the end
                const auto offset =
                    static_cast<std::int32_t>(static_cast<std::uint32_t>(guest.number(list_ + 24, 4).value_or(0)));
                if (offset < 0) {
                    guest.set_number(list_ + 24, static_cast<std::uint32_t>(offset + 8), 4);
                    return guest.word(guest.word(list_ + 8).value_or(0) + static_cast<std::uint64_t>(offset))
                        .value_or(0);
                }
                return from_memory(list_);
            }
            case Kind::list_s390x: {  // how many registers were read, how many others, the stack, the registers
                const std::uint64_t read = guest.word(list_).value_or(5);
                if (read < 5) {
                    guest.set_word(list_, read + 1);
                    return guest.word(guest.word(list_ + 24).value_or(0) + 16 + 8 * read).value_or(0);
                }
                return from_memory(list_ + 16);
            }
        }
        return 0;
    }
    std::uint64_t from_memory(std::uint64_t place) {
        const std::uint64_t at = in_.guest().word(place).value_or(0);
        in_.guest().set_word(place, at + in_.word());
        return in_.guest().word(at).value_or(0);
    }

    I& in_;
    unsigned next_ = 0;
    std::uint64_t list_ = 0;
    Kind kind_ = Kind::direct;
};

// ---- formats ----

struct Directive {
    bool left = false, zeros = false, plus = false, space = false, alternative = false;
    std::optional<std::size_t> width, precision;
    unsigned size = 4;  ///< bytes of a whole number
    char kind = 0;
};

constexpr std::size_t most_written = 1u << 16;

std::size_t read_number(std::string_view format, std::size_t& at) {
    std::size_t number = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at)
        number = std::min<std::size_t>(10 * number + static_cast<std::size_t>(format[at] - '0'), most_written);
    return number;
}

Directive read_directive(I& in, std::string_view format, std::size_t& at, Arguments& arguments) {
    Directive directive;
    for (; at < format.size() && std::string_view("-0+ #'").contains(format[at]); ++at) {
        directive.left |= format[at] == '-';
        directive.zeros |= format[at] == '0';
        directive.plus |= format[at] == '+';
        directive.space |= format[at] == ' ';
        directive.alternative |= format[at] == '#';
    }
    // Below 0 for an argument alone.
    const auto length = [&]() -> std::int64_t {
        if (at >= format.size() || format[at] != '*') return static_cast<std::int64_t>(read_number(format, at));
        ++at;
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(arguments.next(false)));
    };
    const auto bounded = [](std::int64_t value) {
        return std::min(static_cast<std::size_t>(value < 0 ? -value : value), most_written);
    };
    const std::int64_t width = length();
    directive.width = bounded(width);
    directive.left |= width < 0;
    if (at < format.size() && format[at] == '.') {
        ++at;
        // A precision below 0 is none.
        if (const std::int64_t precision = length(); precision >= 0) directive.precision = bounded(precision);
    }
    const unsigned of_long = in.image().format == image::Format::pe ? 4 : in.word();
    for (; at < format.size() && std::string_view("hlLqjztIw").contains(format[at]); ++at) {
        const char modifier = format[at];
        if (modifier == 'l')
            directive.size = directive.size == of_long && at > 0 && format[at - 1] == 'l' ? 8 : of_long;
        if (modifier == 'h') directive.size = directive.size == 2 ? 1 : 2;
        if (modifier == 'z' || modifier == 't') directive.size = in.word();
        if (modifier == 'j' || modifier == 'q') directive.size = 8;
        if (modifier == 'I') {  // Microsoft's: I64, I32, I
            directive.size = in.word();
            if (format.substr(at + 1).starts_with("64")) directive.size = 8;
            if (format.substr(at + 1).starts_with("32")) directive.size = 4;
            if (format.substr(at + 1).starts_with("64") || format.substr(at + 1).starts_with("32")) at += 2;
        }
    }
    directive.kind = at < format.size() ? format[at++] : '\0';
    return directive;
}

std::string whole_number(const Directive& directive, std::uint64_t value) {
    const unsigned bits = 8 * directive.size;
    const std::uint64_t mask = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    value &= mask;
    const bool is_signed = directive.kind == 'd' || directive.kind == 'i';
    const bool negative = is_signed && (value >> (bits - 1) & 1) != 0;
    if (negative) value = (0 - value) & mask;
    std::string digits = directive.kind == 'x'   ? fmt::format("{:x}", value)
                         : directive.kind == 'X' ? fmt::format("{:X}", value)
                         : directive.kind == 'o' ? fmt::format("{:o}", value)
                                                 : fmt::format("{}", value);
    std::string sign = negative ? "-" : is_signed && directive.plus ? "+" : is_signed && directive.space ? " " : "";
    if (directive.alternative && value != 0 && (directive.kind == 'x' || directive.kind == 'X'))
        sign = directive.kind == 'x' ? "0x" : "0X";
    std::size_t wanted = directive.precision.value_or(1);
    if (directive.zeros && !directive.left && !directive.precision && directive.width.value_or(0) > sign.size())
        wanted = *directive.width - sign.size();
    if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
    return sign + digits;
}

std::string one_argument(I& in, const Directive& directive, Arguments& arguments) {
    switch (directive.kind) {
        case '%':
            return "%";
        case 'c':
            return std::string(1, static_cast<char>(arguments.next(false)));
        case 's': {
            const std::uint64_t address = arguments.next(false);
            if (address == 0) return "(null)";
            if (!directive.precision) return text_of(in, address);
            std::string text;  // there may be no zero behind it
            for (std::size_t i = 0; i < *directive.precision; ++i) {
                const auto byte = in.guest().number(address + i, 1).value_or(0);
                if (byte == 0) break;
                text.push_back(static_cast<char>(byte));
            }
            return text;
        }
        case 'p':
            return fmt::format("{:#x}", arguments.next(false));
        case 'd':
        case 'i':
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            return whole_number(directive, arguments.next(directive.size == 8));
        case 'e':
        case 'f':
        case 'g':
        case 'a':
        case 'E':
        case 'F':
        case 'G':
        case 'A':
            arguments.skip_fraction();
            return directive.kind == 'f' ? "0.000000" : "0";
        default:
            in.assume("a text that is put together");  // %n, positions, wide texts
            return {};
    }
}

std::string formatted(I& in, std::uint64_t address, Arguments arguments) {
    const std::string format = text_of(in, address);
    std::string text;
    for (std::size_t at = 0; at < format.size() && text.size() < most_written;) {
        if (format[at] != '%') {
            text.push_back(format[at++]);
            continue;
        }
        ++at;
        const Directive directive = read_directive(in, format, at, arguments);
        std::string part = one_argument(in, directive, arguments);
        const std::size_t missing = std::max(directive.width.value_or(0), part.size()) - part.size();
        directive.left ? void(part.append(missing, ' ')) : void(part.insert(0, missing, ' '));
        text += part;
    }
    in.guest().charge(text.size());
    return text;
}

// As snprintf(): what there is room for, with a zero, and the length that it would have.
void into_memory(I& in, std::uint64_t place, std::uint64_t room, const std::string& text) {
    in.result(text.size());
    if (room == 0 || place == 0) return;
    const std::string part = text.substr(0, room - 1);
    if (!in.guest().write(place, part.c_str(), part.size() + 1)) no_memory_there(in);
}

constexpr std::uint64_t any_size = ~std::uint64_t{0};

// Where the buffer's size, the format and the arguments are; 9 for a size that there is not.
template <unsigned Size, unsigned Format, bool List>
void format_text(I& in) {
    const std::uint64_t room = Size == 9 ? any_size : in.argument(Size);
    Arguments arguments = List ? Arguments::of_list(in, in.argument(Format + 1)) : Arguments(in, Format + 1);
    into_memory(in, in.argument(0), room, formatted(in, in.argument(Format), std::move(arguments)));
}
// Microsoft's: (options of 64 bits, buffer, size, format, locale, list).
void common_format(I& in) {
    const unsigned more = in.word() == 4 ? 1 : 0;
    const std::uint64_t place = in.argument(1 + more), room = in.argument(2 + more);
    const std::string text = formatted(in, in.argument(3 + more), Arguments::of_list(in, in.argument(5 + more)));
    into_memory(in, place, room, text);
    if (place != 0 && room <= text.size()) in.result(~std::uint64_t{0});
}
// Mostly all of it is; there may be less room.
void written(I& in, std::uint64_t count) { in.unknown_number(count, count == 0 ? 0 : count - 1); }
void common_print(I& in) {  // (options, file, format, locale, list)
    const unsigned more = in.word() == 4 ? 1 : 0;
    const std::string text = formatted(in, in.argument(2 + more), Arguments::of_list(in, in.argument(4 + more)));
    keep_written(in, text);
    written(in, text.size());
}
template <unsigned Format, bool List>
void print_text(I& in) {
    Arguments arguments = List ? Arguments::of_list(in, in.argument(Format + 1)) : Arguments(in, Format + 1);
    const std::string text = formatted(in, in.argument(Format), std::move(arguments));
    keep_written(in, text);
    written(in, text.size());
}
template <unsigned Format, bool List>
void new_formatted(I& in) {  // asprintf(place, ...)
    Arguments arguments = List ? Arguments::of_list(in, in.argument(Format + 1)) : Arguments(in, Format + 1);
    const std::string text = formatted(in, in.argument(Format), std::move(arguments));
    in.guest().set_word(in.argument(0), in.guest().new_text(text));
    in.result(text.size());
}

// ---- files ----

void put_text(I& in) {
    keep_written(in, text_of(in, in.argument(0)));
    written(in, 1);
}
void put_block(I& in) {  // fwrite(bytes, size, count, file)
    const std::uint64_t count = in.argument(2);
    std::uint64_t size = 0;
    if (!__builtin_mul_overflow(in.argument(1), count, &size))
        keep_written(in, bytes_of(in, in.argument(0), std::min<std::uint64_t>(size, 1024)));
    written(in, count);
}
void write_bytes(I& in) {
    const std::uint64_t count = in.argument(2);
    keep_written(in, bytes_of(in, in.argument(1), std::min<std::uint64_t>(count, 1024)));
    written(in, count);
}
void write_pieces(I& in) {  // writev(file, pieces, count)
    std::uint64_t sum = 0;
    const std::uint64_t count = std::min<std::uint64_t>(in.argument(2) & 0xffffffff, 64);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t place = in.argument(1) + 2 * i * in.word();
        const std::uint64_t size = in.guest().word(place + in.word()).value_or(0);
        keep_written(in, bytes_of(in, in.guest().word(place).value_or(0), std::min<std::uint64_t>(size, 1024)));
        sum += size;
    }
    written(in, sum);
}

constexpr ModelEntry table[] = {
    {"snprintf", format_text<1, 2, false>},
    {"vsnprintf", format_text<1, 2, true>},
    {"_snprintf", format_text<1, 2, false>},
    {"sprintf", format_text<9, 1, false>},
    {"vsprintf", format_text<9, 1, true>},
    {"sprintf_s", format_text<1, 2, false>},
    {"__snprintf_chk", format_text<1, 4, false>},
    {"__vsnprintf_chk", format_text<1, 4, true>},
    {"__sprintf_chk", format_text<9, 3, false>},
    {"__vsprintf_chk", format_text<9, 3, true>},
    {"PyOS_snprintf", format_text<1, 2, false>},
    {"PyOS_vsnprintf", format_text<1, 2, true>},
    {"asprintf", new_formatted<1, false>},
    {"vasprintf", new_formatted<1, true>},
    {"__asprintf_chk", new_formatted<2, false>},
    {"__vasprintf_chk", new_formatted<2, true>},
    {"__stdio_common_vsprintf", common_format},
    {"__stdio_common_vsnprintf_s", zero},
    {"__stdio_common_vfprintf", common_print},
    {"printf", print_text<0, false>},
    {"vprintf", print_text<0, true>},
    {"fprintf", print_text<1, false>},
    {"vfprintf", print_text<1, true>},
    {"dprintf", print_text<1, false>},
    {"__printf_chk", print_text<1, false>},
    {"__fprintf_chk", print_text<2, false>},
    {"__vfprintf_chk", print_text<2, true>},
    {"puts", put_text},
    {"fputs", put_text},
    {"perror", put_text},
    {"fwrite", put_block},
    {"write", write_bytes},
    {"_write", write_bytes},
    {"writev", write_pieces},
    {"fputc", zero},
    {"putc", zero},
    {"putchar", zero},
    {"fflush", zero},
    {"setvbuf", zero},
    {"__acrt_iob_func", zero},
};

}  // namespace

std::span<const ModelEntry> model_output() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
