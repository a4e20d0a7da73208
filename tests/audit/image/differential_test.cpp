// differential_test.cpp: our readers and those of LLVM must say the same of each fixture: libraries, entry points,
// imports, and each place to relocate.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_differential
#include <boost/test/unit_test.hpp>

#include "emulation/c_api_names.hpp"
#include "fixture_files.hpp"
#include "llvm_tools.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// Where LLVM knows the place of a rebase, yet not its value ("fixup 0x10 rebase"), the value is not compared.
Facts comparable(const Facts& ours, const Facts& theirs) {
    Facts result;
    for (const auto& fact : ours) {
        const auto value = fact.rfind(" rebase ");
        const auto place = value == std::string::npos ? fact : fact.substr(0, value + 7);
        result.insert(theirs.contains(place) ? place : fact);
    }
    return result;
}

std::string listing(const Facts& facts, const Facts& without) {
    std::string text;
    for (const auto& fact : facts)
        if (!without.contains(fact)) text += "\n    " + fact;
    return text;
}

/// A function that the fixture defines, and that an interpreter has too. The dynamic linker takes that one, as our
/// reader says; LLVM goes by the file alone.
std::string taken_from_process(const Fixture& fixture) {
    if (!fixture.is("elf")) return {};
    if (fixture.name.find("/own_getenv.") != std::string::npos) return "getenv";
    if (fixture.name.find("/own_set_gil.") != std::string::npos) return "PyUnstable_Module_SetGIL";
    return {};
}

/// The facts of the file alone: what is imported under this name is the fixture's own.
Facts as_own(const Facts& facts, const std::string& function) {
    Facts result;
    for (const auto& fact : facts) {
        const auto import = fact.find(" import " + function + "@");
        if (import != std::string::npos)
            result.insert(fact.substr(0, import) + " rebase");
        else if (fact != "import " + function)
            result.insert(fact);
    }
    return result;
}

/// Libraries without an entry point are not relocated, as nothing of them will be run.
Facts without_fixups(const Facts& facts) {
    Facts result;
    for (const auto& fact : facts)
        if (!fact.starts_with("fixup ")) result.insert(fact);
    return result;
}

/// The file that LLVM is asked about. Without section headers llvm-readobj finds symbols by DT_HASH, not by
/// DT_GNU_HASH. Headers that were taken away do not change what the dynamic linker sees: then it is asked about the
/// whole file.
std::string path_for_llvm(const Fixture& fixture) {
    auto path = fixture.path.string();
    const std::string headless = "-headless";
    if (fixture.target == "elf-x86_64-headless" || fixture.target == "elf-s390x-headless")
        path.erase(path.find(headless), headless.size());
    return path;
}

void compare(const char* format, FactsByFile (*llvm_facts)(const std::vector<std::string>&), std::size_t least_files,
             std::size_t least_facts) {
    const auto fixtures = all_fixtures();
    std::vector<std::string> paths;
    for (const auto& fixture : fixtures)
        if (fixture.is(format)) paths.push_back(path_for_llvm(fixture));
    std::ranges::sort(paths);
    paths.erase(std::ranges::unique(paths).begin(), paths.end());
    const auto llvm = llvm_facts(paths);
    std::size_t files = 0, facts = 0;
    for (const auto& fixture : fixtures) {
        if (!fixture.is(format)) continue;
        const auto images = auditing::image::read_images(fixture.bytes, fixture.name,
                                                         {.is_of_process = &auditing::emulation::is_of_process});
        BOOST_TEST_CONTEXT(fixture.name) {
            BOOST_TEST_INFO(why(images));
            BOOST_TEST(images.ok());
        }
        if (!images.ok()) continue;
        for (const auto& image : *images) {
            auto key = path_for_llvm(fixture);
            if (images->size() > 1)
                key += image.architecture == auditing::image::Architecture::x86_64 ? " (architecture x86_64)"
                                                                                   : " (architecture arm64)";
            BOOST_TEST_CONTEXT(fixture.name) {
                BOOST_REQUIRE(llvm.contains(key));
                auto theirs = llvm.at(key);
                auto read = facts_of(image);
                if (const auto function = taken_from_process(fixture); !function.empty()) {
                    BOOST_TEST(read.contains("import " + function));
                    BOOST_TEST(!theirs.contains("import " + function));
                    read = as_own(read, function);
                }
                if (image.exports.empty()) {
                    theirs = without_fixups(theirs);
                    read = without_fixups(read);
                }
                const auto ours = comparable(read, theirs);
                BOOST_TEST(listing(ours, theirs) == "", "only our reader says:" << listing(ours, theirs));
                BOOST_TEST(listing(theirs, ours) == "", "only LLVM says:" << listing(theirs, ours));
                ++files;
                facts += ours.size();
            }
        }
    }
    BOOST_TEST_MESSAGE(format << ": " << files << " images, " << facts << " facts");
    BOOST_TEST(files >= least_files);
    BOOST_TEST(facts >= least_facts);
}

}  // namespace

BOOST_AUTO_TEST_CASE(elf) { compare("elf", llvm_elf_facts, 150, 1200); }
BOOST_AUTO_TEST_CASE(pe) { compare("pe", llvm_pe_facts, 45, 350); }
BOOST_AUTO_TEST_CASE(macho) { compare("macho", llvm_macho_facts, 65, 400); }
