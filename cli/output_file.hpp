// output_file.hpp: a file that a verb writes at its end. What can be known before the work is: a report that cannot be
// written should not be noticed after an hour.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace interlock::cli {

class OutputFile {
public:
    /// Looks whether `path` can be written, and writes nothing yet. Throws CommandError(exit_unreadable).
    explicit OutputFile(std::string path);

    /// In place of what is there, through links, with the permissions that are there: a reader sees the old file or the
    /// new one, and nothing else in the folder is touched. Pipes and devices are written to. Returns what went wrong,
    /// or
    /// "".
    std::string write(std::string_view text) const;

    /// Whether the two are one file.
    bool same_as(const OutputFile& other) const { return target_ == other.target_; }
    /// Whether it is the file that stdout is redirected to.
    bool is_stdout() const;
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;              // as it was given
    std::filesystem::path target_;  // without links
};

}  // namespace interlock::cli
