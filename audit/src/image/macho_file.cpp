// macho_file.cpp: names of imports with their libraries, and numbers of variable length.
//
// SPDX-License-Identifier: MIT
#include "image/macho_file.hpp"

#include <string>

namespace interlock::auditing::image {

std::string_view MachFile::library(std::int64_t ordinal, std::uint64_t offset) const {
    if (ordinal <= 0) {
        if (ordinal < -3) view.malformed(offset, "the library number " + std::to_string(ordinal) + " is not known");
        return {};
    }
    if (static_cast<std::uint64_t>(ordinal) > libraries.size())
        view.malformed(offset, "library number " + std::to_string(ordinal) + " does not exist: there are " +
                                   std::to_string(libraries.size()));
    return libraries[static_cast<std::size_t>(ordinal) - 1];
}

std::uint32_t MachFile::import(std::string_view name, std::int64_t ordinal, bool weak, std::uint64_t offset) {
    const auto [known, is_new] = known_imports_.try_emplace({name, ordinal, weak}, 0);
    if (is_new) {
        Import import;
        import.name = without_underscore(name);
        import.library = library(ordinal, offset);
        import.weak = weak;
        known->second = builder.add_import(import, offset);
    }
    return known->second;
}

std::uint64_t MachCursor::uleb() {
    const auto start = at_;
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const std::uint64_t byte = u8();
        const std::uint64_t bits = byte & 0x7f;
        if (shift > 63 ? bits != 0 || shift > 70 : bits << shift >> shift != bits)
            file_->view.malformed(start, "a number has more than 64 bits");
        if (shift <= 63) value |= bits << shift;
        if ((byte & 0x80) == 0) return value;
    }
}

std::int64_t MachCursor::sleb() {
    const auto start = at_;
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (shift > 63) file_->view.malformed(start, "a number has more than 64 bits");
        const std::uint64_t byte = u8();
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (shift + 7 < 64 && (byte & 0x40) != 0) value |= ~0ull << (shift + 7);
            return static_cast<std::int64_t>(value);
        }
    }
}

}  // namespace interlock::auditing::image
