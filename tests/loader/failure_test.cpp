// Modules and files that cannot be imported, each with the code and the reason, and nothing left behind.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_failure
#include <boost/test/unit_test.hpp>

#include <elf.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "lab.hpp"
#include "visits.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

struct Row {
    const char* module;
    Errc code;
    const char* part;  // of the message
    int constructed;   // how often code of the library has run
};

void check(Lab& lab, const Row& row) {
    BOOST_TEST_CONTEXT(row.module) {
        for (const int round : {1, 2}) {
            const auto result = lab.loader.import(row.module, {.importer = "the test"});
            BOOST_REQUIRE(!result.ok());
            BOOST_TEST(result.error().code == row.code);
            BOOST_TEST(result.error().message.find(row.part) != std::string::npos, result.error().message);
            BOOST_TEST(Events::all().count("bad:constructor") == static_cast<std::size_t>(round * row.constructed));
            BOOST_TEST(Events::all().count("bad:destructor") == static_cast<std::size_t>(round * row.constructed));
            BOOST_TEST(lab.parallel());
            BOOST_TEST(lab.runtime.stats().holds == 0u);
            BOOST_TEST(!lab.loader.find(row.module).ok());
        }
        BOOST_TEST(lab.loader.report().modules.empty());
        for (const FallbackEvent& event : lab.loader.report().fallbacks) BOOST_TEST(event.outcome == "import failed");
    }
}

LabOptions over(const std::filesystem::path& folder) {
    return {.change = [folder](LoaderOptions& options) { options.search_path = {folder}; }};
}

}  // namespace

BOOST_AUTO_TEST_CASE(modules_that_break_a_rule) {
    const Row rows[] = {
        {"bad_marker_abi", Errc::wrong_abi, "its marker says ABI 2, this interlock has ABI 1; rebuild", 0},
        {"bad_marker_json", Errc::malformed_marker, "bad_marker_json.so", 0},
        {"bad_def_abi", Errc::wrong_abi, "it was compiled for ABI 7 with a definition of", 1},
        {"bad_def_size", Errc::wrong_abi, "with a definition of 8 bytes", 1},
        {"bad_def_state", Errc::export_failed, "it asks for a state of 1125899906842624 bytes", 1},
        {"bad_def_noname", Errc::export_failed, "its definition is for module '(null)'", 1},
        {"bad_name", Errc::export_failed, "its definition is for module 'other\\x1b[31m'", 1},
        {"bad_export", Errc::export_failed, "il_module_export_bad_export() returned NULL", 1},
        {"bad_symbol", Errc::missing_symbol,
         "it exports neither il_module_export_bad_symbol nor il_module_init_bad_symbol; it is not a module of "
         "interlock",
         0},
        {"bad_data", Errc::missing_symbol, "it exports neither il_module_export_bad_data nor", 0},
        {"bad_methods_null", Errc::export_failed, "its method 'missing' has no function", 1},
        {"bad_methods_twice", Errc::export_failed, "it has two methods named 'same'", 1},
        {"bad_unresolved", Errc::load_failed, "interlock_test_nobody_defines_this", 0},
    };
    for (const Row& row : rows) {
        Lab lab;
        check(lab, row);
    }
}

