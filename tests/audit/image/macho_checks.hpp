// macho_checks.hpp: what tests of hand-made Mach-O files have in common.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <string>

#include <boost/test/unit_test.hpp>

#include "macho_builder.hpp"
#include "promises.hpp"
#include "support/why.hpp"

namespace interlock::test {

inline void check_error(const Image& file, Errc code, const std::string& message) {
    const auto images = auditing::image::read_macho(file, "file");
    BOOST_REQUIRE(!images.ok());
    BOOST_TEST(errc_name(images.error().code) == errc_name(code));
    BOOST_TEST(images.error().message == message);
}
inline void check_malformed(const Image& file, std::uint64_t offset, const std::string& reason) {
    check_error(file, Errc::malformed_file, malformed_message(offset, reason));
}
inline void check_unsupported(const Image& file, const std::string& reason) {
    check_error(file, Errc::unsupported, unsupported_message(reason));
}
/// It may be a module, and so it must not be passed over.
inline void check_too_much(const Image& file, const std::string& reason) {
    check_error(file, Errc::unreadable, unsupported_message(reason));
}

/// Images refer to their files, which are kept until the program ends.
inline auditing::image::Image read(Image file) {
    static std::deque<Image> files;
    files.push_back(std::move(file));
    auto images = auditing::image::read_images(files.back(), "file");
    BOOST_REQUIRE_MESSAGE(images.ok(), why(images));
    BOOST_REQUIRE_EQUAL(images->size(), 1u);
    BOOST_TEST(broken_promise(images->front(), files.back()) == "");
    return images->front();
}

}  // namespace interlock::test
