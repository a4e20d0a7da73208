// guest.hpp: a machine of its own for the init function of a module: an emulated processor, the module's image, a heap,
// a stack, and stand-ins for everything that the image imports. Nothing that runs there reaches this process: each call
// out of the image ends in a stand-in, and each address in memory that belongs to the guest alone. GuestMemory is what
// it has, GuestProcessor what it does; this puts them together.
//
// Guest addresses (the processor's) differ from file addresses (image.hpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "emulation/cpu.hpp"
#include "emulation/guest_effort.hpp"
#include "emulation/guest_map.hpp"
#include "emulation/guest_memory.hpp"
#include "emulation/guest_processor.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// One at a time is used by a thread. Each load() begins with a processor that has run nothing and with empty memory,
/// so nothing that ran before can be noticed; of the same images once more only the translated code is kept. Not for
/// several threads at once.
class Guest {
public:
    /// Called when the processor arrives at stand-in `number`, or at table `number - first_table`; sets the result. The
    /// thread of run() calls it.
    using Handler = GuestProcessor::Handler;

    explicit Guest(const Cpu& cpu) : cpu_(cpu), memory_(cpu, effort_), processor_(cpu, memory_, effort_) {}
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    const Cpu& cpu() const noexcept { return cpu_; }

    /// Takes images in, without copying all of them: what is touched is copied and relocated. The first is the
    /// module's, the others are libraries that it is linked to; all outlive their use. False if they do not fit, or
    /// their thread-local blocks are too large. `address_of_import` says where an import of an image is to point; by
    /// then all have their addresses.
    bool load(std::span<const image::Image* const> images, const GuestMemory::AddressOfImport& address_of_import);
    /// The images need not exist any more, and nothing of them is kept.
    void forget_images();
    /// Guest address of a file address, and back (nullopt for what is not in that image).
    std::uint64_t to_guest(std::uint64_t file_address, std::size_t image = 0) const noexcept {
        return memory_.to_guest(file_address, image);
    }
    std::optional<std::uint64_t> to_file(std::uint64_t address, std::size_t image = 0) const noexcept {
        return memory_.to_file(address, image);
    }
    /// In which image an address is.
    std::optional<std::size_t> image_at(std::uint64_t address) const noexcept { return memory_.image_at(address); }

    /// Makes a new stand-in; its number is 0 for the first after load().
    std::uint64_t new_stand_in() { return memory_.new_stand_in(); }
    /// One for what may be a function or a variable; the number of the first is first_unknown. What is in it as a
    /// variable is made up. These lie apart: where nothing was called, each access is noticed.
    std::uint64_t new_unknown() { return memory_.new_unknown(); }
    static constexpr std::uint32_t first_unknown = GuestMap::first_unknown;
    /// Memory of GuestMap::table_size bytes that can be called like a stand-in, and written like any other. 0 when
    /// there is no more.
    std::uint64_t new_table() { return memory_.new_table(); }
    static constexpr std::uint32_t first_table = GuestProcessor::first_table;
    /// For the handler: the program calls Linux by itself, on x86-64. Arguments are as in a call; the number is this.
    static constexpr std::uint32_t system_call = GuestProcessor::system_call;
    std::uint64_t system_call_number() const { return processor_.system_call_number(); }

