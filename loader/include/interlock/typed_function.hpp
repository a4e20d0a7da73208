// interlock/typed_function.hpp: a function of a module with a C++ signature: no il_value in the program, and no cost
// beyond Function::call for numbers and views.
//
//     auto add = textkit.function<std::int64_t(std::int64_t, std::int64_t)>("add").value();
//     std::int64_t sum = add(2, 3).value();
//
// Parameters may be   bool, integers, float and double; std::string, std::string_view and const char*;
//                     std::span<const std::uint8_t> and Bytes; il_buffer (a view) and il_value as they are; Value.
// Results may be      void (whatever comes is dropped), bool, integers, double, std::string, Bytes and Value;
//                     of call(scope, ...) also il_value, std::string_view and std::span<const std::uint8_t>, which
//                     belong to the scope or live as Function::call says.
//
// A module does not say what types its functions take: the module checks the arguments, and here the result is checked.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <interlock/loader.hpp>

namespace interlock {

namespace detail {

/// A view that shares memory with the scope or the module; not for a scope that ends with the call.
template <typename T>
concept BorrowedResult =
    std::same_as<T, il_value> || std::same_as<T, std::string_view> || std::same_as<T, std::span<const std::uint8_t>>;

/// Has to be copied before the gate is left, as the module may then be unloaded, or its memory written again.
template <typename T>
concept CopiedResult = std::same_as<T, std::string> || std::same_as<T, Bytes> || std::same_as<T, Value>;

template <typename T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

template <typename>
inline constexpr bool not_supported = false;

/// The C form of an argument; false if there is none, with the reason in the scope.
template <typename T>
bool to_argument(Scope& scope, const T& given, il_value& value) {
    if constexpr (std::same_as<T, bool>) {
        value = il_bool(given);
    } else if constexpr (Integer<T>) {
        value = il_int64(static_cast<std::int64_t>(given));
        if (!std::in_range<std::int64_t>(given)) {
            scope.set_error(IL_ERROR_ARGUMENT, std::to_string(given) + " does not fit into a signed 64-bit integer");
            return false;
        }
    } else if constexpr (std::floating_point<T>) {
        value = il_double(static_cast<double>(given));
    } else if constexpr (std::same_as<T, Value>) {
        Result<il_value> borrowed = scope.borrow(given);
        if (!borrowed) {
            scope.set_error(IL_ERROR_ARGUMENT, std::move(borrowed).error().message);
            return false;
        }
        value = *borrowed;
    } else if constexpr (std::same_as<T, Bytes>) {
        value = il_octets(given.data.data(), given.data.size());
    } else if constexpr (std::same_as<T, il_value>) {
        value = given;
    } else if constexpr (std::same_as<T, il_buffer>) {
        value = il_view(&given);
    } else if constexpr (std::convertible_to<const T&, std::string_view>) {
        const std::string_view text = given;
        value = il_text(text.data(), text.size());
    } else if constexpr (std::convertible_to<const T&, std::span<const std::uint8_t>>) {
        const std::span<const std::uint8_t> octets = given;
        value = il_octets(octets.data(), octets.size());
    } else {
        static_assert(not_supported<T>, "a parameter of this type cannot be passed to a module (typed_function.hpp)");
    }
    return true;
}

/// What a value of type T is to a module, for messages.
template <typename T>
constexpr const char* wanted_name() {
    if constexpr (std::same_as<T, bool>)
        return "bool";
    else if constexpr (Integer<T>)
        return "int64";
    else if constexpr (std::same_as<T, double>)
        return "double";
    else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>)
        return "string";
    else if constexpr (std::same_as<T, Bytes> || std::same_as<T, std::span<const std::uint8_t>>)
        return "bytes";
    else
        return "value";
}

/// From the C form of a result. `limits` and `why`, for what is malformed deep inside of it, are for a Value.
template <typename T>
Taken take_result(const il_value& value, T& result, const ValueLimits& limits, std::string* why) {
    if constexpr (std::same_as<T, bool>) {
        if (value.type != IL_BOOL) return Taken::wrong_type;
        result = value.as.boolean != 0;
    } else if constexpr (Integer<T>) {
        if (value.type != IL_INT64) return Taken::wrong_type;
        result = static_cast<T>(value.as.int64);
        if (!std::in_range<T>(value.as.int64)) return Taken::out_of_range;
    } else if constexpr (std::same_as<T, double>) {
        if (value.type != IL_DOUBLE) return Taken::wrong_type;
        result = value.as.real;
    } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
        if (value.type != IL_STRING) return Taken::wrong_type;
        if (value.as.string.size != 0 && value.as.string.data == nullptr) return Taken::malformed;
        result = T(value.as.string.data == nullptr ? "" : value.as.string.data, value.as.string.size);
    } else if constexpr (std::same_as<T, Bytes> || std::same_as<T, std::span<const std::uint8_t>>) {
        if (value.type != IL_BYTES) return Taken::wrong_type;
        if (value.as.bytes.size != 0 && value.as.bytes.data == nullptr) return Taken::malformed;
        const std::span octets(static_cast<const std::uint8_t*>(value.as.bytes.data), value.as.bytes.size);
        if constexpr (std::same_as<T, Bytes>)
            result.data.assign(octets.begin(), octets.end());
        else
            result = octets;
    } else if constexpr (std::same_as<T, il_value>) {
        result = value;
    } else if constexpr (std::same_as<T, Value>) {
        Result<Value> copy = Value::copy_of(value, limits);
        if (!copy) {
            *why = std::move(copy).error().message;
            return Taken::malformed;
        }
        result = std::move(*copy);
    } else {
        static_assert(not_supported<T>, "a result of this type cannot come from a module (typed_function.hpp)");
    }
    return Taken::yes;
}

}  // namespace detail

