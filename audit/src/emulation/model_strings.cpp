// model_strings.cpp: std::string in its four layouts: that of libstdc++, the older one of it, and the two of libc++.
// What the libraries export is the same for all of them, under names that differ in a few letters.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_strings.hpp"
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t everything = ~std::uint64_t{0};

// ---- what changes a string: the object is argument 0, and comes back ----

template <typename S, typename Change>
void change(I& in, Change change_text) {
    const std::uint64_t self = in.argument(0);
    std::string text = S::load(in, self);
    change_text(text);
    in.guest().charge(text.size() / 16);
    if (text.size() > largest_copy) return no_memory_there(in);
    S::store(in, self, text, 0);
    in.result(self);
}
std::string repeated(I& in, unsigned count, unsigned character) {
    return std::string(std::min(in.argument(count), largest_copy), static_cast<char>(in.argument(character)));
}
std::string part_of(const std::string& text, std::uint64_t at, std::uint64_t count) {
    return text.substr(std::min<std::uint64_t>(at, text.size()), count);
}
void put(std::string& text, std::uint64_t at, std::uint64_t count, const std::string& part) {
    text.replace(std::min<std::uint64_t>(at, text.size()), count, part);
}

template <typename S>
struct Functions {
    static void empty(I& in) { S::create(in, in.argument(0), {}); }
    static void copy(I& in) { S::create(in, in.argument(0), S::load(in, in.argument(1))); }
    static void move(I& in) {
        const std::uint64_t self = in.argument(0), from = in.argument(1);
        S::create(in, self, S::load(in, from));
        S::store(in, from, {}, 0);
    }
    static void from_text(I& in) { S::create(in, in.argument(0), text_of(in, in.argument(1))); }
    static void from_bytes(I& in) { S::create(in, in.argument(0), bytes_of(in, in.argument(1), in.argument(2))); }
    static void from_range(I& in) {  // (begin, end)
        const std::uint64_t begin = in.argument(1), end = in.argument(2);
        S::create(in, in.argument(0), bytes_of(in, begin, end < begin ? 0 : end - begin));
    }
    static void from_repeated(I& in) { S::create(in, in.argument(0), repeated(in, 1, 2)); }
    static void from_part(I& in) {
        S::create(in, in.argument(0), part_of(S::load(in, in.argument(1)), in.argument(2), in.argument(3)));
    }
    static void from_rest(I& in) {
        S::create(in, in.argument(0), part_of(S::load(in, in.argument(1)), in.argument(2), everything));
    }

