// base/distribution_name.hpp: names of distributions of Python, as package indexes compare them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace interlock::base {

/// "Foo.Bar__baz" is "foo-bar-baz": a run of '-', '_' and '.' is one '-', letters are small (PEP 503). [any-thread]
std::string normalized_distribution_name(std::string_view name);

}  // namespace interlock::base
