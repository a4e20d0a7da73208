// The C API of the host (host.h): everything a program in C can ask for, and how it gets its errors.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_host_api
#include <boost/test/unit_test.hpp>

#include <cstring>

#include <interlock/host.h>
#include <nlohmann/json.hpp>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// Takes an error over, as "code: message"; "" if there is none.
std::string text_of(interlock_error*& error) {
    if (error == nullptr) return "";
    std::string text = std::string(interlock_error_code(error)) + ": " + interlock_error_message(error);
    interlock_error_free(error);
    error = nullptr;
    return text;
}

/// A runtime and a loader over the test modules, and what they told.
struct Host {
    explicit Host(std::vector<const char*> overrides = {}, std::vector<const char*> filters = {}) {
        test::Events::all().clear();
        interlock_runtime_options runtime_options{};
        runtime_options.size = sizeof runtime_options;
        runtime_options.threads = 2;
        runtime_options.context = this;
        runtime_options.on_event = [](void* context, const interlock_event* event) {
            auto& host = *static_cast<Host*>(context);
            host.events.push_back(std::string(event->kind) + ' ' + event->module + ' ' + std::to_string(event->locked));
        };
        runtime = interlock_runtime_new(&runtime_options, &error);
        BOOST_REQUIRE_EQUAL(text_of(error), "");
        const char* folders[] = {MODULE_DIRECTORY};
        interlock_loader_options options{};
        options.size = sizeof options;
        options.search_path = folders;
        options.search_path_count = 1;
        options.overrides = overrides.data();
        options.overrides_count = overrides.size();
        options.filters = filters.data();
        options.filters_count = filters.size();
        options.context = this;
        options.on_warning = [](void* context, const interlock_warning* warning) {
            auto& host = *static_cast<Host*>(context);
            host.warnings.push_back(std::string(warning->category) + ' ' + warning->module);
            BOOST_TEST(nlohmann::json::parse(warning->json)["module"] == warning->module);
            BOOST_TEST(std::string(warning->text).ends_with('\n'));
        };
        options.on_log = [](void* context, il_log_level level, const char* module, const char* text) {
            static_cast<Host*>(context)->logged.push_back(std::to_string(level) + ' ' + module + ' ' + text);
        };
        loader = interlock_loader_new(runtime, &options, &error);
    }
    ~Host() {
        interlock_loader_free(loader);
        interlock_runtime_free(runtime);
    }
    int import(const char* name) { return interlock_loader_import(loader, name, "the test", &error); }
    interlock_function* function(const char* module, const char* name) {
        return interlock_loader_function(loader, module, name, &error);
    }

    interlock_runtime* runtime = nullptr;
    interlock_loader* loader = nullptr;
    interlock_error* error = nullptr;
    Texts events, warnings, logged;
};

}  // namespace

BOOST_AUTO_TEST_CASE(import_call_and_unload) {
    Host host;
    BOOST_REQUIRE_EQUAL(host.import("values"), 0);
    BOOST_TEST(host.import("values") == 0);
    interlock_function* echo = host.function("values", "echo");
    BOOST_REQUIRE(echo != nullptr);
    interlock_scope* scope = interlock_scope_new();
    il_value result;
    const il_value args[] = {il_int64(7), il_text("seven", 5)};
    BOOST_TEST(interlock_function_call(echo, scope, args, 1, &result) == IL_OK);
    BOOST_TEST(result.as.int64 == 7);
    BOOST_TEST(interlock_function_call(echo, scope, args, 2, &result) == IL_OK);
    char* json = interlock_value_json(&result, &host.error);
    BOOST_TEST(json == std::string("[7,\"seven\"]"));
    interlock_text_free(json);
    BOOST_TEST(interlock_scope_error(scope) == std::string());

    interlock_function* raise = host.function("values", "raise");
    const il_value wrong[] = {il_int64(IL_ERROR_IO), il_text("disk", 4)};
    BOOST_TEST(interlock_function_call(raise, scope, wrong, 2, &result) == IL_ERROR_IO);
    BOOST_TEST(interlock_scope_error(scope) == std::string("disk, 42"));
    interlock_scope_reset(scope);

    BOOST_TEST(interlock_loader_reload(host.loader, "values", nullptr, 1000, &host.error) == 0);
    BOOST_TEST(interlock_function_call(echo, scope, args, 1, &result) == IL_OK);
    BOOST_TEST(interlock_loader_reload(host.loader, "none", nullptr, -1, &host.error) == -1);
    BOOST_TEST(text_of(host.error) == "not_found: module 'none' is not loaded, so it cannot be reloaded");
    BOOST_TEST(interlock_loader_unload(host.loader, "values", 1000, &host.error) == 0);
    BOOST_TEST(interlock_function_call(echo, scope, args, 1, &result) == IL_ERROR_STATE);
    BOOST_TEST(std::string(interlock_scope_error(scope)).starts_with("module 'values' has been unloaded"));
    interlock_function_free(echo);
    interlock_function_free(raise);
    interlock_scope_free(scope);
}

