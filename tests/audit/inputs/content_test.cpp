// content_test.cpp: where the bytes of a file are while they are audited, and that they never take more than the
// budget.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <oneapi/tbb/global_control.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <latch>
#include <thread>

#include <interlock/digest.hpp>

#include "archive_maker.hpp"
#include "inputs/inputs_content.hpp"
#include "inputs/inputs_queue.hpp"
#include "recorder.hpp"

namespace interlock::auditing {
using namespace inputs;
namespace {

using namespace interlock::test;

constexpr std::uint64_t mebibyte = 1u << 20;

/// As many bytes as one likes, from nowhere.
class Endless : public ByteStream {
public:
    explicit Endless(std::uint64_t size) : left_(size) {}
    std::size_t read(std::span<std::uint8_t> buffer) override {
        const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
        std::fill_n(buffer.begin(), part, std::uint8_t{'e'});
        left_ -= part;
        return part;
    }

private:
    std::uint64_t left_;
};

std::string all_of(const Content& content) { return content.head(content.size()); }

BOOST_AUTO_TEST_SUITE(content)

BOOST_AUTO_TEST_CASE(in_memory_or_in_a_file) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, in_memory_limit - 1,
                                     in_memory_limit, in_memory_limit + 1}) {
        for (const std::optional<std::uint64_t> claimed :
             {std::optional<std::uint64_t>(size), std::optional<std::uint64_t>(), std::optional<std::uint64_t>(10),
              std::optional<std::uint64_t>(in_memory_limit + 5)}) {
            BOOST_TEST_CONTEXT(size << " bytes, claimed " << claimed.value_or(0)) {
                MemoryBudget memory(128 * mebibyte);
                Endless stream(size);
                const Content content = Content::of_stream(stream, claimed, 1u << 30, "x", memory);
                BOOST_REQUIRE(content.size() == size);
                BOOST_TEST((all_of(content) == std::string(size, 'e')));
                BOOST_TEST(memory.peak() <= in_memory_limit);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(hash_of_a_spilled_one) {
    MemoryBudget memory(mebibyte);
    Endless stream(in_memory_limit + 10);
    const Content content = Content::of_stream(stream, std::nullopt, 1u << 30, "x", memory);
    const std::string bytes = all_of(content);
    BOOST_TEST(content.sha256() == sha256_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
}

BOOST_AUTO_TEST_CASE(limit_of_a_stream) {
    MemoryBudget memory(128 * mebibyte);
    for (const std::optional<std::uint64_t> claimed :
         {std::optional<std::uint64_t>(101), std::optional<std::uint64_t>(5), std::optional<std::uint64_t>()}) {
        Endless stream(101);
        BOOST_CHECK_EXCEPTION(Content::of_stream(stream, claimed, 100, "x.so", memory), Failure, [](const Failure& f) {
            return f.error().code == Errc::unsupported &&
                   f.error().message.starts_with("'x.so' is not read: it is larger");
        });
    }
    BOOST_TEST(memory.in_flight() == 0);
    Endless stream(100);
    BOOST_TEST(Content::of_stream(stream, 100, 100, "x.so", memory).size() == 100);
}

BOOST_AUTO_TEST_CASE(no_room_for_a_temporary_file) {
    const char* before = std::getenv("TMPDIR");
    const std::string kept = before == nullptr ? "" : before;
    ::setenv("TMPDIR", "/nonexistent", 1);
    MemoryBudget memory(128 * mebibyte);
    Endless stream(in_memory_limit + 1);
    BOOST_CHECK_EXCEPTION(Content::of_stream(stream, std::nullopt, 1u << 30, "x.so", memory), Failure,
                          [](const Failure& failure) {
                              return failure.error().message ==
                                     "cannot make a temporary file for a member of an archive: No such file or "
                                     "directory; TMPDIR chooses another folder";
                          });
    before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
}

BOOST_AUTO_TEST_CASE(of_bytes_in_memory) {
    const std::string text = library(std::string(100'000, 'x'));
    const Content content = Content::of_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    BOOST_TEST((all_of(content) == text));
    BOOST_TEST(Content::of_bytes({}).size() == 0);
}

BOOST_AUTO_TEST_CASE(out_of_reach_of_who_wrote_it) {
    const std::string before = "as it was judged", after = "as it was not!!!";
    const auto file_of = [&] {
        base::Descriptor file = open_memory();
        BOOST_REQUIRE(::pwrite(file.get(), before.data(), before.size(), 0) == static_cast<ssize_t>(before.size()));
        return file;
    };
    const auto text_of = [&](const base::Descriptor& file) {
        std::string text(before.size() + 1, '\0');
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(::pread(file.get(), text.data(), text.size(), 0), 0)));
        return text;
    };
    base::Descriptor original = file_of();
    const int number = original.get();
    const base::Descriptor sealed = out_of_reach(std::move(original), before.size(), "x");
    BOOST_TEST(sealed.get() == number);
    BOOST_TEST(::pwrite(sealed.get(), after.data(), after.size(), 0) == -1);

    base::Descriptor written = file_of();
    void* place = ::mmap(nullptr, before.size(), PROT_READ | PROT_WRITE, MAP_SHARED, written.get(), 0);
    BOOST_REQUIRE(place != MAP_FAILED);
    const base::Descriptor copy = out_of_reach(std::move(written), before.size(), "x");
    std::memcpy(place, after.data(), after.size());
    BOOST_TEST(text_of(copy) == before);
    BOOST_TEST(::pwrite(copy.get(), after.data(), after.size(), 0) == -1);
    ::munmap(place, before.size());

    base::Descriptor shrunk = file_of();
    place = ::mmap(nullptr, before.size(), PROT_READ | PROT_WRITE, MAP_SHARED, shrunk.get(), 0);
    BOOST_REQUIRE(place != MAP_FAILED);
    BOOST_REQUIRE(::ftruncate(shrunk.get(), 3) == 0);
    BOOST_CHECK_EXCEPTION(out_of_reach(std::move(shrunk), before.size(), "x.so"), Failure, [](const Failure& failure) {
        return failure.error().message == "cannot read 'x.so': it shrank while it was copied";
    });
    ::munmap(place, before.size());
}

BOOST_AUTO_TEST_CASE(budget_is_kept) {
    // Workers hold what they got until the reader has to wait for them; it must neither exceed the budget nor hang.
    constexpr std::uint64_t limit = 8 * mebibyte;
    const tbb::global_control more(tbb::global_control::max_allowed_parallelism, 5);  // than this machine may have
    for (const unsigned threads : {1u, 2u, 5u}) {
        MemoryBudget memory(limit);
        std::atomic<std::uint64_t> in_flight = 0, peak = 0, bytes = 0;
        WorkQueue<Candidate> queue(threads, [&](Candidate candidate) {
            bytes += candidate.content.size();
            in_flight -= candidate.content.size();
        });
        memory.set_help([&] { return queue.help(); });
        for (int i = 0; i < 200; ++i) {
            const std::uint64_t size = mebibyte * (1 + i % 3);
            Endless stream(size);
            Candidate candidate;
            candidate.content = Content::of_stream(stream, size, 1u << 30, "x", memory);
            in_flight += size;
            std::uint64_t known = peak;
            while (known < in_flight && !peak.compare_exchange_weak(known, in_flight)) {
            }
            queue.push(std::move(candidate));
        }
        queue.finish();
        BOOST_TEST(bytes == 399 * mebibyte);
        BOOST_TEST(peak <= limit);
        BOOST_TEST(memory.peak() <= limit);
        BOOST_TEST(memory.peak() >= mebibyte);
        BOOST_TEST(memory.in_flight() == 0);
    }
}

BOOST_AUTO_TEST_CASE(many_small_ones) {
    // Each may have a descriptor, of which a process has not as many as there is memory for.
    MemoryBudget memory(1u << 30);
    std::deque<MemoryBudget::Ticket> tickets;
    memory.set_help([&] {
        tickets.pop_front();
        return true;
    });
    for (std::size_t i = 0; i < 2 * MemoryBudget::most_tickets; ++i) {
        tickets.push_back(memory.reserve(1));
        BOOST_REQUIRE(tickets.size() <= MemoryBudget::most_tickets);
    }
    // What keeps less of its share still counts.
    for (MemoryBudget::Ticket& ticket : tickets) ticket.keep(0);
    tickets.push_back(memory.reserve(1));
    BOOST_TEST(tickets.size() <= MemoryBudget::most_tickets);
    tickets.clear();
    BOOST_TEST(memory.in_flight() == 0);
}

BOOST_AUTO_TEST_CASE(larger_than_the_budget) {
    MemoryBudget memory(mebibyte);
    {
        const auto alone = memory.reserve(5 * mebibyte);
        BOOST_TEST(memory.in_flight() == 5 * mebibyte);
    }
    // A directory that takes all of it leaves one file at a time.
    memory.set_fixed(2 * mebibyte);
    auto first = memory.reserve(1000);
    int helped = 0;
    memory.set_help([&] {
        ++helped;
        first = {};
        return true;
    });
    const auto second = memory.reserve(1000);
    BOOST_TEST(helped == 1);
}

BOOST_AUTO_TEST_CASE(all_workers_of_tbb_are_busy) {
    // The reader does the work itself when nobody else comes.
    MemoryBudget memory(mebibyte);
    std::atomic<int> done = 0;
    const int slots = tbb::info::default_concurrency();
    std::latch blocked(slots), release(1);
    const tbb::global_control more(tbb::global_control::max_allowed_parallelism, slots + 4);
    std::vector<std::thread> others;
    for (int i = 0; i < slots; ++i)
        others.emplace_back([&] {
            tbb::task_arena arena(slots);
            arena.execute([&] {
                blocked.count_down();
                release.wait();
            });
        });
    blocked.wait();
    {
        WorkQueue<Candidate> queue(4, [&](Candidate) { ++done; });
        memory.set_help([&] { return queue.help(); });
        for (int i = 0; i < 100; ++i) {
            Candidate candidate;
            candidate.memory = memory.reserve(mebibyte / 4);
            queue.push(std::move(candidate));
        }
        queue.finish();
    }
    BOOST_TEST(done == 100);
    release.count_down();
    for (std::thread& other : others) other.join();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock::auditing
