// interlock/result.hpp: how functions of interlock fail. Result<T> holds a value or an Error; Failure is the exception
// that constructors and Result::value() throw. std::expected would do, but clang 16 does not see it in libstdc++ 12.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <interlock/export.hpp>

namespace interlock {

/// What went wrong, for programs. The text form (errc_name) is stable and appears in JSON.
enum class Errc : std::uint8_t {
    invalid_argument,  ///< the caller passed something that is never right
    invalid_name,      ///< not a module or function name
    not_found,         ///< no such module, function or file
    unreadable,        ///< the file exists and cannot be read (permission, directory, FIFO, I/O error)
    malformed_file,    ///< not a shared library, or a truncated or inconsistent one
    malformed_marker,  ///< the file has a marker note that breaks the rules of the marker
    file_changed,      ///< the file changed between reading its marker and mapping it
    load_failed,       ///< the dynamic linker refused it
    missing_symbol,    ///< neither il_module_export_<name> nor il_module_init_<name>
    wrong_abi,         ///< compiled for another version of interlock/module.h
    export_failed,     ///< the export function returned nothing usable
    init_failed,       ///< the legacy init function failed
    exec_failed,       ///< the exec function failed
    call_failed,       ///< a function of a module returned an error
    refused,           ///< a policy, or an override, refuses the module
    warning_as_error,  ///< a warning filter turns the warning into an error
    switch_timeout,    ///< the switch to locked mode did not complete before its deadline
    import_deadlock,   ///< waiting for another import would never end
    in_use,            ///< the module cannot be unloaded: others use it
    unloaded,          ///< the module has been unloaded
    wrong_state,       ///< not now: no runtime, a second one, or a thread in the wrong state
    unsupported,       ///< this build or this machine cannot do it
    invalid_policy,    ///< a policy file is wrong
    invalid_manifest,  ///< a manifest is wrong
    invalid_option,    ///< an option or environment variable has a wrong value
    io_error,          ///< reading or writing failed
    internal,          ///< a bug in interlock
};
inline constexpr std::size_t errc_count = static_cast<std::size_t>(Errc::internal) + 1;

/// "not_found", ... Never fails. [any-thread]
IL_API std::string_view errc_name(Errc code) noexcept;

/// An error: a code for programs, and a message that says what happened, to what, why, and what to do. Values from
/// files are already escaped in it (see escape.hpp).
struct Error {
    Errc code = Errc::internal;
    std::string message;
};

/// The exception form of an Error.
class IL_API Failure : public std::runtime_error {
public:
    explicit Failure(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
    ~Failure() override;
    const Error& error() const noexcept { return error_; }

private:
    Error error_;
};

/// Throws Failure. A function, so that the headers need no exceptions of the program that includes them.
[[noreturn]] IL_API void throw_failure(Error error);

/// A value or an Error. Look before you take: value() on an error throws Failure.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
    Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
    Result(Errc code, std::string message) : content_(std::in_place_index<1>, Error{code, std::move(message)}) {}

    bool ok() const noexcept { return content_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    T& value() & { return check(), *std::get_if<0>(&content_); }
    const T& value() const& { return check(), *std::get_if<0>(&content_); }
    T&& value() && { return check(), std::move(*std::get_if<0>(&content_)); }
    T& operator*() & noexcept { return *std::get_if<0>(&content_); }
    const T& operator*() const& noexcept { return *std::get_if<0>(&content_); }
    T&& operator*() && noexcept { return std::move(*std::get_if<0>(&content_)); }
    T* operator->() noexcept { return std::get_if<0>(&content_); }
    const T* operator->() const noexcept { return std::get_if<0>(&content_); }

    /// Only when !ok().
    const Error& error() const& noexcept { return *std::get_if<1>(&content_); }
    Error&& error() && noexcept { return std::move(*std::get_if<1>(&content_)); }

private:
    void check() const {
        if (!ok()) throw_failure(error());
    }
    std::variant<T, Error> content_;
};

/// Success without a value.
struct Ok {};
using Outcome = Result<Ok>;

}  // namespace interlock
