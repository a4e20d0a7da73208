// model_threads.cpp: threads, what they wait for, and what is done once. There is one thread: another one runs to its
// end when the first waits, or at its start, and what no thread could bring about any more ends the run.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_threads.hpp"
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <cstring>
#include <tuple>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

void object(I& in) { in.result(in.guest().new_object(512)); }

}  // namespace

// Waits may end without a reason; a loop around one of them does not, when nobody is left who could end it.
void wait_for_thread(Interpreter& in, std::uint64_t value) {
    if (has_go_runtime(in))
        return in.give_up("a wait for a thread: it has the Go runtime, which needs threads of its own");
    if (const auto next = in.threads().take()) return in.guest().call_first(next->function, next->argument, value);
    if (!in.threads().wait_in_vain())
        return in.give_up("a wait for a thread of its own, which the emulator does not have");
    in.result(value);
}

// Go writes what it was made of into each program, behind these bytes, whatever the format of the file.
bool ProgramThreads::has_go_runtime(const image::Image& image) {
    static constexpr std::string_view magic = "\xff Go buildinf:";
    if (!go_runtime_) {
        const auto& [imports, segments] = std::tie(image.imports, image.segments);
        const bool linked = std::ranges::any_of(imports, [](const image::Import& entry) {
            return entry.name == "crosscall2" || entry.name.starts_with("_cgo_");
        });
        go_runtime_ = linked || std::ranges::any_of(segments, [](const image::Segment& segment) {
                          return !segment.executable && memmem(segment.data.data(), segment.data.size(), magic.data(),
                                                               magic.size()) != nullptr;
                      });
    }
    return *go_runtime_;
}

bool has_go_runtime(Interpreter& in) { return in.threads().has_go_runtime(in.image()); }

