// python_abi.cpp: names of files, libraries and entry points.
//
// SPDX-License-Identifier: MIT
#include "verdict/python_abi.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "base/python_tag.hpp"
#include "image/library_names.hpp"

namespace interlock::auditing::verdict {

namespace {

bool starts_ignoring_case(std::string_view text, std::string_view start) {
    return equals_ignoring_case(text.substr(0, start.size()), start);
}

// Behind the ABI: "x86_64-linux-gnu", "darwin", "win_amd64". Of Windows and macOS there are no others; for Linux the
// names are those of Debian's multiarch tuples.
void read_machine(std::string_view text, FileTag& tag) {
    struct Machine {
        std::string_view text, platform, architecture;
    };
    constexpr Machine machines[] = {
        {"darwin", "macos", ""},
        {"win32", "windows", "i386"},
        {"win_amd64", "windows", "x86_64"},
        {"win_arm64", "windows", "aarch64"},
        {"x86_64", "linux", "x86_64"},
        {"i386", "linux", "i386"},
        {"i686", "linux", "i386"},
        {"aarch64", "linux", "aarch64"},
        {"arm", "linux", "arm"},
        {"powerpc64le", "linux", "ppc64le"},
        {"powerpc64", "linux", "ppc64"},
        {"s390x", "linux", "s390x"},
        {"riscv64", "linux", "riscv64"},
        {"loongarch64", "linux", "loongarch64"},
    };
    const std::size_t dash = text.find('-');
    for (const Machine& machine : machines) {
        if (text.substr(0, dash) != machine.text) continue;
        const bool linux_tuple = dash != text.npos && text.substr(dash).starts_with("-linux-");
        if (linux_tuple != (machine.platform == "linux")) return;
        tag.platform = machine.platform;
        // Of x32 and the kinds of ARM the first word says nothing.
        if (!text.ends_with("x32")) tag.architecture = machine.architecture;
        return;
    }
}

// One component between dots: "cpython-313t-darwin", "cp314-win_amd64", "abi3", "abi3t-x86_64-linux-gnu".
bool read_component(std::string_view part, FileTag& tag) {
    const std::string_view head = part.substr(0, part.find('-'));
    if (head == "abi3" || head == "abi3t") {
        tag.abi = head == "abi3" ? AbiFlavour::abi3 : AbiFlavour::abi3t;
        if (part.size() > head.size()) read_machine(part.substr(head.size() + 1), tag);
        return true;
    }
    for (const std::string_view other : {"PyPy", "GraalPy"})
        if (starts_ignoring_case(head, other)) {
            tag.other_python = other;
            return true;
        }
    std::string_view version, rest;
    if (head == "cpython" && part.size() > head.size()) {
        rest = part.substr(head.size() + 1);
        version = rest.substr(0, rest.find('-'));
        rest.remove_prefix(version.size());
    } else if (head.starts_with("cp") && part.size() > head.size()) {
        version = head.substr(2);
        rest = part.substr(head.size());
    } else {
        return false;
    }
    const auto read = base::read_python_tag(version);
    if (!read) return false;
    tag.version = PythonVersion{read->major, read->minor};
    tag.abi = read->free_threaded ? AbiFlavour::free_threaded : AbiFlavour::gil;
    if (!rest.empty()) read_machine(rest.substr(1), tag);
    return true;
}

// "python313t.dll", "python3.dll", "python3t_d.dll", "libpython3.13t.so.1.0", "Python" of a framework: none of it.
void read_library(std::string_view library, LinkedAbi& linked) {
    std::string_view name = image::library_name(library);
    AbiFlavour abi = AbiFlavour::unknown;
    std::optional<PythonVersion> version;
    if (name.size() > 6 && equals_ignoring_case(name.substr(0, 6), "python") &&
        equals_ignoring_case(name.substr(name.size() - std::min<std::size_t>(4, name.size())), ".dll")) {
        std::string_view middle = name.substr(6, name.size() - 10);
        if (middle.size() > 2 && equals_ignoring_case(middle.substr(middle.size() - 2), "_d")) middle.remove_suffix(2);
        if (middle == "3" || middle == "3t") {
            abi = middle == "3" ? AbiFlavour::abi3 : AbiFlavour::abi3t;
        } else if (const auto read = base::read_python_tag(middle)) {
            abi = read->free_threaded ? AbiFlavour::free_threaded : AbiFlavour::gil;
            version = PythonVersion{read->major, read->minor};
        }
    } else if (name.starts_with("libpython3.")) {
        const std::string_view rest = name.substr(11);
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        unsigned minor = 0;
        if (digits > 0 && digits < 4) {
            std::from_chars(rest.data(), rest.data() + digits, minor);
            version = PythonVersion{3, minor};
            abi = rest.substr(digits).starts_with('t') ? AbiFlavour::free_threaded : AbiFlavour::gil;
        }
    }
    if (abi == AbiFlavour::unknown || linked.strong) return;
    linked.abi = abi;
    linked.version = version;
    linked.strong = true;
    linked.evidence.push_back({"it is linked against " + quoted(name, 200), "the list of libraries"});
}

// ---- punycode, RFC 3492 ----

constexpr std::uint32_t base = 36, t_min = 1, t_max = 26, skew = 38, damp = 700, initial_bias = 72, initial_n = 128;

std::uint32_t adapt(std::uint32_t delta, std::uint32_t points, bool first) {
    delta = first ? delta / damp : delta / 2;
    delta += delta / points;
    std::uint32_t k = 0;
    for (; delta > ((base - t_min) * t_max) / 2; k += base) delta /= base - t_min;
    return k + (base - t_min + 1) * delta / (delta + skew);
}

std::optional<std::uint32_t> digit(char c) {
    if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a');
    if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
    if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 26);
    return std::nullopt;
}

void append_utf8(std::string& text, std::uint32_t point) {
    if (point < 0x80) {
        text += static_cast<char>(point);
    } else if (point < 0x800) {
        text += static_cast<char>(0xc0 | point >> 6);
        text += static_cast<char>(0x80 | (point & 63));
    } else if (point < 0x10000) {
        text += static_cast<char>(0xe0 | point >> 12);
        text += static_cast<char>(0x80 | (point >> 6 & 63));
        text += static_cast<char>(0x80 | (point & 63));
    } else {
        text += static_cast<char>(0xf0 | point >> 18);
        text += static_cast<char>(0x80 | (point >> 12 & 63));
        text += static_cast<char>(0x80 | (point >> 6 & 63));
        text += static_cast<char>(0x80 | (point & 63));
    }
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
    });
}

