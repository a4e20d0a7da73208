// files_test.cpp: the verbs that look at files: policy check, manifest create and check, inspect, explain.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_files
#include <boost/test/unit_test.hpp>

#include <interlock/audit.hpp>
#include <interlock/diagnostic.hpp>
#include <interlock/result.hpp>
#include <interlock/warning_filter.hpp>

#include "support.hpp"

using namespace interlock::test;

namespace {

const std::string modules_tree = R"({"rules": [
    {"match": {"module": "pl?in"}, "threading": "module_lock", "reason": "r"},
    {"match": {"module": "plain*"}, "threading": "free", "reason": "r"},
    {"match": {"module": "pkg*", "marker": "free"}, "threading": "free", "reason": "r"},
    {"match": {"module": "nothing"}, "threading": "refuse", "reason": "r"},
    {"match": {"module": "probe"}, "threading": "refuse", "reason": "r", "expires": "2001-01-01"}]})";

}  // namespace

BOOST_AUTO_TEST_SUITE(policy_check)

BOOST_AUTO_TEST_CASE(statuses) {
    const Folder folder;
    const std::string good = folder.write("good.json", R"({"rules": []})");
    const std::string late =
        folder.write("late.json",
                     "{\"rules\": [\n  {\"match\": {\"module\": \"x\"}, \"threading\": \"free\", \"reason\": \"r\", "
                     "\"expires\": \"2001-01-01\"}]}");
    const std::string wrong = folder.write("wrong.json", "{\n  \"rules\": [{\"match\": {\"modul\": \"x\"}}]\n}\n");

    Finished finished = call({"policy", "check", good});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == good + ": 0 rules\n");
    finished = call({"policy", "check", "-q", "--strict", good});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out == "");

    finished = call({"policy", "check", late});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.out.starts_with(late + ":2:"));
    CHECK_CONTAINS(lines_of(finished.out).at(0), "warning: ");
    CHECK_CONTAINS(lines_of(finished.out).at(0), "[expired-rule]");
    CHECK_STATUS(call({"policy", "check", "--strict", late}), 1);

    finished = call({"policy", "check", wrong});
    CHECK_STATUS(finished, 4);
    CHECK_CONTAINS(finished.out, wrong + ":2:24: error: unknown key 'modul'");
    CHECK_CONTAINS(finished.out, "[unknown-key]; did you mean 'module'?");
    BOOST_TEST(!contains(finished.out, " rules"));

    const Json json = Json::parse(call({"policy", "check", "--json", wrong}).out);
    BOOST_TEST(json.at("usable") == false);
    BOOST_TEST(json.at("diagnostics")[0].at("line") == 2);
    std::vector<std::string> codes;
    for (const Json& diagnostic : json.at("diagnostics")) codes.push_back(diagnostic.at("code"));
    BOOST_TEST(std::count(codes.begin(), codes.end(), "unknown-key") == 1);

    for (const std::string& file : {folder / "none.json", folder.path().native()}) {
        finished = call({"policy", "check", file});
        CHECK_STATUS(finished, 3);
        CHECK_CONTAINS(finished.err, "interlock: error: ");
        BOOST_TEST(finished.out == "");
    }
}

