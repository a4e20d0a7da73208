// warning_filter_test.cpp: parsing and applying the filters of -W.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <vector>

#include <interlock/warning_filter.hpp>

namespace interlock {
namespace {

std::string shown(const WarningFilter& filter) {
    return std::string(action_name(filter.action)) + '/' +
           (filter.category ? std::string(category_name(*filter.category)) : "all") + '/' + filter.module;
}

BOOST_AUTO_TEST_SUITE(warning_filters)

BOOST_AUTO_TEST_CASE(accepted) {
    const struct {
        const char *text, *filter;
    } rows[] = {
        {"default", "default/all/*"},
        {"once", "default/all/*"},
        {"always", "always/all/*"},
        {"ignore", "ignore/all/*"},
        {"error", "error/all/*"},
        {"error:", "error/all/*"},
        {"error::", "error/all/*"},
        {"ignore:fallback", "ignore/fallback/*"},
        {"ignore:RuntimeWarning", "ignore/fallback/*"},
        {"ignore:marker", "ignore/marker/*"},
        {"ignore:manifest", "ignore/manifest/*"},
        {"ignore:policy", "ignore/policy/*"},
        {"ignore:stall", "ignore/stall/*"},
        {"ignore:module", "ignore/module/*"},
        {"ignore:fallback:", "ignore/fallback/*"},
        {"ignore:fallback:numpy.*", "ignore/fallback/numpy.*"},
        {"always::legacy", "always/all/legacy"},
        {"always::[a:b]", "always/all/[a:b]"},
    };
    for (const auto& row : rows) BOOST_TEST(shown(parse_warning_filter(row.text).value()) == row.filter, row.text);
}

BOOST_AUTO_TEST_CASE(rejected) {
    const std::string usage = ". A filter is action[:category[:module]]";
    const struct {
        const char *text, *message;
    } rows[] = {
        {"", "warning filter '': unknown action ''; known: default, once, always, ignore, error"},
        {":fallback", "warning filter ':fallback': unknown action ''; known: default, once, always, ignore, error"},
        {"ingore", "warning filter 'ingore': unknown action 'ingore'; did you mean 'ignore'?"},
        {"Error", "warning filter 'Error': unknown action 'Error'; did you mean 'error'?"},
        {"error:Fallback:x",
         "warning filter 'error:Fallback:x': unknown category 'Fallback'; did you mean 'fallback'?"},
        {"error:numpy.*",
         "warning filter 'error:numpy.*': unknown category 'numpy.*'; "
         "known: fallback, marker, manifest, policy, stall, module"},
        {"error::a[",
         "warning filter 'error::a[': bad pattern 'a[': '[' without a ']' behind it; close it, or write \\[ for the "
         "character itself"},
        {"error\n", "warning filter 'error\\n': unknown action 'error\\n'; did you mean 'error'?"},
    };
    for (const auto& row : rows) {
        const auto result = parse_warning_filter(row.text);
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST((result.error().code == Errc::invalid_option));
        BOOST_TEST(result.error().message == row.message + usage);
    }
}

BOOST_AUTO_TEST_CASE(last_match_decides) {
    const auto filters = [](const std::vector<const char*>& texts) {
        std::vector<WarningFilter> out;
        for (const char* text : texts) out.push_back(parse_warning_filter(text).value());
        return out;
    };
    const auto chosen = [&](const std::vector<const char*>& texts, WarningCategory category, const char* module) {
        return action_name(resolve_warning(filters(texts), category, module));
    };
    using enum WarningCategory;
    BOOST_TEST(chosen({}, fallback, "a") == "default");
    BOOST_TEST(chosen({"ignore"}, fallback, "a") == "ignore");
    BOOST_TEST(chosen({"ignore", "error"}, fallback, "a") == "error");
    BOOST_TEST(chosen({"error", "ignore:fallback:legacy.*"}, fallback, "legacy.tok") == "ignore");
    BOOST_TEST(chosen({"error", "ignore:fallback:legacy.*"}, fallback, "other") == "error");
    BOOST_TEST(chosen({"error", "ignore:fallback:legacy.*"}, stall, "legacy.tok") == "error");
    BOOST_TEST(chosen({"ignore:fallback:legacy.*", "error"}, fallback, "legacy.tok") == "error");
    BOOST_TEST(chosen({"ignore:stall"}, fallback, "a") == "default");
    BOOST_TEST(chosen({"error", "once"}, fallback, "a") == "default");
}

BOOST_AUTO_TEST_CASE(names) {
    for (const WarningCategory category : all_warning_categories) {
        BOOST_TEST((category_from_name(category_name(category)) == category));
    }
    BOOST_TEST(!category_from_name("RuntimeWarning").has_value());
    BOOST_TEST(!category_from_name("").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock
