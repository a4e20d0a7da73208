// model_macos.cpp: what macOS knows of the machine and of the libraries that are loaded.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <optional>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

void port(I& in) { in.result(0x103); }
void unsupported(I& in) { in.unknown_number(~std::uint64_t{0}, ~std::uint64_t{0}); }

// Numbers of the machine by name. Features of the processor are "hw.optional...": none, as the least that there is.
std::optional<std::uint64_t> number_of(I& in, std::string_view name) {
    struct Known {
        std::string_view name;
        std::uint64_t likely, other;
    };
    static constexpr Known known[] = {
        {"hw.ncpu", 1, 3},
        {"hw.logicalcpu", 1, 3},
        {"hw.logicalcpu_max", 1, 3},
        {"hw.physicalcpu", 1, 3},
        {"hw.physicalcpu_max", 1, 3},
        {"hw.activecpu", 1, 3},
        {"hw.availcpu", 1, 3},
        {"hw.nperflevels", 1, 2},
        {"hw.perflevel0.physicalcpu", 1, 3},
        {"hw.packages", 1, 1},
        {"hw.memsize", 8ull << 30, 16ull << 30},
        {"hw.cachelinesize", 128, 64},
        {"hw.l1dcachesize", 65536, 32768},
        {"hw.l1icachesize", 65536, 32768},
        {"hw.l2cachesize", 4u << 20, 1u << 20},
        {"hw.cpufamily", 0x1b588bb3, 0x573b5eec},
        {"hw.cputype", 0x0100000c, 0x0100000c},
        {"hw.cpusubtype", 2, 2},
        {"hw.cpu64bit_capable", 1, 1},
        {"kern.argmax", 1u << 20, 1u << 20},
        {"kern.maxfilesperproc", 10240, 4096},
        {"vm.overcommit", 0, 0},
        {"sysctl.proc_translated", 0, 0},
    };
    const bool arm = in.image().architecture == image::Architecture::aarch64;
    if (name == "hw.pagesize" || name == "vm.pagesize") return arm ? 16384 : 4096;
    if (name.starts_with("hw.optional.")) return 0;
    const auto found = std::ranges::find(known, name, &Known::name);
    if (found == std::end(known)) return std::nullopt;
    return in.likely() ? found->likely : found->other;
}
std::string_view text_of_machine(I& in, std::string_view name) {
    if (name == "kern.osrelease") return in.likely() ? "24.6.0" : "22.1.0";
    if (name == "kern.osproductversion") return in.likely() ? "15.6" : "13.0";
    if (name == "kern.osversion") return in.likely() ? "24G84" : "22A380";
    if (name == "machdep.cpu.brand_string") return in.likely() ? "Apple M1" : "Apple M3";
    if (name == "hw.machine") return in.image().architecture == image::Architecture::aarch64 ? "arm64" : "x86_64";
    return {};
}
// For each level of the memory, of which the first is the memory itself: how many processors share it, or its size.
std::optional<std::array<std::uint64_t, 4>> levels_of_memory(I& in, std::string_view name) {
    const std::uint64_t processors = in.likely() ? 1 : 3;
    if (name == "hw.cacheconfig") return std::array<std::uint64_t, 4>{processors, 1, processors, 0};
    if (name == "hw.cachesize") return std::array<std::uint64_t, 4>{8ull << 30, 65536, 4u << 20, 0};
    return std::nullopt;
}
// The size of a number is what the caller has room for: 4 bytes, or 8.
void answer(I& in, std::string_view name, std::uint64_t place, std::uint64_t place_of_size) {
    in.assume("sysctl " + std::string(name.substr(0, 64)));
    const std::uint64_t room = place_of_size == 0 ? 0 : in.guest().word(place_of_size).value_or(0);
    in.result(0);
    if (const std::string_view text = text_of_machine(in, name); !text.empty()) {
        if (place != 0 && room > text.size()) in.guest().write(place, std::string(text).c_str(), text.size() + 1);
        if (place_of_size != 0) in.guest().set_word(place_of_size, text.size() + 1);
        return;
    }
    if (const auto levels = levels_of_memory(in, name)) {
        const std::uint64_t count = place == 0 ? levels->size() : std::min<std::uint64_t>(room / 8, levels->size());
        for (std::uint64_t i = 0; place != 0 && i < count; ++i) in.guest().set_number(place + 8 * i, (*levels)[i], 8);
        if (place_of_size != 0) in.guest().set_word(place_of_size, 8 * count);
        return;
    }
    const auto number = number_of(in, name);
    if (!number) return in.result(0xffffffff);
    const unsigned size = room >= 8 || name == "hw.memsize" ? 8 : 4;
    if (place != 0) in.guest().set_number(place, *number, size);
    if (place_of_size != 0) in.guest().set_word(place_of_size, size);
}
void by_name(I& in) { answer(in, text_of(in, in.argument(0)), in.argument(1), in.argument(2)); }
// (numbers, count, place, place of the size): those that programs ask for have names.
void by_number(I& in) {
    struct Known {
        std::uint64_t group, number;
        std::string_view name;
    };
    static constexpr Known known[] = {{6, 3, "hw.ncpu"},     {6, 25, "hw.availcpu"},   {6, 7, "hw.pagesize"},
                                      {6, 24, "hw.memsize"}, {1, 2, "kern.osrelease"}, {1, 65, "kern.osversion"}};
    const auto group = in.guest().number(in.argument(0), 4), number = in.guest().number(in.argument(0) + 4, 4);
    const auto found =
        std::ranges::find_if(known, [&](const Known& entry) { return group == entry.group && number == entry.number; });
    answer(in, found == std::end(known) ? std::string_view() : found->name, in.argument(2), in.argument(3));
}
// host_info(host, kind, place, place of the count): processors and memory.
void host_info(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t place = in.argument(2), processors = in.likely() ? 1 : 3;
    for (unsigned i = 0; i < 2; ++i) in.guest().set_number(place + 4 * i, processors, 4);
    in.guest().set_number(place + 8, 2u << 30, 4);
    in.guest().set_number(place + 12, 0x0100000c, 4);
    in.guest().set_number(place + 16, 2, 4);
    for (unsigned i = 0; i < 4; ++i) in.guest().set_number(place + 24 + 4 * i, processors, 4);
    in.guest().set_number(place + 40, 8ull << 30, 8);
}
void host_page_size(I& in) {
    in.guest().set_word(in.argument(1), in.image().architecture == image::Architecture::aarch64 ? 16384 : 4096);
    in.result(0);
}
void executable_path(I& in) {  // (place, place of the size)
    in.unknown_number(0, 0);
    const std::string path = in.likely() ? "/usr/local/bin/python3" : "/opt/other/bin/python3";
    if (in.guest().number(in.argument(1), 4).value_or(0) <= path.size()) {
        in.guest().set_number(in.argument(1), path.size() + 1, 4);
        return in.result(0xffffffff);
    }
    in.guest().write(in.argument(0), path.c_str(), path.size() + 1);
}
void image_count(I& in) { in.unknown_number(1, 3); }
void image_name(I& in) { in.unknown_number(in.guest().new_text("/usr/local/bin/python3"), 0); }
void environment(I& in) {
    const std::uint64_t variable = in.guest().new_object(64);
    in.guest().set_word(variable, in.guest().new_object(64));
    in.result(variable);
}
void random_bytes(I& in) {
    in.unknown_number(0, 0);
    fill_with(in, in.argument(0), in.likely() ? 4 : 200, std::min<std::uint64_t>(in.argument(1), 4096));
    in.result(0);
}
void random_for_keychain(I& in) {  // SecRandomCopyBytes(kind, count, place); CCRandomGenerateBytes as above
    in.unknown_number(0, 0);
    fill_with(in, in.argument(2), in.likely() ? 4 : 200, std::min<std::uint64_t>(in.argument(1), 4096));
    in.result(0);
}
void random_number(I& in) { in.unknown_number(4, 200); }
// What __builtin_available() asks: 10 for macOS, then a version. A new one is likely.
void version_at_least(I& in) { in.unknown_number(1, 0); }
void malloc_zone(I& in) { in.result(in.guest().new_object(512)); }
void malloc_size(I& in) { in.result(in.guest().allocated_size(in.argument(0))); }
void zone_allocate(I& in) { in.result(in.guest().allocate(in.argument(1))); }
void zone_allocate_zeroed(I& in) {
    std::uint64_t size = 0;
    in.result(__builtin_mul_overflow(in.argument(1), in.argument(2), &size) ? 0 : in.guest().allocate(size));
}
void zone_allocate_aligned(I& in) {  // (zone, alignment, size)
    in.result(in.guest().allocate_aligned(in.argument(2), in.argument(1)));
}

