// config.cpp: `interlock config`: every value that counts, and where it comes from.
//
// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <interlock/confinement.hpp>
#include <interlock/escape.hpp>
#include <interlock/runtime.hpp>
#include <interlock/suggest.hpp>
#include <interlock/version.hpp>

#include "exit_codes.hpp"
#include "options.hpp"
#include "verbs.hpp"
#include "version.hpp"

namespace interlock::cli {

namespace {

struct Entry {
    std::string name;
    Json value;
    std::string source;
};

std::string text_of(const WarningFilter& filter) {
    return fmt::format("{}:{}:{}", action_name(filter.action), filter.category ? category_name(*filter.category) : "",
                       filter.module);
}

std::string_view setting_name(GilSetting setting) noexcept {
    switch (setting) {
        case GilSetting::automatic:
            break;
        case GilSetting::off:
            return "0";
        case GilSetting::on:
            return "1";
    }
    return "automatic";
}

std::vector<Entry> entries(const Context& context) {
    const Settings& settings = context.settings;
    const GlobalOptions& options = context.options;
    const std::optional<Policy> policy = load_policy(context);
    RuntimeOptions wanted;
    wanted.gil = settings.gil.setting;
    wanted.threads = settings.threads.value;
    const Runtime runtime(std::move(wanted));
    const RuntimeStats stats = runtime.stats();

    std::vector<Entry> list;
    const auto add = [&](std::string name, Json value, std::string source) {
        list.push_back({std::move(name), std::move(value), std::move(source)});
    };
    add("version", INTERLOCK_VERSION, "build");
    add("GIL_DISABLED", is_free_threading_build() ? 1 : 0, "build");
    add("compiler", compiler(), "build");
    add("tbb", tbb_version(), "library");
    add("gil", setting_name(settings.gil.setting), settings.gil.source);
    add("mode", mode_name(stats.mode), "gil option");
    add("threads", stats.threads, settings.threads.source);
    add("switch_interval_ms", std::chrono::duration<double, std::milli>(runtime.options().switch_interval).count(),
        "default");
    add("stall_report_ms", runtime.options().stall_report.count(), "default");
    if (settings.switch_deadline)
        add("switch_deadline_ms", settings.switch_deadline->value.count(), settings.switch_deadline->source);
    else
        add("switch_deadline_ms", nullptr, "default");
    add("membarrier", stats.membarrier, "this machine");
    const Confinement confined = confinement();
    add("audit_seccomp", confined.seccomp, "this machine");
    add("audit_landlock", confined.landlock, "this machine");

    Json path = Json::array();
    std::string path_source;
    for (const auto& folder : settings.path) {
        path.push_back(folder.value.string());
        if (path_source.ends_with(folder.source)) continue;
        path_source += (path_source.empty() ? "" : ", ") + folder.source;
    }
    add("path", std::move(path), path_source.empty() ? "default" : path_source);
    if (settings.policy)
        add("policy", settings.policy->value.string(), settings.policy->source);
    else
        add("policy", nullptr, "default");
    Json overrides = Json::object();
    for (const auto& [module, action] : settings.overrides) overrides[module] = action_name(action);
    add("overrides", std::move(overrides), settings.overrides.empty() ? "default" : "--override");
    Json filters = Json::array();
    if (policy) {
        for (const WarningFilter& filter : policy->warnings) filters.push_back(text_of(filter));
    }
    std::string filter_source = filters.empty() ? "" : "policy";
    for (const WarningFilter& filter : settings.filters) filters.push_back(text_of(filter));
    if (!settings.filters.empty()) filter_source += filter_source.empty() ? "-W" : ", -W";
    add("filters", std::move(filters), filter_source.empty() ? "default" : filter_source);
    add("warnings", options.warnings, options.warnings == "text" ? "default" : "--warnings");
    const ColorChoice color = choose_color(options.color, STDOUT_FILENO);
    add("color", color.on, color.source);
    return list;
}

/// One line for each element of a list.
std::string plain(const Json& value, std::string_view separator) {
    if (value.is_string()) return escape(value.get<std::string>(), 10000);
    if (value.is_null()) return "none";
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (!value.is_structured()) return to_text(value);
    std::vector<std::string> texts;
    for (const auto& [key, element] : value.items())
        texts.push_back(value.is_object() ? escape(key) + "=" + plain(element, "") : plain(element, ""));
    return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, separator));
}

int run_config(Context& context, const std::vector<std::string>& arguments) {
    const std::vector<Entry> list = entries(context);
    if (!arguments.empty()) {
        std::vector<std::string_view> known;
        for (const Entry& entry : list) {
            known.push_back(entry.name);
            if (entry.name != arguments[0]) continue;
            if (context.options.json)
                context.output.write_json(Json{{"schema_version", 1}, {entry.name, entry.value}});
            else
                context.output.write_line(plain(entry.value, "\n"));
            return exit_ok;
        }
        throw UsageError(
            fmt::format("there is no value {}; {}", quoted(arguments[0], 80), did_you_mean(arguments[0], known)));
    }
    if (context.options.json) {
        Json values = Json::array();
        for (const Entry& entry : list)
            values.push_back(Json{{"name", entry.name}, {"value", entry.value}, {"source", entry.source}});
        context.output.write_json(Json{{"schema_version", 1}, {"config", std::move(values)}});
        return exit_ok;
    }
    base::Columns table({"NAME", "VALUE", "SOURCE"});
    for (const Entry& entry : list) table.add_texts({entry.name, plain(entry.value, ":"), entry.source});
    context.output.write(table.text(0, context.output.color()));
    return exit_ok;
}

}  // namespace

Verb config_verb() {
    Verb verb;
    verb.name = "config";
    verb.summary = config_summary;
    verb.arguments = "[NAME]";
    verb.details =
        "With NAME only that value: `interlock config GIL_DISABLED` prints 1 in a free-threading build, else 0.";
    verb.at_most = 1;
    verb.run = run_config;
    return verb;
}

}  // namespace interlock::cli