    /// Memory for an object of the interpreter, zeroed. 0 when there is no more; the run ends then (Stop::memory).
    std::uint64_t new_object(std::uint64_t size) { return memory_.new_object(size); }
    /// The same for an object that is only known in part: read_unwritten() says when the program has read something of
    /// it that was not written before, by itself or by set_word() and the like.
    std::uint64_t new_seen_object(std::uint64_t size) { return memory_.new_seen_object(size); }
    bool is_written(std::uint64_t address, std::uint64_t size) const { return memory_.is_written(address, size); }
    /// As if it had not been written; what lies there stays.
    void forget_written(std::uint64_t address, std::uint64_t size) { memory_.forget_written(address, size); }
    bool read_unwritten() const noexcept { return memory_.read_unwritten(); }
    /// Memory of the heap, zeroed, aligned to 16. 0 when `size` is absurd, as on a real machine; when there is no more,
    /// and a real machine might have had it, the run ends as well.
    std::uint64_t allocate(std::uint64_t size) { return memory_.allocate(size); }
    /// The same at a multiple of `alignment`, a power of two.
    std::uint64_t allocate_aligned(std::uint64_t size, std::uint64_t alignment) {
        return memory_.allocate_aligned(size, alignment);
    }
    std::uint64_t allocated_size(std::uint64_t address) const noexcept { return memory_.allocated_size(address); }
    /// Memory that was given back, for the next one who asks for as much; 0 without any.
    void give_back(std::uint64_t address) { memory_.give_back(address); }
    std::uint64_t take_given_back(std::uint64_t size) { return memory_.take_given_back(size); }
    /// Address space as the system gives it, zeroed, aligned to `alignment` (a power of two) and to 64 KiB. What is not
    /// touched costs nothing. 0 when there is no more.
    std::uint64_t map(std::uint64_t size, std::uint64_t alignment = 0) { return memory_.map(size, alignment); }
    /// How much of this lies from an address on in what map() gave at once; 0 for other memory.
    std::uint64_t mapped_size(std::uint64_t address) const noexcept { return memory_.mapped_size(address); }
    /// Makes what lies there in such memory zeros again.
    void clear_mapping(std::uint64_t address, std::uint64_t size) { memory_.clear_mapping(address, size); }

    /// Where an image's thread-local block begins, seen from the thread pointer.
    std::uint64_t tls_block(std::size_t image = 0) const noexcept { return memory_.tls_block(image); }
    /// Where a thread-local variable of this name lies that another library defines: one for all images.
    std::uint64_t tls_of_import(std::string_view name) const { return memory_.tls_of_import(name); }

