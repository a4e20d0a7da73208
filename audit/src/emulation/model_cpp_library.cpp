// model_cpp_library.cpp: the functions of libstdc++ that init functions call, but for strings: trees and lists, hash
// tables, streams, names.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"
#include "emulation/model_strings.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- what only libstdc++ has of strings ----

// std::string::_M_create(size_t& capacity, size_t old): doubles, as the original does.
void string_create(I& in) {
    const std::uint64_t place = in.argument(1), old = in.argument(2);
    std::uint64_t capacity = in.guest().word(place).value_or(0);
    if (capacity > old && capacity < 2 * old) capacity = 2 * old;
    in.guest().set_word(place, capacity);
    in.result(in.guest().allocate(capacity + 1));
}
void old_string_create(I& in) {
    const std::uint64_t capacity = in.argument(0), rep = in.guest().allocate(capacity + 3 * in.word() + 1);
    if (rep != 0) in.guest().set_word(rep + in.word(), capacity);
    in.result(rep);
}
void old_string_construct(I& in) {  // (count, character), the address of the text
    const std::string text(std::min(in.argument(0), largest_copy), static_cast<char>(in.argument(1)));
    in.result(OldString::make(in, text, 0));
}
void old_string_clone(I& in) {  // (representation, allocator, room)
    const std::uint64_t rep = in.argument(0), data = rep + 3 * std::uint64_t{in.word()};
    const std::string text = bytes_of(in, data, in.guest().word(rep).value_or(0));
    in.result(OldString::make(in, text, std::min(text.size() + in.argument(2), largest_copy)));
}
// Makes room: (position, count that goes, count that comes, and is written by the caller).
void old_string_mutate(I& in) {
    const std::uint64_t self = in.argument(0), come = std::min(in.argument(3), largest_copy);
    std::string text = OldString::load(in, self);
    text.replace(std::min<std::uint64_t>(in.argument(1), text.size()), in.argument(2), std::string(come, '\0'));
    OldString::store(in, self, text, 0);
    in.result(0);
}

// ---- std::map and std::set: color, parent, left, right ----

struct Node {
    I& in;
    std::uint64_t address;

    std::uint64_t field(unsigned index) const {
        return in.guest().word(address + std::uint64_t{index} * in.word()).value_or(0);
    }
    void set(unsigned index, std::uint64_t value) const {
        in.guest().set_word(address + std::uint64_t{index} * in.word(), value);
    }
    std::uint64_t parent() const { return field(1); }
    std::uint64_t left() const { return field(2); }
    std::uint64_t right() const { return field(3); }
    Node at(std::uint64_t other) const { return {in, other}; }
};

constexpr unsigned parent = 1, left = 2, right = 3, deepest = 1u << 20;

// The order is what counts: the tree is not balanced.
void tree_insert(I& in) {  // (left?, node, parent, header)
    const Node node{in, in.argument(1)}, above{in, in.argument(2)}, header{in, in.argument(3)};
    const bool to_left = (in.argument(0) & 0xff) != 0;
    node.set(parent, above.address);
    node.set(left, 0);
    node.set(right, 0);
    in.guest().set_number(node.address, 1, 4);  // black: only the header is red
    if (to_left) {
        above.set(left, node.address);
        if (above.address == header.address) {
            header.set(parent, node.address);
            header.set(right, node.address);
        } else if (above.address == header.left()) {
            header.set(left, node.address);
        }
    } else {
        above.set(right, node.address);
        if (above.address == header.right()) header.set(right, node.address);
    }
    in.result(0);
}
std::uint64_t furthest(I& in, std::uint64_t from, unsigned side) {
    for (unsigned i = 0; i < deepest; ++i) {
        const std::uint64_t next = Node{in, from}.field(side);
        if (next == 0) return from;
        from = next;
        in.guest().charge(4);
    }
    return from;
}
std::uint64_t neighbour(I& in, std::uint64_t from, unsigned side) {
    Node node{in, from};
    const unsigned other = side == right ? left : right;
    // The header, seen from the left: its parent's parent is itself, and it is red.
    const bool is_header = in.guest().number(from, 4) == 0u && Node{in, node.parent()}.parent() == from;
    if (side == left && is_header) return node.right();
    if (const std::uint64_t below = node.field(side)) return furthest(in, below, other);
    Node above{in, node.parent()};
    for (unsigned i = 0; i < deepest && node.address == above.field(side); ++i) {
        node.address = above.address;
        above.address = above.parent();
        in.guest().charge(4);
    }
    return side == right && node.right() == above.address ? node.address : above.address;
}
void tree_next(I& in) { in.result(neighbour(in, in.argument(0), right)); }
void tree_previous(I& in) { in.result(neighbour(in, in.argument(0), left)); }

