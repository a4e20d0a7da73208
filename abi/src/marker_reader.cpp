// marker_reader.cpp: from the notes and the symbols of a shared library to what the module says of itself.
//
// SPDX-License-Identifier: MIT
#include <elf.h>
#include <algorithm>
#include <array>

#include <interlock/module.h>
#include <interlock/escape.hpp>
#include <interlock/marker.hpp>

#include "abi/byte_source.hpp"
#include "abi/elf_dynamic.hpp"
#include "abi/elf_view.hpp"
#include "elf_names.hpp"
#include "marker_error.hpp"

namespace interlock {
namespace {

constexpr std::string_view owner = IL_NOTE_OWNER;
/// As IL_MARKER_NOTE_ stores it: with one terminating zero.
constexpr std::string_view stored_owner{IL_NOTE_OWNER, sizeof(IL_NOTE_OWNER)};

std::string_view without_zeros(std::string_view text) {
    const auto last = text.find_last_not_of('\0');
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

Marker read_marker(const Note& note, const std::string& name) {
    auto reject = [&](const std::string& reason) { throw Failure(marker_error(name, note.offset, reason)); };
    if (note.owner != stored_owner) {
        reject("its owner takes " + std::to_string(note.owner.size()) + " bytes, not " +
               std::to_string(stored_owner.size()));
    }
    if (note.type != IL_NOTE_TYPE) reject("its type is " + hex(note.type) + ", not " + hex(IL_NOTE_TYPE));
    if (!note.complete) reject("its description runs out of the note segment");
    auto marker = parse_marker(note.description, name, note.offset);
    if (!marker) throw Failure(std::move(marker).error());
    return std::move(marker).value();
}

/// Whether the bytes of a segment are those at its address in the loaded image.
bool is_loaded(const ElfView& elf, const ElfSegment& segment) {
    const auto place = elf.place(segment.address, "a note segment");
    return place.offset == segment.offset && segment.file_size <= place.available;
}

void read_notes(const ElfView& elf, const std::string& name, ModuleFile& out) {
    ByteSource::Buffer buffer;
    for (const auto& segment : elf.segments()) {
        if (segment.type != PT_NOTE) continue;
        const auto bytes = elf.note_bytes(segment, buffer);
        out.notes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        for (const auto& note : elf.notes(segment, bytes)) {
            if (without_zeros(note.owner) == owner) {
                if (!is_loaded(elf, segment)) throw Failure(marker_error(name, note.offset, "it is not loaded"));
                // Note segments may overlap; the same bytes are the same marker.
                const bool seen = std::any_of(out.markers.begin(), out.markers.end(),
                                              [&](const Marker& other) { return other.offset == note.offset; });
                if (!seen) out.markers.push_back(read_marker(note, name));
            } else if (!note.complete) {
                elf.source().malformed(note.offset, "the description of a note runs out of its segment");
            } else if (out.build_id.empty()) {
                out.build_id = note.build_id();
            }
        }
    }
    std::sort(out.markers.begin(), out.markers.end(),
              [](const Marker& a, const Marker& b) { return a.offset < b.offset; });
}

void check_names(const std::string& name, const std::vector<Marker>& markers) {
    std::vector<const Marker*> by_name;
    for (const auto& marker : markers) by_name.push_back(&marker);
    std::sort(by_name.begin(), by_name.end(), [](const Marker* a, const Marker* b) {
        return a->module != b->module ? a->module < b->module : a->offset < b->offset;
    });
    for (std::size_t i = 1; i < by_name.size(); ++i) {
        if (by_name[i]->module != by_name[i - 1]->module) continue;
        throw Failure(marker_error(name, by_name[i]->offset,
                                   "it is the second one for module " + quoted(by_name[i]->module) +
                                       "; the first is at offset " + hex(by_name[i - 1]->offset)));
    }
}

void read_entry_points(const ElfView& elf, const DynamicInfo& dynamic, ModuleFile& out) {
    constexpr std::array<std::string_view, 7> prefixes{"il_module_export_", "il_module_init_", "PyInit_",
                                                       "PyInitU_",          "PyModExport_",    "PyModExportU_",
                                                       "Py_Initialize"};
    auto found = exported_suffixes(elf, dynamic, prefixes);
    out.exports = std::move(found[0]);
    out.legacy_inits = std::move(found[1]);
    const bool interpreter = std::find(found[6].begin(), found[6].end(), "Ex") != found[6].end();
    for (std::size_t i = 2; i < 6 && !interpreter; ++i)
        out.python_inits.insert(out.python_inits.end(), found[i].begin(), found[i].end());
    std::sort(out.python_inits.begin(), out.python_inits.end());
    out.python_inits.erase(std::unique(out.python_inits.begin(), out.python_inits.end()), out.python_inits.end());
    out.has_entry_points = true;
}

void read_elf(const ByteSource& source, const std::string& name, ReadDepth depth, ModuleFile& out) {
    const ElfView elf(source);
    out.machine = elf.machine();
    out.native = elf.native();
    read_notes(elf, name, out);
    check_names(name, out.markers);
    const ElfSegment* segment = dynamic_segment(elf);
    const DynamicInfo dynamic = segment == nullptr ? DynamicInfo() : dynamic_info(elf, *segment, elf);
    out.linkage = linkage(elf, dynamic);
    if (depth == ReadDepth::entry_points) read_entry_points(elf, dynamic, out);
}

}  // namespace

const Marker* ModuleFile::marker_for(std::string_view name) const noexcept {
    for (const auto& marker : markers) {
        if (marker.module == name) return &marker;
    }
    return nullptr;
}

Result<ModuleFile> read_module_file(const std::filesystem::path& path, ReadDepth depth) {
    auto file = base::RegularFile::open(path);
    if (!file) return std::move(file).error();
    try {
        ModuleFile out;
        out.path = path;
        out.identity = file->identity();
        const ByteSource source(*file, path.native());
        read_elf(source, path.native(), depth, out);
        return out;
    } catch (const Failure& failure) {
        return failure.error();
    }
}

Result<ModuleFile> read_module_image(std::span<const std::uint8_t> image, const std::string& name, ReadDepth depth) {
    try {
        ModuleFile out;
        out.path = name;
        out.identity.size = image.size();
        const ByteSource source(image, name);
        read_elf(source, name, depth, out);
        return out;
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock
