// macho_exports.cpp: exported entry points of a Mach-O image, and exports that it imports itself: from the export trie,
// or from the symbol table of files that have none.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>

#include "image/macho_file.hpp"

namespace interlock::auditing::image {

namespace {

/// Imports that dyld may bind to the image itself, and what others want of it.
Names other_names(const MachFile& file) {
    Names names;
    if (file.also != nullptr) names = *file.also;
    for (const Import& import : file.builder.image.imports)
        if (import.library.empty()) names.insert(import.name);
    return names;
}

void check_address(const MachFile& file, std::uint64_t address, std::string_view name, std::uint64_t offset) {
    if (file.builder.segment_with(address, 1) == nullptr)
        file.view.malformed(
            offset, "the address " + hex(address) + " of the export " + quoted(name) + " is not within a segment");
}

/// A tree of parts of names; a node may carry what is exported under the name that led to it.
class ExportTrie {
public:
    ExportTrie(MachFile& file, const MachPart& part) : file_(file), part_(part), visited_(part.size) {}

    /// Walks the part of the trie in which names of entry points can be.
    void add_entry_points() {
        if (part_.size == 0) return;
        std::string name;
        std::vector<Step> steps = {{0, 0, {}}};
        while (!steps.empty()) {
            const Step step = steps.back();
            steps.pop_back();
            name.resize(step.length);
            name += step.edge;
            const Node node = open(step.node);
            if (visited_[step.node])
                file_.view.malformed(part_.offset + step.node, "a node of the export trie is reached twice");
            visited_[step.node] = true;
            if (node.terminal && name.starts_with('_') && is_entry_point(std::string_view(name).substr(1)))
                add(file_.builder.keep(name.substr(1)), *node.terminal);
            MachCursor children = node.children;
            for (unsigned count = children.u8(); count > 0; --count) {
                const Step child = read_child(children, name.size());
                name += child.edge;
                if (may_lead_to_entry_point(name)) steps.push_back(child);
                name.resize(child.length);
            }
        }
    }

    /// Adds what is exported under this name, which lies in the file.
    void add_if_exported(std::string_view name) {
        if (part_.size == 0 || is_entry_point(name)) return;
        const std::string wanted = "_" + std::string(name);
        std::size_t length = 0;
        // Each step but the first has to take at least one character: no circle lasts.
        for (std::uint64_t at = 0;;) {
            const Node node = open(at);
            if (length == wanted.size()) {
                if (node.terminal) add(name, *node.terminal);
                return;
            }
            MachCursor children = node.children;
            std::optional<Step> next;
            for (unsigned count = children.u8(); count > 0 && !next; --count) {
                const Step child = read_child(children, length);
                if (!child.edge.empty() && std::string_view(wanted).substr(length).starts_with(child.edge))
                    next = child;
            }
            if (!next) return;
            length += next->edge.size();
            at = next->node;
        }
    }

private:
    /// Names that are longer cannot be asked for: CPython cuts them off, the name of an import has at most 1000.
    static constexpr std::size_t longest_name = 4096;

    struct Step {
        std::uint64_t node = 0;
        std::size_t length = 0;  ///< of the name before this step
        std::string_view edge;
    };
    struct Node {
        std::optional<MachCursor> terminal;
        MachCursor children;
    };

    static bool may_lead_to_entry_point(std::string_view name) {
        return name.size() <= longest_name &&
               (name.empty() || (name.front() == '_' && may_become_entry_point(name.substr(1))));
    }

    MachCursor cursor(std::uint64_t first, std::uint64_t end) const {
        return {file_, {part_.offset + first, end - first}, "the entries of the export trie"};
    }

    Node open(std::uint64_t node) const {
        auto start = cursor(node, part_.size);
        const auto size = start.uleb();
        const auto terminal = start.at() - part_.offset;
        if (size > part_.size - terminal)
            file_.view.malformed(part_.offset + node, "an entry of the export trie with " + std::to_string(size) +
                                                          " bytes is not within the trie");
        Node result{std::nullopt, cursor(terminal + size, part_.size)};
        if (size != 0) result.terminal = cursor(terminal, terminal + size);
        return result;
    }

    Step read_child(MachCursor& children, std::size_t length) const {
        Step child;
        child.length = length;
        child.edge = children.text();
        const auto at = children.at();
        child.node = children.uleb();
        if (child.node >= part_.size)
            file_.view.malformed(at, "the node " + hex(child.node) + " is not within the export trie, which has " +
                                         hex(part_.size) + " bytes");
        return child;
    }

    void add(std::string_view name, MachCursor terminal) {
        constexpr std::uint64_t kind_mask = 3, absolute = 2, re_export = 8;
        const auto at = terminal.at();
        const auto flags = terminal.uleb();
        Export entry;
        entry.name = name;
        if ((flags & re_export) != 0) {
            const auto ordinal = terminal.uleb();
            if (ordinal > 0xffff) file_.view.malformed(at, "the library number " + hex(ordinal) + " is too large");
            const auto library = file_.library(static_cast<std::int64_t>(ordinal), at);
            const auto target = without_underscore(terminal.text());
            entry.forward =
                file_.builder.keep(std::string(library) + "." + std::string(target.empty() ? name : target));
        } else if ((flags & kind_mask) == absolute) {
            entry.address = terminal.uleb();
        } else {
            entry.address = file_.base + terminal.uleb();
            check_address(file_, entry.address, name, at);
        }
        file_.builder.add_export(entry);
    }

    MachFile& file_;
    MachPart part_;
    std::vector<bool> visited_;
};

/// From the symbol table: all defined symbols that others see and that `is_wanted` names.
template <typename Wanted>
void add_symbols(MachFile& file, const MachSymbolTable& table, Wanted is_wanted) {
    const std::uint64_t size = file.view.wide() ? 16 : 12;
    for (std::uint64_t i = 0; i < table.count; ++i) {
        const auto at = table.symbols + i * size;
        const auto type = file.view.u8(at + 4, "a symbol");
        constexpr unsigned debugging = 0xe0, private_external = 0x10, kind_mask = 0x0e, in_section = 0x0e, external = 1;
        if ((type & (debugging | private_external)) != 0 || (type & external) == 0 || (type & kind_mask) != in_section)
            continue;
        const auto offset = table.strings.offset + file.view.u32(at, "a symbol");
        const auto name = file.builder.name(offset, "the name of a symbol", table.strings.end());
        if (!name.starts_with('_') || !is_wanted(name.substr(1))) continue;
        Export entry;
        entry.name = name.substr(1);
        entry.address = file.view.word(at + 8, "a symbol");
        check_address(file, entry.address, entry.name, at);
        file.builder.add_export(entry);
    }
}

}  // namespace

void read_mach_exports(MachFile& file) {
    if (file.exports_trie)
        ExportTrie(file, *file.exports_trie).add_entry_points();
    else if (file.symbols)
        add_symbols(file, *file.symbols, is_entry_point);
}

void add_other_exports(MachFile& file) {
    const Names names = other_names(file);
    if (file.exports_trie) {
        ExportTrie trie(file, *file.exports_trie);
        for (const auto name : names) trie.add_if_exported(name);
    } else if (file.symbols) {
        add_symbols(file, *file.symbols,
                    [&](std::string_view name) { return !is_entry_point(name) && names.contains(name); });
    }
}

}  // namespace interlock::auditing::image
