// Google Benchmark with the settings of this project: many short repetitions, interleaved at random, and the medians
// kept for the rows.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace interlock::bench {

/// Runs what has been registered, and knows the median times afterwards.
class Medians : public benchmark::BenchmarkReporter {
public:
    /// False: wrong arguments, and a message is on stderr.
    bool run(int count, char** arguments) {
        std::string settings[] = {"--benchmark_repetitions=11", "--benchmark_enable_random_interleaving=true",
                                  "--benchmark_report_aggregates_only=true", "--benchmark_min_time=0.05"};
        std::vector<char*> options(arguments, arguments + count);
        for (std::string& setting : settings) options.insert(options.begin() + 1, setting.data());
        int option_count = static_cast<int>(options.size());
        benchmark::Initialize(&option_count, options.data());
        if (benchmark::ReportUnrecognizedArguments(option_count, options.data())) return false;
        benchmark::RunSpecifiedBenchmarks(this);
        return true;
    }

    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs)
            if (run.aggregate_name == "median")
                times_[run.run_name.function_name][static_cast<int>(run.threads)] = run.GetAdjustedRealTime();
    }

    /// Nanoseconds for one iteration of one thread, when so many threads run at once.
    double of(const std::string& name, int threads = 1) const {
        // Google Benchmark divides by the iterations of all threads together.
        return times_.at(name).at(threads) * threads;
    }

private:
    std::map<std::string, std::map<int, double>> times_;
};

}  // namespace interlock::bench
