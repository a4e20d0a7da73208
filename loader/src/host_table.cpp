// The services that modules get: il_host of module.h.
//
// SPDX-License-Identifier: MIT
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <interlock/critical_section.hpp>
#include <interlock/escape.hpp>
#include <interlock/version.hpp>

#include "handle.hpp"
#include "lent.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace {

constexpr std::size_t max_message = 4000;

std::string formatted(const char* format, va_list arguments) {
    if (format == nullptr) return "(no message: its format is NULL)";
    char text[max_message];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    if (length < 0) return "(a message that could not be formatted)";
    return escape(std::string_view(text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1)),
                  max_message);
}

il_status fail(Invocation& call, il_status code, std::string message) {
    call.scope->set_error(code, std::move(message));
    return code;
}

il_status raise(il_call* call, il_status code, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::string message = formatted(format, arguments);
    va_end(arguments);
    return fail(invocation(call), code == IL_OK ? IL_ERROR_FAILED : code, std::move(message));
}

const char* error_message(il_call* call) {
    const Scope& scope = *invocation(call).scope;
    return scope.error_code() == IL_OK ? "" : scope.error_message().c_str();
}

void* alloc(il_call* call, std::size_t size, std::size_t alignment) {
    Scope& scope = *invocation(call).scope;
    void* memory = scope.allocate(size, alignment);
    if (memory == nullptr)
        scope.set_error(IL_ERROR_MEMORY, "no memory for a result of " + std::to_string(size) + " bytes, aligned to " +
                                             std::to_string(alignment));
    return memory;
}

il_status retain(il_call* c, const il_value* value, il_value* kept) {
    Invocation& call = invocation(c);
    ModuleRecord& record = call.record();
    // Until it is written down, so that its owners cannot be unloaded in between.
    Lent lent(&record);
    if (Outcome held = lent.add({value, 1}); !held) return fail(call, IL_ERROR_STATE, std::move(held).error().message);
    Result<Value> copied = Value::copy_of(*value, value_limits(record));
    if (!copied) return fail(call, IL_ERROR_ARGUMENT, copied.error().message);
    auto keep = std::make_unique<KeptValue>();
    keep->value = std::move(*copied);
    keep->owners = lent.owners();
    Result<il_value> c_form = keep->scope.borrow(keep->value);
    if (!c_form) return fail(call, IL_ERROR_MEMORY, c_form.error().message);
    std::lock_guard guard(record.objects);
    *kept = *c_form;
    while (kept->reserved == 0 || record.kept.contains(kept->reserved)) kept->reserved = record.next_kept++;
    record.keeps.insert(keep->owners.begin(), keep->owners.end());
    record.kept.emplace(kept->reserved, std::move(keep));
    return IL_OK;
}

void release_kept(il_call* c, il_value* kept) {
    Invocation& call = invocation(c);
    ModuleRecord& record = call.record();
    std::unique_ptr<KeptValue> dropped;  // destroyed without the lock, as it may run destructors
    {
        std::lock_guard guard(record.objects);
        if (auto node = record.kept.extract(kept->reserved)) dropped = std::move(node.mapped());
        if (dropped)
            for (const ModuleRecord* owner : dropped->owners) record.keeps.extract(owner);
    }
    *kept = il_null();
}

il_status handle_new(il_call* c, const il_handle_type* type, void* object, il_handle** result) {
    Invocation& call = invocation(c);
    if (type == nullptr || object == nullptr)
        return fail(call, IL_ERROR_ARGUMENT, "il_handle_new needs a type and an object");
    auto handle = std::make_unique<il_handle>();
    handle->module = call.record().shared_from_this();
    handle->type = type;
    handle->object = object;
    if (!call.scope->keep(handle.get())) return fail(call, IL_ERROR_MEMORY, "no memory for a handle");
    std::lock_guard guard(call.record().objects);
    handle->next = call.record().handles;
    if (handle->next != nullptr) handle->next->previous = handle.get();
    call.record().handles = handle.get();
    *result = handle.release();
    return IL_OK;
}

il_status handle_get(il_call* c, const il_value* value, const il_handle_type* type, void** object) {
    Invocation& call = invocation(c);
    if (type == nullptr) return fail(call, IL_ERROR_ARGUMENT, "il_handle_get needs a type, not NULL");
    il_handle* handle = value->type == IL_HANDLE ? value->as.handle : nullptr;
    if (handle == nullptr) return fail(call, IL_ERROR_ARGUMENT, "the argument is not a handle");
    void* const held = handle->object.load(std::memory_order_acquire);
    if (held == nullptr)
        return fail(
            call, IL_ERROR_ARGUMENT,
            "the object in the handle is gone, as module " + quoted(handle->module->name) + " has been unloaded");
    if (handle->type != type)
        return fail(call, IL_ERROR_ARGUMENT,
                    "the handle is not a " + escape(type->name == nullptr ? "(unnamed)" : type->name, 100));
    *object = held;
    return IL_OK;
}

