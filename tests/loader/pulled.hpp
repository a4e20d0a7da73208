// pulled.hpp: for tests of what the dynamic linker pulls in: the modules and libraries of that folder, and what to say
// of them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <boost/test/unit_test.hpp>

#include "lab.hpp"

namespace interlock {
inline std::ostream& boost_test_print_type(std::ostream& out, DecisionSource source) {
    return out << source_name(source);
}
inline std::ostream& boost_test_print_type(std::ostream& out, PolicyAction action) {
    return out << action_name(action);
}
inline std::ostream& boost_test_print_type(std::ostream& out, LibraryKind kind) {
    return out << library_kind_name(kind);
}
inline std::ostream& boost_test_print_type(std::ostream& out, LibraryOrigin origin) {
    return out << origin_name(origin);
}
}  // namespace interlock

namespace interlock::test {

inline const std::string folder = PULLED_DIRECTORY;

inline std::string file_of(const std::string& name) { return folder + "/" + name + ".so"; }

inline LabOptions with(std::function<void(LoaderOptions&)> change = {}, std::filesystem::path path = folder) {
    return {.change = [change, path](LoaderOptions& options) {
        options.search_path = {path};
        if (change) change(options);
    }};
}

inline LabOptions under(const std::string& policy, std::filesystem::path path = folder) {
    return with(
        [policy](LoaderOptions& options) {
            PolicyFile file = parse_policy(policy, {}, today_utc());
            BOOST_REQUIRE(!has_errors(file.diagnostics));
            options.policy = file.policy;
        },
        std::move(path));
}

inline std::string refusing(const std::string& match) {
    return R"({"rules": [{"match": )" + match + R"(, "threading": "refuse", "reason": "not reviewed"}]})";
}

inline const PulledLibrary* library(const std::vector<PulledLibrary>& libraries, const std::string& name) {
    for (const PulledLibrary& one : libraries)
        if (one.file.filename() == name) return &one;
    return nullptr;
}

inline std::string details_of(const Warning& warning) { return warning.text(); }

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

#define CHECK_CONTAINS(text, part) BOOST_TEST(contains(text, part), text)

}  // namespace interlock::test
