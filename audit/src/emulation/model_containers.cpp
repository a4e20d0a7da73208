// model_containers.cpp: dictionaries, lists and tuples. What a module stores there is found again; of all else nothing
// is known.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_containers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "emulation/own_functions.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::size_t most_pairs = 65536;

// ---- dictionaries: what was stored is found again ----

// Keys are the same if they are the same object, or texts or numbers of the same value. No text begins with \1.
std::string key_of(I& in, std::uint64_t object) {
    if (const auto text = in.objects().text(object); text != nullptr && !in.is_type(object)) return *text;
    if (const auto number = in.objects().number(object); number != nullptr) return fmt::format("\1number {}", *number);
    return fmt::format("\1{:#x}", object);
}
// Other keys may be equal to one that is not the same object.
bool is_plain(const std::string& key) { return !key.starts_with("\1") || key.starts_with("\1number"); }

void store(I& in, std::uint64_t dict, std::uint64_t key, std::uint64_t value) {
    const std::string text = key_of(in, key);
    // A text that is not known may be any.
    const std::uint64_t type = in.type_of(key);
    if (!is_plain(text) && (in.is_generic_type(type) || type == in.named_type("PyUnicode_Type"))) in.open(dict);
    if (!is_plain(text) && calls_own_functions(in, key)) in.objects().add_active_key(dict);
    in.set_attribute(dict, text, value);
}
void dict_set(I& in) {
    store(in, in.argument(0), in.argument(1), in.argument(2));
    in.result(0);
}
void dict_set_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.argument(2));
    in.result(0);
}

