// session.cpp: the runtime and the loader of a command (session.hpp).
//
// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
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

std::optional<std::chrono::nanoseconds> parse_timeout(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    constexpr double longest = 30 * 24 * 3600;  // seconds
    double seconds = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error != std::errc() || end != text->data() + text->size() || !(seconds >= 0.001 && seconds <= longest))
        throw UsageError(fmt::format("--timeout takes seconds, from 0.001 to {}, not {}", longest, quoted(*text, 80)));
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

const char* kind_name(CallKind kind) noexcept {
    switch (kind) {
        case CallKind::import:
            return "import";
        case CallKind::function:
            return "call";
        case CallKind::unload:
            break;
    }
    return "unload";
}

}  // namespace

ReportFile::ReportFile(const std::optional<std::string>& path) {
    if (!path) return;
    path_ = *path;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) cannot_write(path_, errno);
    struct stat ours{}, other{};
    replaceable_ = ::fstat(fd_, &ours) == 0 && S_ISREG(ours.st_mode);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO})  // --report /dev/stdout
        if (::fstat(fd, &other) == 0 && other.st_dev == ours.st_dev && other.st_ino == ours.st_ino)
            replaceable_ = false;
}

ReportFile::~ReportFile() {
    if (fd_ >= 0) ::close(fd_);
}

void ReportFile::write(std::string_view text) {
    if (fd_ < 0) return;
    if (replaceable_ && (::lseek(fd_, 0, SEEK_SET) != 0 || ::ftruncate(fd_, 0) != 0)) cannot_write(path_, errno);
    for (std::size_t done = 0; done != text.size();) {
        const ssize_t written = ::write(fd_, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) cannot_write(path_, errno);
        done += static_cast<std::size_t>(written);
    }
}

Session::Session(const Context& context, std::optional<Policy> policy, std::vector<std::filesystem::path> first_on_path,
                 std::filesystem::path plans_for)
    : context_(context), policy_(std::move(policy)), report_(context.options.report) {
    const Settings& settings = context.settings;
    RuntimeOptions runtime_options;
    runtime_options.gil = settings.gil.setting;
    runtime_options.threads = settings.threads.value;
    runtime_options.gil_hint = "-X gil=0";
    runtime_options.on_stall = [this](const StallReport& report) { stalled("", report.text()); };
    runtime_.emplace(std::move(runtime_options));

    LoaderOptions options = loader_options(settings, std::move(first_on_path));
    options.plans_for = std::move(plans_for);
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
    if (!finished_) {
        try {
            report_.write(loader_->report().to_json());
        } catch (const CommandError& error) {
            context_.output.error(error.what());
        }
    }
    if (!guard_) return;
    call_module({.kind = CallKind::unload, .module = ""}, [this] { loader_.reset(); });
}

void Session::guard_calls(const std::optional<std::string>& timeout) {
    guard_.emplace(parse_timeout(timeout),
                   [this](const std::string& module, std::string text) { stalled(module, std::move(text)); });
}

void Session::finish() {
    finished_ = true;
    report_.write(loader_->report().to_json());
}

// Under the mutex.
void Session::write_unfinished() {
    if (!report_.is_replaceable()) return;
    Json json = Json::parse(loader_->report().to_json());
    json["unfinished"] = unfinished_;
    report_.write(to_text(json, 2) + "\n");
}

Session::Unfinished::Unfinished(Session& session, CallKind kind, std::string_view module, std::string_view function)
    : session_(session) {
    const std::lock_guard lock(session.unfinished_mutex_);
    place_ = session.unfinished_.insert(
        session.unfinished_.end(),
        Json{{"what", kind_name(kind)}, {"module", module}, {"function", function.empty() ? Json() : Json(function)}});
    session.write_unfinished();
}

Session::Unfinished::~Unfinished() {
    const std::lock_guard lock(session_.unfinished_mutex_);
    session_.unfinished_.erase(place_);
    if (session_.unfinished_.empty()) return;  // what comes next writes
    try {
        session_.write_unfinished();
    } catch (const CommandError&) {  // is said at the end
    }
}

void Session::log(il_log_level level, std::string_view module, std::string_view text) const {
    constexpr std::array words = {"debug", "info", "warning", "error"};
    const auto index = std::min<std::size_t>(level, words.size() - 1);
    const unsigned needed = index >= IL_LOG_WARNING ? 0 : index == IL_LOG_INFO ? 1 : 2;
    if (context_.options.verbose < needed) return;
    context_.output.note(fmt::format("{}: {}: {}\n", escape(module), words[index], text));
}

void Session::stalled(std::string module, std::string text) const {
    std::vector<WarningFilter> filters;
    if (policy_) filters = policy_->warnings;
    filters.insert(filters.end(), context_.settings.filters.begin(), context_.settings.filters.end());
    const Warning warning{WarningCategory::stall, std::move(module), std::move(text), {}};
    if (resolve_warning(filters, warning.category, warning.module) != WarningAction::ignore)
        show_warning(context_, warning);
}

Result<Module> Session::import(const std::string& name, const std::string& importer) {
    ImportOptions options;
    options.importer = importer;
    if (context_.options.verbose != 0) context_.output.note(fmt::format("# importing module {}\n", quoted(name, 1000)));
    const Unfinished unfinished(*this, CallKind::import, name);
    Result<Module> module =
        call_module({.kind = CallKind::import, .module = name}, [&] { return loader_->import(name, options); });
    if (module && context_.options.verbose != 0) {
        const Decision decision = module->decision();
        context_.output.note(fmt::format("# imported module '{}' from '{}': {} by {}, now {}\n",
                                         escape(module->name(), 1000), escape(module->file().string(), 4096),
                                         level_name(module->level()), source_name(decision.source),
                                         mode_name(runtime_->mode())));
    }
    return module;
}

Outcome Session::unload(const std::string& name) {
    const Unfinished unfinished(*this, CallKind::unload, name);
    return call_module({.kind = CallKind::unload, .module = name}, [&] { return loader_->unload(name); });
}

Option timeout_option(std::optional<std::string>& target) {
    return option("--timeout", "SECONDS", target,
                  "End the command, with status 6, when one call or import takes longer");
}

FunctionName::FunctionName(const std::string& full_name) {
    const std::size_t dot = full_name.rfind('.');
    if (dot == full_name.npos || dot == 0 || dot + 1 == full_name.size())
        throw UsageError(fmt::format("MODULE.FUNCTION is needed, not {}", quoted(full_name, 80)));
    module = full_name.substr(0, dot);
    function = full_name.substr(dot + 1);
}

Function find_function(Session& session, const FunctionName& name) {
    const Result<Module> module = session.import(name.module);
    if (!module) throw CommandError(exit_findings, module.error().message);
    Result<Function> function = module->function(name.function);
    if (!function) throw CommandError(exit_findings, function.error().message);
    return std::move(*function);
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
