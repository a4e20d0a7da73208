// filter_text.hpp: a warning filter's text taken apart, with the place of an error in it, which a policy file needs and
// the command line does not.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/warning_filter.hpp>

namespace interlock::manifests {

struct FilterText {
    struct Error {
        std::size_t offset = 0;  ///< bytes into the text
        std::string message, hint;
    };
    WarningFilter filter;
    std::optional<Error> error;
};
FilterText parse_filter_text(std::string_view text);

}  // namespace interlock::manifests
