// hostile_test.cpp: files that are cut off, changed at random, or no files at all: always an orderly answer, never a
// crash, a hang or a read out of bounds (which the sanitizer build sees, as every image has a heap block of its own).
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE hostile
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <interlock/marker.hpp>

#include "support/elf_builder.hpp"
#include "support/temporary_folder.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;
namespace fs = std::filesystem;

namespace {

Image sample(bool wide, bool little, HashTable hash) {
    ElfBuilder builder;
    builder.wide = wide;
    builder.little = little;
    builder.hash = hash;
    builder.note_segments = {{build_id_note("0123456789abcdef0123"),
                              marker_note(R"({"abi":1,"module":"pkg.one","version":"2.3","threading":"free"})")}};
    builder.symbols = {{"il_module_export_one"}, {"il_module_init_old"}};
    return builder.build();
}

/// Whatever the input, the answer has a certain form.
void check_orderly(const Result<ModuleFile>& result) {
    if (!result.ok()) {
        const auto code = result.error().code;
        BOOST_TEST((code == Errc::malformed_file || code == Errc::malformed_marker || code == Errc::unsupported));
        BOOST_TEST(!result.error().message.empty());
        BOOST_TEST(result.error().message.size() < 2000u);
        for (const char c : result.error().message) BOOST_TEST((c >= 0x20 && c < 0x7f));
        return;
    }
    for (const auto& marker : result->markers) {
        BOOST_TEST(!marker.module.empty());
        BOOST_TEST(marker.abi > 0u);
        BOOST_TEST(marker.offset < result->identity.size);
        BOOST_TEST(marker.threading.has_value() == level_from_name(marker.threading_text).has_value());
    }
}

void write(const fs::path& path, const Image& image) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
    BOOST_REQUIRE(file.flush().good());
}

