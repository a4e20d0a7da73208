// guest_calls.cpp: calls of a program that arrive at a stand-in, and calls from there into the program.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest_processor.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <unicorn/unicorn.h>

#include <algorithm>

namespace interlock::auditing::emulation {

namespace {

constexpr unsigned most_arguments_called = 6;  // by a stand-in

}  // namespace

void GuestProcessor::arrive_at_stand_in(std::uint64_t address) {
    if (address >= GuestMap::tables) {
        // What lies there is data. The call goes on where there is code that returns.
        if (address % GuestMap::table_size != 0) return spoil();
        called_ = first_table + static_cast<std::uint32_t>((address - GuestMap::tables) / GuestMap::table_size);
        return set(cpu_.pc, data_call);
    }
    if (address % GuestMap::stand_in_size != 0) return spoil();
    const auto own_number = static_cast<std::uint32_t>((address - GuestMap::stand_ins) / GuestMap::stand_in_size);
    if (own_number >= GuestMap::first_unknown && address < empty_text) {
        called_ = own_number;
        return set(cpu_.pc, data_call);
    }
    if (address == end_of_run) return end(Stop::returned);
    if (address < empty_text && own_number >= memory_.stand_in_count()) spoil();
    target_ = cpu_.link < 0 ? 0 : get(cpu_.link);
    try {
        if (address == resume)
            leave_resumption();
        else
            call_stand_in(address == data_call ? called_ : own_number);
    } catch (...) {
        end_with_exception();
    }
    if (cpu_.jump >= 0) set(cpu_.jump, target_);
}

void GuestProcessor::call_stand_in(std::uint32_t number) {
    const std::size_t before = resumptions_.size();
    use_stack(0, false);
    forget_result();
    (*handler_)(number);
    effort_.charge(per_call);
    put_result();
    if (resumptions_.size() == before) take_arguments_off();
}

// What is thrown must not pass through the emulator.
void GuestProcessor::end_with_exception() noexcept {
    thrown_ = std::current_exception();
    end(Stop::asked);
}

std::uint64_t GuestProcessor::argument(unsigned index) const {
    if (object_in_register_) {
        if (index == 0) return get(UC_X86_REG_ECX);
        --index;
    }
    if (index < cpu_.argument_registers) return get(cpu_.arguments[index]);
    const std::uint64_t place = get(cpu_.sp) + cpu_.stack_arguments + (index - cpu_.argument_registers) * cpu_.word();
    return memory_.word(place).value_or(0);
}

std::uint64_t GuestProcessor::stack_argument(unsigned index) const {
    return memory_.word(get(cpu_.sp) + cpu_.stack_arguments + std::uint64_t{index} * cpu_.word()).value_or(0);
}

// Many processors have the result in the register of the first argument, which a function may still ask for.
std::uint64_t GuestProcessor::result() const { return pending_result_ ? *pending_result_ : get(cpu_.result); }

std::uint64_t GuestProcessor::structure_place() const { return cpu_.structure < 0 ? 0 : get(cpu_.structure); }

std::uint64_t GuestProcessor::table_of_addresses() const {
    return cpu_.architecture == image::Architecture::s390x ? get(UC_S390X_REG_R12) : 0;
}

std::uint64_t GuestProcessor::return_address() const {
    return cpu_.link < 0 ? memory_.word(get(cpu_.sp)).value_or(0) : get(cpu_.link);
}

std::uint64_t GuestProcessor::system_call_number() const { return get(UC_X86_REG_RAX); }

bool GuestProcessor::can_call_with(std::size_t arguments) const noexcept {
    const unsigned registers = cpu_.argument_registers == 0 ? most_arguments_called : cpu_.argument_registers;
    return arguments <= std::min(registers, most_arguments_called);
}

void GuestProcessor::forget_result() noexcept {
    pending_result_.reset();
    pending_high_.reset();
}

void GuestProcessor::put_result() {
    if (pending_result_) set(cpu_.result, *pending_result_);
    if (pending_high_ && cpu_.result_high != 0) set(cpu_.result_high, *pending_high_);
    forget_result();
}

// The fourth argument is in another register than that of a call, which is not kept anyway.
void GuestProcessor::pass_system_call_on() {
    set(UC_X86_REG_RCX, get(UC_X86_REG_R10));
    try {
        use_stack(0, false);
        (*handler_)(system_call);
        effort_.charge(per_call);
        put_result();
    } catch (...) {
        end_with_exception();
    }
}

// What takes its arguments off the stack returns to its caller from where the last one lies.
void GuestProcessor::take_arguments_off() {
    if (takes_ == 0 || cpu_.link >= 0) return;
    const std::uint64_t sp = get(cpu_.sp), back = return_address();
    memory_.set_word(sp + takes_, back);
    set(cpu_.sp, sp + takes_);
}

// The stand-in was entered as by a call; the call to `function` comes back to `resume`, and from there to the
// caller.
void GuestProcessor::call(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value,
                          std::function<void(std::uint64_t)> then) {
    const Cpu& cpu = cpu_;
    forget_result();
    const std::uint64_t sp = cpu.link < 0 ? get(cpu.sp) : 0;
    constexpr std::size_t deepest = 10'000;  // functions that call each other by way of the interpreter, without end
    if (resumptions_.size() >= deepest) return out_of_memory();
    resumptions_.push_back({return_address(), value, sp, takes_, std::move(then)});
    if (cpu.link < 0) {
        std::uint64_t top = sp;
        // Arguments lie behind the return address; nobody puts back the words of the caller there, so room is made
        // below them. `sp` comes back by itself, whoever takes the arguments off.
        if (cpu.argument_registers == 0) {
            top = sp - 48;
            for (unsigned i = 0; i < std::min<std::size_t>(arguments.size(), most_arguments_called); ++i)
                memory_.set_word(top + (i + 1) * cpu.word(), arguments[i]);
        }
        memory_.set_word(top, resume);
        top -= cpu.word();
        memory_.set_word(top, function);
        set(cpu.sp, top);
    } else {
        set(cpu.link, resume);
        target_ = function;
    }
    const std::size_t in_registers = std::min<std::size_t>(cpu.argument_registers, most_arguments_called);
    for (unsigned i = 0; i < std::min(arguments.size(), in_registers); ++i) set(cpu.arguments[i], arguments[i]);
}

void GuestProcessor::leave_resumption() {
    const Cpu& cpu = cpu_;
    if (resumptions_.empty()) {
        fault_ = "returns to where it did not come from";
        return end(Stop::fault);
    }
    Resumption last = std::move(resumptions_.back());
    resumptions_.pop_back();
    if (last.then) return go_on(std::move(last));
    set(cpu.result, last.value);
    if (cpu.link < 0) {
        memory_.set_word(last.sp + last.takes, last.return_address);
        set(cpu.sp, last.sp + last.takes);
    } else {
        set(cpu.link, last.return_address);
        target_ = last.return_address;
    }
}

// All is again as it was when the stand-in was entered, but for the arguments.
void GuestProcessor::go_on(Resumption last) {
    const Cpu& cpu = cpu_;
    const std::uint64_t returned = get(cpu.result);
    if (cpu.link < 0) {
        memory_.set_word(last.sp, last.return_address);
        set(cpu.sp, last.sp);
    } else {
        set(cpu.link, last.return_address);
        target_ = last.return_address;
    }
    use_stack(last.takes, false);
    forget_result();
    const std::size_t before = resumptions_.size();
    last.then(returned);
    effort_.charge(per_call);
    if (resumptions_.size() != before) return;
    put_result();
    take_arguments_off();
}

}  // namespace interlock::auditing::emulation

#endif
