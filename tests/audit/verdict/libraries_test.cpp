// Modules whose marker depends on a library that comes with them: what is looked into, what is said to be missing, and
// where such libraries are found on disk.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_libraries
#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "audit/image/fixture_files.hpp"
#include "audit/inputs/archive_maker.hpp"
#include "verdict/binary.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using namespace interlock::auditing::verdict;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> targets = {"elf-x86_64",        "elf-i386",
                                          "elf-aarch64",       "elf-arm",
                                          "elf-s390x",         "elf-riscv64",
                                          "pe-x86_64",         "pe-i386",
                                          "pe-arm64",          "macho-x86_64-chained",
                                          "macho-x86_64-info", "macho-arm64-chained",
                                          "macho-arm64-info"};

fs::path folder_of(const std::string& target) { return fs::path(AUDIT_FIXTURES_OUT) / (target + "-libraries"); }

fs::path file_in(const fs::path& folder, const std::string& beginning) {
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().filename().string().starts_with(beginning)) return entry.path();
    throw std::runtime_error("there is no " + beginning + " in " + folder.string());
}

fs::path library_in(const fs::path& folder) {
    for (const char* name : {"libbundled.so", "bundled.dll", "libbundled.dylib"})
        if (fs::exists(folder / name)) return folder / name;
    throw std::runtime_error("there is no library in " + folder.string());
}

ModuleAudit with_library(const fs::path& module, const std::vector<std::uint8_t>& library, const std::string& name) {
    const auto bytes = test::file_bytes(module);
    const BinaryContext context{.path = module.string(),
                                .module_path = module.filename().string(),
                                .disk_path = {},
                                .manifest = {},
                                .libraries = {name}};
    const Bytes libraries[] = {library};
    const auto audits = audit_binary(bytes, context, {}, libraries).value();
    BOOST_REQUIRE(audits.size() == 1u);
    BOOST_TEST(audits.front().missing_libraries.empty());
    return audits.front().modules.at(0);
}

BinaryAudit alone(const fs::path& module) {
    const auto bytes = test::file_bytes(module);
    const BinaryContext context{
        .path = module.string(), .module_path = module.filename().string(), .disk_path = {}, .manifest = {}};
    return audit_binary(bytes, context, {}).value().at(0);
}

std::string verdict_in(const AuditReport& report, const std::string& module) {
    for (const BinaryAudit& binary : report.binaries)
        for (const ModuleAudit& one : binary.modules)
            if (one.name == module)
                return std::string(verdict_name(one.verdict)) + ' ' + std::string(confidence_name(one.confidence));
    return "no such module";
}

}  // namespace

BOOST_AUTO_TEST_CASE(with_their_library_nothing_is_assumed) {
    if (!has_emulator()) return;
    for (const std::string& target : targets)
        for (const char* name : {"bundled_check.", "bundled_version.", "bundled_init."})
            BOOST_TEST_CONTEXT(target + ' ' + name) {
                const fs::path library = library_in(folder_of(target));
                const auto bytes = test::file_bytes(library);
                const ModuleAudit module =
                    with_library(file_in(folder_of(target), name), bytes, library.filename().string());
                BOOST_TEST(verdict_name(module.verdict) == "free", module.reason);
                BOOST_TEST(confidence_name(module.confidence) == "certain");
                for (const std::string& assumed : module.assumed) BOOST_TEST_MESSAGE("assumed: " << assumed);
            }
}

// What both define is the module's, and what the module defines its library can change when it is loaded.
BOOST_AUTO_TEST_CASE(libraries_that_use_the_module) {
    if (!has_emulator()) return;
    const fs::path folder = folder_of("elf-x86_64");
    const auto library = test::file_bytes(library_in(folder));
    for (const char* name : {"bundled_meddled.", "bundled_interposed."}) {
        BOOST_TEST(!alone(file_in(folder, name)).missing_libraries.empty());
        const ModuleAudit module = with_library(file_in(folder, name), library, "libbundled.so");
        BOOST_TEST(verdict_name(module.verdict) == "global_lock", name << module.reason);
        BOOST_TEST(confidence_name(module.confidence) == "certain");
    }
}

