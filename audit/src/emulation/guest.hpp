// guest.hpp: a machine of its own for the init function of a module: an emulated processor, the module's image, a heap,
// a stack, and stand-ins for everything that the image imports. Nothing that runs there reaches this process: each call
// out of the image ends in a stand-in, and each address in memory that belongs to the guest alone.
//
// Guest addresses (the processor's) differ from file addresses (image.hpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulation/cpu.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// Where things are in the guest. All below 2 GiB, so that it serves 32-bit processors, too.
struct GuestMap {
    static constexpr std::uint64_t stand_ins = 0x6000'0000, stand_ins_size = 16u << 20;
    static constexpr std::uint64_t tables = 0x6100'0000, tables_size = 4u << 20, table_size = 4096;
    static constexpr std::uint64_t objects = 0x6200'0000, objects_size = 64u << 20;
    // Objects of the interpreter, of which it is noticed when somebody reads what nobody wrote.
    static constexpr std::uint64_t seen = 0x6600'0000, seen_size = 16u << 20;
    static constexpr std::uint64_t heap = 0x6800'0000, heap_size = 64u << 20;
    static constexpr std::uint64_t stack = 0x7000'0000, stack_size = 8u << 20;  // as most systems have it
    static constexpr std::uint64_t tls = 0x7200'0000, tls_size = 4u << 20;
    // What mmap() and the like give, of which only what is touched exists; on processors with 64 bits it lies higher.
    static constexpr std::uint64_t mappings_32 = 0x8000'0000, mappings_32_size = 0x6000'0000;
    static constexpr std::uint64_t mappings_64 = 0x7e00'0000'0000, mappings_64_size = 1ull << 40;
    static constexpr std::uint64_t stand_in_size = 64;
};

// What Windows calls the process, its thread and its heap here.
constexpr std::uint64_t windows_process = 4712, windows_thread_id = 4716, windows_heap = GuestMap::heap;

/// What all that a guest can touch takes of this process, at most.
inline constexpr std::uint64_t most_guest_memory = 224u << 20, least_guest_memory = 48u << 20;
/// Of these the guests of this process may use so many from their next load() on, and never less than the least. Where
/// that is too little the run ends as it does without memory (Stop::memory), and `guest_wanted_more()` is true from
/// then on, until the next call. Not for several threads at once.
void limit_guest_memory(std::uint64_t bytes) noexcept;
bool guest_wanted_more() noexcept;

/// Where a guest has a module that is alone: guest address minus file address.
std::uint64_t slide_of_module(const image::Image& image) noexcept;

/// Why the processor stopped.
enum class Stop : std::uint8_t {
    returned,      ///< the function came back
    asked,         ///< a stand-in called stop()
    fault,         ///< memory that is not there, or an instruction that does not exist
    instructions,  ///< the budget is used up
    memory,        ///< too much of the image or of the heap is in use
};

/// One at a time is used by a thread. Each load() begins with a processor that has run nothing and with empty memory,
/// so nothing that ran before can be noticed; of the same images once more only the translated code is kept. Not for
/// several threads at once.
class Guest {
public:
    /// Called when the processor arrives at stand-in `number`, or at table `number - first_table`; sets the result. The
    /// thread of run() calls it.
    using Handler = std::function<void(std::uint32_t number)>;

    explicit Guest(const Cpu& cpu);
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    const Cpu& cpu() const noexcept { return cpu_; }

    /// Takes images in, without copying all of them: what is touched is copied and relocated. The first is the
    /// module's, the others are libraries that it is linked to; all outlive their use. False if they do not fit, or
    /// their thread-local blocks are too large. `address_of_import` says where an import of an image is to point; by
    /// then all have their addresses.
    bool load(std::span<const image::Image* const> images,
              const std::function<std::uint64_t(std::size_t image, std::uint32_t import)>& address_of_import);
    /// The images need not exist any more, and nothing of them is kept.
    void forget_images();
    /// Guest address of a file address, and back (nullopt for what is not in that image).
    std::uint64_t to_guest(std::uint64_t file_address, std::size_t image = 0) const noexcept;
    std::optional<std::uint64_t> to_file(std::uint64_t address, std::size_t image = 0) const noexcept;
    /// In which image an address is.
    std::optional<std::size_t> image_at(std::uint64_t address) const noexcept;