FileTag read_file_tag(std::string_view file_name) {
    const std::string_view name = image::library_name(file_name);
    FileTag tag;
    tag.stem = name.substr(0, name.find('.'));
    const std::size_t last = name.rfind('.');
    const std::string_view suffix = last == std::string_view::npos ? std::string_view() : name.substr(last);
    if (equals_ignoring_case(suffix, ".pyd")) tag.platform = "windows";
    tag.extension = suffix == ".so" || equals_ignoring_case(suffix, ".pyd") || suffix == ".dll";
    const std::size_t first = name.find('.');
    if (first == std::string_view::npos || first == last) return tag;
    // The tag is the last component but the suffix: "x.y.cpython-313.so" has more dots than it should.
    const std::string_view between = name.substr(first + 1, last - first - 1);
    const std::string_view part = between.substr(between.rfind('.') + 1);
    if (read_component(part, tag)) tag.tag = part;
    return tag;
}

bool is_named_for_another_machine(const FileTag& tag, const BinaryAudit& binary) noexcept {
    const bool known = binary.platform == "linux" || binary.platform == "macos" || binary.platform == "windows";
    if (!known || tag.platform.empty()) return false;
    return tag.platform != binary.platform || (!tag.architecture.empty() && tag.architecture != binary.architecture);
}

