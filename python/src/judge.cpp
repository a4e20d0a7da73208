// judge.cpp: maps the library at first use, from the folder in which the host itself lies, and keeps it.
//
// SPDX-License-Identifier: MIT
#include "judge.hpp"

#include <dlfcn.h>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "judge_library.hpp"

namespace interlock::python {

std::filesystem::path file_of_judge() {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&file_of_judge), &info) == 0 || info.dli_fname == nullptr) return {};
    return std::filesystem::path(info.dli_fname).parent_path() / "_judge.so";
}

Result<auditing::ExtensionModule> judge(PythonVersion python, const std::filesystem::path& file,
                                        const std::string& module) {
    void* library = ::dlopen(file_of_judge().c_str(), RTLD_NOW | RTLD_LOCAL);
    void* found = library == nullptr ? nullptr : ::dlsym(library, "interlock_python_judge");
    if (found == nullptr)
        return Error{Errc::io_error,
                     fmt::format("what reads module files cannot be loaded, so nothing is known of this "
                                 "one; is interlock installed completely? {}",
                                 escape(::dlerror()))};
    Result<auditing::ExtensionModule> result = auditing::ExtensionModule();
    reinterpret_cast<decltype(&interlock_python_judge)>(found)(python, file, module, result);
    return result;
}

}  // namespace interlock::python
