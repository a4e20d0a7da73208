// The module zcodec: what it makes can be read by others and the other way round, big results are not copied, and
// frames that lie are errors.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_zcodec
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstring>
#include <thread>

#include <interlock/interlock.hpp>

#include "host.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

std::string text_of(const Value& value) {
    const Buffer& buffer = value.get<Buffer>();
    return {static_cast<const char*>(buffer.data), buffer.size_bytes()};
}

Value octets(std::initializer_list<int> values) { return Bytes{{values.begin(), values.end()}}; }

struct BadFrame {
    Value frame;
    std::string error;
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_compressed_can_be_decompressed) {
    Host host(with_threads(2));
    for (const std::size_t size : {0u, 1u, 100u, 128u * 1024u, 3'000'000u}) {
        for (const int level : {1, 3, 19}) {
            if (level == 19 && size > 1'000'000) continue;
            BOOST_TEST_CONTEXT(size << " bytes at level " << level) {
                const std::string text = make_text(1, size);
                const Value compressed = host.call("zcodec.compress", {text, level});
                BOOST_TEST(text_of(compressed).starts_with("\x28\xb5\x2f\xfd"));
                BOOST_TEST((text_of(host.call("zcodec.decompress", {compressed})) == text));
                BOOST_TEST((text_of(host.call("zcodec.decompress", {bytes(text_of(compressed))})) == text));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(numbers_in_buffers_are_taken_as_they_lie_in_memory) {
    Host host(with_threads(2));
    std::vector<double> numbers(1000, 0.1);
    Buffer view;
    view.data = numbers.data();
    view.item = IL_ITEM_F64;
    view.shape = {10, 100};
    const std::string back = text_of(host.call("zcodec.decompress", {host.call("zcodec.compress", {view})}));
    BOOST_REQUIRE(back.size() == numbers.size() * sizeof(double));
    BOOST_TEST(std::memcmp(back.data(), numbers.data(), back.size()) == 0);
}

BOOST_AUTO_TEST_CASE(results_belong_to_the_module_and_are_not_copied) {
    Host host(with_threads(2));
    const Value compressed = host.call("zcodec.compress", {make_text(2, 100'000)});
    BOOST_TEST(compressed.get<Buffer>().owner.type_name() == "zcodec.octets");
    BOOST_TEST(!compressed.get<Buffer>().storage);
    const Value copy = compressed;
    BOOST_TEST(copy.get<Buffer>().data == compressed.get<Buffer>().data);
}

BOOST_AUTO_TEST_CASE(frames_of_the_command_line_tool_are_understood) {
    Host host(with_threads(2));
    // `zstd --no-check -c` of a file with "hello\n"
    const Value frame = octets({0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x06, 0x31, 0x00, 0x00, 'h', 'e', 'l', 'l', 'o', '\n'});
    BOOST_TEST(text_of(host.call("zcodec.decompress", {frame})) == "hello\n");
}

BOOST_AUTO_TEST_CASE(bad_frames_and_levels_are_errors) {
    Host host(with_threads(2));
    const std::string frame = text_of(host.call("zcodec.compress", {make_text(3, 10'000)}));
    const BadFrame rows[] = {
        {"", "decompress(data): this is not a zstd frame"},
        {"hello", "decompress(data): this is not a zstd frame"},
        {bytes(frame.substr(0, frame.size() - 1)), "decompress(data): zstd says: Src size is incorrect"},
        // `zstd --no-check -c` of a pipe: the size is not known in advance
        {octets({0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x31, 0x00, 0x00, 'h', 'e', 'l', 'l', 'o', '\n'}),
         "decompress(data): the frame does not state its size"},
        // a frame of 2^40 bytes, it says
        {octets({0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}),
         "decompress(data): the frame claims to hold 1099511627776 bytes, limit 1073741824"},
        {1, "decompress(data) takes one string, bytes or buffer"},
    };
    const Function decompress = host.function("zcodec.decompress");
    for (const BadFrame& row : rows) {
        const Result<Value> result = decompress({row.frame});
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST((result.error().code == Errc::call_failed));
        BOOST_TEST(result.error().message == "zcodec.decompress: " + row.error);
    }
    const Function compress = host.function("zcodec.compress"), ratio = host.function("zcodec.ratio");
    BOOST_TEST(compress({"x", 0}).error().message ==
               "zcodec.compress: compress(data[, level]): the level must be 1 to 22");
    BOOST_TEST(compress({"x", "fast"}).error().message ==
               "zcodec.compress: compress(data[, level]) takes a string, bytes or buffer, and an integer");
    BOOST_TEST(ratio({}).error().message ==
               "zcodec.ratio: ratio(data[, level]) takes a string, bytes or buffer, and an integer");
}

BOOST_AUTO_TEST_CASE(the_ratio_is_that_of_the_sizes) {
    Host host(with_threads(2));
    const std::string text = make_text(4, 50'000);
    const auto size = static_cast<double>(text_of(host.call("zcodec.compress", {text})).size());
    BOOST_TEST(host.call("zcodec.ratio", {text}).get<double>() == static_cast<double>(text.size()) / size);
}

// More threads than contexts are kept, in both modes: a context is never used by two of them.
BOOST_AUTO_TEST_CASE(many_threads_share_the_contexts) {
    for (const bool locked : {false, true}) {
        BOOST_TEST_CONTEXT((locked ? "locked" : "parallel")) {
            Host host(with_threads(2));
            if (locked) host.runtime.switch_to_locked("test").value();
            const Function compress = host.function("zcodec.compress"), decompress = host.function("zcodec.decompress");
            std::atomic<int> wrong{0};
            {
                std::vector<std::jthread> threads;
                for (std::uint32_t n = 0; n < 48; ++n) {
                    threads.emplace_back([&, n] {
                        for (std::uint32_t i = 0; i < 5; ++i) {
                            const std::string text = make_text(100 * n + i, 2000 * (n % 8 + 1));
                            if (text_of(decompress({compress({text}).value()}).value()) != text) ++wrong;
                        }
                    });
                }
            }
            BOOST_TEST(wrong == 0);
        }
    }
}
