// model_windows.cpp: what Windows' libraries know of the process and the machine: libraries, handles, locks, the
// environment, and the start-up functions of its C library.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"
#include "emulation/model_threads.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

void two(I& in) { in.result(2); }
void nothing(I&) {}
void minus_one(I& in) { in.result(~std::uint64_t{0}); }
void heap(I& in) { in.result(windows_heap); }
void process(I& in) { in.result(~std::uint64_t{0}); }
void thread(I& in) { in.result(~std::uint64_t{0} - 1); }
void process_number(I& in) { in.unknown_number(windows_process, 9000); }
void thread_number(I& in) { in.unknown_number(windows_thread_id, 9001); }
void perhaps(I& in) { in.unknown_number(1, 0); }
void perhaps_not(I& in) { in.unknown_number(0, 1); }

// ---- texts: narrow, or in UTF-16 ----

std::string wide_text(I& in, std::uint64_t address, std::size_t limit = 1024) {
    std::string text;
    while (text.size() < limit) {
        const std::uint64_t unit = in.guest().number(address + 2 * text.size(), 2).value_or(0);
        if (unit == 0) break;
        text.push_back(unit < 0x80 ? static_cast<char>(unit) : '?');
    }
    return text;
}
// As such functions do: the length without the zero, or the size that is needed where it does not fit.
void give_text(I& in, std::uint64_t place, std::uint64_t room, std::string_view text, unsigned width) {
    if (room < text.size() + 1) return in.result(text.size() + 1);
    for (std::size_t i = 0; i <= text.size(); ++i)
        in.guest().set_number(place + i * width, i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0, width);
    in.result(text.size());
}
template <unsigned Width>
void temporary_folder(I& in) {  // (room, place)
    in.assume("a folder of the machine");
    give_text(in, in.argument(1), in.argument(0), in.likely() ? "C:\\Temp\\" : "D:\\Other\\Temp\\", Width);
}
template <unsigned Width>
void current_folder(I& in) {
    in.assume("a folder of the machine");
    give_text(in, in.argument(1), in.argument(0), in.likely() ? "C:\\work" : "D:\\other\\work", Width);
}
template <unsigned Width>
void system_folder(I& in) {  // (place, room)
    in.assume("a folder of the machine");
    give_text(in, in.argument(0), in.argument(1), in.likely() ? "C:\\Windows\\System32" : "D:\\Win\\System32", Width);
}
template <unsigned Width>
void module_file(I& in) {  // (module, place, room)
    in.assume("where a file lies");
    const bool program = in.argument(0) == 0;
    give_text(in, in.argument(1), in.argument(2),
              program       ? "C:\\Python\\python.exe"
              : in.likely() ? "C:\\Python\\Lib\\site-packages\\module.pyd"
                            : "D:\\other\\module.pyd",
              Width);
}
// (name, place, room): not set; in the other runs it is "1".
template <unsigned Width>
void environment_variable(I& in) {
    in.assume("the environment");
    if (in.likely()) {
        in.guest().set_number(model_slot(ModelSlot::last_error), 203, 4);  // ERROR_ENVVAR_NOT_FOUND
        return in.result(0);
    }
    give_text(in, in.argument(1), in.argument(2), "1", Width);
}
void environment_strings(I& in) { in.result(in.guest().new_object(64)); }
void computer_name(I& in) {  // (place, place of the size)
    in.unknown_number(1, 1);
    const std::uint64_t room = in.guest().number(in.argument(1), 4).value_or(0);
    give_text(in, in.argument(0), room, in.likely() ? "HOST" : "OTHER", 1);
    in.guest().set_number(in.argument(1), 4, 4);
    in.result(1);
}
// (code page, flags, text, size or -1, place, room): ASCII.
template <unsigned From, unsigned To>
void convert(I& in) {
    const std::uint64_t from = in.argument(2), place = in.argument(4), room = in.argument(5) & 0xffffffff;
    std::uint64_t count = in.argument(3) & 0xffffffff;
    if (count == 0xffffffff) {
        count = 0;
        while (count < 4096 && in.guest().number(from + count * From, From).value_or(0) != 0) ++count;
        ++count;
    }
    count = std::min<std::uint64_t>(count, 1u << 20);
    if (room == 0) return in.result(count);
    if (room < count) return in.result(0);
    for (std::uint64_t i = 0; i < count; ++i)
        in.guest().set_number(place + i * To, in.guest().number(from + i * From, From).value_or(0) & 0x7f, To);
    in.guest().charge(count);
    in.result(count);
}
// Elsewhere units have 32 bits.
void wide_length(I& in) {
    if (in.image().format == image::Format::pe) return in.result(wide_text(in, in.argument(0), longest_text).size());
    std::uint64_t length = 0;
    while (length < longest_text && in.guest().number(in.argument(0) + 4 * length, 4).value_or(0) != 0) ++length;
    in.guest().charge(length);
    in.result(length);
}

