// delegation_way.cpp: depth first, and what is known of a module is kept: a circle comes back to one that is still
// sought.
//
// SPDX-License-Identifier: MIT
#include "verdict/delegation_way.hpp"

namespace interlock::auditing::verdict {

namespace {
/// Two is what is seen in the wild; each link is a call of its own.
constexpr unsigned longest_chain = 64;
}  // namespace

const DelegationWay& DelegationWays::from(std::size_t module, unsigned depth) {
    const auto [place, fresh] = known_.try_emplace(module);
    DelegationWay& way = place->second;  // while it is sought, a circle: so it is for who comes back to it
    if (fresh && depth < longest_chain) way = find(module, depth);
    return way;
}

DelegationWay DelegationWays::find(std::size_t module, unsigned depth) {
    DelegationWay way{.end = DelegationWay::End::decided, .says = finder_.says(module)};
    const std::optional<std::string> maker = finder_.maker_of(module);
    if (!maker) return way;
    const DelegationWay* best = nullptr;
    bool contradicted = false;
    std::size_t best_module = 0, contradicts = 0;  // another that is as good, and says something else
    unsigned best_rank = 0;
    for (MakerFinder::Found& found : finder_.find(*maker, module)) {
        if (!found.unfit.empty()) {
            if (way.unfit.empty()) way.unfit = std::move(found.unfit);
            continue;
        }
        const DelegationWay& next = from(found.module, depth + 1);
        const unsigned rank = 1u + (next.end == DelegationWay::End::decided ? 2u : 0u) + (found.preferred ? 1u : 0u);
        if (rank == best_rank && !contradicted && next.says != best->says) {
            contradicted = true;
            contradicts = found.module;
        }
        if (rank <= best_rank) continue;
        best_rank = rank;
        best = &next;
        best_module = found.module;
        contradicted = false;
    }
    if (best == nullptr) {
        way.end = DelegationWay::End::not_found;
        return way;
    }
    if (contradicted) return {.end = DelegationWay::End::contradiction, .one = best_module, .other = contradicts};
    way = *best;
    way.modules.insert(way.modules.begin(), best_module);
    return way;
}

}  // namespace interlock::auditing::verdict
