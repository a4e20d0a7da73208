// manifest.cpp: `interlock manifest create` and `check`: writes the manifest of a binary, and tells whether one still
// fits it.
//
// SPDX-License-Identifier: MIT
#include <interlock/manifest.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/marker.hpp>
#include <memory>

#include "exit_codes.hpp"
#include "module_files.hpp"
#include "options.hpp"
#include "verbs.hpp"

namespace interlock::cli {

namespace fs = std::filesystem;

namespace {

struct CreateOptions {
    std::optional<std::string> module, declared_by, reason;
    std::string threading, pin = "sha256";
    bool force = false;
};

const std::string& required(const std::optional<std::string>& value, std::string_view option) {
    if (!value) throw UsageError(fmt::format("'manifest create' needs {}", option));
    return *value;
}

/// A file that exists is replaced only with --force.
void write_new_file(const fs::path& path, const std::string& text, bool force) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0 && errno == EEXIST)
        throw CommandError(exit_findings,
                           fmt::format("{} exists already; use --force to replace it", quoted(path.string())));
    const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (!written)
        throw CommandError(exit_unreadable,
                           fmt::format("cannot write {}: {}", quoted(path.string()), std::strerror(error)));
}

std::string hash_of(const fs::path& file) {
    const Result<std::string> hash = sha256_file(file);
    if (!hash) throw CommandError(exit_unreadable, hash.error().message);
    return *hash;
}

int run_create(const CreateOptions& options, Context& context, const std::vector<std::string>& arguments) {
    Manifest manifest;
    manifest.module = required(options.module, "--module NAME");
    if (options.threading.empty()) throw UsageError("'manifest create' needs --threading LEVEL");
    manifest.threading = *level_from_name(options.threading);
    manifest.declared_by = required(options.declared_by, "--declared-by WHO");
    manifest.reason = required(options.reason, "--reason WHY");

    const fs::path binary = arguments[0];
    const Result<ModuleFile> file = read_module_file(binary);
    if (!file) throw CommandError(exit_unreadable, file.error().message);
    if (!is_module(*file))
        throw CommandError(exit_findings, fmt::format("{} is no module: it exports neither il_module_export_<name> nor "
                                                      "il_module_init_<name>",
                                                      quoted(binary.string())));
    if (options.pin == "build-id") {
        if (file->build_id.empty())
            throw CommandError(exit_findings, fmt::format("{} has no build-id; use --pin sha256, or link it with "
                                                          "-Wl,--build-id=sha1",
                                                          quoted(binary.string())));
        manifest.build_id = file->build_id;
    } else {
        manifest.sha256 = hash_of(binary);
    }

    manifest.path = manifest_path(binary);
    const std::string text = to_text(Json::parse(to_json_text(manifest)), 2) + "\n";
    // By the rules that count when it is read again; what they find comes from the command line.
    if (const ManifestFile parsed = parse_manifest(text, manifest.path); has_errors(parsed.diagnostics)) {
        std::string messages;
        for (const Diagnostic& diagnostic : parsed.diagnostics)
            messages += (messages.empty() ? "" : "; ") + diagnostic.message;
        throw UsageError("this would not be a valid manifest: " + messages);
    }
    write_new_file(manifest.path, text, options.force);
    if (const Marker* marker = file->marker_for(manifest.module))
        context.output.warning(fmt::format("{} carries a marker that says {}; it counts before the manifest",
                                           quoted(binary.string()), quoted(marker->threading_text)));
    if (!context.options.quiet) context.output.write_line(escape(manifest.path.string(), 4096));
    return exit_ok;
}

int run_check(Context& context, const std::vector<std::string>& arguments) {
    constexpr std::string_view ending = ".interlock.json";
    std::string binary = arguments[0];
    if (binary.ends_with(ending)) binary.resize(binary.size() - ending.size());

    const Result<std::optional<ManifestFile>> read = read_manifest_of(binary);
    if (!read) throw CommandError(exit_unreadable, read.error().message);
    if (!*read)
        throw CommandError(exit_unreadable,
                           fmt::format("there is no manifest {}; `interlock manifest create` writes one",
                                       quoted(manifest_path(binary).string())));
    const ManifestFile& manifest = **read;
    for (const Diagnostic& diagnostic : manifest.diagnostics) context.output.write_line(diagnostic.text());
    if (has_errors(manifest.diagnostics)) return exit_bad_policy;

    const Result<ModuleFile> file = read_module_file(binary);
    if (!file) throw CommandError(exit_unreadable, file.error().message);
    const std::string why = manifest_mismatch(manifest.manifest, file->build_id, [&] { return hash_of(binary); });
    const std::string name = escape(manifest.manifest.path.string(), 4096);
    if (!why.empty()) {
        context.output.write_line(
            fmt::format("{}: error: manifest hash mismatch: {}; look at the binary again, then "
                        "`interlock manifest create --force`",
                        name, why));
        return exit_bad_policy;
    }
    if (!context.options.quiet)
        context.output.write_line(
            fmt::format("{}: module '{}' is {}, as declared by {}", name, escape(manifest.manifest.module, 1000),
                        level_name(manifest.manifest.threading), quoted(manifest.manifest.declared_by)));
    return exit_ok;
}

}  // namespace

Verb manifest_create_verb() {
    auto options = std::make_shared<CreateOptions>();
    Verb verb;
    verb.name = "manifest create";
    verb.summary = "Write FILE.so.interlock.json, which states the threading level of a binary without a marker";
    verb.arguments = "FILE.so";
    verb.details =
        "The manifest is pinned to this very binary, and is ignored with a warning when the binary changes. Prints\n"
        "the name of the file that it wrote.";
    verb.at_least = 1;
    verb.at_most = 1;
    verb.options = {
        option("--module", "NAME", options->module, "The full dotted name of the module"),
        choice("--threading", options->threading, {"free", "module_lock", "global_lock"}, "What is declared"),
        option("--declared-by", "WHO", options->declared_by, "Who answers for it"),
        option("--reason", "WHY", options->reason, "Why it holds for this binary"),
        choice("--pin", options->pin, {"sha256", "build-id"},
               "What pins it: all of the file, or its build-id, which survives strip (default: sha256)"),
        flag("--force", options->force, "Replace a manifest that exists"),
    };
    verb.run = [options](Context& context, const std::vector<std::string>& arguments) {
        return run_create(*options, context, arguments);
    };
    return verb;
}

Verb manifest_check_verb() {
    Verb verb;
    verb.name = "manifest check";
    verb.summary = "Check a manifest, and that it is for the binary beside it";
    verb.arguments = "FILE";
    verb.details =
        "FILE is the manifest or its binary. The exit status is 4 when the manifest is wrong or out of date.";
    verb.at_least = 1;
    verb.at_most = 1;
    verb.run = run_check;
    return verb;
}

}  // namespace interlock::cli
