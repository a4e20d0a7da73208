// model_string_layouts.cpp: how std::string lies in memory, in its four layouts.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_strings.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

namespace interlock::auditing::emulation {

// Pointer, size, buffer of 16 bytes or capacity.
std::string NewString::load(Interpreter& in, std::uint64_t self) {
    return bytes_of(in, in.guest().word(self).value_or(0), in.guest().word(self + in.word()).value_or(0));
}
void NewString::create(Interpreter& in, std::uint64_t self, const std::string& text) {
    in.guest().set_word(self, self + 2 * in.word());
    store(in, self, text, 0);
}
void NewString::store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room) {
    std::uint64_t data = in.guest().word(self).value_or(0);
    const std::uint64_t local = self + 2 * std::uint64_t{in.word()};
    const std::uint64_t capacity = data == local ? 15 : in.guest().word(local).value_or(0);
    const std::uint64_t wanted = std::max<std::uint64_t>(text.size(), room);
    if (wanted > capacity) {
        const std::uint64_t larger = std::max(wanted, std::min<std::uint64_t>(2 * capacity, largest_copy));
        data = in.guest().allocate(larger + 1);
        in.guest().set_word(self, data);
        in.guest().set_word(local, larger);
    }
    in.guest().write(data, text.c_str(), text.size() + 1);
    in.guest().set_word(self + in.word(), text.size());
}

// One pointer; length, capacity and count of references lie in front of the text. Code that was compiled into the
// module relies on the capacity.
std::uint64_t OldString::make(Interpreter& in, const std::string& text, std::uint64_t room) {
    const std::uint64_t capacity = std::max<std::uint64_t>(text.size(), room), head = 3 * std::uint64_t{in.word()};
    const std::uint64_t rep = in.guest().allocate(capacity + head + 1);
    if (rep == 0) return 0;
    in.guest().set_word(rep, text.size());
    in.guest().set_word(rep + in.word(), capacity);
    in.guest().write(rep + head, text.c_str(), text.size() + 1);
    return rep + head;
}
std::string OldString::load(Interpreter& in, std::uint64_t self) {
    const std::uint64_t data = in.guest().word(self).value_or(0);
    return bytes_of(in, data, in.guest().word(data - 3 * std::uint64_t{in.word()}).value_or(0));
}
void OldString::create(Interpreter& in, std::uint64_t self, const std::string& text) {
    in.guest().set_word(self, make(in, text, 0));
}
void OldString::store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room) {
    in.guest().set_word(self, make(in, text, room));
}

namespace {

// libc++ keeps short texts in the object. Apple's for ARM has the text first and its size last, all others the size
// first, with a bit of it that says which of the two it is.
bool is_alternate(Interpreter& in) {
    return in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64;
}

}  // namespace

std::string LibcxxString::load(Interpreter& in, std::uint64_t self) {
    const std::uint64_t word = in.word(), last = 3 * word - 1;
    const bool alternate = is_alternate(in);
    const std::uint64_t mark = in.guest().number(self + (alternate ? last : 0), 1).value_or(0);
    const bool is_long = alternate ? (mark & 0x80) != 0 : (mark & 1) != 0;
    if (!is_long) return bytes_of(in, self + (alternate ? 0 : 1), std::min(alternate ? mark & 0x7f : mark >> 1, last));
    const std::uint64_t data = in.guest().word(self + (alternate ? 0 : 2 * word)).value_or(0);
    return bytes_of(in, data, in.guest().word(self + word).value_or(0));
}
void LibcxxString::create(Interpreter& in, std::uint64_t self, const std::string& text) { store(in, self, text, 0); }
void LibcxxString::store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room) {
    const std::uint64_t word = in.word(), last = 3 * word - 1;
    const bool alternate = is_alternate(in);
    const std::uint64_t wanted = std::max<std::uint64_t>(text.size(), room);
    if (wanted < last) {
        std::string bytes(3 * word, '\0');
        std::ranges::copy(text, bytes.begin() + (alternate ? 0 : 1));
        (alternate ? bytes.back() : bytes.front()) = static_cast<char>(alternate ? text.size() : text.size() << 1);
        in.guest().write(self, bytes.data(), bytes.size());
        return;
    }
    const std::uint64_t capacity = (wanted + 16) & ~std::uint64_t{15}, data = in.guest().allocate(capacity);
    in.guest().write(data, text.c_str(), text.size() + 1);
    const std::uint64_t mark = alternate ? capacity | std::uint64_t{1} << (8 * word - 1) : capacity | 1;
    in.guest().set_word(self + (alternate ? 0 : 2 * word), data);
    in.guest().set_word(self + word, text.size());
    in.guest().set_word(self + (alternate ? 2 * word : 0), mark);
}

}  // namespace interlock::auditing::emulation

#endif
