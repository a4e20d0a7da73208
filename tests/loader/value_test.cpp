// Values across the boundary: every type there and back, who owns what for how long, and values that break the rules.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_value
#include <boost/test/unit_test.hpp>

#include <pthread.h>

#include <cmath>
#include <limits>

#include "children.hpp"
#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

struct ValuesLab : Lab {
    explicit ValuesLab(const LabOptions& options = {}) : Lab(options), module(Lab::import("values")) {}
    Result<Value> call(const char* name, std::vector<Value> args = {}) const {
        return module.function(name).value()(std::span<const Value>(args));
    }
    Module module;
};

Buffer buffer_of(il_item item, std::vector<std::size_t> shape, std::vector<std::uint8_t> bytes) {
    Buffer buffer;
    buffer.storage = std::make_shared<std::vector<std::uint8_t>>(std::move(bytes));
    buffer.data = buffer.storage->data();
    buffer.item = item;
    buffer.shape = std::move(shape);
    return buffer;
}

std::size_t destroyed() { return Events::all().count("destroy"); }
std::size_t freed() { return Events::all().count("free"); }

/// The three ways in which results are taken: without a lock, under the module's, under the global one.
const PolicyAction levels[] = {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock};
LabOptions under(PolicyAction level) {
    return {.change = [level](LoaderOptions& options) { options.overrides = {{"values", level}}; }};
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_type_there_and_back) {
    const Value values[] = {
        Value(),
        Value(true),
        Value(false),
        Value(std::numeric_limits<std::int64_t>::min()),
        Value(std::numeric_limits<std::int64_t>::max()),
        Value(-0.5),
        Value(std::numeric_limits<double>::infinity()),
        Value(""),
        Value(std::string("with\0zero and \xff", 16)),
        Value(Bytes{}),
        Value(Bytes{{0, 1, 255}}),
        Value(List{}),
        Value(List{1, "two", List{3.0, Value()}, Map{{"k", Bytes{{9}}}}}),
        Value(Map{}),
        Value(Map{{"b", 1}, {"a", List{}}, {"", Value()}}),
        Value(buffer_of(IL_ITEM_U8, {4}, {1, 2, 3, 4})),
        Value(buffer_of(IL_ITEM_I16, {1, 2}, {1, 0, 2, 0})),
        Value(buffer_of(IL_ITEM_U8, {0}, {})),
        Value(buffer_of(IL_ITEM_F64, {1, 1, 1, 1, 1, 1, 1, 1}, std::vector<std::uint8_t>(8))),
    };
    for (const PolicyAction level : levels) {
        const ValuesLab lab(under(level));
        for (const Value& value : values) {
            const auto back = lab.call("echo", {value});
            BOOST_REQUIRE(back.ok());
            BOOST_TEST((*back == value), value.to_json());
            BOOST_TEST(back->type() == value.type());
            // The quick form.
            Scope arguments, results;
            const il_value arg = arguments.borrow(value).value();
            il_value result;
            BOOST_TEST(lab.module.function("echo").value().call(results, {&arg, 1}, result) == IL_OK);
            BOOST_TEST((Value::copy_of(result).value() == value));
        }
        BOOST_TEST((lab.call("echo", {1, "b"}).value() == Value(List{1, "b"})));
    }
}

BOOST_AUTO_TEST_CASE(maps_keep_their_order_and_the_last_of_equal_keys_counts) {
    const ValuesLab lab;
    const Value map = lab.call("fixed").value();
    BOOST_TEST(map.find("b")->get<std::int64_t>() == 2);
    BOOST_TEST(map.find("c") == nullptr);
    BOOST_TEST(map.to_json() == R"({"b":2,"a":"x"})");
    BOOST_TEST(Value(1).find("b") == nullptr);
}

BOOST_AUTO_TEST_CASE(values_as_json) {
    BOOST_TEST(
        Value(List{Value(), true, -1, 0.5, std::nan(""), "a\"\n", Bytes{{0, 16, 131}}, Bytes{{1}}, Map{{"k", "v"}}})
            .to_json() == R"([null,true,-1,0.5,null,"a\"\n",{"bytes":"ABCD"},{"bytes":"AQ=="},{"k":"v"}])");
    BOOST_TEST(Value("\xff").to_json() == "\"\xef\xbf\xbd\"");
    BOOST_TEST(Value(buffer_of(IL_ITEM_I16, {1, 2}, {1, 0, 0xfe, 0xff})).to_json() ==
               R"({"item":"i16","shape":[1,2],"data":[1,-2]})");
    BOOST_CHECK_THROW(static_cast<void>(Value(1).get<std::string>()), Failure);
}