BOOST_AUTO_TEST_CASE(legacy_modules_that_fail_in_init) {
    struct LegacyRow {
        const char* script;
        const char* part;
    };
    const LegacyRow rows[] = {
        {"no module", "it returned NULL and said no more"},
        {"return nothing", "it returned NULL and said no more"},
        {"fail on purpose", "its legacy init function failed: on purpose"},
        {"create twice", "il_module_create may be called once, from a legacy init function"},
        {"leave_detached", "returned between IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS"},
    };
    for (const LegacyRow& row : rows) {
        Lab lab;
        Events::all().script("legacy1:init", row.script);
        const auto result = lab.loader.import("legacy1");
        BOOST_TEST_CONTEXT(row.script) {
            BOOST_REQUIRE(!result.ok());
            BOOST_TEST(result.error().code == Errc::init_failed);
            BOOST_TEST(result.error().message.find(row.part) != std::string::npos, result.error().message);
            BOOST_TEST(lab.parallel());
            Events::all().clear();
            BOOST_TEST(lab.import("legacy1").loaded());
        }
    }
    Lab lab;
    const auto result = lab.loader.import("bad_forgotten_legacy");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::init_failed);
    BOOST_TEST(result.error().message.find("it returned something that is not its module") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(functions_of_exec_that_go_wrong) {
    struct ExecRow {
        const char* script;
        const char* part;
    };
    const ExecRow rows[] = {
        {"fail in exec", "its exec function failed: in exec"},
        {"status 77", "the function returned status 77 and said no more"},
        {"leave_detached", "returned between IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS"},
        {"import no_such_module", "no module named 'no_such_module'"},
        {"import bad_export", "il_module_export_bad_export() returned NULL"},
    };
    for (const ExecRow& row : rows) {
        Lab lab;
        Events::all().script("free1:exec", row.script);
        const auto result = lab.loader.import("free1");
        BOOST_TEST_CONTEXT(row.script) {
            BOOST_REQUIRE(!result.ok());
            BOOST_TEST(result.error().code == Errc::exec_failed);
            BOOST_TEST(result.error().message.find(row.part) != std::string::npos, result.error().message);
            BOOST_TEST(lab.loader.report().modules.empty());
            Events::all().clear();
            BOOST_TEST(lab.import("free1").loaded());
        }
    }
}

BOOST_AUTO_TEST_CASE(files_that_are_no_library) {
    TemporaryFolder folder;
    const auto path = [&](const char* name) { return folder.path() / name; };
    folder.write("text.so", "this is text, and long enough to be taken for a header of some kind: ........\n");
    folder.write("empty.so", "");
    std::filesystem::create_directory(path("directory.so"));
    BOOST_REQUIRE(::mkfifo(path("fifo.so").c_str(), 0600) == 0);
    std::filesystem::create_symlink("nowhere", path("dangling.so"));
    std::filesystem::create_symlink("loop.so", path("loop.so"));
    std::filesystem::create_symlink("/dev/zero", path("device.so"));
    copy_module("free1.so", path("free1.so"));
    std::filesystem::resize_file(path("free1.so"), 100);
    const Row rows[] = {
        {"text", Errc::malformed_file, "text.so", 0},
        {"empty", Errc::malformed_file, "empty.so", 0},
        {"free1", Errc::malformed_file, "free1.so", 0},
        {"directory", Errc::unreadable, "directory.so", 0},
        {"fifo", Errc::unreadable, "fifo.so", 0},
        {"device", Errc::unreadable, "device.so", 0},
        {"dangling", Errc::not_found, "no module named", 0},
        {"loop", Errc::unreadable, "Too many levels of symbolic links", 0},
    };
    for (const Row& row : rows) {
        Lab lab(over(folder.path()));
        check(lab, row);
    }
}

// The end, in the file, of what is mapped of a library.
std::uintmax_t end_of_segments(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    Elf64_Ehdr header{};
    stream.read(reinterpret_cast<char*>(&header), sizeof header);
    std::uintmax_t end = 0;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        stream.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
        stream.read(reinterpret_cast<char*>(&segment), sizeof segment);
        if (segment.p_type == PT_LOAD) end = std::max<std::uintmax_t>(end, segment.p_offset + segment.p_filesz);
    }
    return end;
}

