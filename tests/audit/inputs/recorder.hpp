// recorder.hpp: a walk of which everything is written down, for the tests of the inputs.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "inputs/archive_names.hpp"
#include "inputs/inputs.hpp"

namespace interlock::test {

/// What was found, with content and in the order of the walk.
struct Walk : auditing::inputs::InputSink {
    struct Found {
        std::uint64_t sequence = 0;
        std::string path, module_path, manifest, content, package;
        bool named = false, in_wheel = false;
    };

    explicit Walk(const std::vector<std::string>& inputs, const AuditBudget& given = {})
        : budget(given), memory(budget.memory), walk(budget, memory, *this) {
        for (const std::string& input : inputs) walk.walk(input);
    }

    void binary(auditing::inputs::Candidate candidate) override {
        try {
            candidate.load(budget.binary_size);
        } catch (const Failure& failure) {
            return error(candidate.sequence, {candidate.path, failure.error().code, failure.error().message});
        }
        const PackageAudit& package = walk.packages().at(candidate.package);
        found.push_back({candidate.sequence, candidate.path, candidate.module_path, candidate.manifest,
                         candidate.content.head(candidate.content.size()),
                         package.kind + " " + package.name + " " + package.version, candidate.named,
                         candidate.in_wheel});
    }
    void error(std::uint64_t, InputError error) override { errors.push_back(std::move(error)); }
    void skipped(std::uint64_t, std::string text) override { skips.push_back(std::move(text)); }
    void discard(std::uint64_t sequence) override {
        ++discarded;
        std::erase_if(found, [&](const Found& each) { return each.sequence == sequence; });
    }

    /// Paths with `root` taken off.
    std::vector<std::string> paths(const std::string& root = "") const {
        std::vector<std::string> result;
        for (const Found& each : found) result.push_back(without(each.path, root));
        return result;
    }
    std::vector<std::string> error_paths(const std::string& root = "") const {
        std::vector<std::string> result;
        for (const InputError& each : errors) result.push_back(without(each.path, root));
        return result;
    }
    static std::string without(const std::string& path, const std::string& root) {
        return path.starts_with(root + "/") ? path.substr(root.size() + 1) : path;
    }

    AuditBudget budget;
    auditing::inputs::MemoryBudget memory;
    std::vector<Found> found;
    std::vector<InputError> errors;
    std::vector<std::string> skips;
    std::size_t discarded = 0;
    auditing::inputs::Inputs walk;
};

using Texts = std::vector<std::string>;

}  // namespace interlock::test
