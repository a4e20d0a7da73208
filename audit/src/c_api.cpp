// c_api.cpp: the C API: strings and JSON at the edge, the C++ API behind it. Nothing may leave these functions as an
// exception.
//
// SPDX-License-Identifier: MIT
#include <interlock/c_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <interlock/audit_output.hpp>
#include <interlock/baseline.hpp>
#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>
#include <nlohmann/json.hpp>

namespace interlock {

namespace {

using Json = nlohmann::json;

constexpr unsigned most_threads = 1024, most_seconds = 1'000'000;

/// A copy for the caller; null without memory.
char* copy_of(const std::string& text) noexcept {
    auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

void store(char** target, const std::string& text) noexcept {
    if (target != nullptr) *target = copy_of(text);
}

[[noreturn]] void wrong(const std::string& message) { throw Failure({Errc::invalid_option, message}); }

/// The options, and what they refer to.
struct Settings {
    AuditOptions options;
    std::optional<Policy> policy;
    std::optional<Baseline> baseline;
};

std::vector<std::string> texts(const Json& value, const std::string& key) {
    if (!value.is_array()) wrong("option '" + key + "' must be a list of strings");
    std::vector<std::string> list;
    for (const Json& item : value) {
        if (!item.is_string()) wrong("option '" + key + "' must be a list of strings");
        list.push_back(item.get<std::string>());
    }
    return list;
}

std::string text(const Json& value, const std::string& key) {
    if (!value.is_string()) wrong("option '" + key + "' must be a string");
    return value.get<std::string>();
}

void read_option(Settings& settings, const std::string& key, const Json& value) {
    if (key == "pythons") {
        for (const std::string& name : texts(value, key)) {
            const auto version = python_version_from_text(name);
            if (!version) wrong(quoted(name) + " is no free-threaded interpreter; write it as 3.14t");
            settings.options.pythons.push_back(*version);
        }
    } else if (key == "search_path") {
        for (const std::string& folder : texts(value, key)) settings.options.search_path.emplace_back(folder);
    } else if (key == "policy") {
        Result<PolicyFile> file = read_policy(text(value, key), settings.options.today);
        if (!file) throw Failure(file.error());
        if (has_errors(file->diagnostics)) throw Failure({Errc::invalid_policy, error_text(file->diagnostics)});
        settings.policy = std::move(file->policy);
    } else if (key == "baseline") {
        Result<BaselineFile> file = read_baseline(text(value, key));
        if (!file) throw Failure(file.error());
        if (has_errors(file->diagnostics)) wrong(error_text(file->diagnostics));
        settings.baseline = std::move(file->baseline);
    } else if (key == "details") {
        if (!value.is_boolean()) wrong("option 'details' must be true or false");
        settings.options.details = value.get<bool>();
    } else if (key == "threads") {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most_threads)
            wrong("option 'threads' must be a whole number from 0 to " + std::to_string(most_threads));
        settings.options.threads = value.get<unsigned>();
    } else if (key == "time_limit") {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most_seconds)
            wrong("option 'time_limit' must be a whole number of seconds from 0 to " + std::to_string(most_seconds));
        settings.options.time_limit = std::chrono::seconds(value.get<std::uint64_t>());
    } else {
        constexpr std::string_view known[] = {"pythons", "search_path", "policy",    "baseline",
                                              "details", "threads",     "time_limit"};
        wrong("there is no option " + quoted(key, 80) + "; " + did_you_mean(key, known));
    }
}

Settings read_options(const char* options_json) {
    Settings settings;
    if (options_json == nullptr) return settings;
    const Json json = Json::parse(options_json, nullptr, false);
    if (!json.is_object()) wrong("the options are not a JSON object");
    for (const auto& [key, value] : json.items()) read_option(settings, key, value);
    return settings;
}

AuditReport run(std::span<const std::string> inputs, Settings& settings) {
    if (settings.policy) settings.options.policy = &*settings.policy;
    AuditReport report = audit(inputs, settings.options);
    if (settings.baseline) apply_baseline(report, *settings.baseline);
    return report;
}

constexpr std::string_view this_machine =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#elif defined(__i386__)
    "i386";
#else
    "";
#endif

/// The module that is meant, or null. Of a universal file the slice for this machine, else the first.
const ModuleAudit* find_module(const AuditReport& report, const char* name) noexcept {
    const ModuleAudit* found = nullptr;
    for (const BinaryAudit& binary : report.binaries) {
        for (const ModuleAudit& module : binary.modules) {
            if (module.verdict == Verdict::not_a_module) continue;
            if (name == nullptr ? !module.primary : module.name != name) continue;
            if (binary.architecture == this_machine) return &module;
            if (found == nullptr) found = &module;
        }
    }
    return found;
}

interlock_effect to_c(Effect effect) noexcept {
    switch (effect) {
        case Effect::keeps_gil_off:
            return INTERLOCK_KEEPS_GIL_OFF;
        case Effect::turns_gil_on:
            return INTERLOCK_TURNS_GIL_ON;
        case Effect::cannot_load:
            return INTERLOCK_CANNOT_LOAD;
        case Effect::crashes:
            return INTERLOCK_CRASHES;
        case Effect::unknown:
            break;
    }
    return INTERLOCK_UNKNOWN;
}

std::string decide(const char* path, const char* module, const char* python, interlock_effect& effect) {
    if (path == nullptr || python == nullptr) wrong("a path and an interpreter are needed, not NULL");
    const auto version = python_version_from_text(python);
    if (!version) wrong(quoted(python) + " is no free-threaded interpreter; write it as 3.14t");
    Settings settings;
    settings.options.pythons = {*version};
    const std::string input = path;
    const AuditReport report = run({&input, 1}, settings);
    const ModuleAudit* found = find_module(report, module);
    if (found == nullptr) {
        if (!report.errors.empty()) throw Failure({report.errors.front().code, report.errors.front().message});
        const std::string what = module == nullptr ? "a module" : "a module " + quoted(module);
        throw Failure({Errc::not_found, "there is no init function of " + what + " in " + quoted(input)});
    }
    if (found->effects.empty()) throw Failure({Errc::unsupported, quoted(found->name) + " is no module for CPython"});
    effect = to_c(found->effects.front().effect);
    return found->effects.front().why;
}

}  // namespace

}  // namespace interlock