BOOST_AUTO_TEST_CASE(a_library_cut_short_anywhere_fails_cleanly) {
    TemporaryFolder folder;
    const auto file = folder.path() / "unm1.so";
    copy_module("unm1.so", file);
    const std::uintmax_t size = std::filesystem::file_size(file);
    const std::uintmax_t loaded = end_of_segments(file);
    for (std::uintmax_t part = 0; part < 16; ++part) {
        copy_module("unm1.so", file);
        std::filesystem::resize_file(file, size * part / 16);
        Lab lab(over(folder.path()));
        const auto code = lab.failure("unm1");
        BOOST_TEST_CONTEXT(part << "/16 of the file") {
            // Symbols, debug information and section headers, at the end, are not needed to load it.
            if (code) BOOST_TEST((*code == Errc::malformed_file || *code == Errc::load_failed), errc_name(*code));
            BOOST_TEST(code.has_value() == (size * part / 16 < loaded));
            if (code) BOOST_TEST(lab.parallel());
            if (code) BOOST_TEST(Events::all().told().empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_library_for_another_machine_is_refused_before_the_switch) {
    TemporaryFolder folder;
    const auto file = copy_module("unm1.so", folder.path() / "unm1.so");
    {
        std::fstream patched(file, std::ios::binary | std::ios::in | std::ios::out);
        patched.seekp(offsetof(Elf64_Ehdr, e_machine));
        patched.put(static_cast<char>(EM_S390));
        patched.put(0);
    }
    Lab lab(over(folder.path()));
    check(lab, {"unm1", Errc::load_failed, "it is a library for another machine (ELF e_machine 22)", 0});
    BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
}

BOOST_AUTO_TEST_CASE(a_file_without_permission_to_read) {
    TemporaryFolder folder;
    const auto file = copy_module("free1.so", folder.path() / "free1.so");
    std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all | std::filesystem::perms::others_all);
    std::filesystem::permissions(file, std::filesystem::perms::none);
    // Nothing is forbidden to root: a child gives its rights up.
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
            ::_exit(77);
        Lab lab(over(folder.path()));
        ::_exit(lab.failure("free1") == Errc::unreadable && Events::all().told().empty() ? 0 : 1);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        BOOST_TEST_MESSAGE("skipped: root cannot give its rights up here");
    else
        BOOST_TEST(WEXITSTATUS(status) == 0);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_replaced_while_it_is_mapped) {
    TemporaryFolder folder;
    const auto file = copy_module("free1.so", folder.path() / "free1.so");
    Lab lab(over(folder.path()));
    // Its own constructor is the place between reading the marker and looking at the file once more.
    Events::all().on("free1:constructor", [&] {
        std::filesystem::rename(copy_module("unm1.so", folder.path() / "new.so"), file);
        return 0;
    });
    const auto result = lab.loader.import("free1");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::file_changed);
    BOOST_TEST(Events::all().told() == (Texts{"free1:constructor parallel", "free1:destructor parallel"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_new_version_of_a_library_that_had_to_stay_mapped) {
    TemporaryFolder folder;
    const auto file = copy_module("kept.so", folder.path() / "kept.so");
    Lab lab(over(folder.path()));
    lab.import("kept");
    BOOST_TEST(lab.loader.unload("kept").ok());
    BOOST_TEST(lab.stats("kept").mapped);
    BOOST_TEST(!lab.stats("kept").loaded);
    // As long as the file is the same, the old mapping is as good as a new one.
    BOOST_TEST(lab.import("kept").loaded());
    BOOST_TEST(lab.loader.unload("kept").ok());
    BOOST_TEST(Events::all().count("kept:constructor") == 1u);
    // The dynamic linker would answer with the old library for the new file's name, whatever the new marker says.
    std::filesystem::rename(copy_module("kept.so", folder.path() / "new.so"), file);
    const auto result = lab.loader.import("kept");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::file_changed);
    BOOST_TEST(result.error().message.find("an earlier version of the file is still mapped") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_exception_in_a_callback_of_the_host_does_not_leave_an_import_open) {
    struct Stop : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    Events::all().clear();
    Runtime runtime(
        {.stall_report = std::chrono::milliseconds(1), .on_stall = [](const StallReport&) { throw Stop("enough"); }});
    Loader loader(runtime, {.search_path = {MODULE_DIRECTORY},
                            .use_environment = false,
                            .on_warning = [](const Warning&) { throw Stop("no warnings, please"); }});
    AttachedThread other;
    const auto result = loader.import("unm1");
    other.release();
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().code == Errc::internal);
    BOOST_TEST(result.error().message.ends_with("an exception ended the import: enough"));
    BOOST_TEST((runtime.mode() == Mode::parallel));
    BOOST_TEST(loader.import("unm1").ok());
    BOOST_TEST(loader.report().warnings_issued == 1u);
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_inside_exec) {
    Lab lab;
    Events::all().script("unm1:exec", "exit");
    pthread_t thread{};
    const auto importing = [](void* lab_) -> void* {
        static_cast<void>(static_cast<Lab*>(lab_)->loader.import("unm1"));
        return lab_;
    };
    BOOST_REQUIRE(::pthread_create(&thread, nullptr, importing, &lab) == 0);
    void* result = nullptr;
    BOOST_REQUIRE(::pthread_join(thread, &result) == 0);
    BOOST_TEST(result == nullptr);
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.runtime.stats().holds == 0u);
    Events::all().clear();
    BOOST_TEST(lab.import("unm1").loaded());
}

BOOST_AUTO_TEST_CASE(more_than_one_loader_or_none_without_a_runtime) {
    Lab lab;
    const auto is_wrong_state = [](const Failure& failure) { return failure.error().code == Errc::wrong_state; };
    BOOST_CHECK_EXCEPTION(Loader(lab.runtime), Failure, is_wrong_state);
    BOOST_TEST(lab.import("free1").loaded());
}
