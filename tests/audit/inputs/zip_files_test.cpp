// zip_files_test.cpp: zip files, of which the directory is read and each member is unpacked where it is needed: what is
// right is found whatever the way it is written, and what is false is an error of that one member.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include "archive_maker.hpp"
#include "inputs/archive_zip_index.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
using namespace inputs;
namespace {

using namespace interlock::test;

/// Different in each place, and yet smaller when it is packed.
std::string much(std::size_t size) {
    std::string text = library("");
    for (std::uint32_t i = 0; text.size() < size; ++i) text += std::to_string(i * 2654435761u) + "\n";
    text.resize(size);
    return text;
}

/// Paths and messages of the errors, without the name of the archive.
Texts errors_of(const Walk& walk, const std::string& file) {
    Texts texts;
    for (const InputError& error : walk.errors) {
        std::string text = error.message;
        for (std::size_t at; (at = text.find(file)) != text.npos;) text.replace(at, file.size(), "FILE");
        texts.push_back(text);
    }
    return texts;
}

/// Keeps what is handed over, as a queue does.
struct Waiting : InputSink {
    void binary(Candidate candidate) override { candidates.push_back(std::move(candidate)); }
    void error(std::uint64_t, InputError error) override { errors.push_back(std::move(error)); }
    void skipped(std::uint64_t, std::string) override {}
    void discard(std::uint64_t) override {}
    std::vector<Candidate> candidates;
    std::vector<InputError> errors;
};

BOOST_AUTO_TEST_SUITE(zip_files)

BOOST_AUTO_TEST_CASE(ways_to_write_a_member) {
    const TemporaryFolder folder;
    const std::string content = much(300'000);
    ZipEntry descriptor = deflated_entry("descriptor.so", content), large = deflated_entry("large.so", content);
    descriptor.descriptor = true;
    large.large_file = true;
    const std::string packed = write_archive(folder / "bz2", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_BZIP2, {{"", content}});
    const ZipEntry bzip2{"bzip2.so", content_of(packed), 0,
                         12,         crc32_of(content),  static_cast<std::uint32_t>(content.size())};
    const std::vector<ZipEntry> entries = {{"stored.so", content},
                                           descriptor,
                                           large,
                                           bzip2,
                                           {"empty.so", ""},
                                           {"empty2.so", deflated(""), 0, 8, 0, 0u},
                                           deflated_entry("last.so", "x")};
    for (const char* prefix : {"", "#!/bin/sh\n"})
        for (const bool large_file : {false, true})
            for (const std::size_t comment : {std::size_t{0}, std::size_t{65'535}}) {
                BOOST_TEST_CONTEXT(prefix << large_file << comment) {
                    const std::string file =
                        folder.write("x.zip", prefix + zip(entries, {std::string(comment, 'c'), large_file}));
                    const Walk walk({file});
                    BOOST_TEST(errors_of(walk, file).empty());
                    BOOST_REQUIRE(walk.found.size() == entries.size());
                    for (std::size_t i = 0; i < 4; ++i) BOOST_TEST((walk.found[i].content == content));
                    BOOST_TEST(walk.found[4].content.empty());
                    BOOST_TEST(walk.found[5].content.empty());
                    BOOST_TEST(walk.found[6].content == "x");
                }
            }
}

BOOST_AUTO_TEST_CASE(what_is_false_concerns_one_member) {
    const TemporaryFolder folder;
    const std::string content = much(5'000);
    const auto good = deflated_entry("a.so", content);
    ZipEntry smaller = good, larger = good, none = good, checksum = good, cut = good, damaged = good, name = good,
             stored{"a.so", "content"}, stored_larger = stored, beyond = good, flipped = good;
    smaller.size = 4'999;
    larger.size = 5'001;
    none.size = 0;
    checksum.crc = 0x1234;
    cut.content.resize(cut.content.size() - 10);
    damaged.content = "\xff\xff\xff\xff";
    name.header_name = "b.so";
    stored.size = 6;
    stored_larger.size = 8;
    beyond.packed = 0x7fffffff;
    flipped.content[flipped.content.size() / 2] ^= 0x10;
    const struct {
        const ZipEntry& entry;
        const char* why;
    } rows[] = {
        {smaller, "it is larger than the directory says"},
        {larger, "it is smaller than the directory says"},
        {none, "it is larger than the directory says"},
        {checksum, nullptr},
        {cut, "its compressed data are damaged"},
        {damaged, "its compressed data are damaged"},
        {name, "it has another name in its header than in the directory"},
        {stored, "it is larger than the directory says"},
        {stored_larger, "it is smaller than the directory says"},
        {beyond, "it is not within the archive, which may be truncated"},
        {flipped, nullptr},
    };
    for (const auto& [entry, why] : rows) {
        const std::string file = folder.write("x.zip", zip({{"0.so", "0"}, entry, deflated_entry("z.so", content)}));
        const Walk walk({file});
        BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!0.so", "x.zip!z.so"}), boost::test_tools::per_element());
        BOOST_REQUIRE(walk.errors.size() == 1);
        BOOST_TEST((walk.errors[0].code == Errc::malformed_file));
        BOOST_TEST(walk.errors[0].path == file + "!a.so");
        if (why != nullptr)
            BOOST_TEST(errors_of(walk, file) == Texts{std::string("cannot read 'FILE!a.so': ") + why},
                       boost::test_tools::per_element());
        BOOST_TEST(walk.memory.in_flight() == 0);
    }
}

BOOST_AUTO_TEST_CASE(members_that_overlap) {
    const TemporaryFolder folder;
    const std::string inside = zip({{"b.so", "inside"}});
    // The content of the first reaches over the second, as far as the directory goes.
    ZipEntry over{"a.so", "content"};
    over.size = over.packed = 60;
    ZipEntry last{"c.so", "content"};
    last.size = last.packed = 30;
    const std::string file = folder.write("x.zip", zip({over, {"b.so", "b"}, last}));
    const Walk walk({file});
    BOOST_TEST(walk.paths(folder.path()) == Texts{"x.zip!b.so"}, boost::test_tools::per_element());
    BOOST_TEST(errors_of(walk, file) == (Texts{"cannot read 'FILE!a.so': it overlaps the next member, or the directory",
                                               "cannot read 'FILE!c.so': it overlaps the next member, or the "
                                               "directory"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_place_for_several_names) {
    const TemporaryFolder folder;
    ZipEntry same{"a.so", "content"}, other{"b.so", "content"};
    same.same_place = other.same_place = true;
    const std::string file = folder.write("x.zip", zip({{"a.so", "content"}, same, other}));
    const Walk walk({file});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!a.so", "x.zip!a.so"}), boost::test_tools::per_element());
    BOOST_TEST(errors_of(walk, file) == Texts{"cannot read 'FILE!b.so': it has another name in its header than in the "
                                              "directory"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_place_many_times_is_a_bomb) {
    // Each of them is harmless; together they unpack to more than the limit.
    const TemporaryFolder folder;
    std::vector<ZipEntry> entries(100, deflated_entry("a.so", much(1 << 20)));
    for (std::size_t i = 1; i < entries.size(); ++i) {
        entries[i].same_place = true;
        entries[i].content.clear();
        entries[i].packed = static_cast<std::uint32_t>(entries[0].content.size());
    }
    const std::string file = folder.write("x.zip", zip(entries));
    AuditBudget budget;
    budget.archive_size = 10 << 20;
    const Walk walk({file}, budget);
    BOOST_TEST(walk.found.size() == 10u);
    BOOST_TEST(errors_of(walk, file) == Texts{"'FILE' is not read any further: it unpacks to too much; the limit "
                                              "archive_size is 10485760: raise it if you trust the file"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(damaged_directory) {
    const TemporaryFolder folder;
    std::string bytes = zip({{"a.so", "a"}, {"b.so", "b"}, {"c.so", "c"}});
    bytes[bytes.rfind("PK\1\2")] = 'X';
    const std::string file = folder.write("x.zip", bytes),
                      small = folder.write("y.zip", zip({{"a.so", "a"}}, {"", false, 10}));
    const Walk walk({file});
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!a.so", "x.zip!b.so"}), boost::test_tools::per_element());
    BOOST_TEST(errors_of(walk, file) == Texts{"cannot read the zip archive 'FILE': its directory is damaged"},
               boost::test_tools::per_element());
    const Walk beyond({small});
    BOOST_TEST(beyond.errors.size() == 1u);
}

BOOST_AUTO_TEST_CASE(names_as_installers_have_them) {
    const TemporaryFolder folder;
    const auto second_name = [](std::string_view first, std::string_view second) {
        std::string field;
        put(field, 0x7075, 2);
        put(field, 5 + second.size(), 2);
        put(field, 1, 1);
        put(field, crc32_of(first), 4);
        return field.append(second);
    };
    ZipEntry unicode{"a.so", "1"}, stale{"b.so", "2"};
    unicode.extra = second_name("a.so", "\xc3\xa4.so");
    stale.extra = second_name("before.so", "\xc3\xb6.so");
    const std::string file =
        folder.write("x.zip", zip({unicode, stale, {std::string("c.so\0.py", 8), "3"}, {"d.py\0.so", "4"}}));
    const Walk walk({file});
    BOOST_TEST(errors_of(walk, file).empty());
    BOOST_TEST(walk.paths(folder.path()) == (Texts{"x.zip!\xc3\xa4.so", "x.zip!b.so", "x.zip!c.so"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_claims_to_be_no_file) {
    // An installer makes a file of each of them; none can hide a library, however small.
    const TemporaryFolder folder;
    const std::string small = library("small");
    ZipEntry link{"a.so", "../b.so"}, hidden{"b.so", much(5'000)}, folder_entry{"c.so/", ""}, device{"d.so", ""},
        small_link{"e.so", small}, small_device{"f.so", small}, small_folder{"g.so", small}, fifo{"h.so", small};
    link.mode = hidden.mode = small_link.mode = 0120777;
    folder_entry.mode = small_folder.mode = 0040755;
    device.mode = small_device.mode = 0020644;
    fifo.mode = 0010644;
    const Walk walk({folder.write("x-1-py3-none-any.whl", zip({link, hidden, folder_entry, device, small_link,
                                                               small_device, small_folder, fifo}))});
    Texts names;
    for (const Walk::Found& found : walk.found) names.push_back(found.path.substr(found.path.find('!') + 1));
    BOOST_TEST(names == (Texts{"b.so", "e.so", "f.so", "g.so", "h.so"}), boost::test_tools::per_element());
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(what_nobody_wants_is_not_unpacked) {
    const TemporaryFolder folder;
    ZipEntry damaged = deflated_entry("x.py", much(1000));
    damaged.content = "nothing of the kind";
    const Walk walk({folder.write("x.zip", zip({damaged, {"a.so", "a"}}))});
    BOOST_TEST(walk.found.size() == 1);
    BOOST_TEST(walk.errors.empty());
}

BOOST_AUTO_TEST_CASE(manifests_and_metadata_are_read_first) {
    const TemporaryFolder folder;
    const std::string file = folder.write(
        "x-1-py3-none-any.whl",
        zip({{"a.so", "a"}, deflated_entry("a.so.interlock.json", "{a}"), {"x-1.dist-info/METADATA", "Name: X\n"}}));
    const Walk walk({file});
    BOOST_TEST(walk.discarded == 0);
    BOOST_REQUIRE(walk.found.size() == 1);
    BOOST_TEST(walk.found[0].manifest == "{a}");
    BOOST_TEST(walk.found[0].package == "wheel X 1");
}

BOOST_AUTO_TEST_CASE(too_large_for_memory) {
    const TemporaryFolder folder;
    const std::string content = much(in_memory_limit + 1'000'000);
    const std::string file = folder.write("x.zip", zip({deflated_entry("a.so", content), {"b.so", "b"}}));
    const Walk walk({file});
    BOOST_TEST(walk.errors.empty());
    BOOST_REQUIRE(walk.found.size() == 2);
    BOOST_TEST((walk.found[0].content == content));
    BOOST_TEST(walk.memory.peak() < (1u << 20));
}

BOOST_AUTO_TEST_CASE(unpacked_after_the_walk) {
    const TemporaryFolder folder;
    const std::string content = much(1'000'000);
    const std::string inner = zip({deflated_entry("in.so", content)});
    // The one in the middle is a temporary file as long as somebody wants something of it.
    const std::string file =
        folder.write("x.zip", zip({deflated_entry("n.whl", inner), deflated_entry("out.so", content)}));
    AuditBudget budget;
    MemoryBudget memory(budget.memory);
    Waiting sink;
    Inputs(budget, memory, sink).walk(file);
    BOOST_TEST(sink.errors.empty());
    BOOST_REQUIRE(sink.candidates.size() == 2);
    BOOST_TEST(memory.in_flight() > 2 * content.size());  // packed and unpacked
    for (Candidate& candidate : sink.candidates) {
        candidate.load(budget.binary_size);
        BOOST_TEST((candidate.content.head(content.size()) == content));
    }
    BOOST_TEST(memory.in_flight() == 2 * content.size());
    sink.candidates.clear();
    BOOST_TEST(memory.in_flight() == 0);
}

BOOST_AUTO_TEST_CASE(archive_that_shrinks_meanwhile) {
    const TemporaryFolder folder;
    const std::string file = folder.write("x.zip", zip({deflated_entry("a.so", much(1'000'000))}));
    AuditBudget budget;
    MemoryBudget memory(budget.memory);
    Waiting sink;
    Inputs(budget, memory, sink).walk(file);
    BOOST_REQUIRE(sink.candidates.size() == 1);
    std::filesystem::resize_file(file, 1000);
    BOOST_CHECK_EXCEPTION(sink.candidates[0].load(budget.binary_size), Failure, [&](const Failure& failure) {
        return failure.error().message == "cannot read '" + file + "!a.so': the archive shrank while it was read";
    });
}

BOOST_AUTO_TEST_CASE(members_by_name) {
    const TemporaryFolder folder;
    const std::string content = much(100'000);
    ZipEntry damaged = deflated_entry("damaged.so", content);
    damaged.crc = 1;
    ZipEntry encrypted = deflated_entry("encrypted.so", content);
    encrypted.flags = 1;
    const std::string file = folder.write("x.whl", zip({{"x.libs/libx.so.1", "first"},
                                                        deflated_entry("x.libs/libx.so.1", content),
                                                        {"x.py", "text"},
                                                        damaged,
                                                        encrypted}));
    const auto index = ZipIndex::of_file(file, {});
    BOOST_REQUIRE(index.ok());
    BOOST_TEST(index->libraries().size() == 3);
    BOOST_TEST(index->libraries().at("x.libs/libx.so.1").unpacked == content.size());
    const auto found = index->extract("x.libs/libx.so.1", content.size());
    BOOST_REQUIRE(found.ok());
    BOOST_TEST((found->head(found->size()) == content));
    BOOST_TEST(index->extract("x.py", 1000).error().message == "'" + file + "' has no library 'x.py'");
    BOOST_TEST((index->extract("damaged.so", 1 << 20).error().code == Errc::malformed_file));
    BOOST_TEST(index->extract("encrypted.so", 1 << 20).error().message ==
               "cannot read '" + file + "!encrypted.so': it is encrypted");
    BOOST_TEST((index->extract("x.libs/libx.so.1", 99'999).error().code == Errc::unsupported));
    BOOST_TEST((ZipIndex::of_file(folder / "none.whl", {}).error().code == Errc::not_found));
    BOOST_TEST((ZipIndex::of_file(folder.write("y.whl", "no zip"), {}).error().code == Errc::malformed_file));
    AuditBudget budget;
    budget.archive_entries = 4;
    BOOST_TEST((ZipIndex::of_file(file, budget).error().code == Errc::unsupported));
}

/// Counts what is unpacked.
class Counting final : public Unpacker {
public:
    unsigned count = 0;
    Content unpack(const PackedMember& packed) override {
        ++count;
        return unpacker_here().unpack(packed);
    }
    std::unique_ptr<ByteStream> open(const PackedMember& packed, Usage* usage) override {
        return unpacker_here().open(packed, usage);
    }
    std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const OpenedFile* whole, Compression compression,
                                            const std::string& name, Usage& usage) override {
        return unpacker_here().open_tar(stream, whole, compression, name, usage);
    }
};

// Modules of one wheel ask for the same libraries.
BOOST_AUTO_TEST_CASE(a_library_is_unpacked_once) {
    const TemporaryFolder folder;
    const std::string content(100'000, 'x');
    const std::string file =
        folder.write("x.whl", zip({deflated_entry("a.so", content), deflated_entry("b.so", content)}));
    const auto index = ZipIndex::of_file(file, {});
    BOOST_REQUIRE(index.ok());
    Counting unpacker;
    const AuditBudget budget;
    const auto first = index->library("a.so", budget, unpacker);
    BOOST_REQUIRE(first != nullptr);
    BOOST_TEST((first->head(first->size()) == content));
    BOOST_TEST((index->library("a.so", budget, unpacker) == first));
    BOOST_TEST(unpacker.count == 1u);
    BOOST_TEST((index->library("none.so", budget, unpacker) == nullptr));

    AuditBudget small;
    small.memory = 150'000;  // for one of them
    BOOST_TEST((index->library("b.so", small, unpacker) != nullptr));
    BOOST_TEST((index->library("b.so", small, unpacker) != nullptr));
    BOOST_TEST(unpacker.count == 2u);
    BOOST_TEST((index->library("a.so", small, unpacker) != nullptr));
    BOOST_TEST(unpacker.count == 3u);

    // What is unpacked again counts again.
    AuditBudget tight = small;
    tight.archive_size = 350'000;
    BOOST_TEST((index->library("b.so", tight, unpacker) == nullptr));
    BOOST_TEST(unpacker.count == 3u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
