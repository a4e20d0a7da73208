// module_audit.cpp: maps the library at first use, from the folder in which the host itself lies, and keeps it.
//
// SPDX-License-Identifier: MIT
#include "module_audit.hpp"

#include <dlfcn.h>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "audit_library.hpp"

namespace interlock::python {

std::filesystem::path file_of_audit() {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&file_of_audit), &info) == 0 || info.dli_fname == nullptr) return {};
    return std::filesystem::path(info.dli_fname).parent_path() / "_audit.so";
}

Result<auditing::ExtensionModule> audit_module(PythonVersion python, const std::filesystem::path& file,
                                               const std::string& module) {
    void* library = ::dlopen(file_of_audit().c_str(), RTLD_NOW | RTLD_LOCAL);
    void* found = library == nullptr ? nullptr : ::dlsym(library, "interlock_python_audit");
    if (found == nullptr)
        return Error{Errc::io_error,
                     fmt::format("what reads module files cannot be loaded, so nothing is known of this "
                                 "one; is interlock installed completely? {}",
                                 escape(::dlerror()))};
    Result<auditing::ExtensionModule> result = auditing::ExtensionModule();
    reinterpret_cast<decltype(&interlock_python_audit)>(found)(python, file, module, result);
    return result;
}

}  // namespace interlock::python