namespace {

void wait_zero(I& in) { wait_for_thread(in, 0); }
void wait_one(I& in) { wait_for_thread(in, 1); }
// A wait with a limit of time may also run into it; which of the two is not known.
void wait_timed(I& in) {
    in.assume("whether a wait takes too long");
    constexpr std::uint64_t posix_timeout = 110, macos_timeout = 60;
    if (!in.likely()) return in.result(in.image().format == image::Format::macho ? macos_timeout : posix_timeout);
    wait_for_thread(in, 0);
}
void join(I& in) {
    if (in.threads().any()) return wait_for_thread(in, 0);
    in.result(0);
}
// What has a count would not wait while that is above zero: semaphores keep it in their first word.
void semaphore_init(I& in) {
    in.guest().set_number(in.argument(0), in.argument(2), 4);
    in.result(0);
}
void semaphore_post(I& in) {
    in.guest().set_number(in.argument(0), in.guest().number(in.argument(0), 4).value_or(0) + 1, 4);
    in.result(0);
}
void semaphore_wait(I& in) {
    const std::uint64_t count = in.guest().number(in.argument(0), 4).value_or(0);
    if (count == 0) return wait_for_thread(in, 0);
    in.guest().set_number(in.argument(0), count - 1, 4);
    in.result(0);
}
// Dispatch semaphores of macOS: the object has the count in its second word.
void dispatch_semaphore(I& in) {
    const std::uint64_t made = in.guest().new_object(64);
    in.guest().set_word(made + 8, in.argument(0));
    in.result(made);
}
void dispatch_signal(I& in) {
    in.guest().set_word(in.argument(0) + 8, in.guest().word(in.argument(0) + 8).value_or(0) + 1);
    in.result(0);
}
void dispatch_wait(I& in) {
    const std::uint64_t count = in.guest().word(in.argument(0) + 8).value_or(0);
    if (count != 0) {
        in.guest().set_word(in.argument(0) + 8, count - 1);
        return in.result(0);
    }
    if (in.argument(1) == 0) return in.result(49);  // DISPATCH_TIME_NOW: not signalled
    wait_for_thread(in, 0);
}

// ---- guards and once ----

void guard_acquire(I& in) {
    const std::uint64_t done = in.guest().number(in.argument(0), 1).value_or(1);
    in.result(done == 0 ? 1 : 0);
}
void guard_release(I& in) {
    in.guest().set_number(in.argument(0), 1, 1);
    in.result(0);
}
// pthread_once: the function runs at its first time. The first word of the control is 0 until then, on all systems but
// macOS, where a signature comes first.
void once(I& in) {
    const std::uint64_t control = in.argument(0) + (in.image().format == image::Format::macho ? in.word() : 0);
    const std::uint64_t function = in.argument(1);
    if (in.guest().number(control, 4).value_or(1) != 0) return in.result(0);
    in.guest().set_number(control, 2, 4);
    in.guest().call_first(function, 0, 0);
}
// dispatch_once_f(control, context, function), and dispatch_once() with a block, whose function is behind its head.
void dispatch_once_function(I& in) {
    if (in.guest().word(in.argument(0)).value_or(1) != 0) return in.result(0);
    const std::uint64_t context = in.argument(1), function = in.argument(2);
    in.guest().set_word(in.argument(0), ~std::uint64_t{0});
    in.guest().call_first(function, context, 0);
}
void dispatch_once_block(I& in) {
    if (in.guest().word(in.argument(0)).value_or(1) != 0) return in.result(0);
    const std::uint64_t block = in.argument(1), function = in.guest().word(block + 16).value_or(0);
    in.guest().set_word(in.argument(0), ~std::uint64_t{0});
    in.guest().call_first(function, block, 0);
}
// dispatch_sync_f(queue, context, function) and with a block: at once.
void dispatch_sync_function(I& in) { in.guest().call_first(in.argument(2), in.argument(1), 0); }
void dispatch_sync_block(I& in) {
    const std::uint64_t block = in.argument(1);
    in.guest().call_first(in.guest().word(block + 16).value_or(0), block, 0);
}
// libc++: (flag, argument, function); the flag is ~0 when it was done.
void libcxx_once(I& in) {
    const std::uint64_t flag = in.argument(0), argument = in.argument(1), function = in.argument(2);
    if (in.guest().word(flag).value_or(1) != 0) return in.result(0);
    in.guest().set_word(flag, ~std::uint64_t{0});
    in.guest().call_first(function, argument, 0);
}
// std::call_once() hands this to pthread_once(), and its function over in a variable of the thread.
void once_proxy(I& in) {
    const std::uint64_t function = in.guest().word(in.guest().tls_of_import("_ZSt11__once_call")).value_or(0);
    if (function == 0) return in.give_up("std::call_once");
    in.guest().call_first(function, 0, 0);
}

// ---- threads ----

// A thread may run before its creator goes on, or not in time: both is tried.
void start_thread(I& in, std::uint64_t function, std::uint64_t argument, std::uint64_t result) {
    in.assume("whether a thread is faster");
    if (function == 0 || has_go_runtime(in)) return in.result(result);
    if (!in.likely()) return in.guest().call_first(function, argument, result);
    in.threads().start({function, argument});
    in.result(result);
}
void posix_thread(I& in) {
    in.guest().set_word(in.argument(0), 1);
    start_thread(in, in.argument(2), in.argument(3), 0);
}
void windows_thread(I& in) {
    if (const std::uint64_t place = in.argument(5)) in.guest().set_number(place, windows_thread_id + 4, 4);
    start_thread(in, in.argument(2), in.argument(3), windows_thread_id + 8);
}
// std::thread::_M_start_thread(unique_ptr<_State>, ...): the third entry of the state's table is _M_run().
void cpp_thread(I& in) {
    const std::uint64_t state = in.guest().word(in.argument(1)).value_or(0);
    const std::uint64_t table = in.guest().word(state).value_or(0);
    in.guest().set_word(in.argument(0), 1);
    start_thread(in, in.guest().word(table + 2 * std::uint64_t{in.word()}).value_or(0), state, 0);
}
void this_thread(I& in) { in.result(thread_itself(in.image())); }
void thread_number(I& in) {  // pthread_threadid_np(thread, place)
    in.unknown_number(0, 0);
    in.guest().set_number(in.argument(1), in.likely() ? 4716 : 9001, 8);
}
void number_of_thread(I& in) { in.unknown_number(4716, 9001); }
void number_of_processor(I& in) { in.unknown_number(0, 2); }
void name_of_thread(I& in) {  // (thread, place, room)
    const std::string name = in.likely() ? "python3" : "other";
    in.unknown_number(0, 0);
    if (in.argument(2) > name.size()) in.guest().write(in.argument(1), name.c_str(), name.size() + 1);
}
void equal(I& in) { in.result(in.argument(0) == in.argument(1) ? 1 : 0); }

// The stack as it is in the guest. Its address is that of the end, on macOS.
void stack_address(I& in) { in.result(GuestMap::stack + GuestMap::stack_size); }
void stack_size(I& in) { in.result(GuestMap::stack_size); }
// Nobody else has it; whether the thread itself does, is not kept.
void lock_if_free(I& in) {
    constexpr std::uint64_t busy = 16;
    in.unknown_number(0, in.fails() ? busy : 0);
}
// Attributes: what is asked for later is the stack.
void attributes_stack(I& in) {  // (attributes, address, size)
    in.assume("the size of the stack");
    in.guest().set_word(in.argument(1), GuestMap::stack);
    in.guest().set_word(in.argument(2), GuestMap::stack_size);
    in.result(0);
}
void attributes_size(I& in) {
    in.assume("the size of the stack");
    in.guest().set_word(in.argument(1), GuestMap::stack_size);
    in.result(0);
}
void attributes_guard(I& in) {
    in.assume("the size of the stack");
    in.guest().set_word(in.argument(1), 4096);
    in.result(0);
}
// The processors that a thread may run on: (thread, size, mask); the system call says how many bytes it wrote.
void affinity(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t size = std::min<std::uint64_t>(in.argument(1), 1024);
    if (!in.guest().write(in.argument(2), std::string(size, '\0').data(), size)) return no_memory_there(in);
    if (size != 0) in.guest().set_number(in.argument(2), in.likely() ? 1 : 7, 1);
}

// ---- what belongs to a thread ----

std::uint64_t thread_specific(I& in, std::uint64_t key) {
    // macOS: inlined code reads them by the thread register.
    const std::uint64_t first =
        in.image().format == image::Format::macho ? thread_itself(in.image()) : GuestMap::tls + GuestMap::tls_size / 4;
    return first + (key % 1024) * in.word();
}
std::uint64_t next_key(I& in) {
    const std::uint64_t counter = GuestMap::tls + GuestMap::tls_size / 4;
    // The first words of a thread are the system's, on macOS.
    const std::uint64_t first = in.image().format == image::Format::macho ? 256 : 0;
    const std::uint64_t key = std::max(in.guest().word(counter).value_or(0), first) + 1;
    in.guest().set_word(counter, key);
    return key;
}
void key_create(I& in) {
    in.guest().set_number(in.argument(0), next_key(in), in.image().format == image::Format::macho ? in.word() : 4);
    in.result(0);
}
void key_get(I& in) { in.result(in.guest().word(thread_specific(in, in.argument(0))).value_or(0)); }
void key_set(I& in) {
    in.guest().set_word(thread_specific(in, in.argument(0)), in.argument(1));
    in.result(0);
}
void windows_key_create(I& in) { in.result(next_key(in)); }
void windows_key_set(I& in) {
    in.guest().set_word(thread_specific(in, in.argument(0)), in.argument(1));
    in.result(1);
}

constexpr ModelEntry table[] = {
    {"__cxa_guard_acquire", guard_acquire},
    {"__cxa_guard_release", guard_release},
    {"__cxa_guard_abort", zero},
    {"pthread_once", once},
    {"__pthread_once", once},
    {"call_once", once},
    {"dispatch_once", dispatch_once_block},
    {"dispatch_once_f", dispatch_once_function},
    {"dispatch_sync", dispatch_sync_block},
    {"dispatch_sync_f", dispatch_sync_function},
    {"dispatch_semaphore_create", dispatch_semaphore},
    {"dispatch_semaphore_signal", dispatch_signal},
    {"dispatch_semaphore_wait", dispatch_wait},
    {"dispatch_queue_create", object},
    {"dispatch_get_global_queue", object},
    {"dispatch_group_create", object},
    {"dispatch_release", zero},
    {"dispatch_retain", zero},
    {"__once_proxy", once_proxy},
    {"_ZNSt3__111__call_onceERVmPvPFvS2_E", libcxx_once},
    {"_ZNSt3__111__call_onceERVjPvPFvS2_E", libcxx_once},
    {"_ZNSt6__ndk111__call_onceERVmPvPFvS2_E", libcxx_once},
    {"pthread_key_create", key_create},
    {"__pthread_key_create", key_create},
    {"pthread_key_delete", zero},
    {"pthread_getspecific", key_get},
    {"pthread_setspecific", key_set},
    {"tss_create", key_create},
    {"tss_get", key_get},
    {"tss_set", key_set},
    {"TlsAlloc", windows_key_create},
    {"TlsGetValue", key_get},
    {"TlsSetValue", windows_key_set},
    {"TlsFree", one},
    {"FlsAlloc", windows_key_create},
    {"FlsGetValue", key_get},
    {"FlsGetValue2", key_get},
    {"FlsSetValue", windows_key_set},
    {"FlsFree", one},
    {"pthread_create", posix_thread},
    {"pthread_create_suspended_np", posix_thread},
    {"CreateThread", windows_thread},
    {"_beginthreadex", windows_thread},
    {"_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE", cpp_thread},
    {"pthread_join", join},
    {"pthread_detach", zero},
    {"_ZNSt6thread4joinEv", join},
    {"_ZNSt6thread6detachEv", zero},
    {"_ZNSt3__16thread4joinEv", join},
    {"_ZNSt3__16thread6detachEv", zero},
    {"pthread_self", this_thread},
    {"thrd_current", this_thread},
    {"pthread_equal", equal},
    {"pthread_threadid_np", thread_number},
    {"pthread_mach_thread_np", number_of_thread},
    {"gettid", number_of_thread},
    {"pthread_main_np", one},
    {"pthread_is_threaded_np", zero},
    {"pthread_setname_np", zero},
    {"pthread_getname_np", name_of_thread},
    {"pthread_set_qos_class_self_np", zero},
    {"pthread_get_stackaddr_np", stack_address},
    {"pthread_get_stacksize_np", stack_size},
    {"pthread_getattr_np", zero},
    {"pthread_attr_init", zero},
    {"pthread_attr_destroy", zero},
    {"pthread_attr_setstacksize", zero},
    {"pthread_attr_setdetachstate", zero},
    {"pthread_attr_setscope", zero},
    {"pthread_attr_getstack", attributes_stack},
    {"pthread_attr_getstacksize", attributes_size},
    {"pthread_attr_getguardsize", attributes_guard},
    {"pthread_getaffinity_np", affinity},
    {"sched_getaffinity", affinity},
    {"sched_setaffinity", zero},
    {"pthread_setaffinity_np", zero},
    {"sched_getcpu", number_of_processor},
    {"pthread_mutex_init", zero},
    {"pthread_mutex_lock", zero},
    {"pthread_mutex_trylock", lock_if_free},
    {"pthread_mutex_timedlock", zero},
    {"pthread_mutex_unlock", zero},
    {"pthread_mutex_destroy", zero},
    {"pthread_mutexattr_init", zero},
    {"pthread_mutexattr_settype", zero},
    {"pthread_mutexattr_setprotocol", zero},
    {"pthread_mutexattr_setpshared", zero},
    {"pthread_mutexattr_destroy", zero},
    {"mtx_init", zero},
    {"mtx_lock", zero},
    {"mtx_unlock", zero},
    {"mtx_destroy", zero},
    {"pthread_spin_init", zero},
    {"pthread_spin_lock", zero},
    {"pthread_spin_unlock", zero},
    {"pthread_spin_destroy", zero},
    {"pthread_rwlock_init", zero},
    {"pthread_rwlock_rdlock", zero},
    {"pthread_rwlock_tryrdlock", zero},
    {"pthread_rwlock_wrlock", zero},
    {"pthread_rwlock_trywrlock", zero},
    {"pthread_rwlock_unlock", zero},
    {"pthread_rwlock_destroy", zero},
    {"pthread_cond_init", zero},
    {"pthread_cond_destroy", zero},
    {"pthread_cond_signal", zero},
    {"pthread_cond_broadcast", zero},
    {"pthread_condattr_init", zero},
    {"pthread_condattr_setclock", zero},
    {"pthread_condattr_destroy", zero},
    {"pthread_cond_wait", wait_zero},
    {"pthread_cond_timedwait", wait_timed},
    {"pthread_cond_timedwait_relative_np", wait_timed},
    {"pthread_barrier_wait", wait_zero},
    {"_ZNSt18condition_variableC1Ev", zero},
    {"_ZNSt18condition_variableD1Ev", zero},
    {"_ZNSt18condition_variable10notify_oneEv", zero},
    {"_ZNSt18condition_variable10notify_allEv", zero},
    {"_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", wait_zero},
    {"_ZNSt3__118condition_variable10notify_oneEv", zero},
    {"_ZNSt3__118condition_variable10notify_allEv", zero},
    {"_ZNSt3__118condition_variable4waitERNS_11unique_lockINS_5mutexEEE", wait_zero},
    {"_ZNSt3__118condition_variableD1Ev", zero},
    {"_ZNSt28__atomic_futex_unsigned_base19_M_futex_wait_untilEPjjbNSt6chrono8durationIlSt5ratioILl1ELl1EEEENS2_"
     "IlS3_ILl1ELl1000000000EEEE",
     wait_one},
    {"_ZNSt28__atomic_futex_unsigned_base19_M_futex_notify_allEPj", zero},
    {"sem_init", semaphore_init},
    {"sem_post", semaphore_post},
    {"sem_wait", semaphore_wait},
    {"sem_destroy", zero},
    {"semaphore_create", zero},
    {"semaphore_wait", wait_zero},
    {"os_unfair_lock_lock", zero},
    {"os_unfair_lock_trylock", one},
    {"os_unfair_lock_unlock", zero},
    {"os_unfair_lock_lock_with_options", zero},
    {"os_unfair_lock_assert_owner", zero},
    {"os_sync_wait_on_address", wait_zero},
    {"os_sync_wake_by_address_any", zero},
    {"os_sync_wake_by_address_all", zero},
    {"__ulock_wait", wait_zero},
    {"__ulock_wake", zero},
    {"sched_yield", wait_zero},
    {"nanosleep", wait_zero},
    {"clock_nanosleep", wait_zero},
    {"usleep", wait_zero},
    {"sleep", wait_zero},
    {"Sleep", wait_zero},
    {"SleepEx", wait_zero},
    {"pthread_yield_np", wait_zero},
    {"thrd_yield", wait_zero},
    {"pthread_atfork", zero},
    {"__register_atfork", zero},
    {"SleepConditionVariableSRW", wait_one},
    {"SleepConditionVariableCS", wait_one},
    {"WaitOnAddress", wait_one},
    {"SwitchToThread", wait_one},
    {"_Cnd_wait", wait_zero},
    {"_Thrd_join", join},
};

}  // namespace

std::span<const ModelEntry> model_threads() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
