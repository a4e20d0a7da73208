// model_system.cpp: what the C library knows of the process and the machine: the environment, users, files, other
// libraries, the locale. Time, threads, memory, output and the ways to end have files of their own.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t failed = ~std::uint64_t{0};

void object(I& in) { in.result(in.guest().new_object(512)); }
void set_error(I& in, std::uint64_t number) { in.guest().set_number(model_slot(ModelSlot::error_number), number, 4); }

// ---- what nobody knows before ----

void unknown_zero(I& in) { in.unknown_number(0, 1'700'000'000); }
void process_number(I& in) { in.unknown_number(4712, 9000); }
void user_number(I& in) { in.unknown_number(1000, 0); }
void processor_count(I& in) { in.unknown_number(1, 3); }
void perhaps_not(I& in) { in.unknown_number(0, 1); }
void no_text(I& in) {
    const std::uint64_t text = in.likely() ? 0 : in.guest().new_text("1");
    in.objects().add_made_up_text(text);
    in.unknown_number(0, text);
}
void perhaps_fails(I& in) { in.unknown_number(0, failed); }
// ---- the environment: what the program puts there is found again ----

constexpr std::uint64_t environment = GuestMap::tls;  // stands for it, as no object is there

void get_variable(I& in) {
    const std::string name = text_of(in, in.argument(0));
    if (const std::uint64_t value = in.attribute(environment, name)) return in.result(value);
    no_text(in);
}
void set_variable(I& in) {  // (name, value, whether to replace it)
    const std::string name = text_of(in, in.argument(0));
    const bool wrong = name.empty() || name.find('=') != std::string::npos;
    in.result(wrong ? failed : 0);
    if (wrong || (in.argument(2) == 0 && in.attribute(environment, name) != 0)) return;
    in.set_attribute(environment, name, in.guest().new_text(text_of(in, in.argument(1))));
}
void unset_variable(I& in) {
    in.set_attribute(environment, text_of(in, in.argument(0)), 0);
    in.result(0);
}
void put_variable(I& in) {  // "name=value", which stays the program's
    const std::string text = text_of(in, in.argument(0));
    const std::size_t equals = text.find('=');
    in.result(0);
    if (equals != std::string::npos) in.set_attribute(environment, text.substr(0, equals), in.argument(0) + equals + 1);
}

void handle(I& in) { in.unknown_number(0, in.likely() ? 0 : in.guest().new_object(512)); }

// dlopen(NULL): the program itself. A library that a name stands for may be there or not.
void open_library(I& in) {
    if (in.argument(0) == 0) return in.result(in.guest().new_object(512));
    handle(in);
}

// ---- numbers of the machine ----

bool is_macos(I& in) { return in.image().format == image::Format::macho; }
std::uint64_t page_size(I& in) {
    return is_macos(in) && in.image().architecture == image::Architecture::aarch64 ? 16384 : 4096;
}
// On ARM Linux has several sizes, of which a program cannot know which.
void page_size_of(I& in) {
    const bool open = in.image().architecture == image::Architecture::aarch64 && !is_macos(in);
    if (!open) return in.result(page_size(in));
    in.unknown_number(page_size(in), 65536);
}

// The numbers of the names differ between the systems.
void system_configuration(I& in) {
    struct Known {
        std::uint64_t linux_name, macos_name, likely, other;
    };
    static constexpr Known known[] = {{84, 58, 1, 3},                 // processors that are in use
                                      {83, 57, 1, 3},                 // that there are
                                      {2, 3, 100, 100},               // ticks in a second
                                      {85, 200, 1u << 21, 1u << 20},  // pages of memory
                                      {86, 0xffff, 1u << 20, 1u << 19},
                                      {4, 5, 1024, 256},     // open files
                                      {60, 56, 1024, 1024},  // pieces of a writev()
                                      {70, 71, 1024, 4096},  // room for a user's data
                                      {69, 70, 1024, 4096},
                                      {0, 1, 2097152, 1048576},
                                      {3, 4, 65536, 16},
                                      {190, 0xffff, 64, 128},  // a line of the cache
                                      {180, 72, 255, 64}};     // a host's name
    const std::uint64_t name = in.argument(0) & 0xffffffff;
    if (name == (is_macos(in) ? 29 : 30)) return page_size_of(in);
    const auto found = std::ranges::find(known, name, is_macos(in) ? &Known::macos_name : &Known::linux_name);
    if (found == std::end(known)) return in.unknown_number(failed, 1);
    in.unknown_number(found->likely, found->other);
}
// What the kernel tells a program at its start. The features of the processor are those that each of its kind has.
void auxiliary_value(I& in) {
    constexpr std::uint64_t page = 6, user = 11, effective_user = 12, group = 13, effective_group = 14, features = 16;
    constexpr std::uint64_t ticks = 17, secure = 23, random = 25;
    switch (in.argument(0)) {
        case page:
            return page_size_of(in);
        case features: {
            const bool arm = in.image().architecture == image::Architecture::aarch64;
            constexpr std::uint64_t floating_point_and_vectors = 3;
            return in.unknown_number(arm ? floating_point_and_vectors : 0, arm ? floating_point_and_vectors : 0);
        }
        case ticks:
            return in.result(100);
        case user:
        case effective_user:
        case group:
        case effective_group:
            return user_number(in);
        case secure:
            return perhaps_not(in);
        case random: {
            const std::uint64_t bytes = in.guest().new_object(16);
            fill_with(in, bytes, in.likely() ? 4 : 200, 16);
            return in.unknown_number(bytes, bytes);
        }
        default:
            return in.unknown_number(0, 0);
    }
}
void limit_of_resource(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t limit = in.likely() ? 8u << 20 : 1u << 20;
    for (unsigned i = 0; i < 2; ++i) in.guest().set_word(in.argument(1) + std::uint64_t{i} * in.word(), limit);
}
void usage_of_resources(I& in) {
    in.unknown_number(0, 0);
    for (unsigned i = 0; i < 16; ++i) in.guest().set_word(in.argument(1) + std::uint64_t{i} * in.word(), i);
}
void name_of_system(I& in) {  // five texts, or six on Linux
    in.unknown_number(0, 0);
    const std::uint64_t size = is_macos(in) ? 256 : 65;
    const std::string_view machine = in.image().architecture == image::Architecture::aarch64 ? "aarch64" : "x86_64";
    const std::array<std::string_view, 5> texts = {is_macos(in) ? "Darwin" : "Linux", in.likely() ? "host" : "other",
                                                   in.likely() ? "6.1.0" : "5.4.0", "#1", machine};
    for (std::size_t i = 0; i < texts.size(); ++i)
        in.guest().write(in.argument(0) + i * size, std::string(texts[i]).c_str(), texts[i].size() + 1);
}

// ---- texts of the machine ----

// (place or NULL, room): NULL, and an error number, where there is no room.
void give_path(I& in, std::uint64_t place, std::uint64_t room, std::string_view path) {
    constexpr std::uint64_t out_of_range = 34;
    if (place == 0) return in.result(in.guest().new_text(path));
    if (room <= path.size()) {
        set_error(in, out_of_range);
        return in.result(0);
    }
    in.guest().write(place, std::string(path).c_str(), path.size() + 1);
    in.result(place);
}
void current_folder(I& in) {
    in.assume("a folder of the machine");
    give_path(in, in.argument(0), in.argument(1), in.likely() ? "/home/user" : "/var/other/folder");
}
void real_path(I& in) {  // (path, place or NULL)
    in.assume("where a file lies");
    if (in.fails()) {
        set_error(in, 2);
        return in.result(0);
    }
    give_path(in, in.argument(1), 4096, text_of(in, in.argument(0)));
}
void read_link(I& in) {  // (path, place, room), without a zero
    in.assume("where a file lies");
    const std::string target = in.likely() ? "/usr/bin/python3" : "/opt/other/bin/python3";
    const std::uint64_t size = std::min<std::uint64_t>(target.size(), in.argument(2));
    in.guest().write(in.argument(1), target.data(), size);
    in.result(size);
}
void name_of_host(I& in) {
    in.unknown_number(0, 0);
    const std::string name = in.likely() ? "host" : "other";
    if (in.argument(1) > name.size()) in.guest().write(in.argument(0), name.c_str(), name.size() + 1);
}
// struct passwd: name, password, numbers of 32 bits, on macOS a time and a class, then texts.
void fill_user(I& in, std::uint64_t place) {
    const std::uint64_t word = in.word();
    const std::string name = in.likely() ? "user" : "other";
    std::uint64_t at = place;
    const auto put = [&](std::uint64_t value) {
        in.guest().set_word(at, value);
        at += word;
    };
    const auto text = [&](const std::string& value) { put(in.guest().new_text(value)); };
    text(name);
    text("x");
    for (unsigned i = 0; i < 2; ++i, at += 4) in.guest().set_number(at, in.likely() ? 1000 : 0, 4);
    if (is_macos(in)) {
        put(0);
        text("");
    }
    text(name);
    text("/home/" + name);
    text("/bin/sh");
}
void user(I& in) {
    in.assume("a user of the machine");
    if (in.fails()) return in.result(0);
    const std::uint64_t place = in.guest().new_object(128);
    fill_user(in, place);
    in.result(place);
}
void user_into(I& in) {  // (number or name, place, buffer, room, place of the result)
    in.assume("a user of the machine");
    in.guest().set_word(in.argument(4), in.fails() ? 0 : in.argument(1));
    in.result(0);
    if (!in.fails()) fill_user(in, in.argument(1));
}
// ---- files: there are none, or they are empty ----

void open_file(I& in) {
    constexpr std::uint64_t no_such_file = 2;
    set_error(in, no_such_file);
    in.unknown_number(failed, in.fails() ? failed : 3);
}
void open_stream(I& in) {
    set_error(in, 2);
    in.unknown_number(0, in.fails() ? 0 : in.guest().new_object(512));
}
void status_of_file(I& in) {
    set_error(in, 2);
    in.unknown_number(failed, in.fails() ? failed : 0);
}
void nothing_read(I& in) { in.unknown_number(0, 0); }
void end_of_file(I& in) { in.unknown_number(0xffffffff, 0xffffffff); }
void two_files(I& in) {  // pipe(place), also as the last argument of socketpair()
    in.unknown_number(0, in.fails() ? failed : 0);
    for (unsigned i = 0; i < 2; ++i) in.guest().set_number(in.argument(0) + 4 * i, 5 + i, 4);
}
void pair_of_sockets(I& in) {
    in.unknown_number(0, in.fails() ? failed : 0);
    for (unsigned i = 0; i < 2; ++i) in.guest().set_number(in.argument(3) + 4 * i, 5 + i, 4);
}
void new_file(I& in) { in.unknown_number(7, in.fails() ? failed : 9); }

// ---- which library an address belongs to ----

// Dl_info: file, its beginning, the symbol before the address, its address.
void library_of_address(I& in) {
    in.assume("where a file lies");
    const auto own = in.guest().to_file(in.argument(0));
    const std::uint64_t place = in.argument(1), word = in.word();
    if (!own || in.fails() || in.image().segments.empty()) return in.result(0);
    const std::uint64_t first = in.guest().to_guest(in.image().segments.front().address) & ~std::uint64_t{0xfff};
    in.guest().set_word(place, in.guest().new_text(in.likely() ? "/usr/lib/module.so" : "/opt/other/module.so"));
    in.guest().set_word(place + word, first);
    in.guest().set_word(place + 2 * word, 0);
    in.guest().set_word(place + 3 * word, 0);
    in.result(1);
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
// S/390: its argument is where that pair lies in the table of addresses; the result is counted from the thread pointer.
void tls_offset(I& in) {
    tls_address_of(in, in.guest().table_of_addresses() + in.argument(0));
    in.result(in.guest().result() - GuestMap::tls - GuestMap::tls_size / 2);
}
void thread_pointer(I& in) { in.result(GuestMap::tls + GuestMap::tls_size / 2); }
// Before anything has failed it has what was left there.
void error_number(I& in) {
    in.doubt("the number of an error");
    in.result(model_slot(ModelSlot::error_number));
}
void error_text(I& in) {
    in.assume("texts of errors");
    const std::uint64_t text = in.guest().new_text(in.likely() ? "error" : "Other error");
    in.objects().add_made_up_text(text);
    in.result(text);
}
void error_text_into(I& in) {  // (number, place, room): an error number, or in glibc's own the text
    in.assume("texts of errors");
    if (in.argument(2) > 5) in.guest().write(in.argument(1), "error", 6);
    in.result(0);
}
void error_text_gnu(I& in) {
    error_text_into(in);
    in.result(in.argument(1));
}
void configuration(I& in) {  // localeconv(): the decimal point first
    in.assume("the locale");
    const std::uint64_t place = in.guest().new_object(256), empty = in.guest().new_text("");
    for (unsigned i = 0; i < 10; ++i) in.guest().set_word(place + std::uint64_t{i} * in.word(), empty);
    in.guest().set_word(place, in.guest().new_text(in.likely() ? "." : ","));
    in.result(place);
}
void some_locale(I& in) {
    in.assume("the locale");
    object(in);
}
void c_locale(I& in) { in.unknown_number(in.guest().new_text("C"), in.guest().new_text("other")); }
void character_set(I& in) { in.unknown_number(in.guest().new_text("UTF-8"), in.guest().new_text("ANSI_X3.4-1968")); }

constexpr ModelEntry table[] = {
    {"__aeabi_read_tp", thread_pointer},
    {"__cxa_atexit", zero},
    {"__cxa_thread_atexit", zero},
    {"__cxa_thread_atexit_impl", zero},
    {"_tlv_atexit", zero},
    {"__cxa_finalize", zero},
    {"atexit", zero},
    {"at_quick_exit", zero},
    {"_errno", error_number},
    {"__errno_location", error_number},
    {"__errno", error_number},
    {"__error", error_number},
    {"__tls_get_addr", tls_address},
    {"___tls_get_addr", tls_address_in_register},
    {"__tls_get_offset", tls_offset},
    {"_tlv_bootstrap", tlv_address},
    {"getenv", get_variable},
    {"secure_getenv", get_variable},
    {"__secure_getenv", get_variable},
    {"setenv", set_variable},
    {"unsetenv", unset_variable},
    {"putenv", put_variable},
    {"getpid", process_number},
    {"_getpid", process_number},
    {"getppid", process_number},
    {"getpgrp", process_number},
    {"getuid", user_number},
    {"geteuid", user_number},
    {"getgid", user_number},
    {"getegid", user_number},
    {"issetugid", perhaps_not},
    {"getpwuid", user},
    {"getpwnam", user},
    {"getpwuid_r", user_into},
    {"getpwnam_r", user_into},
    {"getauxval", auxiliary_value},
    {"__getauxval", auxiliary_value},
    {"elf_aux_info", perhaps_fails},
    {"sysconf", system_configuration},
    {"getpagesize", page_size_of},
    {"get_nprocs", processor_count},
    {"get_nprocs_conf", processor_count},
    {"_ZNSt6thread20hardware_concurrencyEv", processor_count},
    {"_ZNSt3__16thread20hardware_concurrencyEv", processor_count},
    {"getrlimit", limit_of_resource},
    {"getrlimit64", limit_of_resource},
    {"setrlimit", perhaps_fails},
    {"getrusage", usage_of_resources},
    {"uname", name_of_system},
    {"gethostname", name_of_host},
    {"getcwd", current_folder},
    {"realpath", real_path},
    {"realpath$DARWIN_EXTSN", real_path},
    {"readlink", read_link},
    {"open", open_file},
    {"open64", open_file},
    {"_open", open_file},
    {"openat", open_file},
    {"__open_2", open_file},
    {"shm_open", open_file},
    {"fopen", open_stream},
    {"fopen64", open_stream},
    {"opendir", open_stream},
    {"fdopen", object},
    {"_fdopen", object},
    {"popen", open_stream},
    {"stat", status_of_file},
    {"lstat", status_of_file},
    {"fstat", status_of_file},
    {"fstatat", status_of_file},
    {"stat64", status_of_file},
    {"fstat64", status_of_file},
    {"access", status_of_file},
    {"statx", status_of_file},
    {"statfs", status_of_file},
    {"__xstat", status_of_file},
    {"__fxstat", status_of_file},
    {"__lxstat", status_of_file},
    {"read", nothing_read},
    {"pread", nothing_read},
    {"fread", nothing_read},
    {"fgets", nothing_read},
    {"getline", end_of_file},
    {"fgetc", end_of_file},
    {"getc", end_of_file},
    {"close", perhaps_fails},
    {"fclose", perhaps_fails},
    {"pclose", perhaps_fails},
    {"closedir", perhaps_fails},
    {"readdir", zero},
    {"fcntl", perhaps_fails},
    {"fcntl64", perhaps_fails},
    {"ioctl", perhaps_fails},
    {"isatty", perhaps_not},
    {"poll", nothing_read},
    {"pipe", two_files},
    {"pipe2", two_files},
    {"socketpair", pair_of_sockets},
    {"eventfd", new_file},
    {"epoll_create", new_file},
    {"epoll_create1", new_file},
    {"epoll_ctl", perhaps_fails},
    {"kqueue", new_file},
    {"kevent", perhaps_fails},
    {"dup", new_file},
    {"socket", new_file},
    {"setsockopt", perhaps_fails},
    {"setlocale", c_locale},
    {"newlocale", some_locale},
    {"duplocale", some_locale},
    {"uselocale", some_locale},
    {"freelocale", zero},
    {"localeconv", configuration},
    {"nl_langinfo", character_set},
    {"signal", perhaps_not},
    {"sigaction", perhaps_fails},
    {"sigaltstack", perhaps_fails},
    {"sigemptyset", zero},
    {"sigfillset", zero},
    {"sigaddset", zero},
    {"sigprocmask", perhaps_fails},
    {"pthread_sigmask", perhaps_not},
    {"prctl", perhaps_not},
    {"getrandom", random_bytes},
    {"getentropy", random_entropy},
    {"srand", zero},
    {"srandom", zero},
    {"rand", unknown_zero},
    {"random", unknown_zero},
    {"strerror", error_text},
    {"__xpg_strerror_r", error_text_into},
    {"strerror_r", error_text_gnu},
    {"strerror_s", perhaps_not},
    {"gai_strerror", error_text},
    {"dlopen", open_library},
    {"dlclose", zero},
    {"dlerror", handle},
    {"dlsym", find_symbol},
    {"dlvsym", find_symbol},
    {"dladdr", library_of_address},
    {"dl_iterate_phdr", perhaps_not},
    {"_dl_find_object", perhaps_fails},
    {"__register_frame_info", zero},
    {"__deregister_frame_info", zero},
    {"__gmon_start__", zero},
    {"_setjmp", zero},
    {"setjmp", zero},
    {"__sigsetjmp", zero},
    {"sigsetjmp", zero},
};

}  // namespace

std::span<const ModelEntry> model_system() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
