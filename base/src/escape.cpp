// escape.cpp: text of unknown origin made safe for a terminal, a log and a reader. The output is unambiguous, as the
// backslash itself is escaped, and a cut never splits a character or an escape sequence.
//
// SPDX-License-Identifier: MIT
#include <interlock/escape.hpp>

#include <array>
#include <charconv>
#include <cstdint>

namespace interlock {
namespace {

/// One step through the text: a code point of `size` bytes, or `size` == 0 when no valid UTF-8 sequence starts here.
struct Decoded {
    std::uint32_t code_point = 0;
    std::size_t size = 0;
};

Decoded decode(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    std::size_t size = 0;
    std::uint32_t smallest = 0;  // below it the sequence is longer than it need be
    std::uint32_t code_point = 0;
    if ((lead & 0xe0) == 0xc0) {
        size = 2, smallest = 0x80, code_point = lead & 0x1f;
    } else if ((lead & 0xf0) == 0xe0) {
        size = 3, smallest = 0x800, code_point = lead & 0x0f;
    } else if ((lead & 0xf8) == 0xf0) {
        size = 4, smallest = 0x10000, code_point = lead & 0x07;
    } else {
        return {};
    }
    if (text.size() < size) return {};
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {};
        code_point = code_point << 6 | (byte(i) & 0x3fU);
    }
    const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < smallest || code_point > 0x10ffff || surrogate) return {};
    return {code_point, size};
}

/// Characters outside ASCII that show nothing, or change how the text around them is shown.
bool deceptive(std::uint32_t c) {
    struct Range {
        std::uint32_t first, last;
    };
    static constexpr std::array ranges{
        Range{0x80, 0x9f},       // C1 controls: some terminals obey them
        Range{0x61c, 0x61c},     // Arabic letter mark
        Range{0x200b, 0x200b},   // zero-width space
        Range{0x200e, 0x200f},   // left-to-right and right-to-left marks
        Range{0x2028, 0x202e},   // line and paragraph separators, bidirectional embeddings and overrides
        Range{0x2060, 0x206f},   // invisible operators, bidirectional isolates
        Range{0xfeff, 0xfeff},   // byte order mark
        Range{0xfff9, 0xfffb},   // interlinear annotation
        Range{0xe0000, 0xe007f}  // tags
    };
    for (const auto& range : ranges) {
        if (c >= range.first && c <= range.last) return true;
    }
    return false;
}

void append_hex(std::string& out, std::uint32_t number, std::size_t digits) {
    std::array<char, 8> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, 16).ptr;
    const auto length = static_cast<std::size_t>(end - buffer.data());
    if (length < digits) out.append(digits - length, '0');
    out.append(buffer.data(), length);
}

/// How the character at the front of `text` is shown.
void show(std::string& out, std::string_view text, const Decoded& decoded, bool in_quotes) {
    const auto c = decoded.size == 0 ? static_cast<std::uint8_t>(text[0]) : decoded.code_point;
    if (decoded.size > 1) {
        if (deceptive(c)) {
            out += "\\u{";
            append_hex(out, c, 4);
            out += '}';
        } else {
            out += text.substr(0, decoded.size);
        }
        return;
    }
    switch (c) {
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\'':
            out += in_quotes ? "\\'" : "'";
            return;
        default:
            break;
    }
    if (c >= 0x20 && c < 0x7f) {
        out += static_cast<char>(c);
        return;
    }
    out += "\\x";
    append_hex(out, c, 2);
}

void append_escaped(std::string& out, std::string_view text, std::size_t limit, bool in_quotes) {
    const std::size_t start = out.size();
    while (!text.empty()) {
        const Decoded decoded = decode(text);
        const std::size_t before = out.size();
        show(out, text, decoded, in_quotes);
        if (out.size() - start > limit) {
            out.resize(before);
            out += "...";
            return;
        }
        text.remove_prefix(decoded.size == 0 ? 1 : decoded.size);
    }
}

}  // namespace

std::string escape(std::string_view text, std::size_t limit) {
    std::string out;
    append_escaped(out, text, limit, false);
    return out;
}

std::string Quoted::operator()(std::string_view text, std::size_t limit) const {
    std::string out = "'";
    append_escaped(out, text, limit, true);
    out += '\'';
    return out;
}

}  // namespace interlock
