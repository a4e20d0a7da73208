// The filter modules of samples/host: what they compute, in one piece and in bands, and what they refuse.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_filters
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>

#include <interlock/interlock.hpp>

#include "host.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

constexpr std::size_t width = 40, height = 33;

struct Picture {
    std::vector<std::uint8_t> pixels = std::vector<std::uint8_t>(width * height * 3);

    std::uint8_t& at(std::size_t x, std::size_t y, std::size_t channel) {
        return pixels[(y * width + x) * 3 + channel];
    }
    Buffer view(bool writable) {
        Buffer view;
        view.data = pixels.data();
        view.writable = writable;
        view.shape = {height, width, 3};
        return view;
    }
    bool operator==(const Picture&) const = default;
};

Picture noise() {
    Picture picture;
    std::uint32_t state = 7;
    for (std::uint8_t& byte : picture.pixels) {
        state = state * 1664525u + 1013904223u;
        byte = static_cast<std::uint8_t>(state >> 24);
    }
    return picture;
}

Picture filtered(Host& host, const std::string& filter, Picture source, std::size_t band = height) {
    Picture target;
    for (std::size_t first = 0; first < height; first += band) {
        const auto last = static_cast<std::int64_t>(std::min(first + band, height));
        const Value result = host.call(filter + ".apply",
                                       {source.view(false), target.view(true), static_cast<std::int64_t>(first), last});
        BOOST_TEST(result.is_null());
    }
    return target;
}

}  // namespace

BOOST_AUTO_TEST_CASE(bands_give_the_same_picture_as_one_piece) {
    Host host(with_threads(2));
    for (const char* filter : {"blur", "grayscale", "legacy_sharpen"}) {
        BOOST_TEST_CONTEXT(filter) {
            const Picture whole = filtered(host, filter, noise());
            BOOST_TEST((whole != noise()));
            BOOST_TEST((filtered(host, filter, noise(), 1) == whole));
            BOOST_TEST((filtered(host, filter, noise(), 7) == whole));
        }
    }
}

BOOST_AUTO_TEST_CASE(blur_spreads_a_dot_by_its_weights) {
    Host host(with_threads(2));
    Picture dot;
    dot.at(10, 10, 1) = 255;
    Picture blurred = filtered(host, "blur", dot);
    BOOST_TEST(blurred.at(10, 10, 1) == 36);  // 255 * 6 * 6 / 256, rounded
    BOOST_TEST(blurred.at(11, 10, 1) == 24);
    BOOST_TEST(blurred.at(12, 12, 1) == 1);
    BOOST_TEST(blurred.at(13, 10, 1) == 0);
    BOOST_TEST(blurred.at(10, 10, 0) == 0);
    BOOST_TEST(std::accumulate(blurred.pixels.begin(), blurred.pixels.end(), 0) == 256);  // rounding adds one
}

BOOST_AUTO_TEST_CASE(areas_of_one_colour_stay_as_they_are_up_to_the_edge) {
    Host host(with_threads(2));
    Picture flat;
    std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{77});
    for (const char* filter : {"blur", "grayscale", "legacy_sharpen"})
        BOOST_TEST((filtered(host, filter, flat) == flat), filter);
}

BOOST_AUTO_TEST_CASE(grayscale_weights_the_colours) {
    Host host(with_threads(2));
    Picture colours;
    for (std::size_t channel = 0; channel < 3; ++channel) colours.at(channel, 0, channel) = 255;
    Picture gray = filtered(host, "grayscale", colours);
    BOOST_TEST(gray.at(0, 0, 0) == 76);
    BOOST_TEST(gray.at(1, 0, 1) == 150);
    BOOST_TEST(gray.at(2, 0, 2) == 29);
    BOOST_TEST(gray.at(2, 0, 0) == 29);
}

BOOST_AUTO_TEST_CASE(sharpen_steepens_edges_and_stays_in_range) {
    Host host(with_threads(2));
    Picture edge;
    for (std::size_t x = 20; x < width; ++x) edge.at(x, 5, 0) = 200;
    for (std::size_t x = 0; x < 20; ++x) edge.at(x, 5, 0) = 40;
    Picture sharp = filtered(host, "legacy_sharpen", edge);
    BOOST_TEST(sharp.at(18, 5, 0) == 40);
    BOOST_TEST(sharp.at(19, 5, 0) == 0);    // 2*40 - (40+200)/2 = -40
    BOOST_TEST(sharp.at(20, 5, 0) == 255);  // 2*200 - (40+200)/2 = 280
    BOOST_TEST(sharp.at(21, 5, 0) == 200);
}

BOOST_AUTO_TEST_CASE(what_is_no_pair_of_images_is_refused) {
    Host host(with_threads(2));
    Picture source, target;
    const Value from = source.view(false), to = target.view(true);
    Buffer narrow = target.view(true), gray = target.view(true), wide_items = target.view(true);
    narrow.shape = {height, width / 2, 3};
    gray.shape = {height, width * 3};
    wide_items.item = IL_ITEM_U16;
    wide_items.shape = {height, width / 2, 3};

    struct Row {
        List args;
        const char* error;
    };
    const Row rows[] = {
        {{}, "takes two images and two integers"},
        {{from, to, 0}, "takes two images and two integers"},
        {{from, to, 0, 1.5}, "takes two images and two integers"},
        {{from, "target", 0, 1}, "takes two images and two integers"},
        {{from, gray, 0, 1}, "takes two images and two integers"},
        {{from, wide_items, 0, 1}, "takes two images and two integers"},
        {{to, from, 0, 1}, "target is read-only"},
        {{to, to, 0, 1}, "source and target must not be the same"},
        {{from, narrow, 0, 1}, "source and target differ in size"},
        {{from, to, -1, 1}, "the image does not have these rows"},
        {{from, to, 2, 1}, "the image does not have these rows"},
        {{from, to, 0, static_cast<std::int64_t>(height) + 1}, "the image does not have these rows"},
    };
    for (const std::string filter : {"blur", "grayscale", "legacy_sharpen"}) {
        const Function apply = host.function(filter + ".apply");
        for (const Row& row : rows) {
            BOOST_TEST_CONTEXT(filter << ", " << row.error) {
                const Result<Value> result = apply(row.args);
                BOOST_REQUIRE(!result.ok());
                BOOST_TEST(result.error().message ==
                           filter + ".apply: apply(source, target, first_row, last_row): " + row.error);
            }
        }
    }
    BOOST_TEST((target == Picture()));
}

BOOST_AUTO_TEST_CASE(lines_longer_than_the_static_buffer_are_refused) {
    Host host(with_threads(2));
    std::vector<std::uint8_t> source(16385 * 3), target(16385 * 3);
    Buffer from, to;
    from.data = source.data();
    to.data = target.data();
    to.writable = true;
    from.shape = to.shape = {1, 16385, 3};
    const Result<Value> result = host.function("legacy_sharpen.apply")({from, to, 0, 1});
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().message == "legacy_sharpen.apply: apply: images can be 16384 pixels wide, not 16385");
}
