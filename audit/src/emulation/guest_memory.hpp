// guest_memory.hpp: the memory of a guest: its images, the stand-ins, objects, the heap, what the system maps, and what
// is known of who wrote and read there. It knows the processor as one who is told (MemoryUser), and nothing of runs.
//
// Images are taken in by chunks: the first access to a chunk copies and relocates it. An init function touches a few
// of them, of libraries that may have hundreds of megabytes.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulation/cpu.hpp"
#include "emulation/guest_effort.hpp"
#include "emulation/guest_limits.hpp"
#include "emulation/guest_map.hpp"
#include "emulation/guest_region.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// Where a guest has a module that is alone: guest address minus file address.
std::uint64_t slide_of_module(const image::Image& image) noexcept;

/// Who uses a memory, and is told when there is more or less of it.
class MemoryUser {
public:
    /// A chunk is there from now on. False if the user cannot have it.
    virtual bool add_chunk(std::uint64_t address, std::uint8_t* bytes) = 0;
    virtual bool remove_chunk(std::uint64_t address) = 0;
    /// Of this page it is to be noticed when something is read there.
    virtual void watch_page(std::uint64_t page) = 0;
    /// There is no room for what is needed: the access fails; nothing goes on.
    virtual void fail_for_memory() noexcept = 0;
    virtual void end_for_memory() noexcept = 0;

protected:
    ~MemoryUser() = default;
};

class GuestMemory {
public:
    using AddressOfImport = std::function<std::uint64_t(std::size_t image, std::uint32_t import)>;

    GuestMemory(const Cpu& cpu, GuestEffort& effort) : cpu_(cpu), effort_(effort) {}
    GuestMemory(const GuestMemory&) = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;
    /// Once, before anything else.
    void set_user(MemoryUser& user) { user_ = &user; }

    // ---- from one load to the next (guest_images.cpp, guest_rewind.cpp) ----
    /// Nothing is left of images. Their user has forgotten the memory.
    void forget_images();
    void forget_chunks();
    /// Zeros everywhere, but for the images. On another machine addresses are others.
    void clear(bool other_machine);
    /// Gives the images their places. False if they do not fit.
    bool place(std::span<const image::Image* const> images);
    void set_imports(const AddressOfImport& address_of_import);
    /// Takes in the images as a whole. False if they are too large.
    bool take_in_all();
    /// The initial values of thread-local variables, and what the system keeps of a thread.
    bool fill_thread_area();
    /// What other functions left on the stack below `sp`. Says how far down the stack begins then.
    std::uint64_t fill_stack_with_rubbish(std::uint64_t sp);
    /// Whether its chunks are worth keeping for these images.
    bool can_go_on_with(std::span<const image::Image* const> images) const;
    /// What map() gave is gone, and nothing is watched. False if the user cannot do without.
    bool drop_mappings();
    void forget_watched() { watched_.clear(); }
    void forget_places() { images_.clear(); }
    /// The chunks as they are after a load. False if code would have to change.
    bool refill_chunks();

    // ---- images ----
    /// Null before there are any.
    const image::Image* module() const noexcept { return images_.empty() ? nullptr : images_.front().image; }
    std::uint64_t to_guest(std::uint64_t file_address, std::size_t image) const noexcept {
        return file_address + images_[image].slide;
    }
    std::optional<std::uint64_t> to_file(std::uint64_t address, std::size_t image) const noexcept;
    std::optional<std::size_t> image_at(std::uint64_t address) const noexcept;
    bool may_have_code(std::uint64_t address, std::uint64_t size) const;
    std::uint64_t tls_block(std::size_t image) const noexcept { return images_[image].tls_block; }
    std::uint64_t tls_of_import(std::string_view name) const;

    // ---- what is made (guest_allocations.cpp) ----
    std::uint64_t new_stand_in();
    std::uint32_t stand_in_count() const noexcept { return stand_in_count_; }
    std::uint64_t new_unknown();
    void unknown_variables_are_zero(bool zero) { zero_variables_ = zero; }
    std::uint64_t new_table();
    std::uint64_t new_object(std::uint64_t size);
    std::uint64_t new_seen_object(std::uint64_t size);
    std::uint64_t new_text(std::string_view text);
    std::uint64_t new_watched_variable();
    std::uint64_t new_watched_text(std::string_view open, std::string_view watched);
    std::uint64_t allocate(std::uint64_t size);
    std::uint64_t allocate_aligned(std::uint64_t size, std::uint64_t alignment);
    std::uint64_t allocated_size(std::uint64_t address) const noexcept;
    /// Memory that was given back: the next one who asks for as much gets it. 0 without any.
    void give_back(std::uint64_t address) { given_back_[allocated_size(address)].push_back(address); }
    std::uint64_t take_given_back(std::uint64_t size);
    std::uint64_t map(std::uint64_t size, std::uint64_t alignment);
    std::uint64_t mapped_size(std::uint64_t address) const noexcept;
    void clear_mapping(std::uint64_t address, std::uint64_t size);

