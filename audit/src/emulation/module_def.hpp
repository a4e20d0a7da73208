// module_def.hpp: PyModuleDef, which PyInit_ functions make a module of. Layouts: Include/moduleobject.h and
// Include/object.h of CPython 3.13 to 3.15.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "emulation/module_slots.hpp"

namespace interlock::auditing::emulation {

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
