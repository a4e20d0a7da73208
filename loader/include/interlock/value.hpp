// interlock/value.hpp: values of modules on the host's side. Value owns what it holds; il_value (module.h) is the form
// in which values cross the boundary, and Scope owns what a call produced until the host has taken it.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <interlock/module.h>
#include <interlock/export.hpp>
#include <interlock/result.hpp>

namespace interlock {

class Value;
/// A list that holds one list is `List{Value(inner)}`: compilers disagree on whether `List{inner}` is it or a copy of
/// `inner` (CWG issue 2137).
using List = std::vector<Value>;
using Map = std::vector<std::pair<std::string, Value>>;  ///< in order

/// Read-only octets.
struct Bytes {
    std::vector<std::uint8_t> data;
    bool operator==(const Bytes&) const = default;
};

/// A share in an object of a module. The last share to go runs the object's destructor, attached, under the gate of
/// its module; unloading the module destroys the object first and leaves dead references. [any-thread]
class HandleRef {
public:
    HandleRef() noexcept = default;
    explicit HandleRef(il_handle* share) noexcept : handle_(share) {}  ///< takes over one share
    IL_API HandleRef(const HandleRef& other) noexcept;
    HandleRef(HandleRef&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    HandleRef& operator=(HandleRef other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    IL_API ~HandleRef();
    il_handle* get() const noexcept { return handle_; }
    IL_API std::string type_name() const;  ///< escaped; "" for none
    bool operator==(const HandleRef&) const = default;

private:
    il_handle* handle_ = nullptr;
};

/// A typed, shaped view. The items belong to `owner`, or to `storage`, or (both empty) to somebody who outlives it.
/// Those of an owner go when its module is unloaded: where another thread may do that, read them under a Pinned.
struct Buffer {
    void* data = nullptr;
    il_item item = IL_ITEM_U8;
    bool writable = false;
    std::vector<std::size_t> shape;
    std::shared_ptr<std::vector<std::uint8_t>> storage;
    HandleRef owner;

    IL_API std::size_t count() const noexcept;  ///< items
    std::size_t size_bytes() const noexcept { return count() * IL_ITEM_SIZE(item); }
    IL_API bool operator==(const Buffer& other) const;  ///< same type, shape and contents
};

/// How much one value of a module may be when it is copied. A list that is in it several times counts each time, as it
/// is copied each time: a module can describe more than there is memory for with a few dozen values.
struct ValueLimits {
    std::size_t values = std::size_t{1} << 22;  ///< items of lists and entries of maps; use buffers for more
    std::size_t bytes = std::size_t{4} << 30;   ///< of strings, keys, bytes and buffers without an owner
};

namespace detail {
/// A T of its own, elsewhere: a Buffer is twice the size of all else, and lists are arrays of values.
template <typename T>
class Boxed {
public:
    Boxed(T thing) : thing_(std::make_unique<T>(std::move(thing))) {}  // NOLINT: implicit by design
    Boxed(const Boxed& other) : thing_(std::make_unique<T>(*other)) {}
    Boxed(Boxed&&) noexcept = default;
    Boxed& operator=(Boxed other) noexcept { return std::swap(thing_, other.thing_), *this; }
    ~Boxed() = default;
    /// Of one that was moved from, an empty one.
    const T& operator*() const noexcept {
        static const T empty;
        return thing_ == nullptr ? empty : *thing_;
    }
    bool operator==(const Boxed& other) const { return **this == *other; }

private:
    std::unique_ptr<T> thing_;
};
}  // namespace detail

/// A value that owns what it holds. Copies are deep, except that handles and buffers are shared.
class Value {
public:
    using Content = std::variant<std::monostate, bool, std::int64_t, double, std::string, Bytes, detail::Boxed<Buffer>,
                                 List, Map, HandleRef>;

    Value() noexcept = default;
    Value(std::nullptr_t) noexcept {}           // NOLINT: all of these are conversions by design
    Value(bool boolean) : content_(boolean) {}  // NOLINT
    /// Any type of integer. Throws Failure(invalid_argument) for a number above the largest int64.
    template <std::integral T>
        requires(sizeof(T) <= sizeof(std::int64_t))
    Value(T number) : content_(static_cast<std::int64_t>(number)) {  // NOLINT
        if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t))
            if (number > static_cast<T>(INT64_MAX)) too_large(number);
    }
    template <std::floating_point T>
    Value(T number) : content_(static_cast<double>(number)) {}     // NOLINT
    Value(std::string text) : content_(std::move(text)) {}         // NOLINT
    Value(std::string_view text) : content_(std::string(text)) {}  // NOLINT
    /// A null pointer is null.
    Value(const char* text) {  // NOLINT
        if (text != nullptr) content_.emplace<std::string>(text);
    }
    /// Other pointers would silently become true. Octets are Bytes{{first, last}}.
    template <typename T>
        requires(!std::same_as<std::remove_cv_t<T>, char>)
    Value(T*) = delete;
    Value(Bytes bytes) : content_(std::move(bytes)) {}        // NOLINT
    Value(Buffer buffer) : content_(std::move(buffer)) {}     // NOLINT
    Value(List list) : content_(std::move(list)) {}           // NOLINT
    Value(Map map) : content_(std::move(map)) {}              // NOLINT
    Value(HandleRef handle) : content_(std::move(handle)) {}  // NOLINT

