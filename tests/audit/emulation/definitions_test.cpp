// Decoding of module definitions, slots and slot tables, in memory that the test makes.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_definitions
#include <boost/test/unit_test.hpp>

#include <map>

#include "emulation/module_def.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::emulation;

namespace {

/// Bytes at addresses; what was never written is not there.
class FakeMemory final : public Memory {
public:
    FakeMemory(bool wide_words, bool little_endian) : wide_(wide_words), little_(little_endian) {}

    void put(std::uint64_t address, std::uint64_t value, unsigned size) {
        for (unsigned i = 0; i < size; ++i)
            bytes_[address + i] = static_cast<std::uint8_t>(value >> (8 * (little_ ? i : size - 1 - i)));
    }
    void put_word(std::uint64_t address, std::uint64_t value) { put(address, value, word_size()); }
    void put_text(std::uint64_t address, std::string_view text) {
        for (const char c : text) bytes_[address++] = static_cast<std::uint8_t>(c);
        bytes_[address] = 0;
    }

    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) override {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < size; ++i) {
            const auto found = bytes_.find(address + i);
            if (found == bytes_.end()) return std::nullopt;
            value |= std::uint64_t{found->second} << (8 * (little_ ? i : size - 1 - i));
        }
        return value;
    }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit) override {
        std::string text;
        for (; text.size() < limit; ++address) {
            const auto found = bytes_.find(address);
            if (found == bytes_.end()) return std::nullopt;
            if (found->second == 0) return text;
            text += static_cast<char>(found->second);
        }
        return std::nullopt;
    }
    bool is_unknown(std::uint64_t value) override { return value == unknown; }
    bool is_address(std::uint64_t value) override { return bytes_.contains(value); }
    bool wide() const override { return wide_; }

    static constexpr std::uint64_t unknown = 0xdead0000;

private:
    std::map<std::uint64_t, std::uint8_t> bytes_;
    bool wide_, little_;
};

constexpr std::uint64_t def = 0x1000, name = 0x2000, array = 0x3000, nested = 0x4000;

void put_definition(FakeMemory& memory, bool free_threaded, std::uint64_t slots, std::string_view text = "pkg._x") {
    const DefLayout layout = def_layout(memory.wide(), free_threaded);
    for (unsigned i = 0; i < layout.total + 16; i += 4) memory.put(def + i, 0, 4);
    memory.put_word(def + layout.name, name);
    memory.put_word(def + layout.slots, slots);
    memory.put_text(name, text);
}

/// A PyModuleDef_Slot[]; the end is added.
void put_slots(FakeMemory& memory, std::uint64_t at, std::initializer_list<std::pair<unsigned, std::uint64_t>> slots) {
    const unsigned word = memory.word_size();
    for (const auto& [id, value] : slots) {
        memory.put(at, id, 4);
        if (word == 8) memory.put(at + 4, 0, 4);
        memory.put_word(at + word, value);
        at += 2 * word;
    }
    memory.put_word(at, 0);
    memory.put_word(at + word, 0);
}

struct TableSlot {
    unsigned id, flags;
    std::uint64_t value;
};
constexpr unsigned intptr = 4;

void put_table(FakeMemory& memory, std::uint64_t at, std::initializer_list<TableSlot> slots) {
    for (const TableSlot& slot : slots) {
        memory.put(at, slot.id, 2);
        memory.put(at + 2, slot.flags, 2);
        memory.put(at + 4, 0, 4);
        memory.put(at + 8, 0, 8);
        if ((slot.flags & intptr) != 0)
            memory.put_word(at + 8, slot.value);
        else
            memory.put(at + 8, slot.value, 8);
        at += 16;
    }
    memory.put(at, 0, 8);
    memory.put(at + 8, 0, 8);
}

std::vector<std::uint64_t> gil_values(const Slots& slots) {
    std::vector<std::uint64_t> values;
    for (const SlotSeen& slot : slots.gil) values.push_back(slot.value);
    return values;
}

using Values = std::vector<std::uint64_t>;

}  // namespace

BOOST_AUTO_TEST_CASE(all_four_layouts_in_both_byte_orders) {
    for (const bool wide : {true, false})
        for (const bool little : {true, false})
            for (const bool free_threaded : {true, false})
                for (const bool expected : {true, false}) {
                    FakeMemory memory(wide, little);
                    put_definition(memory, free_threaded, array);
                    put_slots(memory, array, {{2, 0x5000}, {4, 1}, {3, 2}});
                    const auto found = read_definition(memory, def, expected);
                    BOOST_REQUIRE(found.has_value());
                    BOOST_TEST(found->free_threaded == free_threaded);
                    BOOST_TEST(found->name == "pkg._x");
                    BOOST_TEST(found->has_slots);
                    BOOST_TEST(gil_values(found->slots) == Values{1}, boost::test_tools::per_element());
                    BOOST_TEST(found->slots.exec == 0x5000u);
                    BOOST_TEST(found->slots.all.size() == 3u);
                    BOOST_TEST(found->slots.problem == "");
                }
}

BOOST_AUTO_TEST_CASE(no_slots_and_slots_without_a_marker) {
    FakeMemory memory(true, true);
    put_definition(memory, true, 0);
    auto found = read_definition(memory, def, true);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(!found->has_slots);
    put_definition(memory, true, array);
    put_slots(memory, array, {{85, 1}, {86, 0}});
    found = read_definition(memory, def, true);
    BOOST_TEST(found->slots.gil.empty());
}

