// macho_builder.hpp: makes Mach-O images by hand, for forms and faults that no linker here writes: __TEXT and __DATA,
// a page each, and __LINKEDIT with the tables that a test gives.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "patching.hpp"

namespace interlock::test {

inline void append(Image& image, std::uint64_t value, unsigned size, bool little = true) {
    put(image, image.size(), value, size, little);
}
inline void append(Image& image, std::string_view text) {
    image.insert(image.end(), text.begin(), text.end());
    image.push_back(0);
}
inline void append_uleb(Image& image, std::uint64_t value) {
    do {
        image.push_back(static_cast<std::uint8_t>((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
        value >>= 7;
    } while (value != 0);
}

/// An export trie with one name below the root; `entry` is what is said of it.
inline Image trie_of(std::string_view name, const Image& entry) {
    Image trie = {0, 1};
    append(trie, name);
    trie.push_back(static_cast<std::uint8_t>(trie.size() + 1));
    append_uleb(trie, entry.size());
    trie.insert(trie.end(), entry.begin(), entry.end());
    trie.push_back(0);
    return trie;
}
/// That of a module with its entry point at 0x800 of the image.
inline Image module_trie() { return trie_of("_PyInit_x", {0, 0x80, 0x10}); }

/// One of the imports of chained fixups.
struct ChainedImport {
    std::string name;
    int ordinal = -2;
    bool weak = false;
    std::uint64_t addend = 0;
};

/// LC_DYLD_CHAINED_FIXUPS for one page of the segment __DATA.
struct ChainedTable {
    unsigned pointer_format = 6, import_format = 1;
    unsigned page_start = 0, page_size = 0x1000;
    std::uint64_t segment_offset = 0x1000;
    std::vector<ChainedImport> imports = {};

    // Where things are in the table.
    static constexpr unsigned starts = 32, segment_starts = 32 + 16, imports_at = 80;

    Image build() const {
        Image table;
        const unsigned size = import_format == 1 ? 4 : import_format == 2 ? 8 : 16;
        const auto names_at = imports_at + size * imports.size();
        for (const std::uint64_t field :
             {std::uint64_t{0}, std::uint64_t{starts}, std::uint64_t{imports_at}, std::uint64_t{names_at},
              std::uint64_t{imports.size()}, std::uint64_t{import_format}, std::uint64_t{0}, std::uint64_t{0}})
            append(table, field, 4);
        for (const unsigned field : {3u, 0u, segment_starts - starts, 0u}) append(table, field, 4);
        append(table, 24, 4);
        append(table, page_size, 2);
        append(table, pointer_format, 2);
        append(table, segment_offset, 8);
        append(table, 0, 4);
        append(table, 1, 2);
        append(table, page_start, 2);
        table.resize(imports_at);
        Image names;
        for (const auto& import : imports) {
            const std::uint64_t name = names.size();
            const auto ordinal = static_cast<std::uint64_t>(static_cast<std::int64_t>(import.ordinal));
            const std::uint64_t weak = import.weak;
            if (import_format == 3) {
                append(table, (ordinal & 0xffff) | weak << 16 | name << 32, 8);
                append(table, import.addend, 8);
            } else {
                append(table, (ordinal & 0xff) | weak << 8 | name << 9, 4);
                if (import_format == 2) append(table, import.addend, 4);
            }
            append(names, import.name);
        }
        table.insert(table.end(), names.begin(), names.end());
        return table;
    }
};

struct DyldInfoTables {
    Image rebase, bind, weak_bind, lazy_bind;
};

struct MachBuilder {
    bool wide = true, little = true;
    std::uint32_t cpu = 0x0100000c, type = 6;
    std::uint64_t base = 0;
    std::vector<std::string> libraries = {"/usr/lib/libSystem.B.dylib"};
    /// Words of __DATA, by their offset.
    std::map<unsigned, std::uint64_t> data = {};
    Image chained, trie;
    DyldInfoTables info;
    bool has_info = false;
    std::vector<Image> more_commands = {};

    static constexpr std::uint64_t linkedit = 0x2000;  ///< file offset
    // Filled by build(): offsets of load commands and tables.
    std::uint64_t text_command = 0, data_command = 0, linkedit_command = 0, chained_at = 0, trie_at = 0;
    std::uint64_t rebase_at = 0, bind_at = 0, weak_bind_at = 0, lazy_bind_at = 0;

    unsigned word() const { return wide ? 8 : 4; }

    Image build() {
        image_.clear();
        commands_.clear();
        count_ = 0;
        tables_.clear();
        const auto header = wide ? 32u : 28u;
        text_command = header;
        segment("__TEXT", base, 0x1000, 0, 0x1000, 5);
        data_command = header + commands_.size();
        segment("__DATA", base + 0x1000, 0x1000, 0x1000, 0x1000, 3);
        linkedit_command = header + commands_.size();
        segment("__LINKEDIT", base + 0x2000, 0x1000, linkedit, 0, 1);
        for (const auto& library : libraries) dylib(library);
        if (!chained.empty()) chained_at = link_edit_data(0x80000034, chained);
        if (has_info) {
            start_command(0x80000022, 48);
            rebase_at = table(info.rebase);
            bind_at = table(info.bind);
            weak_bind_at = table(info.weak_bind);
            lazy_bind_at = table(info.lazy_bind);
            trie_at = table(trie);
        } else if (!trie.empty()) {
            trie_at = link_edit_data(0x80000033, trie);
        }
        for (const auto& command : more_commands) {
            commands_.insert(commands_.end(), command.begin(), command.end());
            ++count_;
        }
        number(image_, wide ? 0xfeedfacf : 0xfeedface, 4);
        number(image_, cpu, 4);
        number(image_, 0, 4);
        number(image_, type, 4);
        number(image_, count_, 4);
        number(image_, commands_.size(), 4);
        number(image_, 0, 4);
        if (wide) number(image_, 0, 4);
        image_.insert(image_.end(), commands_.begin(), commands_.end());
        image_.resize(linkedit);
        for (const auto& [offset, value] : data) put(image_, 0x1000 + offset, value, word(), little);
        image_.insert(image_.end(), tables_.begin(), tables_.end());
        const auto pages = (tables_.size() + 0xfff) & ~std::uint64_t{0xfff};
        put(image_, linkedit_command + 24 + word(), pages, word(), little);
        put(image_, linkedit_command + 24 + 3 * word(), tables_.size(), word(), little);
        return image_;
    }

private:
    void number(Image& to, std::uint64_t value, unsigned size) const { append(to, value, size, little); }
    void start_command(std::uint32_t command, std::size_t size) {
        number(commands_, command, 4);
        number(commands_, size, 4);
        ++count_;
    }
    void segment(std::string name, std::uint64_t address, std::uint64_t size, std::uint64_t offset,
                 std::uint64_t file_size, unsigned protection) {
        start_command(wide ? 0x19 : 1, wide ? 72 : 56);
        name.resize(16);
        commands_.insert(commands_.end(), name.begin(), name.end());
        for (const auto value : {address, size, offset, file_size}) number(commands_, value, word());
        for (const unsigned value : {protection, protection, 0u, 0u}) number(commands_, value, 4);
    }
    void dylib(const std::string& name) {
        const auto size = (24 + name.size() + 8) & ~std::size_t{7};
        const auto end = commands_.size() + size;
        start_command(0xc, size);
        for (const unsigned value : {24, 0, 0, 0}) number(commands_, value, 4);
        append(commands_, name);
        commands_.resize(end);
    }
    std::uint64_t table(const Image& content) {
        const auto at = linkedit + tables_.size();
        tables_.insert(tables_.end(), content.begin(), content.end());
        number(commands_, at, 4);
        number(commands_, content.size(), 4);
        return at;
    }
    std::uint64_t link_edit_data(std::uint32_t command, const Image& content) {
        start_command(command, 16);
        return table(content);
    }

    Image image_, commands_, tables_;
    unsigned count_ = 0;
};

}  // namespace interlock::test
