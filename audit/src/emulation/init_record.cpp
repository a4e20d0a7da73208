// init_record.cpp: see init_record.hpp. All that a guest can add to is bounded.
//
// SPDX-License-Identifier: MIT
#include "emulation/init_record.hpp"

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

constexpr std::size_t max_calls = 1000, max_assumed = 100, max_destructors = 16, max_set_gil = 64;

}  // namespace

void InitRecord::assume(std::string_view what) {
    if (assumed_.size() < max_assumed) assumed_.emplace(what);
}

void InitRecord::doubt(std::string_view what) {
    if (doubts_.size() < max_assumed) doubts_.emplace(what);
}

void InitRecord::note_unknown_stack(std::string_view function) {
    if (unknown_stack_.empty()) unknown_stack_ = function;
}

const MadeModule* InitRecord::module(std::uint64_t object) const noexcept {
    const auto found = modules_.find(object);
    return found == modules_.end() ? nullptr : &found->second;
}

bool InitRecord::add_set_gil(const SetGil& call) {
    if (set_gil_.size() >= max_set_gil) {
        const auto earlier = std::ranges::find(set_gil_, call.module, &SetGil::module);
        if (earlier == set_gil_.end()) return false;
        set_gil_.erase(earlier);
    }
    set_gil_.push_back(call);
    return true;
}

void InitRecord::write(std::string_view text, std::size_t most) {
    if (written_.size() < most) written_ += text.substr(0, most - written_.size());
}

void InitRecord::add_destructor(const Destructor& destructor) {
    if (destructors_.size() < max_destructors) destructors_.push_back(destructor);
}

void InitRecord::add_call(CallSeen call) {
    if (calls_.size() >= 2 * max_calls) {
        calls_.erase(calls_.begin() + max_calls);
        ++calls_left_out_;
    }
    calls_.push_back(std::move(call));
}

}  // namespace interlock::auditing::emulation
