// Buffers and objects of a module that others use while somebody wants to unload it.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_lent
#include <boost/test/unit_test.hpp>

#include <thread>

#include "lab.hpp"
#include "support/why.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

using Milliseconds = std::chrono::milliseconds;

/// A module that owns things ("values"), and one that uses them ("reader").
struct LentLab : Lab {
    explicit LentLab(PolicyAction level = PolicyAction::free)
        : Lab({.change = [level](LoaderOptions& options) {
              options.overrides = {{"values", level}, {"reader", level}};
          }}) {}
    /// [0 1 2] [3 4 5]
    Value matrix() { return values.function("matrix").value()({3}).value(); }
    Result<Value> call(const std::string& name, std::vector<Value> args = {}) const {
        return reader.function(name).value()(std::span<const Value>(args));
    }
    Outcome unload(const std::string& name, UnloadOptions options = {.timeout = Milliseconds(2)}) {
        return loader.unload(name, options);
    }
    static std::size_t freed() { return Events::all().count("free"); }

    Module values = import("values"), reader = import("reader");
};

std::string refusal(const Outcome& outcome) {
    if (outcome) return "unloaded";
    BOOST_TEST((outcome.error().code == Errc::in_use));
    return outcome.error().message;
}

const std::string used_by_sum =
    "module 'values' was not unloaded: after 2 ms function 'sum' of module 'reader' still "
    "uses a buffer or object of it; it stays loaded";
const std::string kept_by_reader =
    "module 'values' cannot be unloaded, as 'reader' keeps a buffer or object of it "
    "(il_retain); unload that first";

const PolicyAction levels[] = {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock};

/// Every way in which a buffer comes into a call.
enum class Way { copied, quick, in_list, in_map, by_module, typed, typed_quick };
constexpr Way ways[] = {Way::copied,    Way::quick, Way::in_list,    Way::in_map,
                        Way::by_module, Way::typed, Way::typed_quick};

double sum_by(const LentLab& lab, Way way, const Value& matrix) {
    switch (way) {
        case Way::copied:
            return lab.call("sum", {matrix}).value().get<double>();
        case Way::in_list:
            return lab.call("sum", {Value(List{matrix})}).value().get<double>();
        case Way::in_map:
            return lab.call("sum", {Value(Map{{"m", Value(List{matrix})}})}).value().get<double>();
        case Way::by_module:
            return lab.call("ask", {matrix}).value().get<double>();
        case Way::typed:
            return lab.reader.function<Value(Value)>("sum").value()(matrix).value().get<double>();
        case Way::typed_quick:
            return lab.reader.function<double(Value)>("sum").value()(matrix).value();
        case Way::quick:
            break;
    }
    Scope arguments, results;
    const il_value arg = arguments.borrow(matrix).value();
    il_value result;
    must(lab.reader.function("sum").value().call(results, {&arg, 1}, result) == IL_OK);
    return result.as.real;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_module_is_not_unloaded_while_a_call_uses_a_buffer_of_it) {
    for (const PolicyAction level : levels)
        for (const Way way : ways) {
            LentLab lab(level);
            Value matrix = lab.matrix();
            Event reading, go_on;
            Events::all().on("reading", [&] {
                reading.set();
                const Detached outside;  // in locked mode the unloading needs the lock
                go_on.wait();
                return 0;
            });
            std::optional<double> sum;
            Threads threads;
            threads.start([&] { sum = sum_by(lab, way, matrix); });
            reading.wait();
            const std::string told = refusal(lab.unload("values"));
            BOOST_TEST(lab.values.loaded());
            BOOST_TEST(LentLab::freed() == 0u);
            // It stays as it was, also for those who use it for the first time.
            BOOST_TEST(lab.values.function("address").value()({matrix}).ok());
            go_on.set();
            threads.join();
            BOOST_REQUIRE(sum.has_value());
            BOOST_TEST(*sum == 15.0);
            if (way == Way::by_module)
                BOOST_TEST(told.find("function 'sum' of module 'reader2'") != std::string::npos, told);
            else
                BOOST_TEST(told == used_by_sum);
            BOOST_TEST(lab.unload("values").ok());
            BOOST_TEST(LentLab::freed() == 1u);
            const auto late = lab.call("sum", {matrix});
            BOOST_REQUIRE(!late.ok());
            BOOST_TEST((late.error().code == Errc::unloaded), late.error().message);
        }
}

BOOST_AUTO_TEST_CASE(unloading_waits_for_the_call_and_lets_nobody_begin_another) {
    LentLab lab;
    Value matrix = lab.matrix();
    Event reading, go_on;
    Events::all().on("reading", [&] {
        reading.set();
        go_on.wait();
        return 0;
    });
    std::optional<double> sum;
    std::optional<Outcome> unloaded;
    Threads threads;
    threads.start([&] { sum = sum_by(lab, Way::copied, matrix); });
    reading.wait();
    threads.start([&] { unloaded = lab.unload("values", {}); });
    while (lab.values.loaded()) std::this_thread::yield();
    const auto second = lab.call("sum", {matrix});
    BOOST_REQUIRE(!second.ok());
    BOOST_TEST((second.error().code == Errc::unloaded), second.error().message);
    BOOST_TEST(LentLab::freed() == 0u);
    go_on.set();
    threads.join();
    BOOST_TEST(*sum == 15.0);
    BOOST_TEST(unloaded->ok());
    BOOST_TEST(LentLab::freed() == 1u);
}

