// model_memory.hpp: memory of the guest for functions of the model. What a real machine would fail at, ends the run.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

constexpr std::uint64_t largest_copy = GuestMap::heap_size, longest_text = 1u << 20;

/// Words of the guest in which the model keeps what lasts for a run.
enum class ModelSlot : std::uint8_t { clock, program_break, error_number, last_error, next_handle };
constexpr std::uint64_t model_slot(ModelSlot slot) noexcept {
    return GuestMap::tls + 0x1000 + 8 * std::uint64_t{static_cast<std::uint8_t>(slot)};
}

inline void no_memory_there(Interpreter& in) { in.give_up("a function of the C library, at memory that is not there"); }

inline std::string bytes_of(Interpreter& in, std::uint64_t address, std::uint64_t size) {
    std::string bytes(std::min(size, largest_copy), '\0');
    if (!in.guest().read(address, bytes.data(), bytes.size())) no_memory_there(in);
    return bytes;
}
inline std::string text_of(Interpreter& in, std::uint64_t address) {
    auto text = in.guest().text(address, longest_text);
    if (!text) no_memory_there(in);
    return std::move(text).value_or("");
}

/// The same of at most `most` bytes, behind which nothing needs to be.
inline std::string text_of(Interpreter& in, std::uint64_t address, std::uint64_t most) {
    std::string text;
    for (std::uint8_t byte = 0; text.size() < std::min(most, longest_text); text.push_back(static_cast<char>(byte))) {
        if (!in.guest().read(address + text.size(), &byte, 1)) return no_memory_there(in), text;
        if (byte == 0) break;
    }
    return text;
}

/// What it writes for people: a panic or a failed check says there why it ends.
inline void keep_written(Interpreter& in, std::string text) {
    constexpr std::size_t most = 1000;
    std::ranges::replace(text, '\n', ' ');
    in.record().write(text, most);
}

inline void compare(Interpreter& in, const std::string& a, const std::string& b) {
    in.result(a == b ? 0 : static_cast<std::uint64_t>(std::int64_t{a < b ? -1 : 1}));
}

inline void fill_with(Interpreter& in, std::uint64_t to, std::uint8_t value, std::uint64_t size) {
    in.result(to);
    if (size > largest_copy) return no_memory_there(in);
    const std::vector<std::uint8_t> bytes(size, value);
    if (!in.guest().write(to, bytes.data(), size)) no_memory_there(in);
}

/// A larger or smaller block with what was in the old one, as far as that is known; 0 without memory.
inline std::uint64_t move_to_new(Interpreter& in, std::uint64_t old, std::uint64_t size) {
    const std::uint64_t fresh = in.guest().allocate(size);
    const std::uint64_t count = std::min(in.guest().allocated_size(old), size);
    if (count > largest_copy) return no_memory_there(in), 0;
    if (old != 0 && fresh != 0 && count != 0) {
        std::vector<std::uint8_t> bytes(count);
        if (in.guest().read(old, bytes.data(), count)) in.guest().write(fresh, bytes.data(), count);
    }
    return fresh;
}

}  // namespace interlock::auditing::emulation
