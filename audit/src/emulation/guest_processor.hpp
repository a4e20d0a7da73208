// guest_processor.hpp: the processor of a guest: Unicorn with its registers and the hooks through which it calls us,
// the run that is under way, and calls from and to the program. It uses a GuestMemory by its functions.
//
// Other images get a new emulator: there is no other way to be sure that no register and no translated code of an
// earlier one is met. Further runs of the same images go on with the one that has their code translated already
// (guest_rewind.cpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "emulation/cpu.hpp"
#include "emulation/guest_effort.hpp"
#include "emulation/guest_memory.hpp"

// Unicorn's.
struct uc_struct;
struct uc_context;

namespace interlock::auditing::emulation {

/// Why the processor stopped.
enum class Stop : std::uint8_t {
    returned,      ///< the function came back
    asked,         ///< a stand-in called stop()
    fault,         ///< memory that is not there, or an instruction that does not exist
    instructions,  ///< the budget is used up
    memory,        ///< too much of the image or of the heap is in use
};

class GuestProcessor final : private MemoryUser {
public:
    /// Gets the number of a stand-in. See Guest::Handler.
    using Handler = std::function<void(std::uint32_t number)>;
    static constexpr std::uint32_t first_table = 1u << 31, system_call = ~0u;

    GuestProcessor(const Cpu& cpu, GuestMemory& memory, GuestEffort& effort);
    ~GuestProcessor() { close(); }
    GuestProcessor(const GuestProcessor&) = delete;
    GuestProcessor& operator=(const GuestProcessor&) = delete;

    // ---- from one load to the next (guest_processor.cpp, guest_rewind.cpp) ----
    /// One that has run nothing, for what is in the memory now.
    void open();
    /// Before the memory that it uses goes.
    void close() noexcept;
    /// What the last runs left is forgotten.
    void forget_runs();
    /// Whether it can be as after open() again, with the same images; and makes it so, but for what start() does.
    bool can_go_on() const;
    bool rewind();
    /// As the system hands it to a program.
    void start();

    // ---- runs (guest_processor.cpp) ----
    Stop run(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t budget,
             const Handler& handler);
    void stop();
    void out_of_memory() noexcept;
    const std::string& fault() const noexcept { return fault_; }
    std::uint64_t at() const noexcept { return at_; }
    void pretend_old(bool old) noexcept { old_ = old; }
    bool is_old() const noexcept { return old_; }
    bool was_asked() const noexcept { return asked_; }
    bool was_asked_for_cycles() const noexcept { return asked_cycles_; }
    bool used_foreign_variable() const noexcept { return used_foreign_variable_; }

    // ---- at a stand-in (guest_calls.cpp) ----
    std::uint64_t argument(unsigned index) const;
    std::uint64_t stack_argument(unsigned index) const;
    void set_result(std::uint64_t value) { pending_result_ = value; }
    void set_result_pair(std::uint64_t low, std::uint64_t high) {
        pending_result_ = low;
        pending_high_ = high;
    }
    std::uint64_t result() const;
    std::uint64_t structure_place() const;
    std::uint64_t table_of_addresses() const;
    std::uint64_t return_address() const;
    std::uint64_t system_call_number() const;
    void call(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value,
              std::function<void(std::uint64_t)> then);
    bool can_call_with(std::size_t arguments) const noexcept;
    void use_stack(std::uint16_t takes, bool object_in_register) noexcept {
        takes_ = takes;
        object_in_register_ = object_in_register;
    }

private:
    /// A call of the program that a stand-in waits for.
    struct Resumption {
        std::uint64_t return_address, value;
        std::uint64_t sp;  ///< at the stand-in, where that is where the return address lies
        std::uint16_t takes;
        std::function<void(std::uint64_t)> then;  ///< gets the result; without it `value` is returned
    };
    struct Hooks;  // guest_hooks.cpp

    // MemoryUser
    bool add_chunk(std::uint64_t address, std::uint8_t* bytes) override;
    bool remove_chunk(std::uint64_t address) override;
    void watch_page(std::uint64_t page) override;
    void fail_for_memory() noexcept override { stop_ = Stop::memory; }
    void end_for_memory() noexcept override { out_of_memory(); }

    // What of the memory can be used, and how (guest_hooks.cpp).
    bool notices_reads() const noexcept { return cpu_.architecture != image::Architecture::s390x; }
    void map_regions();
    void map(const Region& region, std::uint64_t address, std::uint64_t size, std::uint32_t allowed) const;
    bool map_chunk(std::uint64_t begin, std::uint8_t* bytes) const;
    std::uint32_t protection(std::uint64_t page) const;
    bool set_protection(std::uint64_t page, std::uint32_t allowed) const;
    void protect_watched() const;
    void add_hooks();
    void add_hook(int type, void* callback, std::uint64_t begin, std::uint64_t end);
    void shorten_blocks(std::uint64_t begin, const std::uint8_t* bytes);
    void notice_cycles(std::uint64_t begin, const std::uint8_t* bytes);

    // Registers (guest_registers.cpp)
    void set(int reg, std::uint64_t value) const;
    std::uint64_t get(int reg) const;
    void prepare_processor() const;
    void set_segments() const;
    void set_thread_pointer() const;
    void set_windows_thread() const;
    void prepare_s390x();
    void answer_cpuid();
    std::string what_it_ran(bool invalid) const;

    void keep();
    std::uint64_t debug_control() const;
    bool forget_translated_addresses();

    void arrive_at_stand_in(std::uint64_t address);
    void spoil() noexcept { spoiled_ = true; }
    void call_stand_in(std::uint32_t number);
    void pass_system_call_on();
    void end(Stop stop) noexcept;
    void end_with_exception() noexcept;
    void forget_result() noexcept;
    void put_result();
    void take_arguments_off();
    void leave_resumption();
    void go_on(Resumption last);

    static void check(int error, const char* what);

    const Cpu& cpu_;
    GuestMemory& memory_;
    GuestEffort& effort_;
    uc_struct* uc_ = nullptr;
    uc_context* reset_state_ = nullptr;  ///< of a processor that has run nothing
    GuestLimits opened_with_;
    bool old_ = false, opened_old_ = false;
    std::uint64_t breakpoints_ = 0;

    const Handler* handler_ = nullptr;
    std::exception_ptr thrown_;
    std::vector<Resumption> resumptions_;
    std::optional<std::uint64_t> pending_result_, pending_high_;
    std::uint16_t takes_ = 0;
    bool object_in_register_ = false;
    std::uint64_t target_ = 0;          ///< where a stand-in goes, on processors with a link register
    std::uint32_t called_ = 0;          ///< what data_call stands for
    std::uint64_t block_ = 0, at_ = 0;  // where the block that runs begins; where the last run ended
    Stop stop_ = Stop::returned;
    std::string fault_;
    bool asked_ = false, asked_cycles_ = false, used_foreign_variable_ = false;
    bool broken_ = false;   ///< after a fault the emulator is not to be trusted
    bool spoiled_ = false;  ///< code was translated that is not an image's
};

}  // namespace interlock::auditing::emulation
