// manifest.cpp: parsing and writing manifests.
//
// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "base/input_file.hpp"
#include "json_text.hpp"
#include "manifests/json_checks.hpp"

namespace interlock {
using namespace manifests;
namespace {

constexpr std::string_view owner = "the manifest";
/// Where the name stops being one that a marker could state; nullopt for a good one.
std::optional<std::size_t> bad_name_at(std::string_view name) noexcept {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    constexpr std::size_t max_size = 1000;  // bytes
    if (const std::size_t other = name.find_first_not_of(allowed); other != name.npos) return other;
    if (name.front() == '.') return 0;
    if (const std::size_t empty = name.find(".."); empty != name.npos) return empty + 1;
    if (name.back() == '.') return name.size() - 1;
    if (name.size() > max_size) return max_size;
    return std::nullopt;
}

std::optional<ThreadingLevel> threading(JsonChecks& checks, const JsonNode* node) {
    if (node != nullptr && node->kind == JsonKind::string && node->text == "refuse") {
        checks.source().report(Code::unknown_word, node->offset, "a manifest cannot refuse its module",
                               "it describes the binary; write a policy rule to refuse it");
        return std::nullopt;
    }
    constexpr std::array<std::string_view, 3> words = {"global_lock", "module_lock", "free"};
    const auto index = checks.word(node, words);
    if (!index) return std::nullopt;
    return static_cast<ThreadingLevel>(*index);
}

void parse(JsonSource& source, Manifest& out) {
    JsonChecks checks(source);
    const JsonNode& root = *source.root();
    if (!checks.is(root, JsonKind::object, owner) || !checks.header(root)) return;
    constexpr std::array<std::string_view, 8> known = {"$schema",  "version",   "module",      "sha256",
                                                       "build_id", "threading", "declared_by", "reason"};
    checks.keys(root, owner, known);

    const auto* module = checks.required(root, owner, "module", "the full dotted name of the module");
    if (const auto name = checks.text(module)) {
        if (const auto at = bad_name_at(*name)) {
            source.report(Code::bad_module_name, source.offset_in_string(*module, *at),
                          quoted(*name) + " is not the dotted name of a module", "write it as in an import: pkg.part");
        }
        out.module = *name;
    }
    const JsonNode* sha256 = root.find("sha256");
    const JsonNode* build_id = root.find("build_id");
    if (sha256 == nullptr && build_id == nullptr) {
        source.report(Code::missing_key, root.offset, "the manifest has neither 'sha256' nor 'build_id'",
                      "add one, so that the manifest cannot outlive the binary that it describes");
    }
    out.sha256 = checks.sha256(sha256);
    out.build_id = checks.build_id(build_id);
    const auto* level = checks.required(root, owner, "threading", "free, module_lock or global_lock");
    out.threading = threading(checks, level).value_or(ThreadingLevel::global_lock);
    const auto* who = checks.required(root, owner, "declared_by", "who answers for this statement");
    out.declared_by = checks.text(who).value_or("");
    const auto* why = checks.required(root, owner, "reason", "why it holds for this binary");
    out.reason = checks.text(why).value_or("");
}

}  // namespace

std::filesystem::path manifest_path(const std::filesystem::path& binary) {
    std::filesystem::path out = binary;
    out += ".interlock.json";
    return out;
}

ManifestFile parse_manifest(std::string_view text, const std::filesystem::path& path) {
    ManifestFile out;
    out.manifest.path = path;
    JsonSource source(text, path.string());
    if (source.root() != nullptr) parse(source, out.manifest);
    out.diagnostics = source.take_diagnostics();
    return out;
}

Result<std::optional<ManifestFile>> read_manifest_of(const std::filesystem::path& binary) {
    const std::filesystem::path path = manifest_path(binary);
    // Most modules have none, and this is on each import's way: the question is cheaper than an error that nobody
    // reads.
    if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<ManifestFile>();
    const auto text = base::read_text_file(path, max_json_size);
    if (text) return std::optional(parse_manifest(*text, path));
    if (text.error().code == Errc::not_found) return std::optional<ManifestFile>();
    return text.error();
}

std::string manifest_mismatch(const Manifest& manifest, std::string_view build_id,
                              const std::function<std::string()>& sha256) {
    const auto differs = [](const char* what, const std::string& wanted, std::string_view is) {
        return std::string("it is for ") + what + ' ' + escape(wanted) + ", the file has " + std::string(is);
    };
    if (manifest.build_id && *manifest.build_id != build_id)
        return differs("build-id", *manifest.build_id, build_id.empty() ? "none" : build_id);
    if (!manifest.sha256) return "";
    const std::string hash = sha256();
    return *manifest.sha256 == hash ? "" : differs("sha256", *manifest.sha256, hash);
}

std::string to_json_text(const Manifest& manifest) {
    JsonText text;
    text.number("version", 1);
    text.string("module", manifest.module);
    if (manifest.sha256) text.string("sha256", *manifest.sha256);
    if (manifest.build_id) text.string("build_id", *manifest.build_id);
    text.string("threading", level_name(manifest.threading));
    text.string("declared_by", manifest.declared_by);
    text.string("reason", manifest.reason);
    return text.object();
}

}  // namespace interlock
