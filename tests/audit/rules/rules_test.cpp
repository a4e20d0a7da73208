// rules_test.cpp: what each rule finds and what it leaves alone; fingerprints; the policy.
//
// SPDX-License-Identifier: MIT
#include <set>
#include <sstream>

#include "audit/fabricated.hpp"
#include "report/report.hpp"
#include "verdict/symbol_lists.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

AuditReport one(ModuleAudit module) { return judged(wheel_with({binary_with(std::move(module))})); }

ModuleAudit marked_as(Verdict verdict, MarkerKind kind) {
    ModuleAudit module = module_with(verdict);
    module.marker_kind = kind;
    module.marker_value = 2;
    return module;
}

Policy policy_of(std::string_view rules) {
    using namespace std::chrono;
    PolicyFile file = parse_policy(std::string("{\"rules\": [") + std::string(rules) + "]}", "/etc/policy.json",
                                   year_month_day{year(2026), month(6), day(1)});
    BOOST_REQUIRE_MESSAGE(!has_errors(file.diagnostics), error_text(file.diagnostics));
    return std::move(file.policy);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(table)

BOOST_AUTO_TEST_CASE(every_rule_is_complete) {
    std::set<std::string_view> names;
    unsigned number = 0;
    for (const Rule& rule : rules()) {
        BOOST_TEST_CONTEXT(rule.id) {
            const std::string digits = std::to_string(++number);
            BOOST_TEST(rule.id == "IL" + std::string(3 - digits.size(), '0') + digits);
            BOOST_TEST(names.insert(rule.name).second);
            for (const std::string_view text : {rule.name, rule.summary, rule.help, rule.fix})
                BOOST_TEST(!text.empty());
            BOOST_TEST(!rule.summary.ends_with('.'));
            BOOST_TEST(find_rule(rule.id) == &rule);
            BOOST_TEST(find_rule(rule.name) == &rule);
        }
    }
    BOOST_TEST(find_rule("il001") == &rules()[0]);
    BOOST_TEST(find_rule("GIL_USED") == &rules()[1]);
    for (const char* none : {"", "IL", "IL000", "IL0011", "unmarke"}) BOOST_TEST(find_rule(none) == nullptr);
}

BOOST_AUTO_TEST_CASE(the_fix_is_there_for_each_framework) {
    for (const char* name : {"unmarked", "gil-used", "marker-too-late", "tag-mismatch", "abi3-in-free-threaded-tag",
                             "writable-globals", "hidden-state", "borrowed-references"}) {
        for (const char* framework : {"### C\n", "### Cython", "### pybind11", "### nanobind", "### PyO3", "### f2py",
                                      "### SWIG", "### mypyc", "### cffi"})
            BOOST_TEST(contains(find_rule(name)->fix, framework), name << " lacks " << framework);
    }
    // Where several have the same fix they share a heading.
    for (const char* name : {"mixed-package", "delegation-target-missing", "manifest-mismatch", "marker-value",
                             "marker-twice", "slices-disagree"}) {
        std::string headings;
        std::istringstream lines{std::string(find_rule(name)->fix)};
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("### ")) headings += ", " + line.substr(4) + ",";
        }
        for (const char* framework :
             {" C,", " Cython,", " pybind11,", " nanobind,", " PyO3,", " f2py,", " SWIG,", " mypyc,", " cffi,"})
            BOOST_TEST(contains(headings, framework), name << " lacks " << framework);
    }
}

BOOST_AUTO_TEST_CASE(words) {
    BOOST_TEST(verdict_name(Verdict::not_a_module) == "not_a_module");
    BOOST_TEST(verdict_name(Verdict::global_lock) == "global_lock");
    BOOST_TEST(abi_flavour_name(AbiFlavour::abi3t) == "abi3t");
    BOOST_TEST(effect_name(Effect::crashes) == "crashes");
    BOOST_TEST(confidence_name(Confidence::weak) == "weak");
    BOOST_TEST(level_text(Level::error) == "error");
    BOOST_TEST((PythonVersion{3, 15}).text() == "3.15t");
    for (const char* text : {"3.14t", "3.14", "314t", "314"})
        BOOST_TEST((python_version_from_text(text) == PythonVersion{3, 14}), text);
    for (const char* text : {"", "t", "3", "3.", "3.t", "3.12t", "2.14", "3.014", "3.14tt", "3.14.1", "3.99999", "a.b"})
        BOOST_TEST(!python_version_from_text(text), text);
    BOOST_TEST(default_pythons().size() == 3u);
}

