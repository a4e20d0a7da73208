// What the dynamic linker will pull in for a module counts before anything is mapped: modules among it as the module's
// own marker, a file that the policy refuses as a refusal.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_libraries
#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <interlock/digest.hpp>
#include <interlock/manifest.hpp>

#include "pulled.hpp"
#include "support/elf_builder.hpp"

using namespace interlock;
using namespace interlock::test;

namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(modules_among_the_libraries_count_as_the_modules_own_marker) {
    struct {
        const char* module;
        const char* library;
        LibraryKind kind;
        std::optional<MarkerState> marker;
        bool locks;
    } const rows[] = {
        {"needs_plain", "plain.so", LibraryKind::library, std::nullopt, false},
        {"needs_marked", "marked.so", LibraryKind::interlock_module, MarkerState::free, false},
        {"needs_silent", "silent.so", LibraryKind::interlock_module, MarkerState::unmarked, true},
        {"needs_locked", "locked.so", LibraryKind::interlock_module, MarkerState::module_lock, true},
        {"needs_global", "global.so", LibraryKind::interlock_module, MarkerState::global_lock, true},
        {"needs_pymod", "pymod.so", LibraryKind::python_module, MarkerState::unmarked, true},
        {"needs_between", "silent.so", LibraryKind::interlock_module, MarkerState::unmarked, true},
        {"auxiliary", "silent.so", LibraryKind::interlock_module, MarkerState::unmarked, true},
        {"needs_round_b", "round_a.so", LibraryKind::library, std::nullopt, false},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.module) {
            Lab lab(with());
            const Plan plan = lab.loader.plan(row.module).value();
            BOOST_TEST(!plan.error.has_value());
            BOOST_TEST(plan.would_fall_back == row.locks);
            const PulledLibrary* planned = library(plan.libraries, row.library);
            BOOST_REQUIRE(planned != nullptr);
            BOOST_TEST(planned->file == file_of(fs::path(row.library).stem()));
            BOOST_TEST(planned->kind == row.kind);
            BOOST_TEST((planned->marker == row.marker));
            BOOST_TEST(planned->needs_lock() == row.locks);
            BOOST_TEST(planned->origin == LibraryOrigin::runpath);
            BOOST_TEST(Events::all().told().empty());

            const Module module = lab.import(row.module);
            BOOST_TEST(lab.parallel() == !row.locks);
            BOOST_TEST((module.level() == (row.locks ? ThreadingLevel::global_lock : ThreadingLevel::free)));
            BOOST_TEST(module.decision().source == (row.locks ? DecisionSource::library : DecisionSource::marker));
            // Constructors of the library have run under the lock already.
            const std::string event = fs::path(row.library).stem().string() + ":constructor";
            BOOST_TEST(Events::all().count(event + (row.locks ? " locked" : " parallel")) == 0u);
            const Texts told = Events::all().told();
            BOOST_TEST(
                (std::find(told.begin(), told.end(), event + (row.locks ? " locked" : " parallel")) != told.end()));
            // Nothing was mapped that the plan does not have.
            const ModuleStats stats = lab.stats(row.module);
            BOOST_TEST(stats.libraries.size() == plan.libraries.size());
            for (const PulledLibrary& one : stats.libraries) BOOST_TEST(one.origin != LibraryOrigin::opened, one.name);
            if (row.locks) {
                BOOST_REQUIRE(lab.warnings().size() == 1u);
                const std::string text = details_of(lab.warnings()[0]);
                CHECK_CONTAINS(text, file_of(row.module));
                CHECK_CONTAINS(text, file_of(fs::path(row.library).stem()));
            } else {
                BOOST_TEST(lab.warnings().empty());
            }
            BOOST_TEST(lab.loader.unload(row.module).ok());
            BOOST_TEST(lab.parallel());
        }
    }
}

BOOST_AUTO_TEST_CASE(the_warning_says_whose_statement_is_wanting) {
    Lab lab(with([](LoaderOptions& options) { options.policy_hint = "--policy"; }));
    lab.import("needs_between");
    BOOST_REQUIRE(lab.warnings().size() == 1u);
    const Warning warning = lab.warnings()[0];
    BOOST_TEST(warning.module == "needs_between");
    const std::string text = details_of(warning);
    CHECK_CONTAINS(text, "why          it pulls in module 'silent' of '" + file_of("silent") + "', which '" +
                             file_of("between") +
                             "' needs: the file carries no marker; a module that says nothing "
                             "needs the global lock\n");
    CHECK_CONTAINS(text, "if the library is safe, its author says so: IL_MODULE(..., FREE, ...) for each module in it");
    CHECK_CONTAINS(text, "or in " + file_of("silent") + R"(.interlock.json: {"version": 1, "module": "silent")");
    CHECK_CONTAINS(text, R"(or in a policy file (--policy): {"rules": [{"match": {"module": "needs_between"})");
}

