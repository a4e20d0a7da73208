// thread_tags_test.cpp: every function that module.h gives to the author of a module says on which thread it may be
// called: a tag such as [attached] in the comment before it. The comment may be shared by functions that follow each
// other without an empty line. Services of the host that no tagged function wraps are found as well.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE thread_tags
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

const std::regex tag(R"(\[(attached|any-thread|import-only|no-code|detached)\])");

struct Findings {
    std::vector<std::string> untagged;  ///< functions, function-like macros and function types without a tag
    std::size_t tagged = 0;
    std::set<std::string> members, wrapped;  ///< function pointers of il_host, and those that something tagged calls
};

/// Reads a header in the style of module.h: comments before what they describe, one declaration to a line.
Findings check(const std::string& header) {
    static const std::regex callable(
        R"(^static inline .*?\b(il_\w+)\(|^#define (il_\w+|IL_BEGIN_\w+)\(|^typedef .*\(\*(il_\w+)\)\()");
    static const std::regex end_macro(R"(^#define IL_END_\w+)");  // described with its IL_BEGIN
    static const std::regex member_pointer(R"(^    .*\(\*(exec|teardown|destroy)\)\()");
    static const std::regex host_member(R"(^    .*?\(\*(\w+)\)\()");
    static const std::regex host_use(R"(host\)?->(\w+)\()");
    Findings out;
    std::istringstream lines(header);
    bool in_comment = false;
    bool in_host = false;
    bool comment_is_tagged = false;
    for (std::string line; std::getline(lines, line);) {
        const bool tag_here = std::regex_search(line, tag);
        if (in_comment || line.starts_with("/*")) {
            if (!in_comment) comment_is_tagged = false;
            comment_is_tagged |= tag_here;
            in_comment = line.find("*/") == std::string::npos;
            continue;
        }
        if (line.empty()) comment_is_tagged = false;
        if (line.starts_with("struct il_host {")) in_host = true;
        if (line.starts_with("};")) in_host = false;
        std::smatch found;
        if (in_host && std::regex_search(line, found, host_member)) {
            out.members.insert(found[1]);
        } else if (std::regex_search(line, found, member_pointer)) {
            tag_here ? void(++out.tagged) : out.untagged.push_back(found[1]);
        } else if (std::regex_search(line, found, callable) && !std::regex_search(line, end_macro)) {
            const std::string name = found[1].matched ? found[1] : found[2].matched ? found[2] : found[3];
            comment_is_tagged ? void(++out.tagged) : out.untagged.push_back(name);
        }
        for (std::sregex_iterator use(line.begin(), line.end(), host_use), last; use != last; ++use) {
            out.wrapped.insert((*use)[1]);
        }
    }
    return out;
}

std::string read(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(module_h_is_tagged) {
    const std::string header = read(MODULE_H);
    BOOST_REQUIRE(!header.empty());
    const Findings found = check(header);
    for (const auto& name : found.untagged) BOOST_ERROR(name + " has no thread tag");
    BOOST_TEST(found.tagged >= 30u);  // or the patterns above no longer see the declarations
    BOOST_TEST(found.members.size() >= 20u);
    BOOST_TEST(found.wrapped == found.members, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_checker_finds_what_is_missing) {
    const Findings found = check(
        "/* [attached] Good. */\n"
        "static inline int il_good(void) { return host->good(1); }\n"
        "static inline int il_shared(void) { return 1; }\n"
        "\n"
        "static inline int il_after_gap(void) { return 1; }\n"
        "/* No tag. */\n"
        "static inline int il_bad(void) { return 1; }\n"
        "/* Two lines,\n"
        " * [any-thread] the second has it. */\n"
        "#define il_macro(call, ...) ((call)->host->other((call), __VA_ARGS__))\n"
        "#define il_bad_macro(call) 1\n"
        "\n"
        "#define IL_BEGIN_BAD(call) {\n"
        "#define IL_END_BAD }\n"
        "typedef int (*il_bad_type)(void);\n"
        "    int (*exec)(void);\n"
        "    int (*teardown)(void); /* [attached] */\n"
        "struct il_host {\n"
        "    int (*good)(int);\n"
        "    int (*forgotten)(int);\n"
        "};\n");
    const std::vector<std::string> untagged{"il_after_gap", "il_bad", "IL_BEGIN_BAD", "il_bad_type", "exec"};
    BOOST_TEST(found.untagged == untagged, boost::test_tools::per_element());
    BOOST_TEST(found.tagged == 5u);
    BOOST_TEST((found.members == std::set<std::string>{"good", "forgotten"}));
    BOOST_TEST((found.wrapped == std::set<std::string>{"good", "other"}));
}
