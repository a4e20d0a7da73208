// loaded_image.hpp: what the dynamic linker really has behind a handle. It finds a library by its path, and then hands
// out the one that it opened under that path before, whatever lies there now.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <elf.h>
#include <link.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <interlock/marker.hpp>

namespace interlock::detail {

/// A library that is mapped, for as long as its handle is open.
class LoadedImage {
public:
    LoadedImage(ElfW(Addr) base, std::span<const ElfW(Phdr)> segments) : base_(base), segments_(segments) {}
    /// Of a handle from dlopen(); nullopt if the dynamic linker does not know it. Detached.
    static std::optional<LoadedImage> of(void* handle);

    /// Why it is not the file that was read, or nullopt: the mapping belongs to another file than `descriptor`, or its
    /// notes, in which the marker is, are other ones. Without /proc only the notes are compared.
    std::optional<std::string> differs_from(const ModuleFile& file, int descriptor) const;
    /// Whether it has code at an address.
    bool has_code_at(const void* address) const noexcept;
    /// The bytes of its note segments, and whether they are these.
    std::string notes() const;
    bool has_notes(std::string_view bytes) const noexcept;

private:
    bool covers(const ElfW(Phdr) & part) const noexcept;

    ElfW(Addr) base_;
    std::span<const ElfW(Phdr)> segments_;
};

}  // namespace interlock::detail
