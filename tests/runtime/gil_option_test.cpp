// The gil option: every combination of environment and -X gil that CPython's config_read_gil() tells apart, in a free
// threading build and, compiled a second time, in a classic one. And what the Runtime makes of the result.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE runtime_gil_option
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <interlock/runtime.hpp>
#include <optional>
#include <string>

#include "threads.hpp"

using namespace interlock;
using namespace interlock::testing;

namespace {

using Text = std::optional<const char*>;
constexpr Text unset = std::nullopt;

void put(const char* name, Text value) {
    if (value)
        setenv(name, *value, 1);
    else
        unsetenv(name);
}

/// "off from -X gil", or "invalid_option: ...".
std::string resolve(Text interlock_gil, Text python_gil, Text x_option) {
    put("INTERLOCK_GIL", interlock_gil);
    put("PYTHON_GIL", python_gil);
    const Result<GilOption> option =
        resolve_gil_option(x_option ? std::optional<std::string_view>(*x_option) : std::nullopt);
    put("INTERLOCK_GIL", unset);
    put("PYTHON_GIL", unset);
    if (!option) return std::string(errc_name(option.error().code)) + ": " + option.error().message;
    const char* names[] = {"automatic", "off", "on"};
    return names[static_cast<int>(option->setting)] + std::string(" from ") + option->source;
}

std::string must_be(const std::string& source, const std::string& value) {
    return "invalid_option: " + source + " must be \"0\" or \"1\", not " + value;
}
std::string not_supported(const std::string& source) {
    return "unsupported: Disabling the GIL is not supported by this build (" + source +
           "=0; rebuild with -DINTERLOCK_DISABLE_GIL=ON)";
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_combination) {
    const bool classic = !is_free_threading_build();
    const auto off = [&](const std::string& source) { return classic ? not_supported(source) : "off from " + source; };
    const struct {
        Text interlock_gil, python_gil, x_option;
        std::string expected;
    } rows[] = {
        {unset, unset, unset, "automatic from default"},
        {"", "", unset, "automatic from default"},
        {"1", unset, unset, "on from INTERLOCK_GIL"},
        {unset, "1", unset, "on from PYTHON_GIL"},
        {unset, unset, "1", "on from -X gil"},
        {"0", unset, unset, off("INTERLOCK_GIL")},
        {unset, "0", unset, off("PYTHON_GIL")},
        {unset, unset, "0", off("-X gil")},
        // The first variable that is set and not empty counts; the second is not even read.
        {"1", "0", unset, "on from INTERLOCK_GIL"},
        {"1", "yes", unset, "on from INTERLOCK_GIL"},
        {"", "1", unset, "on from PYTHON_GIL"},
        // -X gil over the environment.
        {"1", unset, "0", off("-X gil")},
        {unset, "1", "0", off("-X gil")},
        {"1", "1", "1", "on from -X gil"},
        // In a classic build 0 in the environment is fatal even under -X gil=1.
        {"0", unset, "1", classic ? not_supported("INTERLOCK_GIL") : "on from -X gil"},
        {unset, "0", "1", classic ? not_supported("PYTHON_GIL") : "on from -X gil"},
        // Anything but one character, 0 or 1.
        {"2", unset, unset, must_be("INTERLOCK_GIL", "'2'")},
        {"00", unset, unset, must_be("INTERLOCK_GIL", "'00'")},
        {"01", unset, unset, must_be("INTERLOCK_GIL", "'01'")},
        {" 1", unset, unset, must_be("INTERLOCK_GIL", "' 1'")},
        {"yes", unset, unset, must_be("INTERLOCK_GIL", "'yes'")},
        {unset, "-1", unset, must_be("PYTHON_GIL", "'-1'")},
        {unset, "a\033[2J", unset, must_be("PYTHON_GIL", "'a\\x1b[2J'")},
        {unset, unset, "2", must_be("-X gil", "'2'")},
        {unset, unset, "10", must_be("-X gil", "'10'")},
        {unset, unset, "", must_be("-X gil", "''")},
        // The environment is read first: wrong there is wrong, whatever -X gil says, also when that is wrong as well.
        {"yes", unset, "1", must_be("INTERLOCK_GIL", "'yes'")},
        {unset, "yes", "1", must_be("PYTHON_GIL", "'yes'")},
        {unset, "yes", "no", must_be("PYTHON_GIL", "'yes'")},
        {"1", unset, "no", must_be("-X gil", "'no'")},
    };
    for (const auto& row : rows)
        BOOST_CHECK_EQUAL(resolve(row.interlock_gil, row.python_gil, row.x_option), row.expected);
}

BOOST_AUTO_TEST_CASE(a_long_value_is_cut_in_the_message) {
    const std::string value(10000, 'x');
    const std::string message = resolve(value.c_str(), unset, unset);
    BOOST_CHECK_LT(message.size(), 200u);
    BOOST_CHECK(message.find("must be \"0\" or \"1\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(options_from_the_environment) {
    const auto with = [](const char* variable, Text value) {
        put(variable, value);
        Result<RuntimeOptions> options = RuntimeOptions::from_environment();
        put(variable, unset);
        return options;
    };
    BOOST_CHECK(with("PYTHON_GIL", "1").value().gil == GilSetting::on);
    BOOST_CHECK(with("INTERLOCK_GIL", "1").value().gil == GilSetting::on);
    const Result<RuntimeOptions> off = with("PYTHON_GIL", "0");
    BOOST_CHECK_EQUAL(off.ok(), is_free_threading_build());
    if (off) BOOST_CHECK(off->gil == GilSetting::off);
    BOOST_CHECK(with("PYTHON_GIL", unset).value().gil == GilSetting::automatic);
    BOOST_CHECK_EQUAL(with("PYTHON_GIL", unset).value().gil_hint, "INTERLOCK_GIL=0");
    BOOST_CHECK_EQUAL(with("INTERLOCK_THREADS", "3").value().threads, 3u);
    for (const Text none : {unset, Text("")}) BOOST_CHECK_EQUAL(with("INTERLOCK_THREADS", none).value().threads, 0u);
    const struct {
        const char *variable, *value;
        std::string message;
    } wrong[] = {
        {"INTERLOCK_GIL", "yes", "INTERLOCK_GIL must be \"0\" or \"1\", not 'yes'"},
        {"INTERLOCK_THREADS", "0", "INTERLOCK_THREADS takes a whole number from 1 to 1024, not '0'"},
        {"INTERLOCK_THREADS", "1025", "INTERLOCK_THREADS takes a whole number from 1 to 1024, not '1025'"},
        {"INTERLOCK_THREADS", "-1", "INTERLOCK_THREADS takes a whole number from 1 to 1024, not '-1'"},
        {"INTERLOCK_THREADS", "2x", "INTERLOCK_THREADS takes a whole number from 1 to 1024, not '2x'"},
        {"INTERLOCK_THREADS", " 2", "INTERLOCK_THREADS takes a whole number from 1 to 1024, not ' 2'"},
    };
    for (const auto& row : wrong) {
        const Result<RuntimeOptions> options = with(row.variable, row.value);
        BOOST_REQUIRE(!options.ok());
        BOOST_CHECK(options.error().code == Errc::invalid_option);
        BOOST_CHECK_EQUAL(options.error().message, row.message);
    }
}

BOOST_AUTO_TEST_CASE(on_is_locked_from_the_start_and_stays) {
    Runtime runtime({.gil = GilSetting::on});
    BOOST_CHECK(runtime.is_gil_enabled());
    BOOST_CHECK(runtime.mode() == Mode::locked);
    {
        Attached attached;
        BOOST_CHECK(holds_global_lock());
    }
    const Result<SwitchReport> report = runtime.switch_to_locked("test");
    BOOST_REQUIRE(report.ok());
    BOOST_CHECK(!report->switched);
    BOOST_CHECK(!runtime.switch_to_parallel());
    BOOST_CHECK(runtime.mode() == Mode::locked);
    BOOST_CHECK_EQUAL(runtime.stats().switches_to_locked, 0u);
    BOOST_CHECK_EQUAL(runtime.stats().switches_to_parallel, 0u);
}

BOOST_AUTO_TEST_CASE(off_never_falls_back) {
    if (!is_free_threading_build()) {
        BOOST_CHECK_EXCEPTION(Runtime({.gil = GilSetting::off}), Failure, [](const Failure& failure) {
            return failure.error().code == Errc::unsupported &&
                   failure.error().message.find("Disabling the GIL is not supported by this build") == 0;
        });
        BOOST_CHECK(Runtime::current() == nullptr);
        return;
    }
    Runtime runtime({.gil = GilSetting::off});
    for (int i = 0; i < 2; ++i) {
        const Result<SwitchReport> report = runtime.switch_to_locked("test");
        BOOST_REQUIRE(report.ok());
        BOOST_CHECK(!report->switched);
        BOOST_CHECK(!runtime.is_gil_enabled());
    }
    BOOST_CHECK(runtime.switch_to_parallel());
    BOOST_CHECK_EQUAL(runtime.stats().holds, 0u);
}

BOOST_AUTO_TEST_CASE(automatic_starts_parallel_or_is_the_one_lock_of_a_classic_build) {
    Runtime runtime;
    BOOST_CHECK_EQUAL(runtime.is_gil_enabled(), !is_free_threading_build());
    const Result<SwitchReport> report = runtime.switch_to_locked("test");
    BOOST_REQUIRE(report.ok());
    BOOST_CHECK_EQUAL(report->switched, is_free_threading_build());
    BOOST_CHECK(runtime.is_gil_enabled());
    BOOST_CHECK_EQUAL(runtime.switch_to_parallel(), is_free_threading_build());
    BOOST_CHECK_EQUAL(runtime.is_gil_enabled(), !is_free_threading_build());
}
