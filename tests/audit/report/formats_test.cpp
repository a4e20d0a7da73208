// formats_test.cpp: each report format: what it contains, and that nothing from a file gets through it unescaped.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <sstream>

#include <interlock/audit_output.hpp>
#include <nlohmann/json.hpp>

#include "audit/fabricated.hpp"

using namespace interlock;
using namespace interlock::test;
using nlohmann::json;

namespace {

AuditReport sample() {
    BinaryAudit marked = binary_with(module_with(Verdict::free, "pkg.a"), "d/pkg-1.0.whl!pkg/a.so");
    marked.borrowed_calls = {"PyDict_Next"};
    return judged(wheel_with({marked, binary_with(module_with(Verdict::unmarked, "pkg.b"), "d/pkg-1.0.whl!pkg/b.so")}));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

/// Fields of one CSV record, by the grammar of RFC 4180; takes the record off `text`.
std::vector<std::string> take_record(std::string_view& text) {
    std::vector<std::string> fields(1);
    bool quoted_field = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted_field) {
            if (c != '"')
                fields.back() += c;
            else if (i + 1 < text.size() && text[i + 1] == '"')
                fields.back() += text[++i];
            else
                quoted_field = false;
        } else if (c == '"' && fields.back().empty()) {
            quoted_field = true;
        } else if (c == ',') {
            fields.emplace_back();
        } else if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
            text.remove_prefix(i + 2);
            return fields;
        } else {
            fields.back() += c;
        }
    }
    BOOST_ERROR("a record without an end");
    text = {};
    return fields;
}

bool has_control_characters(std::string_view text, std::string_view allowed) {
    return std::any_of(text.begin(), text.end(), [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 || byte == 0x7f) && allowed.find(c) == allowed.npos;
    });
}