BOOST_AUTO_TEST_CASE(errors_have_a_code_and_a_text) {
    Host host({"unm2=refuse"}, {"error:fallback:unm3"});
    const struct {
        const char *module, *begin;
    } rows[] = {
        {"no_such", "not_found: no module named 'no_such'"},
        {"a b", "invalid_name: "},
        {"unm2", "refused: module 'unm2' from "},
        {"unm3", "warning_as_error: module 'unm3' needs the global lock"},
        {nullptr, "invalid_argument: the name of the module is NULL"},
    };
    for (const auto& row : rows) {
        BOOST_TEST(host.import(row.module) == -1);
        const std::string text = text_of(host.error);
        BOOST_TEST(text.starts_with(row.begin), text);
    }
    BOOST_TEST(interlock_loader_import(host.loader, "no_such", nullptr, nullptr) == -1);  // nobody asks why
    BOOST_TEST(host.function("free1", "count") == nullptr);
    BOOST_TEST(text_of(host.error) == "not_found: module 'free1' is not loaded");
    BOOST_TEST(host.import("free1") == 0);
    BOOST_TEST(host.function("free1", "cuont") == nullptr);
    BOOST_TEST(text_of(host.error) == "not_found: module 'free1' has no function 'cuont'; did you mean 'count'?");
    BOOST_TEST(interlock_loader_unload(host.loader, "unm1", -1, &host.error) == -1);
    BOOST_TEST(text_of(host.error).starts_with("not_found: "));
    il_value malformed = il_null();
    malformed.type = 99;
    BOOST_TEST(interlock_value_json(&malformed, &host.error) == nullptr);
    BOOST_TEST(text_of(host.error).starts_with("call_failed: "));
    BOOST_TEST(interlock_error_message(nullptr) == std::string());
    interlock_error_free(nullptr);
    interlock_function_free(nullptr);
}

BOOST_AUTO_TEST_CASE(options_that_are_wrong) {
    interlock_error* error = nullptr;
    interlock_runtime_options wrong{};
    BOOST_TEST(interlock_runtime_new(&wrong, &error) == nullptr);
    BOOST_TEST(text_of(error) ==
               "invalid_argument: the `size` of the options is not set; it is sizeof of the structure");
    wrong.size = sizeof wrong;
    wrong.gil = 7;
    BOOST_TEST(interlock_runtime_new(&wrong, &error) == nullptr);
    BOOST_TEST(text_of(error) == "invalid_argument: gil takes one of INTERLOCK_GIL_..., not 7");
    setenv("PYTHON_GIL", "maybe", 1);
    wrong.gil = 0;
    wrong.use_environment = 1;
    BOOST_TEST(interlock_runtime_new(&wrong, &error) == nullptr);
    unsetenv("PYTHON_GIL");
    BOOST_TEST(text_of(error) == "invalid_option: PYTHON_GIL must be \"0\" or \"1\", not 'maybe'");

    interlock_runtime* runtime = interlock_runtime_new(nullptr, nullptr);
    BOOST_REQUIRE(runtime != nullptr);
    BOOST_TEST(interlock_runtime_new(nullptr, &error) == nullptr);
    BOOST_TEST(text_of(error).starts_with("wrong_state: a second interlock::Runtime"));
    TemporaryFolder folder;
    const std::string policy = folder.write("p.json", R"({"rules": [{"match": {"module": "x"}}]})");
    const char* no_level = "m=fast";
    const char* no_filter = "loudly";
    const char* nothing = nullptr;
    const auto fails_with = [&](auto change) {
        interlock_loader_options options{};
        options.size = sizeof options;
        change(options);
        BOOST_TEST(interlock_loader_new(runtime, &options, &error) == nullptr);
        return text_of(error);
    };
    BOOST_TEST(fails_with([&](auto& o) { o.policy = policy.c_str(); }).starts_with("invalid_policy: "));
    BOOST_TEST(fails_with([&](auto& o) { o.policy = "/none"; }).starts_with("not_found: "));
    BOOST_TEST(fails_with([&](auto& o) { o.overrides = &no_level, o.overrides_count = 1; }) ==
               "invalid_option: an override is MODULE=free, module_lock, global_lock or refuse, not 'm=fast'");
    BOOST_TEST(
        fails_with([&](auto& o) { o.filters = &no_filter, o.filters_count = 1; }).starts_with("invalid_option: "));
    BOOST_TEST(fails_with([&](auto& o) { o.search_path = &nothing, o.search_path_count = 1; }) ==
               "invalid_argument: a text of search_path is NULL");
    BOOST_TEST(interlock_loader_new(nullptr, nullptr, &error) == nullptr);
    BOOST_TEST(text_of(error) == "invalid_argument: the runtime is NULL");
    interlock_loader_free(interlock_loader_new(runtime, nullptr, &error));
    BOOST_TEST(text_of(error) == "");
    interlock_runtime_free(runtime);
}

