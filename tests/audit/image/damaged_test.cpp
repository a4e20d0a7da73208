// damaged_test.cpp: every fixture cut off at many lengths, and with bytes changed at random: the readers must give an
// image that keeps its promises, or an error that says why. The random numbers are the same in every run.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit_image_damaged
#include <random>

#include <boost/test/unit_test.hpp>

#include "fixture_files.hpp"

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using namespace interlock::test;

namespace {

struct Counts {
    std::size_t images = 0, errors = 0;
};

bool is_printable(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

/// `bytes` is a block of exactly its size.
void check(const std::vector<std::uint8_t>& bytes, const std::string& what, Counts& counts) {
    const auto images = read_images(bytes, "file");
    if (images.ok()) {
        ++counts.images;
        for (const auto& image : *images) {
            const auto broken = broken_promise(image, bytes);
            BOOST_TEST(broken == "", what << ": " << broken);
        }
        return;
    }
    ++counts.errors;
    const Error& error = images.error();
    const bool is_clean =
        (error.code == Errc::malformed_file || error.code == Errc::unsupported || error.code == Errc::unreadable) &&
        error.message.starts_with("'file") && error.message.size() < 3000 && is_printable(error.message);
    BOOST_TEST(is_clean, what << ": " << errc_name(error.code) << ": " << error.message);
}

}  // namespace

BOOST_AUTO_TEST_CASE(cut_off) {
    Counts counts;
    std::mt19937 random(20261122);
    for (const auto& fixture : all_fixtures()) {
        const auto size = fixture.bytes.size();
        std::vector<std::size_t> lengths = {0, 1, 3, 4, 7, 8, 15, 16, 31, 63, 64, 100, size - 1};
        for (unsigned i = 0; i < 12; ++i) lengths.push_back(random() % std::min<std::size_t>(size, 1500));
        for (unsigned i = 0; i < 12; ++i) lengths.push_back(random() % size);
        for (const auto length : lengths) {
            const std::vector<std::uint8_t> bytes(fixture.bytes.begin(),
                                                  fixture.bytes.begin() + static_cast<std::ptrdiff_t>(length));
            check(bytes, fixture.name + " cut off at " + std::to_string(length), counts);
        }
    }
    BOOST_TEST(counts.errors >= 7000u);
}

BOOST_AUTO_TEST_CASE(bytes_changed) {
    Counts counts;
    std::mt19937 random(3);
    for (const auto& fixture : all_fixtures()) {
        // Most of a file is padding: what says something is at the start, or not zero.
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < fixture.bytes.size(); ++i)
            if (i < 512 || fixture.bytes[i] != 0) places.push_back(i);
        for (unsigned round = 0; round < 300; ++round) {
            auto bytes = fixture.bytes;
            std::string what = fixture.name;
            for (auto changes = 1 + random() % 3; changes > 0; --changes) {
                const auto place = places[random() % places.size()];
                switch (random() % 4) {
                    case 0:
                        bytes[place] = 0xff;
                        break;
                    case 1:
                        bytes[place] = 0;
                        break;
                    case 2:
                        bytes[place] ^= static_cast<std::uint8_t>(1u << random() % 8);
                        break;
                    default:
                        bytes[place] = static_cast<std::uint8_t>(random());
                }
                what += ", byte " + std::to_string(place) + " = " + std::to_string(bytes[place]);
            }
            check(bytes, what, counts);
        }
    }
    // Both ways are taken often, or the test would be about nothing.
    BOOST_TEST(counts.errors >= 10000u);
    BOOST_TEST(counts.images >= 10000u);
}
