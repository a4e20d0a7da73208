// The programs among the samples, run as a user runs them: samples/host, samples/count_host.c and samples/demo, and
// scripts/demo_run.sh, which shows the latter together with the command.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE samples_programs
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "support/temporary_folder.hpp"

using interlock::test::TemporaryFolder;

namespace {

struct Finished {
    int status = -1;     // as a shell has it
    std::string output;  // both streams
};

Finished run(const std::string& command) {
    Finished finished;
    // Settings of whoever runs the tests must not have a say.
    const std::string quiet =
        "unset INTERLOCK_GIL PYTHON_GIL INTERLOCK_THREADS INTERLOCK_PATH INTERLOCK_POLICY INTERLOCK_DEMO_CORPUS; ";
    std::FILE* pipe = ::popen((quiet + "( " + command + " ) 2>&1").c_str(), "r");
    BOOST_REQUIRE(pipe != nullptr);
    char buffer[4096];
    for (std::size_t size; (size = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
        finished.output.append(buffer, size);
    const int status = ::pclose(pipe);
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    BOOST_TEST_MESSAGE("$ " << command << "\n" << finished.output);
    return finished;
}

std::size_t count_of(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
    return count;
}

bool matches(const std::string& text, const std::string& pattern) {
    return std::regex_search(text, std::regex(pattern, std::regex::ECMAScript | std::regex::multiline));
}

std::string contents(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    BOOST_REQUIRE_MESSAGE(in, "cannot read " << file);
    return {std::istreambuf_iterator<char>(in), {}};
}

const std::string host = "'" FILTER_HOST "'";
const std::string count_host = "INTERLOCK_PATH='" SAMPLE_MODULES "' '" COUNT_HOST "'";
const std::string demo = "'" INTERLOCK_DEMO "'";
const std::string demo_run = "'" SOURCE_DIR "/scripts/demo_run.sh'";
const std::string fallback_warning = "interlock: warning: module 'legacy_sharpen' needs the global lock: ";
const std::string small_images = " --images 5 --size 200x150 --threads 4 ";
const std::string small_corpus = "'" SOURCE_DIR "/tests'";

}  // namespace

BOOST_AUTO_TEST_CASE(the_host_falls_back_for_the_legacy_filter) {
    const Finished finished = run(host + small_images);
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(matches(finished.output, "^" + fallback_warning));
    BOOST_TEST(matches(finished.output, "^  imported by  samples/host/host\\.cpp:\\d+ "));
    BOOST_TEST(matches(finished.output, "^blur +free +parallel$"));
    BOOST_TEST(matches(finished.output, "^legacy_sharpen +global_lock +locked$"));
    BOOST_TEST(matches(finished.output, "^5 images, 4 threads$"));
    BOOST_TEST(matches(finished.output, "^bands of an image \\(Runtime::parallel_for\\) +[0-9.]+ ms +locked$"));
    BOOST_TEST(matches(finished.output, "^whole images \\(tbb::parallel_pipeline\\) +[0-9.]+ ms +locked$"));
    BOOST_TEST(matches(finished.output, "^both gave the same pictures: yes$"));
}

BOOST_AUTO_TEST_CASE(the_host_stays_parallel_with_a_policy) {
    const Finished finished = run(host + small_images + "--policy '" SAMPLE_POLICY "'");
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(count_of(finished.output, "warning") == 0u);
    BOOST_TEST(matches(finished.output, "^legacy_sharpen +module_lock +parallel$"));
    BOOST_TEST(count_of(finished.output, "locked") == 0u);
    BOOST_TEST(matches(finished.output, "^both gave the same pictures: yes$"));
}

BOOST_AUTO_TEST_CASE(the_host_listens_to_the_environment) {
    const std::string narrow = " --images 1 --size 9x9 --filters legacy_sharpen";
    for (const std::string variable : {"PYTHON_GIL=0", "INTERLOCK_GIL=0"}) {
        const Finished finished = run(variable + " " + host + narrow);
        BOOST_TEST(finished.status == 0);
        BOOST_TEST(matches(finished.output, "^legacy_sharpen +global_lock +parallel$"));
        BOOST_TEST(count_of(finished.output, "warning") == 0u);
    }
    // The warning advises what works.
    BOOST_TEST(matches(run(host + narrow).output, "^  fix +or for all modules, at your own risk: INTERLOCK_GIL=0$"));
    BOOST_TEST(matches(run("INTERLOCK_THREADS=3 " + host + narrow).output, "^1 images, 3 threads$"));
    BOOST_TEST(matches(run("INTERLOCK_THREADS=3 " + host + narrow + " --threads 2").output, "^1 images, 2 threads$"));
    const Finished with_policy = run("INTERLOCK_POLICY='" SAMPLE_POLICY "' " + host + narrow);
    BOOST_TEST(matches(with_policy.output, "^legacy_sharpen +module_lock +parallel$"));
    const TemporaryFolder folder;
    const std::string policy = folder.write("policy.json", R"({"rules": [{"match": {"module": "x"}}]})");
    const struct {
        std::string variable, message;
    } rows[] = {
        {"PYTHON_GIL=yes", "filter-host: PYTHON_GIL must be \"0\" or \"1\", not 'yes'"},
        {"INTERLOCK_THREADS=many", "filter-host: INTERLOCK_THREADS takes a whole number from 1 to 1024, not 'many'"},
        {"INTERLOCK_POLICY=" + policy, "filter-host: INTERLOCK_POLICY: the policy '" + policy + "' is wrong"},
    };
    for (const auto& row : rows) {
        const Finished finished = run(row.variable + " " + host + narrow);
        BOOST_TEST(finished.status == 1);
        BOOST_TEST(finished.output.starts_with(row.message), finished.output);
    }
    BOOST_TEST(run("PYTHON_GIL=0 " + demo).output.starts_with("interlock-demo: this program shows a fallback"));
}

BOOST_AUTO_TEST_CASE(the_host_reads_and_writes_pictures) {
    const TemporaryFolder folder;
    const std::string colours = folder.write("colours.ppm", "P6\n# three pixels\n3 1 255\n\xff..\x10\x10\x10...");
    const std::string gray = folder.write("gray.pgm", std::string("P5 2 2\n255\n\x01\x02\x03\x04"));
    const Finished finished =
        run(host + " --filters grayscale --output " + folder.path().string() + " " + colours + " " + gray);
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(contents(folder.path() / "colours-0.ppm") == "P6\n3 1\n255\nlll\x10\x10\x10...");
    BOOST_TEST(contents(folder.path() / "gray-1.ppm") ==
               "P6\n2 2\n255\n\x01\x01\x01\x02\x02\x02\x03\x03\x03\x04\x04\x04");
}

BOOST_AUTO_TEST_CASE(the_host_says_what_is_wrong) {
    const TemporaryFolder folder;
    const std::string cut = folder.write("cut.ppm", "P6 9 9 255\n...");
    const std::string text = folder.write("text.ppm", "hello");
    const std::string deep = folder.write("deep.ppm", "P6 1 1 65535\n......");
    const std::string huge = folder.write("huge.ppm", "P6 999999999 999999999 255\n");
    const std::string policy = folder.write("policy.json", R"({"rules": [{"match": {"module": "x"}}]})");
    const struct {
        std::string arguments;
        int status;
        std::string message;
    } rows[] = {
        {cut, 1, cut + ": ends before the last pixel"},
        {text, 1, text + ": not a binary PPM (P6) or PGM (P5) file"},
        {deep, 1, deep + ": only 8 bits for each channel are supported"},
        {huge, 1, huge + ": width or height is out of range"},
        {folder.path().string() + "/none.ppm", 1, "/none.ppm: cannot be opened"},
        {"--images 1 --size 9x9 --output " + folder.path().string() + "/none", 1,
         "/none/image-0.ppm: cannot be written"},
        {"--policy " + policy, 1, policy + ":1:"},
        {"--filters blurr", 1, "filter-host: "},
        {"--filters textkit", 1, "filter-host: "},
        {"--size 10", 2, "filter-host: wrong option or value: --size"},
        {"--threads", 2, "filter-host: wrong option or value: --threads"},
        {"--images 0", 2, "filter-host: wrong option or value: --images"},
        {"--colour x", 2, "filter-host: wrong option or value: --colour"},
    };
    for (const auto& row : rows) {
        const Finished finished = run(host + " " + row.arguments);
        BOOST_TEST(finished.status == row.status, row.arguments);
        BOOST_TEST(count_of(finished.output, row.message) > 0, finished.output << " lacks " << row.message);
    }
}

BOOST_AUTO_TEST_CASE(the_host_in_c_counts) {
    const TemporaryFolder folder;
    const std::string one = folder.write("one", "a b\nc\n"), two = folder.write("two", "d e"), none = folder / "none";
    const Finished finished = run(count_host + " --reload --report '" + one + "' '" + two + "'");
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(count_of(finished.output, one + ": {\"lines\":2,\"words\":3,\"bytes\":6}\n") == 2u);
    BOOST_TEST(count_of(finished.output, two + ": {\"lines\":0,\"words\":2,\"bytes\":3}\n") == 2u);
    BOOST_TEST(count_of(finished.output, "\n5 words, parallel\n") == 2u);
    BOOST_TEST(count_of(finished.output, "/textkit.so\"") >= 1u);  // in the report
    BOOST_TEST(count_of(finished.output, "count-host: 0 warnings\n") == 1u);

    const Finished missing = run(count_host + " '" + none + "' '" + two + "'");
    BOOST_TEST(missing.status == 1);
    BOOST_TEST(count_of(missing.output, none + ": it cannot be read\n") == 1u);
    BOOST_TEST(count_of(missing.output, "\n2 words, parallel\n") == 1u);
    BOOST_TEST(run("INTERLOCK_GIL=1 " + count_host + " '" + two + "'").output.find("2 words, locked\n") !=
               std::string::npos);

    const Finished nowhere = run("INTERLOCK_PATH='" + folder.path().native() + "' '" COUNT_HOST "' x");
    BOOST_TEST(nowhere.status == 1);
    BOOST_TEST(matches(nowhere.output, "^count-host: textkit: no module named 'textkit'.* \\[not_found\\]$"));
    BOOST_TEST(run(count_host).status == 2);
}

BOOST_AUTO_TEST_CASE(the_demo_does_the_main_job) {
    const Finished finished = run(demo + " --seconds 0.5 --corpus " + small_corpus);
    BOOST_TEST(finished.status == 0);
    const std::string numbers = " +\\d+ +\\d+ +\\d+ +[0-9.]+ +[0-9.]+ +[0-9.]+  yes$";
    BOOST_TEST(matches(finished.output, "^0 textkit, serial +parallel" + numbers));
    BOOST_TEST(matches(finished.output, "^1 textkit +parallel" + numbers));
    BOOST_TEST(matches(finished.output, "^interlock: warning: module 'legacy_tok' needs the global lock: "));
    BOOST_TEST(matches(finished.output, "^2 textkit, legacy_tok imported +parallel -> locked" + numbers));
    BOOST_TEST(matches(finished.output, "^2 legacy_tok +locked" + numbers));
    BOOST_TEST(matches(finished.output, "^3 textkit, legacy_tok unloaded +parallel" + numbers));
    BOOST_TEST(matches(finished.output, "^legacy_tok was imported by samples/demo/demo\\.cpp:\\d+"));
    BOOST_TEST(matches(finished.output, "^The switch to locked mode took [0-9.]+ ms;"));
    BOOST_TEST(count_of(finished.output, "FAILED") == 0u);
}

// A manifest that lies: legacy_tok is taken for a free module, so there is no fallback.
BOOST_AUTO_TEST_CASE(the_demo_fails_when_anything_is_not_as_it_should_be) {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.path() / "bin");
    std::filesystem::copy(INTERLOCK_DEMO, folder.path() / "bin/demo");
    std::filesystem::copy(SAMPLE_MODULES, folder.path() / "modules");
    const Finished hash = run("sha256sum " + (folder.path() / "modules/legacy_tok.so").string());
    folder.write(
        "modules/legacy_tok.so.interlock.json",
        R"({"module": "legacy_tok", "threading": "free", "declared_by": "a test", "reason": "a lie", "sha256": ")" +
            hash.output.substr(0, 64) + "\"}");
    const Finished finished = run((folder.path() / "bin/demo").string() + " --seconds 0.5 --corpus " + small_corpus);
    BOOST_TEST(finished.status == 1);
    BOOST_TEST(matches(finished.output,
                       "^FAILED: 2 textkit, legacy_tok imported: not true: the modes are as they should be$"));
    BOOST_TEST(matches(finished.output, "^FAILED: 2: not true: there was one fallback$"));
    BOOST_TEST(count_of(finished.output, "FAILED: 1") + count_of(finished.output, "FAILED: 3") == 0u);
}

