// Handles (handle.hpp): whoever takes the object out of the handle, the last share or the unloader, destroys it.
//
// SPDX-License-Identifier: MIT
#include "handle.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <interlock/escape.hpp>
#include <interlock/value.hpp>

#include "module_record.hpp"

namespace interlock {

namespace detail {

namespace {

void destroy_object(ModuleRecord& record, const il_handle_type* type, void* object) {
    if (object == nullptr || type->destroy == nullptr) return;
    const NoCancellation guarded;  // the unwinding could not pass the destructor of a HandleRef
    Scope scope;
    try {
        through_gate(record, record.destructor_site, scope, GateCheck::already_inside, [&](Invocation&) -> il_status {
            type->destroy(object);
            return IL_OK;
        });
    } catch (...) {
        // Only the unwinding of a thread that ends comes this far.
        std::fprintf(stderr,
                     "interlock: fatal: the destructor of an object of module %s ended its thread (pthread_exit?); it "
                     "has to return\n",
                     quoted(record.name).c_str());
        std::fflush(stderr);
        std::abort();
    }
}

/// Under ModuleRecord::objects.
void unlink(ModuleRecord& record, const il_handle* handle) noexcept {
    (handle->previous != nullptr ? handle->previous->next : record.handles) = handle->next;
    if (handle->next != nullptr) handle->next->previous = handle->previous;
}

}  // namespace

void release(il_handle* handle) noexcept {
    if (handle->shares.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    ModuleRecord& record = *handle->module;
    // Counted as inside from before the object is taken out, so that the module is not unmapped under its destructor.
    ModuleTally* tally = nullptr;
    try {
        tally = tally_of(own_slot(), record.index);
        tally->inside.exchange(tally->inside.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    } catch (const std::bad_alloc&) {
        // The thread has never been in this module, and cannot count itself.
    }
    void* object;
    {
        std::lock_guard guard(record.objects);
        if (tally == nullptr && !is_dead(handle)) {
            handle->left_to_unloading = true;
            return;
        }
        object = handle->object.exchange(nullptr);
        unlink(record, handle);
    }
    destroy_object(record, handle->type, object);
    if (tally != nullptr)
        tally->inside.store(tally->inside.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    delete handle;
}

void destroy_handles(ModuleRecord& record) {
    for (bool again = true; again;) {
        const il_handle_type* type = nullptr;
        void* object = nullptr;
        std::unique_ptr<il_handle> unreferenced;  // whose share in the module is not the last one
        {
            std::lock_guard guard(record.objects);
            for (il_handle* handle = record.handles; handle != nullptr && object == nullptr; handle = handle->next) {
                type = handle->type;
                object = handle->object.exchange(nullptr);
                if (handle->left_to_unloading) unreferenced.reset(handle);
            }
            if (unreferenced) unlink(record, unreferenced.get());
        }
        again = object != nullptr;
        destroy_object(record, type, object);
    }
    // Whoever took an object out of its handle before had counted itself as inside.
    wait_until_outside(record.index, 0, 0);
}

}  // namespace detail

HandleRef::HandleRef(const HandleRef& other) noexcept
    : handle_(other.handle_ == nullptr ? nullptr : detail::share(other.handle_)) {}

HandleRef::~HandleRef() {
    if (handle_ != nullptr) detail::release(handle_);
}

std::string HandleRef::type_name() const {
    if (handle_ == nullptr) return {};
    std::lock_guard guard(handle_->module->objects);
    return detail::is_dead(handle_) || handle_->type->name == nullptr ? std::string() : escape(handle_->type->name);
}

}  // namespace interlock
