// Which source decides the threading level of an import, and what every source is said to have said.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_decision
#include <boost/test/unit_test.hpp>

#include <interlock/digest.hpp>

#include "lab.hpp"

namespace interlock {
std::ostream& boost_test_print_type(std::ostream& out, PolicyAction action) { return out << action_name(action); }
std::ostream& boost_test_print_type(std::ostream& out, DecisionSource source) { return out << source_name(source); }
}  // namespace interlock

using namespace interlock;
using namespace interlock::test;

namespace {

/// "source: says (decided): text", or "source: -: text" for one without a say.
Texts reasons(const Decision& decision) {
    Texts lines;
    for (const Reason& reason : decision.why)
        lines.push_back(std::string(source_name(reason.source)) + ": " +
                        (reason.says ? std::string(action_name(*reason.says)) : "-") +
                        (reason.decided ? " (decided): " : ": ") + reason.text);
    return lines;
}

Policy policy_of(const std::string& text) {
    PolicyFile file = parse_policy(text, {}, today_utc());
    BOOST_REQUIRE_MESSAGE(!has_errors(file.diagnostics), error_text(file.diagnostics));
    return file.policy;
}

const std::string default_reason = "default: global_lock (decided): a module that says nothing needs the global lock";
const std::string overruled_default = "default: global_lock: a module that says nothing needs the global lock";
const std::string no_marker = "marker: -: the file carries no marker";

std::string build_id_of(const std::filesystem::path& file) { return read_module_file(file).value().build_id; }

std::string manifest_for(const std::string& module, const std::string& hash, const std::string& level) {
    return "{\"module\": \"" + module + "\", " + hash + ", \"threading\": \"" + level +
           "\", \"declared_by\": \"a test\", \"reason\": \"to see\"}";
}

/// A folder with a copy of unm1 and a manifest beside it, and what the loader decides for it.
struct WithManifest {
    WithManifest(const std::string& module, const std::function<std::string(const std::filesystem::path&)>& manifest) {
        const auto file = copy_module(module + ".so", folder.path() / (module + ".so"));
        folder.write(module + ".so.interlock.json", manifest(file));
        lab.emplace(LabOptions{.change = [&](LoaderOptions& options) { options.search_path = {folder.path()}; }});
        plan = lab->loader.plan(module).value();
        imported = lab->import(module).decision();
    }
    TemporaryFolder folder;
    std::optional<Lab> lab;
    Plan plan;
    Decision imported;
};

}  // namespace