    static void assign(I& in) {
        change<S>(in, [&](std::string& text) { text = S::load(in, in.argument(1)); });
    }
    static void assign_move(I& in) {
        const std::uint64_t from = in.argument(1);
        const bool itself = in.argument(0) == from;
        assign(in);
        if (!itself) S::store(in, from, {}, 0);
    }
    static void assign_text(I& in) {
        change<S>(in, [&](std::string& text) { text = text_of(in, in.argument(1)); });
    }
    static void assign_bytes(I& in) {
        change<S>(in, [&](std::string& text) { text = bytes_of(in, in.argument(1), in.argument(2)); });
    }
    static void assign_repeated(I& in) {
        change<S>(in, [&](std::string& text) { text = repeated(in, 1, 2); });
    }
    static void assign_character(I& in) {
        change<S>(in, [&](std::string& text) { text = std::string(1, static_cast<char>(in.argument(1))); });
    }
    static void assign_part(I& in) {
        change<S>(in, [&](std::string& text) {
            text = part_of(S::load(in, in.argument(1)), in.argument(2), in.argument(3));
        });
    }
    static void append(I& in) {
        change<S>(in, [&](std::string& text) { text += S::load(in, in.argument(1)); });
    }
    static void append_text(I& in) {
        change<S>(in, [&](std::string& text) { text += text_of(in, in.argument(1)); });
    }
    static void append_bytes(I& in) {
        change<S>(in, [&](std::string& text) { text += bytes_of(in, in.argument(1), in.argument(2)); });
    }
    static void append_repeated(I& in) {
        change<S>(in, [&](std::string& text) { text += repeated(in, 1, 2); });
    }
    static void append_part(I& in) {
        change<S>(in, [&](std::string& text) {
            text += part_of(S::load(in, in.argument(1)), in.argument(2), in.argument(3));
        });
    }
    static void push_back(I& in) {
        change<S>(in, [&](std::string& text) { text += static_cast<char>(in.argument(1)); });
    }
    static void pop_back(I& in) {
        change<S>(in, [&](std::string& text) {
            if (!text.empty()) text.pop_back();
        });
    }
    static void clear(I& in) {
        change<S>(in, [&](std::string& text) { text.clear(); });
    }
    static void resize(I& in) {
        change<S>(in, [&](std::string& text) {
            text.resize(std::min(in.argument(1), largest_copy), static_cast<char>(in.argument(2)));
        });
    }
    static void resize_zeros(I& in) {
        change<S>(in, [&](std::string& text) { text.resize(std::min(in.argument(1), largest_copy), '\0'); });
    }
    static void reserve(I& in) {
        const std::uint64_t self = in.argument(0), room = std::min(in.argument(1), largest_copy);
        S::store(in, self, S::load(in, self), room);
        in.result(0);
    }
    static void insert_bytes(I& in) {  // (position, bytes, size)
        change<S>(
            in, [&](std::string& text) { put(text, in.argument(1), 0, bytes_of(in, in.argument(2), in.argument(3))); });
    }
    static void insert_text(I& in) {
        change<S>(in, [&](std::string& text) { put(text, in.argument(1), 0, text_of(in, in.argument(2))); });
    }
    static void insert(I& in) {
        change<S>(in, [&](std::string& text) { put(text, in.argument(1), 0, S::load(in, in.argument(2))); });
    }
    static void insert_repeated(I& in) {
        change<S>(in, [&](std::string& text) { put(text, in.argument(1), 0, repeated(in, 2, 3)); });
    }
    static void replace_bytes(I& in) {  // (position, count, bytes, size)
        change<S>(in, [&](std::string& text) {
            put(text, in.argument(1), in.argument(2), bytes_of(in, in.argument(3), in.argument(4)));
        });
    }
    static void replace_text(I& in) {
        change<S>(in,
                  [&](std::string& text) { put(text, in.argument(1), in.argument(2), text_of(in, in.argument(3))); });
    }
    static void replace(I& in) {
        change<S>(in,
                  [&](std::string& text) { put(text, in.argument(1), in.argument(2), S::load(in, in.argument(3))); });
    }
    static void replace_repeated(I& in) {
        change<S>(in, [&](std::string& text) { put(text, in.argument(1), in.argument(2), repeated(in, 3, 4)); });
    }
    static void erase(I& in) {
        change<S>(in, [&](std::string& text) { put(text, in.argument(1), in.argument(2), {}); });
    }
    // Makes room: (position, count that goes, bytes or NULL, count that comes).
    static void mutate(I& in) {
        change<S>(in, [&](std::string& text) {
            const std::uint64_t come = std::min(in.argument(4), largest_copy);
            put(text, in.argument(1), in.argument(2),
                in.argument(3) == 0 ? std::string(come, '\0') : bytes_of(in, in.argument(3), come));
        });
    }
    static void set_length(I& in) {
        change<S>(in, [&](std::string& text) { text.resize(std::min(in.argument(1), largest_copy), '\0'); });
    }
    static void swap(I& in) {
        const std::uint64_t self = in.argument(0), other = in.argument(1);
        const std::string mine = S::load(in, self), its = S::load(in, other);
        S::store(in, self, its, 0);
        S::store(in, other, mine, 0);
    }

    // ---- what asks a string ----

