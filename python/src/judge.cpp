// judge.cpp: see judge.hpp. Finds and maps the library.
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

std::unique_ptr<Judge> make_judge(PythonVersion python) {
    const std::filesystem::path file = file_of_judge();
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* make = library == nullptr ? nullptr : ::dlsym(library, "interlock_python_make_judge");
    if (make == nullptr)
        throw Failure({Errc::io_error, fmt::format("what reads module files cannot be loaded, so nothing is known of this "
                                                   "one; is interlock installed completely? {}",
                                                   escape(::dlerror()))});
    return std::unique_ptr<Judge>(reinterpret_cast<decltype(&interlock_python_make_judge)>(make)(python));
}

}  // namespace interlock::python