BOOST_AUTO_TEST_CASE(the_thread_that_uses_it_is_told_so_at_once) {
    LentLab lab;
    Value matrix = lab.matrix();
    std::string told;
    Events::all().on("reading", [&] {
        told = refusal(lab.unload("values", {}));
        return 0;
    });
    BOOST_TEST(sum_by(lab, Way::copied, matrix) == 15.0);
    BOOST_TEST(told == "module 'values' cannot be unloaded from inside a call that uses a buffer or object of it");
}

BOOST_AUTO_TEST_CASE(what_a_module_keeps_of_another_keeps_that_one_loaded) {
    for (const bool in_list : {false, true}) {
        LentLab lab;
        BOOST_TEST(lab.call("keep", {in_list ? Value(List{lab.matrix()}) : lab.matrix()}).ok());
        BOOST_TEST(refusal(lab.unload("values", {})) == kept_by_reader);
        BOOST_TEST(lab.call("sum_kept").value().get<double>() == 15.0);
        // Twice kept, once dropped.
        const Module second = lab.import("reader2");
        BOOST_TEST(second.function("keep").value()({lab.matrix()}).ok());
        BOOST_TEST(lab.call("drop").ok());
        BOOST_TEST(refusal(lab.unload("values", {})).find("'reader2' keeps") != std::string::npos);
        BOOST_TEST(lab.unload("reader2").ok());
        BOOST_TEST(Events::all().count("kept 15") == 1u);
        BOOST_TEST(lab.unload("values").ok());
        BOOST_TEST(LentLab::freed() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(an_object_that_is_kept_keeps_its_module_too) {
    LentLab lab;
    BOOST_TEST(lab.call("keep", {lab.values.function("object").value()({7}).value()}).ok());
    BOOST_TEST(refusal(lab.unload("values", {})) == kept_by_reader);
    BOOST_TEST(lab.unload("reader").ok());
    BOOST_TEST(lab.unload("values").ok());
}

BOOST_AUTO_TEST_CASE(what_is_kept_while_the_unloading_waits_makes_it_give_up) {
    LentLab lab;
    Event keeping, go_on;
    Events::all().on("keeping", [&] {
        keeping.set();
        go_on.wait();
        return 0;
    });
    std::optional<Outcome> unloaded;
    Value matrix = lab.matrix();
    Threads threads;
    threads.start([&] { must(lab.call("keep", {matrix}).ok()); });
    keeping.wait();
    BOOST_TEST(refusal(lab.unload("values", {})) == kept_by_reader);
    BOOST_TEST(lab.call("drop").ok());
    // The call still uses it as an argument; it keeps it once more when the unloading has begun.
    threads.start([&] { unloaded = lab.unload("values", {}); });
    while (lab.values.loaded()) std::this_thread::yield();
    go_on.set();
    threads.join();
    BOOST_TEST(unloaded->ok());
}

BOOST_AUTO_TEST_CASE(the_loader_goes_though_modules_keep_things_of_each_other) {
    {
        LentLab lab;
        const Module second = lab.import("reader2");
        BOOST_TEST(lab.call("keep", {lab.matrix()}).ok());
        BOOST_TEST(second.function("keep").value()({lab.values.function("object").value()({7}).value()}).ok());
        // A circle: values keeps an argument that belongs to nobody, and what it is given of itself.
        BOOST_TEST(lab.values.function("keep").value()({lab.matrix()}).ok());
        lab.keep_events = true;
    }
    BOOST_TEST(LentLab::freed() == 2u);
    Events::all().clear();
}

BOOST_AUTO_TEST_CASE(the_host_pins_what_it_reads_itself) {
    LentLab lab;
    Value matrix = lab.matrix();
    {
        const Pinned pinned(matrix);
        BOOST_TEST(!!pinned);
        std::optional<Outcome> elsewhere;
        testing::on_other_thread([&] { elsewhere = lab.unload("values"); });
        BOOST_TEST(refusal(*elsewhere) ==
                   "module 'values' was not unloaded: after 2 ms code of the host still uses a "
                   "buffer or object of it; it stays loaded");
        BOOST_TEST(refusal(lab.unload("values")) ==
                   "module 'values' cannot be unloaded from inside a call that uses a buffer or object of it");
        BOOST_TEST(static_cast<const double*>(matrix.get<Buffer>().data)[5] == 5.0);
    }
    BOOST_TEST(lab.unload("values").ok());
    BOOST_TEST(!Pinned(matrix));
    BOOST_TEST(!Pinned(Value(List{1, Map{{"m", matrix}}})));
    BOOST_TEST(!!Pinned(Value(List{1, "two"})));
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_inside_a_call_uses_nothing_any_more) {
    LentLab lab;
    Value matrix = lab.matrix();
    Events::all().on("reading", []() -> int { ::pthread_exit(nullptr); });
    std::thread([&] { static_cast<void>(lab.call("sum", {matrix})); }).join();
    BOOST_TEST(lab.unload("values").ok());
}

BOOST_AUTO_TEST_CASE(arguments_without_end_are_an_error) {
    LentLab lab;
    il_value circle[2];
    circle[0] = circle[1] = il_items(circle, 2);
    Scope scope;
    il_value result;
    BOOST_TEST(lab.reader.function("sum").value().call(scope, {circle, 1}, result) == IL_ERROR_ARGUMENT);
    BOOST_TEST(scope.error_message() == "a value with lists or maps nested more than 64 deep");
}
