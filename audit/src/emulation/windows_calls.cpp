// windows_calls.cpp: the calling conventions of 32-bit Windows. Functions of the system are in a table; those of C++
// say it in their names; those of the C library and of Python leave the stack to their caller.
//
// SPDX-License-Identifier: MIT
#include "emulation/windows_calls.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <unordered_map>
#include <vector>

namespace interlock::auditing::emulation {

namespace {

struct Group {
    std::uint16_t bytes;
    std::string_view names;
};
constexpr Group groups[] = {
#include "emulation/windows_calls.inc"
};

const std::unordered_map<std::string_view, std::uint16_t>& table() {
    static const auto* const made = [] {
        auto* map = new std::unordered_map<std::string_view, std::uint16_t>;
        for (const Group& group : groups) {
            std::string_view rest = group.names;
            while (!rest.empty()) {
                const std::size_t end = std::min(rest.find(' '), rest.size());
                map->emplace(rest.substr(0, end), group.bytes);
                rest.remove_prefix(std::min(end + 1, rest.size()));
            }
        }
        return map;
    }();
    return *made;
}

// Imports by number, of libraries whose numbers are fixed.
struct Numbered {
    std::string_view library;
    std::uint32_t ordinal;
    std::uint16_t bytes;
};
constexpr Numbered numbered[] = {
    {"ws2_32", 1, 12},    {"ws2_32", 2, 12},    {"ws2_32", 3, 4},    {"ws2_32", 4, 12},   {"ws2_32", 5, 12},
    {"ws2_32", 6, 12},    {"ws2_32", 7, 20},    {"ws2_32", 8, 4},    {"ws2_32", 9, 4},    {"ws2_32", 10, 12},
    {"ws2_32", 11, 4},    {"ws2_32", 12, 4},    {"ws2_32", 13, 8},   {"ws2_32", 14, 4},   {"ws2_32", 15, 4},
    {"ws2_32", 16, 16},   {"ws2_32", 17, 24},   {"ws2_32", 18, 20},  {"ws2_32", 19, 16},  {"ws2_32", 20, 24},
    {"ws2_32", 21, 20},   {"ws2_32", 22, 8},    {"ws2_32", 23, 12},  {"ws2_32", 51, 12},  {"ws2_32", 52, 4},
    {"ws2_32", 55, 8},    {"ws2_32", 56, 8},    {"ws2_32", 57, 8},   {"ws2_32", 111, 0},  {"ws2_32", 112, 4},
    {"ws2_32", 115, 8},   {"ws2_32", 116, 0},   {"ws2_32", 151, 8},  {"oleaut32", 2, 4},  {"oleaut32", 4, 8},
    {"oleaut32", 6, 4},   {"oleaut32", 7, 4},   {"oleaut32", 8, 4},  {"oleaut32", 9, 4},  {"oleaut32", 10, 8},
    {"oleaut32", 12, 16}, {"oleaut32", 15, 12}, {"oleaut32", 16, 4}, {"oleaut32", 23, 8}, {"oleaut32", 24, 4},
    {"oleaut32", 149, 4}, {"oleaut32", 150, 8}};

std::string without_ending(std::string_view library) {
    std::string lower(library);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (lower.ends_with(".dll")) lower.resize(lower.size() - 4);
    return lower;
}

// The arguments of a function in Microsoft's mangling, as far as they are simple; anything else is not known.
class Mangled {
public:
    explicit Mangled(std::string_view name) : rest_(name) {}