// ---- libraries ----

void last_error(I& in) { in.result(in.guest().number(model_slot(ModelSlot::last_error), 4).value_or(0)); }
void set_last_error(I& in) {
    in.guest().set_number(model_slot(ModelSlot::last_error), in.argument(0), 4);
    in.result(0);
}
// A library of the system is there; what else a name may mean, is not known. NULL is the program itself.
void library(I& in) {
    if (in.argument(0) == 0) return in.result(in.guest().new_object(512));
    in.unknown_number(in.fails() ? 0 : in.guest().new_object(512), in.fails() ? 0 : in.guest().new_object(512));
}
void library_into(I& in) {  // GetModuleHandleEx(flags, name or address, place)
    in.unknown_number(1, 1);
    constexpr std::uint64_t by_address = 4;
    const auto own = in.guest().to_file(in.argument(1));
    const bool itself = (in.argument(0) & by_address) != 0 && own && !in.image().segments.empty();
    const std::uint64_t base =
        itself ? in.guest().to_guest(in.image().segments.front().address) & ~std::uint64_t{0xfff} : 0;
    in.guest().set_word(in.argument(2), itself ? base : in.guest().new_object(512));
}

// ---- handles: the first word is what it is, the second whether it is signalled ----

constexpr std::uint64_t handle_mark = 0x68616e64;  // "hand"

void new_handle(I& in, bool signalled) {
    const std::uint64_t made = in.guest().new_object(64);
    in.guest().set_number(made, handle_mark, 4);
    in.guest().set_number(made + 8, signalled ? 1 : 0, 4);
    in.assume("the objects of the system");
    in.result(in.fails() ? 0 : made);
}
void create_event(I& in) { new_handle(in, in.argument(2) != 0); }  // (security, manual, signalled, name)
void create_event_ex(I& in) { new_handle(in, (in.argument(2) & 2) != 0); }
void create_other(I& in) { new_handle(in, true); }
void create_semaphore(I& in) { new_handle(in, in.argument(1) != 0); }
void set_event(I& in) {
    if (in.guest().number(in.argument(0), 4) == handle_mark) in.guest().set_number(in.argument(0) + 8, 1, 4);
    in.result(1);
}
void reset_event(I& in) {
    if (in.guest().number(in.argument(0), 4) == handle_mark) in.guest().set_number(in.argument(0) + 8, 0, 4);
    in.result(1);
}
void wait_for_object(I& in) {  // (handle, milliseconds)
    constexpr std::uint64_t timeout = 258;
    const std::uint64_t handle = in.argument(0), limit = in.argument(1) & 0xffffffff;
    const bool waits = in.guest().number(handle, 4) == handle_mark && in.guest().number(handle + 8, 4) == 0u;
    if (!waits && !in.threads().any()) return in.result(0);
    if (waits && limit == 0) return in.result(timeout);
    wait_for_thread(in, 0);
}
void wait_for_objects(I& in) { wait_for_thread(in, 0); }

// ---- once ----

// (once, function(once, parameter, place of the context), parameter, place of the context)
void once(I& in) {
    const std::uint64_t control = in.argument(0), function = in.argument(1), parameter = in.argument(2);
    const std::uint64_t context = in.argument(3);
    if (in.guest().word(control).value_or(1) != 0) return in.result(1);
    in.guest().set_word(control, 2);
    in.guest().call_first(function, std::array{control, parameter, context}, 1);
}
void once_begin(I& in) {  // (once, flags, place of "pending", place of the context)
    const bool done = in.guest().word(in.argument(0)).value_or(1) != 0;
    in.guest().set_number(in.argument(2), done ? 0 : 1, 4);
    if (const std::uint64_t place = in.argument(3); place != 0 && done)
        in.guest().set_word(place, in.guest().word(in.argument(0)).value_or(0) & ~std::uint64_t{3});
    in.result(1);
}
void once_complete(I& in) {  // (once, flags, context)
    in.guest().set_word(in.argument(0), in.argument(2) | 2);
    in.result(1);
}
// ---- the machine ----