BOOST_AUTO_TEST_CASE(markers_decide) {
    Lab lab;
    const std::pair<const char*, PolicyAction> table[] = {
        {"free1", PolicyAction::free}, {"lock1", PolicyAction::module_lock}, {"glob1", PolicyAction::global_lock}};
    for (const auto& [name, action] : table) {
        const Module module = lab.import(name);
        const std::string says(action_name(action));
        BOOST_TEST(module.decision().action == action);
        BOOST_TEST(module.decision().source == DecisionSource::marker);
        BOOST_TEST(
            reasons(module.decision()) ==
                (Texts{"marker: " + says + " (decided): the marker in the file says " + says, overruled_default}),
            boost::test_tools::per_element());
        BOOST_TEST((module.level() == static_cast<ThreadingLevel>(action)));
    }
    const Decision unmarked = lab.import("unm1").decision();
    BOOST_TEST(unmarked.action == PolicyAction::global_lock);
    BOOST_TEST(reasons(unmarked) == (Texts{no_marker, default_reason}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_override_is_over_everything_and_says_so) {
    const auto change = [](LoaderOptions& options) {
        options.policy =
            policy_of(R"({"rules": [{"match": {"module": "*"}, "threading": "module_lock", "reason": "r"}]})");
        options.overrides = {{"glob1", PolicyAction::free}, {"free1", PolicyAction::refuse}};
    };
    Lab lab({.change = change});
    const Decision decision = lab.import("glob1").decision();
    BOOST_TEST(decision.source == DecisionSource::override_);
    BOOST_TEST(reasons(decision) ==
                   (Texts{"override: free (decided): an override says free",
                          "policy: module_lock: the policy: the rule for module '*' says module_lock, because: r",
                          "marker: global_lock: the marker in the file says global_lock", overruled_default}),
               boost::test_tools::per_element());
    BOOST_TEST(lab.parallel());
    BOOST_TEST((lab.failure("free1") == Errc::refused));
    // The one for this import alone is over the loader's.
    const auto single = lab.loader.import("free1", {.threading = PolicyAction::module_lock});
    BOOST_REQUIRE(single.ok());
    BOOST_TEST((single->level() == ThreadingLevel::module_lock));
    BOOST_TEST(lab.import("lock1").decision().source == DecisionSource::policy);
}

BOOST_AUTO_TEST_CASE(policy_rules_match_by_everything_a_file_has) {
    const std::filesystem::path file = std::filesystem::path(MODULE_DIRECTORY) / "unm1.so";
    const std::string sha256 = sha256_file(file).value();
    const std::string other(64, '0');
    struct Row {
        std::string match;
        bool matches;
    };
    const Row rows[] = {
        {R"("module": "unm1")", true},
        {R"("module": "unm?")", true},
        {R"("module": "unm2")", false},
        {R"("file": "unm1.so")", true},
        {R"("file": ")" + file.string() + '"', true},
        {R"("file": "/nowhere/*")", false},
        {R"("sha256": ")" + sha256 + '"', true},
        {R"("sha256": ")" + other + '"', false},
        {R"("build_id": ")" + build_id_of(file) + '"', true},
        {R"("build_id": "00112233445566778899")", false},
        {R"("marker": "unmarked")", true},
        {R"("marker": "free")", false},
        {R"("module": "unm1", "marker": "unmarked", "sha256": ")" + sha256 + '"', true},
        {R"("module": "unm1", "marker": "global_lock")", false},
    };
    for (const Row& row : rows) {
        const std::string text =
            R"({"rules": [{"match": {)" + row.match + R"(}, "threading": "free", "reason": "why"}]})";
        Lab lab({.change = [&](LoaderOptions& options) { options.policy = policy_of(text); }});
        const Decision decision = lab.import("unm1").decision();
        BOOST_TEST_CONTEXT(row.match) {
            BOOST_TEST(decision.source == (row.matches ? DecisionSource::policy : DecisionSource::default_));
            BOOST_TEST(lab.parallel() == row.matches);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_link_with_another_name_is_no_way_around_a_rule_for_a_file) {
    // pair_global.so is a link to pair_free.so, which holds both modules.
    for (const char* pattern : {"pair_free.so", "*/pair_fre?.so", MODULE_DIRECTORY "/pair_free.so"}) {
        const std::string text = R"({"rules": [{"match": {"file": ")" + std::string(pattern) +
                                 R"("}, "threading": "refuse", "reason": "not reviewed"}]})";
        Lab lab({.change = [&](LoaderOptions& options) { options.policy = policy_of(text); }});
        BOOST_TEST_CONTEXT(pattern) {
            BOOST_TEST((lab.failure("pair_free") == Errc::refused));
            BOOST_TEST((lab.failure("pair_global") == Errc::refused));
            BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
        }
    }
    // By the name of the link, too, and then it is for the link alone.
    Lab lab({.change = [&](LoaderOptions& options) {
        options.policy = policy_of(
            R"({"rules": [{"match": {"file": "pair_global.so"}, "threading": "refuse", "reason": "not reviewed"}]})");
    }});
    BOOST_TEST((lab.failure("pair_global") == Errc::refused));
    BOOST_TEST(lab.import("pair_free").loaded());
}

