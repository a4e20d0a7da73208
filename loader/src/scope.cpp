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

struct Scope::Kept {
    void (*drop)(void* what) noexcept;
    void* what;
    Kept* next;
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

bool Scope::keep(void* what, void (*drop)(void* what) noexcept) noexcept {
    void* memory = allocate(sizeof(Kept), alignof(Kept));
    if (memory == nullptr) return false;
    kept_ = new (memory) Kept{drop, what, kept_};
    return true;
}

bool Scope::keep(il_handle* share) noexcept {
    return keep(share, [](void* handle) noexcept { detail::release(static_cast<il_handle*>(handle)); });
}

void Scope::free_all() noexcept {
    // Dropping a handle runs code of a module, which may use this scope's memory until it has finished.
    for (Kept* kept = kept_; kept != nullptr; kept = kept->next) kept->drop(kept->what);
    kept_ = nullptr;
    while (blocks_ != nullptr) {
        Block* block = blocks_;
        blocks_ = block->next;
        std::free(block);
    }
}

namespace {

constexpr int max_depth = 64;  // of nested lists and maps, as for results

template <typename T>
T* array_in(Scope& scope, std::size_t count) {
    std::size_t bytes;
    void* memory = __builtin_mul_overflow(count, sizeof(T), &bytes) ? nullptr : scope.allocate(bytes, alignof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
}

void check_depth(int depth) {
    if (depth > max_depth)
        throw Failure({Errc::invalid_argument, "a value with lists or maps nested more than 64 deep"});
}

il_value lend(Scope& scope, const Value& value, int depth) {
    check_depth(depth);
    struct Visitor {
        Scope& scope;
        int depth;
        il_value operator()(std::monostate) const { return il_null(); }
        il_value operator()(bool boolean) const { return il_bool(boolean); }
        il_value operator()(std::int64_t number) const { return il_int64(number); }
        il_value operator()(double number) const { return il_double(number); }
        il_value operator()(const std::string& text) const { return il_text(text.data(), text.size()); }
        il_value operator()(const Bytes& bytes) const { return il_octets(bytes.data.data(), bytes.data.size()); }
        il_value operator()(const detail::Boxed<Buffer>& boxed) const {
            const Buffer& buffer = *boxed;
            if (buffer.shape.empty() || buffer.shape.size() > IL_MAX_DIMENSIONS)
                throw Failure({Errc::invalid_argument, "a buffer with " + std::to_string(buffer.shape.size()) +
                                                           " dimensions; 1 to " + std::to_string(IL_MAX_DIMENSIONS) +
                                                           " are possible"});
            if (buffer.owner.get() != nullptr && detail::is_dead(buffer.owner.get()))
                throw Failure({Errc::unloaded,
                               "the memory of a buffer is gone, as the module that it belongs to has "
                               "been unloaded"});
            auto* view = array_in<il_buffer>(scope, 1);
            *view = il_buffer{};
            view->data = buffer.data;
            view->item = buffer.item;
            view->writable = buffer.writable;
            view->dimensions = static_cast<std::uint32_t>(buffer.shape.size());
            std::copy_n(buffer.shape.begin(), view->dimensions, view->shape);
            view->owner = buffer.owner.get();
            return il_view(view);
        }
        il_value operator()(const List& list) const {
            auto* items = array_in<il_value>(scope, list.size());
            if (!list.empty()) check_depth(depth + 1);
            // What long lists are of, without the way through a visitor.
            for (std::size_t i = 0; i < list.size(); ++i) {
                if (const auto* number = list[i].get_if<std::int64_t>())
                    items[i] = il_int64(*number);
                else if (const auto* real = list[i].get_if<double>())
                    items[i] = il_double(*real);
                else if (const auto* text = list[i].get_if<std::string>())
                    items[i] = il_text(text->data(), text->size());
                else
                    items[i] = lend(scope, list[i], depth + 1);
            }
            return il_items(items, list.size());
        }
        il_value operator()(const Map& map) const {
            auto* entries = array_in<il_entry>(scope, map.size());
            for (std::size_t i = 0; i < map.size(); ++i) {
                entries[i].key = {map[i].first.data(), map[i].first.size()};
                entries[i].value = lend(scope, map[i].second, depth + 1);
            }
            return il_entries(entries, map.size());
        }
        il_value operator()(const HandleRef& handle) const {
            return handle.get() == nullptr ? il_null() : il_object(handle.get());
        }
    };
    return std::visit(Visitor{scope, depth}, value.content());
}

}  // namespace

Result<il_value> Scope::borrow(const Value& value) {
    try {
        return lend(*this, value, 0);
    } catch (const Failure& failure) {
        return failure.error();
    } catch (const std::bad_alloc&) {
        return Error{Errc::invalid_argument, "no memory for the arguments of a call"};
    }
}

Result<il_value> Scope::keep(Value value) {
    auto owned = std::make_unique<Value>(std::move(value));
    Result<il_value> c_form = borrow(*owned);
    if (!c_form) return c_form;
    if (!keep(owned.get(), [](void* what) noexcept { delete static_cast<Value*>(what); }))
        return Error{Errc::invalid_argument, "no memory for the result of a call"};
    static_cast<void>(owned.release());
    return c_form;
}

}  // namespace interlock