// What becomes a value, and what does not.
static_assert(std::is_convertible_v<unsigned char, Value> && std::is_convertible_v<short, Value> &&
              std::is_convertible_v<unsigned, Value> && std::is_convertible_v<long, Value> &&
              std::is_convertible_v<long long, Value> && std::is_convertible_v<std::size_t, Value> &&
              std::is_convertible_v<unsigned long long, Value> && std::is_convertible_v<char, Value> &&
              std::is_convertible_v<float, Value> && std::is_convertible_v<long double, Value> &&
              std::is_convertible_v<char*, Value> && std::is_convertible_v<std::nullptr_t, Value> &&
              std::is_constructible_v<Value, std::vector<bool>::reference>);
static_assert(!std::is_constructible_v<Value, const unsigned char*> && !std::is_constructible_v<Value, void*> &&
              !std::is_constructible_v<Value, const int*> && !std::is_constructible_v<Value, Value*> &&
              !std::is_constructible_v<Value, void (*)()> && !std::is_constructible_v<Value, const wchar_t*>);

BOOST_AUTO_TEST_CASE(values_of_numbers_of_every_type) {
    BOOST_TEST(Value(std::size_t{7}).get<std::int64_t>() == 7);
    BOOST_TEST(Value(1u).get<std::int64_t>() == 1);
    BOOST_TEST(Value(-1LL).get<std::int64_t>() == -1);
    BOOST_TEST(Value(static_cast<signed char>(-3)).get<std::int64_t>() == -3);
    BOOST_TEST(Value(std::uint32_t{0xffffffff}).get<std::int64_t>() == 0xffffffff);
    BOOST_TEST(Value(std::uint64_t{INT64_MAX}).get<std::int64_t>() == INT64_MAX);
    BOOST_TEST(Value(1.5f).get<double>() == 1.5);
    BOOST_TEST(Value(true).get<bool>());
    BOOST_TEST(Value(nullptr).is_null());
    BOOST_TEST(Value(static_cast<const char*>(nullptr)).is_null());
    try {
        static_cast<void>(Value(std::uint64_t{INT64_MAX} + 1));
        BOOST_ERROR("a number that does not fit was taken");
    } catch (const Failure& failure) {
        BOOST_TEST((failure.error().code == Errc::invalid_argument));
        BOOST_TEST(failure.error().message ==
                   "the number 9223372036854775808 is too large for a value: integers have 64 bits with a sign");
    }
}

BOOST_AUTO_TEST_CASE(a_value_has_its_limits) {
    const auto limited = [](PolicyAction level) {
        return LabOptions{.change = [level](LoaderOptions& options) {
            options.overrides = {{"values", level}};
            options.value_limits = {.values = 100, .bytes = 1000};
        }};
    };
    const std::string malformed = "the module returned a malformed value: ";
    const std::string too_many = malformed +
                                 "lists and maps with more than 100 values, where what is in it several times "
                                 "counts each time; return a buffer, or raise LoaderOptions::value_limits";
    const std::string too_long = malformed +
                                 "more than 1000 bytes, where what is in it several times counts each time; "
                                 "return a buffer with an owner, or raise LoaderOptions::value_limits";
    for (const PolicyAction level : levels) {
        const ValuesLab lab(limited(level));
        // 2 + 4 + ... + 2^depth values from 2 * depth ones.
        BOOST_TEST(lab.call("shared", {5, 1}).ok());
        BOOST_TEST(lab.call("shared", {6, 1}).error().message == "values.shared: " + too_many);
        BOOST_TEST(lab.call("shared", {60, 1}).error().message == "values.shared: " + too_many);
        const auto typed = lab.module.function<Value(int, int)>("shared").value();
        BOOST_TEST(typed(5, 1).ok());
        BOOST_TEST(typed(6, 1).error().message.find("with more than 100 values") != std::string::npos);
        // Twice 500 bytes.
        BOOST_TEST(lab.call("shared", {1, 500}).ok());
        BOOST_TEST(lab.call("shared", {1, 501}).error().message == "values.shared: " + too_long);
        BOOST_TEST(lab.call("echo", {Value(List(101, Value(1)))}).error().message == "values.echo: " + too_many);
        BOOST_TEST(lab.call("echo", {Value(std::string(1001, 'x'))}).error().message == "values.echo: " + too_long);
        BOOST_TEST(lab.call("echo", {buffer_of(IL_ITEM_U8, {1001}, std::vector<std::uint8_t>(1001))}).error().message ==
                   "values.echo: " + too_long);
        // What belongs to a module is not copied.
        BOOST_TEST(lab.call("matrix", {1000}).ok());
        BOOST_TEST(!lab.call("keep", {Value(List(101, Value(1)))}).ok());
    }
}

