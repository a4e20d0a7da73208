// json_source.cpp: two readers of one text in step: nlohmann's parser decides what is JSON, the cursor finds where each
// token that the parser reports begins. The cursor may therefore trust the text up to where the parser has come.
//
// SPDX-License-Identifier: MIT
#include "manifests/json_source.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <unordered_map>
#include <utility>

#include <interlock/escape.hpp>
#include <nlohmann/json.hpp>

namespace interlock::manifests {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// Finds the tokens of valid JSON with comments, one after the other.
class Cursor {
public:
    explicit Cursor(std::string_view text) : text_(text) {
        if (text.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    }

    /// The start of the next token; commas and colons count as space if `separators`.
    std::size_t next(bool separators = true) noexcept {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || (separators && (c == ',' || c == ':'))) {
                ++at_;
            } else if (text_.substr(at_).starts_with("//")) {
                at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
            } else if (text_.substr(at_).starts_with("/*")) {
                const std::size_t end = text_.find("*/", at_ + 2);
                at_ = end == std::string_view::npos ? text_.size() : end + 2;
            } else {
                break;
            }
        }
        return at_;
    }

    /// Steps over the token that begins here; returns its end.
    std::size_t skip() noexcept {
        if (at_ >= text_.size()) return at_;
        const char first = text_[at_++];
        if (first == '"') {
            while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
            at_ = std::min(at_ + 1, text_.size());
        } else if (is_word(first)) {
            while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        }
        return at_;
    }

private:
    /// Numbers and literals.
    static bool is_word(char c) noexcept {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' ||
               c == '.';
    }
    std::string_view text_;
    std::size_t at_ = 0;
};

/// Receives nlohmann's events; every function returns whether to go on.
class Builder {
public:
    Builder(std::string_view text, JsonSource& source, std::size_t most_values)
        : source_(source), text_(text), cursor_(text), most_values_(most_values) {}

    bool null() { return scalar(JsonKind::null, {}); }
    bool boolean(bool) { return scalar(JsonKind::boolean, {}); }
    bool number_integer(std::int64_t number) { return scalar(JsonKind::integer, std::to_string(number)); }
    bool number_unsigned(std::uint64_t number) { return scalar(JsonKind::integer, std::to_string(number)); }
    bool number_float(double, const std::string& as_written) {
        // A whole number that does not fit into 64 bits comes here too.
        const bool whole = as_written.find_first_not_of("-0123456789") == std::string::npos;
        return scalar(whole ? JsonKind::integer : JsonKind::real, as_written);
    }
    bool string(std::string& value) { return scalar(JsonKind::string, std::move(value)); }
    bool binary(nlohmann::json::binary_t&) { return false; }  // not in JSON text

    bool start_object(std::size_t) { return open(JsonKind::object); }
    bool start_array(std::size_t) { return open(JsonKind::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        key_ = std::move(name);
        key_offset_ = cursor_.next();
        cursor_.skip();
        const auto [first, fresh] = open_.back().keys.try_emplace(key_, key_offset_);
        if (!fresh) {
            source_.report(Code::duplicate_key, key_offset_,
                           "key " + quoted(key_) + " appears twice in one object; first on line " +
                               std::to_string(source_.line_of(first->second)),
                           "remove one of them");
        }
        repeated_ = !fresh;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
        // The message behind "[json.exception...] parse error at line 1, column 2: "; the position is ours.
        std::string what = error.what();
        for (const char* prefix : {"] ", ": "}) {
            const std::size_t at = what.find(prefix);
            if (at != std::string::npos && at < 60) what.erase(0, at + 2);
        }
        source_.report(Code::syntax, start_of_error(position), "not JSON: " + escape(what));
        return false;
    }

    std::optional<JsonNode> take() { return std::move(root_); }

private:
    struct Open {
        JsonNode* node;
        std::unordered_map<std::string, std::size_t> keys;
    };

    /// Adds a node where the parser is; null when a limit is reached.
    JsonNode* add(JsonKind kind, std::string text) {
        JsonNode node;
        node.kind = kind;
        node.offset = cursor_.next();
        node.text = std::move(text);
        cursor_.skip();
        if (++values_ > most_values_) {
            source_.report(Code::too_large, node.offset,
                           "the file has more than " + std::to_string(most_values_) + " values");
            return nullptr;
        }
        if (open_.empty()) return &root_.emplace(std::move(node));
        JsonNode& parent = *open_.back().node;
        if (parent.kind == JsonKind::object) {
            node.key = std::move(key_);
            node.key_offset = key_offset_;
            if (std::exchange(repeated_, false)) return &(ignored_.emplace_back(std::move(node)));
        }
        return &parent.children.emplace_back(std::move(node));
    }

    bool scalar(JsonKind kind, std::string text) { return add(kind, std::move(text)) != nullptr; }

    // The open nodes' addresses stay valid: a parent gets no further child before the present one is closed, and the
    // same holds for ignored_, in which only nodes outside of it nest.
    bool open(JsonKind kind) {
        JsonNode* node = add(kind, {});
        if (node == nullptr) return false;
        if (open_.size() == max_json_depth) {
            source_.report(Code::too_deep, node->offset,
                           "nested more than " + std::to_string(max_json_depth) + " deep");
            return false;
        }
        open_.push_back({node, {}});
        return true;
    }
    bool close() {
        cursor_.next();
        cursor_.skip();
        open_.pop_back();
        return true;
    }

    /// nlohmann's position is the number of bytes read when it gave up. If a token ends there, the parser did not
    /// expect it, and its start is what to show; else the byte itself is wrong.
    std::size_t start_of_error(std::size_t position) {
        for (;;) {
            const std::size_t start = cursor_.next(false);
            if (start >= text_.size()) return text_.size();
            const std::size_t end = cursor_.skip();
            if (end == position) return start;
            if (end > position) return std::max(start, position == 0 ? 0 : position - 1);
        }
    }

    JsonSource& source_;
    std::string_view text_;
    Cursor cursor_;
    const std::size_t most_values_;
    std::optional<JsonNode> root_;
    std::vector<Open> open_;
    std::deque<JsonNode> ignored_;  ///< values of repeated keys
    std::string key_;
    std::size_t key_offset_ = 0, values_ = 0;
    bool repeated_ = false;
};

}  // namespace

