// support.hpp: how the tests call the command, and what they call it on.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"
#include "support/temporary_folder.hpp"

namespace interlock::test {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

inline std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    BOOST_REQUIRE_MESSAGE(value != nullptr, name << " is not set; run this with ctest");
    return value;
}

/// Where the modules of these tests are.
inline std::string module_folder() { return from_environment("INTERLOCK_TEST_MODULES"); }

inline Command command(Words arguments, Variables environment = {}) {
    Command command;
    command.program = from_environment("INTERLOCK_COMMAND");
    command.arguments = std::move(arguments);
    command.environment = std::move(environment);
    return command;
}

inline Finished call(Words arguments, Variables environment = {}) {
    return run_process(command(std::move(arguments), std::move(environment)));
}

/// With the modules of these tests on the path.
inline Finished call_with_modules(Words arguments, Variables environment = {}) {
    environment.emplace("INTERLOCK_PATH", module_folder());
    return call(std::move(arguments), std::move(environment));
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

inline std::string content_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class Folder : public TemporaryFolder {
public:
    /// Copies one of the modules of these tests.
    std::string copy_module(std::string_view module, std::string_view as) const {
        const std::filesystem::path file = path() / as;
        std::filesystem::create_directories(file.parent_path());
        std::filesystem::copy_file(std::filesystem::path(module_folder()) / module, file);
        return file.string();
    }
};

}  // namespace interlock::test

/// Exit status, with everything that was said when it is another.
#define CHECK_STATUS(finished, expected)                                                   \
    BOOST_CHECK_MESSAGE((finished).status == (expected),                                   \
                        "exit status " << (finished).status << ", expected " << (expected) \
                                       << "\nstdout: " << (finished).out << "\nstderr: " << (finished).err)
#define CHECK_CONTAINS(text, part) \
    BOOST_CHECK_MESSAGE(interlock::test::contains(text, part), "'" << (part) << "' is not in: " << (text))
