// What is judged is what runs: files that are replaced, rewritten or hidden behind another name between the reading of
// the marker and the mapping. Each is refused, if it can be known before anything of it runs.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_identity
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace fs = std::filesystem;

namespace {

LabOptions over(const fs::path& folder) {
    return {.change = [folder](LoaderOptions& options) { options.search_path = {folder}; }};
}

/// Puts another file with the same content under the same name.
void replace(const fs::path& file, const std::string& module) {
    fs::rename(copy_module(module, file.parent_path() / "new"), file);
}

/// Writes the bytes of another module over a file, and sets its times back.
void rewrite(const fs::path& file, const std::string& bytes) {
    struct stat before{};
    if (::stat(file.c_str(), &before) != 0) throw std::runtime_error("no file to rewrite");
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    const bool written = ::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    const timespec times[2] = {before.st_atim, before.st_mtim};
    if (!written || ::futimens(descriptor, times) != 0) throw std::runtime_error("the file cannot be rewritten");
    ::close(descriptor);
}

void is_refused(Lab& lab, const std::string& module, const std::string& part) {
    const auto result = lab.loader.import(module);
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::file_changed, result.error().message);
    BOOST_TEST(result.error().message.find(part) != std::string::npos, result.error().message);
    BOOST_TEST(lab.runtime.stats().holds == 0u);
    BOOST_TEST(lab.parallel());
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_host_has_another_library_open_under_the_path) {
    TemporaryFolder folder;
    const auto file = copy_module("unm1.so", folder.path() / "unm1.so");
    Lab lab(over(folder.path()));
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    BOOST_REQUIRE(handle != nullptr);
    // The same file is welcome.
    BOOST_TEST(lab.import("unm1").loaded());
    BOOST_TEST(lab.loader.unload("unm1").ok());
    const auto switches = lab.runtime.stats().switches_to_locked;
    // Byte for byte the same, but another one: only the mapping tells.
    replace(file, "unm1.so");
    Events::all().clear();
    is_refused(lab, "unm1", "an earlier version of the file is still mapped");
    BOOST_TEST(Events::all().told().empty());
    BOOST_TEST(lab.runtime.stats().switches_to_locked == switches);
    ::dlclose(handle);
    BOOST_TEST(lab.import("unm1").loaded());
}

BOOST_AUTO_TEST_CASE(an_import_that_died_has_left_its_library_behind) {
    TemporaryFolder folder;
    const auto file = copy_module("unm2.so", folder.path() / "unm2.so");
    Lab lab(over(folder.path()));
    Events::all().script("unm2:exec", "exit");
    pthread_t thread{};
    const auto importing = [](void* lab_) -> void* {
        static_cast<void>(static_cast<Lab*>(lab_)->loader.import("unm2"));
        return lab_;
    };
    BOOST_REQUIRE(::pthread_create(&thread, nullptr, importing, &lab) == 0);
    BOOST_REQUIRE(::pthread_join(thread, nullptr) == 0);
    replace(file, "unm2.so");
    Events::all().clear();
    is_refused(lab, "unm2", "an earlier version of the file is still mapped");
    BOOST_TEST(Events::all().told().empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_is_rewritten_in_place_with_its_times_set_back) {
    TemporaryFolder folder;
    const auto file = copy_module("unm3.so", folder.path() / "unm3.so");
    const std::string bytes = text_of(file);
    Event attached, release;
    Events::all().clear();
    // The switch that the import waits for is the place between reading and mapping.
    Runtime runtime({.stall_report = std::chrono::milliseconds(1), .on_stall = [&](const StallReport&) {
                         if (release.happened()) return;
                         rewrite(file, bytes);
                         release.set();
                     }});
    Loader loader(runtime, {.search_path = {folder.path()}, .use_environment = false});
    Threads threads;
    threads.start([&] {
        const Attached guard;
        attached.set();
        release.wait();
    });
    attached.wait();
    const auto result = loader.import("unm3");
    threads.join();
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::file_changed, result.error().message);
    BOOST_TEST(Events::all().told().empty());
    BOOST_TEST((runtime.mode() == Mode::parallel));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_rewritten_while_its_constructors_run) {
    TemporaryFolder folder;
    const auto file = copy_module("free1.so", folder.path() / "free1.so");
    const std::string bytes = text_of(file);
    Lab lab(over(folder.path()));
    Events::all().on("free1:constructor", [&] {
        rewrite(file, bytes);
        return 0;
    });
    is_refused(lab, "free1", "the file was changed while it was being imported");
    BOOST_TEST(Events::all().count("free1:destructor") == 1u);
    Events::all().clear();
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(paths_that_the_dynamic_linker_would_take_for_others) {
    struct {
        const char* folder;
        const char* token;  // null: it is taken as it stands
    } const rows[] = {
        {"$LIB", "'$LIB'"},
        {"a/${ORIGIN}/b", "'${ORIGIN}'"},
        {"x$PLATFORM", "'$PLATFORM'"},
        {"$LIBRARY", "'$LIB'"},
        {"$", nullptr},
        {"$HOME", nullptr},
        {"cost_in_$", nullptr},
        {"{LIB}", nullptr},
    };
    for (const auto& row : rows) {
        TemporaryFolder folder;
        copy_module("unm1.so", folder.path() / row.folder / "unm1.so");
        BOOST_TEST_CONTEXT(row.folder) {
            std::optional<Lab> lab(std::in_place, over(folder.path() / row.folder));
            const auto plan = lab->loader.plan("unm1");
            const auto result = lab->loader.import("unm1");
            BOOST_TEST(result.ok() == (row.token == nullptr));
            BOOST_REQUIRE(plan.ok());
            BOOST_TEST(plan->error.has_value() == (row.token != nullptr));
            if (row.token == nullptr) continue;
            BOOST_TEST((result.error().code == Errc::unsupported));
            BOOST_TEST(result.error().message.find(row.token) != std::string::npos, result.error().message);
            BOOST_TEST(plan->error->message == result.error().message);
            BOOST_TEST(lab->runtime.stats().switches_to_locked == 0u);
            BOOST_TEST(Events::all().told().empty());
            lab.reset();
            // The way out that the message names.
            fs::create_directory_symlink(folder.path() / row.folder, folder.path() / "other_name");
            Lab again(over(folder.path() / "other_name"));
            BOOST_TEST(again.import("unm1").loaded());
        }
    }
}

BOOST_AUTO_TEST_CASE(an_empty_folder_is_the_working_folder_and_not_the_linkers_search_path) {
    const fs::path before = fs::current_path();
    fs::current_path(MODULE_DIRECTORY);
    {
        Lab lab(over(""));
        BOOST_TEST(lab.import("free1").file() == fs::path(MODULE_DIRECTORY) / "free1.so");
    }
    fs::current_path(before);
}