/// See the head of this file. Copyable; keeps working, with an error, after the module has been unloaded.
template <typename R, typename... Parameters>
class TypedFunction<R(Parameters...)> {
public:
    /// Outcome if the function returns nothing.
    using Returned = Result<std::conditional_t<std::is_void_v<R>, Ok, R>>;

    /// Calls through the module's gate. Errors, all naming the function: call_failed, also if the result has another
    /// type; unloaded; invalid_argument for an argument that has no C form. [any-thread]
    Returned operator()(Parameters... arguments) const {
        static_assert(!detail::BorrowedResult<R>,
                      "a view of the result would be left dangling: use call(scope, ...), or return an owner");
        Scope scope;
        return call(scope, std::forward<Parameters>(arguments)...);
    }

    /// The same, for many calls with one scope: what the call makes belongs to it until its reset(). [any-thread]
    Returned call(Scope& scope, Parameters... arguments) const {
        // One more than there are arguments, as an array of none has no elements to point to.
        std::array<il_value, sizeof...(Parameters) + 1> values;
        std::size_t count = 0;
        if (!(detail::to_argument<std::remove_cvref_t<std::decay_t<Parameters>>>(scope, arguments, values[count++]) &&
              ... && true)) [[unlikely]]
            return function_.argument_error(scope, count);
        const std::span<const il_value> args(values.data(), sizeof...(Parameters));
        if constexpr (std::is_void_v<R>) {
            il_value dropped;
            const il_status status = function_.call(scope, args, dropped);
            if (status != IL_OK) [[unlikely]]
                return function_.call_error(scope, status);
            return Ok{};
        } else {
            return finish(scope, args);
        }
    }

    const Function& untyped() const noexcept { return function_; }

private:
    friend class Module;
    explicit TypedFunction(Function function) noexcept : function_(std::move(function)) {}

    Returned finish(Scope& scope, std::span<const il_value> args) const
        requires(!detail::CopiedResult<R>)
    {
        il_value value;
        const il_status status = function_.call(scope, args, value);
        if (status != IL_OK) [[unlikely]]
            return function_.call_error(scope, status);
        R result{};
        const detail::Taken taken = detail::take_result(value, result, {}, nullptr);
        if (taken != detail::Taken::yes) [[unlikely]]
            return function_.result_error(taken, value.type, detail::wanted_name<R>(), {});
        return result;
    }

    Returned finish(Scope& scope, std::span<const il_value> args) const
        requires detail::CopiedResult<R>
    {
        struct Taking {
            R result{};
            std::string why{};
            il_type type = IL_NULL;
            detail::Taken taken = detail::Taken::yes;
        } taking;
        const auto take = [](void* context, const il_value& value, const ValueLimits& limits) {
            Taking& here = *static_cast<Taking*>(context);
            here.type = value.type;
            here.taken = detail::take_result(value, here.result, limits, &here.why);
        };
        const il_status status = function_.call_and_take(scope, args, take, &taking);
        if (status != IL_OK) return function_.call_error(scope, status);
        if (taking.taken != detail::Taken::yes)
            return function_.result_error(taking.taken, taking.type, detail::wanted_name<R>(), taking.why);
        return std::move(taking.result);
    }

    Function function_;
};

template <typename Signature>
Result<TypedFunction<Signature>> Module::function(std::string_view name) const {
    Result<Function> found = function(name);
    if (!found) return std::move(found).error();
    return TypedFunction<Signature>(std::move(*found));
}

}  // namespace interlock
