// image_builder.hpp: what the readers of ELF, PE and Mach-O share: an Image that grows within bounds, and the checks
// that make it one on which others can rely (segments and fixups sorted, nothing overlaps, nothing lies outside).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "abi/byte_source.hpp"
#include "image/bytes.hpp"
#include "image/image.hpp"

namespace interlock::auditing::image {

using interlock::hex;

/// What the dynamic linker makes of two fixups for one place. Two that overlap in part are refused always.
enum class Repeated : std::uint8_t {
    relocated_first,  ///< addresses in the image come before all else and may not repeat, as they add to what is there
    replaced,         ///< the last one counts, whatever it is
    refused,          ///< each adds to what is there, so what comes first would decide
};

/// All errors are thrown as Failure with malformed_file or unsupported.
class ImageBuilder {
public:
    explicit ImageBuilder(const ByteView& view);

    Image image;
    Repeated repeated = Repeated::relocated_first;

    /// `offset` is where the file describes the segment. Empty segments are left out.
    void add_segment(const Segment& segment, std::uint64_t offset);
    /// After the last segment, before the first fixup: sorts, and refuses segments that overlap.
    void finish_segments();
    /// The segment in which all of the range lies, or null.
    const Segment* segment_with(std::uint64_t address, std::uint64_t size) const noexcept;
    /// Where the byte at `address` is in the file; the end of the segment's bytes if it is not stored there.
    std::uint64_t file_offset(std::uint64_t address) const noexcept;

    std::uint32_t add_import(const Import& import, std::uint64_t offset);
    /// `offset` is where the file describes the fixup.
    void add_fixup(const Fixup& fixup, std::uint64_t offset);
    /// One that counts only where no other fixup is.
    void add_fallback(const Fixup& fixup, std::uint64_t offset);
    void add_export(const Export& entry) { image.exports.push_back(entry); }
    void add_library(std::string_view name);

    /// The text at `offset`. What all calls read together is limited, as names of right files share no bytes.
    std::string_view name(std::uint64_t offset, const char* what, std::uint64_t end);
    /// A text that lives as long as the image and its copies.
    std::string_view keep(std::string text);

    /// The finished image; the builder is of no use afterwards.
    Image finish();

private:
    void check(const Fixup& fixup, std::uint64_t offset) const;
    void keep_last_of_each_place(std::vector<Fixup>& fixups) const;
    bool is_replaced(const Fixup& before, const Fixup& after) const;

    ByteView view_;
    std::vector<std::uint64_t> described_at_;  // of the segments
    std::vector<Fixup> fallbacks_;
    std::unordered_set<std::string_view> libraries_;
    std::uint64_t names_left_;
};

}  // namespace interlock::auditing::image
