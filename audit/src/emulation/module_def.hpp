// module_def.hpp: what a module hands to the interpreter: PyModuleDef, its slots, PySlot tables, PyABIInfo. Layouts:
// Include/moduleobject.h, Include/object.h of CPython 3.13 to 3.15, PEP 793, PEP 820.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::auditing::emulation {

/// Memory in which a definition lies: that of a guest, or of a file that is only looked at.
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

struct Definition {
    bool free_threaded = false;  ///< the layout that fits
    std::string name;
    std::int64_t state_size = 0;
    bool has_slots = false;  ///< m_slots is not NULL
    Slots slots;
};

/// The definition at an address: nullopt if neither layout fits. When both do, `expect_free_threaded` decides. When
/// neither looks like a definition, and it is `known` to be one, a name of any kind, or none, does not matter: its
/// reference counts decide then, or `expect_free_threaded` where there are none.
std::optional<Definition> read_definition(Memory& memory, std::uint64_t address, bool expect_free_threaded,
                                          bool known = false);

/// The PySlot table that a PyModExport function returned.
Slots read_slot_table(Memory& memory, std::uint64_t address);

/// "Py_mod_gil"; "slot 200" for an id that is not known.
std::string slot_name(unsigned id);
constexpr bool is_gil_slot(unsigned id) noexcept { return id == 4 || id == 87; }

/// Offsets of the fields, for who looks for definitions.
struct DefLayout {
    unsigned head, name, size, methods, slots, total;
};
constexpr DefLayout def_layout(bool wide, bool free_threaded) noexcept {
    const unsigned word = wide ? 8 : 4, head = free_threaded ? (wide ? 32 : 20) : 2 * word, base = head + 3 * word;
    return {head, base, base + 2 * word, base + 3 * word, base + 4 * word, base + 8 * word};
}
static_assert(def_layout(true, true).slots == 88 && def_layout(true, false).slots == 72);
static_assert(def_layout(false, true).slots == 48 && def_layout(false, false).slots == 36);

}  // namespace interlock::auditing::emulation