extern "C" char* interlock_audit_json(const char* const* paths, size_t count, const char* options_json, char** error) {
    using namespace interlock;
    if (error != nullptr) *error = nullptr;
    try {
        std::vector<std::string> inputs;
        for (std::size_t i = 0; i < count; ++i) {
            if (paths == nullptr || paths[i] == nullptr) wrong("path " + std::to_string(i) + " is NULL");
            inputs.emplace_back(paths[i]);
        }
        Settings settings = read_options(options_json);
        char* text = copy_of(format_audit(run(inputs, settings), AuditFormat::json));
        if (text == nullptr) store(error, "out of memory");
        return text;
    } catch (const std::exception& failure) {
        store(error, failure.what());
    } catch (...) {
        store(error, "a bug in interlock: an exception of an unknown type");
    }
    return nullptr;
}

extern "C" int interlock_audit_effect(const char* path, const char* module, const char* python,
                                      enum interlock_effect* effect, char** why) {
    using namespace interlock;
    if (why != nullptr) *why = nullptr;
    *effect = INTERLOCK_UNKNOWN;
    try {
        interlock_effect found = INTERLOCK_UNKNOWN;
        const std::string reason = decide(path, module, python, found);
        store(why, reason);
        *effect = found;
        return 0;
    } catch (const std::exception& failure) {
        store(why, failure.what());
    } catch (...) {
        store(why, "a bug in interlock: an exception of an unknown type");
    }
    return -1;
}

extern "C" void interlock_free(char* text) { std::free(text); }
