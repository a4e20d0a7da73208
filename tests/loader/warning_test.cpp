// Warnings: their text, the ways out that they offer, filters, JSON and callbacks.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_warning
#include <boost/test/unit_test.hpp>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <interlock/digest.hpp>
#include <nlohmann/json.hpp>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

const std::string first_line =
    "interlock: warning: module 'unm1' needs the global lock: as long as it is loaded, one thread at a time runs code "
    "of modules\n";

Texts details(const Warning& warning, const std::string& label) {
    Texts texts;
    for (const WarningDetail& detail : warning.details)
        if (detail.label == label) texts.push_back(detail.text);
    return texts;
}

/// The JSON to paste behind `introduction` in one of the fixes.
std::string json_behind(const Warning& warning, const std::string& introduction) {
    for (const std::string& fix : details(warning, "fix"))
        if (fix.starts_with(introduction)) return fix.substr(introduction.size());
    return {};
}

LabOptions filtered(std::initializer_list<const char*> filters) {
    std::vector<WarningFilter> parsed;
    for (const char* text : filters) parsed.push_back(parse_warning_filter(text).value());
    return {.change = [parsed](LoaderOptions& options) { options.filters = parsed; }};
}

LabOptions over(const std::filesystem::path& folder) {
    return {.change = [folder](LoaderOptions& options) { options.search_path = {folder}; }};
}

/// What a function writes to stderr.
std::string stderr_of(const std::function<void()>& function) {
    TemporaryFolder folder;
    const auto file = folder.write("stderr", "");
    std::fflush(stderr);
    const int saved = ::dup(STDERR_FILENO);
    BOOST_REQUIRE(std::freopen(file.c_str(), "w", stderr) != nullptr);
    function();
    std::fflush(stderr);
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    return text_of(file);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_first_line_says_what_happens_and_the_rest_what_to_do) {
    Lab lab;
    lab.import("unm1");
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    const Warning warning = lab.warnings()[0];
    const std::filesystem::path file = std::filesystem::path(MODULE_DIRECTORY) / "unm1.so";
    const std::string build_id = read_module_file(file).value().build_id;
    BOOST_TEST((warning.category == WarningCategory::fallback));
    BOOST_TEST(warning.module == "unm1");
    BOOST_TEST(details(warning, "file") == (Texts{file.string() + " (build-id " + build_id + ")"}),
               boost::test_tools::per_element());
    BOOST_TEST(details(warning, "why") ==
                   (Texts{"the file carries no marker", "a module that says nothing needs the global lock"}),
               boost::test_tools::per_element());
    BOOST_TEST(details(warning, "imported by") == (Texts{"the test"}), boost::test_tools::per_element());
    BOOST_REQUIRE(details(warning, "effect").size() == 1u);
    BOOST_TEST(details(warning, "effect")[0].starts_with(
        "one thread at a time runs module code until 'unm1' is unloaded; the switch took "));
    BOOST_REQUIRE(details(warning, "fix").size() == 3u);
    BOOST_TEST(details(warning, "fix")[0] ==
               "if the module is safe, its author says so: IL_MODULE(..., FREE, ...), or from a legacy init function "
               "il_set_threading(host, module, IL_THREADING_FREE)");

    std::string text = warning.text();
    BOOST_TEST(text.starts_with(first_line));
    BOOST_TEST(text.find("\n  file         " + file.string()) != std::string::npos);
    BOOST_TEST(text.find("\n  imported by  the test\n") != std::string::npos);
    // Every further line is indented, whatever it contains.
    for (std::size_t end = text.find('\n'); end + 1 < text.size(); end = text.find('\n', end + 1))
        BOOST_TEST(text.substr(end + 1, 2) == "  ");
    BOOST_TEST(text.ends_with('\n'));
}

BOOST_AUTO_TEST_CASE(a_host_that_imports_is_named_by_its_source_line) {
    Lab lab;
    const int line = __LINE__ + 1;
    lab.loader.import("unm1").value();
    const Texts importers = details(lab.warnings()[0], "imported by");
    BOOST_REQUIRE(importers.size() == 1u);
    BOOST_TEST(importers[0].starts_with(std::string(__FILE__) + ":" + std::to_string(line) + " ("), importers[0]);
}

