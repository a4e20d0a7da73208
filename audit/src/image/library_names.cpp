// library_names.cpp: the libraries that every machine of a platform has.
//
// SPDX-License-Identifier: MIT
#include "image/library_names.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace interlock::auditing::image {

std::string_view library_name(std::string_view path) noexcept {
    return path.substr(path.find_last_of("/\\") + 1);  // npos + 1 is 0
}

bool is_library_of_the_system(std::string_view library) {
    static constexpr std::string_view known[] = {
        "libc.",    "libm.",     "libpthread.", "libdl.",    "librt.",    "libstdc++.",  "libgcc_s.", "libutil.",
        "ld-",      "libpython", "python",      "vcruntime", "msvcp",     "api-ms-win-", "ext-ms-",   "ucrtbase",
        "kernel32", "user32",    "advapi32",    "ws2_32",    "libSystem", "libc++",      "libz.",     "libobjc",
        "ntdll",    "bcrypt",    "ole32",       "shell32",   "libgomp.",  "msvcrt",      "crypt32",   "iphlpapi"};
    std::string name(library_name(library));
    if (name.ends_with(".dll") || name.ends_with(".DLL"))
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (library.find(".framework/") != std::string_view::npos) return true;
    return std::ranges::any_of(known, [&](std::string_view start) { return name.starts_with(start); });
}

}  // namespace interlock::auditing::image
