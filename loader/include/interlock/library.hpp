// interlock/library.hpp: a library that the dynamic linker pulls in for a module, and what it means for the import.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/marker.hpp>
#include <interlock/policy.hpp>
#include <interlock/result.hpp>

namespace interlock {

/// How the dynamic linker comes to a file, in the order in which it looks.
enum class LibraryOrigin : std::uint8_t {
    not_found,       ///< the import will fail, unless the linker knows more
    loaded,          ///< it is in the process already, under this name
    path,            ///< the name is a path
    rpath,           ///< a folder in DT_RPATH, of who needs it, of who needs that one, or of the program
    environment,     ///< LD_LIBRARY_PATH, as it was when the process began
    runpath,         ///< a folder in DT_RUNPATH of who needs it
    cache,           ///< ld.so.cache
    default_folder,  ///< a folder of the system
    opened,          ///< it was not foreseen: seen when the module had been mapped
};
IL_API std::string_view origin_name(LibraryOrigin origin) noexcept;  ///< "loaded", "runpath", ...

enum class LibraryKind : std::uint8_t {
    library,           ///< no module
    interlock_module,  ///< it has a marker, or an entry point of interlock
    python_module,     ///< an extension module of CPython
};
IL_API std::string_view library_kind_name(LibraryKind kind) noexcept;  ///< "library", "interlock_module", ...

struct PulledLibrary {
    std::string name;            ///< as in the file that needs it
    std::string needed_by;       ///< that file; empty for one that was opened otherwise
    std::filesystem::path file;  ///< empty if it is not found
    LibraryOrigin origin = LibraryOrigin::not_found;
    FileIdentity identity;  ///< of the file that was judged
    std::string build_id;
    LibraryKind kind = LibraryKind::library;
    std::vector<std::string> modules;   ///< that are in it
    std::optional<MarkerState> marker;  ///< the least that one of them says; nullopt if there is none
    /// What was decided for it, as for a module that is imported: with less than `free` the import needs the global
    /// lock, with `refuse` it fails. nullopt for a library that is no module, unless a rule refuses it.
    std::optional<PolicyAction> action;
    std::string why;             ///< that decided; for people, values escaped
    std::optional<Error> error;  ///< what it is cannot be told, so the import fails

    bool refused() const noexcept { return action == PolicyAction::refuse; }
    bool needs_lock() const noexcept { return action && !refused() && *action != PolicyAction::free; }
    IL_API std::string to_json() const;  ///< one line
};

}  // namespace interlock