void expect_error(const fs::path& path, Errc code, const std::string& fragment) {
    const auto result = read_module_file(path);
    const auto identity = file_identity(path);
    BOOST_TEST_CONTEXT(path) {
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST(errc_name(result.error().code) == errc_name(code));
        BOOST_TEST(result.error().message.find(fragment) != std::string::npos, result.error().message);
        // A file that can be named but not opened still has an identity.
        if (code == Errc::not_found) BOOST_TEST((!identity.ok() && identity.error().code == code));
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(cut_off_at_every_byte) {
    for (const bool wide : {false, true}) {
        for (const auto hash : {HashTable::sysv, HashTable::gnu}) {
            const Image whole = sample(wide, true, hash);
            BOOST_REQUIRE(read_module_image(whole, "x").ok());
            for (std::size_t size = 0; size < whole.size(); ++size) {
                const Image cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
                const auto result = read_module_image(cut, "x");
                check_orderly(result);
                // All of it lies in one loaded segment, so no cut can go unnoticed.
                BOOST_TEST((!result.ok() && result.error().code == Errc::malformed_file));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_gives_the_same_answer_as_its_image) {
    const TemporaryFolder directory;
    const auto path = directory / "cut.so";
    const Image whole = sample(true, true, HashTable::gnu);
    for (std::size_t size = 0; size <= whole.size(); size += size < whole.size() && size + 13 > whole.size() ? 1 : 13) {
        const Image cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        write(path, cut);
        const auto from_file = read_module_file(path);
        const auto from_image = read_module_image(cut, path);
        BOOST_REQUIRE(from_file.ok() == from_image.ok());
        if (!from_file.ok()) BOOST_TEST(from_file.error().message == from_image.error().message);
    }
}

BOOST_AUTO_TEST_CASE(random_changes) {
    std::mt19937_64 random(20'240'601);
    std::size_t accepted = 0;
    std::size_t rejected = 0;
    for (int round = 0; round < 6000; ++round) {
        Image image = sample((round & 1) != 0, (round & 2) != 0, static_cast<HashTable>(1 + round % 3));
        for (auto changes = 1 + random() % 4; changes > 0; --changes) {
            auto& byte = image[random() % image.size()];
            byte = random() % 2 != 0 ? static_cast<std::uint8_t>(byte ^ (1U << random() % 8))
                                     : static_cast<std::uint8_t>(random());
        }
        const auto result = read_module_image(image, "x");
        check_orderly(result);
        ++(result.ok() ? accepted : rejected);
    }
    // Both happen often, or the changes miss what matters.
    BOOST_TEST(accepted > 500u);
    BOOST_TEST(rejected > 500u);
}

// Numbers at the limits, in every aligned word of the image.
BOOST_AUTO_TEST_CASE(extreme_numbers) {
    constexpr std::uint64_t extremes[] = {0,     1,        0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
                                          ~0ULL, ~0ULL - 7};
    for (const bool wide : {false, true}) {
        for (const auto hash : {HashTable::sysv, HashTable::gnu}) {
            const Image whole = sample(wide, true, hash);
            for (std::size_t at = 0; at + 8 <= whole.size(); at += 4) {
                for (const auto extreme : extremes) {
                    for (const std::size_t size : {4, 8}) {
                        Image image = whole;
                        std::memcpy(image.data() + at, &extreme, size);
                        check_orderly(read_module_image(image, "x"));
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_lies_beyond_the_first_read_is_found) {
    NoteSpec filler;
    filler.owner = "Filler";
    filler.description.resize(10'000);
    ElfBuilder builder;
    builder.note_segments = {{filler}, {marker_note(R"({"abi":1,"module":"far","threading":"module_lock"})")}};
    for (int i = 0; i < 300; ++i) builder.symbols.push_back({"function_" + std::to_string(i)});
    builder.symbols.push_back({"il_module_export_far"});
    const TemporaryFolder directory;
    write(directory / "far.so", builder.build());
    const auto file = read_module_file(directory / "far.so");
    BOOST_REQUIRE_MESSAGE(file.ok(), test::why(file));
    BOOST_REQUIRE(file->marker_for("far") != nullptr);
    BOOST_TEST(file->marker_for("far")->offset > 10'000u);
    BOOST_TEST(file->exports == std::vector<std::string>{"far"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_refused_without_blocking) {
    const TemporaryFolder directory;
    BOOST_REQUIRE(mkfifo((directory / "fifo.so").c_str(), 0600) == 0);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (directory / "socket.so").c_str(), sizeof address.sun_path - 1);
    BOOST_REQUIRE(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    fs::create_directory_symlink(directory.path(), directory / "link.so");

    expect_error(directory / "fifo.so", Errc::unreadable, "is a FIFO: a module must be a regular file");
    expect_error(directory / "socket.so", Errc::unreadable, "is a socket: a module must be a regular file");
    expect_error(directory.path(), Errc::unreadable, "is a directory: a module must be a regular file");
    expect_error(directory / "link.so", Errc::unreadable, "is a directory");
    expect_error("/dev/null", Errc::unreadable, "is a device");
    for (const char* name : {"fifo.so", "socket.so", "link.so"}) {
        const auto identity = file_identity(directory / name);
        BOOST_REQUIRE(!identity.ok());
        BOOST_TEST((identity.error().code == Errc::unreadable));
    }
    close(listener);
}

BOOST_AUTO_TEST_CASE(what_is_not_there) {
    const TemporaryFolder directory;
    write(directory / "file", {});
    fs::create_symlink("nowhere", directory / "dangling.so");
    fs::create_symlink("loop.so", directory / "loop.so");
    expect_error(directory / "missing.so", Errc::not_found, "no such file: '");
    expect_error(directory / "dangling.so", Errc::not_found, "no such file: '");
    expect_error(directory / "file/below.so", Errc::not_found, "no such file: '");
    expect_error("", Errc::not_found, "no such file: ''");
    expect_error(std::string("/etc/passwd\0.so", 15), Errc::not_found, "a path cannot contain a zero byte");
    expect_error(directory / "loop.so", Errc::unreadable, "cannot read '");
    expect_error(directory / std::string(5000, 'x'), Errc::unreadable, "File name too long");
    expect_error(directory / "file", Errc::malformed_file, "it is too short to be an ELF file");
    expect_error(directory / "a\nb", Errc::not_found, "a\\nb'");
}

BOOST_AUTO_TEST_CASE(no_permission) {
    const TemporaryFolder directory;
    fs::permissions(directory.path(), fs::perms::all);
    const auto path = directory / "secret.so";
    write(path, sample(true, true, HashTable::gnu));
    BOOST_REQUIRE(read_module_file(path).ok());
    fs::permissions(path, fs::perms::none);
    // Root may read everything; be somebody else for a moment.
    const bool root = geteuid() == 0;
    if (root) BOOST_REQUIRE(seteuid(65534) == 0);
    const auto result = read_module_file(path);
    const auto identity = file_identity(path);
    if (root) BOOST_REQUIRE(seteuid(0) == 0);
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST((result.error().code == Errc::unreadable));
    BOOST_TEST(result.error().message.find("secret.so': Permission denied") != std::string::npos);
    BOOST_TEST(identity.ok());
}

BOOST_AUTO_TEST_CASE(links_are_followed_and_identity_tells_files_apart) {
    const TemporaryFolder directory;
    const auto image = sample(true, true, HashTable::gnu);
    write(directory / "a.so", image);
    write(directory / "b.so", image);
    fs::create_symlink("a.so", directory / "link.so");
    const auto a = read_module_file(directory / "a.so");
    const auto b = read_module_file(directory / "b.so");
    const auto link = read_module_file(directory / "link.so");
    BOOST_REQUIRE(a.ok() && b.ok() && link.ok());
    BOOST_TEST((a->identity == link->identity));
    BOOST_TEST((a->identity == file_identity(directory / "a.so").value()));
    BOOST_TEST(!(a->identity == b->identity));
    BOOST_TEST(link->path == directory / "link.so");
    BOOST_TEST(a->identity.size == image.size());

    // Rewritten in place with other bytes of the same length, at a time of its own.
    timespec times[2] = {{0, UTIME_OMIT}, {1'000'000'000, 5}};
    BOOST_REQUIRE(utimensat(AT_FDCWD, (directory / "a.so").c_str(), times, 0) == 0);
    const auto after = file_identity(directory / "a.so");
    BOOST_REQUIRE(after.ok());
    BOOST_TEST(after->modified_ns == 1'000'000'000'000'000'005);
    BOOST_TEST(!(*after == a->identity));
}

// Somebody cuts and rewrites the file while it is read: an orderly answer, and no SIGBUS.
BOOST_AUTO_TEST_CASE(a_file_that_changes_under_the_reader) {
    const TemporaryFolder directory;
    const auto path = directory / "moving.so";
    NoteSpec filler;
    filler.owner = "Filler";
    filler.description.resize(100'000);
    ElfBuilder builder;
    builder.note_segments = {{filler}, {marker_note(R"({"abi":1,"module":"m","threading":"free"})")}};
    const Image image = builder.build();
    write(path, image);
    std::atomic<bool> stop = false;
    std::thread writer([&] {
        const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
        while (fd >= 0 && !stop) {
            if (ftruncate(fd, 3000) != 0) break;
            if (pwrite(fd, image.data(), image.size(), 0) < 0) break;
        }
        close(fd);
    });
    for (int i = 0; i < 2000; ++i) check_orderly(read_module_file(path));
    stop = true;
    writer.join();
}
