// image_builder.cpp: bounds for tables, order of segments and fixups.
//
// SPDX-License-Identifier: MIT
#include "image/image_builder.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <tuple>

namespace interlock::auditing::image {

namespace {

/// Of places to relocate and of imports: 200 MB of memory. The largest wheels have two million.
constexpr std::uint64_t max_entries = 8u << 20;

}  // namespace

ImageBuilder::ImageBuilder(const ByteView& view) : view_(view), names_left_(4 * view.size() + 65536) {
    image.wide = view.wide();
    image.little = view.little();
}

void ImageBuilder::add_segment(const Segment& segment, std::uint64_t offset) {
    if (segment.size == 0) return;
    const std::uint64_t last = view_.wide() ? ~0ull : ~0u;
    if (segment.address > last || segment.size - 1 > last - segment.address)
        view_.malformed(offset, "the segment at address " + hex(segment.address) + " with " + hex(segment.size) +
                                    " bytes goes beyond the end of the address space");
    image.segments.push_back(segment);
    described_at_.push_back(offset);
}

void ImageBuilder::finish_segments() {
    auto& segments = image.segments;
    std::vector<std::size_t> order(segments.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::tie(segments[a].address, a) < std::tie(segments[b].address, b);
    });
    std::vector<Segment> sorted;
    sorted.reserve(segments.size());
    for (const auto index : order) {
        if (!sorted.empty() && segments[index].address - sorted.back().address < sorted.back().size)
            view_.malformed(described_at_[index], "the segment at address " + hex(segments[index].address) +
                                                      " overlaps the one at address " + hex(sorted.back().address));
        sorted.push_back(segments[index]);
    }
    segments = std::move(sorted);
}

const Segment* ImageBuilder::segment_with(std::uint64_t address, std::uint64_t size) const noexcept {
    const auto& segments = image.segments;
    const auto after =
        std::upper_bound(segments.begin(), segments.end(), address,
                         [](std::uint64_t key, const Segment& segment) { return key < segment.address; });
    if (after == segments.begin()) return nullptr;
    const Segment& segment = *std::prev(after);
    const std::uint64_t within = address - segment.address;
    return within < segment.size && size <= segment.size - within ? &segment : nullptr;
}

std::uint64_t ImageBuilder::file_offset(std::uint64_t address) const noexcept {
    const Segment* segment = segment_with(address, 1);
    if (segment == nullptr || segment->data.empty()) return 0;
    const auto start = static_cast<std::uint64_t>(segment->data.data() - view_.bytes().data());
    return start + std::min<std::uint64_t>(address - segment->address, segment->data.size());
}

std::uint32_t ImageBuilder::add_import(const Import& import, std::uint64_t offset) {
    if (image.imports.size() >= view_.size() / 2)
        view_.malformed(offset, "there are more imports than the file has room for");
    if (image.imports.size() >= max_entries) view_.too_much("it has more than 8388608 imports");
    image.imports.push_back(import);
    return static_cast<std::uint32_t>(image.imports.size() - 1);
}

void ImageBuilder::check(const Fixup& fixup, std::uint64_t offset) const {
    if (segment_with(fixup.address, fixup.size()) == nullptr)
        view_.malformed(offset, "the place to relocate at address " + hex(fixup.address) + " is not within a segment");
    const std::uint64_t count = image.fixups.size() + fallbacks_.size();
    if (count >= view_.size() / 2)
        view_.malformed(offset, "there are more places to relocate than the file has room for");
    if (count >= max_entries) view_.too_much("it has more than 8388608 places to relocate");
}

void ImageBuilder::add_fixup(const Fixup& fixup, std::uint64_t offset) {
    check(fixup, offset);
    image.fixups.push_back(fixup);
}

void ImageBuilder::add_fallback(const Fixup& fixup, std::uint64_t offset) {
    check(fixup, offset);
    fallbacks_.push_back(fixup);
}

void ImageBuilder::add_library(std::string_view name) {
    // A file may name a library twice: for imports and for delay imports.
    if (!libraries_.insert(name).second) return;
    image.libraries.push_back(name);
}

std::string_view ImageBuilder::name(std::uint64_t offset, const char* what, std::uint64_t end) {
    const std::string_view text = view_.text(offset, what, end);
    if (text.size() >= names_left_) view_.malformed(offset, "its names are longer than the file");
    names_left_ -= text.size() + 1;
    return text;
}

std::string_view ImageBuilder::keep(std::string text) {
    image.texts.push_back(std::make_shared<const std::string>(std::move(text)));
    return *image.texts.back();
}

// Of the fixups for one place the last one counts, as dynamic linkers apply them one after the other: some linkers bind
// a place twice, and what is bound late (PE delay imports, Mach-O lazy pointers) holds the address of a helper until
// then.
void ImageBuilder::keep_last_of_each_place(std::vector<Fixup>& fixups) const {
    const auto by_address = [](const Fixup& a, const Fixup& b) { return a.address < b.address; };
    std::stable_sort(fixups.begin(), fixups.end(), by_address);
    std::size_t kept = 0;
    for (const Fixup& fixup : fixups) {
        if (kept != 0 && is_replaced(fixups[kept - 1], fixup)) --kept;
        fixups[kept++] = fixup;
    }
    fixups.resize(kept);
}

bool ImageBuilder::is_replaced(const Fixup& before, const Fixup& after) const {
    if (after.address - before.address >= before.size()) return false;
    const auto refuse = [&](const char* what) {
        view_.malformed(file_offset(after.address), what + (" at address " + hex(after.address)));
    };
    // Of one of them half would be left: no linker writes that.
    if (after.address != before.address || after.size() != before.size()) refuse("two fixups overlap");
    // The distance by which the image was moved is added, and does not replace.
    const bool adds = repeated == Repeated::relocated_first && after.kind == Fixup::Kind::rebase;
    if (adds || repeated == Repeated::refused) refuse("two fixups relocate the same word,");
    return true;
}

Image ImageBuilder::finish() {
    auto& fixups = image.fixups;
    // Rebases come before all binds, whatever the order of their tables.
    if (repeated == Repeated::relocated_first)
        std::stable_partition(fixups.begin(), fixups.end(),
                              [](const Fixup& fixup) { return fixup.kind == Fixup::Kind::rebase; });
    keep_last_of_each_place(fixups);
    keep_last_of_each_place(fallbacks_);
    std::vector<Fixup> added;
    for (const Fixup& fixup : fallbacks_) {
        const auto found = std::lower_bound(fixups.begin(), fixups.end(), fixup.address,
                                            [](const Fixup& a, std::uint64_t key) { return a.address < key; });
        if (found == fixups.end() || found->address != fixup.address) added.push_back(fixup);
    }
    if (!added.empty()) {
        fixups.insert(fixups.end(), added.begin(), added.end());
        keep_last_of_each_place(fixups);
    }

    auto& exports = image.exports;
    const auto by_name = [](const Export& a, const Export& b) {
        return std::tie(a.name, a.address) < std::tie(b.name, b.address);
    };
    const auto same_name = [](const Export& a, const Export& b) { return a.name == b.name; };
    std::sort(exports.begin(), exports.end(), by_name);
    exports.erase(std::unique(exports.begin(), exports.end(), same_name), exports.end());
    return std::move(image);
}

}  // namespace interlock::auditing::image
