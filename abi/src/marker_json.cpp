// marker_json.cpp: the description of a marker note. A marker decides whether code runs without a lock, so every
// deviation is an error with its reason. Only what a later version may add is let through: further keys, and further
// names of threading levels.
//
// SPDX-License-Identifier: MIT
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <interlock/escape.hpp>
#include <interlock/marker.hpp>

#include "abi/byte_source.hpp"
#include "marker_error.hpp"

namespace interlock {
namespace {

constexpr std::size_t max_json_size = 64U << 10;
constexpr std::size_t max_depth = 16;
constexpr std::size_t max_text_size = 1000;

/// The name of a key as messages show it.
std::string key_text(std::string_view key) {
    std::string text = "\"";
    text += escape(key, 100);
    text += '"';
    return text;
}

bool has_control_character(std::string_view text) {
    for (const char c : text) {
        if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f) return true;
    }
    return false;
}

/// Why `name` cannot be the full name of a module; empty when it can.
std::string_view name_problem(std::string_view name) {
    if (name.empty()) return "is empty";
    if (name.size() > max_text_size) return "is over 1000 bytes long";
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    if (name.find_first_not_of(allowed) != std::string_view::npos) return "has a character outside [A-Za-z0-9_.]";
    if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos) {
        return "has an empty component";
    }
    return {};
}

/// Receives the events of the parser. Fills in the marker without building a document; remembers the first reason to
/// reject.
class MarkerHandler : public nlohmann::json_sax<nlohmann::json> {
public:
    std::string reason;

    std::optional<std::uint64_t> abi;
    std::optional<std::string> module, version, threading;

    bool null() override { return scalar("null"); }
    bool boolean(bool) override { return scalar("a boolean"); }
    bool number_integer(number_integer_t) override {
        return at_top("abi") ? reject("\"abi\" is negative") : scalar("a number");
    }
    bool number_unsigned(number_unsigned_t number) override {
        if (!at_top("abi")) return scalar("a number");
        abi = number;
        return true;
    }
    bool number_float(number_float_t, const string_t&) override {
        return scalar("a number out of range or with a fraction");
    }
    bool binary(binary_t&) override { return scalar("binary data"); }
    bool string(string_t& text) override {
        if (at_top("module")) return module = std::move(text), true;
        if (at_top("version")) return version = std::move(text), true;
        if (at_top("threading")) return threading = std::move(text), true;
        return scalar("a string");
    }
    bool start_object(std::size_t) override {
        if (!levels_.empty() && !scalar("an object")) return false;
        return push(true);
    }
    bool start_array(std::size_t) override { return scalar("an array") && push(false); }
    bool end_object() override { return levels_.pop_back(), true; }
    bool end_array() override { return levels_.pop_back(), true; }
    bool key(string_t& name) override {
        key_ = name;
        if (levels_.back().keys.insert(std::move(name)).second) return true;
        return reject("the key " + key_text(key_) + " appears twice");
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        return reject("its description is not valid JSON, at byte " + std::to_string(position));
    }

private:
    struct Level {
        bool object = false;
        std::set<std::string> keys;
    };

    bool reject(std::string why) {
        if (reason.empty()) reason = std::move(why);
        return false;
    }
    bool push(bool object) {
        if (levels_.size() == max_depth) return reject("its description is nested too deeply");
        levels_.push_back({object, {}});
        return true;
    }
    bool at_top(std::string_view name) const { return levels_.size() == 1 && levels_[0].object && key_ == name; }
    /// A value that fills none of the keys above: fine anywhere but in their places and instead of the whole.
    bool scalar(const char* what) {
        if (levels_.empty()) return reject(std::string("its description is ") + what + ", not an object");
        if (at_top("abi")) return reject(std::string("\"abi\" is ") + what + ", not an integer");
        for (const char* name : {"module", "version", "threading"}) {
            if (at_top(name)) return reject(key_text(name) + " is " + what + ", not a string");
        }
        return true;
    }

    std::vector<Level> levels_;
    std::string key_;
};

/// Why the parsed values make no marker; empty when they do.
std::string content_problem(const MarkerHandler& found) {
    if (!found.abi) return "the key \"abi\" is missing";
    if (!found.module) return "the key \"module\" is missing";
    if (!found.threading) return "the key \"threading\" is missing";
    if (*found.abi == 0 || *found.abi > std::numeric_limits<std::uint32_t>::max()) {
        return "\"abi\" is " + std::to_string(*found.abi) + ", which is no version of the ABI";
    }
    if (const auto problem = name_problem(*found.module); !problem.empty()) {
        return "the module name " + quoted(*found.module, 100) + " " + std::string(problem);
    }
    const std::pair<const char*, std::string> texts[] = {{"version", found.version.value_or("")},
                                                         {"threading", *found.threading}};
    for (const auto& [key, text] : texts) {
        if (text.size() > max_text_size) return key_text(key) + " is over 1000 bytes long";
        if (has_control_character(text)) {
            return key_text(key) + " is " + quoted(text, 100) + ", which has a control character";
        }
    }
    return {};
}

}  // namespace

Error marker_error(const std::string& file, std::uint64_t offset, const std::string& reason) {
    return {Errc::malformed_marker, quoted(file) + " has a malformed Interlock marker at offset " + hex(offset) + ": " +
                                        reason + "; build the module again with IL_MODULE of interlock/module.h"};
}

Result<Marker> parse_marker(std::string_view json, const std::string& where, std::uint64_t offset) {
    auto reject = [&](const std::string& reason) { return marker_error(where, offset, reason); };
    if (json.size() > max_json_size)
        return reject("its description is over " + std::to_string(max_json_size) + " bytes");
    const auto last = json.find_last_not_of('\0');
    if (last == std::string_view::npos) return reject("its description is empty");
    json = json.substr(0, last + 1);
    // The parser would take a zero byte for the end, whatever follows, and skip a byte order mark; a marker has
    // neither.
    if (const auto zero = json.find('\0'); zero != std::string_view::npos) {
        return reject("its description has a zero byte in the middle, at byte " + std::to_string(zero + 1));
    }
    if (json.starts_with("\xef\xbb\xbf")) return reject("its description starts with a byte order mark");

    MarkerHandler found;
    if (!nlohmann::json::sax_parse(json, &found)) return reject(found.reason);
    if (const auto problem = content_problem(found); !problem.empty()) return reject(problem);
    Marker marker;
    marker.module = std::move(*found.module);
    marker.version = std::move(found.version).value_or("");
    marker.abi = static_cast<unsigned>(*found.abi);
    marker.threading = level_from_name(*found.threading);
    marker.threading_text = std::move(*found.threading);
    marker.offset = offset;
    return marker;
}

}  // namespace interlock
