// session.cpp: the runtime and the loader of a command (session.hpp).
//
// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <interlock/escape.hpp>
#include <interlock/suggest.hpp>

#include "exit_codes.hpp"

namespace interlock::cli {

namespace {

[[noreturn]] void cannot_write(const std::string& path, int error) {
    throw CommandError(exit_unreadable,
                       fmt::format("cannot write the report {}: {}", quoted(path), std::strerror(error)));
}

LoaderOptions loader_options(const Settings& settings, std::vector<std::filesystem::path> first_on_path) {
    LoaderOptions options;
    options.search_path = std::move(first_on_path);
    for (const auto& folder : settings.path) options.search_path.push_back(folder.value);
    options.use_environment = false;  // it is in settings.path
    options.overrides = settings.overrides;
    options.filters = settings.filters;
    if (settings.switch_deadline) options.switch_deadline = settings.switch_deadline->value;
    return options;
}

}  // namespace

ReportFile::ReportFile(const std::optional<std::string>& path) {
    if (!path) return;
    path_ = *path;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) cannot_write(path_, errno);
}

ReportFile::~ReportFile() {
    if (fd_ >= 0) ::close(fd_);
}

void ReportFile::write(const std::string& text) {
    if (fd_ < 0) return;
    for (std::size_t done = 0; done != text.size();) {
        const ssize_t written = ::write(fd_, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) cannot_write(path_, errno);
        done += static_cast<std::size_t>(written);
    }
}

Session::Session(const Context& context, std::optional<Policy> policy, std::vector<std::filesystem::path> first_on_path)
    : context_(context), policy_(std::move(policy)), report_(context.options.report) {
    const Settings& settings = context.settings;
    RuntimeOptions runtime_options;
    runtime_options.gil = settings.gil.setting;
    runtime_options.threads = settings.threads.value;
    runtime_options.gil_hint = "-X gil=0";
    runtime_options.on_stall = [this](const StallReport& report) { stalled(report); };
    runtime_.emplace(std::move(runtime_options));

    LoaderOptions options = loader_options(settings, std::move(first_on_path));
    options.policy = policy_;
    options.policy_hint = "--policy";
    options.python_wording = context.options.warnings == "python";
    options.on_warning = [this](const Warning& warning) { show_warning(context_, warning); };
    options.on_log = [this](il_log_level level, std::string_view module, std::string_view text) {
        log(level, module, text);
    };
    loader_.emplace(*runtime_, std::move(options));
}

Session::~Session() {
    if (finished_) return;
    try {
        report_.write(loader_->report().to_json());
    } catch (const CommandError& error) {
        context_.output.error(error.what());
    }
}

void Session::finish() {
    finished_ = true;
    report_.write(loader_->report().to_json());
}

void Session::log(il_log_level level, std::string_view module, std::string_view text) const {
    constexpr std::array words = {"debug", "info", "warning", "error"};
    const auto index = std::min<std::size_t>(level, words.size() - 1);
    const unsigned needed = index >= IL_LOG_WARNING ? 0 : index == IL_LOG_INFO ? 1 : 2;
    if (context_.options.verbose < needed) return;
    context_.output.note(fmt::format("{}: {}: {}\n", escape(module), words[index], text));
}

void Session::stalled(const StallReport& report) const {
    std::vector<WarningFilter> filters;
    if (policy_) filters = policy_->warnings;
    filters.insert(filters.end(), context_.settings.filters.begin(), context_.settings.filters.end());
    const Warning warning{WarningCategory::stall, "", report.text(), {}};
    if (resolve_warning(filters, warning.category, warning.module) != WarningAction::ignore)
        show_warning(context_, warning);
}

Result<Module> Session::import(const std::string& name, const std::string& importer) {
    ImportOptions options;
    options.importer = importer;
    Result<Module> module = loader_->import(name, options);
    if (module && context_.options.verbose != 0) {
        const Decision decision = module->decision();
        context_.output.note(fmt::format("# imported module '{}' from '{}': {} by {}, now {}\n",
                                         escape(module->name(), 1000), escape(module->file().string(), 4096),
                                         level_name(module->level()), source_name(decision.source),
                                         mode_name(runtime_->mode())));
    }
    return module;
}

Json to_json(const Error& error) { return Json{{"code", errc_name(error.code)}, {"message", error.message}}; }

Json to_json(const std::vector<Reason>& why) {
    Json list = Json::array();
    for (const Reason& reason : why) {
        list.push_back(Json{{"source", source_name(reason.source)},
                            {"says", reason.says ? Json(action_name(*reason.says)) : Json()},
                            {"decided", reason.decided},
                            {"text", reason.text}});
    }
    return list;
}

}  // namespace interlock::cli
