// suggest.cpp: optimal string alignment distance over short word lists.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

namespace interlock {
namespace {

std::string folded(std::string_view word) {
    std::string out(word);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c == '-') c = '_';
    }
    return out;
}

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above[b.size()];
}

}  // namespace

std::optional<std::string_view> nearest_word(std::string_view word, std::span<const std::string_view> known) {
    std::optional<std::string_view> best;
    std::size_t best_distance = 0;
    for (const std::string_view candidate : known) {
        const std::size_t longer = std::max(word.size(), candidate.size());
        const std::size_t shorter = std::min(word.size(), candidate.size());
        const std::size_t allowed = std::max<std::size_t>(1, candidate.size() / 3);
        // Also keeps a huge word from being compared at all.
        if (longer - shorter > allowed || word.empty()) continue;
        const std::size_t d = distance(folded(word), folded(candidate));
        if (d <= allowed && d < candidate.size() && (!best || d < best_distance)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
    if (const auto near = nearest_word(word, known)) return "did you mean " + quoted(*near) + '?';
    std::string out;
    for (const std::string_view candidate : known) {
        out += out.empty() ? "known: " : ", ";
        out += candidate;
    }
    return out;
}

}  // namespace interlock