// SYSTEM_INFO: size of a page, first and last address, processors, granularity.
void system_info(I& in) {
    const std::uint64_t place = in.argument(0), word = in.word();
    in.unknown_number(0, 0);
    const bool wide = word == 8;
    const std::uint64_t processors = in.likely() ? 1 : 3;
    in.guest().set_number(place, in.image().architecture == image::Architecture::aarch64 ? 12 : wide ? 9 : 0, 2);
    in.guest().set_number(place + 4, 4096, 4);
    in.guest().set_word(place + 8, 0x10000);
    in.guest().set_word(place + 8 + word, wide ? 0x7fff'fffe'ffff : 0x7ffe'ffff);
    in.guest().set_word(place + 8 + 2 * word, processors == 1 ? 1 : 7);
    in.guest().set_number(place + 8 + 3 * word, processors, 4);
    in.guest().set_number(place + 8 + 3 * word + 8, 0x10000, 4);
}
void memory_status(I& in) {  // MEMORYSTATUSEX: load, and seven numbers of 64 bits
    in.unknown_number(1, 1);
    in.guest().set_number(in.argument(0) + 4, 50, 4);
    for (unsigned i = 0; i < 6; ++i)
        in.guest().set_number(in.argument(0) + 8 + 8 * i, in.likely() ? 8ull << 30 : 2ull << 30, 8);
}
void processor_count(I& in) { in.unknown_number(1, 3); }
// What x86-64-v2 has, or ARM64 with what Windows needs; nothing that the emulator does not know.
void processor_feature(I& in) {
    static constexpr std::array there = {2u, 3u, 6u, 8u, 9u, 10u, 12u, 13u, 14u, 20u, 23u, 36u, 37u, 38u};
    static constexpr std::array there_arm = {18u, 19u, 23u, 29u, 30u, 31u, 34u};
    const auto feature = static_cast<unsigned>(in.argument(0) & 0xffffffff);
    const bool arm = in.image().architecture == image::Architecture::aarch64;
    const bool has = arm ? std::ranges::find(there_arm, feature) != there_arm.end()
                         : std::ranges::find(there, feature) != there.end();
    in.unknown_number(has ? 1 : 0, 0);
}
void version(I& in) {  // OSVERSIONINFO: size, major, minor, build, platform
    in.unknown_number(1, 1);
    const std::array<std::uint64_t, 4> fields = {10, 0, in.likely() ? 19045u : 26100u, 2};
    for (std::size_t i = 0; i < fields.size(); ++i) in.guest().set_number(in.argument(0) + 4 + 4 * i, fields[i], 4);
}
void native_version(I& in) {
    version(in);
    in.result(0);
}
void version_number(I& in) { in.unknown_number(0x4a65'000a, 0x65f4'000a); }
template <unsigned Place, unsigned Size, unsigned Result>
void random_bytes(I& in) {
    fill_with(in, in.argument(Place), in.likely() ? 4 : 200, std::min<std::uint64_t>(in.argument(Size), 4096));
    in.unknown_number(Result, Result);
}
void random_number(I& in) {  // rand_s(place)
    in.unknown_number(0, 0);
    in.guest().set_number(in.argument(0), in.likely() ? 4 : 200, 4);
}
void standard_handle(I& in) { in.unknown_number(0x10 + (0 - in.argument(0)) % 16, 0x50 + (0 - in.argument(0)) % 16); }
void no_file(I& in) {
    in.guest().set_number(model_slot(ModelSlot::last_error), 2, 4);  // ERROR_FILE_NOT_FOUND
    in.unknown_number(~std::uint64_t{0}, in.fails() ? ~std::uint64_t{0} : in.guest().new_object(64));
}
// (handle, bytes, count, place of the number that was written, ...)
void write_file(I& in) {
    const std::uint64_t count = in.argument(2) & 0xffffffff;
    keep_written(in, bytes_of(in, in.argument(1), std::min<std::uint64_t>(count, 1024)));
    if (const std::uint64_t place = in.argument(3)) in.guest().set_number(place, count, 4);
    in.result(1);
}
void write_console(I& in) {  // in UTF-16
    const std::uint64_t count = in.argument(2) & 0xffffffff;
    keep_written(in, wide_text(in, in.argument(1), std::min<std::uint64_t>(count, 1024)));
    if (const std::uint64_t place = in.argument(3)) in.guest().set_number(place, count, 4);
    in.result(1);
}
// Lists of one direction: pushed and taken without locks.
void list_begin(I& in) {
    for (unsigned i = 0; i < 2; ++i) in.guest().set_word(in.argument(0) + std::uint64_t{i} * in.word(), 0);
    in.result(0);
}

constexpr ModelEntry table[] = {
    {"GetProcessHeap", heap},
    {"HeapCreate", heap},
    {"HeapDestroy", one},
    {"HeapFree", one},
    {"RtlFreeHeap", one},
    {"HeapSetInformation", one},
    {"GetCurrentProcess", process},
    {"GetCurrentThread", thread},
    {"GetCurrentProcessId", process_number},
    {"GetCurrentThreadId", thread_number},
    {"GetLastError", last_error},
    {"SetLastError", set_last_error},
    {"RtlGetLastWin32Error", last_error},
    {"GetModuleHandleA", library},
    {"GetModuleHandleW", library},
    {"GetModuleHandleExA", library_into},
    {"GetModuleHandleExW", library_into},
    {"LoadLibraryA", library},
    {"LoadLibraryW", library},
    {"LoadLibraryExA", library},
    {"LoadLibraryExW", library},
    {"FreeLibrary", one},
    {"GetProcAddress", find_symbol},
    {"GetModuleFileNameA", module_file<1>},
    {"GetModuleFileNameW", module_file<2>},
    {"DisableThreadLibraryCalls", one},
    {"GetTempPathA", temporary_folder<1>},
    {"GetTempPathW", temporary_folder<2>},
    {"GetTempPath2W", temporary_folder<2>},
    {"GetCurrentDirectoryA", current_folder<1>},
    {"GetCurrentDirectoryW", current_folder<2>},
    {"GetSystemDirectoryA", system_folder<1>},
    {"GetSystemDirectoryW", system_folder<2>},
    {"GetWindowsDirectoryA", system_folder<1>},
    {"GetWindowsDirectoryW", system_folder<2>},
    {"GetEnvironmentVariableA", environment_variable<1>},
    {"GetEnvironmentVariableW", environment_variable<2>},
    {"SetEnvironmentVariableA", one},
    {"SetEnvironmentVariableW", one},
    {"GetEnvironmentStringsW", environment_strings},
    {"GetEnvironmentStrings", environment_strings},
    {"FreeEnvironmentStringsW", one},
    {"FreeEnvironmentStringsA", one},
    {"GetCommandLineA", environment_strings},
    {"GetCommandLineW", environment_strings},
    {"GetComputerNameA", computer_name},
    {"MultiByteToWideChar", convert<1, 2>},
    {"WideCharToMultiByte", convert<2, 1>},
    {"wcslen", wide_length},
    {"lstrlenW", wide_length},
    {"GetSystemInfo", system_info},
    {"GetNativeSystemInfo", system_info},
    {"GlobalMemoryStatusEx", memory_status},
    {"GetActiveProcessorCount", processor_count},
    {"GetMaximumProcessorCount", processor_count},
    {"GetActiveProcessorGroupCount", one},
    {"GetLargePageMinimum", zero},
    {"GetNumaHighestNodeNumber", zero},
    {"GetCurrentProcessorNumber", zero},
    {"IsProcessorFeaturePresent", processor_feature},
    {"GetVersion", version_number},
    {"GetVersionExA", version},
    {"GetVersionExW", version},
    {"RtlGetVersion", native_version},
    {"VerifyVersionInfoW", one},
    {"VerSetConditionMask", one},
    {"IsDebuggerPresent", perhaps_not},
    {"OutputDebugStringA", nothing},
    {"OutputDebugStringW", nothing},
    {"SetUnhandledExceptionFilter", zero},
    {"UnhandledExceptionFilter", zero},
    {"AddVectoredExceptionHandler", one},
    {"RemoveVectoredExceptionHandler", one},
    {"AddVectoredContinueHandler", one},
    {"SetThreadStackGuarantee", one},
    {"SetErrorMode", zero},
    {"SetThreadErrorMode", one},
    {"SetConsoleCtrlHandler", one},
    {"GetConsoleMode", perhaps_not},
    {"GetStdHandle", standard_handle},
    {"GetFileType", two},
    {"CreateFileA", no_file},
    {"CreateFileW", no_file},
    {"FindFirstFileW", no_file},
    {"GetFileAttributesA", minus_one},
    {"GetFileAttributesW", minus_one},
    {"WriteFile", write_file},
    {"WriteConsoleW", write_console},
    {"CloseHandle", one},
    {"DuplicateHandle", perhaps},
    {"BCryptGenRandom", random_bytes<1, 2, 0>},
    {"ProcessPrng", random_bytes<0, 1, 1>},
    {"SystemFunction036", random_bytes<0, 1, 1>},
    {"CryptGenRandom", random_bytes<2, 1, 1>},
    {"BCryptOpenAlgorithmProvider", zero},
    {"BCryptCloseAlgorithmProvider", zero},
    {"rand_s", random_number},
    {"InitializeCriticalSection", zero},
    {"InitializeCriticalSectionAndSpinCount", one},
    {"InitializeCriticalSectionEx", one},
    {"EnterCriticalSection", zero},
    {"TryEnterCriticalSection", one},
    {"LeaveCriticalSection", zero},
    {"DeleteCriticalSection", zero},
    {"InitializeSRWLock", zero},
    {"AcquireSRWLockExclusive", zero},
    {"ReleaseSRWLockExclusive", zero},
    {"AcquireSRWLockShared", zero},
    {"ReleaseSRWLockShared", zero},
    {"TryAcquireSRWLockExclusive", one},
    {"TryAcquireSRWLockShared", one},
    {"InitializeConditionVariable", zero},
    {"WakeConditionVariable", zero},
    {"WakeAllConditionVariable", zero},
    {"WakeByAddressAll", zero},
    {"WakeByAddressSingle", zero},
    {"InitOnceExecuteOnce", once},
    {"InitOnceBeginInitialize", once_begin},
    {"InitOnceComplete", once_complete},
    {"__std_init_once_begin_initialize", once_begin},
    {"__std_init_once_complete", once_complete},
    {"CreateEventA", create_event},
    {"CreateEventW", create_event},
    {"CreateEventExA", create_event_ex},
    {"CreateEventExW", create_event_ex},
    {"CreateMutexA", create_other},
    {"CreateMutexW", create_other},
    {"CreateSemaphoreA", create_semaphore},
    {"CreateSemaphoreW", create_semaphore},
    {"CreateWaitableTimerExW", create_other},
    {"CreateIoCompletionPort", create_other},
    {"SetEvent", set_event},
    {"ResetEvent", reset_event},
    {"ReleaseMutex", one},
    {"ReleaseSemaphore", set_event},
    {"WaitForSingleObject", wait_for_object},
    {"WaitForSingleObjectEx", wait_for_object},
    {"WaitForMultipleObjects", wait_for_objects},
    {"ResumeThread", zero},
    {"SetThreadPriority", one},
    {"SetThreadDescription", zero},
    {"GetThreadDescription", minus_one},
    {"SetThreadAffinityMask", one},
    {"InitializeSListHead", list_begin},
    {"InterlockedFlushSList", zero},
    {"EncodePointer", same},
    {"DecodePointer", same},
    {"WSAStartup", zero},
    {"WSACleanup", zero},
    {"RegOpenKeyExA", two},  // ERROR_FILE_NOT_FOUND
    {"RegOpenKeyExW", two},
    {"EtwEventRegister", zero},
    {"EventRegister", zero},
    {"EventUnregister", zero},
    {"EventSetInformation", zero},
    {"_initialize_onexit_table", zero},
    {"_register_onexit_function", zero},
    {"_execute_onexit_table", zero},
    {"_crt_atexit", zero},
    {"_crt_at_quick_exit", zero},
    {"_configure_narrow_argv", zero},
    {"_initialize_narrow_environment", zero},
    {"_seh_filter_dll", zero},
    {"_cexit", zero},
    {"_onexit", same},
    {"__std_type_info_destroy_list", zero},
    {"_Mtx_init_in_situ", zero},
    {"_Mtx_destroy_in_situ", zero},
    {"_Mtx_lock", zero},
    {"_Mtx_trylock", zero},
    {"_Mtx_unlock", zero},
    {"_Cnd_init_in_situ", zero},
    {"_Cnd_destroy_in_situ", zero},
    {"_Cnd_signal", zero},
    {"_Cnd_broadcast", zero},
    {"_Cnd_do_broadcast_at_thread_exit", zero},
    {"_Thrd_hardware_concurrency", processor_count},
    {"_Thrd_id", thread_number},
    {"_Thrd_yield", zero},
};

}  // namespace

std::span<const ModelEntry> model_windows() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