il_status import_module(il_call* c, const char* name, il_module** module) {
    Invocation& call = invocation(c);
    if (name == nullptr) return fail(call, IL_ERROR_ARGUMENT, "il_import needs the name of a module, not NULL");
    auto imported = call.record().loader.import_for(call.record(), call.site(), name);
    if (!imported)
        return fail(call, imported.error().code == Errc::not_found ? IL_ERROR_NOT_FOUND : IL_ERROR_IMPORT,
                    imported.error().message);
    *module = opaque(**imported);
    return IL_OK;
}

il_status find_function(il_call* c, il_module* module, const char* name, il_callable** function) {
    if (module == nullptr || name == nullptr)
        return fail(invocation(c), IL_ERROR_ARGUMENT, "il_find needs a module and the name of a function, not NULL");
    ModuleRecord& record = record_of(module);
    const auto entry = record.by_name.find(std::string_view(name));
    if (entry == record.by_name.end())
        return fail(invocation(c), IL_ERROR_NOT_FOUND,
                    "module " + quoted(record.name) + " has no function " + quoted(name));
    *function = reinterpret_cast<il_callable*>(entry->second);
    return IL_OK;
}

il_status invoke_callable(il_call* c, il_callable* function, const il_value* args, std::size_t nargs,
                          il_value* result) {
    if (function == nullptr)
        return fail(invocation(c), IL_ERROR_ARGUMENT,
                    "il_invoke needs a function, not NULL; look at what il_find says");
    return invoke(*reinterpret_cast<FunctionRecord*>(function), *invocation(c).scope, args, nargs, *result);
}

void detach_call(il_call* c) {
    Invocation& call = invocation(c);
    if (call.is_detached) fatal_misuse(call, "detached twice");
    call.is_detached = true;
    suspend(call.detached);
}

void attach_call(il_call* c) {
    Invocation& call = invocation(c);
    if (!call.is_detached) fatal_misuse(call, "ended a detached block that it had not begun");
    call.is_detached = false;
    resume(call.detached);
}

void safe_point_of(il_call*) { safe_point(); }

CriticalFrame& frame_of(il_critical_section* section) noexcept { return *reinterpret_cast<CriticalFrame*>(section); }

void begin_critical(il_call*, il_critical_section* section, il_mutex* first, il_mutex* second) {
    critical_begin(frame_of(section), reinterpret_cast<Mutex*>(first), reinterpret_cast<Mutex*>(second));
}

void end_critical(il_call*, il_critical_section* section) { critical_end(frame_of(section)); }

/// A parallel loop of a module, shared by the threads that run its pieces.
struct ModuleLoop {
    ModuleRecord& record;
    const CallSite* site;
    il_body body;
    void* context;
    std::atomic<bool> failed{false};
    std::mutex mutex{};
    il_status code = IL_OK;
    std::string message{};

    void run(std::size_t begin, std::size_t end) {
        if (failed.load(std::memory_order_relaxed)) return;
        Scope scope;
        const il_status status = through_gate(record, site, scope, GateCheck::already_inside,
                                              [&](Invocation& call) { return body(&call, begin, end, context); });
        if (status == IL_OK) return;
        std::lock_guard guard(mutex);
        if (code != IL_OK) return;
        code = status;
        message = scope.error_message();
        failed.store(true, std::memory_order_relaxed);
    }
};

il_status parallel_for(il_call* c, std::size_t begin, std::size_t end, std::size_t grain, il_body body, void* context) {
    Invocation& call = invocation(c);
    ModuleLoop loop{call.record(), &call.site(), body, context};
    try {
        call.record().loader.runtime.run_chunks(
            begin, end, grain,
            [](void* l, std::size_t first, std::size_t last) { static_cast<ModuleLoop*>(l)->run(first, last); }, &loop);
    } catch (const std::exception& e) {
        return fail(call, IL_ERROR_FAILED, std::string("the parallel loop could not be run: ") + escape(e.what()));
    }
    return loop.code == IL_OK ? IL_OK : fail(call, loop.code, std::move(loop.message));
}

void write_log(const ModuleRecord& record, il_log_level level, const std::string& text) {
    const LoaderOptions& options = record.loader.options;
    const NoCancellation guarded;
    Detached outside;  // writing may block, and the callback may do anything
    try {
        if (options.on_log) return options.on_log(level, record.name, text);
    } catch (...) {
        // There are frames of C below, so it ends here; the line must not get lost.
        hold_back("LoaderOptions::on_log");
    }
    std::fprintf(stderr, "interlock: [%s] %s\n", record.name.c_str(), text.c_str());
}