BOOST_AUTO_TEST_CASE(the_first_rule_that_has_not_expired_decides_and_names_its_place) {
    TemporaryFolder folder;
    const std::string where = folder.write("my.policy.json", R"({"rules": [
 {"match": {"module": "unm1"}, "threading": "free", "reason": "old", "expires": "2001-02-03"},
 {"match": {"module": "other"}, "threading": "free", "reason": "no", "expires": "2001-02-03"},
 {"match": {"module": "unm*"}, "threading": "module_lock", "reason": "new\nline", "expires": "2999-12-31"},
 {"match": {"module": "unm1"}, "threading": "refuse", "reason": "never reached"}]})");
    Lab lab(
        {.change = [&](LoaderOptions& options) { options.policy = read_policy(where, today_utc()).value().policy; }});
    const Decision decision = lab.import("unm1").decision();
    BOOST_TEST(reasons(decision) ==
                   (Texts{"policy: -: " + where + ":2: the rule for module 'unm1' has expired, so it does not count",
                          "policy: module_lock (decided): " + where +
                              ":4: the rule for module 'unm*' says module_lock, because: new\\nline",
                          no_marker, overruled_default}),
               boost::test_tools::per_element());
    BOOST_TEST((lab.import("unm1").level() == ThreadingLevel::module_lock));
}

BOOST_AUTO_TEST_CASE(the_default_of_the_policy_is_for_unmarked_modules_only) {
    const auto change = [](LoaderOptions& options) {
        options.policy = policy_of(R"({"default": {"unmarked": "module_lock"}})");
    };
    Lab lab({.change = change});
    const Decision unmarked = lab.import("unm1").decision();
    BOOST_TEST(reasons(unmarked) ==
                   (Texts{no_marker,
                          "default: module_lock (decided): the policy's default for unmarked modules is module_lock"}),
               boost::test_tools::per_element());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.import("free1").decision().source == DecisionSource::marker);
}

BOOST_AUTO_TEST_CASE(a_policy_that_refuses_unmarked_modules) {
    const auto change = [](LoaderOptions& options) {
        options.policy = policy_of(R"({"default": {"unmarked": "refuse"}})");
    };
    Lab lab({.change = change});
    const auto refused = lab.loader.import("unm1");
    BOOST_REQUIRE(!refused.ok());
    BOOST_TEST((refused.error().code == Errc::refused));
    BOOST_TEST(refused.error().message == "module 'unm1' from '" MODULE_DIRECTORY
                                          "/unm1.so': refused: the policy's default for unmarked modules is refuse");
    BOOST_TEST(lab.import("free1").loaded());
}

