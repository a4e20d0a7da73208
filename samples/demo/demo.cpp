// The main job on real files: a marked module works on all cores; while it is running, an unmarked module is imported,
// and the rest of the work finishes under the global lock; the module is unloaded, and the runtime is parallel again.
// Every result of every phase is compared with that of a serial run. Exit status 1 if anything is not as it should be.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <latch>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <interlock/interlock.hpp>

#include "corpus.hpp"
#include "job.hpp"

namespace {

using interlock::Mode;

struct Options {
    std::filesystem::path corpus = "/usr/include";
    std::size_t megabytes = 64;  ///< of the corpus, at most
    double seconds = 3;          ///< that the serial run takes, about
};

struct Measured {
    Digests digests;
    Mode begin, end;
    double seconds;
};

template <typename Work>
Measured measure(const interlock::Runtime& runtime, Work work) {
    const Mode begin = runtime.mode();
    const auto start = std::chrono::steady_clock::now();
    Digests digests = work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return {std::move(digests), begin, runtime.mode(), time.count()};
}

/// Prints what happened, and remembers whether all of it was as it should be.
class Table {
public:
    Table() {
        std::printf("%-31s %-18s %7s %6s %6s %7s %7s %6s  %s\n", "phase", "mode", "threads", "files", "passes", "MB",
                    "seconds", "MB/s", "equal to serial");
    }

    void add(const char* phase, unsigned threads, const Job& job, const Measured& run, const Digests& serial,
             Mode begin, Mode end) {
        const bool equal = job.equal(run.digests, serial);
        std::string mode = interlock::mode_name(run.begin);
        if (run.end != run.begin) mode += std::string(" -> ") + interlock::mode_name(run.end);
        std::printf("%-31s %-18s %7u %6zu %6zu %7.1f %7.2f %6.1f  %s\n", phase, mode.c_str(), threads, job.files(),
                    job.passes(), job.megabytes(), run.seconds, job.megabytes() / run.seconds, equal ? "yes" : "NO");
        std::fflush(stdout);
        expect(equal, phase, "the results are those of the serial run");
        expect(run.begin == begin && run.end == end, phase, "the modes are as they should be");
    }

    void expect(bool condition, const char* phase, const char* what) {
        if (condition) return;
        std::printf("FAILED: %s: not true: %s\n", phase, what);
        good_ = false;
    }

