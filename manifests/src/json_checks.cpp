// json_checks.cpp: what is wrong is reported at its own place, down to the character within a text, with a hint how to
// write it; and the check goes on, so that one run shows all errors.
//
// SPDX-License-Identifier: MIT
#include "manifests/json_checks.hpp"

#include <algorithm>

#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "base/glob.hpp"

namespace interlock::manifests {

bool JsonChecks::is(const JsonNode& node, JsonKind kind, std::string_view name) {
    if (node.kind == kind) return true;
    const std::string wanted(kind == JsonKind::integer ? "a whole number" : kind_name(kind));
    const std::string found(node.kind == JsonKind::real ? node.text : kind_name(node.kind));
    source_.report(Code::wrong_type, node.offset, std::string(name) + " must be " + wanted + ", not " + escape(found));
    return false;
}

void JsonChecks::keys(const JsonNode& object, std::string_view owner, std::span<const std::string_view> known) {
    for (const JsonNode& member : object.children) {
        if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
        source_.report(Code::unknown_key, member.key_offset,
                       "unknown key " + quoted(member.key) + " in " + std::string(owner),
                       did_you_mean(member.key, known));
    }
}

const JsonNode* JsonChecks::required(const JsonNode& object, std::string_view owner, std::string_view key,
                                     std::string_view why) {
    const JsonNode* found = object.find(key);
    if (found == nullptr) {
        source_.report(Code::missing_key, object.offset, std::string(owner) + " lacks '" + std::string(key) + '\'',
                       std::string(why));
    }
    return found;
}

bool JsonChecks::header(const JsonNode& root) {
    string(root.find("$schema"));
    const JsonNode* version = root.find("version");
    if (version == nullptr || !is(*version, JsonKind::integer, "'version'")) return true;
    if (version->text == "1") return true;
    source_.report(Code::unknown_version, version->offset,
                   "the file is written for version " + escape(version->text) + " of the format",
                   "this interlock knows version 1");
    return false;
}

std::optional<std::string> JsonChecks::string(const JsonNode* node) {
    if (node == nullptr || !is(*node, JsonKind::string, quoted(node->key))) return std::nullopt;
    return node->text;
}

std::optional<std::string> JsonChecks::text(const JsonNode* node) {
    auto value = string(node);
    if (value && value->find_first_not_of(" \t\n\v\f\r") == std::string::npos) {
        source_.report(Code::empty_value, node->offset, quoted(node->key) + " is empty");
        return std::nullopt;
    }
    return value;
}

std::optional<std::string> JsonChecks::glob(const JsonNode* node) {
    auto value = string(node);
    if (!value) return std::nullopt;
    if (value->empty()) {
        source_.report(Code::empty_value, node->offset, quoted(node->key) + " is empty", "'*' matches everything");
        return std::nullopt;
    }
    if (const auto error = base::check_glob(*value)) {
        source_.report(Code::bad_glob, source_.offset_in_string(*node, error->offset),
                       "bad pattern " + quoted(*value) + ": " + std::string(error->what), std::string(error->hint));
        return std::nullopt;
    }
    return value;
}

std::optional<std::string> JsonChecks::hex(const JsonNode* node, std::size_t least, std::size_t most,
                                           std::string_view wanted) {
    auto value = string(node);
    if (!value) return std::nullopt;
    const std::size_t other = value->find_first_not_of("0123456789abcdefABCDEF");
    if (other != std::string::npos) {
        source_.report(Code::bad_hash, source_.offset_in_string(*node, other),
                       quoted(node->key) + " contains something else than hexadecimal digits",
                       "it is " + std::string(wanted));
        return std::nullopt;
    }
    if (value->size() < least || value->size() > most || value->size() % 2 != 0) {
        source_.report(Code::bad_hash, node->offset,
                       quoted(node->key) + " has " + std::to_string(value->size()) + " digits",
                       "it is " + std::string(wanted));
        return std::nullopt;
    }
    for (char& c : *value) {
        if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    }
    return value;
}

std::optional<std::string> JsonChecks::sha256(const JsonNode* node) {
    return hex(node, 64, 64, "64 hexadecimal digits, as sha256sum prints them");
}

std::optional<std::string> JsonChecks::build_id(const JsonNode* node) {
    return hex(node, 8, 128, "an even number of hexadecimal digits, 8 to 128, as readelf -n prints them");
}

std::optional<std::size_t> JsonChecks::word(const JsonNode* node, std::span<const std::string_view> words) {
    const auto value = string(node);
    if (!value) return std::nullopt;
    const auto found = std::find(words.begin(), words.end(), *value);
    if (found == words.end()) {
        source_.report(Code::unknown_word, node->offset, "unknown " + quoted(node->key) + ' ' + quoted(*value),
                       did_you_mean(*value, words));
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - words.begin());
}

}  // namespace interlock::manifests
