// whole_test.cpp: audit() from inputs to report, with a stand-in for what judges a binary: the text in the file says
// what becomes of it.
//
// SPDX-License-Identifier: MIT
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <oneapi/tbb/global_control.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <new>
#include <set>
#include <thread>

#include <interlock/confinement.hpp>
#include <interlock/digest.hpp>

#include "audit/inputs/archive_maker.hpp"
#include "verdict/binary.hpp"

namespace interlock {
namespace auditing::verdict {

namespace {
std::vector<std::string> names_of_others;

/// Seen by the processes that judge as well.
std::atomic<bool>* const being_read =
    new (::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<bool>(false);
}  // namespace

Result<std::vector<BinaryAudit>> audit_binary(image::Bytes file, const BinaryContext& context,
                                              const AuditOptions& options, std::span<const image::Bytes>) {
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    if (text.find("always dies") != text.npos) std::abort();
    if (text.find("dies when run") != text.npos && context.not_run_because.empty()) ::raise(SIGSEGV);
    if (text.find("spins") != text.npos && context.not_run_because.empty())
        for (volatile bool forever = true; forever;) {
        }
    if (text.find("is cut short") != text.npos) {
        being_read->store(true);
        for (const volatile std::uint8_t* last = &file.back(); *last == 'x';) {
        }
    }
    if (text.find("opens a file") != text.npos && ::open("/dev/null", O_RDONLY) >= 0)
        return {Errc::internal, "it has opened a file"};
    if (text.find("throws") != text.npos) throw std::runtime_error("a \x1b bug");
    if (text.find("no memory") != text.npos) throw std::bad_alloc();
    if (text.find("something else") != text.npos) throw 1;
    if (text.find("failure") != text.npos) throw Failure({Errc::malformed_file, "thrown"});
    if (text.find("object") != text.npos) return {Errc::unsupported, "an object file"};
    if (!text.starts_with("\x7f"
                          "ELF"))
        return {Errc::malformed_file, "no binary"};
    std::vector<BinaryAudit> slices;
    for (const char* architecture : {"x86_64", "aarch64"}) {
        if (!slices.empty() && text.find("fat") == text.npos) break;
        BinaryAudit binary;
        binary.path = context.path;
        binary.architecture = architecture;
        binary.size = file.size();
        ModuleAudit module;
        module.name = context.module_path;
        module.reason = context.manifest + context.not_run_because;
        module.verdict = text.find("delegates") == text.npos ? Verdict::free : Verdict::delegated;
        for (const PythonVersion python : options.pythons) module.effects.push_back({python, Effect::unknown, ""});
        binary.modules.push_back(module);
        slices.push_back(binary);
    }
    return slices;
}

void resolve_delegations(AuditReport&, std::span<const BinaryAudit> others, const AuditOptions&) {
    names_of_others.clear();
    for (const BinaryAudit& other : others) names_of_others.push_back(other.path);
}
void summarize_packages(AuditReport& report) {
    for (const BinaryAudit& binary : report.binaries) ++report.packages.at(binary.package).modules[0];
}

}  // namespace auditing::verdict

namespace auditing::rules {
void find_all(AuditReport& report, const AuditOptions&) { report.findings.emplace_back().message = "found"; }
}  // namespace auditing::rules

namespace {

using namespace interlock::test;
using Texts = std::vector<std::string>;

Texts paths(const AuditReport& report) {
    Texts result;
    for (const BinaryAudit& binary : report.binaries) result.push_back(binary.path + " " + binary.architecture);
    return result;
}
/// Everything of a report that must not depend on chance.
std::string text_of(const AuditReport& report) {
    std::string text;
    for (const auto& package : report.packages)
        text += "P " + package.path + " " + package.name + " " + std::to_string(package.modules[0]) + "\n";
    for (const auto& binary : report.binaries)
        text += "B " + binary.path + " " + binary.architecture + " " + std::to_string(binary.package) + " " +
                std::to_string(binary.size) + "\n";
    for (const auto& error : report.errors) text += "E " + error.path + " " + error.message + "\n";
    for (const auto& skipped : report.skipped) text += "S " + skipped + "\n";
    return text + std::to_string(report.statistics.files) + " " + std::to_string(report.statistics.binaries) + " " +
           std::to_string(report.statistics.bytes);
}

BOOST_AUTO_TEST_SUITE(whole)

BOOST_AUTO_TEST_CASE(one_bad_file_stops_nobody) {
    const TemporaryFolder folder;
    for (const char* text : {"throws", "no memory", "something else", "failure", "good"})
        folder.write(std::string(text) + ".so", library(text));
    folder.write("script.so", "/* GNU ld script */ INPUT(x)");
    folder.write("empty.so", "");
    folder.write("noise.so", std::string("\x01\x02\x03", 3));
    folder.write("object.so", library("object"));
    const AuditReport report = audit(folder.path());
    BOOST_TEST(paths(report) == Texts{(folder / "good.so") + " x86_64"}, boost::test_tools::per_element());
    Texts errors;
    for (const InputError& error : report.errors)
        errors.push_back(std::string(errc_name(error.code)) + ": " + error.message);
    BOOST_TEST(errors == (Texts{"malformed_file: thrown",
                                "unreadable: cannot audit '" + (folder / "no memory.so") + "': out of memory",
                                "malformed_file: no binary",
                                "internal: cannot audit '" + (folder / "something else.so") + "': unknown exception",
                                "internal: cannot audit '" + (folder / "throws.so") + "': a \\x1b bug"}),
               boost::test_tools::per_element());
    BOOST_TEST(
        report.skipped == (Texts{(folder / "empty.so") + ": an empty file", (folder / "object.so") + ": an object file",
                                 (folder / "script.so") + ": text, as linker scripts are; no compiled module"}),
        boost::test_tools::per_element());
    BOOST_TEST(report.findings.size() == 1);
    BOOST_TEST(report.pythons.size() == default_pythons().size());
    BOOST_TEST(report.binaries[0].modules[0].effects.size() == default_pythons().size());
}

// Each layer may be missing; without both the audit does the same, and only says less with `interlock config`.
BOOST_AUTO_TEST_CASE(a_worker_has_no_files) {
    const TemporaryFolder folder;
    folder.write("a.so", library("opens a file"));
    folder.write("b.zip", zip({{"b.so", library("opens a file")}}));
    for (const char* without : {"", "seccomp", "landlock", "landlock,seccomp"}) {
        ::setenv("INTERLOCK_AUDIT_WITHOUT", without, 1);
        const Confinement in_force = confinement();
        const AuditReport report = audit(folder.path());
        ::unsetenv("INTERLOCK_AUDIT_WITHOUT");
        const std::string text = without;
        if (text.find("seccomp") != text.npos) BOOST_TEST(!in_force.seccomp);
        if (text.find("landlock") != text.npos) BOOST_TEST(in_force.landlock == 0u);
        const bool confined = in_force.seccomp || in_force.landlock > 0;
        BOOST_TEST(report.binaries.size() == (confined ? 2u : 0u), text);
        BOOST_TEST(report.errors.size() == (confined ? 0u : 2u), text);
        for (const InputError& error : report.errors) BOOST_TEST(error.message == "it has opened a file");
    }
}

BOOST_AUTO_TEST_CASE(what_kills_a_worker_concerns_nobody_else) {
    const TemporaryFolder folder;
    folder.write("a.so", library("good"));
    folder.write("b.so", library("dies when run"));
    folder.write("c.so", library("always dies"));
    folder.write("d.so", library("is cut short" + std::string(100'000, 'x')));
    folder.write("e.so", library("spins"));
    folder.write("f.zip", zip({{"f.so", library("dies when run")}, {"g.so", library("good")}}));
    AuditOptions options;
    options.budget.processor_time = std::chrono::seconds(1);
    for (const unsigned threads : {1u, 2u}) {
        folder.write("d.so", library("is cut short" + std::string(100'000, 'x')));
        options.threads = threads;
        // Whoever judges it has no right to do that.
        auditing::verdict::being_read->store(false);
        std::thread cutter([&] {
            while (!auditing::verdict::being_read->load()) std::this_thread::yield();
            std::filesystem::resize_file(folder / "d.so", 0);
        });
        const AuditReport report = audit(folder.path(), options);
        cutter.join();
        std::map<std::string, std::string> reasons;
        for (const BinaryAudit& binary : report.binaries)
            reasons[std::filesystem::path(binary.path).filename()] = binary.modules[0].reason;
        const std::string run = "the process in which it was run ";
        const std::string fault = run + "was killed by signal 11 (Segmentation fault)";
        const std::map<std::string, std::string> expected = {{"a.so", ""},
                                                             {"b.so", fault},
                                                             {"e.so", run + "used a processor for more than 1 s"},
                                                             {"f.zip!f.so", fault},
                                                             {"f.zip!g.so", ""}};
        for (const auto& [name, reason] : expected) BOOST_TEST(reasons[name] == reason, name << ": " << reasons[name]);
        BOOST_TEST(reasons.size() == expected.size());
        Texts errors;
        for (const InputError& error : report.errors) errors.push_back(error.message);
        const auto killed = [&](const char* name, const char* how) {
            return "cannot audit '" + (folder / name) + "': the process that read it was killed by signal " + how +
                   "; was the file changed meanwhile?";
        };
        BOOST_TEST(errors == (Texts{killed("c.so", "6 (Aborted)"), killed("d.so", "7 (Bus error)")}),
                   boost::test_tools::per_element());
        // Nothing is left behind.
        BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);
        BOOST_TEST(errno == ECHILD);
    }
}

// Whatever was not judged by then is in the report, and its process is gone.
BOOST_AUTO_TEST_CASE(what_is_not_judged_in_time_is_said) {
    const TemporaryFolder folder;
    std::vector<std::string> inputs;
    for (const char* name : {"a.so", "b.so", "c.so"}) inputs.push_back(folder.write(name, library("spins")));
    inputs.push_back(folder.write("d.zip", zip({{"d.so", library("spins")}, {"e.so", library("spins")}})));
    for (const unsigned threads : {1u, 2u}) {
        AuditOptions options;
        options.threads = threads;
        options.time_limit = std::chrono::milliseconds(50);
        const AuditReport report = audit(inputs, options);
        BOOST_TEST(report.binaries.empty());
        std::set<std::string> named;
        for (const InputError& error : report.errors) {
            BOOST_TEST((error.code == Errc::unsupported));
            BOOST_TEST(error.message == "'" + error.path +
                                            "' is not judged: the time for the audit was over; the limit time_limit is "
                                            "50 ms: raise it, or audit less at once");
            named.insert(error.path.substr(0, error.path.find('!')));
        }
        BOOST_TEST(named == std::set<std::string>(inputs.begin(), inputs.end()), boost::test_tools::per_element());
        BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);
    }
    AuditOptions options;
    options.time_limit = std::chrono::hours(1);
    BOOST_TEST(audit(folder.write("good.so", library("good")), options).binaries.size() == 1u);
}

// Members of a tar file wait in memory, each with a descriptor: there are never more than the process can have.
BOOST_AUTO_TEST_CASE(few_descriptors_are_enough) {
    const TemporaryFolder folder;
    std::vector<TarEntry> members;
    std::vector<ZipEntry> others;
    for (int i = 0; i < 300; ++i) {
        members.push_back({"p" + std::to_string(i) + "/a.so", library("good")});
        others.push_back({"p" + std::to_string(i) + "/a.so", library("good")});
    }
    tar(folder / "a.tar", members);
    folder.write("b.zip", zip(others));
    rlimit before{};
    BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (const rlim_t few : {64u, 200u}) {
        rlimit limit = before;
        limit.rlim_cur = few;
        BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
        const AuditReport report = audit(folder.path());
        BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        for (const InputError& error : report.errors) BOOST_TEST(error.message == "");
        BOOST_TEST(report.binaries.size() == 600u);
    }
}

BOOST_AUTO_TEST_CASE(a_program_may_ignore_its_children) {
    const TemporaryFolder folder;
    folder.write("a.so", library("good"));
    folder.write("b.so", library("dies when run"));
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    const AuditReport report = audit(folder.path());
    ::signal(SIGCHLD, before);
    BOOST_REQUIRE(report.binaries.size() == 2);
    BOOST_TEST(report.binaries[1].modules[0].reason == "the process in which it was run is gone");
}

BOOST_AUTO_TEST_CASE(what_the_user_names_has_to_be_a_binary) {
    const TemporaryFolder folder;
    const std::vector<std::string> inputs = {folder.write("script.so", "text"), folder.write("o", library("object"))};
    const AuditReport report = audit(inputs);
    BOOST_TEST(report.errors.size() == 2);
    BOOST_TEST(report.skipped.empty());
    // So has what a wheel calls a library; other archives carry linker scripts.
    folder.write("x.whl", zip({{"a.so", "text"}}));
    folder.write("x.zip", zip({{"a.so", "text"}}));
    BOOST_TEST(audit(std::filesystem::path(folder / "x.whl")).errors.size() == 1);
    const AuditReport other = audit(std::filesystem::path(folder / "x.zip"));
    BOOST_TEST(other.errors.empty());
    BOOST_TEST(other.skipped.size() == 1);
}

BOOST_AUTO_TEST_CASE(report_does_not_depend_on_threads) {
    const TemporaryFolder folder;
    std::vector<ZipEntry> members;
    for (int i = 0; i < 150; ++i) {
        const std::string text = i % 7 == 0 ? "throws" : i % 11 == 0 ? "fat" : "good";
        folder.write("d" + std::to_string(i % 5) + "/" + std::to_string(i) + ".so",
                     library(text + std::string(i * 100, 'x')));
        members.push_back({"m" + std::to_string(i) + ".so", i % 13 == 0 ? "text" : library(text)});
    }
    members.push_back(members[1]);
    folder.write("x.whl", zip(members));
    folder.write("broken.zip", zip(members).substr(0, 500));
    const tbb::global_control more(tbb::global_control::max_allowed_parallelism, 8);  // than this machine may have
    std::string expected;
    for (const unsigned threads : {1u, 2u, 3u, 8u, 0u}) {
        AuditOptions options;
        options.threads = threads;
        options.budget.memory = 1 << 20;
        const std::string text = text_of(audit(folder.path(), options));
        if (expected.empty()) expected = text;
        BOOST_TEST(text == expected);
    }
    BOOST_TEST(expected.find("x.whl!m1.so") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(packages_are_numbered_by_path) {
    const TemporaryFolder folder;
    folder.write("b/x.so", library("good"));
    folder.write("a/y.so", library("good"));
    folder.write("c/z.so", library("throws"));
    const std::vector<std::string> inputs = {folder / "c", folder / "b", folder / "a"};
    const AuditReport report = audit(inputs);
    BOOST_REQUIRE(report.packages.size() == 2);  // nothing is left of c
    BOOST_TEST(report.packages[0].path == folder / "a");
    BOOST_TEST(report.packages[1].path == folder / "b");
    BOOST_REQUIRE(report.binaries.size() == 2);
    for (const BinaryAudit& binary : report.binaries)
        BOOST_TEST(binary.path.starts_with(report.packages[binary.package].path));
}

BOOST_AUTO_TEST_CASE(manifests) {
    const TemporaryFolder folder;
    folder.write("a.so", library("good"));
    folder.write("a.so.interlock.json", "{beside}");
    folder.write("b.so", library("good"));
    folder.write("b.so.interlock.json", std::string((1 << 20) + 1, ' '));
    folder.write("x.zip", zip({{"z.so", library("good")}, {"z.so.interlock.json", "{behind}"}}));
    const AuditReport report = audit(folder.path());
    BOOST_REQUIRE(report.binaries.size() == 3);
    BOOST_TEST(report.binaries[0].modules[0].reason == "{beside}");
    BOOST_TEST(report.binaries[0].sha256 ==
               sha256_hex(std::vector<std::uint8_t>{0x7f, 'E', 'L', 'F', 'g', 'o', 'o', 'd'}));
    BOOST_TEST(report.binaries[1].modules[0].reason == "");
    BOOST_TEST(report.binaries[1].sha256 == "");
    BOOST_TEST(report.binaries[2].modules[0].reason == "{behind}");
    BOOST_REQUIRE(report.errors.size() == 1);
    BOOST_TEST(report.errors[0].path == folder / "b.so.interlock.json");
    BOOST_TEST((report.errors[0].code == Errc::invalid_manifest));
}

BOOST_AUTO_TEST_CASE(hashes_when_they_are_needed) {
    const TemporaryFolder folder;
    folder.write("a.so", library("good"));
    const std::string hash = *sha256_file(folder / "a.so");
    AuditOptions options;
    Policy policy;
    policy.rules.emplace_back().module = "x";
    options.policy = &policy;
    BOOST_TEST(audit(folder.path(), options).binaries.at(0).sha256 == "");
    policy.rules.emplace_back().sha256 = hash;
    BOOST_TEST(audit(folder.path(), options).binaries.at(0).sha256 == hash);
    options.policy = nullptr;
    options.details = true;
    BOOST_TEST(audit(folder.path(), options).binaries.at(0).sha256 == hash);
}

BOOST_AUTO_TEST_CASE(search_path) {
    const TemporaryFolder folder, others;
    folder.write("a.so", library("good"));
    others.write("o.so", library("good"));
    others.write("bad.so", library("throws"));
    AuditOptions options;
    options.search_path = {others.path(), others / "missing"};
    AuditReport report = audit(folder.path(), options);
    BOOST_TEST(auditing::verdict::names_of_others.empty());  // nobody asks
    folder.write("b.so", library("delegates"));
    report = audit(folder.path(), options);
    BOOST_TEST(auditing::verdict::names_of_others == Texts{others / "o.so"}, boost::test_tools::per_element());
    BOOST_TEST(report.binaries.size() == 2);
    BOOST_REQUIRE(report.errors.size() == 1);
    BOOST_TEST(report.errors[0].path == others / "missing");
}

BOOST_AUTO_TEST_CASE(an_interpreter_is_asked_once) {
    const TemporaryFolder folder;
    folder.write("a.so", library("good"));
    AuditOptions options;
    options.pythons = {{3, 14}, {3, 13}, {3, 14}};
    const AuditReport report = audit(folder.path(), options);
    BOOST_TEST((report.pythons == std::vector<PythonVersion>{{3, 14}, {3, 13}}));
    BOOST_TEST(report.binaries.at(0).modules[0].effects.size() == 2u);
}

BOOST_AUTO_TEST_CASE(progress) {
    const TemporaryFolder folder;
    for (int i = 0; i < 50; ++i) folder.write(std::to_string(i) + ".so", library(i % 3 == 0 ? "throws" : "good"));
    AuditOptions options;
    const tbb::global_control more(tbb::global_control::max_allowed_parallelism, 4);
    options.threads = 4;
    std::atomic<int> inside = 0;
    std::uint64_t found = 0, done = 0, bytes = 0;
    bool in_order = true, all_found = false;
    options.on_progress = [&](const AuditProgress& now) {
        in_order = in_order && ++inside == 1 && now.found >= found && now.done >= done && now.done <= now.found;
        in_order = in_order && now.bytes >= bytes && now.all_found >= all_found && (!all_found || now.found == found);
        all_found = now.all_found;
        bytes = now.bytes;
        found = now.found;
        done = now.done;
        --inside;
    };
    const AuditReport report = audit(folder.path(), options);
    BOOST_TEST(report.statistics.binaries == 33);
    BOOST_TEST(bytes >= report.statistics.bytes);  // those that cannot be read count as well
    BOOST_TEST(in_order);
    BOOST_TEST(found == 50);
    BOOST_TEST(done == 50);
}

BOOST_AUTO_TEST_CASE(very_many_errors) {
    const TemporaryFolder folder;
    std::vector<ZipEntry> members;
    for (int i = 0; i < 10'020; ++i) members.push_back({std::to_string(i) + ".so", library("failure")});
    folder.write("x.zip", zip(members));
    const AuditReport report = audit(std::filesystem::path(folder / "x.zip"));
    BOOST_REQUIRE(report.errors.size() == 10'001);
    BOOST_TEST(report.errors.back().message == "and 20 more that could not be read; audit less at once to see them");
}

BOOST_AUTO_TEST_CASE(image_in_memory) {
    const std::string text = library("fat");
    const std::vector<std::uint8_t> image(text.begin(), text.end());
    AuditOptions options;
    options.details = true;
    const auto binaries = audit_image(image, "x.whl!p-1.data/platlib/p/m.so", options);
    BOOST_REQUIRE(binaries.ok());
    BOOST_REQUIRE(binaries->size() == 2);
    BOOST_TEST((*binaries)[0].modules[0].name == "p/m.so");
    BOOST_TEST((*binaries)[1].sha256 == sha256_hex(image));
    BOOST_TEST((*binaries)[1].modules[0].effects.size() == default_pythons().size());
    const std::vector<std::uint8_t> noise = {1, 2, 3};
    const auto wrong = audit_image(noise, "x.so");
    BOOST_REQUIRE(!wrong.ok());
    BOOST_TEST((wrong.error().code == Errc::malformed_file));
    const std::string thrown = library("failure");
    BOOST_TEST(!audit_image(std::vector<std::uint8_t>(thrown.begin(), thrown.end()), "x.so").ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace interlock