/// nlohmann throws for a string that is no UTF-8.
bool is_utf8(const std::string& text) {
    try {
        return !json(text).dump().empty();
    } catch (const json::exception&) {
        return false;
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(formats)

BOOST_AUTO_TEST_CASE(names_and_endings) {
    for (const AuditFormat format : all_audit_formats)
        BOOST_TEST((audit_format_from_name(audit_format_name(format)) == format));
    BOOST_TEST(!audit_format_from_name("xml"));
    struct Row {
        const char* file;
        std::optional<AuditFormat> format;
    };
    for (const Row& row :
         {Row{"a.json", AuditFormat::json}, Row{"a.sarif", AuditFormat::sarif}, Row{"a.sarif.json", AuditFormat::sarif},
          Row{"a.jsonl", AuditFormat::ndjson}, Row{"a.ndjson", AuditFormat::ndjson}, Row{"a.md", AuditFormat::markdown},
          Row{"a.csv", AuditFormat::csv}, Row{"a.txt", AuditFormat::table}, Row{"a.xml", std::nullopt},
          Row{"json", std::nullopt}})
        BOOST_TEST((audit_format_for_file(row.file) == row.format), row.file);
}

BOOST_AUTO_TEST_CASE(nothing_from_files_gets_through) {
    for (const std::string_view text : hostile) {
        const AuditReport report = hostile_report(text);
        for (const AuditFormat format : all_audit_formats) {
            BOOST_TEST_CONTEXT(audit_format_name(format) << " with " << text) {
                AuditOutputOptions options;
                options.verbose = true;
                const std::string out = format_audit(report, format, options);
                BOOST_TEST(is_utf8(out));
                BOOST_TEST(out.ends_with('\n'));
                const bool csv = format == AuditFormat::csv;
                BOOST_TEST(!has_control_characters(out, csv ? "\r\n" : "\n"));
                // JSON keeps the text as it is, within its own rules.
                const bool data = format == AuditFormat::json || format == AuditFormat::ndjson;
                if (!data) BOOST_TEST(!contains(out, "\xe2\x80\xae"));
            }
        }
        const std::string evidence = format_evidence(report, report.binaries[0]);
        BOOST_TEST(is_utf8(evidence));
        BOOST_TEST(!has_control_characters(evidence, "\n"));
    }
}

BOOST_AUTO_TEST_CASE(the_same_report_gives_the_same_text) {
    AuditReport report = sample();
    for (const AuditFormat format : all_audit_formats) {
        const std::string first = format_audit(report, format);
        report.statistics.duration = std::chrono::seconds(7);
        BOOST_TEST(first == format_audit(report, format), audit_format_name(format));
    }
}

BOOST_AUTO_TEST_CASE(an_empty_report) {
    for (const AuditFormat format : all_audit_formats) BOOST_TEST(!format_audit({}, format).empty());
    BOOST_TEST(format_audit({}, AuditFormat::table) ==
               "no compiled modules in 0 files; 0 errors, 0 warnings, 0 notes\n");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(table)

BOOST_AUTO_TEST_CASE(for_people) {
    const std::string text = format_audit(sample(), AuditFormat::table);
    const std::vector<std::string> lines = lines_of(text);
    BOOST_TEST(lines.at(0) == "Pkg 1.0  d/pkg-1.0.whl  mixed  worst: unmarked");
    BOOST_TEST(lines.at(1) == "  MODULE  VERDICT   GIL 3.13t  GIL 3.14t  RULES");
    BOOST_TEST(lines.at(2) == "  pkg.a   free      off        off");
    BOOST_TEST(lines.at(3) == "  pkg.b   unmarked  ON         ON         IL001");
    BOOST_TEST(contains(text, "\n  error IL001 pkg/b.so: module 'pkg.b' carries no marker"));
    BOOST_TEST(contains(text, "\n  warning IL003 d/pkg-1.0.whl: 1 module of 'Pkg' is marked free"));
    BOOST_TEST(contains(text, "\n  1 note; -v shows them\n"));
    BOOST_TEST(contains(text, "\nWhat to do\n  IL001 (unmarked, 1): make the module safe and mark it"));
    BOOST_TEST(lines.back() == "2 modules in 1 package: 1 free, 1 unmarked; 1 error, 1 warning, 1 note");
    BOOST_TEST(contains(format_audit(sample(), AuditFormat::table, {.verbose = true}), "note IL010 pkg/a.so: "));
    BOOST_TEST(!contains(format_audit(sample(), AuditFormat::table, {.summary = false}), "What to do"));
    const std::string colored = format_audit(sample(), AuditFormat::table, {.color = true});
    BOOST_TEST(contains(colored, "\033[1;31munmarked\033[0m"));
}

BOOST_AUTO_TEST_CASE(what_is_accepted_and_what_was_not_read) {
    AuditReport report = sample();
    for (Finding& finding : report.findings) finding.accepted = "baseline";
    report.errors = {{"x.so", Errc::malformed_file, "'x.so' is no shared library"}};
    std::string text = format_audit(report, AuditFormat::table);
    BOOST_TEST(!contains(text, "IL001"));
    BOOST_TEST(contains(text, "not read: 'x.so' is no shared library\n"));
    BOOST_TEST(contains(text, "0 errors, 0 warnings, 0 notes, 3 accepted; 1 not read\n"));
    text = format_audit(report, AuditFormat::table, {.verbose = true});
    BOOST_TEST(contains(text, "accepted: baseline"));
}

BOOST_AUTO_TEST_CASE(a_large_package_shows_what_matters) {
    std::vector<BinaryAudit> binaries;
    for (int i = 0; i < 20; ++i) {
        const std::string name = "m" + std::to_string(i);
        binaries.push_back(binary_with(module_with(i == 7 ? Verdict::unmarked : Verdict::free, name),
                                       "d/pkg-1.0.whl!" + name + ".so"));
    }
    const AuditReport report = judged(wheel_with(std::move(binaries)));
    const std::string text = format_audit(report, AuditFormat::table);
    BOOST_TEST(contains(text, "\n  m7 "));
    BOOST_TEST(!contains(text, "\n  m8 "));
    BOOST_TEST(contains(text, "\n  and 19 modules: free\n"));
    BOOST_TEST(contains(format_audit(report, AuditFormat::table, {.verbose = true}), "\n  m8 "));
}

// The table counts what the summary counts: what an import finds.
BOOST_AUTO_TEST_CASE(counts_are_those_of_the_summary) {
    std::vector<BinaryAudit> binaries;
    for (int i = 0; i < 9; ++i) {
        const std::string name = "m" + std::to_string(i);
        binaries.push_back(binary_with(module_with(Verdict::free, name), "d/pkg-1.0.whl!" + name + ".so"));
    }
    ModuleAudit further = module_with(Verdict::free, "m0.inner");
    further.primary = false;
    binaries[0].modules.push_back(further);
    const std::string text = format_audit(judged(wheel_with(std::move(binaries))), AuditFormat::table);
    BOOST_TEST(contains(text, "\n  9 modules: free\n  and 1 further init function: free\n"), text);
    BOOST_TEST(contains(text, "\n9 modules in 1 package: 9 free; "), text);
}

BOOST_AUTO_TEST_CASE(a_package_of_which_all_that_loads_is_free) {
    AuditReport report =
        wheel_with({binary_with(module_with(Verdict::free, "pkg.a")),
                    binary_with(module_with(Verdict::not_applicable, "pkg.b"), "d/pkg-1.0.whl!pkg/b.so")});
    report.packages[0].worst = Verdict::free;
    BOOST_TEST(lines_of(format_audit(judged(std::move(report)), AuditFormat::table)).at(0) ==
               "Pkg 1.0  d/pkg-1.0.whl  all that loads: free");
}

// Nothing was found out, so there is nothing of which one could be certain.
BOOST_AUTO_TEST_CASE(what_is_not_known_has_no_confidence) {
    ModuleAudit module = module_with(Verdict::undetermined);
    module.assumed = {"PyImport_ImportModule"};
    const AuditReport report = judged(wheel_with({binary_with(module)}));
    BOOST_TEST(confidence_name(report.binaries[0].modules[0]) == "");
    BOOST_TEST(confidence_name(module_with(Verdict::free)) == "certain");
    const auto whole = json::parse(format_audit(report, AuditFormat::json));
    BOOST_TEST(whole["binaries"][0]["modules"][0]["confidence"].is_null());
    BOOST_TEST(contains(format_audit(report, AuditFormat::csv), ",undetermined,,,free_threaded,"));
    const std::string evidence = format_evidence(report, report.binaries[0], {});
    BOOST_TEST(!contains(evidence, "confidence"), evidence);
    BOOST_TEST(contains(evidence, "\n    assumed      results of PyImport_ImportModule\n"), evidence);
}

BOOST_AUTO_TEST_CASE(modules_of_one_name_are_told_apart) {
    const auto file = [](unsigned minor, AbiFlavour abi, const char* path, const char* architecture = "x86_64") {
        BinaryAudit binary = binary_with(module_with(Verdict::free, "m"), path);
        binary.abi = abi;
        binary.abi_version = PythonVersion{3, minor};
        binary.architecture = architecture;
        return binary;
    };
    const auto rows = [](std::vector<BinaryAudit> binaries) {
        return format_audit(judged(wheel_with(std::move(binaries))), AuditFormat::table);
    };
    using enum AbiFlavour;
    std::string text = rows({file(13, free_threaded, "a.so"), file(14, free_threaded, "b.so"), file(14, gil, "c.so")});
    BOOST_TEST(contains(text, "\n  m [cp313t]  free"));
    BOOST_TEST(contains(text, "\n  m [cp314t]  free"));
    BOOST_TEST(contains(text, "\n  m [cp314]   free"));
    text = rows({file(13, free_threaded, "a.so"), file(13, free_threaded, "b.so", "aarch64")});
    BOOST_TEST(contains(text, "\n  m [cp313t linux aarch64]  free"));
    text = rows({file(13, free_threaded, "d/pkg-1.0.whl!x/a.so"), file(13, free_threaded, "d/pkg-1.0.whl!y/a.so")});
    BOOST_TEST(contains(text, "\n  m [x/a.so]  free"));
    BOOST_TEST(contains(rows({file(13, free_threaded, "a.so")}), "\n  m       free"));
    BOOST_TEST(contains(rows({file(13, free_threaded, "a.so"), file(13, free_threaded, "b.so")}), "  all free\n"));
}

BOOST_AUTO_TEST_CASE(a_marker_without_effect_is_shown) {
    ModuleAudit module = module_with(Verdict::not_applicable);
    module.marker = true;
    BOOST_TEST(contains(format_audit(judged(wheel_with({binary_with(module)})), AuditFormat::table),
                        "  not_applicable (marked free)  "));
    module.confidence = Confidence::probable;
    BOOST_TEST(contains(format_audit(judged(wheel_with({binary_with(module)})), AuditFormat::table),
                        "  not_applicable (marked free, probable)  "));
}

BOOST_AUTO_TEST_CASE(columns_are_as_wide_as_a_terminal_shows_them) {
    BinaryAudit wide = binary_with(module_with(Verdict::free, "\u6a21\u5757"), "a.so");
    wide.abi = AbiFlavour::interlock;
    for (EffectOn& on : wide.modules[0].effects) on.python = {2, 7};  // not one of the report's
    const std::string text = format_audit(judged(wheel_with({wide})), AuditFormat::table);
    BOOST_TEST(contains(text, "\n  MODULE  VERDICT"));
    BOOST_TEST(contains(text, "\n  \u6a21\u5757    free     -          -"), text);
}

BOOST_AUTO_TEST_CASE(a_name_of_sixty_kilobytes_makes_no_line_that_long) {
    const std::string name = std::string(60'000, 'a') + "_end";
    const std::string text = format_audit(judged(wheel_with({binary_with(module_with(Verdict::free, name), "a.so"),
                                                             binary_with(module_with(Verdict::free), "b.so")})),
                                          AuditFormat::table);
    BOOST_TEST(contains(text, "a_end  free"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) BOOST_TEST(line.size() < 400u);
}

BOOST_AUTO_TEST_CASE(libraries_alone_are_worth_no_line) {
    const AuditReport report = judged(wheel_with({binary_with(module_with(Verdict::not_a_module, "libz"))}));
    BOOST_TEST(format_audit(report, AuditFormat::table) ==
               "no compiled modules in 9 files; 0 errors, 0 warnings, 0 notes\n");
    BOOST_TEST(contains(format_audit(report, AuditFormat::table, {.verbose = true}), "\n  libz    not_a_module"));
    BOOST_TEST(contains(format_audit(report, AuditFormat::markdown), "\n\nno compiled modules in 9 files.\n"));
}

BOOST_AUTO_TEST_CASE(no_place_is_said_twice) {
    AuditReport report = sample();
    report.findings.resize(1);
    report.findings[0].path = "policy.json";
    report.findings[0].message = "policy.json:4:1: the rule fits nothing";
    report.errors = {{"", Errc::not_found, "no such file or folder: ''"}, {"x", Errc::unreadable, "out of memory"}};
    const std::string text = format_audit(report, AuditFormat::table);
    BOOST_TEST(contains(text, " policy.json:4:1: the rule fits nothing\n"));
    BOOST_TEST(!contains(text, "policy.json: policy.json"));
    BOOST_TEST(contains(text, "\nnot read: no such file or folder: ''\n"));
    BOOST_TEST(contains(text, "\nnot read: x: out of memory\n"));
    BOOST_TEST(!contains(format_audit(report, AuditFormat::markdown), "policy.json: policy.json"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(data)

BOOST_AUTO_TEST_CASE(json_keeps_everything) {
    const json report = json::parse(format_audit(sample(), AuditFormat::json));
    BOOST_TEST(report["schema_version"] == 1);
    BOOST_TEST(report["pythons"] == json({"3.13t", "3.14t"}));
    BOOST_TEST(report["summary"]["modules"]["unmarked"] == 1);
    BOOST_TEST(report["summary"]["findings"] == json({{"error", 1}, {"warning", 1}, {"note", 1}, {"accepted", 0}}));
    BOOST_TEST(report["packages"][0]["worst"] == "unmarked");
    const json& module = report["binaries"][0]["modules"][0];
    BOOST_TEST(report["binaries"][0]["path"] == "d/pkg-1.0.whl!pkg/a.so");
    BOOST_TEST(module["marker"] == "gil_not_used");
    BOOST_TEST(module["effects"][1] ==
               json({{"python", "3.14t"}, {"effect", "keeps_gil_off"}, {"why", "for the test"}}));
    BOOST_TEST(report["binaries"][1]["modules"][0]["marker"] == nullptr);
    BOOST_TEST(report["findings"].size() == 3u);
}

BOOST_AUTO_TEST_CASE(ndjson_has_a_type_on_each_line) {
    AuditReport report = sample();
    report.errors = {{"x", Errc::unreadable, "m"}};
    report.skipped = {"y: empty"};
    std::vector<std::string> types;
    for (const std::string& line : lines_of(format_audit(report, AuditFormat::ndjson)))
        types.push_back(json::parse(line).at("type"));
    const std::vector<std::string> expected = {"package", "module", "module",  "finding", "finding",
                                               "finding", "error",  "skipped", "summary"};
    BOOST_TEST(types == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ndjson_says_of_each_module_what_it_belongs_to) {
    const auto lines = lines_of(format_audit(sample(), AuditFormat::ndjson));
    const json package = json::parse(lines.at(0)), module = json::parse(lines.at(1)), last = json::parse(lines.back());
    BOOST_TEST(package.at("worst") == "unmarked");
    BOOST_TEST(package.at("mixed") == true);
    BOOST_TEST(module.at("package") == package.at("name"));
    BOOST_TEST(module.at("package_version") == package.at("version"));
    BOOST_TEST(module.at("package_path") == package.at("path"));
    BOOST_TEST(last.at("schema_version") == 1);
}

BOOST_AUTO_TEST_CASE(csv_has_the_package_in_every_row_about_one) {
    const std::string out = format_audit(sample(), AuditFormat::csv);
    std::string_view rest = out;
    take_record(rest);
    while (!rest.empty()) {
        const std::vector<std::string> fields = take_record(rest);
        BOOST_TEST(fields.at(1) == "Pkg", fields.at(0));
        BOOST_TEST(fields.at(2) == "1.0", fields.at(0));
    }
}

BOOST_AUTO_TEST_CASE(csv_can_be_read_and_opened) {
    for (const std::string_view text : hostile) {
        const std::string out = format_audit(hostile_report(text), AuditFormat::csv);
        std::string_view rest = out;
        const std::vector<std::string> header = take_record(rest);
        BOOST_TEST(header.size() == 16u);
        std::size_t records = 0;
        while (!rest.empty()) {
            const std::vector<std::string> fields = take_record(rest);
            ++records;
            BOOST_TEST(fields.size() == header.size());
            for (const std::string& field : fields) {
                BOOST_TEST((field.empty() || std::string_view("=+-@\t\r").find(field[0]) == std::string_view::npos),
                           field);
                BOOST_TEST(!field.starts_with("\xef\xbc\x9d"));
            }
        }
        BOOST_TEST(records >= 3u);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(markdown)

BOOST_AUTO_TEST_CASE(a_comment) {
    const std::string text = format_audit(sample(), AuditFormat::markdown);
    const auto lines = lines_of(text);
    BOOST_TEST(lines.at(0) == "<!-- interlock audit -->");
    BOOST_TEST(lines.at(1) == "### Free-threading audit: 1 error, 1 warning");
    BOOST_TEST(contains(text, "\n| `pkg.b` | `d/pkg-1.0.whl!pkg/b.so` | unmarked IL001 | **on** | **on** |\n"));
    BOOST_TEST(!contains(text, "| `pkg.a` |"));
    BOOST_TEST(contains(text, "<details><summary>IL001 unmarked (error): "));
}

BOOST_AUTO_TEST_CASE(of_a_long_path_the_file_name_stays) {
    AuditReport report = sample();
    report.binaries[1].path = std::string(300, 'd') + "/b.so";
    for (Finding& finding : report.findings) finding.path = report.binaries[1].path;
    const std::string text = format_audit(report, AuditFormat::markdown);
    BOOST_TEST(contains(text, "d/b.so` | unmarked IL001 |"));
    BOOST_TEST(contains(text, "`...ddd"));
}

BOOST_AUTO_TEST_CASE(only_code_and_fences_hold_foreign_text) {
    for (const std::string_view foreign : hostile) {
        bool fence = false;
        std::size_t open = 0, closed = 0;
        for (const std::string& line : lines_of(format_audit(hostile_report(foreign), AuditFormat::markdown))) {
            if (line == "~~~~text" || line == "~~~~") {
                BOOST_TEST(fence == (line == "~~~~"));
                fence = !fence;
                continue;
            }
            if (fence) {
                BOOST_TEST(line.starts_with("- "));
                continue;
            }
            open += line.starts_with("<details>") ? 1 : 0;
            closed += line == "</details>" ? 1 : 0;
            // Outside of code spans nothing of it is left.
            std::string outside;
            bool code = false;
            for (const char c : line) {
                if (c == '`')
                    code = !code;
                else if (!code)
                    outside += c;
            }
            BOOST_TEST(!code);
            for (const char* part : {"<script", "@everyone", "http://", "=cmd"})
                BOOST_TEST(!contains(outside, part), line);
            if (line.starts_with("| `")) BOOST_TEST(std::count(line.begin(), line.end(), '|') == 6);
        }
        BOOST_TEST(!fence);
        BOOST_TEST(open == closed);
    }
}

BOOST_AUTO_TEST_CASE(fits_into_a_comment) {
    AuditReport report = sample();
    const Finding finding = report.findings.back();
    report.findings.assign(3000, finding);
    for (Finding& each : report.findings) each.message.assign(900, 'x');
    report.errors.assign(1000, {"x", Errc::unreadable, std::string(2000, 'y')});
    std::vector<BinaryAudit> binaries(300, report.binaries.back());
    for (BinaryAudit& binary : binaries) binary.path = finding.path;
    report.binaries = std::move(binaries);
    const std::string text = format_audit(report, AuditFormat::markdown);
    BOOST_TEST(text.size() < 65536u);
    BOOST_TEST(contains(text, " findings; they are in the full report\n~~~~\n"));
    BOOST_TEST(contains(text, "250 more modules are in the full report"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(evidence)

BOOST_AUTO_TEST_CASE(of_one_binary) {
    ModuleAudit module = module_with(Verdict::unmarked);
    module.slots = {{85, "Py_mod_exec", 0x1234, 0, true, true},
                    {92, "Py_slot_subslots", 0x10, 0, true, true},
                    {4, "Py_mod_gil", 1, 1, false, true},
                    {200, "slot 200", 0, 0, false, false}};
    module.calls = {{"PyModuleDef_Init", {"def"}, "def", "0x1040"}};
    module.instructions = 42;
    module.confidence = Confidence::probable;
    module.assumed = {"PyImport_ImportModule"};
    module.evidence = {{"the definition", "PyInit__m+0x14"}};
    BinaryAudit binary = binary_with(module);
    binary.abi_evidence = {{"tag cp313t", "file name"}};
    const AuditReport report = judged(wheel_with({binary}));
    const std::string text = format_evidence(report, report.binaries[0]);
    for (const char* line :
         {"  ABI          free_threaded 3.13\n", "    because    tag cp313t (file name)\n",
          "  module pkg._m (PyInit__m)\n", "    verdict      unmarked: as the test wants it\n",
          "    confidence   probable\n    assumed      results of PyImport_ImportModule\n", "    marker       none\n",
          "    3.13t        turns the GIL on: for the test\n", "    evidence     the definition (PyInit__m+0x14)\n",
          "    slot         85 Py_mod_exec = 0x1234 (address)\n", "    slot           4 Py_mod_gil = 0x1\n",
          "    slot         200 slot 200 = not known\n", "    call         PyModuleDef_Init(def) = def at 0x1040\n",
          "    instructions about 42\n", "    rule         IL001 unmarked error: "})
        BOOST_TEST(contains(text, line), line << " is not in\n" << text);
}

BOOST_AUTO_TEST_CASE(calls_that_are_left_out_are_counted) {
    ModuleAudit module = module_with(Verdict::unmarked);
    module.calls = {{"first", {}, "", ""}, {"last", {}, "", ""}};
    module.calls_left_out = 4321;
    const AuditReport report = judged(wheel_with({binary_with(module)}));
    BOOST_TEST(contains(format_evidence(report, report.binaries[0]),
                        "    call         first()\n    call         ... 4321 calls are left out here\n"
                        "    call         last()\n"));
    BOOST_TEST(contains(format_audit(report, AuditFormat::json), "\"calls_left_out\": 4321"));
}

BOOST_AUTO_TEST_SUITE_END()
