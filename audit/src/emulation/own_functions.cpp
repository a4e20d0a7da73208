// own_functions.cpp: which functions of the module lie behind an object, and how they are run.
//
// SPDX-License-Identifier: MIT
#include "emulation/own_functions.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;
using F = TypeField;

// Those that a class may have of its own without anything being called but at the end of an object.
constexpr std::array ordinary = {F::getattr,  F::setattr,   F::repr,     F::hash,        F::call,
                                 F::str,      F::getattro,  F::setattro, F::richcompare, F::iter,
                                 F::iternext, F::descr_get, F::descr_set};
// Words of the tables of functions.
struct Table {
    unsigned field, words;
};
constexpr std::array tables = {Table{F::as_async, 4}, Table{F::as_number, 36}, Table{F::as_sequence, 10},
                               Table{F::as_mapping, 3}, Table{F::as_buffer, 2}};

bool has_own_functions(I& in, std::uint64_t type) {
    for (const std::uint64_t one : classes_of(in, type)) {
        if (!is_own_type(in, one)) continue;
        if (std::ranges::any_of(ordinary,
                                [&](unsigned field) { return is_own_function(in, in.type_field(one, field)); }))
            return true;
        for (const Table& table : tables)
            if (const std::uint64_t at = in.type_field(one, table.field); at != 0)
                for (unsigned i = 0; i < table.words; ++i)
                    if (is_own_function(in, in.guest().word(at + i * in.word()).value_or(0))) return true;
        for (const unsigned list : {F::methods, F::getset})
            if (const std::uint64_t at = in.type_field(one, list); at != 0 && in.guest().word(at).value_or(0) != 0)
                return true;
    }
    return false;
}

std::uint64_t in_slot(I& in, std::uint64_t type, SlotPlace place) {
    if (place.table == 0) return in.type_field(type, place.index);
    const std::uint64_t table = in.type_field(type, place.table);
    return table == 0 ? 0 : in.guest().word(table + place.index * std::uint64_t{in.word()}).value_or(0);
}

}  // namespace

bool is_own_type(I& in, std::uint64_t type) {
    return type != 0 && (in.objects().is_own(type) || in.guest().image_at(type)) && in.is_type(type);
}

std::vector<std::uint64_t> classes_of(I& in, std::uint64_t type) {
    constexpr std::uint64_t most = 64;
    std::vector<std::uint64_t> classes{type};
    const std::uint64_t mro = in.type_field(type, F::mro), first = mro + in.head_size();
    const std::uint64_t count = mro == 0 ? 0 : in.guest().word(first).value_or(0);
    for (std::uint64_t i = 0; i < std::min(count, most); ++i)
        if (const std::uint64_t one = in.guest().word(first + (i + 1) * in.word()).value_or(0); one != 0 && one != type)
            classes.push_back(one);
    return classes;
}

void run_own(I& in, std::uint64_t function, const Arguments& arguments, Then then) {
    if (in.guest().can_call_with(arguments.size())) return in.guest().call_then(function, arguments, std::move(then));
    in.assume(own_function_not_run);
    then(0);
}

std::uint64_t own_slot(I& in, std::uint64_t type, SlotPlace place) {
    if (type == 0) return 0;
    for (const std::uint64_t one : classes_of(in, type))
        if (const std::uint64_t found = in_slot(in, one, place); found != 0)
            return is_own_function(in, found) ? found : 0;
    return 0;
}

bool calls_own_functions(I& in, std::uint64_t object, unsigned depth) {
    constexpr unsigned deepest = 4;
    constexpr std::uint64_t most = 64, first_page = 4096;
    if (object < first_page) return false;
    const std::uint64_t type = in.type_of(object);
    if (type == 0 || in.is_generic_type(type)) return false;
    if (is_own_type(in, type)) return has_own_functions(in, type);
    if (!in.objects().has_known_length(object)) return in.objects().has_active_keys(object);
    const bool list = in.objects().is_list(object);
    if (!list && type != in.named_type("PyTuple_Type")) return false;
    const std::uint64_t place = object + in.head_size(), count = in.guest().word(place).value_or(0);
    const std::uint64_t inside = place + in.word(), items = list ? in.guest().word(inside).value_or(0) : inside;
    if (count > most || depth >= deepest) return true;  // who knows
    for (std::uint64_t i = 0; i < count; ++i)
        if (calls_own_functions(in, in.guest().word(items + i * in.word()).value_or(0), depth + 1)) return true;
    return false;
}

}  // namespace interlock::auditing::emulation

#endif
