// json_text.cpp: strings are quoted by nlohmann.
//
// SPDX-License-Identifier: MIT
#include "json_text.hpp"

#include <nlohmann/json.hpp>

namespace interlock::manifests {

void JsonText::string(std::string_view key, std::string_view value) {
    raw(key, nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void JsonText::raw(std::string_view key, std::string_view json) {
    if (!members_.empty()) members_ += ", ";
    members_ += '"' + std::string(key) + "\": " + std::string(json);
}

}  // namespace interlock::manifests
