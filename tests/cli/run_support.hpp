// run_support.hpp: what the tests of `interlock run` share.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "support.hpp"

namespace interlock::test {

inline Words run(const std::string& function, const Words& more) {
    Words words = {"run", function};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/// {"input": name} -> result, from JSON lines.
struct Line {
    std::string input;
    Json result, error;
};
inline std::vector<Line> results_of(const Finished& finished) {
    std::vector<Line> results;
    for (const std::string& line : lines_of(finished.out)) {
        const Json json = Json::parse(line);
        BOOST_REQUIRE(json.size() == 2u);
        BOOST_REQUIRE(json.contains("result") != json.contains("error"));
        results.push_back({json.at("input"), json.value("result", Json()), json.value("error", Json())});
    }
    return results;
}

inline std::vector<std::string> inputs_of(const Finished& finished) {
    std::vector<std::string> inputs;
    for (const Line& line : results_of(finished)) inputs.push_back(line.input);
    return inputs;
}

/// 0.txt ... with as many bytes as the number says; the names sort as the numbers do.
inline std::vector<std::string> write_numbered(const Folder& folder, std::size_t count) {
    std::vector<std::string> files;
    for (std::size_t i = 0; i < count; ++i) {
        std::string name = std::to_string(i);
        name.insert(0, 4 - name.size(), '0');
        files.push_back(folder.write("in/" + name, std::string(i, 'x')));
    }
    return files;
}

inline Json summary_of(const Finished& finished) {
    const auto lines = lines_of(finished.err);
    const auto found = std::find_if(lines.begin(), lines.end(),
                                    [](const std::string& line) { return line.starts_with("{\"summary\":"); });
    BOOST_REQUIRE_MESSAGE(found != lines.end(), finished.err);
    return Json::parse(*found).at("summary");
}

}  // namespace interlock::test