    // ---- reading and writing (guest_memory.cpp); it counts as work ----
    bool read(std::uint64_t address, void* to, std::uint64_t size) { return access(address, to, size, false); }
    bool write(std::uint64_t address, const void* from, std::uint64_t size) {
        return access(address, const_cast<void*>(from), size, true);
    }
    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size);
    std::optional<std::uint64_t> word(std::uint64_t address) { return number(address, cpu_.word()); }
    bool set_number(std::uint64_t address, std::uint64_t value, unsigned size);
    bool set_word(std::uint64_t address, std::uint64_t value) { return set_number(address, value, cpu_.word()); }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit);

    // ---- who wrote, and who read ----
    bool is_written(std::uint64_t address, std::uint64_t size) const {
        return !seen_.contains(address, size) || was_written(address - GuestMap::seen, size);
    }
    void forget_written(std::uint64_t address, std::uint64_t size) {
        if (seen_.contains(address, size)) mark_written(address - GuestMap::seen, size, false);
    }
    bool read_unwritten() const noexcept { return read_unwritten_; }
    void watch(std::uint64_t page);
    bool is_watched(std::uint64_t page) const { return watched_.contains(page); }
    bool was_read(std::uint64_t page) const noexcept;
    /// Watched pages, and whether something was read there.
    const std::map<std::uint64_t, bool>& watched() const noexcept { return watched_; }
    /// The program has read there. Where that is in a watched page, the page.
    std::optional<std::uint64_t> note_read(std::uint64_t address);
    /// The program reads and writes what is seen, by its place there.
    std::uint64_t read_seen(std::uint64_t offset, unsigned size);
    void write_seen(std::uint64_t offset, unsigned size, std::uint64_t value);

    // ---- for the user ----
    std::array<const Region*, 7> regions() const {
        return {&stand_ins_, &tables_, &objects_, &seen_, &heap_, &stack_, &tls_};
    }
    const Region& stand_ins() const noexcept { return stand_ins_; }
    const Region& tables() const noexcept { return tables_; }
    const Region& seen() const noexcept { return seen_; }
    const Region& stack() const noexcept { return stack_; }
    const Region& tls() const noexcept { return tls_; }
    const std::map<std::uint64_t, Chunk>& chunks() const noexcept { return chunks_; }
    /// The bytes of the chunk with this address, which the user may have been told of only now; null if there is none.
    std::uint8_t* chunk_at(std::uint64_t address);
    /// Whether there could be one.
    bool has_place_for(std::uint64_t address) const noexcept {
        return placed_at(address) != nullptr || mapped_size(address) != 0;
    }

private:
    /// An image at its place.
    struct Placed {
        const image::Image* image = nullptr;
        std::size_t number = 0;  ///< 0 is the module
        std::uint64_t base = 0, span = 0;
        std::uint64_t slide = 0;                  ///< guest address minus file address
        std::uint64_t tls_block = 0;              ///< where its thread-local block begins, seen from the thread pointer
        std::vector<std::uint64_t> imports = {};  ///< guest addresses

        bool contains(std::uint64_t address) const noexcept { return address >= base && address - base < span; }
    };

    bool access(std::uint64_t address, void* data, std::uint64_t size, bool store);
    const Placed* placed_at(std::uint64_t address) const noexcept {
        for (const Placed& placed : images_)
            if (placed.contains(address)) return &placed;
        return nullptr;
    }
    void fill(const Placed& placed, std::uint64_t begin, std::uint8_t* bytes) const;
    void apply(const Placed& placed, const image::Fixup& fixup, std::uint64_t chunk, std::uint8_t* bytes) const;
    std::uint64_t value_of(const Placed& placed, const image::Fixup& fixup) const;
    std::uint64_t offset_in_block(const Placed& placed, const image::Fixup& fixup) const;
    void store(std::uint64_t chunk, std::uint8_t* bytes, std::uint64_t address, std::uint64_t value,
               unsigned size) const;
    Chunk new_chunk();
    void mark_written(std::uint64_t offset, std::uint64_t size, bool written);
    bool was_written(std::uint64_t offset, std::uint64_t size) const;

    const Cpu& cpu_;
    GuestEffort& effort_;
    MemoryUser* user_ = nullptr;

    Region stand_ins_{GuestMap::stand_ins, GuestMap::stand_ins_size};
    Region tables_{GuestMap::tables, GuestMap::tables_size};
    Region objects_{GuestMap::objects, GuestMap::objects_size};
    Region seen_{GuestMap::seen, GuestMap::seen_size};
    Region heap_{GuestMap::heap, GuestMap::heap_size};
    Region stack_{GuestMap::stack, GuestMap::stack_size};
    Region tls_{GuestMap::tls, GuestMap::tls_size};

    std::vector<Placed> images_;
    bool other_machine_ = false;
    mutable std::unordered_map<std::string_view, std::uint64_t> tls_imports_;  ///< numbers; names are the images'
    std::map<std::uint64_t, Chunk> chunks_;
    Chunk spare_;
    std::uint32_t stand_in_count_ = 0, unknown_count_ = 0, table_count_ = 0;
    bool zero_variables_ = false;
    std::uint64_t objects_used_ = 0, seen_used_ = 0, heap_used_ = 0;
    std::vector<std::uint8_t> seen_written_;  ///< a bit for each byte that is in use
    bool read_unwritten_ = false;
    std::map<std::uint64_t, bool> watched_;  ///< pages, and whether something was read there
    std::unordered_map<std::uint64_t, std::uint64_t> allocations_;
    std::map<std::uint64_t, std::vector<std::uint64_t>> given_back_;  ///< by size
    std::map<std::uint64_t, std::uint64_t> mappings_;                 ///< of map(): sizes by address
    std::uint64_t space_used_ = 0;                                    ///< bytes of address space that they use
    bool rubbish_on_stack_ = false;
};

}  // namespace interlock::auditing::emulation
