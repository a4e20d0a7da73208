// Lent (lent.hpp). A visitor's way in, as in call.cpp: count, full barrier, look at the gate.
//
// SPDX-License-Identifier: MIT
#include "lent.hpp"

#include <algorithm>

#include <interlock/escape.hpp>

#include "handle.hpp"

namespace interlock::detail {

namespace {

constexpr int max_depth = 64;  // of nested lists and maps, as for results

Error gone(const il_handle& handle) {
    return {Errc::unloaded, "the memory of a buffer, or an object, is gone, as the module that it belongs to (" +
                                quoted(handle.module->name) + ") has been unloaded"};
}

}  // namespace

Lent::~Lent() {
    for (const ModuleRecord* owner : owners_) {
        ModuleTally* tally = tally_of(slot_, owner->index);
        tally->lent.store(tally->lent.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        tally->inside.store(tally->inside.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    }
}

bool Lent::add(const il_handle* handle) {
    if (is_dead(handle)) return false;
    ModuleRecord* owner = handle->module.get();
    if (owner == callee_ || std::find(owners_.begin(), owners_.end(), owner) != owners_.end()) return true;
    owners_.reserve(owners_.size() + 1);
    ModuleTally* tally = tally_of(slot_, owner->index);
    const std::uint32_t before = tally->inside.load(std::memory_order_relaxed);
    tally->inside.exchange(before + 1, std::memory_order_seq_cst);
    // Who is inside already is waited for anyway.
    if (before == 0 && (owner->gate.load(std::memory_order_seq_cst) & gate_open) == 0) {
        tally->inside.store(before, std::memory_order_release);
        return false;
    }
    bump(tally->lent, 1u);
    owners_.push_back(owner);
    return !is_dead(handle);
}

Outcome Lent::add(std::span<const il_value> values) {
    for (const il_value& value : values)
        if (Outcome added = add(value, 0); !added) return added;
    return Ok{};
}

Outcome Lent::add(const Value& value) {
    if (const auto* buffer = value.get_if<Buffer>()) {
        if (buffer->owner.get() != nullptr && !add(buffer->owner.get())) return gone(*buffer->owner.get());
    } else if (const auto* handle = value.get_if<HandleRef>()) {
        if (handle->get() != nullptr && !add(handle->get())) return gone(*handle->get());
    } else if (const auto* list = value.get_if<List>()) {
        for (const Value& item : *list)
            if (Outcome added = add(item); !added) return added;
    } else if (const auto* map = value.get_if<Map>()) {
        for (const auto& [key, item] : *map)
            if (Outcome added = add(item); !added) return added;
    }
    return Ok{};
}

Outcome Lent::add(const il_value& value, int depth) {
    if (value.type < IL_BUFFER) return Ok{};
    if (depth > max_depth) return Error{Errc::invalid_argument, "a value with lists or maps nested more than 64 deep"};
    // An object that is gone is the receiver's to notice (il_handle_get); memory that is gone nobody would.
    if (value.type == IL_BUFFER) {
        const il_buffer* view = value.as.buffer;
        if (view != nullptr && view->owner != nullptr && !add(view->owner)) return gone(*view->owner);
    } else if (value.type == IL_HANDLE) {
        if (value.as.handle != nullptr) add(value.as.handle);
    } else if (value.type == IL_LIST || value.type == IL_MAP) {
        const bool list = value.type == IL_LIST;
        const std::size_t count = list ? value.as.list.count : value.as.map.count;
        if (list ? value.as.list.items == nullptr : value.as.map.entries == nullptr) return Ok{};
        if (count > left_) return Error{Errc::invalid_argument, "lists or maps of more values than could be looked at"};
        left_ -= count;
        for (std::size_t i = 0; i < count; ++i) {
            const il_value& item = list ? value.as.list.items[i] : value.as.map.entries[i].value;
            if (item.type < IL_BUFFER) continue;
            if (Outcome added = add(item, depth + 1); !added) return added;
        }
    }
    return Ok{};
}

}  // namespace interlock::detail
