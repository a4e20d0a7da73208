// guest.cpp: runs functions of the image in the emulator.
//
// SPDX-License-Identifier: MIT
#include "emulation/guest.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include "emulation/guest_impl.hpp"

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

Guest::Guest(const Cpu& cpu) : cpu_(cpu), impl_(std::make_unique<Impl>(*this)) {}
Guest::~Guest() = default;

// What other functions left there. Says how far down the stack begins.
std::uint64_t Guest::fill_stack_with_rubbish(std::uint64_t sp) {
    constexpr std::uint64_t size = 32u << 10, further = 0x4c0;
    if (!impl_->rubbish_on_stack) std::memset(impl_->stack.at(sp - size, size), 0xa5, size);
    impl_->rubbish_on_stack = true;
    return further;
}

Stop Guest::run(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t budget,
                const Handler& handler) {
    Impl& impl = *impl_;
    if (impl.broken) impl.open();
    std::uint64_t sp = GuestMap::stack + GuestMap::stack_size - 0x10000;
    if (old_processor_) sp -= fill_stack_with_rubbish(sp);
    for (const int reg : cpu_.arguments)
        if (reg != 0) impl.set(reg, 0);
    for (unsigned i = 0; i < arguments.size(); ++i) {
        if (i < cpu_.argument_registers)
            impl.set(cpu_.arguments[i], arguments[i]);
        else
            set_word(sp + cpu_.stack_arguments - (cpu_.link < 0 ? cpu_.word() : 0) +
                         (i - cpu_.argument_registers) * cpu_.word(),
                     arguments[i]);
    }
    if (cpu_.link < 0) {
        sp -= cpu_.word();
        set_word(sp, end_of_run);
    } else {
        impl.set(cpu_.link, end_of_run);
        sp -= cpu_.frame;
    }
    impl.set(cpu_.sp, sp);
    impl.handler = &handler;
    impl.budget = spent() + budget;
    impl.resumptions.clear();
    pending_result_.reset();
    impl.thrown = nullptr;
    impl.block = function;
    impl.stop = Stop::fault;
    fault_.clear();
    const uc_err error = uc_emu_start(impl.uc, function, 0xffff'ffff'ffff'fff0, 0, 0);
    impl.budget = ~std::uint64_t{0};
    if (impl.thrown) std::rethrow_exception(impl.thrown);
    if (error != UC_ERR_OK && impl.stop != Stop::memory) {
        impl.stop = Stop::fault;
        if (fault_.empty())
            fault_ = error == UC_ERR_FETCH_PROT ? "runs data" : impl.what_it_ran(error == UC_ERR_INSN_INVALID);
        if (fault_.empty()) fault_ = std::string("stops: ") + uc_strerror(error);
    }
    impl.at = is_about_memory(error) ? impl.block : impl.get(cpu_.pc);
    impl.broken = impl.stop != Stop::returned && impl.stop != Stop::asked;
    return impl.stop;
}

std::uint64_t Guest::argument(unsigned index) {
    const Impl& impl = *impl_;
    if (object_in_register_) {
        if (index == 0) return impl.get(UC_X86_REG_ECX);
        --index;
    }
    if (index < cpu_.argument_registers) return impl.get(cpu_.arguments[index]);
    const std::uint64_t place =
        impl.get(cpu_.sp) + cpu_.stack_arguments + (index - cpu_.argument_registers) * cpu_.word();
    return word(place).value_or(0);
}

std::uint64_t Guest::stack_argument(unsigned index) {
    return word(impl_->get(cpu_.sp) + cpu_.stack_arguments + std::uint64_t{index} * cpu_.word()).value_or(0);
}

// Many processors have the result in the register of the first argument, which a function may still ask for.
void Guest::set_result(std::uint64_t value) { pending_result_ = value; }
std::uint64_t Guest::result() { return pending_result_ ? *pending_result_ : impl_->get(cpu_.result); }

std::uint64_t Guest::system_call_number() { return impl_->get(UC_X86_REG_RAX); }

std::uint64_t Guest::table_of_addresses() {
    return cpu_.architecture == image::Architecture::s390x ? impl_->get(UC_S390X_REG_R12) : 0;
}

std::uint64_t Guest::return_address() {
    return cpu_.link < 0 ? word(impl_->get(cpu_.sp)).value_or(0) : impl_->get(cpu_.link);
}

void Guest::set_result_pair(std::uint64_t low, std::uint64_t high) {
    pending_result_ = low;
    pending_high_ = high;
}

std::uint64_t Guest::structure_place() { return cpu_.structure < 0 ? 0 : impl_->get(cpu_.structure); }

void Guest::call_first(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value) {
    pending_result_.reset();
    pending_high_.reset();
    impl_->call_first(function, arguments, value);
}

void Guest::call_then(std::uint64_t function, std::span<const std::uint64_t> arguments,
                      std::function<void(std::uint64_t)> then) {
    pending_result_.reset();
    pending_high_.reset();
    impl_->call_first(function, arguments, 0, std::move(then));
}

bool Guest::can_call_with(std::size_t arguments) const noexcept {
    const unsigned registers = cpu_.argument_registers == 0 ? most_arguments_called : cpu_.argument_registers;
    return arguments <= std::min(registers, most_arguments_called);
}

void Guest::stop() {
    impl_->stop = Stop::asked;
    uc_emu_stop(impl_->uc);
}

void Guest::out_of_memory() {
    impl_->stop = Stop::memory;
    if (impl_->uc != nullptr) uc_emu_stop(impl_->uc);
}

std::uint64_t Guest::at() const noexcept { return impl_->at; }
bool Guest::used_up() const noexcept { return spent() > impl_->budget; }

}  // namespace interlock::auditing::emulation

#endif