    std::optional<StackUse> read() {
        if (!take('?') || !qualified_name()) return std::nullopt;
        const char access = next();
        const bool member = access >= 'A' && access <= 'V';
        const bool is_static = member && (access - 'A') % 8 >= 2 && (access - 'A') % 8 <= 3;
        if (!member && access != 'Y' && access != 'Z') return std::nullopt;
        if (member && !is_static && !modifier()) return std::nullopt;
        const char convention = next();
        if (convention == 'A' || convention == 'B') return StackUse{};
        const bool has_object = convention == 'E' || convention == 'F';
        if (!has_object && convention != 'G' && convention != 'H') return std::nullopt;
        unsigned bytes = 0;
        if (!take('@')) {  // constructors and destructors return nothing that is written
            const bool decorated = rest_.starts_with("?A") || rest_.starts_with("?B");
            if (decorated) rest_.remove_prefix(2);
            const bool by_value = rest_.starts_with('V') || rest_.starts_with('U') || rest_.starts_with('T');
            if (by_value) bytes += 4;  // where the result goes
            if (!(by_value ? skip_class() : type().has_value())) return std::nullopt;
        }
        if (take('X')) return StackUse{static_cast<std::uint16_t>(bytes), has_object};
        while (!rest_.empty() && !rest_.starts_with('@')) {
            if (rest_.front() == 'Z') return StackUse{};  // any number of arguments: the caller's
            const auto size = argument();
            if (!size || bytes > 256) return std::nullopt;
            bytes += *size;
        }
        return rest_.starts_with('@') ? std::optional(StackUse{static_cast<std::uint16_t>(bytes), has_object})
                                      : std::nullopt;
    }

private:
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    char next() {
        if (rest_.empty()) return 0;
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }
    bool modifier() { return std::string_view("ABCD").contains(next()); }

    bool identifier() {
        const std::size_t end = rest_.find('@');
        if (end == std::string_view::npos || end == 0) return false;
        rest_.remove_prefix(end + 1);
        return true;
    }
    // Parts up to a closing '@': names, digits that stand for earlier ones, templates, and operators at the beginning.
    bool qualified_name() {
        if (++depth_ > 32) return false;
        bool first = true;
        while (!take('@')) {
            if (rest_.empty()) return false;
            const char c = rest_.front();
            if (c >= '0' && c <= '9') {
                next();
            } else if (rest_.starts_with("?$")) {
                rest_.remove_prefix(2);
                if (!template_name()) return false;
            } else if (c == '?') {
                next();
                if (!first) return false;
                if (next() == '_') next();
            } else if (!identifier()) {
                return false;
            }
            first = false;
        }
        --depth_;
        return true;
    }
    bool template_name() {
        // What an argument of a template stands for does not count among the arguments of the function.
        const auto kept = sizes_;
        if (take('?')) {
            if (next() == '_') next();
        } else if (!identifier()) {
            return false;
        }
        while (!take('@')) {
            if (rest_.empty()) return false;
            if (rest_.starts_with("$0")) {
                rest_.remove_prefix(2);
                if (rest_.empty()) return false;
                if (rest_.front() >= '0' && rest_.front() <= '9')
                    next();
                else if (!identifier())
                    return false;
            } else if (rest_.starts_with("$$V") || rest_.starts_with("$$Z")) {
                rest_.remove_prefix(3);
            } else if (rest_.front() >= '0' && rest_.front() <= '9') {
                next();
            } else if (!type_or_class()) {
                return false;
            }
        }
        sizes_ = kept;
        return true;
    }
    bool skip_class() {
        next();
        return qualified_name();
    }