// A program that was compiled when the structure was shorter: what it does not know has its default.
BOOST_AUTO_TEST_CASE(a_shorter_structure_is_completed) {
    interlock_runtime_options options;
    std::memset(&options, 0xff, sizeof options);
    options.size = offsetof(interlock_runtime_options, threads);
    options.use_environment = 0;
    options.gil = INTERLOCK_GIL_ON;
    interlock_error* error = nullptr;
    interlock_runtime* runtime = interlock_runtime_new(&options, &error);
    BOOST_REQUIRE_EQUAL(text_of(error), "");
    BOOST_TEST(interlock_runtime_is_locked(runtime) == 1);
    BOOST_TEST(Runtime::current()->options().stall_report == std::chrono::milliseconds(1000));
    interlock_runtime_free(runtime);
    BOOST_TEST((Runtime::current() == nullptr));
}

BOOST_AUTO_TEST_CASE(warnings_events_log_and_report) {
    Host host;
    BOOST_TEST(host.import("unm1") == 0);
    BOOST_TEST(interlock_runtime_is_locked(host.runtime) == 1);
    BOOST_TEST(host.warnings == (Texts{"fallback unm1"}), boost::test_tools::per_element());
    interlock_function* run = host.function("unm1", "run");
    interlock_scope* scope = interlock_scope_new();
    il_value result;
    const il_value script = il_text("log a line", 10);
    BOOST_TEST(interlock_function_call(run, scope, &script, 1, &result) == IL_OK);
    BOOST_TEST(host.logged == (Texts{"1 unm1 a line"}), boost::test_tools::per_element());
    interlock_scope_free(scope);
    interlock_function_free(run);
    char* report = interlock_loader_report(host.loader, &host.error);
    BOOST_REQUIRE(report != nullptr);
    BOOST_TEST(nlohmann::json::parse(report)["modules"].size() == 1u);
    interlock_text_free(report);
    BOOST_TEST(interlock_loader_unload(host.loader, "unm1", -1, &host.error) == 0);
    BOOST_TEST(host.events == (Texts{"mode_changed  1", "imported unm1 1", "mode_changed  0", "unloaded unm1 0"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(threads) {
    Host host;
    BOOST_TEST(!is_attached());
    BOOST_TEST(interlock_attach(&host.error) == 0);
    BOOST_TEST(interlock_attach(&host.error) == 0);
    BOOST_TEST(is_attached());
    interlock_safe_point();
    bool attached_inside = true;
    interlock_run_detached([](void* seen) { *static_cast<bool*>(seen) = is_attached(); }, &attached_inside);
    BOOST_TEST(!attached_inside);
    interlock_detach();
    BOOST_TEST(is_attached());
    interlock_detach();
    BOOST_TEST(!is_attached());

    std::vector<std::atomic<int>> touched(100);
    BOOST_TEST(interlock_runtime_parallel_for(
                   host.runtime, 0, touched.size(), 7,
                   [](void* items, size_t begin, size_t end) {
                       must(is_attached() && end - begin <= 7);
                       for (; begin != end; ++begin) ++(*static_cast<std::vector<std::atomic<int>>*>(items))[begin];
                   },
                   &touched, &host.error) == 0);
    for (const auto& item : touched) BOOST_TEST(item == 1);
    // The body of a host in C++ may throw: it becomes the error.
    BOOST_TEST(interlock_runtime_parallel_for(
                   host.runtime, 0, 1, 0, [](void*, size_t, size_t) { throw std::runtime_error("no\n"); }, nullptr,
                   &host.error) == -1);
    BOOST_TEST(text_of(host.error) == "internal: no\\n");
}

BOOST_AUTO_TEST_CASE(without_a_runtime) {
    interlock_error* error = nullptr;
    BOOST_TEST(interlock_attach(&error) == -1);
    BOOST_TEST(text_of(error).starts_with("wrong_state: a thread tried to attach"));
    interlock_safe_point();
    interlock_runtime_free(nullptr);
    interlock_loader_free(nullptr);
}
