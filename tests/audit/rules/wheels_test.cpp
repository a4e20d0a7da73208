// wheels_test.cpp: what is said of a wheel as a whole, against its tags; and of what nobody who was asked for can load.
//
// SPDX-License-Identifier: MIT
#include <utility>

#include "audit/fabricated.hpp"
#include "report/report.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

BinaryAudit file(std::string name, const char* module, const char* platform, const char* architecture,
                 Verdict verdict = Verdict::free) {
    BinaryAudit binary = binary_with(module_with(verdict, module), "d/pkg-1.0.whl!pkg/" + std::move(name));
    binary.platform = platform;
    binary.architecture = architecture;
    return binary;
}

BinaryAudit slice(const char* module, const char* architecture) {
    BinaryAudit binary = file(std::string(module) + ".cpython-313t-darwin.so", module, "macos", architecture);
    binary.slice = true;
    return binary;
}

BinaryAudit mac(const char* module, const char* architecture) {
    BinaryAudit binary = slice(module, architecture);
    binary.slice = false;
    return binary;
}

BinaryAudit linux_file(const char* module, const char* architecture, std::vector<std::string> libraries = {}) {
    BinaryAudit binary = file(std::string(module) + ".so", module, "linux", architecture);
    binary.libraries = std::move(libraries);
    return binary;
}

/// One for another version, as its name says.
BinaryAudit of_version(unsigned minor, bool free_threaded, Verdict verdict, const char* module = "pkg._m") {
    BinaryAudit binary =
        file("_m.cpython-3" + std::to_string(minor) + (free_threaded ? "t" : "") + "-x86_64-linux-gnu.so", module,
             "linux", "x86_64", verdict);
    binary.abi = free_threaded ? AbiFlavour::free_threaded : AbiFlavour::gil;
    binary.abi_version = PythonVersion{3, minor};
    return binary;
}

std::string messages(const AuditReport& report) {
    std::string text;
    for (const Finding& finding : report.findings)
        text += std::string(finding.rule->id) + ' ' + std::string(level_text(finding.level)) + ' ' + finding.path +
                ": " + finding.message + '\n';
    return text;
}

std::string found_in(std::vector<BinaryAudit> binaries, std::vector<std::string> tags) {
    return messages(judged(wheel_with(std::move(binaries), std::move(tags))));
}

const char* const universal = "cp313-cp313t-macosx_10_13_universal2";
const char* const at_wheel = "IL004 error d/pkg-1.0.whl: ";

