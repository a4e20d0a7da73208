// host.hpp: a runtime and a loader that finds the sample modules, and short ways to call them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <interlock/interlock.hpp>

namespace interlock::test {

class Host {
public:
    explicit Host(RuntimeOptions options = {}, Policy policy = {})
        : runtime(std::move(options)), loader(runtime, loader_options(std::move(policy))) {}

    Function function(const std::string& full_name) {
        const std::size_t dot = full_name.rfind('.');
        return loader.import(full_name.substr(0, dot)).value().function(full_name.substr(dot + 1)).value();
    }

    /// Throws Failure if the call fails.
    Value call(const std::string& full_name, std::initializer_list<Value> args) {
        return function(full_name)(args).value();
    }

    /// The modules for which a fallback warning was issued.
    std::vector<std::string> warned_of() {
        std::lock_guard guard(mutex_);
        return warned_of_;
    }

    Runtime runtime;

private:
    LoaderOptions loader_options(Policy policy) {
        LoaderOptions options;
        options.search_path = {SAMPLE_MODULES};
        options.use_environment = false;
        options.policy = std::move(policy);
        options.on_warning = [this](const Warning& warning) {
            std::lock_guard guard(mutex_);
            warned_of_.push_back(warning.module);
        };
        return options;
    }

    std::mutex mutex_;
    std::vector<std::string> warned_of_;

public:
    Loader loader;
};

inline RuntimeOptions with_threads(unsigned threads, GilSetting gil = GilSetting::automatic) {
    RuntimeOptions options;
    options.threads = threads;
    options.gil = gil;
    return options;
}

inline Value bytes(std::string_view text) { return Bytes{{text.begin(), text.end()}}; }

/// Words of all lengths, some of them not ASCII, with blanks and newlines between; the same for the same `seed`.
inline std::string make_text(std::uint32_t seed, std::size_t size) {
    static constexpr std::string_view pieces[] = {"a", "int", "return", "_x1", "naïve", "日本", "template",
                                                  " ", "\n",  "\t",     "; ",  " (",    "0",    "separation"};
    std::string text;
    for (std::uint32_t state = seed; text.size() < size;) {
        state = state * 1664525u + 1013904223u;
        text += pieces[(state >> 16) % std::size(pieces)];
        if (state >> 30 == 0) text += ' ';
    }
    return text;
}

}  // namespace interlock::test