    /// Makes a new stand-in; its number is 0 for the first after load().
    std::uint64_t new_stand_in();
    /// One for what may be a function or a variable; the number of the first is first_unknown. What is in it as a
    /// variable is made up. These lie apart: where nothing was called, each access is noticed.
    std::uint64_t new_unknown();
    static constexpr std::uint32_t first_unknown = 1u << 17;
    /// Memory of GuestMap::table_size bytes that can be called like a stand-in, and written like any other. 0 when
    /// there is no more.
    std::uint64_t new_table();
    static constexpr std::uint32_t first_table = 1u << 31;
    /// For the handler: the program calls Linux by itself, on x86-64. Arguments are as in a call; the number is this.
    static constexpr std::uint32_t system_call = ~0u;
    std::uint64_t system_call_number();

    /// Memory for an object of the interpreter, zeroed. 0 when there is no more; the run ends then (Stop::memory).
    std::uint64_t new_object(std::uint64_t size);
    /// The same for an object that is only known in part: read_unwritten() says when the program has read something of
    /// it that was not written before, by itself or by set_word() and the like.
    std::uint64_t new_seen_object(std::uint64_t size);
    bool is_written(std::uint64_t address, std::uint64_t size) const;
    /// As if it had not been written; what lies there stays.
    void forget_written(std::uint64_t address, std::uint64_t size);
    bool read_unwritten() const noexcept { return read_unwritten_; }
    /// Memory of the heap, zeroed, aligned to 16. 0 when `size` is absurd, as on a real machine; when there is no more,
    /// and a real machine might have had it, the run ends as well.
    std::uint64_t allocate(std::uint64_t size);
    /// The same at a multiple of `alignment`, a power of two.
    std::uint64_t allocate_aligned(std::uint64_t size, std::uint64_t alignment);
    std::uint64_t allocated_size(std::uint64_t address) const noexcept;
    /// Address space as the system gives it, zeroed, aligned to `alignment` (a power of two) and to 64 KiB. What is not
    /// touched costs nothing. 0 when there is no more.
    std::uint64_t map(std::uint64_t size, std::uint64_t alignment = 0);
    /// How much of this lies from an address on in what map() gave at once; 0 for other memory.
    std::uint64_t mapped_size(std::uint64_t address) const noexcept;
    /// Makes what lies there in such memory zeros again.
    void clear_mapping(std::uint64_t address, std::uint64_t size);

    /// Where an image's thread-local block begins, seen from the thread pointer.
    std::uint64_t tls_block(std::size_t image = 0) const noexcept;
    /// Where a thread-local variable of this name lies that another library defines: one for all images.
    std::uint64_t tls_of_import(std::string_view name) const;

