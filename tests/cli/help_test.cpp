// help_test.cpp: every verb has a help text, and docs/cli.md documents every verb and every option.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE cli_help
#include <boost/test/unit_test.hpp>
#include <regex>

#include "support.hpp"

using namespace interlock::test;

namespace {

const std::vector<std::string> verbs = {
    "run",          "import",          "call",           "plan",  "python",  "config",
    "policy check", "manifest create", "manifest check", "audit", "inspect", "explain"};

Words words_of(const std::string& verb) {
    std::istringstream in(verb);
    Words words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

std::string help_of(const std::string& verb, const std::string& option = "--help") {
    Words words = words_of(verb);
    words.push_back(option);
    const Finished finished = call(words);
    CHECK_STATUS(finished, 0);
    BOOST_TEST(finished.err == "");
    return finished.out;
}

/// "--threads", "-j", ... of the option list of a help text.
std::vector<std::string> options_in(const std::string& help) {
    std::vector<std::string> options;
    const std::regex left("^ {2,6}(-[^ ]+(, -[^ ]+)*)( |$)"), name("-{1,2}[A-Za-z0-9-]+");
    for (const std::string& line : lines_of(help)) {
        std::smatch found;
        if (!std::regex_search(line, found, left)) continue;
        const std::string names = found[1];
        for (std::sregex_iterator it(names.begin(), names.end(), name), end; it != end; ++it)
            options.push_back(it->str());
    }
    return options;
}

}  // namespace

BOOST_AUTO_TEST_CASE(help_goes_to_stdout_with_status_0) {
    for (const std::string& verb : verbs) {
        BOOST_TEST_CONTEXT(verb) {
            const std::string help = help_of(verb);
            BOOST_TEST(help.starts_with("Usage: interlock [OPTIONS] " + verb + " "));
            BOOST_TEST(help == help_of(verb, "-h"));
            for (const std::string& line : lines_of(help)) BOOST_TEST(line.size() <= 120u);
        }
    }
    BOOST_TEST(help_of("").starts_with("Usage: interlock [OPTIONS] VERB "));
    CHECK_CONTAINS(help_of("policy"), "  policy check ");
    CHECK_CONTAINS(help_of("manifest"), "  manifest create ");
}

BOOST_AUTO_TEST_CASE(help_wins_over_everything_else) {
    for (const Words& words :
         {Words{"--help", "run"}, Words{"run", "--help", "--nonsense"}, Words{"run", "-h", "-j", "0"}}) {
        const Finished finished = call(words);
        CHECK_STATUS(finished, 0);
        CHECK_CONTAINS(finished.out, "Usage: interlock");
    }
}

BOOST_AUTO_TEST_CASE(the_list_of_verbs_is_complete) {
    const std::string help = help_of("");
    for (const std::string& verb : verbs) CHECK_CONTAINS(help, "\n  " + verb + " ");
    const auto lines = lines_of(help.substr(0, help.find("\nOptions")));
    const auto is_verb = [](const std::string& line) { return line.starts_with("  ") && line[2] != ' '; };
    BOOST_TEST(std::count_if(lines.begin(), lines.end(), is_verb) == static_cast<std::ptrdiff_t>(verbs.size()));
}

BOOST_AUTO_TEST_CASE(every_option_is_in_the_documentation) {
    const std::string document = content_of(from_environment("INTERLOCK_SOURCE_DIR") + "/docs/cli.md");
    BOOST_REQUIRE(!document.empty());
    std::size_t count = 0;
    std::vector<std::string> sections = verbs;
    sections.emplace_back();
    for (const std::string& verb : sections) {
        const std::size_t begin = document.find("<!-- help: " + verb + (verb.empty() ? "-->" : " -->"));
        BOOST_REQUIRE_MESSAGE(begin != std::string::npos, "docs/cli.md has no section for '" << verb << "'");
        const std::string section = document.substr(begin, document.find("<!-- end -->", begin) - begin);
        for (const std::string& option : options_in(help_of(verb))) {
            CHECK_CONTAINS(section, option);
            ++count;
        }
    }
    BOOST_TEST(count > 30u);
}
