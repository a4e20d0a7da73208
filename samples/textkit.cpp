// textkit: counts the lines, words and bytes of texts. A `free` module in C++17: no function touches anything but its
// arguments and its result, so any number of threads may be inside. Long loops have safe points, results lie in the
// host's memory or point into the argument, and no exception gets out.
//
// SPDX-License-Identifier: MIT
#include <interlock/module.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using Counts = std::unordered_map<std::string_view, std::int64_t>;

/// Text between two safe points: takes well under a millisecond.
constexpr std::size_t safe_point_interval = 64 * 1024;

/// The bytes of the character at `at` if it can be part of a word, else 0. Letters, digits, the underscore and all of
/// Unicode beyond ASCII can; bytes that are not UTF-8 cannot, so that every word is text even in a binary file.
std::size_t word_character(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
        const unsigned char lower = lead | 0x20;
        return (lower >= 'a' && lower <= 'z') || (lead >= '0' && lead <= '9') || lead == '_';
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || text.size() - at < size) return 0;
    std::uint32_t code = lead & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(text[at + i]);
        if ((byte & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte & 0x3fu);
    }
    const bool shortest_form = code >= (size == 2 ? 0x80u : size == 3 ? 0x800u : 0x10000u);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return shortest_form && !surrogate && code <= 0x10ffff ? size : 0;
}

template <typename Use>
void for_each_word(il_call* call, std::string_view text, Use use) {
    std::size_t begin = 0, next_safe_point = safe_point_interval;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = word_character(text, at);
        if (size != 0 && !inside) begin = at;
        if (size == 0 && inside) use(text.substr(begin, at - begin));
        inside = size != 0;
        at += inside ? size : 1;
        if (at >= next_safe_point) {
            il_safe_point(call);
            next_safe_point = at + safe_point_interval;
        }
    }
    if (inside) use(text.substr(begin));
}

std::int64_t count_lines(il_call* call, std::string_view text) {
    std::int64_t lines = 0;
    while (!text.empty()) {
        const std::string_view piece = text.substr(0, safe_point_interval);
        lines += std::count(piece.begin(), piece.end(), '\n');
        text.remove_prefix(piece.size());
        il_safe_point(call);
    }
    return lines;
}

std::int64_t count_words(il_call* call, std::string_view text) {
    std::int64_t words = 0;
    for_each_word(call, text, [&](std::string_view) { ++words; });
    return words;
}

il_value text_value(std::string_view text) { return il_text(text.data(), text.size()); }
std::string_view view_of(const il_string& text) { return {text.data, text.size}; }

/// Takes text from a string or from the bytes of a file.
bool as_text(const il_value& value, std::string_view& text) {
    if (value.type == IL_STRING)
        text = view_of(value.as.string);
    else if (value.type == IL_BYTES)
        text = {static_cast<const char*>(value.as.bytes.data), value.as.bytes.size};
    else
        return false;
    return true;
}

/// Memory of the host for `count` items of a result; null when there is none, and then an error is recorded.
template <typename T>
T* result_items(il_call* call, std::size_t count) {
    return static_cast<T*>(il_alloc(call, count * sizeof(T), alignof(T)));
}

il_status tokens(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    std::string_view text;
    if (nargs != 1 || !as_text(args[0], text))
        return il_raise(call, IL_ERROR_ARGUMENT, "tokens(text) takes one string or bytes");
    const auto count = static_cast<std::size_t>(count_words(call, text));
    auto* items = result_items<il_value>(call, count);
    if (items == nullptr) return IL_ERROR_MEMORY;
    for_each_word(call, text, [next = items](std::string_view word) mutable { *next++ = text_value(word); });
    *result = il_items(items, count);
    return IL_OK;
}

il_status lines(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    std::string_view text;
    if (nargs != 1 || !as_text(args[0], text))
        return il_raise(call, IL_ERROR_ARGUMENT, "lines(text) takes one string or bytes");
    *result = il_int64(count_lines(call, text));
    return IL_OK;
}

il_status count(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    std::string_view text;
    if (nargs != 1 || !as_text(args[0], text))
        return il_raise(call, IL_ERROR_ARGUMENT, "count(text) takes one string or bytes");
    auto* entries = result_items<il_entry>(call, 3);
    if (entries == nullptr) return IL_ERROR_MEMORY;
    entries[0] = {{"lines", 5}, il_int64(count_lines(call, text))};
    entries[1] = {{"words", 5}, il_int64(count_words(call, text))};
    entries[2] = {{"bytes", 5}, il_int64(static_cast<std::int64_t>(text.size()))};
    *result = il_entries(entries, 3);
    return IL_OK;
}