// Puts `by` where `node` hangs.
void hang(const Node& node, const Node& header, std::uint64_t by) {
    const Node above = node.at(node.parent());
    if (above.address == header.address)
        header.set(parent, by);
    else
        above.set(above.left() == node.address ? left : right, by);
    if (by != 0) node.at(by).set(parent, above.address);
}
void tree_erase(I& in) {  // (node, header), the node
    const Node node{in, in.argument(0)}, header{in, in.argument(1)};
    const std::uint64_t before = neighbour(in, node.address, left), after = neighbour(in, node.address, right);
    if (header.left() == node.address) header.set(left, after);
    if (header.right() == node.address) header.set(right, before);
    if (node.left() == 0 || node.right() == 0) {
        hang(node, header, node.left() != 0 ? node.left() : node.right());
    } else {
        const Node next = node.at(furthest(in, node.right(), left));
        if (next.parent() != node.address) {
            hang(next, header, next.right());
            next.set(right, node.right());
            node.at(node.right()).set(parent, next.address);
        }
        hang(node, header, next.address);
        next.set(left, node.left());
        node.at(node.left()).set(parent, next.address);
    }
    in.result(node.address);
}

// ---- std::list: next, previous ----

void list_hook(I& in) {
    const std::uint64_t node = in.argument(0), position = in.argument(1), word = in.word();
    const std::uint64_t before = in.guest().word(position + word).value_or(0);
    in.guest().set_word(node, position);
    in.guest().set_word(node + word, before);
    in.guest().set_word(before, node);
    in.guest().set_word(position + word, node);
    in.result(0);
}
void list_unhook(I& in) {
    const std::uint64_t node = in.argument(0), word = in.word();
    const std::uint64_t next = in.guest().word(node).value_or(0), before = in.guest().word(node + word).value_or(0);
    in.guest().set_word(before, next);
    in.guest().set_word(next + word, before);
    in.result(0);
}

// ---- hash tables, names ----

// A pair of a truth and a number: no, there are enough of them. With 32 bits it is written to memory.
void enough_buckets(I& in) {
    if (in.word() == 8) return in.guest().set_result_pair(0, 0);
    const auto [place, first] = place_of_result(in);
    for (unsigned i = 0; i < 2; ++i) in.guest().set_number(place + 4 * i, 0, 4);
    in.result(place);
}
void hash_bytes(I& in) {
    std::uint64_t hash = 14695981039346656037ull;
    for (const char c : bytes_of(in, in.argument(0), in.argument(1)))
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211ull;
    in.result(hash);
}
// The names are for messages: that of the type, as it is.
void demangle(I& in) {
    in.unknown_number(in.guest().new_text(text_of(in, in.argument(0))), 0);
    if (const std::uint64_t status = in.argument(3)) in.guest().set_number(status, in.likely() ? 0 : 0xffffffff, 4);
}
// Whether an object is of another class, too, takes the tables of its class.
void dynamic_cast_of(I& in) { in.unknown_number(in.argument(0), 0); }

// What was written to a stream is not kept.
template <typename S>
void text_of_stream(I& in) {
    in.assume("what was written to a stream");
    const auto [place, first] = place_of_result(in);
    S::create(in, place, in.likely() ? "text" : "other text");
    in.result(place);
}
template <typename S>
void number_as_text(I& in) {
    in.assume("a number as a text");
    const auto [place, first] = place_of_result(in);
    S::create(in, place, std::to_string(static_cast<std::int32_t>(static_cast<std::uint32_t>(in.argument(first)))));
    in.result(place);
}

