// Functions with a C++ signature: each kind of parameter and of result, what does not fit, and who owns what comes
// back.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_typed
#include <boost/test/unit_test.hpp>

#include <limits>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;
using namespace std::string_view_literals;

namespace {

template <typename T>
T echoed(const Module& values, T given) {
    return values.function<T(T)>("echo").value()(given).value();
}

/// The error of an `echo` with another result than the program asks for.
template <typename Signature, typename... Arguments>
Error echo_error(const Module& values, Arguments... given) {
    const auto result = values.function<Signature>("echo").value()(given...);
    BOOST_REQUIRE(!result.ok());
    return result.error();
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_goes_in_comes_out) {
    Lab lab;
    const Module values = lab.import("values");
    BOOST_TEST(echoed(values, true));
    BOOST_TEST(!echoed(values, false));
    BOOST_TEST(echoed<std::int64_t>(values, std::numeric_limits<std::int64_t>::min()) ==
               std::numeric_limits<std::int64_t>::min());
    BOOST_TEST(echoed<int>(values, -7) == -7);
    BOOST_TEST(echoed<unsigned>(values, 4000000000u) == 4000000000u);
    BOOST_TEST(echoed<std::size_t>(values, std::size_t{1} << 62) == std::size_t{1} << 62);
    BOOST_TEST(echoed<double>(values, 0.1) == 0.1);
    BOOST_TEST(echoed<std::string>(values, std::string("a\0b", 3)) == std::string("a\0b", 3));
    BOOST_TEST(echoed<std::string>(values, "") == "");
    BOOST_TEST((echoed<Bytes>(values, Bytes{{0, 255}}) == Bytes{{0, 255}}));
    const Value list(List{number(1), Value("two"), Value(Map{{"three", Value()}})});
    BOOST_TEST((echoed<Value>(values, list) == list));
    BOOST_TEST((values.function<double(float)>("echo").value()(0.5f).value() == 0.5));
    BOOST_TEST((values.function<std::string(const char*)>("echo").value()("text").value() == "text"));
    BOOST_TEST((values.function<std::string(std::string_view)>("echo").value()("text"sv).value() == "text"));
    BOOST_TEST((values.function<std::string(const std::string&)>("echo").value()("text").value() == "text"));
    const std::vector<std::uint8_t> octets = {1, 2, 3};
    BOOST_TEST((values.function<Bytes(std::span<const std::uint8_t>)>("echo").value()(octets).value().data == octets));
    BOOST_TEST((values.function<std::int64_t(il_value)>("echo").value()(il_int64(5)).value() == 5));
    // Several, in order, and none.
    const auto all = values.function<Value(bool, std::int64_t, const Value&)>("echo").value();
    BOOST_TEST((all(true, 2, list).value() == Value(List{Value(true), number(2), list})));
    BOOST_TEST((values.function<Value()>("echo").value()().value() == Value(List{})));
    // What is not wanted is dropped.
    BOOST_TEST(values.function<void(std::int64_t)>("echo").value()(1).ok());
    BOOST_TEST(lab.import("free1").function<std::int64_t()>("count").value()().value() == 1);
}

BOOST_AUTO_TEST_CASE(a_buffer_is_passed_without_a_copy) {
    Lab lab;
    double items[6] = {};
    il_buffer view = {};
    view.data = items;
    view.item = IL_ITEM_F64;
    view.dimensions = 1;
    view.shape[0] = 6;
    const auto address = lab.import("values").function<std::int64_t(const il_buffer&)>("address").value();
    BOOST_TEST(address(view).value() == static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(items)));
}

BOOST_AUTO_TEST_CASE(a_result_of_another_type_is_an_error_that_names_both) {
    Lab lab;
    const Module values = lab.import("values");
    const std::string begin = "values.echo: the result is of type ", end = "; the function is documented as: (nothing)";
    const struct {
        Error error;
        std::string message;
    } rows[] = {
        {echo_error<std::int64_t(double)>(values, 1.0), "double, and the program asks for a int64"},
        {echo_error<bool(std::int64_t)>(values, 1), "int64, and the program asks for a bool"},
        {echo_error<double(std::int64_t)>(values, 1), "int64, and the program asks for a double"},
        {echo_error<std::string(Bytes)>(values, Bytes{}), "bytes, and the program asks for a string"},
        {echo_error<Bytes(const char*)>(values, ""), "string, and the program asks for a bytes"},
        {echo_error<int(Value)>(values, Value()), "null, and the program asks for a int64"},
    };
    for (const auto& row : rows) {
        BOOST_TEST((row.error.code == Errc::call_failed));
        BOOST_TEST(row.error.message == begin + row.message + end);
    }
    const auto count = lab.import("free1").function<bool()>("count").value()();
    BOOST_TEST(count.error().message ==
               "free1.count: the result is of type int64, and the program asks for a bool; the "
               "function is documented as: count() -> int");
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{256}})
        BOOST_TEST(echo_error<std::uint8_t(std::int64_t)>(values, wrong).message ==
                   "values.echo: the result does not fit into the integer type that the program asks for; ask for "
                   "std::int64_t");
}

