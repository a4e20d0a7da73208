// model_cpp_library.cpp: the functions of libstdc++ that init functions call: both kinds of std::string, names, hashes.
//
// SPDX-License-Identifier: MIT
#include "model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

namespace interlock::auditing {

namespace {

using I = Interpreter;

void zero(I& in) { in.result(0); }
void one(I& in) { in.result(1); }
void release(I& in) { in.result(0); }

// std::string::_M_create(size_t& capacity, size_t old): doubles, as the original does.
void string_create(I& in) {
    const std::uint64_t place = in.argument(1), old = in.argument(2);
    std::uint64_t capacity = in.guest().word(place).value_or(0);
    if (capacity > old && capacity < 2 * old) capacity = 2 * old;
    in.guest().set_word(place, capacity);
    in.result(in.guest().allocate(capacity + 1));
}
struct StdString {  // pointer, size, buffer of 16 bytes or capacity
    std::string text;
    StdString(I& in, std::uint64_t self) {
        const std::uint64_t data = in.guest().word(self).value_or(0);
        const std::uint64_t size = in.guest().word(self + in.word()).value_or(0);
        text = bytes_of(in, data, size);
    }
    void store(I& in, std::uint64_t self) const {
        std::uint64_t data = in.guest().word(self).value_or(0);
        const std::uint64_t local = self + 2 * in.word();
        const std::uint64_t capacity = data == local ? 15 : in.guest().word(local).value_or(0);
        if (text.size() > capacity) {
            data = in.guest().allocate(text.size() + 1);
            in.guest().set_word(self, data);
            in.guest().set_word(local, text.size());
        }
        in.guest().write(data, text.c_str(), text.size() + 1);
        in.guest().set_word(self + in.word(), text.size());
    }
};
void string_append(I& in) {
    const std::uint64_t self = in.argument(0);
    StdString string(in, self);
    string.text += bytes_of(in, in.argument(1), in.argument(2));
    string.store(in, self);
    in.result(self);
}
void string_append_text(I& in) {
    const std::uint64_t self = in.argument(0);
    StdString string(in, self);
    string.text += text_of(in, in.argument(1));
    string.store(in, self);
    in.result(self);
}
void string_assign(I& in) {
    const std::uint64_t self = in.argument(0);
    StdString(in, in.argument(1)).store(in, self);
    in.result(self);
}
void string_replace(I& in) {  // (position, count, text, size)
    const std::uint64_t self = in.argument(0);
    StdString string(in, self);
    const std::uint64_t at = std::min<std::uint64_t>(in.argument(1), string.text.size());
    string.text.replace(at, in.argument(2), bytes_of(in, in.argument(3), in.argument(4)));
    string.store(in, self);
    in.result(self);
}
void string_compare_text(I& in) { compare(in, StdString(in, in.argument(0)).text, text_of(in, in.argument(1))); }

// The std::string of the older C++ ABI: length, capacity and count of references in front of the text.
void old_string_create(I& in) {
    const std::uint64_t capacity = in.argument(0), rep = in.guest().allocate(capacity + 3 * in.word() + 1);
    if (rep != 0) in.guest().set_word(rep + in.word(), capacity);
    in.result(rep);
}
std::uint64_t new_old_string(I& in, const std::string& text) {
    const std::uint64_t rep = in.guest().allocate(text.size() + 3 * in.word() + 1);
    if (rep == 0) return 0;
    in.guest().set_word(rep, text.size());
    in.guest().set_word(rep + in.word(), text.size());
    in.guest().write(rep + 3 * in.word(), text.c_str(), text.size() + 1);
    return rep + 3 * in.word();
}
std::string old_string(I& in, std::uint64_t self) {
    const std::uint64_t data = in.guest().word(self).value_or(0);
    return bytes_of(in, data, in.guest().word(data - 3 * in.word()).value_or(0));
}
void old_string_from_text(I& in) {
    in.guest().set_word(in.argument(0), new_old_string(in, text_of(in, in.argument(1))));
}
void old_string_copy(I& in) { in.guest().set_word(in.argument(0), new_old_string(in, old_string(in, in.argument(1)))); }
void old_string_append(I& in) {
    const std::uint64_t self = in.argument(0);
    in.guest().set_word(self, new_old_string(in, old_string(in, self) + bytes_of(in, in.argument(1), in.argument(2))));
    in.result(self);
}
void old_string_append_string(I& in) {
    const std::uint64_t self = in.argument(0);
    in.guest().set_word(self, new_old_string(in, old_string(in, self) + old_string(in, in.argument(1))));
    in.result(self);
}
// Capacity is the second word of the representation; code that was compiled into the module relies on it.
void old_string_reserve(I& in) {
    const std::uint64_t self = in.argument(0), wanted = std::min(in.argument(1), largest_copy);
    const std::string text = old_string(in, self);
    const std::uint64_t data =
        new_old_string(in, text + std::string(std::max(wanted, text.size()) - text.size(), '\0'));
    in.guest().set_word(data - 3 * in.word(), text.size());
    in.guest().set_word(self, data);
    in.result(0);
}
void old_string_push_back(I& in) {
    const std::uint64_t self = in.argument(0);
    in.guest().set_word(self, new_old_string(in, old_string(in, self) + static_cast<char>(in.argument(1))));
    in.result(0);
}
// (position, count, text, size), of which insert() and append() leave out some.
void old_string_change(I& in, std::uint64_t at, std::uint64_t count, std::uint64_t from, std::uint64_t size) {
    const std::uint64_t self = in.argument(0);
    std::string text = old_string(in, self);
    text.replace(std::min<std::uint64_t>(at, text.size()), count, bytes_of(in, from, size));
    in.guest().set_word(self, new_old_string(in, text));
    in.result(self);
}
void old_string_insert(I& in) { old_string_change(in, in.argument(1), 0, in.argument(2), in.argument(3)); }
void old_string_assign(I& in) { old_string_change(in, 0, ~std::uint64_t{0}, in.argument(1), in.argument(2)); }
void old_string_replace(I& in) {
    old_string_change(in, in.argument(1), in.argument(2), in.argument(3), in.argument(4));
}
// Makes room: (position, count that goes, count that comes, and is written by the caller).
void old_string_mutate(I& in) {
    const std::uint64_t self = in.argument(0), come = std::min(in.argument(3), largest_copy);
    std::string text = old_string(in, self);
    text.replace(std::min<std::uint64_t>(in.argument(1), text.size()), in.argument(2), std::string(come, '\0'));
    in.guest().set_word(self, new_old_string(in, text));
    in.result(0);
}
void old_string_find(I& in) {  // (text, position, size)
    const std::string text = old_string(in, in.argument(0)), part = bytes_of(in, in.argument(1), in.argument(3));
    in.guest().charge(text.size() * part.size() / 64);
    in.result(text.find(part, in.argument(2)));
}
void old_string_repeat(I& in) {
    const std::string text(std::min(in.argument(1), largest_copy), static_cast<char>(in.argument(2)));
    in.guest().set_word(in.argument(0), new_old_string(in, text));
}
void old_string_from_bytes(I& in) {
    in.guest().set_word(in.argument(0), new_old_string(in, bytes_of(in, in.argument(1), in.argument(2))));
}

// The names are for messages: that of the type, as it is.
void demangle(I& in) {
    in.unknown_number(in.guest().new_text(text_of(in, in.argument(0))), 0);
    if (const std::uint64_t status = in.argument(3)) in.guest().set_number(status, in.likely() ? 0 : 0xffffffff, 4);
}

void hash_bytes(I& in) {
    std::uint64_t hash = 14695981039346656037ull;
    for (const char c : bytes_of(in, in.argument(0), in.argument(1)))
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211ull;
    in.result(hash);
}

constexpr ModelEntry table[] = {
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm", string_create},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERjj", string_create},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_appendEPKcm", string_append},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE6appendEPKcm", string_append},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE6appendEPKc", string_append_text},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_assignERKS4_", string_assign},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE10_M_replaceEmmPKcm", string_replace},
    {"_ZNKSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE7compareEPKc", string_compare_text},
    {"_ZNSs4_Rep9_S_createEmmRKSaIcE", old_string_create},
    {"_ZNSsC1EPKcRKSaIcE", old_string_from_text},
    {"_ZNSsC2EPKcRKSaIcE", old_string_from_text},
    {"_ZNSsC1ERKSs", old_string_copy},
    {"_ZNSsC2ERKSs", old_string_copy},
    {"_ZNSs6appendEPKcm", old_string_append},
    {"_ZNSs6appendERKSs", old_string_append_string},
    {"_ZNSs6insertEmPKcm", old_string_insert},
    {"_ZNSs6assignEPKcm", old_string_assign},
    {"_ZNSs7replaceEmmPKcm", old_string_replace},
    {"_ZNSs9push_backEc", old_string_push_back},
    {"_ZNSsC1EmcRKSaIcE", old_string_repeat},
    {"_ZNSsC2EmcRKSaIcE", old_string_repeat},
    {"_ZNSsC1EPKcmRKSaIcE", old_string_from_bytes},
    {"_ZNSsC2EPKcmRKSaIcE", old_string_from_bytes},
    {"_ZNSs9_M_mutateEmmm", old_string_mutate},
    {"_ZNKSs4findEPKcmm", old_string_find},
    {"_ZNSs7reserveEm", old_string_reserve},
    {"__cxa_demangle", demangle},
    {"_ZSt11_Hash_bytesPKvmm", hash_bytes},
    {"_ZNSs4_Rep10_M_destroyERKSaIcE", release},
    {"_ZNSt6thread4joinEv", zero},
    {"_ZNSt6thread6_StateD2Ev", zero},
    {"_ZNSt6thread6_StateD1Ev", zero},
    {"_ZNSt8ios_base4InitC1Ev", zero},
    {"_ZNSt8ios_base4InitD1Ev", zero},
    {"_ZNSs12_M_leak_hardEv", zero},
    // One bucket is enough; bool in the first half of the result: no.
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm", zero},
    {"_ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm", one},
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_bkt_for_elementsEm", one},
};

}  // namespace

std::span<const ModelEntry> model_cpp_library() noexcept { return table; }

}  // namespace interlock::auditing

#endif
