// The host for programs in C (host.h): each function in front of the C++ one that does the work. Exceptions end here.
//
// SPDX-License-Identifier: MIT
#include <interlock/host.h>

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>

#include <interlock/escape.hpp>
#include <interlock/loader.hpp>

using namespace interlock;

struct interlock_error {
    std::string code, message;
};
struct interlock_runtime {
    Runtime runtime;
};
struct interlock_loader {
    Loader loader;
};
struct interlock_function {
    Function function;
};
struct interlock_scope {
    Scope scope;
};

namespace {

/// For when there is no memory for another one.
interlock_error& no_memory() noexcept {
    static interlock_error error{"internal", "out of memory"};
    return error;
}

void set_error(interlock_error** where, const Error& error) noexcept {
    if (where == nullptr) return;
    try {
        *where = new interlock_error{std::string(errc_name(error.code)), error.message};
    } catch (const std::bad_alloc&) {
        *where = &no_memory();
    }
}

/// Runs `work`; what it throws becomes an error, and the answer `failed`. But a thread that ends (pthread_exit) does
/// so.
template <typename Work, typename Answer>
Answer guarded(interlock_error** error, Answer failed, Work work) {
    try {
        return work();
    } catch (const abi::__forced_unwind&) {
        throw;
    } catch (const Failure& failure) {
        set_error(error, failure.error());
    } catch (const std::bad_alloc&) {
        set_error(error, {Errc::internal, "out of memory"});
    } catch (const std::exception& e) {
        set_error(error, {Errc::internal, escape(e.what())});
    } catch (...) {
        set_error(error, {Errc::internal, "an exception of unknown type"});
    }
    return failed;
}

int answer(interlock_error** error, const Outcome& outcome) noexcept {
    if (outcome) return 0;
    set_error(error, outcome.error());
    return -1;
}

char* text_of(const std::string& text) {
    auto* copy = new char[text.size() + 1];
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

/// The caller's options in today's layout: what its header did not have yet is zero.
template <typename Options>
Options complete(const Options* given) {
    Options options{};
    if (given == nullptr) return options;
    if (given->size < sizeof given->size)
        throw Failure({Errc::invalid_argument, "the `size` of the options is not set; it is sizeof of the structure"});
    std::memcpy(&options, given, std::min(given->size, sizeof options));
    return options;
}

RuntimeOptions runtime_options(const interlock_runtime_options& given) {
    RuntimeOptions options;
    if (given.use_environment != 0) options = RuntimeOptions::from_environment().value();
    if (given.gil < INTERLOCK_GIL_AUTOMATIC || given.gil > INTERLOCK_GIL_ON)
        throw Failure({Errc::invalid_argument, "gil takes one of INTERLOCK_GIL_..., not " + std::to_string(given.gil)});
    if (given.gil != INTERLOCK_GIL_AUTOMATIC) options.gil = static_cast<GilSetting>(given.gil);
    if (given.threads != 0) options.threads = given.threads;
    if (given.switch_interval_us != 0) options.switch_interval = std::chrono::microseconds(given.switch_interval_us);
    if (given.stall_report_ms != 0) options.stall_report = std::chrono::milliseconds(given.stall_report_ms);
    if (given.on_event != nullptr)
        options.on_event = [on_event = given.on_event, context = given.context](const RuntimeEvent& event) {
            const std::string kind(event_name(event.kind));
            const interlock_event told = {sizeof told,
                                          kind.c_str(),
                                          event.module.c_str(),
                                          event.text.c_str(),
                                          event.mode == Mode::locked,
                                          static_cast<std::uint64_t>(event.duration.count()),
                                          event.number};
            on_event(context, &told);
        };
    return options;
}

std::string_view text_at(const char* const* list, std::size_t index, const char* what) {
    if (list == nullptr || list[index] == nullptr)
        throw Failure({Errc::invalid_argument, std::string("a text of ") + what + " is NULL"});
    return list[index];
}

void add_override(LoaderOptions& options, std::string_view text) {
    const std::size_t equals = text.find('=');
    const auto action = equals == text.npos ? std::nullopt : policy_action_from_name(text.substr(equals + 1));
    if (!action || equals == 0)
        throw Failure({Errc::invalid_option,
                       "an override is MODULE=free, module_lock, global_lock or refuse, not " + quoted(text, 200)});
    options.overrides.insert_or_assign(std::string(text.substr(0, equals)), *action);
}

LoaderOptions loader_options(const interlock_loader_options& given) {
    LoaderOptions options;
    if (given.use_environment != 0 && given.policy == nullptr) options = LoaderOptions::from_environment().value();
    options.use_environment = given.use_environment != 0;
    for (std::size_t i = 0; i < given.search_path_count; ++i)
        options.search_path.emplace_back(text_at(given.search_path, i, "search_path"));
    if (given.policy != nullptr) options.policy = load_policy(given.policy).value();
    for (std::size_t i = 0; i < given.overrides_count; ++i)
        add_override(options, text_at(given.overrides, i, "overrides"));
    for (std::size_t i = 0; i < given.filters_count; ++i)
        options.filters.push_back(parse_warning_filter(text_at(given.filters, i, "filters")).value());
    if (given.switch_deadline_ms != 0) options.switch_deadline = std::chrono::milliseconds(given.switch_deadline_ms);
    if (given.on_warning != nullptr)
        options.on_warning = [on_warning = given.on_warning, context = given.context](const Warning& warning) {
            const std::string category(category_name(warning.category)), text = warning.text(),
                                                                         json = warning.to_json();
            const interlock_warning told = {sizeof told, category.c_str(), warning.module.c_str(), text.c_str(),
                                            json.c_str()};
            on_warning(context, &told);
        };
    if (given.on_log != nullptr)
        options.on_log = [on_log = given.on_log, context = given.context](il_log_level level, std::string_view module,
                                                                          std::string_view text) {
            on_log(context, level, std::string(module).c_str(), std::string(text).c_str());
        };
    return options;
}

std::string_view name_of(const char* text, const char* what) {
    if (text == nullptr) throw Failure({Errc::invalid_argument, std::string(what) + " is NULL"});
    return text;
}

}  // namespace

const char* interlock_error_code(const interlock_error* error) { return error == nullptr ? "" : error->code.c_str(); }
const char* interlock_error_message(const interlock_error* error) {
    return error == nullptr ? "" : error->message.c_str();
}
void interlock_error_free(interlock_error* error) {
    if (error != &no_memory()) delete error;
}
void interlock_text_free(char* text) { delete[] text; }

interlock_runtime* interlock_runtime_new(const interlock_runtime_options* options, interlock_error** error) {
    return guarded(error, static_cast<interlock_runtime*>(nullptr),
                   [&] { return new interlock_runtime{Runtime(runtime_options(complete(options)))}; });
}
void interlock_runtime_free(interlock_runtime* runtime) { delete runtime; }
int interlock_runtime_is_locked(const interlock_runtime* runtime) { return runtime->runtime.is_gil_enabled(); }

int interlock_runtime_parallel_for(interlock_runtime* runtime, size_t begin, size_t end, size_t grain,
                                   void (*body)(void*, size_t, size_t), void* context, interlock_error** error) {
    return guarded(error, -1, [&] {
        runtime->runtime.run_chunks(begin, end, grain, body, context);
        return 0;
    });
}

int interlock_attach(interlock_error** error) {
    return guarded(error, -1, [] {
        detail::attach(detail::own_slot());
        return 0;
    });
}
void interlock_detach(void) { detail::detach(detail::own_slot()); }
void interlock_run_detached(void (*work)(void*), void* context) {
    const Detached outside;
    work(context);
}
void interlock_safe_point(void) { safe_point(); }

interlock_loader* interlock_loader_new(interlock_runtime* runtime, const interlock_loader_options* options,
                                       interlock_error** error) {
    return guarded(error, static_cast<interlock_loader*>(nullptr), [&] {
        if (runtime == nullptr) throw Failure({Errc::invalid_argument, "the runtime is NULL"});
        return new interlock_loader{Loader(runtime->runtime, loader_options(complete(options)))};
    });
}
void interlock_loader_free(interlock_loader* loader) { delete loader; }

namespace {

ImportOptions import_options(const char* importer) {
    ImportOptions options;
    options.importer = importer == nullptr ? "a program in C" : importer;
    return options;
}

UnloadOptions unload_options(int64_t timeout_ms) {
    UnloadOptions options;
    if (timeout_ms >= 0) options.timeout = std::chrono::milliseconds(timeout_ms);
    return options;
}

}  // namespace

int interlock_loader_import(interlock_loader* loader, const char* name, const char* importer, interlock_error** error) {
    return guarded(error, -1, [&] {
        const Result<Module> module =
            loader->loader.import(name_of(name, "the name of the module"), import_options(importer));
        return answer(error, module ? Outcome(Ok{}) : Outcome(module.error()));
    });
}

int interlock_loader_reload(interlock_loader* loader, const char* name, const char* importer, int64_t timeout_ms,
                            interlock_error** error) {
    return guarded(error, -1, [&] {
        const Result<Module> module = loader->loader.reload(name_of(name, "the name of the module"),
                                                            {unload_options(timeout_ms), import_options(importer)});
        return answer(error, module ? Outcome(Ok{}) : Outcome(module.error()));
    });
}

int interlock_loader_unload(interlock_loader* loader, const char* name, int64_t timeout_ms, interlock_error** error) {
    return guarded(error, -1, [&] {
        return answer(error,
                      loader->loader.unload(name_of(name, "the name of the module"), unload_options(timeout_ms)));
    });
}

char* interlock_loader_report(const interlock_loader* loader, interlock_error** error) {
    return guarded(error, static_cast<char*>(nullptr), [&] { return text_of(loader->loader.report().to_json()); });
}

interlock_function* interlock_loader_function(interlock_loader* loader, const char* module, const char* function,
                                              interlock_error** error) {
    return guarded(error, static_cast<interlock_function*>(nullptr), [&] {
        const Module found = loader->loader.find(name_of(module, "the name of the module")).value();
        return new interlock_function{found.function(name_of(function, "the name of the function")).value()};
    });
}
void interlock_function_free(interlock_function* function) { delete function; }

interlock_scope* interlock_scope_new(void) { return new (std::nothrow) interlock_scope; }
void interlock_scope_reset(interlock_scope* scope) { scope->scope.reset(); }
void interlock_scope_free(interlock_scope* scope) { delete scope; }

il_status interlock_function_call(const interlock_function* function, interlock_scope* scope, const il_value* args,
                                  size_t nargs, il_value* result) {
    // What a module throws is an error of the call already.
    try {
        return function->function.call(scope->scope, {args, nargs}, *result);
    } catch (const std::bad_alloc&) {
        scope->scope.set_error(IL_ERROR_MEMORY, "out of memory");
        return IL_ERROR_MEMORY;
    }
}
const char* interlock_scope_error(const interlock_scope* scope) {
    return scope->scope.error_code() == IL_OK ? "" : scope->scope.error_message().c_str();
}

char* interlock_value_json(const il_value* value, interlock_error** error) {
    return guarded(error, static_cast<char*>(nullptr),
                   [&] { return text_of(Value::copy_of(*value).value().to_json()); });
}
