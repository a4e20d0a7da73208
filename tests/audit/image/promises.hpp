// promises.hpp: what readers promise of every image, for tests and the fuzzer.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "image/image.hpp"

namespace interlock::test {

/// What every image has to keep, whatever the file: other code relies on it without looking. Empty, or what is wrong.
inline std::string broken_promise(const auditing::image::Image& image, auditing::image::Bytes file) {
    using auditing::image::Fixup;
    const auto within_file = [&](const void* first, std::size_t size) {
        const auto* begin = static_cast<const std::uint8_t*>(first);
        return size == 0 || (begin >= file.data() && begin + size <= file.data() + file.size());
    };
    std::uint64_t end = 0;
    bool is_first = true;
    for (const auto& segment : image.segments) {
        if (segment.size == 0 || segment.data.size() > segment.size) return "a segment is empty, or has too much data";
        if (!is_first && segment.address < end) return "segments overlap";
        if (segment.size - 1 > ~segment.address) return "a segment wraps around";
        if (!within_file(segment.data.data(), segment.data.size())) return "a segment's data is not in the file";
        end = segment.address + segment.size;
        is_first = false;
    }
    const Fixup* before = nullptr;
    for (const auto& fixup : image.fixups) {
        if (fixup.width != 4 && fixup.width != 8) return "a fixup has a strange width";
        if (!image.has_memory(fixup.address, fixup.size())) return "a fixup is outside of all segments";
        if (before != nullptr && fixup.address < before->address) return "fixups are not sorted";
        if (before != nullptr && fixup.address - before->address < before->size()) return "fixups overlap";
        if (fixup.kind == Fixup::Kind::import
                ? fixup.import >= image.imports.size()
                : fixup.import != Fixup::no_import && fixup.kind == Fixup::Kind::rebase && fixup.import != 0)
            return "a fixup names an import that does not exist";
        before = &fixup;
    }
    const auditing::image::Export* last = nullptr;
    for (const auto& entry : image.exports) {
        if (last != nullptr && entry.name <= last->name) return "exports are not sorted, or one is there twice";
        last = &entry;
    }
    for (const auto& import : image.imports)
        if (!within_file(import.name.data(), import.name.size())) return "the name of an import is not in the file";
    if (!within_file(image.tls_data.data(), image.tls_data.size())) return "thread-local data is not in the file";
    if (image.tls_data.size() > image.tls_size) return "thread-local data is larger than its block";
    return {};
}

}  // namespace interlock::test
