// inspect.cpp: `interlock inspect`: what a file says of itself, without loading it.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>
#include <interlock/marker.hpp>

#include "exit_codes.hpp"
#include "module_files.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace {

struct Inspection {
    ModuleFile file;
    std::string sha256;
    std::optional<ManifestFile> manifest;
    bool manifest_fits = false;
};

Inspection inspect(const std::string& path) {
    Result<ModuleFile> file = read_module_file(path);
    if (!file) throw CommandError(exit_unreadable, file.error().message);
    Result<std::string> sha256 = sha256_file(path);
    if (!sha256) throw CommandError(exit_unreadable, sha256.error().message);
    Result<std::optional<ManifestFile>> manifest = read_manifest_of(path);
    if (!manifest) throw CommandError(exit_unreadable, manifest.error().message);
    Inspection result{std::move(*file), std::move(*sha256), std::move(*manifest), false};
    result.manifest_fits = result.manifest && !has_errors(result.manifest->diagnostics) &&
                           manifest_mismatch(result.manifest->manifest, result.file, result.sha256).empty();
    return result;
}

Json to_json(const std::string& path, const Inspection& inspection) {
    const ModuleFile& file = inspection.file;
    Json markers = Json::array();
    for (const Marker& marker : file.markers)
        markers.push_back(Json{{"module", marker.module},
                               {"version", marker.version},
                               {"abi", marker.abi},
                               {"threading", marker.threading_text},
                               {"known", marker.threading.has_value()},
                               {"offset", marker.offset}});
    Json json{{"schema_version", 1},          {"file", path},
              {"is_module", is_module(file)}, {"native", file.native},
              {"machine", file.machine},      {"build_id", file.build_id},
              {"sha256", inspection.sha256},  {"markers", std::move(markers)},
              {"exports", file.exports},      {"legacy_inits", file.legacy_inits}};
    if (inspection.manifest) {
        const Manifest& manifest = inspection.manifest->manifest;
        Json diagnostics = Json::array();
        for (const Diagnostic& diagnostic : inspection.manifest->diagnostics) diagnostics.push_back(diagnostic.text());
        json["manifest"] = Json{{"file", manifest.path.string()},
                                {"module", manifest.module},
                                {"threading", level_name(manifest.threading)},
                                {"declared_by", manifest.declared_by},
                                {"reason", manifest.reason},
                                {"fits", inspection.manifest_fits},
                                {"diagnostics", std::move(diagnostics)}};
    } else {
        json["manifest"] = nullptr;
    }
    return json;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + escape(name);
    return text;
}

std::string in_words(const Output& output, const std::string& path, const Inspection& inspection) {
    const ModuleFile& file = inspection.file;
    std::string text = output.styled(Style::bold, escape(path, 4096)) + "\n";
    const auto line = [&](std::string_view label, std::string_view value) {
        text += fmt::format("  {:<12} {}\n", label, value.empty() ? "none" : value);
    };
    if (file.markers.empty()) line("marker", "");
    for (const Marker& marker : file.markers)
        line("marker",
             fmt::format("module {}{}: {}{}", quoted(marker.module),
                         marker.version.empty() ? "" : " " + escape(marker.version), escape(marker.threading_text),
                         marker.threading ? "" : " (not known to this version; counts as unmarked)"));
    line("exports", joined(file.exports));
    if (!file.legacy_inits.empty()) line("legacy init", joined(file.legacy_inits));
    if (!is_module(file)) line("module", "no: there is neither a marker nor an entry point");
    if (!file.native) line("machine", fmt::format("ELF machine {}, not this one", file.machine));
    line("build-id", file.build_id);
    line("sha256", inspection.sha256);
    if (!inspection.manifest) {
        line("manifest", "");
        return text;
    }
    const Manifest& manifest = inspection.manifest->manifest;
    for (const Diagnostic& diagnostic : inspection.manifest->diagnostics) line("manifest", diagnostic.text());
    if (!has_errors(inspection.manifest->diagnostics))
        line("manifest",
             fmt::format("module {}: {}, declared by {}: {}{}", quoted(manifest.module), level_name(manifest.threading),
                         quoted(manifest.declared_by), escape(manifest.reason),
                         inspection.manifest_fits ? "" : "; ignored, as it is for another binary"));
    return text;
}

int run_inspect(Context& context, const std::vector<std::string>& arguments) {
    const Inspection inspection = inspect(arguments[0]);
    if (context.options.json)
        context.output.write_json(to_json(arguments[0], inspection));
    else
        context.output.write(in_words(context.output, arguments[0], inspection));
    return exit_ok;
}

}  // namespace

Verb inspect_verb() {
    Verb verb;
    verb.name = "inspect";
    verb.summary = "Print what a file says of itself: markers, entry points, build-id, hash, manifest";
    verb.arguments = "FILE.so";
    verb.details = "Nothing of the file is loaded or run.";
    verb.at_least = 1;
    verb.at_most = 1;
    verb.run = run_inspect;
    return verb;
}

}  // namespace interlock::cli