BOOST_AUTO_TEST_CASE(symbols) {
    using namespace auditing;
    for (const char* name : {"strtok", "localtime", "gmtime", "setlocale", "strerror", "rand", "getenv", "setenv",
                             "strtok@GLIBC_2.2.5", "putenv$UNIX2003"})
        BOOST_TEST(auditing::verdict::keeps_hidden_state(name), name);
    for (const char* name : {"", "strtok_r", "localtime_r", "malloc", "strto", "PyList_GetItem"})
        BOOST_TEST(!auditing::verdict::keeps_hidden_state(name), name);
    BOOST_TEST(auditing::verdict::is_stateless_on("localtime", "windows"));
    BOOST_TEST(!auditing::verdict::is_stateless_on("localtime", "linux"));
    BOOST_TEST(!auditing::verdict::is_stateless_on("setlocale", "windows"));
    for (const char* name : {"PyList_GetItem", "PyDict_GetItem", "PyDict_GetItemString", "PyDict_Next",
                             "PyWeakref_GetObject", "PyImport_AddModule", "PyDict_SetDefault"})
        BOOST_TEST(auditing::verdict::returns_borrowed(name), name);
    for (const char* name : {"PyTuple_GetItem", "PyList_GetItemRef", "PyDict_GetItemRef", "PyCell_Get", "strtok"})
        BOOST_TEST(!auditing::verdict::returns_borrowed(name), name);
    BOOST_TEST(auditing::verdict::replacement_for("PyList_GetItem") == "PyList_GetItemRef");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(modules)

BOOST_AUTO_TEST_CASE(the_marker) {
    struct Row {
        ModuleAudit module;
        const char* expected;
    };
    const Row rows[] = {
        {module_with(Verdict::free), ""},
        {module_with(Verdict::not_applicable), ""},
        {module_with(Verdict::not_a_module), ""},
        {module_with(Verdict::unmarked), "IL001 error"},
        {module_with(Verdict::global_lock), "IL002 error"},
        {module_with(Verdict::undetermined), "IL005 warning"},
        {module_with(Verdict::delegated), "IL011 warning"},
        {marked_as(Verdict::unmarked, MarkerKind::set_gil_too_late), "IL007 error"},
        {marked_as(Verdict::global_lock, MarkerKind::set_gil_too_late), "IL007 error"},
        {marked_as(Verdict::not_applicable, MarkerKind::set_gil_too_late), ""},
        {marked_as(Verdict::undetermined, MarkerKind::slot_twice), "IL014 error"},
        {marked_as(Verdict::global_lock, MarkerKind::slot_value), "IL013 error"},
        {marked_as(Verdict::free, MarkerKind::slot_value), "IL013 error"},
        {marked_as(Verdict::unmarked, MarkerKind::manifest_mismatch), "IL001 error, IL012 warning"},
    };
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT(verdict_name(row.module.verdict) << " " << marker_kind_text(row.module))
        BOOST_TEST(in_short(one(row.module)) == row.expected);
    }
    ModuleAudit second = module_with(Verdict::unmarked);
    second.primary = false;
    BOOST_TEST(in_short(one(second)) == "IL001 note");
    BOOST_TEST(contains(one(second).findings[0].message, "an import of this file does not run PyInit__m"));
}

BOOST_AUTO_TEST_CASE(follows_the_interpreters) {
    const auto on = [](Verdict verdict, Effect first, Effect second) {
        ModuleAudit module = module_with(verdict);
        module.effects = {effect_on(13, first), effect_on(14, second)};
        return module;
    };
    using enum Effect;
    // None of them loads it: nobody's GIL comes on.
    const AuditReport harmless = one(on(Verdict::unmarked, cannot_load, cannot_load));
    BOOST_TEST(in_short(harmless) == "IL001 note");
    BOOST_TEST(harmless.findings[0].message ==
               "module 'pkg._m' carries no marker; none of the interpreters that were asked for loads it");
    BOOST_TEST(in_short(one(on(Verdict::global_lock, cannot_load, turns_gil_on))) == "IL002 error");
    BOOST_TEST(in_short(one(on(Verdict::delegated, cannot_load, cannot_load))) == "IL011 note");
    // The entry point of older ones says something else.
    const AuditReport older = one(on(Verdict::free, turns_gil_on, keeps_gil_off));
    BOOST_TEST(in_short(older) == "IL001 error");
    BOOST_TEST(older.findings[0].message ==
               "module 'pkg._m' is not marked free for all interpreters; an import turns the GIL on in 3.13t: for the "
               "test");
    // What is not known of one is said beside what is known of another; so --strict sees it, whatever the verdict.
    ModuleAudit half = on(Verdict::unmarked, turns_gil_on, unknown);
    half.delegated_to = "_cffi_backend";
    const AuditReport both = one(half);
    BOOST_TEST(in_short(both) == "IL001 error, IL011 warning");
    BOOST_TEST(both.findings[1].message ==
               "module 'pkg._m' leaves the decision to '_cffi_backend'; what an import "
               "does in 3.14t is not known: for the test");
    BOOST_TEST(in_short(one(on(Verdict::not_applicable, cannot_load, unknown))) == "IL005 warning");
}

