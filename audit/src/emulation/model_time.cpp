// model_time.cpp: what the system says of the time. Clocks run on with each call, as programs wait for that; the other
// runs have another day and other steps.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t from_1601_to_1970 = 11'644'473'600;  // seconds; Windows counts from there

// Nanoseconds since the machine was started.
std::uint64_t uptime(I& in) {
    const std::uint64_t place = model_slot(ModelSlot::clock), step = in.likely() ? 1'000'000 : 7'000'003;
    const std::uint64_t steps = in.guest().number(place, 8).value_or(0) + 1;
    in.guest().set_number(place, steps, 8);
    return (in.likely() ? 100'000 : 1'234'567) * second + steps * step;
}
// One that is earlier than anybody would ask for, or later.
std::uint64_t now(I& in) {
    return uptime(in) + (in.likely() ? 1'780'000'000 : in.fails() ? 400'000'000 : 4'200'000'000) * second;
}

std::uint64_t of_clock(I& in, std::uint64_t clock) { return clock == 0 ? now(in) : uptime(in); }

// A number of seconds and a part of one, as words of the processor; or with 64 bits in any case.
void put(I& in, std::uint64_t place, std::uint64_t seconds, std::uint64_t part) {
    if (!in.guest().set_word(place, seconds) || !in.guest().set_word(place + in.word(), part)) no_memory_there(in);
}
void put_wide(I& in, std::uint64_t place, std::uint64_t seconds, std::uint64_t part) {
    if (!in.guest().set_number(place, seconds, 8) || !in.guest().set_number(place + 8, part, in.word()))
        no_memory_there(in);
}
void clock_get(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t time = of_clock(in, in.argument(0) & 0xffffffff);
    put(in, in.argument(1), time / second, time % second);
}
void clock_get_wide(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t time = of_clock(in, in.argument(0) & 0xffffffff);
    put_wide(in, in.argument(1), time / second, time % second);
}
void clock_resolution(I& in) {
    in.unknown_number(0, 0);
    if (const std::uint64_t place = in.argument(1)) put(in, place, 0, in.likely() ? 1 : 1000);
}
void timespec_get(I& in) {
    in.unknown_number(in.argument(1), in.argument(1));
    const std::uint64_t time = now(in);
    put(in, in.argument(0), time / second, time % second);
}
void time_of_day(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t time = now(in), place = in.argument(0);
    // macOS has 32 bits for the part on all processors, which are the lower half here.
    if (place != 0) put(in, place, time / second, time % second / 1000);
}
void seconds_now(I& in) {
    const std::uint64_t time = now(in) / second;
    in.unknown_number(time, time);
    if (const std::uint64_t place = in.argument(0)) in.guest().set_word(place, time);
}
void seconds_now_wide(I& in) {
    const std::uint64_t time = now(in) / second;
    in.unknown_number(time, time);
    in.guest().set_result_pair(time, 0);
    if (const std::uint64_t place = in.argument(0)) in.guest().set_number(place, time, 8);
}
void processor_time(I& in) {
    const std::uint64_t time = uptime(in) % (1000 * second) / 1000;
    in.unknown_number(time, time);
}
void ticks(I& in) {  // macOS, with the ratio 1 : 1; also clock_gettime_nsec_np(CLOCK_UPTIME_RAW)
    const std::uint64_t time = uptime(in);
    in.unknown_number(time, time);
}
void clock_number(I& in) {
    const std::uint64_t time = of_clock(in, in.argument(0) & 0xffffffff);
    in.unknown_number(time, time);
}
void timebase(I& in) {
    in.unknown_number(0, 0);
    if (!in.guest().set_number(in.argument(0), 1, 4) || !in.guest().set_number(in.argument(0) + 4, 1, 4))
        no_memory_there(in);
}
// std::chrono: the result has 64 bits.
void chrono_system(I& in) {
    const std::uint64_t time = now(in);
    in.unknown_number(time, time);
    if (in.word() == 4) in.guest().set_result_pair(time & 0xffffffff, time >> 32);
}
void chrono_system_micro(I& in) {  // libc++ counts microseconds
    const std::uint64_t time = now(in) / 1000;
    in.unknown_number(time, time);
    if (in.word() == 4) in.guest().set_result_pair(time & 0xffffffff, time >> 32);
}
void chrono_steady(I& in) {
    const std::uint64_t time = uptime(in);
    in.unknown_number(time, time);
    if (in.word() == 4) in.guest().set_result_pair(time & 0xffffffff, time >> 32);
}

// ---- Windows: units of 100 nanoseconds ----

void file_time(I& in) {
    in.unknown_number(0, 0);
    if (!in.guest().set_number(in.argument(0), now(in) / 100 + from_1601_to_1970 * (second / 100), 8))
        no_memory_there(in);
}
void performance_counter(I& in) {
    in.unknown_number(1, 1);
    if (!in.guest().set_number(in.argument(0), uptime(in) / 100, 8)) no_memory_there(in);
}
void performance_frequency(I& in) {
    in.unknown_number(1, 1);
    if (!in.guest().set_number(in.argument(0), second / 100, 8)) no_memory_there(in);
}
void native_performance_counter(I& in) {  // NtQueryPerformanceCounter(counter, frequency or NULL)
    in.unknown_number(0, 0);
    in.guest().set_number(in.argument(0), uptime(in) / 100, 8);
    if (const std::uint64_t place = in.argument(1)) in.guest().set_number(place, second / 100, 8);
}
void milliseconds(I& in) {
    const std::uint64_t time = uptime(in) / 1'000'000;
    in.unknown_number(time, time);
    if (in.word() == 4) in.guest().set_result_pair(time & 0xffffffff, time >> 32);
}
void interrupt_time(I& in) {
    in.unknown_number(1, 1);
    in.guest().set_number(in.argument(0), uptime(in) / 100, 8);
}

// ---- the calendar: always in UTC ----

struct Date {
    std::uint64_t year, month, day, day_of_year;  // month and days from 0
};
// Days since 1970 into a date of the Gregorian calendar; of times that are far away nothing is asked.
Date date_of(std::uint64_t days) {
    std::uint64_t year = 1970;
    const auto leap = [&] { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; };
    for (std::uint64_t length = 365; year < 2400 && days >= (length = leap() ? 366 : 365); ++year) days -= length;
    const std::uint64_t day_of_year = days;
    const std::uint64_t lengths[] = {31, leap() ? 29u : 28u, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    std::uint64_t month = 0;
    while (month < 11 && days >= lengths[month]) days -= lengths[month++];
    return {year, month, days, day_of_year};
}
// struct tm: nine numbers of 32 bits, and behind them what only some systems have.
void fill_date(I& in, std::uint64_t place, std::uint64_t time) {
    const std::uint64_t days = time / 86400, rest = time % 86400;
    const Date date = date_of(days);
    const std::uint64_t fields[] = {rest % 60,      rest / 60 % 60,   rest / 3600,
                                    date.day + 1,   date.month,       date.year - 1900,
                                    (days + 4) % 7, date.day_of_year, 0};
    for (std::uint64_t i = 0; i < std::size(fields); ++i)
        if (!in.guest().set_number(place + 4 * i, fields[i], 4)) return no_memory_there(in);
    if (in.image().format == image::Format::pe) return;
    in.guest().set_word(place + 40, 0);  // what follows: the offset, the name of the zone
    in.guest().set_word(place + 40 + in.word(), in.guest().new_text("UTC"));
}
void calendar_into(I& in) {  // (time, place)
    in.assume("the time zone");
    in.result(in.argument(1));
    fill_date(in, in.argument(1), in.guest().word(in.argument(0)).value_or(0));
}
void calendar(I& in) {
    in.assume("the time zone");
    const std::uint64_t place = in.guest().new_object(64);
    in.result(place);
    fill_date(in, place, in.guest().word(in.argument(0)).value_or(0));
}
void windows_calendar(I& in) {  // (place, time), with 64 bits; an error number
    in.assume("the time zone");
    in.result(0);
    fill_date(in, in.argument(0), in.guest().number(in.argument(1), 8).value_or(0));
}
void make_time(I& in) {
    const std::uint64_t time = now(in) / second;
    in.unknown_number(time, time);
    if (in.image().format == image::Format::pe) in.guest().set_result_pair(time, 0);
}
// SYSTEMTIME: eight numbers of 16 bits.
void system_time(I& in) {
    in.unknown_number(0, 0);
    const std::uint64_t time = now(in), days = time / second / 86400, rest = time / second % 86400;
    const Date date = date_of(days);
    const std::uint64_t fields[] = {date.year,   date.month + 1, (days + 4) % 7, date.day + 1,
                                    rest / 3600, rest / 60 % 60, rest % 60,      time % second / 1'000'000};
    for (std::uint64_t i = 0; i < std::size(fields); ++i) in.guest().set_number(in.argument(0) + 2 * i, fields[i], 2);
}

constexpr ModelEntry table[] = {
    {"clock_gettime", clock_get},
    {"__clock_gettime", clock_get},
    {"__clock_gettime64", clock_get_wide},
    {"clock_gettime64", clock_get_wide},
    {"clock_getres", clock_resolution},
    {"clock_gettime_nsec_np", clock_number},
    {"timespec_get", timespec_get},
    {"gettimeofday", time_of_day},
    {"time", seconds_now},
    {"__time64", seconds_now_wide},
    {"_time64", seconds_now_wide},
    {"_time32", seconds_now},
    {"clock", processor_time},
    {"mach_absolute_time", ticks},
    {"mach_continuous_time", ticks},
    {"mach_approximate_time", ticks},
    {"mach_timebase_info", timebase},
    {"_ZNSt6chrono3_V212system_clock3nowEv", chrono_system},
    {"_ZNSt6chrono3_V212steady_clock3nowEv", chrono_steady},
    {"_ZNSt6chrono12system_clock3nowEv", chrono_system},
    {"_ZNSt6chrono12steady_clock3nowEv", chrono_steady},
    {"_ZNSt3__16chrono12system_clock3nowEv", chrono_system_micro},
    {"_ZNSt3__16chrono12steady_clock3nowEv", chrono_steady},
    {"GetSystemTimeAsFileTime", file_time},
    {"GetSystemTimePreciseAsFileTime", file_time},
    {"GetSystemTime", system_time},
    {"GetLocalTime", system_time},
    {"QueryPerformanceCounter", performance_counter},
    {"QueryPerformanceFrequency", performance_frequency},
    {"NtQueryPerformanceCounter", native_performance_counter},
    {"RtlQueryPerformanceCounter", performance_counter},
    {"QueryInterruptTime", interrupt_time},
    {"QueryUnbiasedInterruptTime", interrupt_time},
    {"GetTickCount", milliseconds},
    {"GetTickCount64", milliseconds},
    {"timeGetTime", milliseconds},
    {"_Query_perf_counter", chrono_steady},
    {"_Xtime_get_ticks", chrono_steady},
    {"localtime_r", calendar_into},
    {"gmtime_r", calendar_into},
    {"localtime", calendar},
    {"gmtime", calendar},
    {"_localtime64_s", windows_calendar},
    {"_gmtime64_s", windows_calendar},
    {"mktime", make_time},
    {"timegm", make_time},
    {"_mktime64", make_time},
};

}  // namespace

std::span<const ModelEntry> model_time() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
