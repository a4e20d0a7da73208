// model_libcxx.cpp: the functions of libc++ and of Microsoft's C++ library that init functions call, but for strings.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_answers.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// std::__next_prime(n): the sizes of hash tables.
void next_prime(I& in) {
    constexpr std::uint64_t largest = 1u << 30;
    std::uint64_t number = std::min(in.argument(0), largest);
    const auto is_prime = [&](std::uint64_t value) {
        for (std::uint64_t divisor = 2; divisor * divisor <= value; ++divisor) {
            in.guest().charge(1);
            if (value % divisor == 0) return false;
        }
        return value > 1;
    };
    if (number == 0) return in.result(0);
    while (!is_prime(number)) ++number;
    in.result(number);
}

// (from, to): what std::exception is made of, a text and whether it is its own.
void copy_exception(I& in) {
    for (unsigned i = 0; i < 2; ++i) {
        const std::uint64_t offset = std::uint64_t{i} * in.word();
        in.guest().set_word(in.argument(1) + offset, in.guest().word(in.argument(0) + offset).value_or(0));
    }
    in.result(0);
}
void uncaught(I& in) { in.result(0); }

// Microsoft's constructors return their object.
constexpr ModelEntry table[] = {
    {"_ZNSt3__112__next_primeEm", next_prime},
    {"_ZNSt3__112__next_primeEj", next_prime},
    {"_ZNSt3__15mutex4lockEv", zero},
    {"_ZNSt3__15mutex6unlockEv", zero},
    {"_ZNSt3__15mutex8try_lockEv", one},
    {"_ZNSt3__15mutexD1Ev", zero},
    {"_ZNSt3__115recursive_mutexC1Ev", same},
    {"_ZNSt3__115recursive_mutexD1Ev", zero},
    {"_ZNSt3__115recursive_mutex4lockEv", zero},
    {"_ZNSt3__115recursive_mutex6unlockEv", zero},
    {"_ZNSt3__115recursive_mutex8try_lockEv", one},
    {"_ZNSt3__119__shared_mutex_base4lockEv", zero},
    {"_ZNSt3__119__shared_mutex_base6unlockEv", zero},
    {"_ZNSt3__119__shared_mutex_base11lock_sharedEv", zero},
    {"_ZNSt3__119__shared_mutex_base13unlock_sharedEv", zero},
    {"_ZNSt3__119__shared_mutex_baseC1Ev", same},
    {"_ZNSt3__114__shared_countD2Ev", zero},
    {"_ZNSt3__119__shared_weak_countD2Ev", zero},
    {"_ZNSt3__119__shared_weak_count14__release_weakEv", zero},
    {"_ZNSt3__119__shared_weak_count4lockEv", same},
    {"_ZNSt3__16localeC1Ev", same},
    {"_ZNSt3__16localeC1ERKS0_", same},
    {"_ZNSt3__16localeD1Ev", zero},
    {"_ZNSt3__18ios_base4initEPv", zero},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEi", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEm", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEl", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEd", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEElsEPKv", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEE3putEc", same},
    {"_ZNSt3__113basic_ostreamIcNS_11char_traitsIcEEE5flushEv", same},
    {"_ZSt18uncaught_exceptionv", uncaught},
    {"_ZSt19uncaught_exceptionsv", uncaught},
    {"__cxa_uncaught_exceptions", uncaught},
    {"__std_exception_copy", copy_exception},
    {"__std_exception_destroy", zero},
    {"?uncaught_exception@std@@YA_NXZ", uncaught},
    {"?uncaught_exceptions@std@@YAHXZ", uncaught},
    {"??0_Lockit@std@@QEAA@H@Z", same},
    {"??1_Lockit@std@@QEAA@XZ", zero},
    {"??0_Lockit@std@@QAE@H@Z", same},
    {"??1_Lockit@std@@QAE@XZ", zero},
    {"??0_Locinfo@std@@QEAA@PEBD@Z", same},
    {"??1_Locinfo@std@@QEAA@XZ", zero},
    {"_Mtx_init", zero},
    {"_Mtx_destroy", zero},
};

}  // namespace

std::span<const ModelEntry> model_libcxx() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