std::optional<bool> look_up(I& in, std::uint64_t dict, const std::string& key, std::uint64_t& value) {
    value = in.find_attribute(dict, key, false).value;
    if (value != 0) return true;
    if (is_plain(key) && in.is_closed(dict)) return false;
    return std::nullopt;
}
// What is not there cannot be deleted; of dictionaries of others it is not known.
void dict_delete_key(I& in, const std::string& key) {
    std::uint64_t value = 0;
    const std::optional<bool> known = look_up(in, in.argument(0), key, value);
    if (!known) return in.unknown_number(0, in.fails() ? ~std::uint64_t{0} : 0);
    if (!*known) in.raise("KeyError: " + key);
    in.result(*known ? 0 : ~std::uint64_t{0});
}
void dict_delete(I& in) {
    dict_delete_key(in, key_of(in, in.argument(1)));
    store(in, in.argument(0), in.argument(1), 0);
}
void dict_delete_text(I& in) {
    const std::string key = in.guest().text(in.argument(1)).value_or("");
    dict_delete_key(in, key);
    in.set_attribute(in.argument(0), key, 0);
}
void dict_get(I& in, const std::string& key) {
    std::uint64_t value = 0;
    if (look_up(in, in.argument(0), key, value)) return in.result(value);
    in.unknown_number(0, in.likely() ? 0 : in.new_object());
}
void dict_get_object(I& in) { dict_get(in, key_of(in, in.argument(1))); }
void dict_get_text(I& in) { dict_get(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_get_ref(I& in, const std::string& key) {
    std::uint64_t value = 0;
    const std::optional<bool> known = look_up(in, in.argument(0), key, value);
    if (!known && !in.likely()) value = in.new_object();
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, value);
    if (known) return in.result(*known ? 1 : 0);
    in.unknown_number(0, 1);
}
void dict_get_ref_object(I& in) { dict_get_ref(in, key_of(in, in.argument(1))); }
void dict_get_ref_text(I& in) { dict_get_ref(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_contains_key(I& in, const std::string& key) {
    std::uint64_t value = 0;
    if (const auto known = look_up(in, in.argument(0), key, value)) return in.result(*known ? 1 : 0);
    in.unknown_number(0, 1);
}
void dict_contains(I& in) { dict_contains_key(in, key_of(in, in.argument(1))); }
void dict_contains_text(I& in) { dict_contains_key(in, in.guest().text(in.argument(1)).value_or("")); }
// PyDict_SetDefault(dict, key, value): what is there already, or the value.
std::uint64_t set_default(I& in, bool& there) {
    const std::string key = key_of(in, in.argument(1));
    std::uint64_t value = 0;
    const std::optional<bool> known = look_up(in, in.argument(0), key, value);
    if (!known) in.assume("what a dictionary holds");
    if (!known && !in.likely()) value = in.new_object();
    there = value != 0;
    if (!there) in.set_attribute(in.argument(0), key, value = in.argument(2));
    return value;
}
void dict_set_default(I& in) {
    bool there = false;
    in.result(set_default(in, there));
}
void dict_set_default_ref(I& in) {
    bool there = false;
    const std::uint64_t value = set_default(in, there);
    if (const std::uint64_t place = in.argument(3)) in.guest().set_word(place, value);
    in.result(there ? 1 : 0);
}
// PyObject_GetItem(): of a dictionary of the module's own; of other objects nothing is known.
void get_item(I& in) {
    std::uint64_t value = 0;
    const std::string key = key_of(in, in.argument(1));
    const std::optional<bool> known = look_up(in, in.argument(0), key, value);
    if (known == false) in.raise("KeyError: " + key);
    if (known) return in.result(value);
    const std::string* origin = in.origin(in.argument(0));
    in.unknown_object(origin == nullptr ? std::string() : *origin);
}
void new_dict(I& in) { in.result(in.new_dict()); }
/// All that was stored in a dictionary; each pair is copied, and costs as much as some instructions.
auto all_of(I& in, std::uint64_t dict) {
    auto all = in.stored_in(dict);
    in.guest().charge(8 * all.size());
    return all;
}
void dict_clear(I& in) {
    for (const auto& [key, value] : all_of(in, in.argument(0))) in.set_attribute(in.argument(0), key, 0);
}
void dict_copy(I& in) {
    const std::uint64_t dict = in.argument(0), copy = in.new_dict();
    for (const auto& [key, value] : all_of(in, dict)) in.set_attribute(copy, key, value);
    // Of a module there is more than what was stored.
    if (!in.is_closed(dict) || in.objects().owner_of(dict) != dict) in.open(copy);
    in.result(copy);
}
// PyDict_Pop(dict, key, &value): what was there, which is there no longer.
void dict_pop_key(I& in, const std::string& key) {
    std::uint64_t value = 0;
    const std::optional<bool> known = look_up(in, in.argument(0), key, value);
    if (!known && !in.likely()) value = in.new_object();
    in.set_attribute(in.argument(0), key, 0);
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, value);
    if (known) return in.result(*known ? 1 : 0);
    in.unknown_number(0, 1);
}
void dict_pop(I& in) { dict_pop_key(in, key_of(in, in.argument(1))); }
void dict_pop_text(I& in) { dict_pop_key(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_size(I& in) {
    const std::uint64_t count = all_of(in, in.argument(0)).size();
    if (in.is_closed(in.argument(0))) return in.result(count);
    in.unknown_number(count, count + 1);
}
// The other way round than key_of(); a text of the module may look like any of them.
std::uint64_t key_object(I& in, const std::string& key) {
    const bool number = key.starts_with("\1number "), address = key.starts_with(
                                                          "\1"
                                                          "0x");
    std::uint64_t value = 0;
    const char* const end = key.data() + key.size();
    if (number && std::from_chars(key.data() + 8, end, value).ptr == end) return in.new_number(value);
    if (address && std::from_chars(key.data() + 3, end, value, 16).ptr == end) return value;
    return in.new_text_object(key);
}
// PyDict_Next(dict, &position, &key, &value): what was stored, in the order of the keys.
void dict_next(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t position = guest.word(in.argument(1)).value_or(0);
    if (position == 0 && !in.is_closed(in.argument(0))) in.unknown_number(0, 0);
    const auto all = all_of(in, in.argument(0));
    if (position == 0 && all.size() > 1) in.assume("the order of a dictionary");
    if (position >= all.size() || all.size() > most_pairs) return in.result(0);
    const auto& [key, value] = all[position];
    const std::uint64_t object = key_object(in, key);
    guest.set_word(in.argument(1), position + 1);
    if (const std::uint64_t place = in.argument(2)) guest.set_word(place, object);
    if (const std::uint64_t place = in.argument(3)) guest.set_word(place, value);
    in.result(1);
}

// Macros write the items of lists and tuples: ob_size, then a pointer to the items, or the items themselves.
constexpr std::uint64_t most_items = I::most_items;
void list_new(I& in) {
    const std::uint64_t count = std::min(in.argument(0), most_items), list = in.new_object();
    in.give_type(list, "PyList_Type");
    in.objects().add_list(list);
    in.guest().set_word(list + in.head_size(), count);
    in.guest().set_word(list + in.head_size() + in.word(), in.guest().allocate(count * in.word()));
    in.result(list);
}
void tuple_new(I& in) { in.result(in.new_tuple(in.argument(0))); }

void tuple_pack(I& in) {
    const std::uint64_t count = std::min<std::uint64_t>(in.argument(0), 64);
    const std::uint64_t items = in.head_size() + in.word(), tuple = in.new_tuple(count);
    if (tuple != 0) {
        // Apple's convention for arm64 passes such arguments elsewhere than the others.
        const bool elsewhere =
            in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64;
        for (unsigned i = 0; i < count; ++i)
            in.guest().set_word(tuple + items + i * in.word(), elsewhere ? in.new_object() : in.argument(i + 1));
    }
    in.result(tuple);
}

void size_of(I& in) {
    const std::uint64_t size = in.guest().word(in.argument(0) + in.head_size()).value_or(0);
    if (in.objects().has_known_length(in.argument(0))) return in.result(size);
    in.unknown_number(size, size + 1);
}

/// Address of item `index` of a tuple or list; 0 when it has none.
std::uint64_t item_place(I& in, bool list) {
    const std::uint64_t sequence = in.argument(0), index = in.argument(1);
    if (index >= in.guest().word(sequence + in.head_size()).value_or(0)) return 0;
    const std::uint64_t first = sequence + in.head_size() + in.word();
    return (list ? in.guest().word(first).value_or(0) : first) + index * in.word();
}
void item(I& in, bool list) {
    const std::uint64_t place = item_place(in, list);
    const std::uint64_t object = place == 0 ? 0 : in.guest().word(place).value_or(0);
    if (object != 0) return in.result(object);
    if (!in.objects().has_known_length(in.argument(0))) return in.unknown_object({});
    if (place == 0) in.raise("IndexError: index out of range");
    in.result(0);
}
void set_item(I& in, bool list) {
    const std::uint64_t place = item_place(in, list);
    if (place != 0) in.guest().set_word(place, in.argument(2));
    if (place != 0 || !in.objects().has_known_length(in.argument(0))) return in.result(0);
    in.raise("IndexError: assignment index out of range");
    in.result(~std::uint64_t{0});
}
void list_append(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t list = in.argument(0), word = in.word(), first = list + in.head_size() + word;
    const std::uint64_t count = guest.word(list + in.head_size()).value_or(0);
    in.result(0);
    if (!in.objects().has_known_length(list)) return;
    if (count >= most_items) {
        in.objects().forget_length(list);  // from now on its length is not known
        return;
    }
    std::uint64_t items = guest.word(first).value_or(0);
    if (guest.allocated_size(items) < (count + 1) * word) {
        const std::uint64_t larger = guest.allocate((2 * count + 4) * word);
        for (std::uint64_t i = 0; larger != 0 && i < count; ++i)
            guest.set_word(larger + i * word, guest.word(items + i * word).value_or(0));
        guest.set_word(first, items = larger);
    }
    guest.set_word(items + count * word, in.argument(1));
    guest.set_word(list + in.head_size(), count + 1);
}
void tuple_of(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t from = in.argument(0), word = in.word();
    const std::uint64_t count = guest.word(from + in.head_size()).value_or(0);
    if (!in.objects().has_known_length(from) || count > most_items) return in.unknown_object({});
    const std::uint64_t tuple = in.new_tuple(count);
    const bool list = in.objects().is_list(from);
    const std::uint64_t first = from + in.head_size() + word, items = list ? guest.word(first).value_or(0) : first;
    for (std::uint64_t i = 0; tuple != 0 && i < count; ++i)
        guest.set_word(tuple + in.head_size() + word + i * word, guest.word(items + i * word).value_or(0));
    in.result(tuple);
}
// PyTuple_FromArray(items, count)
void tuple_from_array(I& in) {
    const std::uint64_t count = std::min(in.argument(1), most_items), tuple = in.new_tuple(count);
    for (std::uint64_t i = 0; tuple != 0 && i < count; ++i)
        in.guest().set_word(tuple + in.head_size() + (i + 1) * in.word(),
                            in.guest().word(in.argument(0) + i * in.word()).value_or(0));
    in.result(tuple);
}
// _PyTuple_Resize(&tuple, count)
void tuple_resize(I& in) {
    const std::uint64_t old = in.guest().word(in.argument(0)).value_or(0), first = old + in.head_size() + in.word();
    const std::uint64_t count = std::min(in.argument(1), most_items), tuple = in.new_tuple(count);
    const std::uint64_t kept = std::min(count, in.guest().word(old + in.head_size()).value_or(0));
    for (std::uint64_t i = 0; tuple != 0 && i < kept; ++i)
        in.guest().set_word(tuple + in.head_size() + (i + 1) * in.word(),
                            in.guest().word(first + i * in.word()).value_or(0));
    in.guest().set_word(in.argument(0), tuple);
    in.result(0);
}
void tuple_item(I& in) { item(in, false); }
void list_item(I& in) { item(in, true); }
void tuple_set_item(I& in) { set_item(in, false); }
void list_set_item(I& in) { set_item(in, true); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyDict_Clear", dict_clear},
    ModelEntry{"PyDict_Contains", dict_contains},
    ModelEntry{"PyDict_ContainsString", dict_contains_text},
    ModelEntry{"PyDict_Copy", dict_copy},
    ModelEntry{"PyDict_DelItem", dict_delete},
    ModelEntry{"PyDict_DelItemString", dict_delete_text},
    ModelEntry{"PyDict_GetItem", dict_get_object},
    ModelEntry{"PyDict_GetItemRef", dict_get_ref_object},
    ModelEntry{"PyDict_GetItemString", dict_get_text},
    ModelEntry{"PyDict_GetItemStringRef", dict_get_ref_text},
    ModelEntry{"PyDict_GetItemWithError", dict_get_object},
    ModelEntry{"PyDict_New", new_dict},
    ModelEntry{"PyDict_Next", dict_next},
    ModelEntry{"PyDict_Pop", dict_pop},
    ModelEntry{"PyDict_PopString", dict_pop_text},
    ModelEntry{"PyDict_SetDefault", dict_set_default},
    ModelEntry{"PyDict_SetDefaultRef", dict_set_default_ref},
    ModelEntry{"PyDict_SetItem", dict_set},
    ModelEntry{"PyDict_SetItemString", dict_set_text},
    ModelEntry{"PyDict_Size", dict_size},
    ModelEntry{"PyList_Append", list_append},
    ModelEntry{"PyList_AsTuple", tuple_of},
    ModelEntry{"PyList_GetItem", list_item},
    ModelEntry{"PyList_GetItemRef", list_item},
    ModelEntry{"PyList_New", list_new},
    ModelEntry{"PyList_SetItem", list_set_item},
    ModelEntry{"PyList_Size", size_of},
    ModelEntry{"PyMapping_GetOptionalItem", dict_get_ref_object},
    ModelEntry{"PyMapping_GetOptionalItemString", dict_get_ref_text},
    ModelEntry{"PyMapping_SetItemString", dict_set_text},
    ModelEntry{"PyObject_DelItem", dict_delete},
    ModelEntry{"PyObject_GetItem", get_item},
    ModelEntry{"PyObject_SetItem", dict_set},
    ModelEntry{"PySequence_Tuple", tuple_of},
    ModelEntry{"PyTuple_FromArray", tuple_from_array},
    ModelEntry{"PyTuple_GetItem", tuple_item},
    ModelEntry{"PyTuple_New", tuple_new},
    ModelEntry{"PyTuple_Pack", tuple_pack},
    ModelEntry{"PyTuple_SetItem", tuple_set_item},
    ModelEntry{"PyTuple_Size", size_of},
    ModelEntry{"_PyTuple_Resize", tuple_resize},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_containers() noexcept { return table; }

std::optional<bool> dict_look_up(Interpreter& in, std::uint64_t dict, std::uint64_t key, std::uint64_t& value) {
    return look_up(in, dict, key_of(in, key), value);
}

void dict_store(Interpreter& in, std::uint64_t dict, std::uint64_t key, std::uint64_t value) {
    store(in, dict, key, value);
}

}  // namespace interlock::auditing::emulation

#endif
