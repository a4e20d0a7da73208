// module_def.cpp: decoding of definitions and slots.
//
// SPDX-License-Identifier: MIT
#include "emulation/module_def.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <interlock/escape.hpp>

namespace interlock::auditing::emulation {

namespace {

constexpr std::size_t max_slots = 256;
constexpr unsigned max_depth = 5;  // as in CPython 3.15
constexpr std::size_t max_name = 1000;

struct SlotName {
    unsigned id;
    const char* name;
};
// Ids up to 13: 3.5 to 3.14, and alphas of 3.15; above: 3.15 (Include/slots_generated.h).
constexpr SlotName slot_names[] = {
    {1, "Py_mod_create"},
    {2, "Py_mod_exec"},
    {3, "Py_mod_multiple_interpreters"},
    {4, "Py_mod_gil"},
    {84, "Py_mod_create"},
    {85, "Py_mod_exec"},
    {86, "Py_mod_multiple_interpreters"},
    {87, "Py_mod_gil"},
    {92, "Py_slot_subslots"},
    {93, "Py_tp_slots"},
    {94, "Py_mod_slots"},
    {100, "Py_mod_name"},
    {101, "Py_mod_doc"},
    {102, "Py_mod_state_size"},
    {103, "Py_mod_methods"},
    {104, "Py_mod_state_traverse"},
    {105, "Py_mod_state_clear"},
    {106, "Py_mod_state_free"},
    {109, "Py_mod_abi"},
    {110, "Py_mod_token"},
};

constexpr unsigned id_subslots = 92, id_module_slots = 94, id_name = 100, id_abi = 109, flag_intptr = 4;

bool is_create(unsigned id) { return id == 1 || id == 84; }
bool is_exec(unsigned id) { return id == 2 || id == 85; }

class SlotReader {
public:
    SlotReader(Memory& memory, Slots& slots) : memory_(memory), slots_(slots) {}

    /// PyModuleDef_Slot[]: int, pointer.
    void read_classic(std::uint64_t at, unsigned depth) {
        const unsigned word = memory_.word_size();
        for (; still_sound(at, depth); at += 2 * word) {
            const auto id = memory_.number(at, 4), value = memory_.word(at + word);
            if (!id || !value) return problem("the slot array leaves the memory of the module");
            if (*id == 0) return;
            add(static_cast<unsigned>(*id), *value, depth);
        }
    }

    /// PySlot[]: 16 bytes for 32 and 64 bits.
    void read_table(std::uint64_t at, unsigned depth) {
        for (; still_sound(at, depth); at += 16) {
            const auto id = memory_.number(at, 2), flags = memory_.number(at + 2, 2);
            if (!id || !flags) return problem("the slot table leaves the memory of the module");
            if (*id == 0) return;
            // A pointer takes the first bytes of the union, a number of 64 bits all of it.
            const bool pointer = (*flags & flag_intptr) != 0 || !is_number(static_cast<unsigned>(*id));
            const auto value = memory_.number(at + 8, pointer ? memory_.word_size() : 8);
            if (!value) return problem("the slot table leaves the memory of the module");
            add(static_cast<unsigned>(*id), *value, depth);
        }
    }

private:
    static bool is_number(unsigned id) { return id == 102 || is_gil_slot(id) || id == 3 || id == 86; }

    bool still_sound(std::uint64_t at, unsigned depth) {
        if (!slots_.problem.empty()) return false;
        if (at == 0) return false;
        if (depth > max_depth) return problem("slot arrays are nested deeper than 5 levels"), false;
        if (slots_.all.size() >= max_slots) return problem("the slot array has no end within 256 entries"), false;
        return true;
    }

    void problem(std::string what) {
        if (slots_.problem.empty()) slots_.problem = std::move(what);
    }

    void add(unsigned id, std::uint64_t value, unsigned depth) {
        if (id > 0xffff) return problem(fmt::format("slot id {} is none that an interpreter knows", id));
        SlotSeen slot{id, slot_name(id), value, depth, memory_.is_address(value), !memory_.is_unknown(value)};
        slots_.all.push_back(slot);
        if (is_gil_slot(id)) slots_.gil.push_back(slot);
        if (is_create(id) && slots_.create == 0) slots_.create = value;
        if (is_exec(id) && slots_.exec == 0) slots_.exec = value;
        if (id == id_subslots) read_table(value, depth + 1);
        if (id == id_module_slots) read_classic(value, depth + 1);
        if (id == id_name && value != 0) slots_.name = memory_.text(value, max_name);
        if (id == id_abi && value != 0) read_abi(value);
    }

    void read_abi(std::uint64_t at) {
        const auto flags = memory_.number(at + 2, 2), build = memory_.number(at + 4, 4),
                   abi = memory_.number(at + 8, 4);
        if (flags && build && abi)
            slots_.abi = AbiInfo{static_cast<unsigned>(*flags), static_cast<std::uint32_t>(*build),
                                 static_cast<std::uint32_t>(*abi)};
    }

    Memory& memory_;
    Slots& slots_;
};

// A dotted name, in any script: no control characters, no spaces.
bool is_module_name(const std::string& name) {
    return !name.empty() &&
           std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

std::optional<Definition> try_layout(Memory& memory, std::uint64_t address, bool free_threaded, bool any_name) {
    const DefLayout layout = def_layout(memory.wide(), free_threaded);
    const auto name_at = memory.word(address + layout.name), slots_at = memory.word(address + layout.slots);
    const auto size = memory.word(address + layout.size);
    if (!name_at || !slots_at || !size) return std::nullopt;
    auto name = *name_at == 0 ? std::nullopt : memory.text(*name_at, max_name);
    if (!any_name && (!name || !is_module_name(*name))) return std::nullopt;
    if (*slots_at != 0 && !memory.number(*slots_at, 4)) return std::nullopt;
    Definition definition;
    definition.free_threaded = free_threaded;
    definition.name = std::move(name).value_or("");
    definition.state_size =
        memory.wide() ? static_cast<std::int64_t>(*size) : static_cast<std::int64_t>(static_cast<std::int32_t>(*size));
    definition.has_slots = *slots_at != 0;
    SlotReader(memory, definition.slots).read_classic(*slots_at, 0);
    return definition;
}

// Whose reference counts are at the front: true = those of free-threaded interpreters; nullopt when nobody filled them
// in. The others have a count there; these have the number of a thread, which is 0 yet, and a count of their own.
std::optional<bool> free_threaded_head(Memory& memory, std::uint64_t address) {
    if (memory.word(address).value_or(0) != 0) return false;
    if (memory.number(address + (memory.wide() ? 12 : 8), 4).value_or(0) != 0) return true;
    return std::nullopt;
}

}  // namespace

std::string slot_name(unsigned id) {
    const auto found = std::ranges::find(slot_names, id, &SlotName::id);
    return found == std::end(slot_names) ? fmt::format("slot {}", id) : found->name;
}

std::optional<Definition> read_definition(Memory& memory, std::uint64_t address, bool expect_free_threaded,
                                          bool known) {
    auto found = try_layout(memory, address, expect_free_threaded, false);
    if (!found) found = try_layout(memory, address, !expect_free_threaded, false);
    if (!found && known)
        found = try_layout(memory, address, free_threaded_head(memory, address).value_or(expect_free_threaded), true);
    return found;
}

Slots read_slot_table(Memory& memory, std::uint64_t address) {
    Slots slots;
    SlotReader(memory, slots).read_table(address, 0);
    return slots;
}

}  // namespace interlock::auditing::emulation
