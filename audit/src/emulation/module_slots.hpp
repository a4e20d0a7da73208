// module_slots.hpp: the slots of a module: the arrays behind a definition (PyModuleDef_Slot), and the tables that
// PyModExport_ functions return (PySlot). Sources: Include/moduleobject.h, PEP 793, PEP 820.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::auditing::emulation {

/// Memory in which definitions and slots lie: that of a guest, or of a file that is only looked at.
class Memory {
public:
    virtual ~Memory() = default;
    virtual std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) = 0;
    virtual std::optional<std::string> text(std::uint64_t address, std::size_t limit) = 0;
    /// Whether a value that was read is an address made by the model, not by the module.
    virtual bool is_unknown(std::uint64_t value) = 0;
    virtual bool is_address(std::uint64_t value) = 0;
    virtual bool wide() const = 0;
    unsigned word_size() const { return wide() ? 8 : 4; }
    std::optional<std::uint64_t> word(std::uint64_t address) { return number(address, word_size()); }
};

/// PyABIInfo, as far as it is looked at.
struct AbiInfo {
    unsigned flags = 0;
    std::uint32_t build_version = 0, abi_version = 0;
    static constexpr unsigned stable = 1, gil = 2, free_threaded = 4;
};

/// A slot array, flattened in the order in which the interpreter goes through it.
struct Slots {
    std::vector<SlotSeen> all;
    std::vector<SlotSeen> gil;  ///< those that are Py_mod_gil
    std::uint64_t create = 0;   ///< value of the first Py_mod_create
    std::uint64_t exec = 0;     ///< value of the first Py_mod_exec
    std::optional<AbiInfo> abi;
    std::optional<std::string> name;  ///< Py_mod_name
    std::string problem;              ///< why the array cannot be relied on; empty if it can
};

/// The PyModuleDef_Slot array at an address; 0: none.
Slots read_slot_array(Memory& memory, std::uint64_t address);
/// The PySlot table that a PyModExport_ function returned.
Slots read_slot_table(Memory& memory, std::uint64_t address);

/// "Py_mod_gil"; "slot 200" for an id that is not known.
std::string slot_name(unsigned id);
constexpr bool is_gil_slot(unsigned id) noexcept { return id == 4 || id == 87; }

}  // namespace interlock::auditing::emulation