BOOST_AUTO_TEST_CASE(who_can_say_that_a_library_is_safe) {
    const auto level = [](const LabOptions& options, const char* module, const ImportOptions& import = {}) {
        Lab lab(options);
        const Module loaded = lab.loader.import(module, import).value();
        BOOST_TEST(lab.parallel() == (loaded.level() != ThreadingLevel::global_lock));
        return loaded.decision().action;
    };
    const auto rule = [](const char* match, const char* threading) {
        return std::string(R"({"rules": [{"match": )") + match + R"(, "threading": ")" + threading +
               R"(", "reason": "r"}]})";
    };
    // A rule for the library, by its name or its file; for the module that needs it; the default for what says nothing.
    BOOST_TEST(level(under(rule(R"({"module": "silent"})", "free")), "needs_between") == PolicyAction::free);
    BOOST_TEST(level(under(rule(R"({"file": "silent.so"})", "free")), "needs_between") == PolicyAction::free);
    BOOST_TEST(level(under(rule(R"({"marker": "unmarked"})", "free")), "needs_between") == PolicyAction::free);
    BOOST_TEST(level(under(rule(R"({"module": "needs_*"})", "module_lock")), "needs_between") ==
               PolicyAction::module_lock);
    BOOST_TEST(level(under(R"({"default": {"unmarked": "free"}})"), "needs_between") == PolicyAction::free);
    BOOST_TEST(level(under(R"({"default": {"unmarked": "free"}})"), "needs_pymod") == PolicyAction::free);
    // A lock of its own is not taken by who is linked to it.
    BOOST_TEST(level(under(R"({"default": {"unmarked": "module_lock"}})"), "needs_between") ==
               PolicyAction::global_lock);
    BOOST_TEST(level(with(), "needs_between", {.threading = PolicyAction::free}) == PolicyAction::free);
    const auto overrides = [](LoaderOptions& options) { options.overrides = {{"silent", PolicyAction::free}}; };
    BOOST_TEST(level(with(overrides), "needs_between") == PolicyAction::free);
    // A manifest beside it.
    TemporaryFolder copies;
    for (const char* name : {"silent", "between", "needs_between"})
        fs::copy_file(file_of(name), copies.path() / (std::string(name) + ".so"));
    Manifest manifest;
    manifest.module = "silent";
    manifest.sha256 = sha256_file(file_of("silent")).value();
    manifest.threading = ThreadingLevel::free;
    manifest.declared_by = "we";
    manifest.reason = "audited";
    std::ofstream(manifest_path(copies.path() / "silent.so")) << to_json_text(manifest);
    BOOST_TEST(level(with({}, copies.path()), "needs_between") == PolicyAction::free);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_refused_is_refused_in_what_it_hides_in) {
    const std::string silent = file_of("silent");
    const ModuleFile file = read_module_file(silent).value();
    const struct {
        const char* module;
        std::string match;
        const char* library;
    } rows[] = {
        {"needs_plain", R"({"file": "plain.so"})", "plain"},
        {"needs_plain", R"({"file": ")" + file_of("plain") + R"("})", "plain"},
        {"needs_plain", R"({"sha256": ")" + sha256_file(file_of("plain")).value() + R"("})", "plain"},
        {"needs_between", R"({"build_id": ")" + file.build_id + R"("})", "silent"},
        {"needs_between", R"({"sha256": ")" + sha256_file(silent).value() + R"("})", "silent"},
        {"needs_between", R"({"module": "silent"})", "silent"},
        {"needs_between", R"({"marker": "unmarked"})", "silent"},
        {"needs_between", R"({"file": "between.so"})", "between"},
        {"needs_pymod", R"({"module": "pymod"})", "pymod"},
        {"auxiliary", R"({"module": "silent"})", "silent"},
    };
    for (const auto& row : rows) {
        BOOST_TEST_CONTEXT(row.module << ' ' << row.match) {
            Lab lab(under(refusing(row.match)));
            const Plan plan = lab.loader.plan(row.module).value();
            BOOST_REQUIRE(plan.error.has_value());
            BOOST_TEST(!plan.would_fall_back);
            // What is allowed to the module itself is not allowed to what it brings along.
            for (const ImportOptions& options : {ImportOptions{}, {.threading = PolicyAction::free}}) {
                const auto result = lab.loader.import(row.module, options);
                BOOST_REQUIRE(!result.ok());
                BOOST_TEST(result.error().code == Errc::refused);
                BOOST_TEST(result.error().message == plan.error->message);
                CHECK_CONTAINS(result.error().message, "module '" + std::string(row.module) + "' from '");
                CHECK_CONTAINS(result.error().message, "'" + file_of(row.library) + "'");
                CHECK_CONTAINS(result.error().message, "because: not reviewed");
            }
            BOOST_TEST(Events::all().told().empty());
            BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_refused_file_under_other_names) {
    TemporaryFolder copies;
    fs::copy_file(file_of("needs_plain"), copies.path() / "needs_plain.so");
    fs::copy_file(file_of("plain"), copies.path() / "bad.so");
    fs::create_symlink("bad.so", copies.path() / "plain.so");
    Lab lab(under(refusing(R"({"file": "bad.so"})"), copies.path()));
    BOOST_TEST((lab.failure("needs_plain") == Errc::refused));
}

BOOST_AUTO_TEST_CASE(rules_for_modules_are_not_for_libraries_that_are_none) {
    for (const char* match : {R"({"module": "*"})", R"({"marker": "unmarked"})", R"({"module": "plain"})"}) {
        Lab lab(under(R"({"rules": [{"match": {"module": "needs_*"}, "threading": "free", "reason": "r"},
                                    {"match": )" +
                      std::string(match) + R"(, "threading": "refuse", "reason": "r"}]})"));
        BOOST_TEST(lab.loader.import("needs_plain").ok(), match);
    }
    // What the program has itself, as the C library, is no question; what a module brings is.
    const std::string all = R"({"rules": [{"match": {"module": "needs_*"}, "threading": "free", "reason": "r"},
                                          {"match": {"file": "*"}, "threading": "refuse", "reason": "r"}]})";
    Lab lab(under(all));
    BOOST_TEST(lab.loader.import("needs_nothing").ok());
    BOOST_TEST((lab.failure("needs_plain") == Errc::refused));
}