il_status word_counts(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    std::string_view text;
    const bool limited = nargs == 2;
    if (nargs < 1 || nargs > 2 || !as_text(args[0], text) ||
        (limited && (args[1].type != IL_INT64 || args[1].as.int64 < 0)))
        return il_raise(call, IL_ERROR_ARGUMENT,
                        "word_counts(text[, top]) takes a string or bytes, and how many words to keep (0 or more)");
    Counts counts;
    for_each_word(call, text, [&](std::string_view word) { ++counts[word]; });
    // The order of a hash table is nobody's business: most frequent first, equal ones by the alphabet.
    std::vector<Counts::value_type*> order;
    order.reserve(counts.size());
    for (auto& word : counts) order.push_back(&word);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        return a->second != b->second ? a->second > b->second : a->first < b->first;
    });
    if (limited && static_cast<std::uint64_t>(args[1].as.int64) < order.size())
        order.resize(static_cast<std::size_t>(args[1].as.int64));
    auto* entries = result_items<il_entry>(call, order.size());
    if (entries == nullptr) return IL_ERROR_MEMORY;
    // The words are not copied: a result may point into the arguments.
    std::transform(order.begin(), order.end(), entries, [](const auto* word) {
        return il_entry{{word->first.data(), word->first.size()}, il_int64(word->second)};
    });
    *result = il_entries(entries, order.size());
    return IL_OK;
}

bool is_counts(const il_value& value) {
    return value.type == IL_MAP && std::all_of(value.as.map.entries, value.as.map.entries + value.as.map.count,
                                               [](const il_entry& entry) { return entry.value.type == IL_INT64; });
}

/// Adds the numbers of two maps, key by key: the reduce function for count() and word_counts(), and, for plain
/// numbers, for lines(). The keys of the first map keep their order.
il_status sum(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    const auto usage = [call] {
        return il_raise(call, IL_ERROR_ARGUMENT,
                        "sum(accumulated, next) takes two integers or two maps of integers; accumulated may be null");
    };
    if (nargs != 2 || (args[1].type != IL_INT64 && !is_counts(args[1]))) return usage();
    if (args[0].type == IL_NULL) {
        *result = args[1];
        return IL_OK;
    }
    bool overflow = false;
    const auto plus = [&overflow](std::int64_t a, std::int64_t b) {
        std::int64_t total;
        overflow |= __builtin_add_overflow(a, b, &total);
        return total;
    };
    if (args[0].type == IL_INT64 && args[1].type == IL_INT64) {
        *result = il_int64(plus(args[0].as.int64, args[1].as.int64));
    } else if (is_counts(args[0]) && args[1].type == IL_MAP) {
        const il_map &accumulated = args[0].as.map, &next = args[1].as.map;
        auto* entries = result_items<il_entry>(call, accumulated.count + next.count);
        if (entries == nullptr) return IL_ERROR_MEMORY;
        std::unordered_map<std::string_view, il_entry*> places;
        places.reserve(accumulated.count + next.count);
        std::size_t used = 0;
        for (const il_map* map : {&accumulated, &next}) {
            for (std::size_t i = 0; i < map->count; ++i) {
                if (i % 1024 == 0) il_safe_point(call);
                const il_entry& entry = map->entries[i];
                const auto [place, added] = places.try_emplace(view_of(entry.key), entries + used);
                if (added)
                    entries[used++] = entry;
                else
                    place->second->value.as.int64 = plus(place->second->value.as.int64, entry.value.as.int64);
            }
        }
        *result = il_entries(entries, used);
    } else {
        return usage();
    }
    return overflow ? il_raise(call, IL_ERROR_FAILED, "sum: the total does not fit into 64 bits") : IL_OK;
}

/// No exception may get out of a module: this stands in the table instead of a function that uses containers.
template <il_function function>
il_status guarded(il_call* call, const il_value* args, std::size_t nargs, il_value* result) {
    try {
        return function(call, args, nargs, result);
    } catch (const std::exception& error) {
        return il_raise(call, IL_ERROR_FAILED, "textkit: %s", error.what());
    }
}

const il_method methods[] = {
    {"tokens", tokens, "tokens(text) -> list of the words in order"},
    {"lines", lines, "lines(text) -> number of newlines"},
    {"count", count, "count(text) -> {lines, words, bytes}"},
    {"word_counts", guarded<word_counts>, "word_counts(text[, top]) -> {word: how often}, most frequent first"},
    {"sum", guarded<sum>, "sum(accumulated, next) -> total; reduces count, word_counts and lines"},
    {nullptr, nullptr, nullptr},
};

}  // namespace

IL_MODULE(textkit, "textkit", "1.0", FREE, "Counts the lines, words and bytes of texts.", 0, methods, nullptr, nullptr);