    /// Reading and writing memory; false or nullopt when it is not there.
    bool read(std::uint64_t address, void* to, std::uint64_t size) { return memory_.read(address, to, size); }
    bool write(std::uint64_t address, const void* from, std::uint64_t size) {
        return memory_.write(address, from, size);
    }
    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) { return memory_.number(address, size); }
    std::optional<std::uint64_t> word(std::uint64_t address) { return memory_.word(address); }
    bool set_number(std::uint64_t address, std::uint64_t value, unsigned size) {
        return memory_.set_number(address, value, size);
    }
    bool set_word(std::uint64_t address, std::uint64_t value) { return memory_.set_word(address, value); }
    /// A zero-terminated text of at most `limit` bytes; nullopt when there is none.
    std::optional<std::string> text(std::uint64_t address, std::size_t limit = 4096) {
        return memory_.text(address, limit);
    }
    std::uint64_t new_text(std::string_view text) { return memory_.new_text(text); }

    /// Runs the function at a guest address with these arguments until it returns, or something else ends it.
    /// `handler` stands for what is outside of the image.
    Stop run(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t budget,
             const Handler& handler) {
        return processor_.run(function, arguments, budget, handler);
    }

    // For handlers, at a stand-in:
    std::uint64_t argument(unsigned index) const { return processor_.argument(index); }
    /// A word of what the caller put on the stack, from the first argument that is there.
    std::uint64_t stack_argument(unsigned index) const { return processor_.stack_argument(index); }
    void set_result(std::uint64_t value) { processor_.set_result(value); }
    /// Results of two words: a number of 64 bits on a processor with 32, two pointers.
    void set_result_pair(std::uint64_t low, std::uint64_t high) { processor_.set_result_pair(low, high); }
    /// Where the caller wants a structure to be, on processors with a register for that; 0 elsewhere: it is argument 0.
    std::uint64_t structure_place() const { return processor_.structure_place(); }
    std::uint64_t result() const { return processor_.result(); }
    /// On S/390, where the caller keeps its table of addresses (the GOT); 0 elsewhere.
    std::uint64_t table_of_addresses() const { return processor_.table_of_addresses(); }
    /// Where the call came from (guest address behind the call).
    std::uint64_t return_address() const { return processor_.return_address(); }
    /// Lets the guest run `function` before the stand-in returns with `value`.
    void call_first(std::uint64_t function, std::uint64_t argument, std::uint64_t value) {
        call_first(function, std::array{argument}, value);
    }
    /// As many arguments as can_call_with() takes; what is more is left out.
    void call_first(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value) {
        processor_.call(function, arguments, value, {});
    }
    /// The same; `then` gets what the function returns, and sets a result, or lets the guest run another one. By then
    /// the arguments of the stand-in are gone. Of arguments there are as many as can_call_with() takes.
    void call_then(std::uint64_t function, std::span<const std::uint64_t> arguments,
                   std::function<void(std::uint64_t)> then) {
        processor_.call(function, arguments, 0, std::move(then));
    }
    bool can_call_with(std::size_t arguments) const noexcept { return processor_.can_call_with(arguments); }
    /// How the function at hand is called: bytes of arguments that it takes off the stack, on i386 (stdcall), and
    /// whether its first argument is in ecx (members of classes).
    void use_stack(std::uint16_t takes, bool object_in_register) { processor_.use_stack(takes, object_in_register); }
    void stop() { processor_.stop(); }
    /// Ends the run with Stop::memory.
    void out_of_memory() { processor_.out_of_memory(); }
    /// Work that was done for the guest counts like its own: about as many instructions.
    void charge(std::uint64_t instructions) { effort_.charge(instructions); }

    /// What cpuid answers: x86-64-v2, or the least that there is. And whether it was asked. With an old processor comes
    /// another machine: from the next load() on addresses are others, and memory that is not zeroed has something in
    /// it.
    void pretend_old_processor(bool old) { processor_.pretend_old(old); }
    bool asked_processor() const noexcept { return processor_.was_asked(); }
    /// Whether the program looked at the processor's counter of cycles. Only known of x86.
    bool asked_cycles() const noexcept { return processor_.was_asked_for_cycles(); }
    /// What is in such variables: a pointer to an empty text, or zeros.
    void foreign_variables_are_zero(bool zero) { memory_.unknown_variables_are_zero(zero); }
    /// Whether a variable was used that another library defines, and nothing is known of.
    bool used_foreign_variable() const noexcept { return processor_.used_foreign_variable(); }

    /// Whole pages of which it is noticed when the program reads there (was_read), up to the first time; and of what
    /// the model reads for it. Not on S/390, of which the emulator knows no protection.
    void watch(std::uint64_t page) { memory_.watch(page); }
    bool was_read(std::uint64_t page) const noexcept { return memory_.was_read(page); }
    /// A variable that is noticed like that, in a page of its own; zeros.
    std::uint64_t new_watched_variable() { return memory_.new_watched_variable(); }
    /// A text of which only the part behind `open` is watched; was_read() takes its end.
    std::uint64_t new_watched_text(std::string_view open, std::string_view watched) {
        return memory_.new_watched_text(open, watched);
    }
    /// Whether the program looked at what the C library keeps in front of a thread's block: the value that guards its
    /// stack. Only known of x86 and ELF.
    bool used_thread_head() const noexcept { return memory_.was_read(thread_area); }
    /// Whether the run ends as soon as the handler has returned: what takes long need not be done any more.
    bool used_up() const noexcept { return effort_.is_used_up(); }

    /// Counted while running, by the bytes of code in basic blocks: about as many instructions.
    std::uint64_t executed() const noexcept { return effort_.executed(); }
    /// The same, with what was charged.
    std::uint64_t spent() const noexcept { return effort_.spent(); }
    /// What went wrong at Stop::fault, as text: "reads 0x10, which is not mapped".
    const std::string& fault() const noexcept { return processor_.fault(); }
    /// Where run() ended. Of an access to memory that is not there it is the basic block.
    std::uint64_t at() const noexcept { return processor_.at(); }

private:
    const Cpu& cpu_;
    GuestEffort effort_;
    GuestMemory memory_;
    GuestProcessor processor_;  // behind the memory that it uses
};

}  // namespace interlock::auditing::emulation