BOOST_AUTO_TEST_CASE(an_argument_without_a_c_form_is_an_error_that_says_which) {
    Lab lab;
    const Module values = lab.import("values");
    const auto numbers = values.function<Value(int, std::uint64_t, int)>("echo").value();
    const auto too_large = numbers(1, std::numeric_limits<std::uint64_t>::max(), 3);
    BOOST_TEST((too_large.error().code == Errc::invalid_argument));
    BOOST_TEST(too_large.error().message ==
               "values.echo: argument 2: 18446744073709551615 does not fit into a signed 64-bit integer");
    Value deep(number(1));
    for (int i = 0; i < 100; ++i) deep = Value(List{deep});
    const Error error = echo_error<Value(Value)>(values, deep);
    BOOST_TEST((error.code == Errc::invalid_argument));
    BOOST_TEST(error.message.starts_with("values.echo: argument 1: "), error.message);
}

BOOST_AUTO_TEST_CASE(errors_of_the_module_and_of_the_look_up) {
    Lab lab;
    const Module values = lab.import("values");
    const auto raised = values.function<void(std::int64_t, std::string_view)>("raise").value()(IL_ERROR_IO, "disk");
    BOOST_TEST((raised.error().code == Errc::call_failed));
    BOOST_TEST(raised.error().message == "values.raise: disk, 42");
    const auto missing = values.function<void()>("ecko");
    BOOST_TEST((missing.error().code == Errc::not_found));
    BOOST_TEST(missing.error().message == "module 'values' has no function 'ecko'; did you mean 'echo'?");
    const auto malformed = values.function<std::string(std::int64_t)>("malformed").value();
    BOOST_TEST(malformed(3).error().message ==
               "values.malformed: the module returned a malformed value: a size, and no "
               "memory");
    BOOST_TEST(values.function<Bytes(std::int64_t)>("malformed").value()(4).error().message ==
               "values.malformed: the module returned a malformed value: a size, and no memory");
    BOOST_TEST((values.function<Value(std::int64_t)>("malformed").value()(0).error().code == Errc::call_failed));

    const auto echo = values.function<std::int64_t(std::int64_t)>("echo").value();
    const auto text = values.function<std::string(std::string_view)>("echo").value();
    BOOST_TEST(lab.loader.unload("values").ok());
    BOOST_TEST((echo(1).error().code == Errc::unloaded));
    BOOST_TEST((text("x").error().code == Errc::unloaded));
    BOOST_TEST(echo(1).error().message.starts_with("values.echo: module 'values' has been unloaded"));
}

// Under every gate: `shout` returns a buffer that its next call overwrites.
BOOST_AUTO_TEST_CASE(a_text_is_copied_before_the_gate_is_left) {
    for (const PolicyAction level : {PolicyAction::module_lock, PolicyAction::global_lock}) {
        Lab lab({.change = [&](LoaderOptions& options) { options.overrides = {{"lock1", level}}; }});
        const auto shout = lab.import("lock1").function<std::string(const std::string&)>("shout").value();
        Threads threads;
        for (int t = 0; t < 4; ++t)
            threads.start([&, t] {
                const std::string text(1000, static_cast<char>('a' + t)), expected(1000, static_cast<char>('A' + t));
                for (int i = 0; i < 500; ++i) must(shout(text).value() == expected);
            });
        threads.join();
    }
}

BOOST_AUTO_TEST_CASE(views_belong_to_the_scope) {
    Lab lab;
    const Module values = lab.import("values");
    const auto allocate = values.function<std::span<const std::uint8_t>(std::int64_t, int)>("allocate").value();
    const auto text = values.function<std::string_view(std::string_view)>("echo").value();
    Scope scope;
    const auto first = allocate.call(scope, 3, 1).value(), second = allocate.call(scope, 5000, 64).value();
    BOOST_TEST(first.size() == 3u);
    BOOST_TEST(first[2] == 7);
    BOOST_TEST(second.size() == 5000u);
    BOOST_TEST(second[4999] == 7);
    const std::string given = "borrowed";
    BOOST_TEST(text.call(scope, given).value().data() == given.data());  // no copy on the way
    BOOST_TEST(values.function<il_value(int)>("echo").value().call(scope, 4).value().as.int64 == 4);
    scope.reset();
    BOOST_TEST(allocate.untyped().name() == "allocate");
}