    // An argument, whose size may be asked for again by a digit.
    std::optional<unsigned> argument() {
        if (rest_.empty()) return std::nullopt;
        const char c = rest_.front();
        if (c >= '0' && c <= '9') {
            next();
            const auto index = static_cast<std::size_t>(c - '0');
            return index < sizes_.size() ? std::optional(sizes_[index]) : std::nullopt;
        }
        const std::size_t before = rest_.size();
        const auto size = type();
        if (size && before - rest_.size() > 1 && sizes_.size() < 10) sizes_.push_back(*size);
        return size;
    }
    std::optional<unsigned> type() {
        if (++depth_ > 32) return std::nullopt;
        const auto size = type_inside();
        --depth_;
        return size;
    }
    std::optional<unsigned> type_inside() {
        if (rest_.starts_with("$$Q") || rest_.starts_with("$$R")) {
            rest_.remove_prefix(3);
            return modifier() && type_or_class() ? std::optional(4u) : std::nullopt;
        }
        if (rest_.starts_with("$$T")) {
            rest_.remove_prefix(3);
            return 4;
        }
        switch (next()) {
            case 'C':
            case 'D':
            case 'E':
            case 'F':
            case 'G':
            case 'H':
            case 'I':
            case 'J':
            case 'K':
            case 'M':
                return 4;
            case 'N':
            case 'O':
                return 8;
            case 'X':
                return 0;
            case '_':
                switch (next()) {
                    case 'J':
                    case 'K':
                        return 8;
                    case 'N':
                    case 'W':
                    case 'S':
                    case 'U':
                    case 'D':
                    case 'E':
                    case 'F':
                    case 'G':
                    case 'H':
                    case 'I':
                        return 4;
                    default:
                        return std::nullopt;
                }
            case 'W':
                next();
                return qualified_name() ? std::optional(4u) : std::nullopt;
            case 'A':
            case 'B':
            case 'P':
            case 'Q':
            case 'R':
            case 'S':
                if (rest_.starts_with('6')) return function_pointer();
                return modifier() && type_or_class() ? std::optional(4u) : std::nullopt;
            default:
                return std::nullopt;  // a class by value, an array
        }
    }
    bool type_or_class() {
        if (rest_.starts_with('V') || rest_.starts_with('U') || rest_.starts_with('T')) return skip_class();
        return type().has_value();
    }
    std::optional<unsigned> function_pointer() {
        next();
        next();  // its calling convention
        if (!type_or_class()) return std::nullopt;
        while (!take('@')) {
            if (rest_.empty()) return std::nullopt;
            if (take('X')) break;
            if (rest_.starts_with('Z')) break;
            if (!argument()) return std::nullopt;
        }
        return take('Z') ? std::optional(4u) : std::nullopt;
    }

    std::string_view rest_;
    std::vector<unsigned> sizes_;
    unsigned depth_ = 0;
};

// "_Sleep@4", as some libraries of MinGW export them.
std::optional<StackUse> decorated(std::string_view name) {
    const std::size_t at = name.rfind('@');
    unsigned bytes = 0;
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + at + 1, end, bytes);
    if (error != std::errc() || stop != end || bytes > 256) return std::nullopt;
    return StackUse{static_cast<std::uint16_t>(bytes), false};
}

bool is_of_system(std::string_view library) {
    static constexpr std::array known = {
        std::string_view("kernel32"), std::string_view("kernelbase"), std::string_view("ntdll"),
        std::string_view("advapi32"), std::string_view("bcrypt"),     std::string_view("ws2_32"),
        std::string_view("user32"),   std::string_view("gdi32"),      std::string_view("ole32"),
        std::string_view("oleaut32"), std::string_view("shell32"),    std::string_view("crypt32"),
        std::string_view("secur32"),  std::string_view("iphlpapi"),   std::string_view("winmm"),
        std::string_view("dbghelp"),  std::string_view("userenv"),    std::string_view("psapi"),
        std::string_view("version"),  std::string_view("rpcrt4"),     std::string_view("bcryptprimitives"),
        std::string_view("setupapi"), std::string_view("shlwapi"),    std::string_view("pdh"),
        std::string_view("netapi32"), std::string_view("ncrypt"),     std::string_view("powrprof"),
        std::string_view("comdlg32"), std::string_view("comctl32"),   std::string_view("dnsapi"),
        std::string_view("wtsapi32"), std::string_view("opengl32"),   std::string_view("imm32")};
    if (library.starts_with("api-ms-win-")) return !library.starts_with("api-ms-win-crt-");
    return library.starts_with("ext-ms-") || std::ranges::find(known, library) != known.end();
}

}  // namespace

std::optional<StackUse> windows_call_by_name(std::string_view name) {
    if (name.starts_with('?')) return Mangled(name).read();
    if (const auto found = table().find(name); found != table().end()) return StackUse{found->second, false};
    return decorated(name);
}

std::optional<StackUse> windows_call(const image::Import& import) {
    const std::string library = without_ending(import.library);
    if (import.name.empty()) {
        const auto found = std::ranges::find_if(numbered, [&](const Numbered& entry) {
            return entry.library == library && entry.ordinal == import.ordinal;
        });
        if (found != std::end(numbered)) return StackUse{found->bytes, false};
        return is_of_system(library) ? std::nullopt : std::optional(StackUse{});
    }
    if (import.name.starts_with('?')) return Mangled(import.name).read();
    if (!is_of_system(library)) return decorated(import.name).value_or(StackUse{});
    return windows_call_by_name(import.name);
}

}  // namespace interlock::auditing::emulation