BOOST_AUTO_TEST_CASE(the_demo_says_what_is_wrong) {
    const TemporaryFolder folder;
    const Finished empty = run(demo + " --corpus " + folder.path().string());
    BOOST_TEST(empty.status == 1);
    BOOST_TEST(empty.output == "interlock-demo: no files to work on in " + folder.path().string() +
                                   "; name another folder with --corpus\n");
    const Finished missing = run("INTERLOCK_DEMO_CORPUS=" + folder.path().string() + "/none " + demo);
    BOOST_TEST(missing.status == 1);
    BOOST_TEST(missing.output == "interlock-demo: no files to work on in " + folder.path().string() +
                                     "/none: No such file or directory; name another folder with --corpus\n");
    for (const char* arguments : {"--seconds 0", "--seconds", "--megabytes x", "--corpus", "--passes 1"})
        BOOST_TEST(run(demo + " " + arguments).status == 2, arguments);
}

#ifdef HAVE_COMMAND
BOOST_AUTO_TEST_CASE(the_demonstration_shows_the_program_and_the_command) {
    const Finished finished =
        run("INTERLOCK_DEMO_CORPUS=" + small_corpus + " " + demo_run + " '" BUILD_DIR "' --seconds 0.5");
    BOOST_TEST(finished.status == 0);
    BOOST_TEST(matches(finished.output, "^3 textkit, legacy_tok unloaded +parallel .* yes$"));
    BOOST_TEST(matches(finished.output, "^\\$ interlock plan legacy_tok$"));
    BOOST_TEST(matches(finished.output, "^legacy_tok: would fall back to locked mode$"));
    BOOST_TEST(matches(finished.output, "^\\{\"lines\":\\d+,\"words\":\\d+,\"bytes\":\\d+\\}$"));
    BOOST_TEST(matches(finished.output, "^legacy_tok +module_lock +policy +parallel "));
    BOOST_TEST(matches(finished.output, "^textkit +free +marker +parallel "));
    BOOST_TEST(matches(finished.output, "^\\(exit status 1\\)$"));
    // By the demo itself, by plan, and, as an error, by -W error.
    BOOST_TEST(count_of(finished.output, "module 'legacy_tok' needs the global lock: as long as it is loaded") == 3u);
}

BOOST_AUTO_TEST_CASE(the_demonstration_needs_a_build) {
    BOOST_TEST(run(demo_run).status == 2);
    const TemporaryFolder folder;
    const Finished finished = run(demo_run + " " + folder.path().string());
    BOOST_TEST(finished.status == 2);
    BOOST_TEST(count_of(finished.output, "/bin/interlock-demo does not exist: build it first") == 1u);
}
#endif