    bool good() const { return good_; }

private:
    bool good_ = true;
};

int run(const Options& options) {
    auto runtime_options = interlock::RuntimeOptions::from_environment().value();
    if (runtime_options.gil != interlock::GilSetting::automatic)
        throw std::runtime_error(
            "this program shows a fallback, which INTERLOCK_GIL and PYTHON_GIL rule out; unset both");
    runtime_options.gil_hint.clear();  // so the warning does not advise it
    const Corpus corpus = read_corpus(options.corpus, options.megabytes << 20);
    interlock::Runtime runtime(std::move(runtime_options));
    interlock::LoaderOptions loading;  // a policy of the user would rule the fallback out as well
    loading.search_path = {std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../modules"};
    interlock::Loader loader(runtime, std::move(loading));
    const unsigned threads = runtime.threads();
    const interlock::Function word_counts = loader.import("textkit").value().function("word_counts").value();
    const Job one_pass(word_counts, corpus, 1);
    const Measured first = measure(runtime, [&] { return one_pass.run_serially(); });
    const Digests& serial = first.digests;
    const double passes = std::max(std::ceil(options.seconds / first.seconds), 4.0);
    const Job job(word_counts, corpus, static_cast<std::size_t>(passes));
    std::printf("%zu files, %.1f MB below %s\n\n", corpus.texts.size(), one_pass.megabytes(), options.corpus.c_str());

    Table table;
    table.add("0 textkit, serial", 1, job, measure(runtime, [&] { return job.run_serially(); }), serial, Mode::parallel,
              Mode::parallel);
    table.add("1 textkit", threads, job, measure(runtime, [&] { return job.run(runtime); }), serial, Mode::parallel,
              Mode::parallel);

    // When a quarter of textkit's work is done, another thread imports legacy_tok and has more threads run it over the
    // same files, so that both modules compete for the global lock. On a busy machine that thread may be late: what is
    // beyond three quarters waits for it.
    std::latch import_over(1);
    std::future<std::pair<Job, Measured>> other_thread;  // its destructor waits, and by then quarter_done is settled
    std::promise<void> quarter_done;
    other_thread = std::async(std::launch::async, [&, go = quarter_done.get_future()]() mutable {
        go.get();
        const interlock::Result<interlock::Module> legacy_tok = loader.import("legacy_tok");
        import_over.count_down();
        const Job tokens(legacy_tok.value().function("checksum").value(), corpus, 1);
        Measured run = measure(runtime, [&] { return tokens.run_on_own_threads(threads); });
        return std::pair(tokens, std::move(run));
    });
    std::atomic<std::size_t> done{0}, done_in_parallel{0};
    const Measured interrupted = measure(runtime, [&] {
        return job.run(runtime, [&] {
            if (!runtime.is_gil_enabled()) ++done_in_parallel;
            const std::size_t now_done = ++done;
            if (now_done == job.calls() / 4) quarter_done.set_value();
            if (now_done > job.calls() / 4 * 3) {
                const interlock::Detached while_waiting;
                import_over.wait();
            }
        });
    });
    const auto [tokens, locked] = other_thread.get();
    const Digests serial_tokens = tokens.run_serially();
    table.add("2 textkit, legacy_tok imported", threads, job, interrupted, serial, Mode::parallel, Mode::locked);
    table.add("2 legacy_tok", threads, tokens, locked, serial_tokens, Mode::locked, Mode::locked);
    table.expect(done_in_parallel > 0 && done_in_parallel < job.calls(), "2",
                 "the switch was in the middle of the work");

    const auto before = std::chrono::steady_clock::now();
    loader.unload("legacy_tok").value();
    const std::chrono::duration<double, std::milli> unloading = std::chrono::steady_clock::now() - before;
    table.add("3 textkit, legacy_tok unloaded", threads, job, measure(runtime, [&] { return job.run(runtime); }),
              serial, Mode::parallel, Mode::parallel);

    const auto fallbacks = loader.report().fallbacks;
    table.expect(fallbacks.size() == 1 && fallbacks[0].switched && !fallbacks[0].imported_by.empty(), "2",
                 "there was one fallback");
    if (fallbacks.size() == 1) {
        std::string importers;
        for (const std::string& importer : fallbacks[0].imported_by) importers += " " + importer;
        std::printf(
            "\n%s was imported by%s when textkit had done %zu of %zu calls.\n"
            "The switch to locked mode took %.2f ms; unloading and the switch back took %.2f ms.\n",
            fallbacks[0].module.c_str(), importers.c_str(), done_in_parallel.load(), job.calls(),
            std::chrono::duration<double, std::milli>(fallbacks[0].switch_duration).count(), unloading.count());
    }
    return table.good() ? 0 : 1;
}

template <typename Number>
bool parse(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number > 0 && number <= 100000;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (const char* corpus = std::getenv("INTERLOCK_DEMO_CORPUS"); corpus != nullptr && *corpus != '\0')
        options.corpus = corpus;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
        if (name == "--corpus" && !value.empty()) {
            options.corpus = value;
        } else if (!(name == "--megabytes" && parse(value, options.megabytes)) &&
                   !(name == "--seconds" && parse(value, options.seconds))) {
            std::fprintf(stderr,
                         "usage: interlock-demo [--corpus DIR] [--megabytes N] [--seconds S]\n"
                         "  --corpus DIR    files to work on (default: $INTERLOCK_DEMO_CORPUS, else /usr/include)\n"
                         "  --megabytes N   use no more of them (default 64)\n"
                         "  --seconds S     repeat the work until the serial run takes this long (default 3)\n");
            return 2;
        }
    }
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "interlock-demo: %s\n", error.what());
        return 1;
    }
}