BOOST_AUTO_TEST_CASE(a_filter_that_makes_it_an_error) {
    Lab lab(with([](LoaderOptions& options) { options.filters = {parse_warning_filter("error:fallback").value()}; }));
    BOOST_TEST((lab.failure("needs_between") == Errc::warning_as_error));
    BOOST_TEST(Events::all().told().empty());
    BOOST_TEST(lab.loader.import("needs_marked").ok());
}

BOOST_AUTO_TEST_CASE(a_module_that_is_loaded_already_and_pulled_in) {
    Lab lab(with());
    lab.import("silent");
    lab.import("needs_between");
    const PulledLibrary* silent = nullptr;
    const ModuleStats stats = lab.stats("needs_between");
    silent = library(stats.libraries, "silent.so");
    BOOST_REQUIRE(silent != nullptr);
    BOOST_TEST(silent->origin == LibraryOrigin::loaded);
    BOOST_TEST(lab.loader.unload("silent").ok());
    BOOST_TEST(!lab.parallel());  // its code can still be reached
    BOOST_TEST(lab.loader.unload("needs_between").ok());
    BOOST_TEST(lab.parallel());
}

BOOST_AUTO_TEST_CASE(several_modules_with_the_same_library) {
    Lab lab(with());
    lab.import("needs_silent");
    lab.import("needs_between");
    lab.import("needs_two");
    const ModuleStats stats = lab.stats("needs_two");
    BOOST_TEST(library(stats.libraries, "silent.so")->needs_lock());
    BOOST_TEST(library(stats.libraries, "locked.so")->needs_lock());
    Texts sources;
    for (const Reason& reason : stats.decision.why)
        if (reason.source == DecisionSource::library) sources.push_back(reason.text);
    BOOST_TEST(sources.size() == 2u);
    BOOST_TEST(lab.loader.unload("needs_silent").ok());
    BOOST_TEST(lab.loader.unload("needs_two").ok());
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.unload("needs_between").ok());
    BOOST_TEST(lab.parallel());
}

