// Calling a module for many texts (job.hpp).
//
// SPDX-License-Identifier: MIT
#include "job.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

std::uint64_t digest(const il_value& result) {
    if (result.type == IL_INT64) return mix(1, static_cast<std::uint64_t>(result.as.int64));
    if (result.type != IL_MAP) throw std::runtime_error("a result is neither an integer nor a map");
    std::uint64_t hash = 2;
    for (const il_entry& entry : std::span(result.as.map.entries, result.as.map.count)) {
        hash = mix(hash, std::hash<std::string_view>()({entry.key.data, entry.key.size}));
        hash = mix(hash, digest(entry.value));
    }
    return hash;
}

}  // namespace

std::uint64_t Job::call(std::size_t index) const {
    const std::string& text = corpus_->texts[index % files()];
    const il_value argument = il_octets(text.data(), text.size());
    interlock::Scope scope;
    il_value result;
    if (function_.call(scope, {&argument, 1}, result) != IL_OK)
        throw std::runtime_error(function_.name() + ": " + scope.error_message());
    return digest(result);
}

Digests Job::run_serially() const {
    Digests digests;
    digests.reserve(calls());
    for (std::size_t i = 0; i < calls(); ++i) digests.push_back(call(i));
    return digests;
}

Digests Job::run_on_own_threads(unsigned threads) const {
    Digests digests(calls());
    std::atomic<std::size_t> next{0};
    std::vector<std::future<void>> running;
    for (unsigned n = 0; n < threads; ++n)
        running.push_back(std::async(std::launch::async, [&] {
            for (std::size_t i; (i = next++) < digests.size();) digests[i] = call(i);
        }));
    for (auto& thread : running) thread.get();
    return digests;
}

bool Job::equal(const Digests& digests, const Digests& reference) const {
    if (digests.size() != calls() || reference.size() != files()) return false;
    for (std::size_t i = 0; i < digests.size(); ++i)
        if (digests[i] != reference[i % files()]) return false;
    return true;
}
