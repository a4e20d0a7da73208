// model_sorting.cpp: functions of the C library that compare by a function of the program's own, which the guest runs.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <memory>
#include <utility>

#include "emulation/own_functions.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t most_sorted = 4096;

/// Items that are being put in their order: those before `next` are, and `next` comes somewhere between `low` and
/// `high`.
struct Sorting {
    std::uint64_t first, size, function, context;
    bool context_first;                ///< as macOS and Windows have it
    std::vector<std::uint64_t> order;  ///< addresses in a copy
    std::size_t next = 1, low = 0, high = 1;
};

Arguments compared(const Sorting& sorting, std::uint64_t a, std::uint64_t b) {
    if (sorting.context == 0) return {a, b};
    return sorting.context_first ? Arguments{sorting.context, a, b} : Arguments{a, b, sorting.context};
}

void go_on_sorting(I& in, const std::shared_ptr<Sorting>& sorting) {
    Sorting& now = *sorting;
    while (now.next < now.order.size() && now.low == now.high) {
        const auto begin = now.order.begin();
        std::rotate(begin + static_cast<std::ptrdiff_t>(now.low), begin + static_cast<std::ptrdiff_t>(now.next),
                    begin + static_cast<std::ptrdiff_t>(now.next) + 1);
        now.low = 0;
        now.high = ++now.next;
    }
    in.guest().charge(now.order.size() / 16);
    if (now.next < now.order.size()) {
        const std::size_t middle = (now.low + now.high) / 2;
        return run_own(in, now.function, compared(now, now.order[now.next], now.order[middle]),
                       [&in, sorting, middle](std::uint64_t result) {
                           (as_int(result) < 0 ? sorting->high : sorting->low) = middle + (as_int(result) < 0 ? 0 : 1);
                           go_on_sorting(in, sorting);
                       });
    }
    std::string sorted;
    for (const std::uint64_t item : now.order) sorted += bytes_of(in, item, now.size);
    in.guest().write(now.first, sorted.data(), sorted.size());
    in.result(0);
}

// Which items are compared, and how often, is the C library's own affair.
void sort_with(I& in, std::uint64_t context, std::uint64_t function, bool context_first) {
    const std::uint64_t first = in.argument(0), count = in.argument(1), size = in.argument(2);
    in.assume("the order in which a list is sorted");
    in.result(0);
    if (count < 2 || size == 0 || count > most_sorted || size > largest_copy / count) return;
    const std::string items = bytes_of(in, first, count * size);
    const std::uint64_t copy = in.guest().allocate(items.size());
    if (copy == 0 || !is_own_function(in, function)) return;
    in.guest().write(copy, items.data(), items.size());
    Sorting sorting{first, size, function, context, context_first, {}};
    for (std::uint64_t i = 0; i < count; ++i) sorting.order.push_back(copy + i * size);
    go_on_sorting(in, std::make_shared<Sorting>(std::move(sorting)));
}
void sort(I& in) { sort_with(in, 0, in.argument(3), false); }
// qsort_r(items, count, size, function, context); on macOS the context comes before the function.
void sort_with_context(I& in) {
    const bool macos = in.image().format == image::Format::macho;
    sort_with(in, in.argument(macos ? 3 : 4), in.argument(macos ? 4 : 3), macos);
}
void search_between(I& in, std::uint64_t key, std::uint64_t first, std::uint64_t count, std::uint64_t size,
                    std::uint64_t function) {
    if (count == 0) return in.result(0);
    const std::uint64_t middle = count / 2, item = first + middle * size;
    run_own(in, function, {key, item}, [=, &in](std::uint64_t result) {
        if (as_int(result) == 0) return in.result(item);
        if (as_int(result) < 0) return search_between(in, key, first, middle, size, function);
        search_between(in, key, item + size, count - middle - 1, size, function);
    });
}
void search(I& in) {  // bsearch(key, items, count, size, function)
    const std::uint64_t function = in.argument(4);
    in.assume("the order in which a list is searched");
    if (!is_own_function(in, function)) return in.result(0);
    search_between(in, in.argument(0), in.argument(1), in.argument(2), in.argument(3), function);
}

constexpr ModelEntry table[] = {
    {"qsort", sort},
    {"qsort_r", sort_with_context},
    {"bsearch", search},
};

}  // namespace

std::span<const ModelEntry> model_sorting() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
