// model_system.cpp: what the C library knows of the process and the machine: threads, the environment, the time, other
// libraries, and the ways to end.
//
// SPDX-License-Identifier: MIT
#include "model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <cstdlib>

namespace interlock::auditing {

namespace {

using I = Interpreter;

// ---- guards, once, threads ----

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
    const std::uint64_t control = in.argument(0) + (in.image().format == Format::macho ? in.word() : 0);
    const std::uint64_t function = in.argument(1);
    if (in.guest().number(control, 4).value_or(1) != 0) return in.result(0);
    in.guest().set_number(control, 2, 4);
    in.guest().call_first(function, 0, 0);
}

void zero(I& in) { in.result(0); }
void one(I& in) { in.result(1); }

// ---- what nobody knows before ----

void unknown_zero(I& in) { in.unknown_number(0, 1'700'000'000); }
void unknown_one(I& in) { in.unknown_number(1, 4711); }
void perhaps(I& in) { in.unknown_number(1, 0); }
void no_text(I& in) { in.unknown_number(0, in.likely() ? 0 : in.guest().new_text("1")); }
void handle(I& in) { in.unknown_number(0, in.likely() ? 0 : in.guest().new_object(512)); }
void clock_at(I& in, unsigned place) {
    in.unknown_number(0, 0);
    if (!in.likely()) in.guest().set_word(in.argument(place), 1'700'000'000);
}
void clock_at_0(I& in) { clock_at(in, 0); }
void clock_at_1(I& in) { clock_at(in, 1); }

// dlopen(NULL), GetModuleHandle(NULL): the program itself.
void open_library(I& in) {
    if (in.argument(0) == 0) return in.result(in.guest().new_object(512));
    handle(in);
}
// The C API is found in each process with an interpreter; of other names nothing is known.
void find_symbol(I& in) {
    const std::string name = in.argument(1) < 0x10000 ? std::string() : text_of(in, in.argument(1));
    const std::uint64_t found = name.empty() ? 0 : in.find_symbol(name);
    if (found != 0 || !in.has_function(name)) return in.result(found);
    handle(in);
}

// A thread may run before its creator goes on, or not in time: both is tried.
void start_thread(I& in, std::uint64_t function, std::uint64_t argument, std::uint64_t result) {
    in.assume("whether a thread is faster");
    if (in.likely() || function == 0) return in.result(result);
    in.guest().call_first(function, argument, result);
}
void posix_thread(I& in) {
    in.guest().set_word(in.argument(0), 1);
    start_thread(in, in.argument(2), in.argument(3), 0);
}
void windows_thread(I& in) { start_thread(in, in.argument(2), in.argument(3), 1); }
// std::thread::_M_start_thread(unique_ptr<_State>, ...): the third entry of the state's table is _M_run().
void cpp_thread(I& in) {
    const std::uint64_t state = in.guest().word(in.argument(1)).value_or(0);
    const std::uint64_t table = in.guest().word(state).value_or(0);
    start_thread(in, in.guest().word(table + 2 * std::uint64_t{in.word()}).value_or(0), state, 0);
}
// std::call_once() hands this to pthread_once(), and its function over in a variable of the thread.
void once_proxy(I& in) {
    const auto& imports = in.image().imports;
    const auto variable = std::ranges::find(imports, "_ZSt11__once_call", &Import::name);
    const std::uint64_t function =
        variable == imports.end()
            ? 0
            : in.guest().word(Guest::tls_of_import(static_cast<std::uint32_t>(variable - imports.begin()))).value_or(0);
    if (function == 0) return in.give_up("std::call_once");
    in.guest().call_first(function, 0, 0);
}

// getrandom(), which Rust's hash tables are seeded with, by its number; all others give 0 or fail.
void system_call(I& in) {
    const std::uint64_t number = in.argument(0), size = std::min<std::uint64_t>(in.argument(2), 4096);
    const bool random = in.image().architecture == Architecture::x86_64 ? number == 318
                        : in.image().architecture == Architecture::i386 ? number == 355
                                                                        : number == 278;
    if (!random) return in.unknown_number(0, ~std::uint64_t{0});
    fill_with(in, in.argument(1), in.likely() ? 4 : 200, size);
    in.unknown_number(size, size);
}
void random_bytes(I& in) {
    const std::uint64_t size = std::min<std::uint64_t>(in.argument(1), 4096);
    fill_with(in, in.argument(0), in.likely() ? 4 : 200, size);
    in.unknown_number(size, size);
}
void random_entropy(I& in) {
    random_bytes(in);
    in.result(0);
}

// Tables of the "C" locale, from -128 to 255, as glibc has them.
void character_table(I& in, unsigned width, int (*value)(int)) {
    const std::uint64_t table = in.guest().new_object(384 * width), variable = in.guest().new_object(in.word());
    for (int c = -128; c < 256; ++c)
        in.guest().set_number(table + static_cast<unsigned>(c + 128) * width,
                              static_cast<std::uint64_t>(c >= 0 && c < 128 ? value(c)
                                                         : width == 2      ? 0
                                                                           : c),
                              width);
    in.guest().set_word(variable, table + 128 * width);
    in.result(variable);
}
void upper_table(I& in) {
    character_table(in, 4, [](int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
}
void lower_table(I& in) {
    character_table(in, 4, [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
}
void class_table(I& in) {
    if (!in.image().little) return in.give_up("__ctype_b_loc()");  // the bits are swapped there
    character_table(in, 2, [](int c) {
        const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        const bool hex = digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'), graph = c > ' ' && c < 127;
        const bool alnum = upper || lower || digit, space = c == ' ' || (c >= 9 && c <= 13);
        return upper << 8 | lower << 9 | (upper || lower) << 10 | digit << 11 | hex << 12 | space << 13 |
               (graph || c == ' ') << 14 | graph << 15 | (c == ' ' || c == 9) << 0 | (c < 32 || c == 127) << 1 |
               (graph && !alnum) << 2 | alnum << 3;
    });
}

// Nothing is sorted; in the other runs what was last is first, so that the order cannot matter unnoticed.
void sort(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t count = in.argument(1), size = in.argument(2), first = in.argument(0);
    if (in.likely() || count < 2 || size == 0 || count > largest_copy / size) return;
    const std::string before = bytes_of(in, first, count * size);
    std::string after;
    for (std::uint64_t i = count; i-- > 0;) after += before.substr(i * size, size);
    in.guest().write(first, after.data(), after.size());
}

void text_to_number(I& in) {  // (text, end or NULL, base)
    const std::string text = text_of(in, in.argument(0));
    const auto base = static_cast<int>(in.argument(2));
    char* end = nullptr;
    const long long value = base == 0 || (base > 1 && base <= 36) ? std::strtoll(text.c_str(), &end, base) : 0;
    if (const std::uint64_t place = in.argument(1); place != 0 && end != nullptr)
        in.guest().set_word(place, in.argument(0) + static_cast<std::uint64_t>(end - text.c_str()));
    in.result(static_cast<std::uint64_t>(value));
}
void text_as_number(I& in) {
    in.result(static_cast<std::uint64_t>(std::strtoll(text_of(in, in.argument(0)).c_str(), nullptr, 10)));
}
void same(I& in) { in.result(in.argument(0)); }
void object(I& in) { in.result(in.guest().new_object(512)); }

// `pair`: of block, of which the first is number 1, and offset.
void tls_address_of(I& in, std::uint64_t pair) {
    const std::uint64_t block = in.guest().word(pair).value_or(0);
    const std::uint64_t offset = in.guest().word(pair + in.word()).value_or(0);
    in.result(in.tls_address(offset, block > 0 && block <= in.image_count() ? block - 1 : 0));
}
void tls_address(I& in) { tls_address_of(in, in.argument(0)); }
// i386 hands it over in the register for results.
void tls_address_in_register(I& in) { tls_address_of(in, in.guest().result()); }
// macOS: the descriptor of a variable has the offset in its third word.
void tlv_address(I& in) {
    const std::uint64_t offset = in.guest().word(in.argument(0) + 2 * in.word()).value_or(0);
    in.result(in.tls_address(offset, in.guest().image_at(in.argument(0)).value_or(0)));
}
void thread_pointer(I& in) { in.result(GuestMap::tls + GuestMap::tls_size / 2); }

std::uint64_t thread_specific(I& in, std::uint64_t key) {
    return GuestMap::tls + GuestMap::tls_size / 4 + (key % 1024) * in.word();
}
void key_create(I& in) {
    const std::uint64_t counter = thread_specific(in, 0);
    const std::uint64_t key = in.guest().word(counter).value_or(0) + 1;
    in.guest().set_word(counter, key);
    in.guest().set_number(in.argument(0), key, in.image().format == Format::macho ? in.word() : 4);
    in.result(0);
}
void key_get(I& in) { in.result(in.guest().word(thread_specific(in, in.argument(0))).value_or(0)); }
void key_set(I& in) {
    in.guest().set_word(thread_specific(in, in.argument(0)), in.argument(1));
    in.result(0);
}
void windows_key_create(I& in) {
    const std::uint64_t counter = thread_specific(in, 0);
    const std::uint64_t key = in.guest().word(counter).value_or(0) + 1;
    in.guest().set_word(counter, key);
    in.result(key);
}
void windows_key_set(I& in) {
    in.guest().set_word(thread_specific(in, in.argument(0)), in.argument(1));
    in.result(1);
}

// SYSTEM_INFO: size of a page, number of processors.
void system_info(I& in) {
    in.unknown_number(0, 0);
    in.guest().set_number(in.argument(0) + 4, 4096, 4);
    in.guest().set_number(in.argument(0) + (in.word() == 8 ? 32 : 20), 1, 4);
}

void error_number(I& in) { in.result(thread_specific(in, 1023)); }

template <const char* const& Name>
void abort_in(I& in) {
    in.give_up(Name);
}
constexpr const char* an_abort = "abort()";
constexpr const char* an_exception = "a C++ exception";
constexpr const char* a_stack_check = "the check of the stack";
constexpr const char* a_jump = "longjmp()";

constexpr ModelEntry table[] = {
    {"HeapFree", one},
    {"GetProcessHeap", object},
    {"__aeabi_read_tp", thread_pointer},
    {"__cxa_guard_acquire", guard_acquire},
    {"__cxa_guard_release", guard_release},
    {"__cxa_guard_abort", zero},
    {"__cxa_atexit", zero},
    {"__cxa_thread_atexit", zero},
    {"__cxa_thread_atexit_impl", zero},
    {"__cxa_finalize", zero},
    {"atexit", zero},
    {"_onexit", same},
    {"pthread_once", once},
    {"pthread_key_create", key_create},
    {"pthread_key_delete", zero},
    {"pthread_getspecific", key_get},
    {"pthread_setspecific", key_set},
    {"pthread_self", object},
    {"pthread_mutex_init", zero},
    {"pthread_mutex_lock", zero},
    {"pthread_mutex_trylock", zero},
    {"pthread_mutex_unlock", zero},
    {"pthread_mutex_destroy", zero},
    {"pthread_mutexattr_init", zero},
    {"pthread_mutexattr_settype", zero},
    {"pthread_mutexattr_destroy", zero},
    {"pthread_rwlock_init", zero},
    {"pthread_rwlock_rdlock", zero},
    {"pthread_rwlock_wrlock", zero},
    {"pthread_rwlock_unlock", zero},
    {"pthread_rwlock_destroy", zero},
    {"pthread_cond_init", zero},
    {"pthread_cond_destroy", zero},
    {"pthread_atfork", zero},
    {"pthread_equal", one},
    {"sem_init", zero},
    {"__register_atfork", zero},
    {"TlsAlloc", windows_key_create},
    {"TlsGetValue", key_get},
    {"TlsSetValue", windows_key_set},
    {"FlsAlloc", windows_key_create},
    {"FlsGetValue", key_get},
    {"FlsSetValue", windows_key_set},
    {"InitializeCriticalSection", zero},
    {"InitializeCriticalSectionAndSpinCount", one},
    {"InitializeCriticalSectionEx", one},
    {"EnterCriticalSection", zero},
    {"LeaveCriticalSection", zero},
    {"DeleteCriticalSection", zero},
    {"InitializeSRWLock", zero},
    {"AcquireSRWLockExclusive", zero},
    {"ReleaseSRWLockExclusive", zero},
    {"AcquireSRWLockShared", zero},
    {"ReleaseSRWLockShared", zero},
    {"TryAcquireSRWLockExclusive", one},
    {"WakeAllConditionVariable", zero},
    {"GetCurrentThreadId", unknown_one},
    {"GetCurrentProcessId", unknown_one},
    {"GetLastError", unknown_zero},
    {"SetLastError", zero},
    {"QueryPerformanceCounter", perhaps},
    {"GetModuleHandleW", open_library},
    {"GetModuleHandleA", open_library},
    {"GetProcAddress", find_symbol},
    {"LoadLibraryA", handle},
    {"LoadLibraryW", handle},
    {"IsProcessorFeaturePresent", perhaps},
    {"GetSystemInfo", system_info},
    {"GetNativeSystemInfo", system_info},
    {"_ZNSt6thread20hardware_concurrencyEv", unknown_one},
    {"_errno", error_number},
    {"__errno_location", error_number},
    {"__error", error_number},
    {"__tls_get_addr", tls_address},
    {"___tls_get_addr", tls_address_in_register},
    {"_tlv_bootstrap", tlv_address},
    {"getenv", no_text},
    {"secure_getenv", no_text},
    {"getpid", unknown_one},
    {"getauxval", unknown_zero},
    {"sysconf", unknown_zero},
    {"setlocale", no_text},
    {"signal", zero},
    {"sigaction", zero},
    {"time", unknown_zero},
    {"clock", unknown_zero},
    {"clock_gettime", clock_at_1},
    {"gettimeofday", clock_at_0},
    {"srand", zero},
    {"rand", unknown_zero},
    {"random", unknown_zero},
    {"dlvsym", find_symbol},
    {"LoadLibraryExW", handle},
    {"pthread_create", posix_thread},
    {"CreateThread", windows_thread},
    {"_beginthreadex", windows_thread},
    {"_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE", cpp_thread},
    {"pthread_join", zero},
    {"__once_proxy", once_proxy},
    {"longjmp", abort_in<a_jump>},
    {"_longjmp", abort_in<a_jump>},
    {"siglongjmp", abort_in<a_jump>},
    {"__longjmp_chk", abort_in<a_jump>},
    {"strtol", text_to_number},
    {"strtoll", text_to_number},
    {"strtoul", text_to_number},
    {"strtoull", text_to_number},
    {"__isoc23_strtol", text_to_number},
    {"__isoc23_strtoul", text_to_number},
    {"atoi", text_as_number},
    {"atol", text_as_number},
    {"syscall", system_call},
    {"getrandom", random_bytes},
    {"getentropy", random_entropy},
    {"__ctype_toupper_loc", upper_table},
    {"__ctype_tolower_loc", lower_table},
    {"__ctype_b_loc", class_table},
    {"__pthread_key_create", key_create},
    {"qsort", sort},
    {"dlsym", find_symbol},
    {"dlopen", open_library},
    {"_setjmp", zero},
    {"setjmp", zero},
    {"__sigsetjmp", zero},
    {"printf", zero},
    {"fprintf", zero},
    {"puts", zero},
    {"fputs", zero},
    {"fwrite", zero},
    {"fflush", zero},
    {"__gmon_start__", zero},
    {"_dl_find_object", zero},
    {"abort", abort_in<an_abort>},
    {"exit", abort_in<an_abort>},
    {"_exit", abort_in<an_abort>},
    {"_Exit", abort_in<an_abort>},
    {"__assert_fail", abort_in<an_abort>},
    {"__assert_rtn", abort_in<an_abort>},
    {"__stack_chk_fail", abort_in<a_stack_check>},
    {"__fortify_fail", abort_in<a_stack_check>},
    {"__chk_fail", abort_in<a_stack_check>},
    {"__cxa_throw", abort_in<an_exception>},
    {"__cxa_rethrow", abort_in<an_exception>},
    {"__cxa_throw_bad_array_new_length", abort_in<an_exception>},
    {"_Unwind_Resume", abort_in<an_exception>},
    {"_Unwind_RaiseException", abort_in<an_exception>},
    {"_CxxThrowException", abort_in<an_exception>},
    {"_ZSt9terminatev", abort_in<an_abort>},
    {"_ZSt17__throw_bad_allocv", abort_in<an_exception>},
    {"_ZSt20__throw_length_errorPKc", abort_in<an_exception>},
    {"_ZSt19__throw_logic_errorPKc", abort_in<an_exception>},
    {"_ZSt24__throw_out_of_range_fmtPKcz", abort_in<an_exception>},
};

}  // namespace

std::span<const ModelEntry> model_system() noexcept { return table; }

}  // namespace interlock::auditing

#endif