std::string_view kind_name(JsonKind kind) noexcept {
    constexpr std::string_view names[] = {"null",     "a boolean", "a number", "a number",
                                          "a string", "an array",  "an object"};
    return names[static_cast<std::size_t>(kind)];
}

const JsonNode* JsonNode::find(std::string_view name) const noexcept {
    const auto found = std::find_if(children.begin(), children.end(), [&](const JsonNode& n) { return n.key == name; });
    return found == children.end() ? nullptr : &*found;
}

JsonSource::JsonSource(std::string_view text, std::string file, const JsonLimits& limits)
    : text_(text), file_(std::move(file)) {
    if (text.size() > limits.size) {
        // About the file as a whole, which is not looked into.
        found_.emplace(0, Diagnostic{Severity::error,
                                     file_,
                                     0,
                                     0,
                                     std::string(info(Code::too_large).code),
                                     "the file has more than " + std::to_string(limits.size) + " bytes",
                                     {}});
        has_errors_ = true;
        return;
    }
    line_starts_.push_back(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string_view::npos;) line_starts_.push_back(++at);
    // nlohmann takes a zero byte for the end of the text, and would not see what follows.
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
        report(Code::syntax, zero, "not JSON: it contains a zero byte");
        return;
    }
    Builder builder(text, *this, limits.values);
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder, nlohmann::json::input_format_t::json, true,
                                  true)) {
        root_ = builder.take();
    }
}

void JsonSource::report(Code code, std::size_t offset, std::string message, std::string hint) {
    const DiagnosticCode& kind = info(code);
    has_errors_ |= kind.severity == Severity::error;
    found_.emplace(offset, Diagnostic{kind.severity, file_, line_of(offset), column_of(offset), std::string(kind.code),
                                      std::move(message), std::move(hint)});
}

Diagnostics JsonSource::take_diagnostics() {
    Diagnostics out;
    out.reserve(found_.size());
    for (auto& [offset, diagnostic] : found_) out.push_back(std::move(diagnostic));
    found_.clear();
    return out;
}

std::size_t JsonSource::offset_in_string(const JsonNode& string, std::size_t index) const noexcept {
    std::size_t at = string.offset + 1;
    for (std::size_t decoded = 0; at < text_.size() && text_[at] != '"';) {
        std::size_t written = 1, size = 1;
        if (text_[at] == '\\') {
            written = 2;
            if (text_.substr(at).starts_with("\\u")) {
                const std::string digits(text_.substr(std::min(at + 2, text_.size()), 4));
                const unsigned long unit = std::strtoul(digits.c_str(), nullptr, 16);
                const bool pair =
                    unit >= 0xd800 && unit < 0xdc00;  // the parser has seen to it that the second is there
                written = pair ? 12 : 6;
                size = pair ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
            }
        }
        if (decoded + size > index) break;
        decoded += size;
        at += written;
    }
    return at;
}

std::size_t JsonSource::line_of(std::size_t offset) const noexcept {
    const auto behind = std::upper_bound(line_starts_.begin() + 1, line_starts_.end(), offset);
    return static_cast<std::size_t>(std::distance(line_starts_.begin(), behind));
}

std::size_t JsonSource::column_of(std::size_t offset) const noexcept {
    const std::size_t start = line_starts_[line_of(offset) - 1];
    return std::max(offset, start) - start + 1;
}

}  // namespace interlock::manifests
