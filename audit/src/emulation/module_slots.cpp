// module_slots.cpp: arrays and tables are read in the order in which the interpreter goes through them, nested ones
// where they stand, within the limits that it has as well.
//
// SPDX-License-Identifier: MIT
#include "emulation/module_slots.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

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

}  // namespace

std::string slot_name(unsigned id) {
    const auto found = std::ranges::find(slot_names, id, &SlotName::id);
    return found == std::end(slot_names) ? fmt::format("slot {}", id) : found->name;
}

Slots read_slot_array(Memory& memory, std::uint64_t address) {
    Slots slots;
    SlotReader(memory, slots).read_classic(address, 0);
    return slots;
}

Slots read_slot_table(Memory& memory, std::uint64_t address) {
    Slots slots;
    SlotReader(memory, slots).read_table(address, 0);
    return slots;
}

}  // namespace interlock::auditing::emulation
