// json_text.hpp: writes one JSON object on one line, members in the order given, to be pasted by people.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace interlock::manifests {

class JsonText {
public:
    void number(std::string_view key, int value) { raw(key, std::to_string(value)); }
    /// Bytes that are no UTF-8 become U+FFFD: JSON cannot carry them.
    void string(std::string_view key, std::string_view value);
    /// `json` is JSON already.
    void raw(std::string_view key, std::string_view json);
    std::string object() const { return '{' + members_ + '}'; }

private:
    std::string members_;
};

}  // namespace interlock::manifests