    static void compare_text(I& in) { compare(in, S::load(in, in.argument(0)), text_of(in, in.argument(1))); }
    static void compare_string(I& in) { compare(in, S::load(in, in.argument(0)), S::load(in, in.argument(1))); }
    static std::string part(I& in) { return part_of(S::load(in, in.argument(0)), in.argument(1), in.argument(2)); }
    static void compare_part_text(I& in) { compare(in, part(in), text_of(in, in.argument(3))); }
    static void compare_part_bytes(I& in) { compare(in, part(in), bytes_of(in, in.argument(3), in.argument(4))); }
    static void compare_part(I& in) { compare(in, part(in), S::load(in, in.argument(3))); }

    enum class Find : std::uint8_t { text, last_text, first_of, last_of, first_not_of, last_not_of };
    template <Find How>
    static void look(I& in, const std::string& what, std::uint64_t from) {
        const std::string text = S::load(in, in.argument(0));
        in.guest().charge(text.size() * what.size() / 64);
        if (in.guest().used_up()) return in.result(everything);
        in.result(How == Find::text           ? text.find(what, from)
                  : How == Find::last_text    ? text.rfind(what, from)
                  : How == Find::first_of     ? text.find_first_of(what, from)
                  : How == Find::last_of      ? text.find_last_of(what, from)
                  : How == Find::first_not_of ? text.find_first_not_of(what, from)
                                              : text.find_last_not_of(what, from));
    }
    template <Find How>
    static void find_bytes(I& in) {  // (bytes, position, size)
        look<How>(in, bytes_of(in, in.argument(1), in.argument(3)), in.argument(2));
    }
    template <Find How>
    static void find_text(I& in) {
        look<How>(in, text_of(in, in.argument(1)), in.argument(2));
    }
    template <Find How>
    static void find(I& in) {
        look<How>(in, S::load(in, in.argument(1)), in.argument(2));
    }
    template <Find How>
    static void find_character(I& in) {
        look<How>(in, std::string(1, static_cast<char>(in.argument(1))), in.argument(2));
    }
    static void size(I& in) { in.result(S::load(in, in.argument(0)).size()); }
    static void is_empty(I& in) { in.result(S::load(in, in.argument(0)).empty() ? 1 : 0); }
    static void substring(I& in) {  // (position, count), into a new one
        const auto [place, first] = place_of_result(in);
        S::create(in, place, part_of(S::load(in, in.argument(first)), in.argument(first + 1), in.argument(first + 2)));
        in.result(place);
    }
};

// Names with what differs between the layouts left open: # is size_t, $ the string's own type, @ its allocator, % 1 or
// 2 (constructors have two names), and K at the beginning a const function.
struct Pattern {
    std::string_view name;
    std::array<ModelFunction, 3> functions;  // for the layouts
};

#define ALL(function) \
    {Functions<NewString>::function, Functions<OldString>::function, Functions<LibcxxString>::function}
#define NEW(function) {Functions<NewString>::function, nullptr, nullptr}
#define LIBCXX(function) {nullptr, nullptr, Functions<LibcxxString>::function}

