// why.hpp: the message of a result, for BOOST_REQUIRE_MESSAGE, which evaluates its text even when the check passes:
// Result::error() must not be asked then.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <interlock/result.hpp>

namespace interlock::test {

/// The message of the error, or "" for a value.
template <typename T>
std::string why(const Result<T>& result) {
    return result.ok() ? std::string() : result.error().message;
}

}  // namespace interlock::test
