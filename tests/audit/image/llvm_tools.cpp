// llvm_tools.cpp: runs LLVM's tools, and reads their output line by line.
//
// SPDX-License-Identifier: MIT
#include "llvm_tools.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "support/process.hpp"

namespace interlock::test {

namespace {

using auditing::image::Fixup;
using auditing::image::Image;
using Words = std::vector<std::string>;

std::string hex(std::uint64_t number) {
    std::ostringstream text;
    text << "0x" << std::hex << number;
    return text.str();
}

std::uint64_t number(const std::string& text) { return std::stoull(text, nullptr, 0); }

Words words_of(const std::string& line) {
    std::istringstream stream(line);
    Words words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

std::vector<std::string> lines_of(const char* tool, std::vector<std::string> options, const Words& paths) {
    options.insert(options.end(), paths.begin(), paths.end());
    const auto finished = run_process({tool, options});
    if (finished.status != 0) throw std::runtime_error(std::string(tool) + " failed: " + finished.err);
    std::istringstream stream(finished.out);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

/// The text behind "Key: "; empty if the line is about something else.
std::string value_of(const std::string& line, const std::string& key) {
    const auto first = line.find_first_not_of(' ');
    if (first == std::string::npos || line.compare(first, key.size() + 2, key + ": ") != 0) return {};
    return line.substr(first + key.size() + 2);
}

/// "name (12)" -> "name".
std::string without_number(const std::string& text) {
    const auto end = text.rfind(" (");
    return end == std::string::npos ? text : text.substr(0, end);
}

/// "memcpy@GLIBC_2.14" -> "memcpy".
std::string without_version(const std::string& name) { return name.substr(0, name.find('@')); }

std::string import_fact(std::uint64_t address, const std::string& name, const std::string& library) {
    return "fixup " + hex(address) + " import " + name + "@" + library;
}

/// "/usr/lib/libSystem.B.dylib" -> "libSystem", as llvm-objdump shows it.
std::string short_library(std::string_view path) {
    path = path.substr(path.rfind('/') + 1);
    return std::string(path.substr(0, path.find('.')));
}

std::string without_underscore(const std::string& name) { return name.starts_with('_') ? name.substr(1) : name; }

struct ElfSymbol {
    std::string name;
    std::uint64_t value = 0;
    bool defined = false;
};

/// "0x3388 R_386_RELATIVE -", "0x33B8 R_X86_64_JUMP_SLOT name", "0x2400 R_X86_64_RELATIVE - 0x20F0".
void add_elf_relocation(const Words& words, const std::vector<ElfSymbol>& symbols, Facts& facts) {
    const auto place = "fixup " + hex(number(words[0]));
    const std::string& type = words[1];
    for (const char* local : {"DTPMOD", "DTPOFF", "TPOFF", "TPREL", "TLSDESC", "DTPREL"})
        if (type.find(local) != std::string::npos) {
            facts.insert(place + " thread-local");
            return;
        }
    // An addend of 0 is not printed; where a type of REL has its addend in place, only the place is compared.
    if (words[2] == "-") {
        facts.insert(words.size() > 3 ? place + " rebase " + hex(number(words[3])) : place + " rebase");
        return;
    }
    const auto name = without_version(words[2]);
    const auto found = std::ranges::find(symbols, name, &ElfSymbol::name);
    if (found != symbols.end() && !found->defined)
        facts.insert(import_fact(number(words[0]), name, ""));
    else
        facts.insert(place + " rebase");
}

}  // namespace

FactsByFile llvm_elf_facts(const std::vector<std::string>& paths) {
    FactsByFile result;
    Facts* facts = nullptr;
    std::vector<Words> relocations;
    std::vector<ElfSymbol> symbols;
    enum { elsewhere, libraries, relocated, symbol_table } part = elsewhere;
    const auto finish_file = [&] {
        if (facts == nullptr) return;
        for (const auto& words : relocations) add_elf_relocation(words, symbols, *facts);
        for (const auto& symbol : symbols) {
            if (symbol.name.empty()) continue;
            if (!symbol.defined)
                facts->insert("import " + symbol.name);
            else if (auditing::image::is_entry_point(symbol.name))
                facts->insert("export " + symbol.name + " " + hex(symbol.value));
        }
        relocations.clear();
        symbols.clear();
    };
    for (const auto& line : lines_of(LLVM_READOBJ, {"--dyn-symbols", "--dyn-relocations", "--needed-libs"}, paths)) {
        if (line.starts_with("File: ")) {
            finish_file();
            facts = &result[line.substr(6)];
            part = elsewhere;
        } else if (line == "NeededLibraries [")
            part = libraries;
        else if (line == "Dynamic Relocations {")
            part = relocated;
        else if (line == "DynamicSymbols [")
            part = symbol_table;
        else if (line == "]" || line == "}")
            part = elsewhere;
        else if (part == libraries)
            facts->insert("library " + words_of(line).at(0));
        else if (part == relocated)
            relocations.push_back(words_of(line));
        else if (part == symbol_table) {
            if (line.find("Symbol {") != std::string::npos) symbols.emplace_back();
            if (const auto name = value_of(line, "Name"); !name.empty())
                symbols.back().name = without_version(without_number(name));
            if (const auto value = value_of(line, "Value"); !value.empty()) symbols.back().value = number(value);
            if (const auto where = value_of(line, "Section"); !where.empty())
                symbols.back().defined = !where.starts_with("Undefined");
        }
    }
    finish_file();
    return result;
}

FactsByFile llvm_pe_facts(const std::vector<std::string>& paths) {
    FactsByFile result;
    Facts* facts = nullptr;
    std::string library, type, export_name;
    std::uint64_t slot = 0;
    unsigned word = 8;
    bool in_export = false;
    Facts rebased;
    const auto finish_file = [&] {
        if (facts == nullptr) return;
        // What is imported late holds the address of a helper at first, and only the import is a fact for us.
        for (const auto& place : rebased) {
            const auto same = facts->lower_bound(place + " ");
            if (same == facts->end() || !same->starts_with(place + " ")) facts->insert(place + " rebase");
        }
        rebased.clear();
    };
    for (const auto& line : lines_of(LLVM_READOBJ, {"--coff-imports", "--coff-exports", "--coff-basereloc"}, paths)) {
        if (line.starts_with("File: ")) {
            finish_file();
            facts = &result[line.substr(6)];
        } else if (const auto size = value_of(line, "AddressSize"); !size.empty()) {
            word = size == "64bit" ? 8 : 4;
        } else if (line == "Import {" || line == "DelayImport {" || line == "Export {") {
            in_export = line == "Export {";
        } else if (const auto name = value_of(line, "Name"); !name.empty()) {
            (in_export ? export_name : library) = name;
            if (!in_export) facts->insert("library " + name);
        } else if (const auto table = value_of(line, "ImportAddressTableRVA"); !table.empty()) {
            slot = number(table);
        } else if (const auto late_table = value_of(line, "ImportAddressTable"); !late_table.empty()) {
            slot = number(late_table);
        } else if (const auto symbol = value_of(line, "Symbol"); !symbol.empty()) {
            facts->insert(import_fact(slot, without_number(symbol), library));
            slot += word;
        } else if (const auto rva = value_of(line, "RVA"); !rva.empty()) {
            if (auditing::image::is_entry_point(export_name))
                facts->insert("export " + export_name + " " + hex(number(rva)));
        } else if (const auto target = value_of(line, "ForwardedTo"); !target.empty()) {
            facts->insert("export " + export_name + " -> " + target);
        } else if (const auto kind = value_of(line, "Type"); !kind.empty()) {
            type = kind;
        } else if (const auto place = value_of(line, "Address"); !place.empty() && line.starts_with("    ")) {
            if (type == "DIR64" || type == "HIGHLOW") rebased.insert("fixup " + hex(number(place)));
            type.clear();
        }
    }
    finish_file();
    return result;
}

FactsByFile llvm_macho_facts(const std::vector<std::string>& paths) {
    FactsByFile result;
    Facts* facts = nullptr;
    std::string table;
    Facts rebased;
    std::map<std::string, std::string> coalesced;  // by place; counts where nothing else is
    const auto finish_file = [&] {
        if (facts == nullptr) return;
        for (const auto& place : rebased) {
            const auto same = facts->lower_bound(place + " ");
            if (same == facts->end() || !same->starts_with(place + " ")) facts->insert(place + " rebase");
        }
        for (const auto& [place, fact] : coalesced) {
            const auto same = facts->lower_bound(place + " ");
            if (same == facts->end() || !same->starts_with(place + " ")) facts->insert(fact);
        }
        rebased.clear();
        coalesced.clear();
    };
    const auto library = [](const std::string& name) { return name == "flat-namespace" ? "" : name; };
    const Words options = {"--macho",     "--arch",         "all",        "--rebase", "--bind", "--lazy-bind",
                           "--weak-bind", "--exports-trie", "--dyld-info"};
    for (const auto& line : lines_of(LLVM_OBJDUMP, options, paths)) {
        const Words words = words_of(line);
        if (line.starts_with('/') && line.ends_with(':')) {
            finish_file();
            facts = &result[line.substr(0, line.size() - 1)];
            table.clear();
        } else if (line.ends_with(':')) {
            table = line;
        } else if (words.empty() || words[0] == "segment") {
            continue;
        } else if (facts == nullptr) {
            throw std::runtime_error("output of llvm-objdump about no file: " + line);
        } else if (table == "Rebase table:") {
            rebased.insert("fixup " + hex(number(words.at(2))));
        } else if (table == "Bind table:") {
            facts->insert(import_fact(number(words.at(2)), without_underscore(words.at(6)), library(words.at(5))));
        } else if (table == "Lazy bind table:") {
            facts->insert(import_fact(number(words.at(2)), without_underscore(words.at(4)), library(words.at(3))));
        } else if (table == "Weak bind table:") {
            if (words.at(0) == "strong") continue;  // a definition that overrides others, and no place
            const auto place = number(words.at(2));
            coalesced["fixup " + hex(place)] = import_fact(place, without_underscore(words.at(5)), "");
        } else if (table == "dyld information:") {
            if (words.at(4) == "rebase")
                facts->insert("fixup " + hex(number(words.at(2))) + " rebase " + hex(number(words.at(5))));
            else
                facts->insert(import_fact(number(words.at(2)), without_underscore(words.at(7)), library(words.at(6))));
        } else if (table == "Exports trie:") {
            const auto name = without_underscore(words.at(1));
            if (auditing::image::is_entry_point(name)) facts->insert("export " + name + " " + hex(number(words.at(0))));
        } else {
            throw std::runtime_error("unknown output of llvm-objdump: " + line);
        }
    }
    finish_file();
    return result;
}

Facts facts_of(const Image& image) {
    Facts facts;
    const auto base = image.format == auditing::image::Format::pe ? image.segments.front().address : 0;
    if (image.format != auditing::image::Format::macho)  // llvm-objdump is not asked for them
        for (const auto library : image.libraries) facts.insert("library " + std::string(library));
    for (const auto& entry : image.exports) {
        if (!auditing::image::is_entry_point(entry.name)) continue;
        facts.insert("export " + std::string(entry.name) + " " +
                     (entry.forward.empty() ? hex(entry.address - base) : "-> " + std::string(entry.forward)));
    }
    if (image.format == auditing::image::Format::elf)
        for (const auto& import : image.imports) facts.insert("import " + std::string(import.name));
    for (const auto& fixup : image.fixups) {
        const auto address = fixup.address - base;
        const auto place = "fixup " + hex(address);
        if (fixup.kind == Fixup::Kind::import) {
            const auto& import = image.imports[fixup.import];
            facts.insert(import_fact(address, std::string(import.name),
                                     image.format == auditing::image::Format::macho ? short_library(import.library)
                                                                                    : std::string(import.library)));
        } else if (fixup.kind == Fixup::Kind::rebase) {
            facts.insert(place + " rebase " + hex(fixup.value - base));
        } else {
            facts.insert(place + " thread-local");
        }
    }
    return facts;
}

}  // namespace interlock::test
