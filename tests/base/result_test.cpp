// result_test.cpp: error codes, Result, and Failure.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>
#include <memory>
#include <set>
#include <string>

#include <interlock/result.hpp>

using namespace interlock;

BOOST_AUTO_TEST_CASE(every_code_has_a_name_of_its_own) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < errc_count; ++i) {
        const std::string name(errc_name(static_cast<Errc>(i)));
        BOOST_TEST(!name.empty());
        BOOST_TEST(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
        names.insert(name);
    }
    BOOST_TEST(names.size() == errc_count);
}

// Programs and files depend on these texts.
BOOST_AUTO_TEST_CASE(names_are_stable) {
    BOOST_TEST(errc_name(Errc::invalid_argument) == "invalid_argument");
    BOOST_TEST(errc_name(Errc::not_found) == "not_found");
    BOOST_TEST(errc_name(Errc::unreadable) == "unreadable");
    BOOST_TEST(errc_name(Errc::malformed_file) == "malformed_file");
    BOOST_TEST(errc_name(Errc::malformed_marker) == "malformed_marker");
    BOOST_TEST(errc_name(Errc::warning_as_error) == "warning_as_error");
    BOOST_TEST(errc_name(Errc::internal) == "internal");
    BOOST_TEST(errc_name(static_cast<Errc>(255)) == "internal");
}

BOOST_AUTO_TEST_CASE(a_result_holds_a_value_or_an_error) {
    Result<int> good(7);
    BOOST_TEST(good.ok());
    BOOST_TEST(*good == 7);
    BOOST_TEST(good.value() == 7);

    Result<int> bad(Errc::not_found, "no such module");
    BOOST_TEST(!bad);
    BOOST_TEST((bad.error().code == Errc::not_found));
    BOOST_TEST(bad.error().message == "no such module");
}

BOOST_AUTO_TEST_CASE(value_of_an_error_throws_it) {
    const Result<int> bad(Errc::refused, "refused by policy");
    BOOST_CHECK_EXCEPTION(bad.value(), Failure, [](const Failure& failure) {
        return failure.error().code == Errc::refused && failure.error().message == "refused by policy" &&
               std::string(failure.what()) == "refused by policy";
    });
    BOOST_CHECK_THROW(Outcome(Errc::internal, "x").value(), std::runtime_error);
    BOOST_TEST(Outcome(Ok{}).ok());
}

BOOST_AUTO_TEST_CASE(a_result_moves_what_cannot_be_copied) {
    Result<std::unique_ptr<int>> owner(std::make_unique<int>(3));
    const std::unique_ptr<int> taken = std::move(owner).value();
    BOOST_TEST(*taken == 3);
    Result<std::unique_ptr<int>> bad(Errc::in_use, "still used");
    const Error error = std::move(bad).error();
    BOOST_TEST(error.message == "still used");
}

BOOST_AUTO_TEST_CASE(an_error_that_is_a_value_is_not_confused_with_failure) {
    const Result<std::string> text(std::string("error"));
    BOOST_TEST(text.ok());
    BOOST_TEST(text->size() == 5u);
}