BOOST_AUTO_TEST_CASE(the_manifest_and_the_rule_that_it_prints_do_silence_it) {
    for (const std::string name : {"unm1", "nobuildid"}) {
        TemporaryFolder folder;
        const auto file = copy_module(name + ".so", folder.path() / (name + ".so"));
        std::string manifest, rule;
        {
            Lab lab(over(folder.path()));
            lab.import(name);
            const Warning warning = lab.warnings()[0];
            manifest = json_behind(warning, "or in " + file.string() + ".interlock.json: ");
            rule = json_behind(warning, "or in a policy file: ");
            const std::string identity = details(warning, "file")[0];
            if (name == "nobuildid")
                BOOST_TEST(identity == file.string() + " (sha256 " + sha256_file(file).value() + ")");
        }
        {
            const auto policy = read_policy(folder.write("policy.json", rule), today_utc()).value();
            BOOST_TEST(policy.diagnostics.empty(), error_text(policy.diagnostics));
            Lab lab({.change = [&](LoaderOptions& options) {
                options.search_path = {folder.path()};
                options.policy = policy.policy;
            }});
            BOOST_TEST((lab.import(name).level() == ThreadingLevel::module_lock));
            BOOST_TEST(lab.warnings().empty());
            BOOST_TEST(lab.parallel());
        }
        {
            folder.write(name + ".so.interlock.json", manifest);
            BOOST_TEST(read_manifest_of(file).value()->diagnostics.empty());
            Lab lab(over(folder.path()));
            BOOST_TEST((lab.import(name).level() == ThreadingLevel::free));
            BOOST_TEST(lab.warnings().empty());
            BOOST_TEST(lab.parallel());
        }
    }
}

BOOST_AUTO_TEST_CASE(every_module_that_needs_the_lock_is_named_once) {
    Lab lab;
    for (const std::string name : {"unm1", "free1", "unm2", "glob1", "unm1", "legacy1"}) lab.import(name);
    BOOST_TEST(lab.loader.unload("unm2").ok());
    lab.import("unm2");
    BOOST_TEST(lab.warned_modules() == (Texts{"unm1", "unm2", "glob1", "legacy1"}), boost::test_tools::per_element());
    BOOST_TEST(details(lab.warnings()[1], "effect")[0].ends_with("; the global lock was on already"));
    BOOST_TEST(details(lab.warnings()[2], "why")[0] == "the marker in the file says global_lock");
    BOOST_TEST(lab.loader.report().warnings_issued == 4u);
    BOOST_TEST(lab.loader.report().warnings_suppressed == 1u);
}

BOOST_AUTO_TEST_CASE(filters) {
    struct Row {
        std::initializer_list<const char*> filters;
        std::size_t first, second;  // warnings after the first and the second import
        bool refused;
    };
    const Row rows[] = {
        {{}, 1, 1, false},
        {{"default"}, 1, 1, false},
        {{"once"}, 1, 1, false},
        {{"always"}, 1, 2, false},
        {{"ignore"}, 0, 0, false},
        {{"error"}, 0, 0, true},
        {{"error:fallback"}, 0, 0, true},
        {{"error:RuntimeWarning"}, 0, 0, true},
        {{"error:manifest"}, 1, 1, false},
        {{"ignore:fallback:unm1"}, 0, 0, false},
        {{"ignore:fallback:other*"}, 1, 1, false},
        {{"error", "ignore::unm*"}, 0, 0, false},
        {{"ignore", "error:fallback:unm1"}, 0, 0, true},
    };
    for (const Row& row : rows) {
        Lab lab(filtered(row.filters));
        BOOST_TEST_CONTEXT((row.filters.size() == 0 ? "no filter" : *(row.filters.end() - 1))) {
            const auto code = lab.failure("unm1");
            BOOST_TEST((code == (row.refused ? std::optional(Errc::warning_as_error) : std::nullopt)));
            BOOST_TEST(lab.warnings().size() == row.first);
            BOOST_TEST(lab.parallel() == row.refused);
            if (row.refused) continue;
            BOOST_TEST(lab.loader.unload("unm1").ok());
            lab.import("unm1");
            BOOST_TEST(lab.warnings().size() == row.second);
            const LoaderReport report = lab.loader.report();
            BOOST_TEST(report.warnings_issued == row.second);
            BOOST_TEST(report.warnings_suppressed == 2 - row.second);
        }
    }
}

