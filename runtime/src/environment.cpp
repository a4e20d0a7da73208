// The options of a runtime that come from the environment (RuntimeOptions::from_environment).
//
// SPDX-License-Identifier: MIT
#include <interlock/runtime.hpp>

#include <charconv>
#include <cstdlib>

#include <interlock/escape.hpp>

namespace interlock {

namespace {

constexpr unsigned most_threads = 1024;

Result<unsigned> thread_count() {
    const char* variable = std::getenv("INTERLOCK_THREADS");
    const std::string_view text = variable == nullptr ? "" : variable;
    if (text.empty()) return 0u;
    unsigned count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most_threads)
        return Error{Errc::invalid_option, "INTERLOCK_THREADS takes a whole number from 1 to " +
                                               std::to_string(most_threads) + ", not " + quoted(text, 80)};
    return count;
}

}  // namespace

Result<RuntimeOptions> RuntimeOptions::from_environment() {
    Result<GilOption> gil = resolve_gil_option(std::nullopt);
    if (!gil) return std::move(gil).error();
    Result<unsigned> threads = thread_count();
    if (!threads) return std::move(threads).error();
    RuntimeOptions options;
    options.gil = gil->setting;
    options.threads = *threads;
    options.gil_hint = "INTERLOCK_GIL=0";
    return options;
}

}  // namespace interlock
