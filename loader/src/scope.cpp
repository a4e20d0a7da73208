// Scope (value.hpp): a small arena that grows by blocks, the handles it keeps, and values lent to a call.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include <interlock/value.hpp>

#include "handle.hpp"

namespace interlock {

struct Scope::Block {
    Block* next;
};

struct Scope::KeptHandle {
    il_handle* handle;
    KeptHandle* next;
};

void* Scope::allocate(std::size_t size, std::size_t alignment) noexcept {
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > 4096) return nullptr;
    const auto aligned = [&](unsigned char* at) {
        return at + ((alignment - reinterpret_cast<std::uintptr_t>(at) % alignment) % alignment);
    };
    unsigned char* start = aligned(next_);
    if (start <= end_ && static_cast<std::size_t>(end_ - start) >= size) {
        next_ = start + size;
        return start;
    }
    std::size_t wanted;
    if (__builtin_add_overflow(size, alignment + sizeof(Block), &wanted)) return nullptr;
    // Large pieces get a block of their own, so that the rest of the current one is not wasted.
    const bool own_block = size > 16 * 1024;
    const std::size_t total = own_block ? wanted : std::max<std::size_t>(wanted, 64 * 1024);
    auto* memory = static_cast<unsigned char*>(std::malloc(total));
    if (memory == nullptr) return nullptr;
    blocks_ = new (memory) Block{blocks_};
    start = aligned(memory + sizeof(Block));
    if (!own_block) {
        next_ = start + size;
        end_ = memory + total;
    }
    return start;
}

bool Scope::keep(il_handle* share) noexcept {
    void* memory = allocate(sizeof(KeptHandle), alignof(KeptHandle));
    if (memory == nullptr) return false;
    handles_ = new (memory) KeptHandle{share, handles_};
    return true;
}

void Scope::free_all() noexcept {
    // Releasing a handle runs code of a module, which may use this scope's memory until it has finished.
    for (KeptHandle* kept = handles_; kept != nullptr; kept = kept->next) detail::release(kept->handle);
    handles_ = nullptr;
    while (blocks_ != nullptr) {
        Block* block = blocks_;
        blocks_ = block->next;
        std::free(block);
    }
}

namespace {

struct NoMemory {};

template <typename T> T* array_in(Scope& scope, std::size_t count) {
    std::size_t bytes;
    void* memory = __builtin_mul_overflow(count, sizeof(T), &bytes) ? nullptr : scope.allocate(bytes, alignof(T));
    if (memory == nullptr) throw NoMemory{};
    return static_cast<T*>(memory);
}

il_value lend(Scope& scope, const Value& value) {
    struct Visitor {
        Scope& scope;
        il_value operator()(std::monostate) const { return il_null(); }
        il_value operator()(bool boolean) const { return il_bool(boolean); }
        il_value operator()(std::int64_t number) const { return il_int64(number); }
        il_value operator()(double number) const { return il_double(number); }
        il_value operator()(const std::string& text) const { return il_text(text.data(), text.size()); }
        il_value operator()(const Bytes& bytes) const { return il_octets(bytes.data.data(), bytes.data.size()); }
        il_value operator()(const Buffer& buffer) const {
            auto* view = array_in<il_buffer>(scope, 1);
            *view = il_buffer{};
            view->data = buffer.data;
            view->item = buffer.item;
            view->writable = buffer.writable;
            view->dimensions = static_cast<std::uint32_t>(std::min<std::size_t>(buffer.shape.size(), IL_MAX_DIMENSIONS));
            std::copy_n(buffer.shape.begin(), view->dimensions, view->shape);
            view->owner = buffer.owner.get();
            return il_view(view);
        }
        il_value operator()(const List& list) const {
            auto* items = array_in<il_value>(scope, list.size());
            for (std::size_t i = 0; i < list.size(); ++i) items[i] = lend(scope, list[i]);
            return il_items(items, list.size());
        }
        il_value operator()(const Map& map) const {
            auto* entries = array_in<il_entry>(scope, map.size());
            for (std::size_t i = 0; i < map.size(); ++i) {
                entries[i].key = {map[i].first.data(), map[i].first.size()};
                entries[i].value = lend(scope, map[i].second);
            }
            return il_entries(entries, map.size());
        }
        il_value operator()(const HandleRef& handle) const {
            return handle.get() == nullptr ? il_null() : il_object(handle.get());
        }
    };
    return std::visit(Visitor{scope}, value.content());
}

}  // namespace

Result<il_value> Scope::borrow(const Value& value) {
    try {
        return lend(*this, value);
    } catch (const NoMemory&) {
        return Error{Errc::invalid_argument, "no memory for the arguments of a call"};
    }
}

}  // namespace interlock
