// stand_ins.hpp: what stands in the guest for functions and variables that the image imports: which address is which,
// and what answers there.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulation/guest.hpp"
#include "emulation/windows_calls.hpp"

namespace interlock::auditing::emulation {

class Interpreter;
/// The model of a function.
using ModelFunction = void (*)(Interpreter&);

struct StandIn {
    std::string_view name{};  ///< of the import; empty for others
    ModelFunction handler = nullptr;
    const std::string* origin = nullptr;  ///< of a table's function
    std::uint32_t entry = 0;              ///< its index in the table
    bool entry_of_table = false;
    bool calls_back = false;                     ///< of the C API, and may call functions of its arguments
    std::optional<StackUse> stack = StackUse{};  ///< nullopt: not known (windows_calls.hpp)
};

class StandIns {
public:
    explicit StandIns(Guest& guest) : guest_(guest) {}

    /// Their addresses; 0 when there is no more room.
    std::uint64_t add(StandIn stand_in) {
        const std::uint64_t address = guest_.new_stand_in();
        if (address != 0) functions_.push_back(std::move(stand_in));
        return address;
    }
    /// What may be a function or a variable.
    std::uint64_t add_unknown(StandIn stand_in) {
        const std::uint64_t address = guest_.new_unknown();
        if (address != 0) unknown_.push_back(std::move(stand_in));
        return address;
    }
    /// A variable of which it is noticed that it is read; it can be called as well.
    std::uint64_t add_watched_variable(std::string_view name) {
        const std::uint64_t address = guest_.new_watched_variable();
        if (address == 0) return 0;
        constexpr std::uint64_t first =
            GuestMap::stand_ins + std::uint64_t{Guest::first_unknown} * GuestMap::stand_in_size;
        unknown_.resize((address - first) / GuestMap::stand_in_size + 4096 / GuestMap::stand_in_size);
        unknown_[(address - first) / GuestMap::stand_in_size].name = name;
        return address;
    }
    /// Memory that can be called; `origin` outlives this.
    std::uint64_t add_table(const std::string* origin) {
        const std::uint64_t table = guest_.new_table();
        if (table != 0) tables_.push_back(origin);
        return table;
    }

    /// What was called, by the number that Guest gives it; nullopt where there is nothing, as the guest may call any
    /// address where a stand-in could be.
    std::optional<StandIn> at(std::uint32_t number) const {
        if (number >= Guest::first_table) {
            const std::uint32_t table = number - Guest::first_table;
            if (table >= tables_.size()) return std::nullopt;
            return StandIn{.origin = tables_[table], .entry = whole_table, .entry_of_table = true};
        }
        const bool unknown = number >= Guest::first_unknown;
        const std::vector<StandIn>& all = unknown ? unknown_ : functions_;
        const std::uint32_t index = unknown ? number - Guest::first_unknown : number;
        return index < all.size() ? std::optional(all[index]) : std::nullopt;
    }
    static constexpr std::uint32_t whole_table = ~0u;

    /// Where a name of the interpreter or of the system is, once it has an address, which may be 0. The name outlives
    /// this: a literal, the image's, or one that was kept.
    const std::uint64_t* known(std::string_view name) const noexcept {
        const auto found = known_.find(name);
        return found == known_.end() ? nullptr : &found->second;
    }
    void set_known(std::string_view name, std::uint64_t address) { known_.emplace(name, address); }
    const std::string& keep_name(const std::string& name) { return *names_.insert(name).first; }

private:
    Guest& guest_;
    std::vector<StandIn> functions_, unknown_;
    std::vector<const std::string*> tables_;  ///< their origins
    std::unordered_map<std::string_view, std::uint64_t> known_;
    std::set<std::string> names_;
};

}  // namespace interlock::auditing::emulation