LinkedAbi read_linked_abi(const image::Image& image) {
    LinkedAbi linked;
    // PyPy's headers rename all functions of the C API.
    for (const image::Import& import : image.imports)
        if (import.name.starts_with("PyPy") && import.name.size() > 4) {
            linked.other_python = "PyPy";
            linked.evidence.push_back({"it imports " + quoted(import.name, 200) + ", as the headers of PyPy have it",
                                       "the imported symbols"});
            return linked;
        }
    for (const std::string_view library : image.libraries) read_library(library, linked);
    if (linked.strong) return linked;
    // What these functions do is part of the macros for reference counts of interpreters without a GIL.
    for (const image::Import& import : image.imports)
        for (const std::string_view only :
             {"_Py_MergeZeroLocalRefcount", "_Py_DecRefShared", "PyUnstable_Module_SetGIL"})
            if (import.name == only) {
                linked.abi = AbiFlavour::free_threaded;
                linked.strong = true;
                linked.evidence.push_back(
                    {fmt::format("it imports {}, which only free-threaded interpreters have", only),
                     "the dynamic symbol table"});
                return linked;
            }
    const auto imports = [&](std::string_view name) {
        return std::ranges::any_of(image.imports, [&](const image::Import& import) { return import.name == name; });
    };
    if (imports("_Py_Dealloc")) {
        linked.abi = AbiFlavour::gil;
        linked.evidence.push_back(
            {"it imports _Py_Dealloc, as the macros of interpreters with a GIL do", "the dynamic symbol table"});
    }
    return linked;
}

std::string module_name_of(std::string_view module_path) {
    const std::size_t slash = module_path.rfind('/');
    std::string name(slash == std::string_view::npos ? std::string_view() : module_path.substr(0, slash));
    const std::string stem = read_file_tag(module_path).stem;
    std::ranges::replace(name, '/', '.');
    if (stem == "__init__" && !name.empty()) return name;
    return name.empty() ? stem : name + "." + stem;
}

std::optional<std::string> decode_punycode(std::string_view text) {
    if (text.size() > 250) return std::nullopt;
    const std::size_t delimiter = text.rfind('_');
    std::u32string points;
    if (delimiter != std::string_view::npos)
        for (const char c : text.substr(0, delimiter)) points += static_cast<char32_t>(static_cast<unsigned char>(c));
    std::uint32_t n = initial_n, i = 0, bias = initial_bias;
    for (std::size_t at = delimiter == std::string_view::npos ? 0 : delimiter + 1; at < text.size();) {
        const std::uint32_t old = i;
        for (std::uint32_t weight = 1, k = base;; k += base) {
            if (at == text.size()) return std::nullopt;
            const auto value = digit(text[at++]);
            if (!value || *value > (UINT32_MAX - i) / weight) return std::nullopt;
            i += *value * weight;
            const std::uint32_t threshold = k <= bias ? t_min : k >= bias + t_max ? t_max : k - bias;
            if (*value < threshold) break;
            if (weight > UINT32_MAX / (base - threshold)) return std::nullopt;
            weight *= base - threshold;
        }
        const auto count = static_cast<std::uint32_t>(points.size()) + 1;
        bias = adapt(i - old, count, old == 0);
        if (i / count > UINT32_MAX - n) return std::nullopt;
        n += i / count;
        i %= count;
        if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) return std::nullopt;
        points.insert(points.begin() + i, static_cast<char32_t>(n));
        ++i;
    }
    std::string result;
    for (const char32_t point : points) append_utf8(result, static_cast<std::uint32_t>(point));
    return result;
}

std::string module_name_of_entry_point(std::string_view entry_point) {
    for (const std::string_view prefix : {"PyInitU_", "PyModExportU_"})
        if (entry_point.starts_with(prefix)) {
            const std::string_view rest = entry_point.substr(prefix.size());
            return decode_punycode(rest).value_or(std::string(rest));
        }
    for (const std::string_view prefix : {"PyInit_", "PyModExport_", "il_module_export_", "il_module_init_"})
        if (entry_point.starts_with(prefix)) return std::string(entry_point.substr(prefix.size()));
    return std::string(entry_point);
}

}  // namespace interlock::auditing::verdict
