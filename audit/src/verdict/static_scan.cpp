// static_scan.cpp: reads the file's data as memory in which an imported address is not known. Each pointer to the
// module's name is tried as the field of a definition, for either layout of objects.
//
// SPDX-License-Identifier: MIT
#include "verdict/static_scan.hpp"

#include <algorithm>

namespace interlock::auditing::verdict {

namespace {

constexpr std::size_t max_found = 16;

// The file as its dynamic linker would have it: words that are relocated have the address they will mean.
class FileMemory final : public emulation::Memory {
public:
    explicit FileMemory(const image::Image& image) : image_(image) {}

    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) override {
        if (!image_.has_memory(address, size)) return std::nullopt;
        const auto fixup = std::ranges::lower_bound(image_.fixups, address, {}, &image::Fixup::address);
        if (fixup != image_.fixups.end() && fixup->address == address && fixup->width == size) {
            if (fixup->kind == image::Fixup::Kind::rebase) return fixup->value;
            return external;  // not 0, and no address of the image
        }
        const image::Bytes bytes = image_.bytes_at(address, size);
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes.size(); ++i)
            value |= std::uint64_t{bytes[i]} << (8 * (image_.little ? i : size - 1 - i));
        return value;
    }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit) override {
        const image::Bytes bytes = image_.bytes_at(address, limit);
        const auto zero = std::ranges::find(bytes, 0);
        if (zero == bytes.end()) return std::nullopt;
        return std::string(bytes.begin(), zero);
    }
    bool is_unknown(std::uint64_t value) override { return value == external; }
    bool is_address(std::uint64_t value) override {
        return value == external || (value > 0xfff && image_.has_memory(value, 1));
    }
    bool wide() const override { return image_.wide; }

private:
    static constexpr std::uint64_t external = 0xffff'ffff'ffff'f000;
    const image::Image& image_;
};

// Whose reference counts are in front of the name at `name`: true = those of free-threaded interpreters. Between it and
// the name are the type, a function and two numbers, which are 0 in a file. nullopt when nobody filled them in.
std::optional<bool> free_threaded_head(emulation::Memory& memory, std::uint64_t name) {
    const auto count = memory.word(name - 5 * memory.word_size());  // GIL: ob_refcnt; else ob_ref_shared, which is 0
    if (count.value_or(0) != 0) return false;
    const auto local = memory.word(name - 6 * memory.word_size());  // ob_ref_local, which is all ones
    if (local.value_or(0) != 0) return true;
    return std::nullopt;
}

}  // namespace

std::vector<ScannedDefinition> find_definitions(const image::Image& image, std::string_view module,
                                                bool expect_free_threaded) {
    FileMemory memory(image);
    std::vector<ScannedDefinition> found;
    for (const image::Fixup& fixup : image.fixups) {
        if (fixup.kind != image::Fixup::Kind::rebase || found.size() >= max_found) continue;
        const auto name = memory.text(fixup.value, module.size() + 256);
        if (!name || !name->ends_with(module)) continue;
        if (name->size() > module.size() && (*name)[name->size() - module.size() - 1] != '.') continue;
        const std::optional<bool> head = free_threaded_head(memory, fixup.address);
        for (const bool free_threaded : {expect_free_threaded, !expect_free_threaded}) {
            if (head && *head != free_threaded) continue;
            const emulation::DefLayout layout = emulation::def_layout(image.wide, free_threaded);
            if (fixup.address < layout.name) continue;
            const std::uint64_t address = fixup.address - layout.name;
            // A definition has nothing but its reference count in front of the name.
            const auto index = memory.word(fixup.address - 2 * memory.word_size());
            const auto copy = memory.word(fixup.address - memory.word_size());
            if (!index || !copy || *index != 0 || *copy != 0) continue;
            auto definition = emulation::read_definition(memory, address, free_threaded);
            if (!definition || definition->free_threaded != free_threaded) continue;
            found.push_back({address, std::move(*definition)});
            break;
        }
    }
    return found;
}

}  // namespace interlock::auditing::verdict
