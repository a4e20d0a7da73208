// How a call ends: with a result, with an error and its text, or in a way that no function should.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_result
#include <boost/test/unit_test.hpp>

#include <pthread.h>

#include "children.hpp"
#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

struct Row {
    const char* function;
    il_status status;
    const char* message;
};

const Row rows[] = {
    {"standard", IL_ERROR_FAILED, "a C++ exception left the function: with a \\x1b[31m in it"},
    {"memory", IL_ERROR_MEMORY, "out of memory"},
    {"number", IL_ERROR_FAILED, "an exception of unknown type left the function"},
    {"detached", IL_ERROR_FAILED, "the function returned between IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS"},
    {"stay_detached", IL_ERROR_FAILED, "the function returned between IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS"},
    {"silent", 77, "the function returned status 77 and said no more"},
    {"negative", -5, "the function returned status -5 and said no more"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(functions_that_end_badly_are_errors_of_the_call) {
    for (const PolicyAction level : {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock}) {
        Lab lab({.change = [&](LoaderOptions& options) { options.overrides = {{"throwing", level}}; }});
        const Module module = lab.import("throwing");
        Scope scope;
        for (const Row& row : rows) {
            BOOST_TEST_CONTEXT(row.function << " under " << action_name(level)) {
                const Function function = module.function(row.function).value();
                il_value result;
                BOOST_TEST(function.call(scope, {}, result) == row.status);
                BOOST_TEST(scope.error_code() == row.status);
                BOOST_TEST(scope.error_message() == row.message);
                BOOST_TEST(!is_attached());
                const auto value = function({});
                BOOST_REQUIRE(!value.ok());
                BOOST_TEST((value.error().code == Errc::call_failed));
                BOOST_TEST(value.error().message == std::string("throwing.") + row.function + ": " + row.message);
            }
        }
        // Nothing is left held: another thread gets through, and the module can be unloaded.
        testing::on_other_thread([&] { must(module.function("recovered").value()({}).ok()); });
        BOOST_TEST(lab.loader.unload("throwing").ok());
    }
}

BOOST_AUTO_TEST_CASE(an_error_that_was_dealt_with_is_none) {
    Lab lab;
    const Module module = lab.import("throwing");
    BOOST_TEST(module.function("recovered").value()({}).value().get<std::string>() == "recovered");
    const auto passed_on = module.function("passed_on").value()({});
    BOOST_REQUIRE(!passed_on.ok());
    BOOST_TEST(passed_on.error().message ==
               "throwing.passed_on: no module named 'no_such_module'; searched '" MODULE_DIRECTORY "'");
    Scope scope;
    il_value result;
    BOOST_TEST(module.function("passed_on").value().call(scope, {}, result) == IL_ERROR_NOT_FOUND);
    BOOST_TEST(module.function("recovered").value().call(scope, {}, result) == IL_OK);
}

BOOST_AUTO_TEST_CASE(errors_have_their_code_and_their_text) {
    Lab lab;
    const Function raise = lab.import("values").function("raise").value();
    struct Raised {
        std::int64_t code;
        std::string text;
        il_status status;
        std::string message;
    };
    const Raised table[] = {
        {IL_ERROR_ARGUMENT, "plain", IL_ERROR_ARGUMENT, "plain, 42"},
        {IL_ERROR_CANCELLED, "a\nb\x1b[31m\xff", IL_ERROR_CANCELLED, "a\\nb\\x1b[31m\\xff, 42"},
        {IL_OK, "not success", IL_OK, "not success, 42"},
        {1234, "own code", 1234, "own code, 42"},
        {IL_ERROR_IO, std::string(10'000, 'x'), IL_ERROR_IO, std::string(3999, 'x')},
    };
    Scope scope;
    for (const Raised& row : table) {
        const il_value args[] = {il_int64(row.code), il_text(row.text.data(), row.text.size()), il_null()};
        for (const std::size_t count : {2u, 3u}) {
            il_value result;
            BOOST_TEST(raise.call(scope, {args, count}, result) ==
                       (row.status == IL_OK ? IL_ERROR_FAILED : row.status));
            BOOST_TEST(scope.error_message() == row.message);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_thread_that_ends_inside_a_function) {
    for (const PolicyAction level : {PolicyAction::free, PolicyAction::module_lock, PolicyAction::global_lock}) {
        Lab lab({.change = [&](LoaderOptions& options) { options.overrides = {{"throwing", level}}; }});
        const Module module = lab.import("throwing");
        const Function function = module.function("end_thread").value();
        for (const bool quick : {true, false}) {
            std::pair<const Function*, bool> given{&function, quick};
            const auto body = [](void* what) -> void* {
                const auto& [called, quickly] = *static_cast<std::pair<const Function*, bool>*>(what);
                Scope scope;
                il_value result;
                if (quickly)
                    called->call(scope, {}, result);
                else
                    static_cast<void>((*called)({}));
                return what;
            };
            pthread_t thread{};
            BOOST_REQUIRE(::pthread_create(&thread, nullptr, body, &given) == 0);
            void* returned = &thread;
            BOOST_REQUIRE(::pthread_join(thread, &returned) == 0);
            BOOST_TEST(returned == nullptr);
        }
        BOOST_TEST(lab.runtime.stats().exited_attached ==
                   2u * (1u + static_cast<unsigned>(level == PolicyAction::free          ? 0
                                                    : level == PolicyAction::module_lock ? 1
                                                                                         : 2)));
        BOOST_TEST(module.function("recovered").value()({}).ok());
        BOOST_TEST(lab.loader.unload("throwing").ok());
        BOOST_TEST(lab.parallel());
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_repaired_ends_the_process_and_names_the_culprit) {
    const std::pair<const char*, const char*> table[] = {
        {"leave_section", "returned from inside a critical section"},
        {"detach_twice", "detached twice"},
        {"attach_only", "ended a detached block that it had not begun"},
    };
    for (const auto& [function, what] : table) {
        Lab lab;
        const Module module = lab.import("throwing");
        const Death death = death_of([&] {
            Scope scope;
            il_value result;
            module.function(function).value().call(scope, {}, result);
        });
        BOOST_TEST(death.aborted);
        BOOST_TEST(death.said ==
                   std::string("interlock: fatal: function '") + function + "' of module 'throwing' " + what + "\n");
    }
}

BOOST_AUTO_TEST_CASE(null_where_a_name_or_an_object_belongs) {
    Lab lab;
    const Module module = lab.import("values");
    const char* answers[] = {
        "il_import needs the name of a module, not NULL",
        "il_find needs a module and the name of a function, not NULL",
        "il_find needs a module and the name of a function, not NULL",
        "il_invoke needs a function, not NULL; look at what il_find says",
        "il_handle_new needs a type and an object",
        "il_handle_new needs a type and an object",
        "il_handle_get needs a type, not NULL",
        "(no message: its format is NULL)",
    };
    for (int i = 0; i < static_cast<int>(std::size(answers)); ++i) {
        const auto result = module.function("nulls").value()({i});
        BOOST_REQUIRE(!result.ok());
        BOOST_TEST(result.error().message == std::string("values.nulls: ") + answers[i]);
    }
    // A legacy module that does not look at what il_module_create returned.
    Events::all().script("legacy1:init", "no module");
    Events::all().on("legacy1:init", [] { return 3; });
    const auto legacy = lab.loader.import("legacy1");
    BOOST_REQUIRE(!legacy.ok());
    BOOST_TEST(legacy.error().message.ends_with("its legacy init function failed: il_set_threading needs a module, not "
                                                "NULL; look at what il_module_create returns"),
               legacy.error().message);
}

BOOST_AUTO_TEST_CASE(functions_of_a_module) {
    Lab lab;
    const Module module = lab.import("values");
    const auto missing = module.function("ecko");
    BOOST_REQUIRE(!missing.ok());
    BOOST_TEST((missing.error().code == Errc::not_found));
    BOOST_TEST(missing.error().message.starts_with("module 'values' has no function 'ecko'; "),
               missing.error().message);
    BOOST_TEST(module.functions().size() == 16u);
    BOOST_TEST(module.function("odd \x1b[31m name").value().doc() == "Its name is odd.");
    BOOST_TEST(lab.import("free1").doc() == "A probe.");
    const auto failing = lab.import("free1").function("run").value()({"call values nothing"});
    BOOST_REQUIRE(!failing.ok());
    BOOST_TEST(failing.error().message == "free1.run: module 'values' has no function 'nothing'");
}