BOOST_AUTO_TEST_CASE(counts_what_each_rule_decides) {
    const Folder folder;
    const std::string policy = folder.write("policy.json", modules_tree);
    folder.copy_module("plain.so", "m/plain.so");
    folder.copy_module("plain2.so", "m/plain2.so");
    folder.copy_module("pkg/__init__.so", "m/pkg/__init__.so");
    folder.copy_module("pkg/part.so", "m/pkg/part.so");
    folder.copy_module("probe.so", "m/probe.so");
    folder.write("m/script.so", "INPUT(-lc)\n");
    folder.write("m/readme.txt", "x");
    std::filesystem::create_directory_symlink(folder / "m", folder / "m/loop");

    const Finished finished = call({"policy", "check", "--json", policy, folder / "m"});
    CHECK_STATUS(finished, 0);
    const Json json = Json::parse(finished.out);
    BOOST_TEST(json.at("modules") == 5);
    std::vector<int> decides;
    for (const Json& rule : json.at("rules")) decides.push_back(rule.at("decides"));
    const std::vector<int> expected = {1, 1, 1, 0, 0};
    BOOST_TEST(decides == expected, boost::test_tools::per_element());
    std::vector<std::string> codes;
    for (const Json& diagnostic : json.at("diagnostics")) codes.push_back(diagnostic.at("code"));
    BOOST_TEST(std::count(codes.begin(), codes.end(), "unused-rule") == 1);
    BOOST_TEST(std::count(codes.begin(), codes.end(), "expired-rule") == 1);

    const Finished text = call({"policy", "check", "--strict", policy, folder / "m/"});
    CHECK_STATUS(text, 1);
    CHECK_CONTAINS(text.out, policy + ":5:");
    CHECK_CONTAINS(text.out, "[unused-rule]");
    CHECK_CONTAINS(text.out, policy + ": 5 rules, 5 modules in ");

    CHECK_STATUS(call({"policy", "check", policy, folder / "none"}), 3);
    ::mkfifo((folder / "m/pipe.so").c_str(), 0600);
    const Finished unreadable = call({"policy", "check", policy, folder / "m"});
    CHECK_STATUS(unreadable, 3);
    CHECK_CONTAINS(unreadable.err, "pipe.so");
    CHECK_CONTAINS(unreadable.out, "5 modules");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(manifest)

Words create(const std::string& file, const Words& more = {}) {
    Words words = {"manifest", "create",        file, "--module", "plain",  "--threading",
                   "free",     "--declared-by", "us", "--reason", "audited"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

BOOST_AUTO_TEST_CASE(what_is_created_decides_the_import) {
    for (const char* pin : {"sha256", "build-id"}) {
        BOOST_TEST_CONTEXT(pin) {
            const Folder folder;
            const std::string file = folder.copy_module("plain.so", "plain.so");
            const Finished created = call(create(file, {"--pin", pin}));
            CHECK_STATUS(created, 0);
            BOOST_TEST(created.out == file + ".interlock.json\n");
            const Json manifest = Json::parse(content_of(file + ".interlock.json"));
            BOOST_TEST(manifest.at("module") == "plain");
            BOOST_TEST(manifest.contains("sha256") == (std::string(pin) == "sha256"));
            BOOST_TEST(manifest.contains("build_id") == (std::string(pin) == "build-id"));

            const Finished imported = call({"import", "--json", "--path", folder.path(), "plain"});
            CHECK_STATUS(imported, 0);
            BOOST_TEST(Json::parse(imported.out).at("modules")[0].at("decided_by") == "manifest");
            BOOST_TEST(imported.err == "");

            for (const std::string& checked : {file, file + ".interlock.json"}) {
                const Finished finished = call({"manifest", "check", checked});
                CHECK_STATUS(finished, 0);
                BOOST_TEST(finished.out == file + ".interlock.json: module 'plain' is free, as declared by 'us'\n");
            }
            // Another binary in its place.
            std::filesystem::remove(file);
            folder.copy_module("plain2.so", "plain.so");
            const Finished stale = call({"manifest", "check", file});
            CHECK_STATUS(stale, 4);
            CHECK_CONTAINS(stale.out, "error: manifest hash mismatch: it is for ");
            const Finished inspected = call({"inspect", "--json", file});
            BOOST_TEST(Json::parse(inspected.out).at("manifest").at("fits") == false);
        }
    }
}

BOOST_AUTO_TEST_CASE(is_replaced_only_with_force) {
    const Folder folder;
    const std::string file = folder.copy_module("plain.so", "plain.so");
    folder.write("plain.so.interlock.json", "precious");
    const Finished refused = call(create(file));
    CHECK_STATUS(refused, 1);
    CHECK_CONTAINS(refused.err, "exists already; use --force");
    BOOST_TEST(content_of(file + ".interlock.json") == "precious");
    CHECK_STATUS(call(create(file, {"--force"})), 0);
    CHECK_STATUS(call({"manifest", "check", file}), 0);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_created) {
    const Folder folder;
    const std::string file = folder.copy_module("plain.so", "plain.so");
    const std::string text = folder.write("text.so", "no library");
    struct Row {
        Words words;
        int status;
        const char* message;
    };
    const std::vector<Row> rows = {
        {create(folder / "none.so"), 3, "none.so"},
        {create(text), 3, "text.so"},
        {create(from_environment("INTERLOCK_COMMAND")), 1, "is no module"},
        {create(file, {"--module", "a..b"}), 2, "not be a valid manifest"},
        {create(file, {"--reason", " "}), 2, "not be a valid manifest"},
        {create(file, {"--threading", "refuse"}), 2, "--threading takes one of free|module_lock|global_lock"},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(row.message) {
            const Finished finished = call(row.words);
            CHECK_STATUS(finished, row.status);
            CHECK_CONTAINS(finished.err, row.message);
            BOOST_TEST(!std::filesystem::exists(file + ".interlock.json"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_marker_counts_before_it) {
    const Folder folder;
    const std::string file = folder.copy_module("needy.so", "needy.so");
    const Finished finished = call(create(file, {"--module", "needy"}));
    CHECK_STATUS(finished, 0);
    CHECK_CONTAINS(finished.err, "carries a marker that says 'global_lock'; it counts before the manifest");
}

BOOST_AUTO_TEST_CASE(check_of_wrong_and_missing_ones) {
    const Folder folder;
    const std::string file = folder.copy_module("plain.so", "plain.so");
    CHECK_STATUS(call({"manifest", "check", file}), 3);
    folder.write("plain.so.interlock.json", "{\"modul\": \"plain\"}");
    const Finished wrong = call({"manifest", "check", file});
    CHECK_STATUS(wrong, 4);
    CHECK_CONTAINS(wrong.out, "plain.so.interlock.json:1:2: error: ");
    CHECK_CONTAINS(wrong.out, "did you mean 'module'?");
    CHECK_STATUS(call(create(file, {"--force"})), 0);
    std::filesystem::remove(file);
    CHECK_STATUS(call({"manifest", "check", file}), 3);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(inspect)

BOOST_AUTO_TEST_CASE(a_marked_module) {
    const Folder folder;
    const std::string file = folder.copy_module("probe.so", "probe.so");
    const Json json = Json::parse(call({"inspect", "--json", file}).out);
    BOOST_TEST(json.at("schema_version") == 1);
    BOOST_TEST(json.at("is_module") == true);
    BOOST_TEST(json.at("native") == true);
    BOOST_TEST(json.at("sha256").get<std::string>().size() == 64u);
    BOOST_TEST(json.at("build_id").get<std::string>().size() == 40u);
    BOOST_TEST(json.at("markers").size() == 1u);
    BOOST_TEST(json.at("markers")[0].at("module") == "probe");
    BOOST_TEST(json.at("markers")[0].at("threading") == "free");
    BOOST_TEST(json.at("exports") == Json::array({"probe"}));
    BOOST_TEST(json.at("manifest") == nullptr);
    const Finished text = call({"inspect", file});
    CHECK_STATUS(text, 0);
    const auto lines = lines_of(text.out);
    BOOST_TEST(lines.at(0) == file);
    BOOST_TEST(lines.at(1) == "  marker       module 'probe' 1.0: free");
    BOOST_TEST(lines.at(2) == "  exports      probe");
}

BOOST_AUTO_TEST_CASE(others) {
    CHECK_CONTAINS(call({"inspect", module_folder() + "/plain.so"}).out, "  marker       none\n");
    CHECK_CONTAINS(call({"inspect", module_folder() + "/legacy.so"}).out, "  legacy init  legacy\n");
    const Finished command = call({"inspect", from_environment("INTERLOCK_COMMAND")});
    CHECK_STATUS(command, 0);
    CHECK_CONTAINS(command.out, "  module       no: there is neither a marker nor an entry point\n");
    const Folder folder;
    const std::string file = folder.copy_module("plain.so", "plain.so");
    folder.write("plain.so.interlock.json", "[]");
    CHECK_CONTAINS(call({"inspect", file}).out, "  manifest     " + file + ".interlock.json:1:1: error: ");
    for (const std::string& bad : {folder / "none.so", folder.path().native(), folder.write("text.so", "x")}) {
        const Finished finished = call({"inspect", bad});
        CHECK_STATUS(finished, 3);
        BOOST_TEST(finished.out == "");
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(explain)

void check_is_explained(const Json& codes, std::string_view kind, std::string_view code) {
    BOOST_TEST_CONTEXT(kind << " " << code) {
        const auto matches = [&](const Json& entry) { return entry.at("kind") == kind && entry.at("code") == code; };
        BOOST_TEST(std::count_if(codes.begin(), codes.end(), matches) == 1);
        const Finished finished = call({"explain", std::string(code)});
        CHECK_STATUS(finished, 0);
        CHECK_CONTAINS(finished.out, std::string(code) + " (" + std::string(kind) + ")\n  ");
    }
}

BOOST_AUTO_TEST_CASE(every_code_is_explained_once) {
    const Json codes = Json::parse(call({"explain", "--json"}).out).at("codes");
    std::size_t expected = 0;
    for (std::size_t i = 0; i < interlock::errc_count; ++i, ++expected)
        check_is_explained(codes, "error", interlock::errc_name(static_cast<interlock::Errc>(i)));
    for (const auto category : interlock::all_warning_categories) {
        check_is_explained(codes, "warning", interlock::category_name(category));
        ++expected;
    }
    for (const interlock::DiagnosticCode& code : interlock::diagnostic_codes()) {
        check_is_explained(codes, "policy diagnostic", code.code);
        ++expected;
    }
    check_is_explained(codes, "policy diagnostic", "unused-rule");
    for (const char* status : {"0", "1", "2", "3", "4", "5", "6", "70", "130"}) {
        check_is_explained(codes, "exit status", status);
        ++expected;
    }
    for (const interlock::Rule& rule : interlock::rules()) {
        check_is_explained(codes, "audit rule", rule.id);
        ++expected;
    }
    BOOST_TEST(codes.size() == expected + 1);
    for (const Json& entry : codes) {
        BOOST_TEST(!entry.at("what").get<std::string>().empty());
        const bool error =
            entry.at("kind") == "error" || entry.at("kind") == "warning" || entry.at("kind") == "audit rule";
        if (error) BOOST_TEST((!entry.at("why").empty() && !entry.at("fix").empty()));
    }
}

BOOST_AUTO_TEST_CASE(codes_are_found_however_they_are_written) {
    for (const char* code : {"unknown-key", "unknown_key", "UNKNOWN-KEY"})
        CHECK_CONTAINS(call({"explain", code}).out, "unknown-key (policy diagnostic)");
}

BOOST_AUTO_TEST_CASE(the_list_has_a_line_for_each) {
    const Finished finished = call({"explain"});
    CHECK_STATUS(finished, 0);
    BOOST_TEST(lines_of(finished.out).at(0).starts_with("CODE "));
    const std::size_t codes = Json::parse(call({"explain", "--json"}).out).at("codes").size();
    BOOST_TEST(lines_of(finished.out).size() == codes + 1);
}

BOOST_AUTO_TEST_SUITE_END()