BOOST_AUTO_TEST_CASE(a_manifest_with_the_right_hash_decides) {
    for (const bool by_build_id : {true, false}) {
        WithManifest with("unm1", [&](const std::filesystem::path& file) {
            return manifest_for("unm1",
                                by_build_id ? "\"build_id\": \"" + build_id_of(file) + '"'
                                            : "\"sha256\": \"" + sha256_file(file).value() + '"',
                                "free");
        });
        BOOST_TEST(
            reasons(with.imported) ==
                (Texts{no_marker,
                       "manifest: free (decided): the manifest beside the file, declared by 'a test', says free, "
                       "because: to see",
                       overruled_default}),
            boost::test_tools::per_element());
        BOOST_TEST(with.imported.source == DecisionSource::manifest);
        BOOST_TEST(with.lab->parallel());
        BOOST_TEST(with.lab->warnings().empty());
        BOOST_TEST(reasons(with.plan.decision) == reasons(with.imported), boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(a_manifest_that_does_not_fit_is_ignored_with_a_warning) {
    struct Row {
        std::function<std::string(const std::filesystem::path&)> manifest;
        std::string why;
    };
    const std::string zeros(64, '0');
    const auto file_hash = [](const std::filesystem::path& file) { return sha256_file(file).value(); };
    const std::filesystem::path original = std::filesystem::path(MODULE_DIRECTORY) / "unm1.so";
    const Row rows[] = {
        {[&](const auto&) { return manifest_for("unm1", "\"sha256\": \"" + zeros + '"', "free"); },
         "manifest hash mismatch: it is for sha256 " + zeros + ", the file has " + file_hash(original)},
        {[&](const auto&) { return manifest_for("unm1", "\"build_id\": \"0011223344556677\"", "free"); },
         "manifest hash mismatch: it is for build-id 0011223344556677, the file has " + build_id_of(original)},
        {[&](const auto& file) {
             return manifest_for("unm1", "\"build_id\": \"" + build_id_of(file) + "\", \"sha256\": \"" + zeros + '"',
                                 "free");
         },
         "manifest hash mismatch: it is for sha256 " + zeros + ", the file has " + file_hash(original)},
        {[&](const auto& file) { return manifest_for("unm2", "\"sha256\": \"" + file_hash(file) + '"', "free"); },
         "it is for module 'unm2'"},
        {[](const auto&) { return std::string("{\"module\": 3,\n \"unknown\": 1}"); }, "it is not valid: "},
        {[](const auto&) { return std::string("no json"); }, "it is not valid: "},
    };
    for (const Row& row : rows) {
        WithManifest with("unm1", row.manifest);
        BOOST_TEST_CONTEXT(row.why) {
            BOOST_REQUIRE(with.imported.why.size() == 3);
            const Reason& said = with.imported.why[1];
            BOOST_TEST(said.source == DecisionSource::manifest);
            BOOST_TEST(!said.says.has_value());
            if (row.why.ends_with(": "))
                BOOST_TEST(said.text.starts_with(row.why));
            else
                BOOST_TEST(said.text == row.why);
            BOOST_TEST(with.imported.action == PolicyAction::global_lock);
            const std::vector<Warning> warnings = with.lab->warnings();
            BOOST_REQUIRE(warnings.size() == 2);
            BOOST_TEST((warnings[0].category == WarningCategory::manifest));
            BOOST_TEST(warnings[0].headline == "the manifest of module 'unm1' is ignored: " + said.text);
            BOOST_TEST(warnings[0].headline.find('\n') == std::string::npos);
            BOOST_TEST((warnings[1].category == WarningCategory::fallback));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_manifest_does_not_overrule_a_marker) {
    WithManifest with("glob1", [](const std::filesystem::path& file) {
        return manifest_for("glob1", "\"sha256\": \"" + sha256_file(file).value() + '"', "free");
    });
    BOOST_TEST(with.imported.source == DecisionSource::marker);
    BOOST_TEST(with.imported.action == PolicyAction::global_lock);
    BOOST_REQUIRE(with.lab->warnings().size() == 2);
    BOOST_TEST(with.lab->warnings()[0].headline ==
               "module 'glob1': the marker in the file says global_lock, its manifest says free; the marker counts");
}

BOOST_AUTO_TEST_CASE(a_manifest_overrules_the_policys_default_but_no_rule) {
    for (const bool rule : {true, false}) {
        TemporaryFolder folder;
        const auto file = copy_module("unm1.so", folder.path() / "unm1.so");
        folder.write("unm1.so.interlock.json",
                     manifest_for("unm1", "\"sha256\": \"" + sha256_file(file).value() + '"', "free"));
        const char* text =
            rule ? R"({"rules": [{"match": {"marker": "unmarked"}, "threading": "module_lock", "reason": "r"}]})"
                 : R"({"default": {"unmarked": "refuse"}})";
        Lab lab({.change = [&](LoaderOptions& options) {
            options.search_path = {folder.path()};
            options.policy = policy_of(text);
        }});
        BOOST_TEST(lab.import("unm1").decision().source == (rule ? DecisionSource::policy : DecisionSource::manifest));
    }
}

BOOST_AUTO_TEST_CASE(a_level_of_a_later_version_counts_as_no_marker_and_is_told) {
    Lab lab;
    const Decision decision = lab.import("bad_marker_level").decision();
    BOOST_TEST(
        reasons(decision) ==
            (Texts{"marker: -: the marker in the file says 'per_object', which this version of interlock does not "
                   "know",
                   default_reason}),
        boost::test_tools::per_element());
    BOOST_REQUIRE(lab.warnings().size() == 2);
    BOOST_TEST((lab.warnings()[0].category == WarningCategory::marker));
    BOOST_TEST(lab.warnings()[0].headline ==
               "module 'bad_marker_level' states a threading level that is not known: 'per_object'; it is treated as "
               "unmarked");
}

BOOST_AUTO_TEST_CASE(a_marker_for_another_module_does_not_count) {
    Lab lab;
    const Decision decision = lab.import("bad_marker_module").decision();
    BOOST_TEST(reasons(decision) ==
                   (Texts{"marker: -: the file carries a marker, but for module 'somebody_else'", default_reason}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_modules_in_one_file_have_their_own_markers) {
    Lab lab;
    BOOST_TEST((lab.import("pair_free").level() == ThreadingLevel::free));
    BOOST_TEST(lab.parallel());
    BOOST_TEST((lab.import("pair_global").level() == ThreadingLevel::global_lock));
    BOOST_TEST(!lab.parallel());
    BOOST_TEST(lab.loader.unload("pair_global").ok());
    BOOST_TEST(lab.parallel());
    BOOST_TEST(lab.import("pair_free").loaded());
}

BOOST_AUTO_TEST_CASE(a_legacy_module_speaks_from_its_init_function) {
    struct Row {
        const char* policy;
        int says;  // 0: nothing, else 1 + the level
        PolicyAction action;
        DecisionSource source;
        bool warns;
    };
    const Row rows[] = {
        {nullptr, 0, PolicyAction::global_lock, DecisionSource::default_, true},
        {nullptr, 1, PolicyAction::global_lock, DecisionSource::init, true},
        {nullptr, 2, PolicyAction::module_lock, DecisionSource::init, false},
        {nullptr, 3, PolicyAction::free, DecisionSource::init, false},
        {R"({"default": {"unmarked": "free"}})", 0, PolicyAction::free, DecisionSource::default_, false},
        {R"({"default": {"unmarked": "free"}})", 1, PolicyAction::global_lock, DecisionSource::init, true},
        {R"({"default": {"unmarked": "module_lock"}})", 3, PolicyAction::free, DecisionSource::init, false},
        {R"({"default": {"unmarked": "module_lock"}})", 1, PolicyAction::global_lock, DecisionSource::init, true},
        {R"({"rules": [{"match": {"module": "legacy1"}, "threading": "module_lock", "reason": "r"}]})", 3,
         PolicyAction::module_lock, DecisionSource::policy, false},
        {R"({"rules": [{"match": {"module": "legacy1"}, "threading": "global_lock", "reason": "r"}]})", 3,
         PolicyAction::global_lock, DecisionSource::policy, true},
    };
    for (const Row& row : rows) {
        Lab lab({.change = [&](LoaderOptions& options) {
            if (row.policy != nullptr) options.policy = policy_of(row.policy);
        }});
        Events::all().on("legacy1:init", [&] { return row.says; });
        const Module module = lab.import("legacy1");
        const Decision decision = module.decision();
        BOOST_TEST_CONTEXT((row.policy == nullptr ? "no policy" : row.policy) << ", init says " << row.says) {
            BOOST_TEST(decision.action == row.action);
            BOOST_TEST(decision.source == row.source);
            BOOST_TEST(std::count_if(decision.why.begin(), decision.why.end(),
                                     [](const Reason& r) { return r.decided; }) == 1);
            BOOST_TEST(lab.parallel() == (row.action != PolicyAction::global_lock));
            BOOST_TEST(lab.warnings().size() == (row.warns ? 1u : 0u));
            // The gate is the one of the decision.
            const std::uint64_t before = lab.stats("legacy1").calls_module_lock;
            BOOST_TEST(module.function("count").value()({}).value().get<std::int64_t>() == 1);
            const std::uint64_t behind_its_lock = lab.stats("legacy1").calls_module_lock - before;
            BOOST_TEST(behind_its_lock == (row.action == PolicyAction::module_lock ? 1u : 0u));
        }
    }
}