AuditReport for_pythons(AuditReport report, std::vector<PythonVersion> pythons) {
    AuditOptions options;
    options.pythons = std::move(pythons);
    if (!options.pythons.empty()) report.pythons = options.pythons;
    auditing::rules::find_all(report, options);
    return report;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(promised_machines)

BOOST_AUTO_TEST_CASE(half_of_a_universal_file) {
    BOOST_TEST(found_in({mac("pkg._m", "x86_64")}, {universal}) ==
               std::string(at_wheel) +
                   "the wheel's platform tag is macosx_10_13_universal2, but none of its modules is for macos on "
                   "aarch64; the only one is for macos on x86_64\n");
    BOOST_TEST(found_in({mac("pkg._m", "aarch64"), mac("pkg._n", "aarch64")}, {universal}) ==
               std::string(at_wheel) +
                   "the wheel's platform tag is macosx_10_13_universal2, but none of its modules is for macos on "
                   "x86_64; all 2 are for macos on aarch64\n");
    BOOST_TEST(found_in({slice("pkg._m", "x86_64"), slice("pkg._m", "aarch64")}, {universal}) == "");
    BOOST_TEST(found_in({mac("pkg._m", "x86_64")}, {"cp313-cp313t-macosx_10_13_x86_64"}) == "");
}

BOOST_AUTO_TEST_CASE(sets_of_tags) {
    const char* const both = "cp313-cp313t-macosx_10_13_x86_64.macosx_11_0_arm64";
    BOOST_TEST(contains(found_in({mac("pkg._m", "x86_64")}, {both}), "none of its modules is for macos on aarch64"));
    BOOST_TEST(found_in({slice("pkg._m", "x86_64"), slice("pkg._m", "aarch64")}, {both}) == "");
    for (const char* tags :
         {"cp313-cp313t-manylinux_2_17_x86_64.manylinux_2_17_aarch64", "cp313-cp313t-linux_x86_64.linux_aarch64"})
        BOOST_TEST(contains(found_in({linux_file("pkg._m", "x86_64")}, {tags}), "is for linux on aarch64"), tags);
    // The same promise in other words; and a file that runs with both C libraries.
    BOOST_TEST(found_in({linux_file("pkg._m", "x86_64", {"libc.so.6"})},
                        {"cp313-cp313t-manylinux_2_17_x86_64.manylinux2014_x86_64"}) == "");
    const char* const libraries = "cp313-cp313t-manylinux_2_17_x86_64.musllinux_1_2_x86_64";
    BOOST_TEST(found_in({linux_file("pkg._m", "x86_64")}, {libraries}) == "");
    BOOST_TEST(contains(found_in({linux_file("pkg._m", "x86_64", {"libc.so.6"})}, {libraries}),
                        "none of its modules is for linux on x86_64 with musl; the only one is for linux on x86_64 "
                        "with glibc"));
}

BOOST_AUTO_TEST_CASE(long_lists_of_tags) {
    std::string tags = "cp313-cp313t-manylinux_2_0_aarch64";
    for (int i = 1; i < 400; ++i) tags += ".manylinux_2_" + std::to_string(i) + "_aarch64";
    const std::string found = found_in({mac("pkg._m", "x86_64")}, {tags});
    BOOST_TEST(contains(found, "and 394 more"), found);
    BOOST_TEST(found.size() < 1000u, found);
}

BOOST_AUTO_TEST_CASE(one_module_of_several) {
    const std::vector<BinaryAudit> files = {slice("pkg.a", "x86_64"), slice("pkg.a", "aarch64"),
                                            mac("pkg.b", "x86_64")};
    BOOST_TEST(found_in(files, {universal}) ==
               "IL004 warning d/pkg-1.0.whl: the wheel's platform tag is macosx_10_13_universal2, but 1 of its 2 "
               "modules is not for macos on aarch64, where an import of it fails: 'pkg.b'\n");
}

BOOST_AUTO_TEST_CASE(false_alarms) {
    // A file for each architecture, of which the package takes one.
    BOOST_TEST(found_in({mac("pkg._m_intel", "x86_64"), mac("pkg._m_arm", "aarch64")}, {universal}) == "");
    // Nothing that is a module.
    BinaryAudit library = mac("libx", "x86_64");
    library.modules[0] = module_with(Verdict::not_a_module, "libx");
    BOOST_TEST(found_in({library}, {universal}) == "");
    BOOST_TEST(found_in({library, slice("pkg._m", "x86_64"), slice("pkg._m", "aarch64")}, {universal}) == "");
    BOOST_TEST(found_in({mac("pkg._m", "x86_64")}, {"cp313-cp313t-macosx_10_13_intel"}) == "");
    AuditReport incomplete = wheel_with({mac("pkg._m", "x86_64")}, {universal});
    incomplete.errors = {{"d/pkg-1.0.whl!pkg/_m.cpython-313t-darwin.so", Errc::malformed_file, "it is damaged"}};
    BOOST_TEST(in_short(judged(std::move(incomplete))) == "");
    // What fits no tag at all is said of the file.
    const AuditReport wrong = judged(wheel_with({linux_file("pkg._m", "x86_64")}, {universal}));
    BOOST_TEST(in_short(wrong) == "IL004 error");
    BOOST_TEST(wrong.findings[0].module == "pkg._m");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(wheels_for_any_platform)

BOOST_AUTO_TEST_CASE(optional_modules_are_one_note) {
    BinaryAudit windows = file("_m.cp313t-win_amd64.pyd", "pkg._m", "windows", "x86_64");
    const AuditReport report =
        judged(wheel_with({windows, mac("pkg._m", "aarch64"), linux_file("pkg._n", "x86_64", {"libc.so.6"})},
                          {"py2-none-any", "py3-none-any"}));
    BOOST_TEST(messages(report) ==
               "IL004 note d/pkg-1.0.whl: the wheel's platform tag is any, and 2 modules in it are for linux on x86_64 "
               "with glibc, macos on aarch64, windows on x86_64 only; elsewhere the package has to do without them\n");
    // A name that lies is no option.
    BOOST_TEST(contains(found_in({file("_m.cpython-313t-darwin.so", "pkg._m", "linux", "x86_64")}, {"py3-none-any"}),
                        "IL004 error d/pkg-1.0.whl!pkg/_m.cpython-313t-darwin.so: the file name says "
                        "cpython-313t-darwin, but the binary is for linux on x86_64\n"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(files_of_other_builds)

BOOST_AUTO_TEST_CASE(are_one_warning) {
    const std::vector<BinaryAudit> files = {
        of_version(12, false, Verdict::not_applicable), of_version(13, false, Verdict::not_applicable),
        of_version(13, true, Verdict::free), of_version(14, true, Verdict::unmarked),
        file("_m.cpython-313t-darwin.so", "pkg._m", "macos", "aarch64")};
    const AuditReport report = judged(wheel_with(files, {"cp313-cp313t-manylinux_2_17_x86_64"}));
    BOOST_TEST(contains(
        messages(report),
        "IL004 warning d/pkg-1.0.whl: 4 files of other builds are left in the wheel, where no interpreter that gets "
        "it looks for them: '_m.cpython-312-x86_64-linux-gnu.so', '_m.cpython-313-x86_64-linux-gnu.so', "
        "'_m.cpython-313t-darwin.so', '_m.cpython-314t-x86_64-linux-gnu.so'\n"));
    // What one of them does when it is imported happens to nobody.
    BOOST_TEST(in_short(report) == "IL003 warning, IL004 warning, IL001 note");
    BOOST_TEST(contains(messages(report), "carries no marker; no interpreter that gets the wheel looks for the file"));
}

BOOST_AUTO_TEST_CASE(the_only_file_of_a_module_is_an_error) {
    const char* const tag = "cp313-cp313t-manylinux_2_17_x86_64";
    BOOST_TEST(in_short(judged(wheel_with({of_version(12, false, Verdict::not_applicable)}, {tag}))) == "IL004 error");
    // That another module has a file does not help this one.
    BOOST_TEST(in_short(judged(wheel_with(
                   {of_version(12, false, Verdict::not_applicable, "pkg._n"), of_version(13, true, Verdict::free)},
                   {tag}))) == "IL004 error");
}

BOOST_AUTO_TEST_CASE(what_an_interpreter_finds_by_its_name_is_an_error) {
    // The name of this one is for 3.13t, and what is in it is not.
    BinaryAudit lies = of_version(12, false, Verdict::not_applicable);
    lies.path = "d/pkg-1.0.whl!pkg/other/_m.cpython-313t-x86_64-linux-gnu.so";
    const char* const tag = "cp313-cp313t-manylinux_2_17_x86_64";
    BOOST_TEST(in_short(judged(wheel_with({lies, of_version(13, true, Verdict::free)}, {tag}))) == "IL004 error");
    BinaryAudit bare = of_version(12, false, Verdict::not_applicable);
    bare.path = "d/pkg-1.0.whl!pkg/_m.so";
    BOOST_TEST(in_short(judged(wheel_with({bare, of_version(13, true, Verdict::free)}, {tag}))) == "IL004 error");
}

BOOST_AUTO_TEST_CASE(have_fingerprints_of_their_own) {
    const AuditReport report =
        judged(wheel_with({mac("pkg._m", "x86_64"), of_version(12, false, Verdict::not_applicable)}, {universal}));
    BOOST_REQUIRE(report.findings.size() == 2u);
    BOOST_TEST(report.findings[0].fingerprint != report.findings[1].fingerprint);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(what_was_asked_for)

BOOST_AUTO_TEST_CASE(nothing_loads) {
    ModuleAudit module = module_with(Verdict::free);
    module.effects = {{{3, 14}, Effect::cannot_load, "the file is for 3.13t"}};
    const AuditReport wheel = wheel_with({binary_with(module)});
    const AuditReport report = for_pythons(wheel, {{3, 14}});
    BOOST_TEST(messages(report) ==
               "IL020 warning d/pkg-1.0.whl: nothing of 'Pkg' can be loaded by 3.14t, which was asked for; module "
               "'pkg._m': the file is for 3.13t\n");
    // Nobody asked.
    BOOST_TEST(in_short(for_pythons(wheel, {})) == "");
}

BOOST_AUTO_TEST_CASE(one_that_loads_is_enough) {
    const auto with = [](auto change) {
        ModuleAudit module = module_with(Verdict::free);
        module.effects = {effect_on(13, Effect::cannot_load), effect_on(14, Effect::cannot_load)};
        AuditReport report = wheel_with({binary_with(module)});
        change(report);
        return in_short(for_pythons(report, {{3, 13}, {3, 14}}));
    };
    BOOST_TEST(with([](AuditReport&) {}) == "IL020 warning");
    const auto other_build = [](const char* name) {
        return [name](AuditReport& report) {
            PackageAudit other = report.packages[0];
            other.name = name;
            other.path = "d/other.whl";
            report.packages.push_back(other);
            BinaryAudit binary = binary_with(module_with(Verdict::free), "d/other.whl!pkg/_m.so");
            binary.package = 1;
            report.binaries.push_back(binary);
        };
    };
    BOOST_TEST(with(other_build("PKG")) == "");
    BOOST_TEST(with(other_build("another")) == "IL020 warning");
    // One interpreter of those that were asked for; what crashes it is loaded, and said by another rule.
    BOOST_TEST(with([](AuditReport& r) { r.binaries[0].modules[0].effects[1].effect = Effect::unknown; }) ==
               "IL005 warning");
    BOOST_TEST(with([](AuditReport& r) { r.binaries[0].modules[0].effects[1].effect = Effect::crashes; }) == "");
    // A library is nothing that an interpreter would load; interlock's modules are for none.
    BOOST_TEST(with([](AuditReport& r) { r.binaries[0].modules[0] = module_with(Verdict::not_a_module); }) == "");
    BOOST_TEST(with([](AuditReport& r) { r.binaries[0].modules[0].effects.clear(); }) == "");
}

BOOST_AUTO_TEST_SUITE_END()
