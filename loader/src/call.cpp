// A call through a gate: the hot path, and what happens when anything is unusual (locked mode, a module's lock, a
// closed gate).
//
// A caller first counts itself in its own tally and announces itself as attached, then looks at the mode and at the
// gate. Who changes one of them stores the change, makes every CPU pass a barrier, and then looks at the tallies and
// announcements. One of the two sees the other, and the caller's side needs no bus lock.
//
// SPDX-License-Identifier: MIT
#include <cxxabi.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <interlock/escape.hpp>

#include "lent.hpp"

namespace interlock::detail {

namespace {

std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

il_status closed_error(const ModuleRecord& record, Scope& scope) {
    scope.set_error(IL_ERROR_STATE, "module " + quoted(record.name) +
                                        " has been unloaded; import it again to get functions that can be called");
    return IL_ERROR_STATE;
}

[[gnu::cold]] il_status describe_exception(Scope& scope) {
    try {
        throw;
    } catch (const std::bad_alloc&) {
        scope.set_error(IL_ERROR_MEMORY, "out of memory");
        return IL_ERROR_MEMORY;
    } catch (const std::exception& e) {
        scope.set_error(IL_ERROR_FAILED, "a C++ exception left the function: " + escape(e.what()));
    } catch (...) {
        scope.set_error(IL_ERROR_FAILED, "an exception of unknown type left the function");
    }
    return IL_ERROR_FAILED;
}

/// The module left something open: repairs what can be repaired and makes it an error of the call.
[[gnu::cold, gnu::noinline]] il_status finish_badly(Invocation& call, il_status status,
                                                    const CriticalFrame* critical_before) {
    if (call.open_scopes != 0) {
        while (call.open_scopes != 0) close_scope(call);
        // After an error the result does not count, so it may lie in one of them.
        if (status == IL_OK) {
            call.scope->set_error(IL_ERROR_FAILED, "the function returned between il_scope_begin and il_scope_end");
            status = IL_ERROR_FAILED;
        }
    }
    if (call.is_detached) {
        call.is_detached = false;
        resume(call.detached);
        call.scope->set_error(IL_ERROR_FAILED,
                              "the function returned between IL_BEGIN_ALLOW_THREADS and IL_END_ALLOW_THREADS");
        status = IL_ERROR_FAILED;
    }
    // The frame of the section lay on a stack that is gone: nothing can be repaired.
    if (call.slot->critical != critical_before) fatal_misuse(call, "returned from inside a critical section");
    if (status != IL_OK && call.scope->error_code() == IL_OK)
        call.scope->set_error(status, "the function returned status " + std::to_string(status) + " and said no more");
    return status;
}

/// The thread is in the middle of the outer call again.
[[gnu::always_inline]] inline void leave_frame_of(ThreadSlot& slot, const CallSite* outer_site,
                                                  const Invocation* outer) noexcept {
    slot.site.store(outer_site, std::memory_order_relaxed);
    slot.loader_frame = const_cast<Invocation*>(outer);
}
/// For a thread that is ending, as what runs while its stack is unwound must not find frames that are gone. Apart from
/// run(), where it would cost every call something.
[[gnu::cold, gnu::noinline]] void leave_frame(ThreadSlot* slot, const CallSite* outer_site,
                                              const Invocation* outer) noexcept {
    leave_frame_of(*slot, outer_site, outer);
}

/// Runs code of the module as the innermost call of the thread. No exception passes but the one by which pthread_exit
/// and pthread_cancel unwind.
template <typename Code>
[[gnu::always_inline]] inline il_status run(ModuleRecord& record, const CallSite* site, ThreadSlot* slot, Scope& scope,
                                            Code&& code) {
    Invocation call(record, slot, scope);
    const CallSite* outer_site = slot->site.load(std::memory_order_relaxed);
    const CriticalFrame* critical_before = slot->critical;
    slot->loader_frame = &call;
    slot->site.store(site, std::memory_order_release);
    il_status status;
    try {
        status = code(call);
    } catch (...) {
        while (call.open_scopes != 0) close_scope(call);
        // No C++ exception: the unwinding of pthread_exit or pthread_cancel, which must go on.
        if (abi::__cxa_current_exception_type() == nullptr) {
            leave_frame(slot, outer_site, call.outer);
            throw;
        }
        status = describe_exception(*call.scope);
    }
    if (status != IL_OK || call.is_detached || call.open_scopes != 0 || slot->critical != critical_before) [[unlikely]]
        status = finish_badly(call, status, critical_before);
    // What the call has in memory anyway is taken from there, and needs no room in registers.
    leave_frame_of(*call.slot, outer_site, call.outer);
    return status;
}

/// Reading the clock costs more than a gate, so the time of some calls stands for that of all: of the first ones, so
/// that the figures of a few long calls are exact, and of every 256th.
constexpr std::uint64_t sample_every = 256;
constexpr std::uint64_t weight_of(std::uint64_t count) noexcept {
    return count <= sample_every ? 1 : count % sample_every == 0 ? sample_every : 0;
}

/// Everything but the quickest case. The caller has counted itself in `tally` and increased slot->depth.
template <typename Code>
il_status enter_slowly(ModuleRecord& record, ThreadSlot* slot, ModuleTally* tally, Scope& scope, GateCheck check,
                       Code&& code) {
    const std::uint64_t waited_before = slot->ns_waited;
    const auto leave = [&] {
        tally->inside.store(tally->inside.load(std::memory_order_relaxed) - 1, std::memory_order_release);
        detach(slot);
    };
    if (slot->depth == 1) {
        try {
            attach_slow(slot);
        } catch (const Failure& failure) {
            bump(tally->inside, ~std::uint32_t{0});
            scope.set_error(IL_ERROR_STATE, failure.error().message);
            return IL_ERROR_STATE;
        }
    } else {
        safe_point();
    }
    // The full barrier that the count of this visitor needs where membarrier is missing.
    tally->inside.exchange(tally->inside.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    const std::uint32_t gate = record.gate.load(std::memory_order_seq_cst);
    // Who is inside already, and calls the module once more, is waited for anyway.
    if ((gate & gate_open) == 0 && check == GateCheck::closed_is_error &&
        tally->inside.load(std::memory_order_relaxed) == 1) {
        leave();
        return closed_error(record, scope);
    }
    HandoffLock* const callers_lock = slot->module_lock;
    if (callers_lock != nullptr) drop_module_lock(slot);
    const bool own_lock = (gate & gate_module_lock) != 0;
    if (own_lock) take_module_lock(slot, record.lock);

    const GateKind kind = slot->state.load(std::memory_order_relaxed) == state_locked ? GateKind::global_lock
                          : own_lock                                                  ? GateKind::module_lock
                                                                                      : GateKind::none;
    if (slot->ns_waited != waited_before) bump(tally->ns_waiting, slot->ns_waited - waited_before);
    auto& calls = tally->calls[static_cast<std::size_t>(kind)];
    const std::uint64_t weight = weight_of(calls.load(std::memory_order_relaxed) + 1);
    const std::uint64_t entered = weight != 0 ? now_ns() : 0;
    il_status status;
    if (kind == GateKind::none)
        status = code();
    else
        isolate(
            [&] { status = code(); });  // the lock has to keep out what this thread itself would do beneath the call
    if (weight != 0) bump(tally->ns_inside, weight * (now_ns() - entered));

    if (own_lock) drop_module_lock(slot);
    if (callers_lock != nullptr) take_module_lock(slot, *callers_lock);
    bump(calls, std::uint64_t{1});
    leave();
    return status;
}

/// Makes a result the scope's own, as long as the module's lock is held.
il_status keep_result(Scope& scope, il_value& result, const ValueLimits& limits) {
    if (result.type < IL_STRING) return IL_OK;
    Result<Value> copied = Value::copy_of(result, limits);
    Result<il_value> kept = copied ? scope.keep(std::move(*copied)) : Result<il_value>(copied.error());
    if (!kept) {
        scope.set_error(IL_ERROR_FAILED, kept.error().message);
        return IL_ERROR_FAILED;
    }
    result = *kept;
    return IL_OK;
}

}  // namespace

void fatal_misuse(const Invocation& call, std::string_view what) noexcept {
    std::fprintf(stderr, "interlock: fatal: function %s of module %s %.*s\n", quoted(call.site().function).c_str(),
                 quoted(call.site().module).c_str(), static_cast<int>(what.size()), what.data());
    std::fflush(stderr);  // which the host may have reopened, with a buffer
    std::abort();
}

namespace {

/// Visits a function's module, `visit(begun)`, or if its gate is closed as it was reloaded, what has taken the
/// function's place: `again(function)`. `begun`: set by a visit that was let in.
template <typename Visit, typename Again>
[[gnu::always_inline]] inline il_status visit_or_follow(FunctionRecord& function, Scope& scope, Visit visit,
                                                        Again again) {
    bool begun = false;
    const il_status ended = visit(begun);
    if (begun || ended != IL_ERROR_STATE) return ended;
    std::shared_ptr<ModuleRecord> keeps;
    FunctionRecord* const now = follow(function, keeps, scope);
    return now == nullptr ? ended : again(*now);
}

[[gnu::noinline]] il_status invoke_slowly(FunctionRecord& function, ThreadSlot* slot, ModuleTally* tally, Scope& scope,
                                          const il_value* args, std::size_t nargs, il_value& result) {
    const auto visit = [&](bool& begun) {
        return enter_slowly(*function.module, slot, tally, scope, GateCheck::closed_is_error, [&] {
            begun = true;
            const il_status status = run(*function.module, function.site, slot, scope, [&](Invocation& call) {
                return function.function(&call, args, nargs, &result);
            });
            if (status != IL_OK || !function.module->copies_results.load(std::memory_order_relaxed)) return status;
            return keep_result(scope, result, value_limits(*function.module));
        });
    };
    return visit_or_follow(function, scope, visit,
                           [&](FunctionRecord& now) { return invoke(now, scope, args, nargs, result); });
}

il_status not_lent(const Error& why, Scope& scope) {
    const il_status status = why.code == Errc::unloaded ? IL_ERROR_STATE : IL_ERROR_ARGUMENT;
    scope.set_error(status, why.message);
    return status;
}

/// Calls, and gives the result and the limits of a copy to `take` inside the gate: it may lie in memory that the next
/// caller overwrites, or that is unmapped. `held`: why the arguments cannot be given to the module.
template <typename Take>
il_status call_taking(FunctionRecord& function, Scope& scope, std::span<const il_value> args, Take& take,
                      Outcome& held) {
    Lent lent(function.module);
    if (lends(args)) held = lent.add(args);
    if (!held) return not_lent(held.error(), scope);
    const auto visit = [&](bool& begun) {
        return through_gate(*function.module, function.site, scope, GateCheck::closed_is_error,
                            [&](Invocation& call) -> il_status {
                                begun = true;
                                il_value result = il_null();
                                const il_status status = function.function(&call, args.data(), args.size(), &result);
                                if (status == IL_OK && !call.is_detached) take(result, value_limits(*function.module));
                                return status;
                            });
    };
    return visit_or_follow(function, scope, visit,
                           [&](FunctionRecord& now) { return call_taking(now, scope, args, take, held); });
}

[[gnu::noinline]] il_status run_timed(FunctionRecord& function, ThreadSlot* slot, ModuleTally* tally, Scope& scope,
                                      const il_value* args, std::size_t nargs, il_value& result) {
    const std::uint64_t entered = now_ns();
    const il_status status = run(*function.module, function.site, slot, scope,
                                 [&](Invocation& call) { return function.function(&call, args, nargs, &result); });
    bump(tally->ns_inside, sample_every * (now_ns() - entered));
    return status;
}

}  // namespace

[[gnu::always_inline]] inline il_status invoke_inline(FunctionRecord& function, Scope& scope, const il_value* args,
                                                      std::size_t nargs, il_value& result) {
    ModuleRecord& record = *function.module;
    ThreadSlot* slot = own_slot();
    ModuleTally* tally = tally_of(slot, record.index);
    result = il_null();
    scope.clear_error();

    const std::uint32_t inside = tally->inside.load(std::memory_order_relaxed);
    tally->inside.store(inside + 1, std::memory_order_relaxed);
    if (slot->depth++ == 0) [[likely]]
        slot->state.store(state_free, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (mode_cell.word.load(std::memory_order_acquire) != mode_parallel ||
        record.gate.load(std::memory_order_acquire) != gate_open || slot->module_lock != nullptr) [[unlikely]]
        return invoke_slowly(function, slot, tally, scope, args, nargs, result);

    auto& calls = tally->calls[static_cast<std::size_t>(GateKind::none)];
    const std::uint64_t count = calls.load(std::memory_order_relaxed) + 1;
    calls.store(count, std::memory_order_relaxed);
    il_status status;
    if (count % sample_every != 0) [[likely]]
        status = run(record, function.site, slot, scope,
                     [&](Invocation& call) { return function.function(&call, args, nargs, &result); });
    else
        status = run_timed(function, slot, tally, scope, args, nargs, result);
    tally->inside.store(inside, std::memory_order_release);
    detach(slot);
    return status;
}

/// With arguments that may belong to modules.
[[gnu::noinline]] static il_status invoke_lending(FunctionRecord& function, Scope& scope,
                                                  std::span<const il_value> args, il_value& result) {
    Lent lent(function.module);
    if (const Outcome held = lent.add(args); !held) return not_lent(held.error(), scope);
    return invoke_inline(function, scope, args.data(), args.size(), result);
}

il_status invoke(FunctionRecord& function, Scope& scope, const il_value* args, std::size_t nargs, il_value& result) {
    if (lends({args, nargs})) [[unlikely]]
        return invoke_lending(function, scope, {args, nargs}, result);
    return invoke_inline(function, scope, args, nargs, result);
}

il_status through_gate(ModuleRecord& record, const CallSite* site, Scope& scope, GateCheck check,
                       il_status (*body)(Invocation&, void*), void* context) {
    ThreadSlot* slot = own_slot();
    ModuleTally* tally = tally_of(slot, record.index);
    scope.clear_error();
    bump(tally->inside, 1u);
    if (slot->depth++ == 0) slot->state.store(state_free, std::memory_order_relaxed);
    return enter_slowly(record, slot, tally, scope, check, [&] {
        return run(record, site, slot, scope, [&](Invocation& call) { return body(call, context); });
    });
}

}  // namespace interlock::detail

namespace interlock {

namespace {

/// "module.function: ", for messages.
std::string full_name(const detail::FunctionRecord& function) {
    return function.module->name + "." + escape(function.name, 200) + ": ";
}

const char* type_name(il_type type) noexcept {
    constexpr std::array<const char*, 10> names = {"null",  "bool",   "int64", "double", "string",
                                                   "bytes", "buffer", "list",  "map",    "handle"};
    return type < names.size() ? names[type] : "unknown";
}

}  // namespace

const std::string& Function::name() const noexcept { return function_->name; }

const std::string& Function::doc() const noexcept { return function_->doc; }

il_status Function::call(Scope& scope, std::span<const il_value> args, il_value& result) const {
    if (detail::lends(args)) [[unlikely]]
        return detail::invoke_lending(*function_, scope, args, result);
    return detail::invoke_inline(*function_, scope, args.data(), args.size(), result);
}

Result<Value> Function::operator()(std::span<const Value> args) const {
    Scope arguments, results;
    std::vector<il_value> borrowed;
    borrowed.reserve(args.size());
    for (const Value& arg : args) {
        Result<il_value> c_form = arguments.borrow(arg);
        if (!c_form) return std::move(c_form).error();
        borrowed.push_back(*c_form);
    }
    Result<Value> value{Value()};
    const auto take = [&](const il_value& result, const ValueLimits& limits) {
        value = Value::copy_of(result, limits);
    };
    Outcome held = Ok{};
    const il_status status = detail::call_taking(*function_, results, borrowed, take, held);
    if (!held) return std::move(held).error();
    if (status == IL_OK && value) return value;
    if (status == IL_OK) return Error{value.error().code, full_name(*function_) + value.error().message};
    return call_error(results, status);
}

il_status Function::call_and_take(Scope& scope, std::span<const il_value> args,
                                  void (*take)(void* context, const il_value& result, const ValueLimits& limits),
                                  void* context) const {
    const auto give = [&](const il_value& result, const ValueLimits& limits) { take(context, result, limits); };
    Outcome held = Ok{};
    return detail::call_taking(*function_, scope, args, give, held);
}

Error Function::call_error(const Scope& scope, il_status status) const {
    const bool closed = status == IL_ERROR_STATE && (function_->module->gate.load() & detail::gate_open) == 0;
    return {closed ? Errc::unloaded : Errc::call_failed, full_name(*function_) + scope.error_message()};
}

Error Function::argument_error(const Scope& scope, std::size_t number) const {
    return {Errc::invalid_argument,
            full_name(*function_) + "argument " + std::to_string(number) + ": " + scope.error_message()};
}

Error Function::result_error(detail::Taken taken, il_type type, const char* wanted, const std::string& why) const {
    std::string text = full_name(*function_);
    if (taken == detail::Taken::malformed)
        text += why.empty() ? "the module returned a malformed value: a size, and no memory" : why;
    else if (taken == detail::Taken::out_of_range)
        text += "the result does not fit into the integer type that the program asks for; ask for std::int64_t";
    else
        text +=
            std::string("the result is of type ") + type_name(type) + ", and the program asks for a " + wanted +
            "; the function is documented as: " + (function_->doc.empty() ? "(nothing)" : escape(function_->doc, 200));
    return {Errc::call_failed, std::move(text)};
}

}  // namespace interlock
