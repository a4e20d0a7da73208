// PulledLibrary in words and as JSON (library.hpp).
//
// SPDX-License-Identifier: MIT
#include <interlock/library.hpp>

#include <nlohmann/json.hpp>

namespace interlock {

std::string_view origin_name(LibraryOrigin origin) noexcept {
    switch (origin) {
        case LibraryOrigin::not_found:
            return "not_found";
        case LibraryOrigin::loaded:
            return "loaded";
        case LibraryOrigin::path:
            return "path";
        case LibraryOrigin::rpath:
            return "rpath";
        case LibraryOrigin::environment:
            return "environment";
        case LibraryOrigin::runpath:
            return "runpath";
        case LibraryOrigin::cache:
            return "cache";
        case LibraryOrigin::default_folder:
            return "default_folder";
        case LibraryOrigin::opened:
            return "opened";
    }
    return "not_found";
}

std::string_view library_kind_name(LibraryKind kind) noexcept {
    switch (kind) {
        case LibraryKind::library:
            return "library";
        case LibraryKind::interlock_module:
            return "interlock_module";
        case LibraryKind::python_module:
            return "python_module";
    }
    return "library";
}

std::string PulledLibrary::to_json() const {
    using Json = nlohmann::ordered_json;
    const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
    const char* effect = error || refused() ? "import_fails" : needs_lock() ? "global_lock" : "none";
    Json json{{"name", name},
              {"needed_by", or_null(needed_by)},
              {"file", or_null(file.string())},
              {"found", origin_name(origin)},
              {"build_id", or_null(build_id)},
              {"kind", library_kind_name(kind)},
              {"modules", modules},
              {"marker", marker ? Json(marker_state_name(*marker)) : Json(nullptr)},
              {"action", action ? Json(action_name(*action)) : Json(nullptr)},
              {"effect", effect},
              {"why", why}};
    if (error) json["error"] = {{"code", errc_name(error->code)}, {"message", error->message}};
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace interlock