constexpr ModelEntry table[] = {
    {"sysctlbyname", by_name},
    {"sysctl", by_number},
    {"host_info", host_info},
    {"host_page_size", host_page_size},
    {"_host_page_size", host_page_size},
    {"mach_host_self", port},
    {"mach_task_self", port},
    {"mach_thread_self", port},
    {"mach_port_deallocate", zero},
    {"task_info", unsupported},
    {"thread_info", unsupported},
    {"thread_policy_set", zero},
    {"host_statistics64", unsupported},
    {"_NSGetExecutablePath", executable_path},
    {"_NSGetEnviron", environment},
    {"_NSGetArgc", environment},
    {"_NSGetArgv", environment},
    {"_dyld_image_count", image_count},
    {"_dyld_get_image_name", image_name},
    {"_dyld_get_image_header", zero},
    {"_dyld_get_image_vmaddr_slide", zero},
    {"_dyld_register_func_for_add_image", zero},
    {"_dyld_register_func_for_remove_image", zero},
    {"_availability_version_check", version_at_least},
    {"__isPlatformVersionAtLeast", version_at_least},
    {"__isOSVersionAtLeast", version_at_least},
    {"CCRandomGenerateBytes", random_bytes},
    {"SecRandomCopyBytes", random_for_keychain},
    {"arc4random", random_number},
    {"arc4random_uniform", zero},
    {"arc4random_buf", random_bytes},
    {"malloc_default_zone", malloc_zone},
    {"malloc_create_zone", malloc_zone},
    {"malloc_set_zone_name", zero},
    {"malloc_zone_register", zero},
    {"malloc_zone_unregister", zero},
    {"malloc_zone_malloc", zone_allocate},
    {"malloc_zone_calloc", zone_allocate_zeroed},
    {"malloc_zone_memalign", zone_allocate_aligned},
    {"malloc_zone_free", zero},
    {"malloc_size", malloc_size},
    {"os_log_create", malloc_zone},
    {"os_log_type_enabled", zero},
    {"_os_log_impl", zero},
    {"objc_autoreleasePoolPush", malloc_zone},
    {"objc_autoreleasePoolPop", zero},
    {"notify_register_check", unsupported},
};

}  // namespace

std::span<const ModelEntry> model_macos() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
