// delegation_way.hpp: from a module that another one makes to the one that decides, by whichever way there is to find
// the other: among what is audited, in an environment, or as an import would find it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace interlock::auditing::verdict {

/// How the other module is found. Modules have numbers, which are the finder's.
class MakerFinder {
public:
    struct Found {
        std::size_t module = 0;
        bool preferred = false;  ///< to others that are as good
        std::string unfit{};     ///< why it cannot be the one; empty if it can
    };

    virtual ~MakerFinder() = default;
    /// The name of the module that makes this one; nullopt if none does.
    virtual std::optional<std::string> maker_of(std::size_t module) = 0;
    /// All modules of that name that there are for `module`.
    virtual std::vector<Found> find(const std::string& name, std::size_t module) = 0;
    /// What follows from what the module says by itself, as a number that is the same for the same; nullopt: not known.
    virtual std::optional<unsigned> says(std::size_t module) = 0;
};

struct DelegationWay {
    enum class End {
        decided,        ///< the last one decides; it may be the first
        not_found,      ///< there is none that makes the last one
        contradiction,  ///< there are several that say different things
        circle,         ///< the modules make each other
    };
    End end = End::circle;
    std::vector<std::size_t> modules{};  ///< without the first: each makes the one before it
    std::optional<unsigned> says{};      ///< nullopt: not known
    std::size_t one = 0, other = 0;      ///< that contradict each other
    std::string unfit{};                 ///< with `not_found`: why the first that was found cannot be the one
};

/// The ways, each of which is looked for once. Circles and chains of any length are dealt with.
class DelegationWays {
public:
    explicit DelegationWays(MakerFinder& finder) : finder_(finder) {}
    const DelegationWay& from(std::size_t module) { return from(module, 0); }

private:
    const DelegationWay& from(std::size_t module, unsigned depth);
    DelegationWay find(std::size_t module, unsigned depth);

    MakerFinder& finder_;
    std::map<std::size_t, DelegationWay> known_;
};

}  // namespace interlock::auditing::verdict