    /// Reading and writing memory; false or nullopt when it is not there.
    bool read(std::uint64_t address, void* to, std::uint64_t size);
    bool write(std::uint64_t address, const void* from, std::uint64_t size);
    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size);
    std::optional<std::uint64_t> word(std::uint64_t address) { return number(address, cpu_.word()); }
    bool set_number(std::uint64_t address, std::uint64_t value, unsigned size);
    bool set_word(std::uint64_t address, std::uint64_t value) { return set_number(address, value, cpu_.word()); }
    /// A zero-terminated text of at most `limit` bytes; nullopt when there is none.
    std::optional<std::string> text(std::uint64_t address, std::size_t limit = 4096);
    std::uint64_t new_text(std::string_view text);

    /// Runs the function at a guest address with these arguments until it returns, or something else ends it.
    /// `handler` stands for what is outside of the image.
    Stop run(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t budget,
             const Handler& handler);

    // For handlers, at a stand-in:
    std::uint64_t argument(unsigned index);
    /// A word of what the caller put on the stack, from the first argument that is there.
    std::uint64_t stack_argument(unsigned index);
    void set_result(std::uint64_t value);
    /// Results of two words: a number of 64 bits on a processor with 32, two pointers.
    void set_result_pair(std::uint64_t low, std::uint64_t high);
    /// Where the caller wants a structure to be, on processors with a register for that; 0 elsewhere: it is argument 0.
    std::uint64_t structure_place();
    std::uint64_t result();
    /// On S/390, where the caller keeps its table of addresses (the GOT); 0 elsewhere.
    std::uint64_t table_of_addresses();
    /// Where the call came from (guest address behind the call).
    std::uint64_t return_address();
    /// Lets the guest run `function` before the stand-in returns with `value`.
    void call_first(std::uint64_t function, std::uint64_t argument, std::uint64_t value) {
        call_first(function, std::array{argument}, value);
    }
    /// As many arguments as can_call_with() takes; what is more is left out.
    void call_first(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value);
    /// The same; `then` gets what the function returns, and sets a result, or lets the guest run another one. By then
    /// the arguments of the stand-in are gone. Of arguments there are as many as can_call_with() takes.
    void call_then(std::uint64_t function, std::span<const std::uint64_t> arguments,
                   std::function<void(std::uint64_t)> then);
    bool can_call_with(std::size_t arguments) const noexcept;
    /// How the function at hand is called: bytes of arguments that it takes off the stack, on i386 (stdcall), and
    /// whether its first argument is in ecx (members of classes).
    void use_stack(std::uint16_t takes, bool object_in_register) {
        takes_ = takes;
        object_in_register_ = object_in_register;
    }
    void stop();
    /// Ends the run with Stop::memory.
    void out_of_memory();
    /// Work that was done for the guest counts like its own: about as many instructions.
    void charge(std::uint64_t instructions) { charged_ += instructions; }

    /// What cpuid answers: x86-64-v2, or the least that there is. And whether it was asked. With an old processor comes
    /// another machine: from the next load() on addresses are others, and memory that is not zeroed has something in
    /// it.
    void pretend_old_processor(bool old) { old_processor_ = old; }
    bool asked_processor() const noexcept { return asked_processor_; }
    /// Whether the program looked at the processor's counter of cycles. Only known of x86.
    bool asked_cycles() const noexcept { return asked_cycles_; }
    /// What is in such variables: a pointer to an empty text, or zeros.
    void foreign_variables_are_zero(bool zero) { zero_variables_ = zero; }
    /// Whether a variable was used that another library defines, and nothing is known of.
    bool used_foreign_variable() const noexcept { return used_foreign_variable_; }

    /// Whole pages of which it is noticed when the program reads there (was_read), up to the first time; and of what
    /// the model reads for it. Not on S/390, of which the emulator knows no protection.
    void watch(std::uint64_t page);
    bool was_read(std::uint64_t page) const noexcept;
    /// A variable that is noticed like that, in a page of its own; zeros.
    std::uint64_t new_watched_variable();
    /// A text of which only the part behind `open` is watched; was_read() takes its end.
    std::uint64_t new_watched_text(std::string_view open, std::string_view watched);
    /// Whether the program looked at what the C library keeps in front of a thread's block: the value that guards its
    /// stack. Only known of x86 and ELF.
    bool used_thread_head() const noexcept;
    /// Whether the run ends as soon as the handler has returned: what takes long need not be done any more.
    bool used_up() const noexcept;

    /// Counted while running, by the bytes of code in basic blocks: about as many instructions.
    std::uint64_t executed() const noexcept { return executed_; }
    /// The same, with what was charged.
    std::uint64_t spent() const noexcept { return executed_ + charged_; }
    /// What went wrong at Stop::fault, as text: "reads 0x10, which is not mapped".
    const std::string& fault() const noexcept { return fault_; }
    /// Where run() ended. Of an access to memory that is not there it is the basic block.
    std::uint64_t at() const noexcept;

private:
    struct Impl;
    struct Placed;
    bool access(std::uint64_t address, void* data, std::uint64_t size, bool store);
    bool place(std::span<const image::Image* const> images);
    bool fill_thread_area();
    std::uint64_t fill_stack_with_rubbish(std::uint64_t sp);
    void apply(const Placed& placed, const image::Fixup& fixup, std::uint64_t chunk, std::uint8_t* bytes);
    std::uint64_t value_of(const Placed& placed, const image::Fixup& fixup) const;
    std::uint64_t offset_in_block(const Placed& placed, const image::Fixup& fixup) const;
    void store(std::uint64_t chunk, std::uint8_t* bytes, std::uint64_t address, std::uint64_t value,
               unsigned size) const;

    const Cpu& cpu_;
    std::unique_ptr<Impl> impl_;
    std::uint32_t stand_in_count_ = 0, unknown_count_ = 0, table_count_ = 0;
    std::uint64_t executed_ = 0, charged_ = 0;
    bool old_processor_ = false, asked_processor_ = false, asked_cycles_ = false, read_unwritten_ = false,
         used_foreign_variable_ = false, zero_variables_ = false;
    std::optional<std::uint64_t> pending_result_, pending_high_;
    std::uint16_t takes_ = 0;
    bool object_in_register_ = false;
    std::string fault_;
};

}  // namespace interlock::auditing::emulation
