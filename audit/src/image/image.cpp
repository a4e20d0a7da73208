// image.cpp: which reader a file is for, and what the formats share.
//
// SPDX-License-Identifier: MIT
#include "image/image.hpp"

#include <algorithm>

#include "image/bytes.hpp"

namespace interlock::auditing::image {

std::string_view architecture_name(Architecture architecture) noexcept {
    switch (architecture) {
        case Architecture::x86_64:
            return "x86_64";
        case Architecture::i386:
            return "i386";
        case Architecture::aarch64:
            return "aarch64";
        case Architecture::arm:
            return "arm";
        case Architecture::ppc64:
            return "ppc64";
        case Architecture::ppc64le:
            return "ppc64le";
        case Architecture::s390x:
            return "s390x";
        case Architecture::riscv64:
            return "riscv64";
        case Architecture::riscv32:
            return "riscv32";
        case Architecture::loongarch64:
            return "loongarch64";
        case Architecture::mips:
            return "mips";
        case Architecture::wasm:
            return "wasm";
        case Architecture::other:
            break;
    }
    return "other";
}

void ByteView::malformed(std::uint64_t offset, const std::string& reason) const {
    throw Failure({Errc::malformed_file, quoted(*name_, 1000) + " is not a usable shared library: at offset " +
                                             std::to_string(offset) + ": " + reason});
}

void ByteView::unsupported(const std::string& reason) const {
    throw Failure({Errc::unsupported, quoted(*name_, 1000) + " cannot be read: " + reason});
}

void ByteView::too_much(const std::string& reason) const {
    throw Failure({Errc::unreadable, quoted(*name_, 1000) + " cannot be read: " + reason});
}

const Export* Image::find_export(std::string_view name) const noexcept {
    const auto found = std::lower_bound(exports.begin(), exports.end(), name,
                                        [](const Export& entry, std::string_view key) { return entry.name < key; });
    return found != exports.end() && found->name == name ? &*found : nullptr;
}

namespace {

const Segment* segment_of(const std::vector<Segment>& segments, std::uint64_t address) noexcept {
    const auto behind = std::upper_bound(segments.begin(), segments.end(), address,
                                         [](std::uint64_t key, const Segment& entry) { return key < entry.address; });
    return behind == segments.begin() ? nullptr : &*std::prev(behind);
}

}  // namespace

bool Image::has_memory(std::uint64_t address, std::uint64_t size) const noexcept {
    const Segment* segment = segment_of(segments, address);
    return segment != nullptr && address - segment->address < segment->size &&
           size <= segment->size - (address - segment->address);
}

Bytes Image::bytes_at(std::uint64_t address, std::uint64_t size) const noexcept {
    const Segment* segment = segment_of(segments, address);
    if (segment == nullptr || address - segment->address >= segment->data.size()) return {};
    const std::uint64_t offset = address - segment->address;
    return segment->data.subspan(offset, std::min<std::uint64_t>(size, segment->data.size() - offset));
}

namespace {

constexpr std::string_view entry_point_prefixes[] = {
    "PyInit_", "PyInitU_", "PyModExport_", "PyModExportU_", "il_module_export_", "il_module_init_", "Wrapped_PyInit_"};

}  // namespace

bool is_entry_point(std::string_view name) noexcept {
    return std::any_of(std::begin(entry_point_prefixes), std::end(entry_point_prefixes), [&](std::string_view prefix) {
        return name.size() > prefix.size() && name.starts_with(prefix);
    });
}

bool is_init_of_another(std::string_view name) noexcept { return name.starts_with("Wrapped_PyInit_"); }

bool may_become_entry_point(std::string_view start) noexcept {
    return std::any_of(std::begin(entry_point_prefixes), std::end(entry_point_prefixes),
                       [&](std::string_view prefix) { return start.starts_with(prefix) || prefix.starts_with(start); });
}

Result<std::vector<Image>> read_images(Bytes file, const std::string& name, const ReadOptions& options) {
    const auto starts_with = [&](std::string_view magic) {
        return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.begin(), [](char a, auto b) {
                   return static_cast<std::uint8_t>(a) == b;
               });
    };
    using namespace std::string_view_literals;
    const auto single = [](Result<Image> image) -> Result<std::vector<Image>> {
        if (!image) return std::move(image).error();
        std::vector<Image> images;
        images.push_back(std::move(*image));
        return images;
    };
    if (starts_with("\177ELF")) return single(read_elf(file, name, options));
    if (starts_with("MZ")) return single(read_pe(file, name, options.also));
    for (const std::string_view magic : {"\xFE\xED\xFA\xCE"sv, "\xFE\xED\xFA\xCF"sv, "\xCE\xFA\xED\xFE"sv,
                                         "\xCF\xFA\xED\xFE"sv, "\xCA\xFE\xBA\xBE"sv, "\xCA\xFE\xBA\xBF"sv})
        if (starts_with(magic)) return read_macho(file, name, options.also);
    const auto cannot = [&](const char* what) {
        return Error{Errc::unsupported, quoted(name, 1000) + " cannot be read: it is " + what};
    };
    if (starts_with("\0asm"sv)) return cannot("a WebAssembly module, which this version does not read");
    if (starts_with("!<arch>\n")) return cannot("a static library, and no module");
    if (file.empty()) return Error{Errc::malformed_file, quoted(name, 1000) + " is empty"};
    return Error{Errc::malformed_file, quoted(name, 1000) + " is not a shared library: neither ELF, PE nor Mach-O"};
}

}  // namespace interlock::auditing::image
