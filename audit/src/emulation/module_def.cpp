// module_def.cpp: a definition is known by what its fields can be in one of the two layouts.
//
// SPDX-License-Identifier: MIT
#include "emulation/module_def.hpp"

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

constexpr std::size_t max_name = 1000;

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
    definition.slots = read_slot_array(memory, *slots_at);
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

std::optional<Definition> read_definition(Memory& memory, std::uint64_t address, bool expect_free_threaded,
                                          bool known) {
    auto found = try_layout(memory, address, expect_free_threaded, false);
    if (!found) found = try_layout(memory, address, !expect_free_threaded, false);
    if (!found && known)
        found = try_layout(memory, address, free_threaded_head(memory, address).value_or(expect_free_threaded), true);
    return found;
}

}  // namespace interlock::auditing::emulation