// The interpreter asks the dynamic linker for a name, which looks into the libraries of a file, too.
BOOST_AUTO_TEST_CASE(an_init_function_in_a_library) {
    const fs::path folder = fs::path(AUDIT_FIXTURES_OUT) / "elf-x86_64";
    const auto empty = test::file_bytes(file_in(folder, "no_init."));
    const auto library = test::file_bytes(file_in(folder, "multi_unmarked.cpython-313t"));
    const BinaryContext context{.path = "x",
                                .module_path = "multi_unmarked.cpython-313t-x86_64-linux-gnu.so",
                                .disk_path = {},
                                .manifest = {},
                                .libraries = {"libreal.so"}};
    const Bytes libraries[] = {library};
    const BinaryAudit binary = audit_binary(empty, context, {}, libraries).value().at(0);
    BOOST_TEST(verdict_name(binary.modules.at(0).verdict) == "undetermined");
    BOOST_TEST(binary.modules.at(0).reason.starts_with("its init function is in 'libreal.so'"));
    BOOST_TEST(!binary.modules.at(0).effects.empty());
}

BOOST_AUTO_TEST_CASE(without_it_the_report_says_what_is_missing) {
    if (!has_emulator()) return;
    for (const std::string& target : targets) BOOST_TEST_CONTEXT(target) {
            const std::vector<std::string> expected = {library_in(folder_of(target)).filename().string()};
            const BinaryAudit check = alone(file_in(folder_of(target), "bundled_check."));
            BOOST_TEST(check.missing_libraries == expected, boost::test_tools::per_element());
            const BinaryAudit init = alone(file_in(folder_of(target), "bundled_init."));
            BOOST_TEST(init.missing_libraries == expected, boost::test_tools::per_element());
            BOOST_TEST(init.modules.at(0).reason.ends_with("; it uses '" + expected.front() +
                                                           "', which is not there or cannot be read"),
                       init.modules.at(0).reason);
        }
}

// A library that is no library, or one for another processor, is as if it were not there.
BOOST_AUTO_TEST_CASE(a_library_of_no_use) {
    if (!has_emulator()) return;
    const fs::path module = file_in(folder_of("elf-x86_64"), "bundled_init.");
    const auto other = test::file_bytes(library_in(folder_of("elf-aarch64")));
    for (const auto& library : {std::vector<std::uint8_t>{}, std::vector<std::uint8_t>(100, 'x'), other})
        BOOST_TEST(verdict_name(with_library(module, library, "libbundled.so").verdict) == "undetermined");
}

BOOST_AUTO_TEST_CASE(on_disk_where_the_dynamic_linker_looks) {
    if (!has_emulator()) return;
    const fs::path from = folder_of("elf-x86_64"), module = file_in(from, "bundled_init.");
    const test::TemporaryFolder folder;
    fs::create_directories(folder.path() / "pack");
    fs::copy_file(module, folder.path() / "pack" / module.filename());
    const auto verdict = [&] { return verdict_in(audit(folder.path() / "pack" / module.filename()), "bundled_init"); };
    BOOST_TEST(verdict() == "undetermined certain");
    fs::copy_file(from / "libbundled.so", folder.path() / "pack/libbundled.so");  // its RPATH is $ORIGIN
    BOOST_TEST(verdict() == "free certain");
}

BOOST_AUTO_TEST_CASE(on_disk_where_wheels_have_it) {
    if (!has_emulator()) return;
    const fs::path from = folder_of("pe-x86_64"), module = file_in(from, "bundled_check.");
    const test::TemporaryFolder folder;
    fs::create_directories(folder.path() / "site-packages/pack/inner");
    fs::create_directories(folder.path() / "site-packages/pack.libs");
    fs::copy_file(module, folder.path() / "site-packages/pack/inner" / module.filename());
    const auto verdict = [&] { return verdict_in(audit(folder.path()), "pack.inner.bundled_check"); };
    BOOST_TEST(verdict() == "free probable");
    fs::copy_file(from / "bundled.dll", folder.path() / "site-packages/pack.libs/bundled.dll");
    BOOST_TEST(verdict() == "free certain");
}

BOOST_AUTO_TEST_CASE(in_a_wheel) {
    if (!has_emulator()) return;
    for (const std::string& target : targets) BOOST_TEST_CONTEXT(target) {
            const fs::path library = library_in(folder_of(target));
            const test::TemporaryFolder folder;
            std::vector<test::ZipEntry> entries;
            for (const char* name : {"bundled_check.", "bundled_version.", "bundled_init."}) {
                const fs::path module = file_in(folder_of(target), name);
                entries.push_back({"pack/" + module.filename().string(), test::content_of(module)});
            }
            // Another of that name, for nobody, and the right one behind the modules.
            entries.push_back({"else/where/" + library.filename().string(), test::library("")});
            entries.push_back({"pack.libs/" + library.filename().string(), test::content_of(library)});
            const auto report = audit(folder.write("pack-1.0-cp313-cp313t-any.whl", test::zip(entries)));
            for (const char* name : {"bundled_check", "bundled_version", "bundled_init"})
                BOOST_TEST(verdict_in(report, std::string("pack.") + name) == "free certain");
        }
}
