// model_containers.cpp: dictionaries, lists and tuples. What a module stores there is found again; of all else nothing
// is known.
//
// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace interlock::auditing {

namespace {

using I = Interpreter;

// ---- dictionaries: what was stored is found again ----

std::string key_of(I& in, std::uint64_t object) {
    const auto text = in.texts().find(object);
    return text != in.texts().end() ? text->second : fmt::format("\1{:#x}", object);  // no text begins like that
}
void dict_set(I& in) {
    in.set_attribute(in.argument(0), key_of(in, in.argument(1)), in.argument(2));
    in.result(0);
}
void dict_set_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), in.argument(2));
    in.result(0);
}
void dict_get(I& in, const std::string& key) {
    if (const std::uint64_t stored = in.attribute(in.argument(0), key)) return in.result(stored);
    in.unknown_number(0, in.likely() ? 0 : in.new_object());
}
void dict_get_object(I& in) { dict_get(in, key_of(in, in.argument(1))); }
void dict_get_text(I& in) { dict_get(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_get_ref(I& in, const std::string& key) {
    std::uint64_t found = in.attribute(in.argument(0), key);
    const bool stored = found != 0;
    if (!stored && !in.likely()) found = in.new_object();
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, found);
    stored ? in.result(1) : in.unknown_number(0, 1);
}
void dict_get_ref_object(I& in) { dict_get_ref(in, key_of(in, in.argument(1))); }
void dict_get_ref_text(I& in) { dict_get_ref(in, in.guest().text(in.argument(1)).value_or("")); }
void dict_contains(I& in) {
    if (in.attribute(in.argument(0), key_of(in, in.argument(1))) != 0) return in.result(1);
    in.unknown_number(0, 1);
}
void module_dict(I& in) {
    const std::string where = "\1dict";
    std::uint64_t dict = in.attribute(in.argument(0), where);
    if (dict == 0) {
        dict = in.new_object();
        in.give_type(dict, "PyDict_Type");
        in.set_attribute(in.argument(0), where, dict);
    }
    in.result(dict);
}

// Macros write the items of lists and tuples: ob_size, then a pointer to the items, or the items themselves.
constexpr std::uint64_t most_items = 4096;
void list_new(I& in) {
    const std::uint64_t count = std::min(in.argument(0), most_items), list = in.new_object();
    in.give_type(list, "PyList_Type");
    in.sized().insert(list);
    in.lists().insert(list);
    in.guest().set_word(list + in.head_size(), count);
    in.guest().set_word(list + in.head_size() + in.word(), in.guest().allocate(count * in.word()));
    in.result(list);
}
/// A tuple with no items yet; 0 without memory, where the run ends.
std::uint64_t make_tuple(I& in, std::uint64_t count) {
    const std::uint64_t tuple = in.guest().new_object(in.head_size() + 2 * in.word() + count * in.word());
    if (tuple == 0) return 0;
    in.give_type(tuple, "PyTuple_Type");
    in.sized().insert(tuple);
    in.guest().set_word(tuple + in.head_size(), count);
    return tuple;
}
void tuple_new(I& in) { in.result(make_tuple(in, std::min(in.argument(0), most_items))); }

void tuple_pack(I& in) {
    const std::uint64_t count = std::min<std::uint64_t>(in.argument(0), 64);
    const std::uint64_t items = in.head_size() + in.word(), tuple = make_tuple(in, count);
    if (tuple != 0) {
        // Apple's convention for arm64 passes such arguments elsewhere than the others.
        const bool elsewhere = in.image().format == Format::macho && in.image().architecture == Architecture::aarch64;
        for (unsigned i = 0; i < count; ++i)
            in.guest().set_word(tuple + items + i * in.word(), elsewhere ? in.new_object() : in.argument(i + 1));
    }
    in.result(tuple);
}

void size_of(I& in) {
    const std::uint64_t size = in.guest().word(in.argument(0) + in.head_size()).value_or(0);
    if (in.sized().contains(in.argument(0))) return in.result(size);
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
    if (object != 0)
        in.result(object);
    else
        in.result_object();
}
void set_item(I& in, bool list) {
    if (const std::uint64_t place = item_place(in, list)) in.guest().set_word(place, in.argument(2));
    in.result(0);
}
void list_append(I& in) {
    Guest& guest = in.guest();
    const std::uint64_t list = in.argument(0), word = in.word(), first = list + in.head_size() + word;
    const std::uint64_t count = guest.word(list + in.head_size()).value_or(0);
    in.result(0);
    if (!in.sized().contains(list)) return;
    if (count >= most_items) {
        in.sized().erase(list);  // from now on its length is not known
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
    if (!in.sized().contains(from) || count > most_items) return in.unknown_object({});
    const std::uint64_t tuple = make_tuple(in, count);
    const bool list = in.lists().contains(from);
    const std::uint64_t first = from + in.head_size() + word, items = list ? guest.word(first).value_or(0) : first;
    for (std::uint64_t i = 0; tuple != 0 && i < count; ++i)
        guest.set_word(tuple + in.head_size() + word + i * word, guest.word(items + i * word).value_or(0));
    in.result(tuple);
}
void tuple_item(I& in) { item(in, false); }
void list_item(I& in) { item(in, true); }
void tuple_set_item(I& in) { set_item(in, false); }
void list_set_item(I& in) { set_item(in, true); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyDict_Contains", dict_contains},
    ModelEntry{"PyDict_GetItem", dict_get_object},
    ModelEntry{"PyDict_GetItemRef", dict_get_ref_object},
    ModelEntry{"PyDict_GetItemString", dict_get_text},
    ModelEntry{"PyDict_GetItemStringRef", dict_get_ref_text},
    ModelEntry{"PyDict_GetItemWithError", dict_get_object},
    ModelEntry{"PyDict_SetItem", dict_set},
    ModelEntry{"PyDict_SetItemString", dict_set_text},
    ModelEntry{"PyList_Append", list_append},
    ModelEntry{"PyList_AsTuple", tuple_of},
    ModelEntry{"PyList_GetItem", list_item},
    ModelEntry{"PyList_GetItemRef", list_item},
    ModelEntry{"PyList_New", list_new},
    ModelEntry{"PyList_SetItem", list_set_item},
    ModelEntry{"PyList_Size", size_of},
    ModelEntry{"PyModule_GetDict", module_dict},
    ModelEntry{"PySequence_Tuple", tuple_of},
    ModelEntry{"PyTuple_GetItem", tuple_item},
    ModelEntry{"PyTuple_New", tuple_new},
    ModelEntry{"PyTuple_Pack", tuple_pack},
    ModelEntry{"PyTuple_SetItem", tuple_set_item},
    ModelEntry{"PyTuple_Size", size_of},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_containers() noexcept { return table; }

}  // namespace interlock::auditing

#endif