const Pattern patterns[] = {
    {"C%Ev", ALL(empty)},
    {"C%ERK$", ALL(copy)},
    {"C%ERK$RK@", ALL(copy)},
    {"C%EO$", ALL(move)},
    {"C%EO$RK@", ALL(move)},
    {"C%EPKcRK@", ALL(from_text)},
    {"C%EPKc#RK@", ALL(from_bytes)},
    {"C%E#cRK@", ALL(from_repeated)},
    {"C%ERK$##", ALL(from_part)},
    {"C%ERK$##RK@", ALL(from_part)},
    {"C%ERK$#", ALL(from_rest)},
    {"C%ERK$#RK@", ALL(from_rest)},
    {"D%Ev", {zero, zero, zero}},
    {"aSERK$", ALL(assign)},
    {"aSEO$", ALL(assign_move)},
    {"aSEPKc", ALL(assign_text)},
    {"aSEc", ALL(assign_character)},
    {"6assignERK$", ALL(assign)},
    {"6assignEO$", ALL(assign_move)},
    {"6assignEPKc", ALL(assign_text)},
    {"6assignEPKc#", ALL(assign_bytes)},
    {"6assignE#c", ALL(assign_repeated)},
    {"6assignERK$##", ALL(assign_part)},
    {"6appendERK$", ALL(append)},
    {"6appendEPKc", ALL(append_text)},
    {"6appendEPKc#", ALL(append_bytes)},
    {"6appendE#c", ALL(append_repeated)},
    {"6appendERK$##", ALL(append_part)},
    {"pLERK$", ALL(append)},
    {"pLEPKc", ALL(append_text)},
    {"pLEc", ALL(push_back)},
    {"9push_backEc", ALL(push_back)},
    {"8pop_backEv", ALL(pop_back)},
    {"5clearEv", ALL(clear)},
    {"6resizeE#c", ALL(resize)},
    {"6resizeE#", ALL(resize_zeros)},
    {"7reserveE#", ALL(reserve)},
    {"7reserveEv", {zero, zero, zero}},
    {"13shrink_to_fitEv", {zero, zero, zero}},
    {"6insertE#PKc#", ALL(insert_bytes)},
    {"6insertE#PKc", ALL(insert_text)},
    {"6insertE#RK$", ALL(insert)},
    {"6insertE##c", ALL(insert_repeated)},
    {"7replaceE##PKc#", ALL(replace_bytes)},
    {"7replaceE##PKc", ALL(replace_text)},
    {"7replaceE##RK$", ALL(replace)},
    {"7replaceE###c", ALL(replace_repeated)},
    {"5eraseE##", ALL(erase)},
    {"4swapER$", ALL(swap)},
    {"K7compareEPKc", ALL(compare_text)},
    {"K7compareERK$", ALL(compare_string)},
    {"K7compareE##PKc", ALL(compare_part_text)},
    {"K7compareE##PKc#", ALL(compare_part_bytes)},
    {"K7compareE##RK$", ALL(compare_part)},
    {"K4sizeEv", ALL(size)},
    {"K6lengthEv", ALL(size)},
    {"K5emptyEv", ALL(is_empty)},
    {"K6substrE##", ALL(substring)},
    // Of libstdc++ alone.
    {"9_M_appendEPKc#", NEW(append_bytes)},
    {"9_M_assignERK$", NEW(assign)},
    {"10_M_replaceE##PKc#", NEW(replace_bytes)},
    {"14_M_replace_auxE###c",
     {Functions<NewString>::replace_repeated, Functions<OldString>::replace_repeated, nullptr}},
    {"15_M_replace_safeE##PKc#", {nullptr, Functions<OldString>::replace_bytes, nullptr}},
    {"9_M_mutateE##PKc#", NEW(mutate)},
    {"8_M_eraseE##", NEW(erase)},
    {"7_M_swapER$", NEW(swap)},
    {"13_M_set_lengthE#", NEW(set_length)},
    {"12_M_constructE#c", NEW(from_repeated)},
    {"12_M_constructIPKcEEvT_S8_St20forward_iterator_tag", NEW(from_range)},
    {"12_M_constructIPcEEvT_S7_St20forward_iterator_tag", NEW(from_range)},
    {"12_M_constructILb1EEEvPKc#", NEW(from_bytes)},
    {"12_M_constructILb0EEEvPKc#", NEW(from_bytes)},
    {"10_M_disposeEv", {zero, nullptr, nullptr}},
    {"10_M_destroyE#", {zero, nullptr, nullptr}},
    // Of libc++ alone.
    {"6__initEPKc#", LIBCXX(from_bytes)},
    {"6__initEPKc##", LIBCXX(from_bytes)},
    {"6__initE#c", LIBCXX(from_repeated)},
    {"25__init_copy_ctor_externalEPKc#", LIBCXX(from_bytes)},
    {"17__assign_externalEPKc#", LIBCXX(assign_bytes)},
    {"17__assign_externalEPKc", LIBCXX(assign_text)},
    {"19__assign_no_aliasILb1EEER$PKc#", LIBCXX(assign_bytes)},
    {"19__assign_no_aliasILb0EEER$PKc#", LIBCXX(assign_bytes)},
    {"26__erase_external_with_moveE##", LIBCXX(erase)},
};

