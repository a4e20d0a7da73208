// What every benchmark prints: one row for each result, beside what it is compared with, and the target. With
// `--json FILE` each row is also appended to FILE as a line of JSON.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace interlock::bench {

/// "at most" or "at least" some limit, of the value or of its ratio to the reference.
struct Target {
    enum class Of { none, value, ratio } of = Of::none;
    bool at_most = true;
    double limit = 0;

    static Target value_at_most(double limit) { return {Of::value, true, limit}; }
    static Target ratio_at_most(double limit) { return {Of::ratio, true, limit}; }
    static Target ratio_at_least(double limit) { return {Of::ratio, false, limit}; }
};

struct Row {
    std::string what;
    double value = 0;
    std::string unit;
    std::string against = {};  ///< what the reference is; empty: compared with nothing
    double reference = std::numeric_limits<double>::quiet_NaN();
    Target target = {};
};

class Rows {
public:
    /// Takes `--json FILE` out of the arguments.
    Rows(int& count, char** arguments) {
        for (int i = 1; i < count; ++i) {
            if (std::strcmp(arguments[i], "--json") != 0) continue;
            if (i + 1 == count) {
                std::fprintf(stderr, "%s: --json needs a file\n", arguments[0]);
                std::exit(2);
            }
            json_.open(arguments[i + 1], std::ios::app);
            std::copy(arguments + i + 2, arguments + count, arguments + i);
            count -= 2;
            break;
        }
    }

    void add(const Row& row) {
        const double ratio = row.against.empty() ? std::numeric_limits<double>::quiet_NaN() : row.value / row.reference;
        const bool of_value = row.target.of == Target::Of::value;
        const double measured = of_value ? row.value : ratio;
        const bool met = row.target.at_most ? measured <= row.target.limit : measured >= row.target.limit;
        std::string target, verdict;
        if (row.target.of != Target::Of::none) {
            target =
                (row.target.at_most ? "<= " : ">= ") + number(row.target.limit) + (of_value ? " " + row.unit : "x");
            verdict = met ? "met" : "NOT MET";
            missed_ += !met;
        }
        const std::string reference =
            row.against.empty() ? "" : row.against + " " + number(row.reference) + " " + row.unit;
        std::printf("%-52s %13s  %-48s %7s  %-10s %s\n", row.what.c_str(), (number(row.value) + " " + row.unit).c_str(),
                    reference.c_str(), row.against.empty() ? "" : (number(ratio) + "x").c_str(), target.c_str(),
                    verdict.c_str());
        std::fflush(stdout);
        if (!json_.is_open()) return;
        json_ << "{\"what\": \"" << row.what << "\", \"value\": " << row.value << ", \"unit\": \"" << row.unit << '"';
        if (!row.against.empty())
            json_ << ", \"against\": \"" << row.against << "\", \"reference\": " << row.reference
                  << ", \"ratio\": " << ratio;
        if (row.target.of != Target::Of::none)
            json_ << ", \"target\": \"" << target << "\", \"met\": " << (met ? "true" : "false");
        json_ << "}" << std::endl;
    }

    /// Of the program: whether targets were met is no error of it.
    int missed() const { return missed_; }

private:
    static std::string number(double value) {
        char text[32];
        std::snprintf(text, sizeof text, value < 10 ? "%.2f" : value < 1000 ? "%.1f" : "%.0f", value);
        return text;
    }
    std::ofstream json_;
    int missed_ = 0;
};

/// The value below which `part` (0 to 1) of the samples lie.
inline double percentile(std::vector<double> samples, double part) {
    if (samples.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::sort(samples.begin(), samples.end());
    const auto last = static_cast<double>(samples.size() - 1);
    return samples[static_cast<std::size_t>(part * last + 0.5)];
}
inline double median(std::vector<double> samples) { return percentile(std::move(samples), 0.5); }

}  // namespace interlock::bench
