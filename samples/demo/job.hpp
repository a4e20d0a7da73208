// A function of a module and the texts it is called with; one thread after the other, or on all of them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <interlock/interlock.hpp>

#include "corpus.hpp"

/// One number for the result of each call; they differ when the results differ.
using Digests = std::vector<std::uint64_t>;

class Job {
public:
    /// Calls `function` `passes` times with each text. `corpus` must outlive the job.
    Job(interlock::Function function, const Corpus& corpus, std::size_t passes)
        : function_(std::move(function)), corpus_(&corpus), passes_(passes) {}

    std::size_t files() const { return corpus_->texts.size(); }
    std::size_t passes() const { return passes_; }
    std::size_t calls() const { return files() * passes_; }
    double megabytes() const { return static_cast<double>(corpus_->bytes * passes_) / 1e6; }

    Digests run_serially() const;
    /// `after_call()` runs after each call, on the thread that made it.
    template <typename AfterCall>
    Digests run(interlock::Runtime& runtime, AfterCall after_call) const {
        Digests digests(calls());
        runtime.parallel_for(0, calls(), [&](std::size_t i) {
            digests[i] = call(i);
            after_call();
        });
        return digests;
    }
    Digests run(interlock::Runtime& runtime) const {
        return run(runtime, [] {});
    }

    /// On `threads` threads of our own, as a program does that has them: the runtime need not know of them beforehand.
    Digests run_on_own_threads(unsigned threads) const;

    /// True if every pass gave for each text what `reference`, one pass, has for it.
    bool equal(const Digests& digests, const Digests& reference) const;

private:
    std::uint64_t call(std::size_t index) const;  // throws std::runtime_error if the module reports an error

    interlock::Function function_;
    const Corpus* corpus_;
    std::size_t passes_;
};
