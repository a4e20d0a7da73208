// A plan says what an import would do, and maps nothing: both are held against each other for every test module.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_plan
#include <boost/test/unit_test.hpp>

#include <set>

#include "lab.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

/// The dotted names of all modules in the directory.
Texts all_modules() {
    Texts names;
    const std::filesystem::path root(MODULE_DIRECTORY);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.path().extension() != ".so") continue;
        std::filesystem::path relative = std::filesystem::relative(entry.path(), root).replace_extension();
        if (relative.filename() == "__init__") relative = relative.parent_path();
        std::string name = relative.string();
        std::replace(name.begin(), name.end(), '/', '.');
        names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

LabOptions with(std::function<void(LoaderOptions&)> change) { return {.change = std::move(change)}; }

Texts texts(const Decision& decision) {
    Texts lines;
    for (const Reason& reason : decision.why) lines.push_back(reason.text);
    return lines;
}

}  // namespace

BOOST_AUTO_TEST_CASE(plans_agree_with_what_imports_do) {
    const auto policy = [](const char* text) {
        return with([text](LoaderOptions& options) { options.policy = parse_policy(text, {}, today_utc()).policy; });
    };
    const auto filter = [](const char* text) {
        return with([text](LoaderOptions& options) { options.filters = {parse_warning_filter(text).value()}; });
    };
    const LabOptions settings[] = {
        {},
        {.gil = GilSetting::off},
        {.gil = GilSetting::on},
        policy(R"({"default": {"unmarked": "refuse"}})"),
        policy(R"({"rules": [{"match": {"module": "unm*"}, "threading": "module_lock", "reason": "r"}]})"),
        policy(R"({"rules": [{"match": {"file": "*free*"}, "threading": "global_lock", "reason": "r"},
                             {"match": {"module": "pkg"}, "threading": "refuse", "reason": "r"}]})"),
        filter("error"),
        filter("error:marker"),
    };
    const Texts names = all_modules();
    BOOST_TEST(names.size() >= 35u);
    for (const LabOptions& setting : settings)
        for (const std::string& name : names) {
            Lab lab(setting);
            const Plan plan = lab.loader.plan(name, {.importer = "the test"}).value();
            BOOST_TEST(Events::all().told().empty());
            BOOST_TEST(lab.runtime.stats().switches_to_locked == 0u);
            BOOST_TEST(lab.warnings().empty());
            const Mode before = lab.runtime.mode();
            const auto imported = lab.loader.import(name, {.importer = "the test"});
            BOOST_TEST_CONTEXT(name << " under setting " << &setting - settings) {
                if (plan.error) {
                    BOOST_REQUIRE(!imported.ok());
                    BOOST_TEST(imported.error().code == plan.error->code);
                    BOOST_TEST(!plan.would_fall_back);
                }
                if (!imported) {
                    // What a plan cannot know: what code of the module, and the dynamic linker, will say.
                    static const std::set<Errc> later = {Errc::export_failed, Errc::init_failed, Errc::exec_failed,
                                                         Errc::load_failed, Errc::wrong_abi};
                    BOOST_TEST((plan.error || later.contains(imported.error().code)), errc_name(imported.error().code));
                    continue;
                }
                BOOST_TEST(plan.module == imported->name());
                BOOST_TEST(plan.file == imported->file());
                BOOST_TEST(plan.build_id == lab.stats(name).build_id);
                BOOST_TEST((plan.decision.action == imported->decision().action));
                BOOST_TEST(texts(plan.decision) == texts(imported->decision()), boost::test_tools::per_element());
                BOOST_TEST(plan.would_fall_back == (before == Mode::parallel && !lab.parallel()));
                BOOST_TEST((plan.entry == (name == "legacy1" ? EntryKind::legacy_init : EntryKind::export_)));
                Texts planned, issued;
                for (const Warning& warning : plan.warnings)
                    planned.push_back(warning.module + ": " + warning.headline);
                for (const Warning& warning : lab.warnings())
                    issued.push_back(warning.module + ": " + warning.headline);
                BOOST_TEST(planned == issued, boost::test_tools::per_element());
                const Plan again = lab.loader.plan(name).value();
                BOOST_TEST(again.already_loaded);
                BOOST_TEST(!again.would_fall_back);
                BOOST_TEST(again.warnings.empty());
                BOOST_TEST(!again.error.has_value());
                BOOST_TEST(texts(again.decision) == texts(imported->decision()), boost::test_tools::per_element());
                BOOST_TEST((again.entry == plan.entry));
                BOOST_TEST((again.marker == plan.marker));
            }
        }
}

BOOST_AUTO_TEST_CASE(a_plan_in_locked_mode_and_with_an_override) {
    Lab lab;
    BOOST_TEST(lab.loader.plan("unm1").value().would_fall_back);
    BOOST_TEST(!lab.loader.plan("unm1", {.threading = PolicyAction::free}).value().would_fall_back);
    lab.import("unm2");
    const Plan plan = lab.loader.plan("unm1").value();
    BOOST_TEST(!plan.would_fall_back);  // the lock is on already
    BOOST_TEST(plan.warnings.size() == 1u);
    const Plan refused = lab.loader.plan("unm1", {.threading = PolicyAction::refuse}).value();
    BOOST_REQUIRE(refused.error.has_value());
    BOOST_TEST(refused.error->code == Errc::refused);
    BOOST_TEST(refused.error->message == "module 'unm1' from '" MODULE_DIRECTORY
                                         "/unm1.so': refused: an override says refuse");
    BOOST_TEST(lab.loader.plan("free1").value().warnings.empty());
}

BOOST_AUTO_TEST_CASE(a_plan_of_what_is_not_there) {
    Lab lab;
    BOOST_TEST(lab.loader.plan("nothing").error().code == Errc::not_found);
    BOOST_TEST(lab.loader.plan("a..b").error().code == Errc::invalid_name);
    BOOST_TEST(lab.loader.plan("nothing.sub").error().code == Errc::not_found);
}

BOOST_AUTO_TEST_CASE(a_loaded_module_whose_file_is_gone_is_planned_as_loaded) {
    TemporaryFolder folder;
    const auto file = copy_module("free1.so", folder.path() / "free1.so");
    Lab lab(with([&](LoaderOptions& options) { options.search_path = {folder.path()}; }));
    lab.import("free1");
    std::filesystem::remove(file);
    const Plan plan = lab.loader.plan("free1").value();
    BOOST_TEST(plan.already_loaded);
    BOOST_TEST(!plan.error.has_value());
    BOOST_TEST(plan.file == file);
}