    /// IL_NULL ... IL_HANDLE.
    il_type type() const noexcept { return static_cast<il_type>(order_[content_.index()]); }
    bool is_null() const noexcept { return content_.index() == 0; }
    const Content& content() const noexcept { return content_; }
    /// Null if it holds another type.
    template <typename T>
    const T* get_if() const noexcept {
        if constexpr (std::is_same_v<T, Buffer>) {
            const auto* boxed = std::get_if<detail::Boxed<Buffer>>(&content_);
            return boxed == nullptr ? nullptr : &**boxed;
        } else {
            return std::get_if<T>(&content_);
        }
    }
    /// Throws Failure(invalid_argument) that names both types.
    template <typename T>
    const T& get() const {
        if (const T* held = get_if<T>()) return *held;
        wrong_type();
    }
    /// The last entry with that key in a map; null if there is none or this is no map.
    IL_API const Value* find(std::string_view key) const noexcept;

    bool operator==(const Value&) const = default;

    /// A deep copy. Errors: call_failed for a malformed value (unknown type, depth over 64, bad buffer, map or list
    /// without memory, more than `limits` allow).
    IL_API static Result<Value> copy_of(const il_value& value, const ValueLimits& limits = {});

    /// JSON text: bytes as {"bytes": "<base64>"}, buffers as {"item", "shape", "data"}, handles as {"handle": type};
    /// invalid UTF-8 is replaced, NaN and infinities are null. Keys keep their order.
    IL_API std::string to_json() const;

private:
    [[noreturn]] IL_API void wrong_type() const;
    [[noreturn]] IL_API static void too_large(std::uint64_t number);
    static constexpr std::array<std::uint8_t, 10> order_ = {IL_NULL,  IL_BOOL,   IL_INT64, IL_DOUBLE, IL_STRING,
                                                            IL_BYTES, IL_BUFFER, IL_LIST,  IL_MAP,    IL_HANDLE};
    Content content_;
};

namespace detail {
class Lent;
}

/// Keeps the modules loaded that own the buffers and objects in a value, while the host reads the items of a buffer
/// itself: an unload waits for the guard, as it does for a call. Calls do the same for their arguments. On the stack,
/// as Attached is. [any-thread]
class [[nodiscard]] Pinned {
public:
    IL_API explicit Pinned(const Value& value);
    IL_API ~Pinned();
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    /// False if an object or a buffer's memory is gone, or about to go, as its module is unloaded.
    explicit operator bool() const noexcept { return pinned_; }

private:
    std::unique_ptr<detail::Lent> lent_;
    bool pinned_;
};

/// Holds what calls produce: memory of il_alloc, handles that nobody kept, and the text of an error. One thread at a
/// time; use it for many calls with reset() between them. Its first 1 KiB lies inside it, on the stack.
class Scope {
public:
    Scope() noexcept : next_(first_), end_(first_ + sizeof first_) {}
    ~Scope() {
        if (blocks_ != nullptr || kept_ != nullptr) free_all();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Forgets all results so far. Values borrowed from it become invalid.
    void reset() noexcept {
        if (blocks_ != nullptr || kept_ != nullptr) free_all();
        next_ = first_;
        end_ = first_ + sizeof first_;
    }

    /// Memory until reset(); null when there is none. `alignment` is a power of two.
    IL_API void* allocate(std::size_t size, std::size_t alignment) noexcept;

    /// The C form of a Value, valid as long as both the Value and this scope's contents are. Errors: invalid_argument
    /// (no memory, nested more than 64 deep, a buffer without dimensions or with more than 8), unloaded (a buffer of a
    /// module that has been unloaded).
    IL_API Result<il_value> borrow(const Value& value);

    /// What the last failed call said.
    const std::string& error_message() const noexcept { return message_; }
    il_status error_code() const noexcept { return code_; }
    void clear_error() noexcept { code_ = IL_OK; }
    void set_error(il_status code, std::string message) {
        code_ = code;
        message_ = std::move(message);
    }

    /// The same, and the scope owns the value until reset().
    IL_API Result<il_value> keep(Value value);

    /// The loader's own: gives the scope a share in a handle until reset().
    IL_API bool keep(il_handle* share) noexcept;

private:
    struct Block;
    struct Kept;
    bool keep(void* what, void (*drop)(void* what) noexcept) noexcept;
    IL_API void free_all() noexcept;

    unsigned char* next_;
    unsigned char* end_;
    Block* blocks_ = nullptr;
    Kept* kept_ = nullptr;
    il_status code_ = IL_OK;
    std::string message_;
    alignas(std::max_align_t) unsigned char first_[1024];
};

}  // namespace interlock
