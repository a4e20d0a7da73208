// call_arguments.cpp: JSON goes into values directly: by way of a tree, a whole number that does not fit would have
// become another one. Octets come from a file or from stdin, which is read to its end.
//
// SPDX-License-Identifier: MIT
#include "call_arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include <interlock/escape.hpp>

#include "exit_codes.hpp"
#include "run_inputs.hpp"
#include "standard_input.hpp"

namespace interlock::cli {

namespace {

using Json = nlohmann::ordered_json;

/// Makes a value of JSON text; `problem` says why it is none.
class ValueReader : public nlohmann::json_sax<Json> {
public:
    Value value;
    std::string problem;

    bool null() override { return add(Value()); }
    bool boolean(bool boolean) override { return add(boolean); }
    bool number_integer(std::int64_t number) override { return add(number); }
    bool number_unsigned(std::uint64_t number) override {
        if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return too_large(std::to_string(number));
        return add(static_cast<std::int64_t>(number));
    }
    bool number_float(double number, const std::string& text) override {
        return text.find_first_of(".eE") == text.npos ? too_large(text) : add(number);
    }
    bool string(std::string& text) override { return add(std::move(text)); }
    bool binary(binary_t&) override { return false; }  // not in text
    bool start_object(std::size_t) override { return begin(true); }
    bool key(std::string& key) override {
        open_.back().key = std::move(key);
        return true;
    }
    bool end_object() override { return end(); }
    bool start_array(std::size_t) override { return begin(false); }
    bool end_array() override { return end(); }
    bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
        if (problem.empty()) problem = error.what();
        return false;
    }
    /// Of JSON that cannot be a value, whatever else the text could be.
    bool cannot_be_a_value() const noexcept { return beyond_; }

private:
    struct Open {
        bool is_map = false;
        List items;
        Map entries;
        std::string key;  // of the next entry
    };

    bool begin(bool is_map) {
        constexpr std::size_t deepest = 64;
        if (open_.size() == deepest) return beyond("it is nested more than 64 deep");
        open_.push_back({is_map, {}, {}, {}});
        return true;
    }
    bool end() {
        Open done = std::move(open_.back());
        open_.pop_back();
        return add(done.is_map ? Value(std::move(done.entries)) : Value(std::move(done.items)));
    }
    bool add(Value item) {
        if (open_.empty()) {
            value = std::move(item);
            return true;
        }
        Open& open = open_.back();
        if (open.is_map)
            open.entries.emplace_back(std::move(open.key), std::move(item));
        else
            open.items.push_back(std::move(item));
        return true;
    }
    bool too_large(const std::string& number) {
        return beyond(
            fmt::format("{} does not fit into 64 bits; with a '.' or an exponent it is a floating-point number",
                        escape(number, 80)));
    }
    bool beyond(std::string why) {
        problem = std::move(why);
        beyond_ = true;
        return false;
    }

    std::vector<Open> open_;
    bool beyond_ = false;
};

Value octets_of(const std::string& file) {
    std::string content;
    if (file == "-") {
        content = content_of_stdin();
    } else if (const Outcome read = read_content(file, content); !read) {
        throw CommandError(exit_unreadable, fmt::format("{} {}", quoted(file, 4096), read.error().message));
    }
    return Bytes{{content.begin(), content.end()}};
}

}  // namespace

Value argument_from(const std::string& word, std::string_view as) {
    if (as == "auto" && word.starts_with('@')) return octets_of(word.substr(1));
    if (as != "text") {
        ValueReader reader;
        if (Json::sax_parse(word, &reader)) return std::move(reader.value);
        // "[1, 2" is a slip more often than a text.
        const std::size_t first = std::min(word.find_first_not_of(" \t\r\n"), word.size());
        const bool begins_like_json = std::string_view("[{\"").find(word.c_str()[first]) != std::string_view::npos;
        if (as == "json" || reader.cannot_be_a_value() || begins_like_json)
            throw UsageError(fmt::format("the argument {} is no JSON that a module can get: {}{}", quoted(word, 80),
                                         escape(reader.problem),
                                         as == "json" ? "" : "; --args-as text takes it as it stands"));
    }
    if (const auto at = first_invalid_utf8(word))
        throw UsageError(fmt::format("the argument {} is no UTF-8 text (byte {}); put it into a file and give @FILE",
                                     quoted(word, 80), *at));
    return word;
}

}  // namespace interlock::cli