BOOST_AUTO_TEST_CASE(messages_say_what_and_where) {
    const AuditReport report = one(module_with(Verdict::unmarked));
    const Finding& finding = report.findings.at(0);
    BOOST_TEST(finding.message == "module 'pkg._m' carries no marker; an import turns the GIL on in 3.13t and 3.14t");
    BOOST_TEST(finding.path == report.binaries[0].path);
    BOOST_TEST(finding.module == "pkg._m");
    BOOST_TEST(contains(finding.fix, "`interlock explain IL001`"));
    BOOST_TEST(contains(finding.fix, R"("module": "pkg._m")"));
    BinaryAudit interlock = binary_with(module_with(Verdict::global_lock), "plug/x.so");
    interlock.abi = AbiFlavour::interlock;
    BOOST_TEST(
        judged(wheel_with({interlock})).findings.at(0).message ==
        "module 'pkg._m' says that it uses the global lock; an import makes the runtime fall back to locked mode");
}

BOOST_AUTO_TEST_CASE(what_a_free_module_uses) {
    const auto with = [](auto change) {
        BinaryAudit binary = binary_with(module_with(Verdict::free));
        change(binary);
        return judged(wheel_with({binary}));
    };
    BOOST_TEST(in_short(with([](BinaryAudit& b) { b.writable_globals = 64 * 1024 - 1; })) == "");
    BOOST_TEST(in_short(with([](BinaryAudit& b) { b.writable_globals = 64 * 1024; })) == "IL008 note");
    const AuditReport state =
        with([](BinaryAudit& b) { b.stateful_calls = {"strtok", "getenv", "localtime", "strtok"}; });
    BOOST_TEST(in_short(state) == "IL009 note");
    const std::vector<std::string> listed = {"localtime", "strtok"};
    BOOST_TEST(state.findings[0].symbols == listed, boost::test_tools::per_element());
    BOOST_TEST(contains(state.findings[0].message, "localtime (instead: localtime_r), strtok (instead: strtok_r)"));
    BOOST_TEST(in_short(with([](BinaryAudit& b) { b.stateful_calls = {"getenv"}; })) == "");
    BOOST_TEST(with([](BinaryAudit& b) { b.stateful_calls = {"getenv", "setenv"}; }).findings.at(0).symbols.size() ==
               2u);
    BOOST_TEST(in_short(with([](BinaryAudit& b) {
                   b.platform = "windows";
                   b.path = "d/pkg-1.0.whl!pkg/_m.pyd";
                   b.stateful_calls = {"localtime"};
               })) == "");
    BOOST_TEST(in_short(with([](BinaryAudit& b) { b.borrowed_calls = {"PyList_GetItem"}; })) == "IL010 note");
    // One that turns the GIL on anyway has no use for the advice.
    BinaryAudit unmarked = binary_with(module_with(Verdict::unmarked));
    unmarked.writable_globals = 1 << 30;
    unmarked.borrowed_calls = {"PyList_GetItem"};
    BOOST_TEST(in_short(judged(wheel_with({unmarked}))) == "IL001 error");
}