constexpr ModelEntry table[] = {
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm", string_create},
    {"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERjj", string_create},
    {"_ZNSs4_Rep9_S_createEmmRKSaIcE", old_string_create},
    {"_ZNSs4_Rep9_S_createEjjRKSaIcE", old_string_create},
    {"_ZNSs12_S_constructEmcRKSaIcE", old_string_construct},
    {"_ZNSs12_S_constructEjcRKSaIcE", old_string_construct},
    {"_ZNSs4_Rep8_M_cloneERKSaIcEm", old_string_clone},
    {"_ZNSs4_Rep8_M_cloneERKSaIcEj", old_string_clone},
    {"_ZNSs9_M_mutateEmmm", old_string_mutate},
    {"_ZNSs9_M_mutateEjjj", old_string_mutate},
    {"_ZNSs12_M_leak_hardEv", zero},
    {"_ZNSs4_Rep10_M_destroyERKSaIcE", zero},
    {"_ZNSs4_Rep10_M_disposeERKSaIcE", zero},
    {"_ZSt29_Rb_tree_insert_and_rebalancebPSt18_Rb_tree_node_baseS0_RS_", tree_insert},
    {"_ZSt28_Rb_tree_rebalance_for_erasePSt18_Rb_tree_node_baseRS_", tree_erase},
    {"_ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base", tree_next},
    {"_ZSt18_Rb_tree_incrementPKSt18_Rb_tree_node_base", tree_next},
    {"_ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base", tree_previous},
    {"_ZSt18_Rb_tree_decrementPKSt18_Rb_tree_node_base", tree_previous},
    {"_ZNSt8__detail15_List_node_base7_M_hookEPS0_", list_hook},
    {"_ZNSt8__detail15_List_node_base9_M_unhookEv", list_unhook},
    // One bucket is enough.
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm", enough_buckets},
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEjjj", enough_buckets},
    {"_ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm", one},
    {"_ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEj", one},
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_bkt_for_elementsEm", one},
    {"_ZNKSt8__detail20_Prime_rehash_policy14_M_bkt_for_elementsEj", one},
    {"_ZSt11_Hash_bytesPKvmm", hash_bytes},
    {"_ZSt11_Hash_bytesPKvjj", hash_bytes},
    {"_ZSt15_Fnv_hash_bytesPKvmm", hash_bytes},
    {"__cxa_demangle", demangle},
    {"__dynamic_cast", dynamic_cast_of},
    {"_ZNSt6thread6_StateD2Ev", zero},
    {"_ZNSt6thread6_StateD1Ev", zero},
    {"_ZNSt8ios_base4InitC1Ev", zero},
    {"_ZNSt8ios_base4InitD1Ev", zero},
    {"_ZSt16__ostream_insertIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_PKS3_l", same},
    {"_ZSt16__ostream_insertIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_PKS3_i", same},
    {"_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc", same},
    {"_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_c", same},
    {"_ZSt4endlIcSt11char_traitsIcEERSt13basic_ostreamIT_T0_ES6_", same},
    {"_ZNSolsEi", same},
    {"_ZNSolsEPFRSoS_E", same},
    {"_ZNSo9_M_insertImEERSoT_", same},
    {"_ZNSo9_M_insertIlEERSoT_", same},
    {"_ZNSo9_M_insertIdEERSoT_", same},
    {"_ZNSo9_M_insertIbEERSoT_", same},
    {"_ZNSo9_M_insertIPKvEERSoT_", same},
    {"_ZNSo3putEc", same},
    {"_ZNSo5flushEv", same},
    {"_ZNSo5writeEPKcl", same},
    {"_ZNKSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<NewString>},
    {"_ZNKSt7__cxx1118basic_stringstreamIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<NewString>},
    {"_ZNKSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<NewString>},
    {"_ZNKSt19basic_ostringstreamIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<OldString>},
    {"_ZNKSt18basic_stringstreamIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<OldString>},
    {"_ZNKSt15basic_stringbufIcSt11char_traitsIcESaIcEE3strEv", text_of_stream<OldString>},
    // libc++
    {"_ZNSt3__19to_stringEi", number_as_text<LibcxxString>},
    {"_ZNSt3__19to_stringEj", number_as_text<LibcxxString>},
    {"_ZNSt3__19to_stringEl", number_as_text<LibcxxString>},
    {"_ZNSt3__19to_stringEm", number_as_text<LibcxxString>},
};

}  // namespace

std::span<const ModelEntry> model_cpp_library() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
