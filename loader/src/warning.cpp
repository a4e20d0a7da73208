// Warnings as text and as JSON (warning.hpp).
//
// SPDX-License-Identifier: MIT
#include <interlock/warning.hpp>

#include <interlock/escape.hpp>
#include <nlohmann/json.hpp>

namespace interlock {

std::string fallback_headline(std::string_view module) {
    return "module '" + escape(module, 1000) +
           "' needs the global lock: as long as it is loaded, one thread at a time runs code of modules";
}

std::string python_fallback_headline(std::string_view module) {
    return "The global interpreter lock (GIL) has been enabled to load module '" + escape(module, 1000) +
           "', which has not declared that it can run safely without the GIL. To override this behavior and keep the "
           "GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0.";
}

Warning as_warning(const Diagnostic& diagnostic) {
    Warning warning{WarningCategory::policy, "", diagnostic.message, {}};
    warning.details.push_back({"file", escape(diagnostic.file) + ":" + std::to_string(diagnostic.line) + ":" +
                                           std::to_string(diagnostic.column)});
    warning.details.push_back({"code", diagnostic.code});
    if (!diagnostic.hint.empty()) warning.details.push_back({"fix", diagnostic.hint});
    return warning;
}

std::string Warning::text() const {
    std::string text = python ? "RuntimeWarning: " : "interlock: warning: ";
    text += headline;
    text += '\n';
    constexpr std::size_t label_width = 13;
    for (const WarningDetail& detail : details) {
        std::string line = "  " + detail.label;
        line.resize(std::max(line.size() + 1, label_width + 2), ' ');
        text += line + detail.text + '\n';
    }
    return text;
}

std::string Warning::to_json() const {
    nlohmann::ordered_json json;
    json["category"] = category_name(category);
    if (python) json["python_category"] = "RuntimeWarning";
    json["module"] = module;
    json["message"] = headline;
    nlohmann::ordered_json& labels = json["details"] = nlohmann::ordered_json::object();
    for (const WarningDetail& detail : details) {
        nlohmann::ordered_json& texts = labels[detail.label];
        if (texts.is_null()) texts = nlohmann::ordered_json::array();
        texts.push_back(detail.text);
    }
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace interlock