BOOST_AUTO_TEST_CASE(a_list_of_a_million) {
    const ValuesLab lab;
    List big;
    for (int i = 0; i < 1'000'000; ++i) big.emplace_back(i);
    const Value value(std::move(big));
    BOOST_TEST((lab.call("echo", {value}).value() == value));
}

BOOST_AUTO_TEST_CASE(values_that_break_the_rules) {
    const char* reasons[] = {
        "type 99",
        "a list without items",
        "a map without entries",
        "a string without text",
        "bytes without memory",
        "a buffer without a description",
        "a handle that is null",
        "a buffer with item type 2313",
        "a buffer with 0 dimensions",
        "a buffer with 9 dimensions",
        "a buffer without memory",
        "a buffer larger than memory",
        "lists or maps nested more than 64 deep",
        ("lists and maps with more than 4194304 values, where what is in it several times counts each time; return a "
         "buffer, or raise LoaderOptions::value_limits"),
        "something larger than memory",
        "something larger than memory",
        "a key without text",
    };
    for (const PolicyAction level : levels) {
        const ValuesLab lab(under(level));
        for (int i = 0; i < static_cast<int>(std::size(reasons)); ++i) {
            const auto result = lab.call("malformed", {i});
            BOOST_REQUIRE(!result.ok());
            BOOST_TEST((result.error().code == Errc::call_failed));
            BOOST_TEST(result.error().message ==
                       std::string("values.malformed: the module returned a malformed value: ") + reasons[i]);
        }
        BOOST_TEST(!lab.call("keep", {1}).value().get_if<std::string>());
    }
}

