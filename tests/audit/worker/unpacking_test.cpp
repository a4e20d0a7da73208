// unpacking_test.cpp: archives of all kinds in an audit, which has them unpacked by processes that may do nothing else.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "audit/inputs/archive_maker.hpp"
#include "inputs/archive_zip_index.hpp"
#include "worker/worker.hpp"

namespace interlock::auditing {
using namespace inputs;
using namespace worker;
namespace {

using namespace interlock::test;

const std::vector<TarEntry>& members() {
    static const std::vector<TarEntry> members = {{"pkg/größe.so", library("good")},
                                                  {"readme.txt", "text"},
                                                  {"pkg/b.so", library("good" + std::string(1'000'000, 'x'))}};
    return members;
}

std::set<std::string> names_in(const AuditReport& report, const std::string& root) {
    for (const InputError& error : report.errors) BOOST_TEST(error.message == "");
    std::set<std::string> names;
    for (const BinaryAudit& binary : report.binaries) names.insert(binary.path.substr(root.size() + 1));
    return names;
}

std::set<std::string> both_in(const std::string& archive) { return {archive + "!pkg/größe.so", archive + "!pkg/b.so"}; }

BOOST_AUTO_TEST_SUITE(unpacking)

BOOST_AUTO_TEST_CASE(tar_files_of_all_kinds) {
    for (const int filter :
         {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD}) {
        const TemporaryFolder folder;
        tar(folder / "x.tar", members(), filter);
        BOOST_TEST(names_in(audit(folder.path()), folder.path()) == both_in("x.tar"), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(archives_in_archives) {
    const TemporaryFolder folder, aside;
    const std::string inner_tar = content_of(tar(aside / "in.tar.xz", members(), ARCHIVE_FILTER_XZ));
    const std::string inner_zip = zip({deflated_entry("a.so", library("good")), {"b.so", library("good")}});
    folder.write("a.zip", zip({deflated_entry("in.tar.xz", inner_tar)}));
    tar(folder / "b.tar.gz", {{"in.zip", inner_zip}, {"in.tar.xz", inner_tar}}, ARCHIVE_FILTER_GZIP);
    folder.write("c.deb", ar({{"debian-binary", "2.0\n"}, {"data.tar.xz", inner_tar}}));
    folder.write("d.conda", zip({{"pkg-d.tar.zst", content_of(tar(aside / "d", members(), ARCHIVE_FILTER_ZSTD))}}));
    std::set<std::string> expected = {"b.tar.gz!in.zip!a.so", "b.tar.gz!in.zip!b.so"};
    for (const char* archive : {"a.zip!in.tar.xz", "b.tar.gz!in.tar.xz", "c.deb!data.tar.xz", "d.conda!pkg-d.tar.zst"})
        expected.merge(both_in(archive));
    BOOST_TEST(names_in(audit(folder.path()), folder.path()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_wrong_there_is_said_here) {
    const TemporaryFolder folder;
    const std::string whole = content_of(tar(folder / "x", members(), ARCHIVE_FILTER_GZIP));
    const std::string file = folder.write("cut.tar.gz", whole.substr(0, whole.size() / 2));
    const AuditReport cut = audit(file);
    BOOST_REQUIRE(!cut.errors.empty());
    BOOST_TEST((cut.errors[0].code == Errc::malformed_file));
    BOOST_TEST(cut.errors[0].message.starts_with("cannot read '" + file));
    AuditOptions options;
    options.budget.archive_size = 500'000;
    const AuditReport much = audit(tar(folder / "y.tar.gz", members(), ARCHIVE_FILTER_GZIP), options);
    BOOST_REQUIRE(much.errors.size() == 1u);
    BOOST_TEST((much.errors[0].code == Errc::unsupported));
    BOOST_TEST(much.errors[0].message.find("the limit archive_size is 500000") != std::string::npos);
    ZipEntry damaged = deflated_entry("a.so", library("good"));
    damaged.crc = 1;
    const std::string zipped = folder.write("z.zip", zip({damaged}));
    const AuditReport wrong = audit(zipped);
    BOOST_REQUIRE(wrong.errors.size() == 1u);
    BOOST_TEST(wrong.errors[0].message.starts_with("cannot read '" + zipped + "!a.so': ZIP bad CRC"));
}

// Who unpacked it may have been taken over by what it unpacked, and is going to unpack for others.
BOOST_AUTO_TEST_CASE(nobody_can_change_what_was_unpacked) {
    const TemporaryFolder folder;
    const std::string content = library(std::string(100'000, 'x'));
    const auto index = ZipIndex::of_file(folder.write("x.zip", zip({deflated_entry("a.so", content)})), {});
    BOOST_REQUIRE(index.ok());
    const AuditOptions options;
    Workers workers(options);
    const auto unpacked = index->extract("a.so", content.size(), workers);
    BOOST_REQUIRE(unpacked.ok());
    BOOST_TEST((unpacked->head(content.size()) == content));
    const int file = unpacked->file().get();
    BOOST_TEST(::pwrite(file, "y", 1, 0) == -1);
    BOOST_TEST(errno == EPERM);
    BOOST_TEST(::ftruncate(file, 1) == -1);
    BOOST_TEST((::mmap(nullptr, content.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
