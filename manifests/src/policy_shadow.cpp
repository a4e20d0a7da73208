// policy_shadow.cpp: finds rules that can never match because an earlier one always gets there first. It reports only
// what is certain: two patterns are compared as text, and a pattern with a name that has no wildcard by matching.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "base/glob.hpp"
#include "policy_text.hpp"

namespace interlock::manifests {
namespace {

/// Work that the search may do, in steps of glob matching: enough for hundreds of rules, and a bound for absurd files.
constexpr std::size_t budget = 20'000'000;

bool all_stars(const std::string& glob) { return glob.find_first_not_of('*') == std::string::npos; }

/// Does `earlier` hold for every name for which `later` holds?
bool covers_glob(const std::optional<std::string>& earlier, const std::optional<std::string>& later) {
    if (!earlier || all_stars(*earlier)) return true;
    if (!later) return false;
    if (*earlier == *later) return true;
    const auto name = base::glob_literal(*later);
    return name && base::glob_match(*earlier, *name);
}

/// The same for patterns of files, which mean different things with and without a '/'.
bool covers_file(const std::optional<std::string>& earlier, const std::optional<std::string>& later) {
    if (earlier && later && !all_stars(*earlier)) {
        const auto kind = [](const std::string& glob) {
            return glob.find('/') == std::string::npos ? 0 : glob.front() == '/' ? 1 : 2;
        };
        if (kind(*earlier) != kind(*later)) return false;
        // A path is normalised before it is matched, so text alone decides only for equal ones.
        if (kind(*earlier) != 0) return *earlier == *later;
    }
    return covers_glob(earlier, later);
}

template <typename T>
bool covers(const std::optional<T>& earlier, const std::optional<T>& later) {
    return !earlier || earlier == later;
}

bool covers(const PolicyRule& earlier, const PolicyRule& later) {
    const bool outlived = earlier.expires && (!later.expires || *earlier.expires < *later.expires);
    return !outlived && covers(earlier.marker, later.marker) && covers(earlier.sha256, later.sha256) &&
           covers(earlier.build_id, later.build_id) && covers_glob(earlier.module, later.module) &&
           covers_file(earlier.file, later.file);
}

std::size_t effort(const PolicyRule& earlier, const PolicyRule& later) {
    const auto size = [](const std::optional<std::string>& glob) { return glob ? glob->size() : 0; };
    return 16 + size(earlier.module) * size(later.module) + size(earlier.file) * size(later.file);
}

}  // namespace

std::vector<const PolicyRule*> shadowing_rules(const Policy& policy, std::chrono::year_month_day today) {
    std::vector<const PolicyRule*> out(policy.rules.size());
    std::vector<const PolicyRule*> alive;
    std::size_t spent = 0;
    for (std::size_t i = 0; i < policy.rules.size() && spent < budget; ++i) {
        const PolicyRule& rule = policy.rules[i];
        if (rule.expires && *rule.expires < today) continue;
        const auto found = std::find_if(alive.begin(), alive.end(), [&](const PolicyRule* earlier) {
            spent += effort(*earlier, rule);
            return spent < budget && covers(*earlier, rule);
        });
        if (found != alive.end())
            out[i] = *found;
        else
            alive.push_back(&rule);
    }
    return out;
}

}  // namespace interlock::manifests