#undef ALL
#undef NEW
#undef LIBCXX

// The same letters for all ways to look for something.
template <typename S>
void add_searches(std::vector<std::pair<std::string, ModelFunction>>& functions) {
    using F = Functions<S>;
    using Find = typename F::Find;
    const auto add = [&]<Find How>(std::string_view name) {
        functions.emplace_back("K" + std::string(name) + "EPKc##", &F::template find_bytes<How>);
        functions.emplace_back("K" + std::string(name) + "EPKc#", &F::template find_text<How>);
        functions.emplace_back("K" + std::string(name) + "ERK$#", &F::template find<How>);
        functions.emplace_back("K" + std::string(name) + "Ec#", &F::template find_character<How>);
    };
    add.template operator()<Find::text>("4find");
    add.template operator()<Find::last_text>("5rfind");
    add.template operator()<Find::first_of>("13find_first_of");
    add.template operator()<Find::last_of>("12find_last_of");
    add.template operator()<Find::first_not_of>("17find_first_not_of");
    add.template operator()<Find::last_not_of>("16find_last_not_of");
}

struct Layout {
    std::string_view scope, self, allocator;
};
constexpr std::array<Layout, 4> layouts = {
    Layout{"St7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE", "S4_", "S3_"}, Layout{"Ss", "Ss", "SaIcE"},
    Layout{"St3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE", "S5_", "S4_"},
    Layout{"St6__ndk112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEE", "S5_", "S4_"}};

std::string name_of(std::string_view pattern, const Layout& layout, char size, char constructor) {
    std::string name = "_ZN";
    if (pattern.starts_with('K')) {
        name += 'K';
        pattern.remove_prefix(1);
    }
    name += layout.scope;
    for (const char c : pattern) {
        if (c == '#')
            name += size;
        else if (c == '$')
            name += layout.self;
        else if (c == '@')
            name += layout.allocator;
        else
            name += c == '%' ? constructor : c;
    }
    return name;
}

struct Made {
    std::vector<std::string> names;
    std::vector<ModelEntry> entries;
};

Made make_entries() {
    std::array<std::vector<std::pair<std::string, ModelFunction>>, 3> functions;
    for (const Pattern& pattern : patterns)
        for (std::size_t i = 0; i < functions.size(); ++i)
            if (pattern.functions[i] != nullptr) functions[i].emplace_back(pattern.name, pattern.functions[i]);
    add_searches<NewString>(functions[0]);
    add_searches<OldString>(functions[1]);
    add_searches<LibcxxString>(functions[2]);
    Made made;
    std::vector<ModelFunction> what;
    for (std::size_t i = 0; i < layouts.size(); ++i)
        for (const auto& [pattern, function] : functions[std::min<std::size_t>(i, 2)])
            for (const char size : {'m', 'j'})
                for (const char constructor : {'1', '2'}) {
                    made.names.push_back(name_of(pattern, layouts[i], size, constructor));
                    what.push_back(function);
                }
    for (std::size_t i = 0; i < what.size(); ++i) made.entries.push_back({made.names[i], what[i]});
    return made;
}

}  // namespace

PlaceOfResult place_of_result(Interpreter& in) {
    if (const std::uint64_t place = in.guest().structure_place()) return {place, 0};
    // On 32-bit x86 the function takes this argument off.
    if (in.image().architecture == image::Architecture::i386 && in.image().format == image::Format::elf)
        in.guest().use_stack(4, false);
    return {in.argument(0), 1};
}

std::span<const ModelEntry> model_strings() {
    static const Made made = make_entries();
    return made.entries;
}

}  // namespace interlock::auditing::emulation

#endif