BOOST_AUTO_TEST_CASE(packages_and_slices) {
    const AuditReport mixed =
        judged(wheel_with({binary_with(module_with(Verdict::free, "pkg.a"), "d/pkg-1.0.whl!a.so"),
                           binary_with(module_with(Verdict::unmarked, "pkg.b"), "d/pkg-1.0.whl!b.so")}));
    BOOST_TEST(in_short(mixed) == "IL003 warning, IL001 error");
    BOOST_TEST(mixed.findings[0].message == "1 module of 'Pkg' is marked free, and one is not: 'pkg.b'");

    BinaryAudit first = binary_with(module_with(Verdict::free), "x.so"), second = first;
    first.slice = second.slice = true;
    second.architecture = "aarch64";
    BOOST_TEST(in_short(judged(wheel_with({first, second}))) == "");
    second.modules[0] = module_with(Verdict::not_applicable);
    const AuditReport report = judged(wheel_with({first, second}));
    BOOST_TEST(in_short(report) == "IL018 warning");
    BOOST_TEST(contains(report.findings[0].message, "x86_64: free, aarch64: not_applicable"));

    // A slice has findings of its own, which say whose they are; the module counts once.
    first.path = second.path = "d/pkg-1.0.whl!x.so";
    second.modules[0] = module_with(Verdict::global_lock);
    BinaryAudit other = binary_with(module_with(Verdict::free, "pkg.b"), "d/pkg-1.0.whl!b.so");
    const AuditReport sliced = judged(wheel_with({first, second, other}));
    BOOST_TEST(in_short(sliced) == "IL003 warning, IL002 error, IL018 warning");
    BOOST_TEST(contains(sliced.findings[0].message, "2 modules of 'Pkg' are marked free, and one is not: 'pkg._m'"));
    BOOST_TEST(sliced.findings[1].architecture == "aarch64");
    BOOST_TEST(sliced.findings[1].message.starts_with("module 'pkg._m' (the slice for aarch64) says"));
    BOOST_TEST(sliced.findings[2].architecture == "");
    const auditing::report::FindingIndex index(sliced);
    BOOST_TEST(auditing::report::rule_ids(index.of(sliced.binaries[0], sliced.binaries[0].modules[0])) == "IL018");
    BOOST_TEST(auditing::report::rule_ids(index.of(sliced.binaries[1], sliced.binaries[1].modules[0])) ==
               "IL002 IL018");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tags)