BOOST_AUTO_TEST_CASE(nesting_has_its_limit_in_both_directions) {
    const ValuesLab lab;
    BOOST_TEST(lab.call("deep", {64}).ok());
    BOOST_TEST(!lab.call("deep", {65}).ok());
    BOOST_TEST(!lab.call("deep", {100'000}).ok());
    Value nested(1);
    for (int i = 0; i < 64; ++i) nested = Value(List{nested});
    BOOST_TEST((lab.call("echo", {nested}).value() == nested));
    const auto too_deep = lab.call("echo", {Value(List{nested})});
    BOOST_REQUIRE(!too_deep.ok());
    BOOST_TEST((too_deep.error().code == Errc::invalid_argument));
    for (const std::size_t dimensions : {std::size_t{0}, std::size_t{9}}) {
        const auto wrong = lab.call("echo", {buffer_of(IL_ITEM_U8, std::vector<std::size_t>(dimensions, 1), {1})});
        BOOST_REQUIRE(!wrong.ok());
        BOOST_TEST((wrong.error().code == Errc::invalid_argument));
    }
}

BOOST_AUTO_TEST_CASE(memory_for_results) {
    const ValuesLab lab;
    for (const std::int64_t alignment : {1, 2, 8, 16, 64, 256, 4096})
        for (const std::int64_t size : {0, 1, 100, 1024, 16 * 1024, 16 * 1024 + 1, 70'000, 50'000'000}) {
            const auto result = lab.call("allocate", {size, alignment});
            BOOST_REQUIRE(result.ok());
            BOOST_TEST(result->get<Bytes>().data.size() == static_cast<std::size_t>(size));
        }
    for (const std::int64_t alignment : {0, 3, 8192}) {
        const auto wrong = lab.call("allocate", {1, alignment});
        BOOST_REQUIRE(!wrong.ok());
        BOOST_TEST(wrong.error().message ==
                   "values.allocate: no memory for a result of 1 bytes, aligned to " + std::to_string(alignment));
    }
    BOOST_TEST(!lab.call("allocate", {-1, 1}).ok());
}

BOOST_AUTO_TEST_CASE(an_object_lives_as_long_as_somebody_holds_it) {
    for (const PolicyAction level : levels) {
        ValuesLab lab(under(level));
        {
            Value held = lab.call("object", {7}).value();
            BOOST_TEST(held.get<HandleRef>().type_name() == "object\\n");
            BOOST_TEST(held.to_json() == R"({"handle":"object\\n"})");
            const Value second = held;
            held = Value();
            BOOST_TEST(destroyed() == 0u);
            BOOST_TEST(lab.call("number_of", {second}).value().get<std::int64_t>() == 7);
            BOOST_TEST((lab.call("echo", {second}).value() == second));
            BOOST_TEST(destroyed() == 0u);
        }
        BOOST_TEST(destroyed() == 1u);
        // Nobody takes it: it goes with the scope, not before.
        Scope scope;
        const il_value number = il_int64(1);
        il_value object, result;
        BOOST_TEST(lab.module.function("object").value().call(scope, {&number, 1}, object) == IL_OK);
        BOOST_TEST(lab.module.function("number_of").value().call(scope, {&object, 1}, result) == IL_OK);
        BOOST_TEST(result.as.int64 == 1);
        BOOST_TEST(destroyed() == 1u);
        scope.reset();
        BOOST_TEST(destroyed() == 2u);
        const std::string mode = level == PolicyAction::global_lock ? " locked" : " parallel";
        BOOST_TEST(Events::all().told().back() == "destroy" + mode);
    }
}

BOOST_AUTO_TEST_CASE(a_destructor_that_ends_its_thread_ends_the_process_and_is_named) {
    ValuesLab lab;
    Value held = lab.call("object", {7}).value();
    const Death death = death_of([&] {
        Events::all().on("destroy", []() -> int { ::pthread_exit(nullptr); });
        held = Value();
    });
    BOOST_TEST(death.aborted);
    BOOST_TEST(death.said ==
               "interlock: fatal: the destructor of an object of module 'values' ended its thread "
               "(pthread_exit?); it has to return\n");
}

BOOST_AUTO_TEST_CASE(a_thread_is_not_cancelled_in_a_destructor_but_after_it) {
    ValuesLab lab;
    Value held = lab.call("object", {7}).value();
    bool whole = false, released = false, went_on = false;
    Events::all().on("destroy", [&] {
        ::pthread_testcancel();
        whole = true;
        return 0;
    });
    Threads threads;
    threads.start([&] {
        ::pthread_cancel(::pthread_self());
        held = Value();
        released = true;
        ::pthread_testcancel();
        went_on = true;
    });
    threads.join();
    BOOST_TEST(whole);
    BOOST_TEST(released);
    BOOST_TEST(!went_on);
}

BOOST_AUTO_TEST_CASE(handles_of_the_wrong_type) {
    ValuesLab lab;
    const Value object = lab.call("object", {7}).value();
    BOOST_TEST(lab.call("number_of", {object, 0}).error().message == "values.number_of: the handle is not a other");
    BOOST_TEST(lab.call("number_of", {7}).error().message == "values.number_of: the argument is not a handle");
    const Value matrix = lab.call("matrix", {2}).value();
    BOOST_TEST(lab.call("number_of", {Value(matrix.get<Buffer>().owner)}).error().message ==
               "values.number_of: the handle is not a object\\n");
}

BOOST_AUTO_TEST_CASE(a_buffer_with_an_owner_is_not_copied) {
    for (const PolicyAction level : levels) {
        ValuesLab lab(under(level));
        {
            const Value matrix = lab.call("matrix", {3}).value();
            const Buffer& buffer = matrix.get<Buffer>();
            BOOST_TEST(buffer.shape == (std::vector<std::size_t>{2, 3}), boost::test_tools::per_element());
            BOOST_TEST(matrix.to_json() == R"({"item":"f64","shape":[2,3],"data":[0.0,1.0,2.0,3.0,4.0,5.0]})");
            BOOST_TEST(lab.call("address", {matrix}).value().get<std::int64_t>() ==
                       static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(buffer.data)));
            const Value copy = lab.call("echo", {matrix}).value();
            BOOST_TEST(copy.get<Buffer>().data == buffer.data);
            BOOST_TEST(freed() == 0u);
        }
        BOOST_TEST(freed() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(unloading_destroys_objects_and_leaves_dead_references) {
    for (const PolicyAction level : levels) {
        ValuesLab lab(under(level));
        Value object = lab.call("object", {7}).value();
        Value matrix = lab.call("matrix", {3}).value();
        BOOST_TEST(lab.loader.unload("values").ok());
        BOOST_TEST(destroyed() == 1u);
        BOOST_TEST(freed() == 1u);
        BOOST_TEST(object.get<HandleRef>().type_name().empty());
        BOOST_TEST(matrix.to_json() == R"({"item":"f64","shape":[2,3],"data":null})");
        BOOST_TEST(!(matrix == matrix));
        const Module again = lab.import("values");
        const auto number = again.function("number_of").value()({object});
        BOOST_REQUIRE(!number.ok());
        BOOST_TEST(number.error().message ==
                   "values.number_of: the object in the handle is gone, as module 'values' has been unloaded");
        const auto address = again.function("address").value()({matrix});
        BOOST_REQUIRE(!address.ok());
        BOOST_TEST((address.error().code == Errc::unloaded));
        object = matrix = Value();
        BOOST_TEST(destroyed() == 1u);
        BOOST_TEST(freed() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(values_that_outlive_loader_and_runtime) {
    Value object;
    {
        ValuesLab lab;
        object = lab.call("object", {7}).value();
    }
    BOOST_TEST(object.to_json() == R"({"handle":""})");
    object = Value();
}

BOOST_AUTO_TEST_CASE(many_threads_drop_objects_while_their_module_is_unloaded) {
    for (const PolicyAction level : levels) {
        ValuesLab lab(under(level));
        constexpr int crowd = 4, each = 50;
        std::vector<Value> held[crowd];
        for (std::vector<Value>& own : held)
            for (int i = 0; i < each; ++i) own.push_back(lab.call("object", {i}).value());
        // The destructors are exclusive whatever the gate says.
        std::atomic<int> inside{0}, together{0};
        Events::all().on("destroy", [&] {
            together += inside.fetch_add(1) != 0;
            inside.fetch_sub(1);
            return 0;
        });
        Threads threads;
        threads.start(crowd + 1, [&](int i) {
            if (i == crowd)
                must(lab.loader.unload("values").ok());
            else
                held[i].clear();
        });
        threads.join();
        BOOST_TEST(destroyed() == static_cast<std::size_t>(crowd * each));
        if (level != PolicyAction::free) BOOST_TEST(together.load() == 0);
    }
}

BOOST_AUTO_TEST_CASE(what_a_module_keeps) {
    ValuesLab lab;
    BOOST_TEST(lab.call("keep", {Value(List{1, "two", Map{{"k", 3}}})}).ok());
    BOOST_TEST(lab.call("kept").value().to_json() == R"([1,"two",{"k":3}])");
    BOOST_TEST(lab.call("drop").value().is_null());
    BOOST_TEST(lab.call("kept").value().is_null());
    // An object that only the module itself holds.
    BOOST_TEST(lab.call("keep", {lab.call("object", {7}).value()}).ok());
    BOOST_TEST(destroyed() == 0u);
    BOOST_TEST(lab.call("number_of", {lab.call("kept").value()}).value().get<std::int64_t>() == 7);
    BOOST_TEST(lab.call("keep", {"text"}).ok());
    BOOST_TEST(destroyed() == 1u);
    BOOST_TEST(lab.loader.unload("values").ok());
    BOOST_TEST(Events::all().count("kept text") == 1u);
    const Module again = lab.import("values");
    BOOST_TEST(again.function("kept").value()({}).value().is_null());
}

BOOST_AUTO_TEST_CASE(an_object_that_only_its_own_module_holds_goes_with_it) {
    ValuesLab lab;
    BOOST_TEST(lab.call("keep", {Value(List{lab.call("object", {7}).value(), lab.call("matrix", {2}).value()})}).ok());
    BOOST_TEST(lab.loader.unload("values").ok());
    BOOST_TEST(destroyed() == 1u);
    BOOST_TEST(freed() == 1u);
}
