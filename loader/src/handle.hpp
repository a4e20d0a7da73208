// Opaque objects of modules, counted by the host (il_handle in module.h).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>

#include <interlock/module.h>

namespace interlock::detail {
struct ModuleRecord;
}

struct il_handle {
    std::atomic<std::size_t> shares{1};
    std::shared_ptr<interlock::detail::ModuleRecord> module;
    const il_handle_type* type = nullptr;  // storage of the module: not to be read once object is null
    std::atomic<void*> object{nullptr};    // null: destroyed; changed under ModuleRecord::objects
    il_handle* previous = nullptr;         // all handles of the module; under ModuleRecord::objects
    il_handle* next = nullptr;
    bool left_to_unloading = false;  // nobody refers to it; under ModuleRecord::objects
};

namespace interlock::detail {

/// One more share.
inline il_handle* share(il_handle* handle) noexcept {
    handle->shares.fetch_add(1, std::memory_order_relaxed);
    return handle;
}
inline bool is_dead(const il_handle* handle) noexcept {
    return handle->object.load(std::memory_order_acquire) == nullptr;
}
/// One share less; the last one destroys the object under its module's gate.
void release(il_handle* handle) noexcept;

}  // namespace interlock::detail
