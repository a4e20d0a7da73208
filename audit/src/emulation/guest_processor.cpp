// guest_processor.cpp: opens the emulator, and runs functions in it.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_processor.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

namespace interlock::auditing::emulation {

namespace {

// The program counter is only up to date at the end of a block, and while each instruction has a hook. Such hooks would
// make other blocks, and one run would not be like the other: so faults have the address of their block.
bool is_about_memory(uc_err error) noexcept {
    switch (error) {
        case UC_ERR_READ_UNMAPPED:
        case UC_ERR_WRITE_UNMAPPED:
        case UC_ERR_FETCH_UNMAPPED:
        case UC_ERR_READ_PROT:
        case UC_ERR_WRITE_PROT:
        case UC_ERR_FETCH_PROT:
            return true;
        default:
            return false;
    }
}

}  // namespace

GuestProcessor::GuestProcessor(const Cpu& cpu, GuestMemory& memory, GuestEffort& effort)
    : cpu_(cpu), memory_(memory), effort_(effort) {
    memory.set_user(*this);
}

void GuestProcessor::check(int error, const char* what) {
    if (error != UC_ERR_OK)
        throw Failure({Errc::internal,
                       std::string("the emulator cannot ") + what + ": " + uc_strerror(static_cast<uc_err>(error))});
}

void GuestProcessor::open() {
    close();
    check(uc_open(static_cast<uc_arch>(cpu_.emulator_arch), static_cast<uc_mode>(cpu_.emulator_mode), &uc_), "open");
    if (cpu_.emulator_model >= 0) check(uc_ctl_set_cpu_model(uc_, cpu_.emulator_model), "choose a processor");
    map_regions();
    add_hooks();
    keep();
    start();
    broken_ = spoiled_ = false;
}

void GuestProcessor::close() noexcept {
    if (reset_state_ != nullptr) uc_context_free(reset_state_);
    reset_state_ = nullptr;
    if (uc_ != nullptr) uc_close(uc_);
    uc_ = nullptr;
}

void GuestProcessor::start() {
    protect_watched();
    prepare_processor();
    if (memory_.module() != nullptr) set_thread_pointer();
    if (cpu_.architecture == image::Architecture::s390x) prepare_s390x();
}

void GuestProcessor::forget_runs() {
    resumptions_.clear();
    asked_ = asked_cycles_ = used_foreign_variable_ = false;
    fault_.clear();
}

Stop GuestProcessor::run(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t budget,
                         const Handler& handler) {
    if (broken_) open();
    std::uint64_t sp = GuestMap::stack + GuestMap::stack_size - 0x10000;
    if (old_) sp -= memory_.fill_stack_with_rubbish(sp);
    for (const int reg : cpu_.arguments)
        if (reg != 0) set(reg, 0);
    for (unsigned i = 0; i < arguments.size(); ++i) {
        if (i < cpu_.argument_registers)
            set(cpu_.arguments[i], arguments[i]);
        else
            memory_.set_word(sp + cpu_.stack_arguments - (cpu_.link < 0 ? cpu_.word() : 0) +
                                 (i - cpu_.argument_registers) * cpu_.word(),
                             arguments[i]);
    }
    if (cpu_.link < 0) {
        sp -= cpu_.word();
        memory_.set_word(sp, end_of_run);
    } else {
        set(cpu_.link, end_of_run);
        sp -= cpu_.frame;
    }
    set(cpu_.sp, sp);
    handler_ = &handler;
    effort_.allow(budget);
    resumptions_.clear();
    pending_result_.reset();
    thrown_ = nullptr;
    block_ = function;
    stop_ = Stop::fault;
    fault_.clear();
    const uc_err error = uc_emu_start(uc_, function, 0xffff'ffff'ffff'fff0, 0, 0);
    effort_.allow_all();
    if (thrown_) std::rethrow_exception(thrown_);
    if (error != UC_ERR_OK && stop_ != Stop::memory) {
        stop_ = Stop::fault;
        if (fault_.empty())
            fault_ = error == UC_ERR_FETCH_PROT ? "runs data" : what_it_ran(error == UC_ERR_INSN_INVALID);
        if (fault_.empty()) fault_ = std::string("stops: ") + uc_strerror(error);
    }
    at_ = is_about_memory(error) ? block_ : get(cpu_.pc);
    broken_ = stop_ != Stop::returned && stop_ != Stop::asked;
    return stop_;
}

void GuestProcessor::end(Stop stop) noexcept {
    stop_ = stop;
    uc_emu_stop(uc_);
}

void GuestProcessor::stop() { end(Stop::asked); }

void GuestProcessor::out_of_memory() noexcept {
    stop_ = Stop::memory;
    if (uc_ != nullptr) uc_emu_stop(uc_);
}

}  // namespace interlock::auditing::emulation

#endif