BOOST_AUTO_TEST_CASE(both_numbers_of_the_marker) {
    for (const unsigned id : {4u, 87u}) {
        FakeMemory memory(true, true);
        put_definition(memory, true, array);
        put_slots(memory, array, {{id, 0}});
        BOOST_TEST(gil_values(read_definition(memory, def, true)->slots) == Values{0},
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_definition) {
    FakeMemory memory(true, true);
    BOOST_TEST(!read_definition(memory, def, true).has_value());
    put_definition(memory, true, array, "not a name");
    put_slots(memory, array, {});
    BOOST_TEST(!read_definition(memory, def, true).has_value());
    put_definition(memory, true, 0x9999);  // slots where nothing is
    BOOST_TEST(!read_definition(memory, def, true).has_value());
}

BOOST_AUTO_TEST_CASE(without_a_name_the_reference_counts_say_whose_it_is) {
    for (const bool wide : {true, false})
        for (const bool expected : {true, false}) {
            FakeMemory memory(wide, true);
            const auto layout_found = [&] { return read_definition(memory, def, expected, true)->free_threaded; };
            put_definition(memory, true, 0, "not a name");
            BOOST_TEST(layout_found() == expected);  // none of them is there
            memory.put(def + (wide ? 12 : 8), 0xffffffff, 4);
            BOOST_TEST(layout_found());
            put_definition(memory, false, 0, "not a name");
            memory.put_word(def, 1);
            BOOST_TEST(!layout_found());
            BOOST_TEST(!read_definition(memory, def, expected).has_value());
        }
}

BOOST_AUTO_TEST_CASE(an_unknown_value_is_said_to_be_unknown) {
    FakeMemory memory(true, true);
    put_definition(memory, true, array);
    put_slots(memory, array, {{4, FakeMemory::unknown}});
    BOOST_TEST(!read_definition(memory, def, true)->slots.gil.front().known);
}

BOOST_AUTO_TEST_CASE(slot_tables_in_both_word_sizes_and_byte_orders) {
    for (const bool wide : {true, false})
        for (const bool little : {true, false}) {
            FakeMemory memory(wide, little);
            memory.put_text(name, "pkg.m");
            memory.put(0x6000, 1, 1), memory.put(0x6001, 0, 1), memory.put(0x6002, 7, 2);
            memory.put(0x6004, 0x030f00f0, 4), memory.put(0x6008, 0x030f0000, 4);
            put_table(memory, array, {{100, intptr, name}, {109, intptr, 0x6000}, {87, intptr, 1}, {102, 0, 40}});
            const Slots slots = read_slot_table(memory, array);
            BOOST_TEST(gil_values(slots) == Values{1}, boost::test_tools::per_element());
            BOOST_TEST(slots.name.value() == "pkg.m");
            BOOST_REQUIRE(slots.abi.has_value());
            BOOST_TEST(slots.abi->flags == 7u);
            BOOST_TEST(slots.abi->abi_version == 0x030f0000u);
            BOOST_TEST(slots.problem == "");
        }
}

BOOST_AUTO_TEST_CASE(nested_arrays_of_both_kinds) {
    FakeMemory memory(true, true);
    put_definition(memory, true, array);
    put_slots(memory, array, {{92, nested}, {3, 1}});
    put_table(memory, nested, {{94, intptr, 0x5000}, {92, intptr, 0}, {85, 0, 0x7000}});
    put_slots(memory, 0x5000, {{4, 1}});
    const Slots slots = read_definition(memory, def, true)->slots;
    BOOST_TEST(gil_values(slots) == Values{1}, boost::test_tools::per_element());
    BOOST_TEST(slots.gil.front().depth == 2u);
    BOOST_TEST(slots.exec == 0x7000u);
    BOOST_TEST(slots.problem == "");
}

BOOST_AUTO_TEST_CASE(nesting_and_length_are_limited) {
    FakeMemory memory(true, true);
    put_definition(memory, true, array);
    put_slots(memory, array, {{92, nested}});
    put_table(memory, nested, {{92, intptr, nested}});  // into itself
    BOOST_TEST(read_definition(memory, def, true)->slots.problem == "slot arrays are nested deeper than 5 levels");

    for (std::uint64_t at = array; at < array + 16 * 300; at += 16) memory.put_word(at, 2), memory.put_word(at + 8, 1);
    BOOST_TEST(read_definition(memory, def, true)->slots.problem == "the slot array has no end within 256 entries");
}

BOOST_AUTO_TEST_CASE(arrays_that_leave_the_memory) {
    FakeMemory memory(true, true);
    put_definition(memory, true, 0x8000);
    memory.put_word(0x8000, 2);
    memory.put_word(0x8008, 1);
    BOOST_TEST(read_definition(memory, def, true)->slots.problem == "the slot array leaves the memory of the module");
    BOOST_TEST(read_slot_table(memory, 0xa000).problem == "the slot table leaves the memory of the module");
}

BOOST_AUTO_TEST_CASE(twice) {
    FakeMemory memory(true, true);
    put_definition(memory, true, array);
    put_slots(memory, array, {{4, 1}, {87, 1}});
    BOOST_TEST(read_definition(memory, def, true)->slots.gil.size() == 2u);
}
