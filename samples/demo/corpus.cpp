// Collecting the files (corpus.hpp).
//
// SPDX-License-Identifier: MIT
#include "corpus.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

Corpus read_corpus(const std::filesystem::path& folder, std::size_t limit) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    std::error_code error;
    fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        std::error_code unknown;
        if (entry->symlink_status(unknown).type() == fs::file_type::regular) files.push_back(entry->path());
    }
    std::sort(files.begin(), files.end());

    Corpus corpus;
    for (const fs::path& file : files) {
        std::ifstream in(file, std::ios::binary);
        std::ostringstream content;
        if (!(content << in.rdbuf())) continue;  // cannot be read, or is empty
        std::string text = std::move(content).str();
        if (corpus.bytes + text.size() > limit) break;
        corpus.bytes += text.size();
        corpus.texts.push_back(std::move(text));
    }
    if (corpus.texts.empty())
        throw std::runtime_error("no files to work on in " + folder.string() + (error ? ": " + error.message() : "") +
                                 "; name another folder with --corpus");
    return corpus;
}
