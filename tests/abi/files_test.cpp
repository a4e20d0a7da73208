// files_test.cpp: the marker reader on shared libraries that the compiler and linker of this build made, in many ways;
// `readelf -n` must see the same markers.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE files
#include <elf.h>
#include <link.h>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <interlock/marker.hpp>

#include "support/why.hpp"

using namespace interlock;
using boost::test_tools::per_element;

namespace {

const std::filesystem::path directory = SAMPLE_DIRECTORY;
using Names = std::vector<std::string>;

struct Expected {
    const char* file;
    Names markers;  ///< their JSON, sorted: compilers may emit the notes of one file in any order
    Names exports, legacy_inits;
};

std::string json(const std::string& name, const std::string& version, const std::string& level) {
    return R"({"abi":1,"module":")" + name + R"(","version":")" + version + R"(","threading":")" + level + "\"}";
}

/// The descriptions of the notes of owner Interlock that readelf shows, sorted.
Names readelf_markers(const std::filesystem::path& file) {
    const std::string command = "LC_ALL=C " READELF " --notes --wide '" + file.string() + "' 2>/dev/null";
    std::FILE* pipe = popen(command.c_str(), "r");
    BOOST_REQUIRE(pipe != nullptr);
    std::string output;
    char buffer[4096];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, got);
    BOOST_REQUIRE(pclose(pipe) == 0);

    Names found;
    std::istringstream lines(output);
    bool ours = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("  ") && line[2] != ' ') {
            ours = line.starts_with("  Interlock ");
            if (ours) BOOST_TEST(line.find("(0x494c0001)") != std::string::npos, line);
        }
        const auto at = line.find("description data: ");
        if (!ours || at == std::string::npos) continue;
        std::istringstream bytes(line.substr(at + std::strlen("description data: ")));
        std::string text;
        for (std::string byte; bytes >> byte;) {
            if (byte != "00") text += static_cast<char>(std::stoi(byte, nullptr, 16));
        }
        found.push_back(text);
    }
    std::sort(found.begin(), found.end());
    return found;
}

Names as_json(const ModuleFile& file) {
    Names out;
    for (const auto& m : file.markers) out.push_back(json(m.module, m.version, m.threading_text));
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void check(const Expected& expected, const ModuleFile& file) {
    BOOST_TEST(as_json(file) == expected.markers, per_element());
    BOOST_TEST(file.exports == expected.exports, per_element());
    BOOST_TEST(file.legacy_inits == expected.legacy_inits, per_element());
    BOOST_TEST(file.native);
    for (const auto& marker : file.markers) BOOST_TEST(marker.abi == 1u);
}

std::vector<Expected> samples() {
    const std::string free = json("sample.marked", "1.2.3", "free");
    std::vector<Expected> rows = {
        {"marked_free.so", {free}, {"marked"}, {}},
        {"marked_module_lock.so", {json("sample.marked", "1.2.3", "module_lock")}, {"marked"}, {}},
        {"marked_global_lock.so", {json("sample.marked", "1.2.3", "global_lock")}, {"marked"}, {}},
        {"unmarked.so", {}, {"unmarked"}, {}},
        {"two.so",
         {json("pair.one", "1", "free"), json("pair.two_with_a_longer_name", "2.0", "global_lock")},
         {"one", "two"},
         {}},
        {"legacy.so", {}, {}, {"legacy"}},
    };
    // Built from marked.c like marked_free.so, with one difference each.
    static const char* const variants[] = {SAMPLE_VARIANTS};
    for (const char* variant : variants) rows.push_back({variant, {free}, {"marked"}, {}});
    return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_reader_and_readelf_agree_with_the_source) {
    for (const auto& row : samples()) {
        const auto path = directory / row.file;
        BOOST_TEST_CONTEXT(row.file) {
            const auto file = read_module_file(path);
            BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
            check(row, *file);
            BOOST_TEST(file->build_id.size() == 40u);
            BOOST_TEST(file->path == path);
            BOOST_TEST(file->identity.size == std::filesystem::file_size(path));
            BOOST_TEST(readelf_markers(path) == row.markers, per_element());
        }
    }
}

BOOST_AUTO_TEST_CASE(markers_only_reads_the_same_markers) {
    for (const auto& row : samples()) {
        const auto full = read_module_file(directory / row.file);
        const auto quick = read_module_file(directory / row.file, ReadDepth::markers);
        BOOST_REQUIRE(full.ok() && quick.ok());
        BOOST_TEST(as_json(*full) == as_json(*quick), per_element());
        BOOST_TEST(quick->build_id == full->build_id);
        BOOST_TEST(quick->exports.empty());
        BOOST_TEST(quick->legacy_inits.empty());
    }
}

BOOST_AUTO_TEST_CASE(section_headers_are_not_needed) {
    for (const auto& row : samples()) {
        auto image = bytes_of(directory / row.file);
        ElfW(Ehdr) header;
        BOOST_REQUIRE(image.size() > sizeof header);
        std::memcpy(&header, image.data(), sizeof header);
        image.resize(header.e_shoff);
        header.e_shoff = 0;
        header.e_shnum = header.e_shstrndx = 0;
        std::memcpy(image.data(), &header, sizeof header);
        const auto file = read_module_image(image, row.file);
        BOOST_TEST_CONTEXT(row.file) {
            BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
            check(row, *file);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_object_file_is_no_module) {
    const auto file = read_module_file(SAMPLE_OBJECT);
    BOOST_REQUIRE(!file.ok());
    BOOST_TEST((file.error().code == Errc::malformed_file));
    BOOST_TEST(file.error().message.find("the ELF type is 1, not 3 (shared library)") != std::string::npos);
}

// Libraries that were not made for this test: those of this process.
BOOST_AUTO_TEST_CASE(foreign_libraries_are_read_without_complaint) {
    std::vector<std::string> paths;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* out) {
            if (info->dlpi_name[0] == '/') static_cast<std::vector<std::string>*>(out)->push_back(info->dlpi_name);
            return 0;
        },
        &paths);
    BOOST_REQUIRE(paths.size() >= 3u);  // libc, libstdc++, the test framework
    for (const auto& path : paths) {
        const auto file = read_module_file(path);
        BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
        BOOST_TEST(file->native);
        BOOST_TEST(file->markers.empty());
        BOOST_TEST(file->exports.empty());
        BOOST_TEST(file->legacy_inits.empty());
    }
}