BOOST_AUTO_TEST_CASE(filters_of_the_policy_and_those_over_them) {
    const auto with = [](const char* policy_text, std::initializer_list<const char*> filters) {
        LabOptions options = filtered(filters);
        return LabOptions{.change = [=](LoaderOptions& made) {
            options.change(made);
            made.policy = parse_policy(policy_text, {}, today_utc()).policy;
        }};
    };
    {
        Lab lab(with(R"({"warnings": ["ignore:fallback"]})", {}));
        lab.import("unm1");
        BOOST_TEST(lab.warnings().empty());
    }
    {
        Lab lab(with(R"({"warnings": ["ignore:fallback"]})", {"default"}));
        lab.import("unm1");
        BOOST_TEST(lab.warnings().size() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(in_the_words_of_cpython_where_the_program_wants_it) {
    const std::string line =
        "RuntimeWarning: The global interpreter lock (GIL) has been enabled to load module 'unm1', which has not "
        "declared that it can run safely without the GIL. To override this behavior and keep the GIL disabled (at your "
        "own risk), run with PYTHON_GIL=0 or -Xgil=0.\n";
    Lab lab({.change = [](LoaderOptions& options) {
        options.python_wording = true;
        options.filters = {parse_warning_filter("error:fallback:unm2").value()};
    }});
    lab.import("unm1");
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    const Warning warning = lab.warnings()[0];
    BOOST_TEST(warning.text().starts_with(line));
    BOOST_TEST(warning.headline == python_fallback_headline("unm1"));
    BOOST_TEST(nlohmann::json::parse(warning.to_json())["python_category"] == "RuntimeWarning");
    const auto refused = lab.loader.import("unm2");
    BOOST_REQUIRE(!refused.ok());
    BOOST_TEST(refused.error().message.starts_with("RuntimeWarning: " + python_fallback_headline("unm2") + '\n'));
}

BOOST_AUTO_TEST_CASE(it_advises_only_what_the_program_listens_to) {
    Events::all().clear();
    std::vector<Warning> warnings;
    Runtime runtime({.gil_hint = "--no-lock"});
    Loader loader(runtime, {.search_path = {MODULE_DIRECTORY},
                            .use_environment = false,
                            .policy_hint = "--rules",
                            .on_warning = [&](const Warning& warning) { warnings.push_back(warning); }});
    loader.import("unm1").value();
    const Texts fixes = details(warnings.at(0), "fix");
    BOOST_REQUIRE(fixes.size() == 4u);
    BOOST_TEST(fixes[2].starts_with("or in a policy file (--rules): {"));
    BOOST_TEST(fixes[3] == "or for all modules, at your own risk: --no-lock");
    for (const std::string& fix : fixes) BOOST_TEST(fix.find("PYTHON_GIL") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_was_found_in_a_policy_is_warned_of_by_the_loader) {
    TemporaryFolder folder;
    const auto file = folder.write("p.json", R"({"rules": [{"match": {"module": "x"}, "threading": "free",
  "reason": "was true once", "expires": "2001-01-01"}]})");
    const Policy policy = load_policy(file).value();
    const auto with = [&](std::initializer_list<const char*> filters) {
        LabOptions options = filtered(filters);
        return LabOptions{.change = [=](LoaderOptions& made) {
            options.change(made);
            made.policy = policy;
        }};
    };
    {
        Lab lab(with({}));
        BOOST_REQUIRE(lab.warnings().size() == 1u);
        BOOST_TEST((lab.warnings()[0].category == WarningCategory::policy));
        BOOST_TEST(details(lab.warnings()[0], "file") == (Texts{file + ":1:12"}), boost::test_tools::per_element());
        BOOST_TEST(details(lab.warnings()[0], "code") == (Texts{"expired-rule"}), boost::test_tools::per_element());
    }
    {
        Lab lab(with({"ignore:policy"}));
        BOOST_TEST(lab.warnings().empty());
    }
    BOOST_CHECK_EXCEPTION(Lab lab(with({"error:policy"})), Failure,
                          [](const Failure& failure) { return failure.error().code == Errc::warning_as_error; });
    Lab lab;  // the loader that failed has left nothing behind
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(a_manifest_warning_as_an_error) {
    TemporaryFolder folder;
    copy_module("free1.so", folder.path() / "free1.so");
    folder.write("free1.so.interlock.json", "{}");
    const auto change = [&](const char* filter) {
        return LabOptions{.change = [&folder, filter](LoaderOptions& options) {
            options.search_path = {folder.path()};
            options.filters = {parse_warning_filter(filter).value()};
        }};
    };
    {
        Lab lab(change("error:manifest"));
        BOOST_TEST((lab.failure("free1") == Errc::warning_as_error));
        BOOST_TEST(Events::all().told().empty());
    }
    {
        Lab lab(change("error:fallback"));
        lab.import("free1");
        BOOST_REQUIRE(lab.warnings().size() == 1u);
        BOOST_TEST(
            lab.warnings()[0].text().starts_with("interlock: warning: the manifest of module 'free1' is ignored: "));
    }
}

BOOST_AUTO_TEST_CASE(warnings_as_json) {
    Lab lab;
    lab.import("unm1");
    const Warning warning = lab.warnings()[0];
    const std::string text = warning.to_json();
    BOOST_TEST(text.find('\n') == std::string::npos);
    const auto json = nlohmann::json::parse(text);
    BOOST_TEST(json["category"] == "fallback");
    BOOST_TEST(!json.contains("python_category"));
    BOOST_TEST(json["module"] == "unm1");
    BOOST_TEST(json["message"] == warning.headline);
    for (const char* label : {"file", "why", "imported by", "effect", "fix"})
        BOOST_TEST(json["details"][label].get<Texts>() == details(warning, label), boost::test_tools::per_element());
    BOOST_TEST(json["details"].size() == 5u);
    Warning hostile{WarningCategory::module, "m", "a\n\xff", {{"why", "\x01"}}};
    BOOST_TEST(hostile.to_json() ==
               "{\"category\":\"module\",\"module\":\"m\",\"message\":\"a\\n\xef\xbf\xbd\",\"details\":{\"why\":["
               "\"\\u0001\"]}}");
}

BOOST_AUTO_TEST_CASE(without_a_callback_it_goes_to_stderr) {
    std::optional<Lab> lab;
    const std::string text = stderr_of([&] {
        lab.emplace(LabOptions{.change = [](LoaderOptions& options) { options.on_warning = nullptr; }});
        lab->import("unm1");
        lab->run(lab->import("free1"), "warn from inside;log a line").value();
    });
    BOOST_TEST(text.starts_with(first_line));
    BOOST_TEST(
        text.ends_with("interlock: warning: from inside\n  module       free1, run\ninterlock: [free1] a line\n"),
        text);
}

BOOST_AUTO_TEST_CASE(the_callback_may_do_anything) {
    std::optional<Lab> lab;
    int calls = 0;
    bool attached = true, finished = false;
    lab.emplace(LabOptions{.change = [&](LoaderOptions& options) {
        options.on_warning = [&](const Warning& warning) {
            ++calls;
            if (warning.module != "unm1") return;
            attached = is_attached();
            // It imports, calls, unloads, and waits for another thread that imports the same module.
            BOOST_TEST(lab->import("unm1").function("count").value()({}).ok());
            BOOST_TEST(lab->import("free1").function("count").value()({}).ok());
            lab->import("unm2");
            testing::on_other_thread([&] { must(lab->import("unm1").loaded()); });
            BOOST_TEST(lab->loader.unload("unm2").ok());
            BOOST_TEST(lab->loader.unload("unm1").ok());
            BOOST_TEST(lab->parallel());
            finished = true;
        };
    }});
    const Module module = lab->import("unm1");
    BOOST_TEST(calls == 2);
    BOOST_TEST(!attached);
    BOOST_TEST(finished);
    BOOST_TEST(!module.loaded());
}

BOOST_AUTO_TEST_CASE(warnings_of_modules) {
    Lab lab(filtered({"error:module:free2", "ignore:module:free3"}));
    const Module first = lab.import("free1"), second = lab.import("free2"), third = lab.import("free3");
    BOOST_TEST(lab.run(first, "warn strange \x1b[31m input;warn strange \x1b[31m input").ok());
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    const Warning warning = lab.warnings()[0];
    BOOST_TEST((warning.category == WarningCategory::module));
    BOOST_TEST(warning.text() == "interlock: warning: strange \\x1b[31m input\n  module       free1, run\n");
    const auto error = lab.run(second, "warn that will do");
    BOOST_REQUIRE(!error.ok());
    BOOST_TEST(error.error().message == "free2.run: a warning filter turns this warning into an error: that will do");
    BOOST_TEST(lab.run(third, "warn nobody hears").ok());
    BOOST_TEST(lab.warnings().size() == 1u);
    BOOST_TEST(lab.loader.report().warnings_suppressed == 2u);
}

BOOST_AUTO_TEST_CASE(lines_for_the_log) {
    Texts lines;
    bool attached = true;
    Lab lab({.change = [&](LoaderOptions& options) {
        options.on_log = [&](il_log_level level, std::string_view module, std::string_view text) {
            attached = is_attached();
            lines.push_back(std::to_string(level) + ' ' + std::string(module) + ' ' + std::string(text));
            throw std::runtime_error("which must not reach the module");
        };
    }});
    const Module module = lab.import("free1");
    const std::string text = stderr_of([&] { BOOST_TEST(lab.run(module, "log a\tb").ok()); });
    BOOST_TEST(lines == (Texts{"1 free1 a\\tb"}), boost::test_tools::per_element());
    BOOST_TEST(!attached);
    // The callback has thrown: the line is not lost.
    BOOST_TEST(text == "interlock: [free1] a\\tb\n");
}

BOOST_AUTO_TEST_CASE(a_stall_is_a_warning_too) {
    Events::all().clear();
    std::vector<Warning> warnings;
    Event attached, release;
    Runtime runtime({.stall_report = std::chrono::milliseconds(1)});
    Loader loader(runtime,
                  {.search_path = {MODULE_DIRECTORY}, .use_environment = false, .on_warning = [&](const Warning& w) {
                       warnings.push_back(w);
                       release.set();
                   }});
    const Module module = loader.import("free1").value();
    Events::all().on("busy", [&] {
        attached.set();
        release.wait();
        return 0;
    });
    Threads threads;
    threads.start([&] { must(module.function("run").value()({"observe busy"}).ok()); });
    attached.wait();
    BOOST_TEST(loader.import("unm1").ok());
    threads.join();
    BOOST_REQUIRE(warnings.size() == 2u);
    BOOST_TEST((warnings[0].category == WarningCategory::stall));
    BOOST_TEST(warnings[0].module == "free1");
    BOOST_TEST(warnings[0].headline.find("in function 'run' of module 'free1'") != std::string::npos);
    BOOST_TEST((warnings[1].category == WarningCategory::fallback));
}

BOOST_AUTO_TEST_CASE(a_callback_that_ends_its_thread_ends_the_process_and_is_named) {
    for (const std::string callback : {"on_warning", "on_log"}) {
        TemporaryFolder folder;
        const auto file = folder.write("stderr", "");
        const pid_t child = ::fork();
        if (child == 0) {
            static_cast<void>(::freopen(file.c_str(), "w", stderr));
            ::signal(SIGABRT, SIG_DFL);  // the test framework would handle it
            Lab lab({.change = [](LoaderOptions& options) {
                options.on_warning = [](const Warning&) { ::pthread_exit(nullptr); };
                options.on_log = [](il_log_level, std::string_view, std::string_view) { ::pthread_exit(nullptr); };
            }});
            if (callback == "on_log")
                static_cast<void>(lab.run(lab.import("free1"), "log text"));
            else
                lab.import("unm1");
            ::_exit(0);
        }
        int status = 0;
        BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
        BOOST_TEST((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
        BOOST_TEST(text_of(file) == "interlock: fatal: LoaderOptions::" + callback +
                                        " ended its thread (pthread_exit?); it has to return\n");
    }
}

BOOST_AUTO_TEST_CASE(a_thread_is_not_cancelled_in_a_callback_but_after_it) {
    unsigned whole = 0;
    bool went_on = false;
    Lab lab({.change = [&](LoaderOptions& options) {
        options.on_warning = [&](const Warning&) {
            ::pthread_cancel(::pthread_self());
            ::pthread_testcancel();
            ++whole;
        };
    }});
    Threads threads;
    threads.start([&] {
        const auto module = lab.loader.import("unm1");
        must(module.ok());
        ::pthread_testcancel();
        went_on = true;
    });
    threads.join();
    BOOST_TEST(whole == 1u);
    BOOST_TEST(!went_on);
    BOOST_TEST(lab.loader.find("unm1").ok());
}