// The test is the program here: what a constructor makes it open is what the linker shows only afterwards.
BOOST_AUTO_TEST_CASE(damaged_and_missing_libraries_are_said_and_stop_nothing_else) {
    TemporaryFolder copies;
    fs::copy_file(file_of("needs_plain"), copies.path() / "needs_plain.so");
    fs::copy_file(file_of("needs_nothing"), copies.path() / "needs_nothing.so");
    const fs::path plain = copies.path() / "plain.so";
    Lab lab(with({}, copies.path()));
    const auto planned = [&] { return lab.loader.plan("needs_plain").value().error; };
    const auto missing = planned();
    BOOST_REQUIRE(missing.has_value());
    BOOST_TEST(missing->code == Errc::load_failed);
    CHECK_CONTAINS(missing->message,
                   "/needs_plain.so' needs the library 'plain.so', which the dynamic linker does not");
    BOOST_TEST((lab.failure("needs_plain") == Errc::load_failed));
    BOOST_TEST(lab.parallel());
#if defined(__x86_64__)
    constexpr std::uint16_t own = EM_X86_64;
#elif defined(__aarch64__)
    constexpr std::uint16_t own = EM_AARCH64;
#endif
    // More entries than any library has; a name without an end; and a marker that is none.
    ElfBuilder many, endless, lying;
    many.dynamic_texts.assign(5000, {DT_NEEDED, "x.so"});
    endless.dynamic_texts = {{DT_NEEDED, std::string(5000, 'x')}};
    lying.note_segments = {{marker_note(R"({"abi":1,"module":"..","threading":"free"})")}};
    const struct {
        ElfBuilder& builder;
        Errc code;
        const char* part;
    } rows[] = {{many, Errc::unsupported, "the dynamic section is too large"},
                {endless, Errc::malformed_file, "the name of a library"},
                {lying, Errc::malformed_marker, ""}};
    for (const auto& row : rows) {
        row.builder.machine = own;
        const Image image = row.builder.build();
        std::ofstream(plain, std::ios::binary)
            .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
        const auto error = planned();
        BOOST_REQUIRE(error.has_value());
        BOOST_TEST(error->code == row.code);
        CHECK_CONTAINS(error->message, "it cannot be judged");
        CHECK_CONTAINS(error->message, row.part);
        CHECK_CONTAINS(error->message, "module 'needs_plain' from");
        BOOST_TEST((lab.failure("needs_plain") == row.code));
    }
    BOOST_TEST(lab.loader.import("needs_nothing").ok());
    BOOST_TEST(lab.parallel());
}

// 70 libraries that need 60 others each: more names than are looked for.
BOOST_AUTO_TEST_CASE(more_libraries_than_any_module_has) {
    TemporaryFolder copies;
    fs::copy_file(file_of("needs_plain"), copies.path() / "needs_plain.so");
    const auto write = [&](const std::string& name, const std::vector<std::string>& needed) {
        ElfBuilder builder;
        builder.machine = read_module_file(file_of("plain")).value().machine == EM_X86_64 ? EM_X86_64 : EM_AARCH64;
        for (const std::string& one : needed) builder.dynamic_texts.push_back({DT_NEEDED, one});
        builder.dynamic_texts.push_back({DT_RUNPATH, "$ORIGIN"});
        const Image image = builder.build();
        std::ofstream(copies.path() / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
    };
    std::vector<std::string> first;
    for (int i = 0; i < 70; ++i) {
        first.push_back("l" + std::to_string(i) + ".so");
        std::vector<std::string> others;
        for (int j = 0; j < 60; ++j) others.push_back("m" + std::to_string(60 * i + j) + ".so");
        write(first.back(), others);
    }
    write("plain.so", first);
    Lab lab(with({}, copies.path()));
    const auto error = lab.loader.plan("needs_plain").value().error;
    BOOST_REQUIRE(error.has_value());
    BOOST_TEST(error->code == Errc::unsupported);
    CHECK_CONTAINS(error->message, "pulls in libraries beyond what interlock looks at: more than 4096");
    // The same thing with fewer: what is not there is said.
    write("plain.so", {first[0], first[1]});
    BOOST_TEST(lab.loader.plan("needs_plain").value().error->code == Errc::load_failed);
}

BOOST_AUTO_TEST_CASE(the_report_has_all_libraries) {
    Lab lab(with());
    lab.import("needs_between");
    const auto report = nlohmann::json::parse(lab.loader.report().to_json());
    const auto& libraries = report.at("modules").at(0).at("libraries");
    const auto found =
        std::find_if(libraries.begin(), libraries.end(), [](const auto& one) { return one.at("name") == "silent.so"; });
    BOOST_REQUIRE((found != libraries.end()));
    BOOST_TEST(found->at("needed_by") == file_of("between"));
    BOOST_TEST(found->at("file") == file_of("silent"));
    BOOST_TEST(found->at("found") == "runpath");
    BOOST_TEST(found->at("kind") == "interlock_module");
    BOOST_TEST(found->at("modules").dump() == R"(["silent"])");
    BOOST_TEST(found->at("marker") == "unmarked");
    BOOST_TEST(found->at("action") == "global_lock");
    BOOST_TEST(found->at("effect") == "global_lock");
    const auto plain = std::find_if(libraries.begin(), libraries.end(),
                                    [](const auto& one) { return one.at("name") == "between.so"; });
    BOOST_REQUIRE((plain != libraries.end()));
    BOOST_TEST(plain->at("marker").is_null());
    BOOST_TEST(plain->at("effect") == "none");
    // The C library is in it, too.
    BOOST_TEST(std::any_of(libraries.begin(), libraries.end(), [](const auto& one) {
        return one.at("name").template get<std::string>().starts_with("libc.") && one.at("found") == "loaded";
    }));
}