BOOST_AUTO_TEST_CASE(against_the_binary) {
    using enum AbiFlavour;
    struct Row {
        const char* file;
        const char* wheel;
        AbiFlavour abi;
        unsigned minor;  // 0: not known
        const char *platform, *architecture, *expected;
    };
    const Row rows[] = {
        {"m.cpython-313t-x86_64-linux-gnu.so", "cp313-cp313t-manylinux_2_17_x86_64.manylinux2014_x86_64", free_threaded,
         13, "linux", "x86_64", ""},
        {"m.cpython-313t-x86_64-linux-gnu.so", "cp313-cp313t-manylinux_2_17_x86_64", gil, 13, "linux", "x86_64",
         "IL004"},
        {"m.so", "cp314-cp314t-musllinux_1_2_aarch64", free_threaded, 13, "linux", "aarch64", "IL004"},
        {"m.so", "cp314-cp314t-musllinux_1_2_aarch64", free_threaded, 0, "linux", "aarch64", ""},
        {"m.so", "cp314-cp314t-musllinux_1_2_aarch64", free_threaded, 14, "linux", "x86_64", "IL004"},
        {"m.so", "cp314-cp314-manylinux_2_28_x86_64", free_threaded, 14, "linux", "x86_64", "IL004"},
        {"m.abi3.so", "cp314-cp314-manylinux_2_28_x86_64", abi3, 0, "linux", "x86_64", ""},
        {"m.abi3.so", "cp39-abi3-manylinux_2_28_x86_64", abi3, 0, "linux", "x86_64", ""},
        {"m.abi3.so", "cp313-cp313t-manylinux_2_28_x86_64", abi3, 0, "linux", "x86_64", "IL006"},
        {"m.cpython-313t-darwin.so", "", abi3, 0, "macos", "aarch64", "IL006"},
        {"m.abi3t.so", "cp315-abi3.abi3t-manylinux_2_28_x86_64", abi3t, 0, "linux", "x86_64", ""},
        {"m.abi3.so", "cp315-abi3.abi3t-manylinux_2_28_x86_64", abi3, 0, "linux", "x86_64", "IL006"},
        {"m.abi3t-x86_64-linux-gnu.so", "cp315-abi3t-linux_x86_64", free_threaded, 15, "linux", "x86_64", "IL004"},
        {"m.cp314t-win_amd64.pyd", "cp314-cp314t-win_amd64", free_threaded, 14, "windows", "x86_64", ""},
        {"m.cp314t-win_amd64.pyd", "cp314-cp314t-win_arm64", free_threaded, 14, "windows", "x86_64", "IL004"},
        {"m.cp314-win32.pyd", "cp314-cp314-win32", gil, 14, "windows", "i386", ""},
        {"m.cpython-314-darwin.so", "cp314-cp314-macosx_11_0_arm64", gil, 14, "macos", "aarch64", ""},
        {"m.cpython-314-darwin.so", "cp314-cp314-macosx_11_0_universal2", gil, 14, "macos", "x86_64", "IL004"},
        {"m.cpython-314-darwin.so", "cp314-cp314-macosx_11_0_x86_64", gil, 14, "macos", "aarch64", "IL004"},
        {"m.cpython-37m-x86_64-linux-gnu.so", "cp37-cp37m-linux_x86_64", gil, 7, "linux", "x86_64", ""},
        {"m.so", "py3-none-any", free_threaded, 13, "linux", "x86_64", "IL004"},
        {"m.cpython-313t-darwin.so", "", free_threaded, 13, "linux", "x86_64", "IL004"},
        {"m.cp313t-win_amd64.pyd", "", free_threaded, 13, "linux", "x86_64", "IL004"},
        {"m.pyd", "", free_threaded, 13, "linux", "x86_64", "IL004"},
        {"m.cpython-313t-x86_64-linux-gnu.so", "", free_threaded, 13, "linux", "aarch64", "IL004"},
        {"m.cpython-313t-arm-linux-gnueabihf.so", "", free_threaded, 13, "linux", "arm", ""},
        {"m.cpython-313t-powerpc64le-linux-gnu.so", "", free_threaded, 13, "linux", "ppc64le", ""},
        {"m.cpython-313t-i386-linux-gnu.so", "", free_threaded, 13, "linux", "i386", ""},
        {"m.cpython-313t-x86_64-linux-musl.so", "", free_threaded, 13, "linux", "x86_64", ""},
        {"m.cpython-313t-x86_64-cygwin.dll", "", free_threaded, 13, "windows", "x86_64", ""},
        {"m.cpython-313t-darwin.so", "", free_threaded, 13, "ios", "aarch64", ""},
        {"m.cpython-314t-x86_64-linux-gnu.so", "", gil, 14, "linux", "x86_64", "IL004"},
        {"m.cpython-314t-x86_64-linux-gnu.so", "", unknown, 0, "linux", "x86_64", ""},
        {"m.cpython-.so", "-.-", gil, 14, "linux", "x86_64", ""},
        {"m.pypy39-pp73-x86_64-linux-gnu.so", "pp39-pypy39_pp73-linux_x86_64", gil, 9, "linux", "x86_64", ""},
    };
    for (const Row& row : rows) {
        BinaryAudit binary =
            binary_with(module_with(Verdict::not_applicable), std::string("d/pkg-1.0.whl!pkg/") + row.file);
        binary.abi = row.abi;
        binary.abi_version.reset();
        if (row.minor != 0) binary.abi_version = PythonVersion{3, row.minor};
        binary.platform = row.platform;
        binary.architecture = row.architecture;
        const AuditReport report = judged(wheel_with({binary}, {row.wheel}));
        BOOST_TEST_CONTEXT(row.file << " in " << row.wheel << ": " << abi_flavour_name(row.abi)) {
            BOOST_TEST((report.findings.empty() ? "" : report.findings[0].rule->id) == row.expected);
            BOOST_TEST(report.findings.size() <= 1u);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_c_library) {
    const auto in = [](const char* tag, std::vector<std::string> libraries) {
        BinaryAudit binary = binary_with(module_with(Verdict::free));
        binary.libraries = std::move(libraries);
        return in_short(judged(wheel_with({binary}, {tag})));
    };
    const char *musl = "cp313-cp313t-musllinux_1_2_x86_64", *glibc = "cp313-cp313t-manylinux_2_17_x86_64";
    BOOST_TEST(in(musl, {"libgcc_s.so.1", "libc.so.6"}) == "IL004 error");
    BOOST_TEST(in(glibc, {"libc.musl-x86_64.so.1"}) == "IL004 error");
    BOOST_TEST(in(glibc, {"libc.so.6", "ld-linux-x86-64.so.2"}) == "");
    BOOST_TEST(in(musl, {"libc.musl-x86_64.so.1"}) == "");
    BOOST_TEST(in(musl, {"libz.so.1"}) == "");  // linked statically, or without need of it
    BOOST_TEST(in("cp313-cp313t-linux_x86_64", {"libc.musl-x86_64.so.1"}) == "");
}

BOOST_AUTO_TEST_CASE(the_wheel_file_says_something_else) {
    AuditReport report = wheel_with({binary_with(module_with(Verdict::free))}, {"cp313-cp313t-linux_x86_64"});
    report.packages[0].metadata_tags = {"cp314-cp314t-linux_x86_64"};
    report = judged(std::move(report));
    BOOST_TEST(in_short(report) == "IL004 warning");
    BOOST_TEST(report.findings[0].message ==
               "the wheel is named for cp313-cp313t-linux_x86_64, but its WHEEL file says cp314-cp314t-linux_x86_64; "
               "installers go by the name");
}

BOOST_AUTO_TEST_CASE(crashes_where_an_interpreter_looks) {
    ModuleAudit module = module_with(Verdict::not_applicable);
    module.effects = {effect_on(13, Effect::crashes), effect_on(14, Effect::crashes)};
    const auto at = [&](const char* path, const char* tag = "") {
        BinaryAudit binary = binary_with(module, path);
        binary.abi = AbiFlavour::abi3;
        binary.abi_version.reset();
        std::vector<std::string> tags;
        if (*tag != '\0') tags.emplace_back(tag);
        return judged(wheel_with({binary}, tags));
    };
    const AuditReport installed = at("venv/lib/python3.13t/site-packages/pkg/_m.abi3.so");
    BOOST_TEST(in_short(installed) == "IL019 error");
    BOOST_TEST(installed.findings[0].message ==
               "the file of module 'pkg._m' is for the stable ABI with a GIL (abi3); it lies where 3.13t finds it, "
               "loads it and crashes");
    BOOST_TEST(in_short(at("x.conda!lib/python3.14t/site-packages/pkg/_m.so")) == "IL019 error");
    // Not asked for; with a GIL; no folder of modules.
    BOOST_TEST(in_short(at("venv/lib/python3.15t/site-packages/pkg/_m.abi3.so")) == "");
    BOOST_TEST(in_short(at("venv/lib/python3.13/site-packages/pkg/_m.abi3.so")) == "");
    BOOST_TEST(in_short(at("venv/lib/python3.13t/pkg/_m.abi3.so")) == "IL019 warning");
    BOOST_TEST(in_short(at("_m.abi3.so")) == "IL019 warning");
    // Wheels: by whom installers give it to.
    BOOST_TEST(in_short(at("d/pkg-1.0.whl!_m.abi3.so", "cp311-abi3-manylinux_2_17_x86_64")) == "");
    BOOST_TEST(in_short(at("d/pkg-1.0.whl!_m.abi3.so", "py3-none-manylinux_2_17_x86_64")) == "IL019 error");
    BOOST_TEST(in_short(at("d/pkg-1.0.whl!_m.abi3.so", "cp313-cp313t-manylinux_2_17_x86_64")) == "IL006 error");
    module.effects = {effect_on(15, Effect::cannot_load)};
    BOOST_TEST(in_short(at("_m.abi3.so")) == "");
    // With multi-phase initialisation the import fails: found, and of no use.
    module.effects = {effect_on(13, Effect::cannot_load), effect_on(14, Effect::crashes),
                      effect_on(15, Effect::cannot_load)};
    const AuditReport fails = at("venv/lib/python3.13t/site-packages/pkg/_m.abi3.so");
    BOOST_TEST(in_short(fails) == "IL019 error");
    BOOST_TEST(fails.findings[0].message ==
               "the file of module 'pkg._m' is for the stable ABI with a GIL (abi3); it lies where 3.13t finds it, "
               "loads it and fails to import it");
    BOOST_TEST(in_short(at("venv/lib/python3.15t/site-packages/pkg/_m.abi3.so")) == "");
    const AuditReport wheel = at("d/pkg-1.0.whl!_m.abi3.so", "py3-none-manylinux_2_17_x86_64");
    BOOST_TEST(in_short(wheel) == "IL019 error");
    BOOST_TEST(wheel.findings[0].message ==
               "the file of module 'pkg._m' is for the stable ABI with a GIL (abi3); the wheel's tag lets every "
               "interpreter have it, and it crashes 3.14t, its import fails in 3.13t");
    BOOST_TEST(at("_m.so").findings[0].message ==
               "the file of module 'pkg._m' is for the stable ABI with a GIL (abi3); where it is found it crashes "
               "3.14t, its import fails in 3.13t and 3.15t");
    // What is not known of it is said by this rule, and by no other.
    module.effects = {effect_on(13, Effect::unknown)};
    BOOST_TEST(in_short(at("d/pkg-1.0.whl!_m.abi3.so", "cp311-abi3-manylinux_2_17_x86_64")) == "");
    const AuditReport unknown = at("venv/lib/python3.13t/site-packages/pkg/_m.abi3.so");
    BOOST_TEST(in_short(unknown) == "IL019 error");
    BOOST_TEST(unknown.findings[0].message ==
               "the file of module 'pkg._m' is for the stable ABI with a GIL (abi3); it lies where 3.13t finds it, "
               "loads it and has objects of another layout");
}

BOOST_AUTO_TEST_CASE(a_library_beside_is_no_module) {
    const BinaryAudit library = binary_with(module_with(Verdict::not_a_module), "d/pkg-1.0.whl!pkg.libs/libz.so.1");
    BOOST_TEST(in_short(judged(wheel_with({library}, {"cp314-cp314-win32"}))) == "");
}

BOOST_AUTO_TEST_CASE(one_slice_that_fits_is_enough) {
    BinaryAudit first = binary_with(module_with(Verdict::not_applicable), "d/pkg-1.0.whl!m.so");
    first.platform = "macos";
    first.slice = true;
    first.abi = AbiFlavour::gil;
    first.abi_version.reset();
    BinaryAudit second = first;
    second.architecture = "aarch64";
    BOOST_TEST(in_short(judged(wheel_with({first, second}, {"cp314-cp314-macosx_11_0_arm64"}))) == "");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(fingerprints)

BOOST_AUTO_TEST_CASE(survive_a_rebuild) {
    const auto print = [](auto change) {
        AuditReport report = wheel_with({binary_with(module_with(Verdict::unmarked))});
        change(report);
        return judged(std::move(report)).findings.at(0).fingerprint;
    };
    const std::string original = print([](AuditReport&) {});
    BOOST_TEST(original.size() == 32u);
    BOOST_TEST(original == print([](AuditReport& r) {
                   r.packages[0].version = "2.0";
                   r.packages[0].path = "d/pkg-2.0.whl";
                   r.packages[0].name = "pkg";
                   r.binaries[0].path = "d/pkg-2.0.whl!pkg/_m.so";
                   r.binaries[0].sha256 = std::string(64, 'a');
                   r.binaries[0].build_id = "ff";
                   r.binaries[0].modules[0].reason = "another";
                   r.binaries[0].modules[0].evidence = {{"PyInit__m", "0x1234"}};
               }));
    const auto differs = [&](auto change) { return print(change) != original; };
    BOOST_TEST(differs([](AuditReport& r) { r.binaries[0].modules[0].name = "pkg._n"; }));
    BOOST_TEST(differs([](AuditReport& r) { r.binaries[0].architecture = "aarch64"; }));
    BOOST_TEST(differs([](AuditReport& r) { r.binaries[0].platform = "macos"; }));
    BOOST_TEST(differs([](AuditReport& r) { r.packages[0].name = "other"; }));
    // The next version of the interpreter is no other finding.
    BOOST_TEST(original == print([](AuditReport& r) { r.binaries[0].abi_version = PythonVersion{3, 14}; }));
    // Folders and files have no name that says what they are; conda's packages have.
    const auto unnamed = [&](const char* name, const char* kind, const char* version) {
        return print([&](AuditReport& r) {
            r.packages[0].name = name;
            r.packages[0].kind = kind;
            r.packages[0].version = version;
        });
    };
    BOOST_TEST(unnamed("a", "folder", "") == unnamed("b", "folder", ""));
    BOOST_TEST(unnamed("a", "archive", "1") != unnamed("b", "archive", "1"));
    BOOST_TEST(differs([](AuditReport& r) { r.binaries[0].modules[0].verdict = Verdict::global_lock; }));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(policy)

AuditReport under(std::string_view rules, ModuleAudit module) {
    const Policy policy = policy_of(rules);
    return judged(wheel_with({binary_with(std::move(module))}), &policy);
}

BOOST_AUTO_TEST_CASE(accepts_and_refuses) {
    const std::string free = R"({"match": {"module": "pkg.*"}, "threading": "free", "reason": "seen"})";
    const std::string lock = R"({"match": {"module": "pkg.*"}, "threading": "module_lock", "reason": "seen"})";
    const std::string refuse = R"({"match": {"module": "pkg.*"}, "threading": "refuse", "reason": "no"})";
    for (const Verdict verdict : {Verdict::unmarked, Verdict::global_lock, Verdict::undetermined, Verdict::delegated}) {
        BOOST_TEST(contains(in_short(under(free, module_with(verdict))), "(policy: seen)"));
        BOOST_TEST(contains(in_short(under(lock, module_with(verdict))), "(policy: seen)"));
    }
    BOOST_TEST(in_short(under(free, marked_as(Verdict::undetermined, MarkerKind::slot_twice))) == "IL014 error");
    BOOST_TEST(in_short(under(refuse, module_with(Verdict::unmarked))) == "IL001 error, IL015 error");
    BOOST_TEST(in_short(under(refuse, module_with(Verdict::free))) == "IL015 error");
    const AuditReport refused = under(refuse, module_with(Verdict::free));
    BOOST_TEST(refused.findings[0].message ==
               "module 'pkg._m' is refused by /etc/policy.json:1:12: the rule for module 'pkg.*': no");

    BinaryAudit binary = binary_with(module_with(Verdict::free));
    binary.borrowed_calls = {"PyDict_Next"};
    const Policy accepts = policy_of(free), locks = policy_of(lock);
    BOOST_TEST(in_short(judged(wheel_with({binary}), &accepts)) == "IL010 note (policy: seen)");
    BOOST_TEST(in_short(judged(wheel_with({binary}), &locks)) == "IL010 note");
}

BOOST_AUTO_TEST_CASE(by_file_hash_and_marker) {
    const auto decides = [](std::string_view match) {
        const Policy policy =
            policy_of("{\"match\": " + std::string(match) + R"(, "threading": "free", "reason": "r"})");
        BinaryAudit binary = binary_with(module_with(Verdict::unmarked));
        binary.sha256 = std::string(64, 'a');
        binary.build_id = "0123456789";
        return contains(in_short(judged(wheel_with({binary}), &policy)), "IL001 error (policy: r)");
    };
    BOOST_TEST(decides(R"({"file": "_m.*.so"})"));
    BOOST_TEST(decides(R"({"file": "*/pkg-1.0.whl!pkg/*"})") == false);  // relative to the policy's folder
    BOOST_TEST(decides(R"({"file": "/*/pkg-1.0.whl!pkg/*"})"));
    BOOST_TEST(decides("{\"sha256\": \"" + std::string(64, 'a') + "\"}"));
    BOOST_TEST(!decides("{\"sha256\": \"" + std::string(64, 'b') + "\"}"));
    BOOST_TEST(decides(R"({"build_id": "0123456789"})"));
    BOOST_TEST(decides(R"({"marker": "unmarked"})"));
    BOOST_TEST(!decides(R"({"marker": "global_lock"})"));
}

BOOST_AUTO_TEST_CASE(rules_without_use) {
    const AuditReport report = under(R"({"match": {"module": "other"}, "threading": "free", "reason": "r"},
        {"match": {"module": "pkg._m"}, "threading": "free", "reason": "r", "expires": "2026-05-31"},
        {"match": {"module": "pkg.*"}, "threading": "free", "reason": "r", "expires": "2026-06-01"})",
                                     module_with(Verdict::unmarked));
    BOOST_TEST(in_short(report) == "IL016 warning, IL017 warning, IL001 error (policy: r)");
    BOOST_TEST(report.findings[0].path == "/etc/policy.json");
    BOOST_TEST(contains(report.findings[0].message, "/etc/policy.json:1:12: the rule for module 'other'"));
    BOOST_TEST(contains(report.findings[1].message, "has expired on 2026-05-31"));
    BOOST_TEST(report.findings[0].fingerprint != report.findings[1].fingerprint);
}

BOOST_AUTO_TEST_CASE(a_default_that_refuses) {
    Policy policy;
    policy.default_unmarked = PolicyAction::refuse;
    BOOST_TEST(in_short(judged(wheel_with({binary_with(module_with(Verdict::unmarked))}), &policy)) ==
               "IL001 error, IL015 error");
    BOOST_TEST(in_short(judged(wheel_with({binary_with(module_with(Verdict::free))}), &policy)) == "");
}

BOOST_AUTO_TEST_CASE(a_mixed_package_is_accepted_with_all_that_make_it_so) {
    const auto audited = [](std::string_view pattern) {
        const Policy policy = policy_of("{\"match\": {\"module\": \"" + std::string(pattern) +
                                        R"("}, "threading": "free", "reason": "r"})");
        return in_short(judged(wheel_with({binary_with(module_with(Verdict::free, "pkg.a"), "d/pkg-1.0.whl!a.so"),
                                           binary_with(module_with(Verdict::unmarked, "pkg.b"), "d/pkg-1.0.whl!b.so"),
                                           binary_with(module_with(Verdict::unmarked, "pkg.c"), "d/pkg-1.0.whl!c.so")}),
                               &policy));
    };
    BOOST_TEST(audited("pkg.b") == "IL003 warning, IL001 error (policy: r), IL001 error");
    BOOST_TEST(audited("pkg.[bc]") ==
               "IL003 warning (policy: all of its modules that are not marked free are accepted), "
               "IL001 error (policy: r), IL001 error (policy: r)");
}

BOOST_AUTO_TEST_SUITE_END()