void log_line(il_call* c, il_log_level level, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const std::string text = formatted(format, arguments);
    va_end(arguments);
    write_log(invocation(c).record(), level, text);
}

void log_from(il_module* module, il_log_level level, const char* format, ...) {
    if (module == nullptr) return;
    va_list arguments;
    va_start(arguments, format);
    const std::string text = formatted(format, arguments);
    va_end(arguments);
    write_log(record_of(module), level, text);
}

il_scope* scope_begin(il_call* c) {
    Invocation& call = invocation(c);
    il_scope* opened = open_scope(call);
    if (opened == nullptr) fail(call, IL_ERROR_MEMORY, "no memory for a scope");
    return opened;
}

void scope_end(il_call* c, il_scope* scope) {
    Invocation& call = invocation(c);
    if (scope == nullptr) return;
    if (call.open_scopes == 0 || call.innermost != scope)
        fatal_misuse(call, "ended a scope that is not its innermost one");
    close_scope(call);
}

il_status warn(il_call* c, const char* format, ...) {
    Invocation& call = invocation(c);
    va_list arguments;
    va_start(arguments, format);
    Warning warning{WarningCategory::module, call.record().name, formatted(format, arguments), {}};
    va_end(arguments);
    warning.details.push_back({"module", call.record().name + ", " + escape(call.site().function, 200)});
    LoaderState& state = call.record().loader;
    if (state.action_for(warning.category, warning.module) == WarningAction::error)
        return fail(call, IL_ERROR_FAILED, "a warning filter turns this warning into an error: " + warning.headline);
    state.issue(warning);
    return IL_OK;
}

il_call* current_call(const il_host*) {
    ThreadSlot* slot = this_thread;
    auto* call = slot == nullptr ? nullptr : static_cast<Invocation*>(slot->loader_frame);
    // That of a loop's caller belongs to another thread.
    return call != nullptr && call->slot == slot ? call : nullptr;
}

il_module* module_create(const il_host* host, const il_module_def* def) {
    il_call* c = current_call(host);
    if (c == nullptr) return nullptr;
    Invocation& call = invocation(c);
    if (!call.record().in_init || call.record().def != nullptr) {
        fail(call, IL_ERROR_STATE, "il_module_create may be called once, from a legacy init function");
        return nullptr;
    }
    if (Outcome adopted = adopt_definition(call.record(), def); !adopted) {
        fail(call, IL_ERROR_ARGUMENT, adopted.error().message);
        return nullptr;
    }
    call.state = call.record().state;
    std::lock_guard guard(call.record().loader.mutex);
    for (ImportFrame* frame = own_imports(); frame != nullptr; frame = frame->outer)
        if (frame->import_lock->record.get() == &call.record()) frame->import_lock->partial = true;
    return opaque(call.record());
}

il_status set_threading(il_module* module, il_threading level) {
    il_call* c = current_call(&host_table);
    if (c == nullptr) return IL_ERROR_STATE;
    if (module == nullptr)
        return fail(invocation(c), IL_ERROR_ARGUMENT,
                    "il_set_threading needs a module, not NULL; look at what il_module_create returns");
    ModuleRecord& record = record_of(module);
    if (!record.in_init || &invocation(c).record() != &record)
        return fail(invocation(c), IL_ERROR_STATE,
                    "il_set_threading has a meaning only inside the legacy init function of the module; others state "
                    "their level in IL_MODULE");
    if (level > IL_THREADING_FREE)
        return fail(invocation(c), IL_ERROR_ARGUMENT, "unknown threading level " + std::to_string(level));
    record.stated_threading = level;
    return IL_OK;
}

il_status run_attached(const il_host*, il_module* module, il_thread_body body, void* context) {
    // The caller may be the last one for whom an unload has waited.
    const std::shared_ptr<ModuleRecord> record = record_of(module).shared_from_this();
    Scope scope;
    return through_gate(*record, record->thread_site, scope, GateCheck::closed_is_error,
                        [&](Invocation& call) { return body(&call, context); });
}

}  // namespace

const il_host host_table = {
    sizeof(il_host),
    IL_ABI_VERSION,
    0,
    INTERLOCK_VERSION,
    raise,
    error_message,
    alloc,
    retain,
    release_kept,
    handle_new,
    handle_get,
    import_module,
    find_function,
    invoke_callable,
    detach_call,
    attach_call,
    safe_point_of,
    begin_critical,
    end_critical,
    parallel_for,
    log_line,
    warn,
    current_call,
    module_create,
    set_threading,
    scope_begin,
    scope_end,
    log_from,
    run_attached,
};

}  // namespace interlock::detail
