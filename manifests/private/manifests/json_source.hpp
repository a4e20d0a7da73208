// json_source.hpp: JSON text as a tree that remembers where everything stood. The grammar is nlohmann's, driven through
// its SAX interface; as that tells no positions, the text is walked along a second time, event by event.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/diagnostic.hpp>

#include "manifests/codes.hpp"

namespace interlock::manifests {

inline constexpr std::size_t max_json_size = 1024 * 1024;  // bytes
inline constexpr std::size_t max_json_values = 65536;
inline constexpr std::size_t max_json_depth = 32;

/// Of one file; the defaults are for files that people write.
struct JsonLimits {
    std::size_t size = max_json_size;  // bytes
    std::size_t values = max_json_values;
};

enum class JsonKind : std::uint8_t { null, boolean, integer, real, string, array, object };
/// "a string", ...
std::string_view kind_name(JsonKind kind) noexcept;

struct JsonNode {
    JsonKind kind = JsonKind::null;
    std::size_t offset = 0;      ///< of the value's first byte in the text
    std::size_t key_offset = 0;  ///< of the opening quote of its key, for a member of an object
    std::string key;
    std::string text;                ///< of a string, decoded; of a number, as written
    std::vector<JsonNode> children;  ///< of an array; of an object, in order, without repeated keys

    const JsonNode* find(std::string_view name) const noexcept;
};

/// The text of one file and what is found in it. Keeps a view of `text`.
class JsonSource {
public:
    JsonSource(std::string_view text, std::string file, const JsonLimits& limits = {});

    /// Null when the text is not JSON or breaks a limit; a diagnostic says why.
    const JsonNode* root() const noexcept { return root_ ? &*root_ : nullptr; }

    /// Records a finding about the byte at `offset`. Its severity is that of the code.
    void report(Code code, std::size_t offset, std::string message, std::string hint = {});
    bool has_errors() const noexcept { return has_errors_; }
    /// All findings, in the order of the text.
    Diagnostics take_diagnostics();

    /// Where byte `index` of a string's decoded text begins in the source.
    std::size_t offset_in_string(const JsonNode& string, std::size_t index) const noexcept;
    /// From 1.
    std::size_t line_of(std::size_t offset) const noexcept;
    std::size_t column_of(std::size_t offset) const noexcept;

private:
    std::string_view text_;
    std::string file_;
    std::vector<std::size_t> line_starts_;
    std::multimap<std::size_t, Diagnostic> found_;  ///< by offset
    bool has_errors_ = false;
    std::optional<JsonNode> root_;
};

}  // namespace interlock::manifests
