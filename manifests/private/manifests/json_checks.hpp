// json_checks.hpp: the checks that policies and manifests share: each reports what is wrong and hands on what is right.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "manifests/json_source.hpp"

namespace interlock::manifests {

class JsonChecks {
public:
    explicit JsonChecks(JsonSource& source) : source_(source) {}

    /// Is it of this kind? `name` names it in the message: "'rules'", "an item of 'rules'".
    bool is(const JsonNode& node, JsonKind kind, std::string_view name);
    /// Reports all keys of an object that are not among `known`.
    void keys(const JsonNode& object, std::string_view owner, std::span<const std::string_view> known);
    /// The member `key`, reported when missing; `why` is the hint.
    const JsonNode* required(const JsonNode& object, std::string_view owner, std::string_view key,
                             std::string_view why);
    /// "version" and "$schema" of the outermost object; false when the file is for another version.
    bool header(const JsonNode& root);

    /// These take a member or null, which stands for an absent one, and give what it says if that is right.
    std::optional<std::string> text(const JsonNode* node);      ///< not blank
    std::optional<std::string> glob(const JsonNode* node);      ///< not empty, well-formed
    std::optional<std::string> sha256(const JsonNode* node);    ///< in lower case
    std::optional<std::string> build_id(const JsonNode* node);  ///< in lower case
    /// One of `words`: its index.
    std::optional<std::size_t> word(const JsonNode* node, std::span<const std::string_view> words);

    JsonSource& source() noexcept { return source_; }

private:
    std::optional<std::string> string(const JsonNode* node);
    std::optional<std::string> hex(const JsonNode* node, std::size_t least, std::size_t most, std::string_view wanted);
    JsonSource& source_;
};

}  // namespace interlock::manifests
