// guest_impl.hpp: the emulator behind a Guest: Unicorn, its memory, and the hooks through which it calls us.
//
// Images are taken in by chunks: the first access to a chunk copies and relocates it. An init function touches a few
// of them, of libraries that may have hundreds of megabytes. Other images get a new emulator: there is no other way to
// be sure that no register and no translated code of an earlier one is met. Further runs of the same images go on with
// the one that has their code translated already (guest_rewind.cpp).
//
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unicorn/unicorn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

#include "emulation/guest.hpp"
#include "emulation/hex_text.hpp"

namespace interlock::auditing::emulation {

constexpr std::uint64_t chunk_size = 64u << 10, max_chunks = 1024;  // 64 MiB of image in use

/// What limit_guest_memory() makes of its number. Stack, tables and thread-local data are always there.
struct GuestLimits {
    std::uint64_t heap = GuestMap::heap_size, objects = GuestMap::objects_size, chunks = max_chunks;
    bool wanted_more = false;
};
extern GuestLimits guest_limits;

constexpr std::uint64_t page_size = 4096;  // of the emulator
constexpr std::uint64_t base_32 = 0x0100'0000, limit_32 = GuestMap::stand_ins;
// Looks like an address of a real process: some programs use the upper half of an address for something else.
constexpr std::uint64_t base_64 = 0x7f10'0000'0000, limit_64 = 0x7fff'0000'0000;
constexpr std::uint64_t end_of_run = GuestMap::stand_ins + GuestMap::stand_ins_size - GuestMap::stand_in_size;
constexpr std::uint64_t resume = end_of_run - GuestMap::stand_in_size;
constexpr std::uint64_t data_call = resume - GuestMap::stand_in_size;  // calls of what may be written go on here
constexpr std::uint64_t empty_text = data_call - GuestMap::stand_in_size;
constexpr std::uint64_t unknown_stand_ins =
    GuestMap::stand_ins + std::uint64_t{Guest::first_unknown} * GuestMap::stand_in_size;
constexpr std::uint32_t max_unknown = (empty_text - unknown_stand_ins) / GuestMap::stand_in_size;
static_assert(unknown_stand_ins % 4096 == 0);
constexpr std::uint64_t per_call = 16;                   // instructions that a call of a stand-in counts for
constexpr unsigned most_arguments_called = 6;            // by a stand-in
constexpr std::uint64_t bytes_like_an_instruction = 16;  // of what is copied for the guest
constexpr std::uint64_t thread_area = GuestMap::tls + GuestMap::tls_size / 2;
constexpr std::uint64_t macos_thread = GuestMap::tls + GuestMap::tls_size / 8;  // words that macOS keeps for a thread

/// Anonymous memory of this process that serves as memory of the guest.
class Region {
public:
    Region(std::uint64_t address, std::uint64_t size) : address_(address), size_(size), room_(size) {
        void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        bytes_ = static_cast<std::uint8_t*>(memory);
    }
    ~Region() { munmap(bytes_, room_); }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;

    bool contains(std::uint64_t address, std::uint64_t size) const noexcept {
        return address >= address_ && address - address_ <= size_ && size <= size_ - (address - address_);
    }
    /// Through here goes each access to the memory: what a file makes of an address never leads out of it.
    std::uint8_t* at(std::uint64_t address, std::uint64_t size) const {
        if (!contains(address, size))
            throw Failure({Errc::internal, "the emulator uses " + hex_text(address) + ", where it has no memory"});
        return bytes_ + (address - address_);
    }
    std::uint64_t address() const noexcept { return address_; }
    std::uint64_t size() const noexcept { return size_; }
    /// Zeros again; gives the memory back.
    void clear() noexcept { madvise(bytes_, room_, MADV_DONTNEED); }
    /// Only so much of it can be used; the rest is not there for the guest.
    void limit(std::uint64_t size) noexcept { size_ = std::min(size, room_); }
    bool has_cut_off(std::uint64_t address) const noexcept {
        return address >= address_ + size_ && address < address_ + room_;
    }

private:
    std::uint64_t address_, size_, room_;
    std::uint8_t* bytes_;
};

struct FreeChunk {
    void operator()(std::uint8_t* chunk) const noexcept { std::free(chunk); }
};
using Chunk = std::unique_ptr<std::uint8_t, FreeChunk>;

struct Resumption {
    std::uint64_t return_address, value;
    std::uint64_t sp;  ///< at the stand-in, where that is where the return address lies
    std::uint16_t takes;
    std::function<void(std::uint64_t)> then;  ///< gets the result; without it `value` is returned
};

/// An image at its place.
struct Guest::Placed {
    const image::Image* image = nullptr;
    std::size_t number = 0;  ///< 0 is the module
    std::uint64_t base = 0, span = 0;
    std::uint64_t slide = 0;                  ///< guest address minus file address
    std::uint64_t tls_block = 0;              ///< where its thread-local block begins, seen from the thread pointer
    std::vector<std::uint64_t> imports = {};  ///< guest addresses

    bool contains(std::uint64_t address) const noexcept { return address >= base && address - base < span; }
};

struct Guest::Impl {
    explicit Impl(Guest& owner) : guest(owner) {}
    ~Impl() { close(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    std::array<Region*, 7> regions() { return {&stand_ins, &tables, &objects, &seen, &heap, &stack, &tls}; }

    void open() {
        close();
        const Cpu& cpu = guest.cpu_;
        check(uc_open(static_cast<uc_arch>(cpu.emulator_arch), static_cast<uc_mode>(cpu.emulator_mode), &uc), "open");
        if (cpu.emulator_model >= 0) check(uc_ctl_set_cpu_model(uc, cpu.emulator_model), "choose a processor");
        for (Region* region : regions()) {
            if (region == &seen && notices_reads()) {
                check(uc_mmio_map(uc, seen.address(), seen.size(), &on_seen_read, this, &on_seen_write, this),
                      "map memory");
                continue;
            }
            std::uint32_t allowed = UC_PROT_ALL;
            if (cpu.architecture == image::Architecture::s390x) {
                // Of which Unicorn 2.0 knows no protection.
            } else if (region == &stand_ins) {
                // What is read there is code of a stand-in, and not the variable that the module takes it for.
                if (!guest.used_foreign_variable_) allowed = UC_PROT_EXEC;
            } else if (region != &tables) {
                // A pointer that was made up leads to data; what lies there would run on and on.
                allowed = UC_PROT_READ | UC_PROT_WRITE;
            }
            // The head of the thread is watched in most runs. To take a page out of a mapping costs a visit to each of
            // its pages, so it is one of its own from the start.
            if (region == &tls) {
                map(*region, region->address(), thread_area - region->address(), allowed);
                map(*region, thread_area, page_size, allowed);
                map(*region, thread_area + page_size, region->address() + region->size() - thread_area - page_size,
                    allowed);
                continue;
            }
            map(*region, region->address(), region->size(), allowed);
        }
        for (const auto& [address, chunk] : chunks)
            if (!map_chunk(address, chunk.get())) check(UC_ERR_MAP, "map memory");
        for (const auto& [address, chunk] : chunks) shorten_blocks(address, chunk.get());
        protect_watched();
        add_hook(UC_HOOK_MEM_UNMAPPED, reinterpret_cast<void*>(&on_unmapped), 1, 0);
        add_hook(UC_HOOK_MEM_READ_PROT | UC_HOOK_MEM_WRITE_PROT, reinterpret_cast<void*>(&on_variable), 1, 0);
        add_hook(UC_HOOK_BLOCK, reinterpret_cast<void*>(&on_block), 1, 0);
        add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&on_stand_in), GuestMap::stand_ins,
                 GuestMap::tables + GuestMap::tables_size - 1);
        if (cpu.emulator_arch == UC_ARCH_X86) {
            const auto add = [&](void* callback, int instruction) {
                uc_hook hook = 0;
                check(uc_hook_add(uc, &hook, UC_HOOK_INSN, callback, this, 1, 0, instruction), "add a hook");
            };
            add(reinterpret_cast<void*>(&on_cpuid), UC_X86_INS_CPUID);
            add(reinterpret_cast<void*>(&on_system_call), UC_X86_INS_SYSCALL);
            add(reinterpret_cast<void*>(&on_system_call), UC_X86_INS_SYSENTER);
        }
        keep_processor();
        start_processor();
        broken = spoiled = false;
    }

    void start_processor() {
        prepare_processor();
        if (!images.empty()) set_thread_pointer();
        if (guest.cpu_.architecture == image::Architecture::s390x) prepare_s390x();
    }

    void protect_watched() const {
        for (const auto& [page, read] : watched)
            if (!read && !stand_ins.contains(page, page_size)) set_protection(page, UC_PROT_NONE);
    }

    void close() noexcept {
        if (reset_state != nullptr) uc_context_free(reset_state);
        reset_state = nullptr;
        if (uc != nullptr) uc_close(uc);
        uc = nullptr;
    }

    // ---- once more (guest_rewind.cpp) ----

    void keep_processor();
    std::uint64_t debug_control() const;
    void spoil() noexcept { spoiled = true; }
    bool can_go_on_with(std::span<const image::Image* const> next) const;
    bool rewind();
    bool refill_chunks();
    bool drop_mappings();
    bool forget_translated_addresses();

    void map(const Region& region, std::uint64_t address, std::uint64_t size, std::uint32_t allowed) const {
        check(uc_mem_map_ptr(uc, address, size, allowed, region.at(address, size)), "map memory");
    }

    void add_hook(int type, void* callback, std::uint64_t begin, std::uint64_t end) {
        uc_hook hook = 0;
        check(uc_hook_add(uc, &hook, type, callback, this, begin, end), "add a hook");
    }

    static void check(uc_err error, const char* what) {
        if (error != UC_ERR_OK)
            throw Failure({Errc::internal, std::string("the emulator cannot ") + what + ": " + uc_strerror(error)});
    }

    void set(int reg, std::uint64_t value) const { uc_reg_write(uc, reg, &value); }
    std::uint64_t get(int reg) const {
        std::uint64_t value = 0;
        uc_reg_read(uc, reg, &value);
        return guest.cpu_.wide ? value : value & 0xffffffff;
    }

    // ---- registers (guest_processor.cpp) ----

    void prepare_processor();
    void set_segments() const;
    void set_thread_pointer() const;
    void set_windows_thread() const;
    void prepare_s390x();
    void put_result();
    void pass_system_call_on();
    void take_arguments_off();
    void call_first(std::uint64_t function, std::span<const std::uint64_t> arguments, std::uint64_t value,
                    std::function<void(std::uint64_t)> then = {});
    void leave_resumption();
    void go_on(Resumption last);
    static int on_cpuid(uc_engine*, void* self);
    std::string what_it_ran(bool invalid);

    // ---- the images' memory ----

    const Placed* placed_at(std::uint64_t address) const noexcept {
        for (const Placed& placed : images)
            if (placed.contains(address)) return &placed;
        return nullptr;
    }

    // How many bytes there are from `address` on, of what was mapped at once.
    std::uint64_t mapping_of(std::uint64_t address) const noexcept {
        auto after = mappings.upper_bound(address);
        if (after == mappings.begin()) return 0;
        --after;
        return address - after->first < after->second ? after->second - (address - after->first) : 0;
    }

    std::uint8_t* chunk_at(std::uint64_t address) {
        const std::uint64_t begin = address & ~(chunk_size - 1);
        if (const auto known = chunks.find(begin); known != chunks.end()) return known->second.get();
        const Placed* placed = placed_at(address);
        if (placed == nullptr && mapping_of(address) == 0) {
            if (heap.has_cut_off(address) || objects.has_cut_off(address)) want_more();
            return nullptr;
        }
        if (chunks.size() >= guest_limits.chunks) {
            if (guest_limits.chunks < max_chunks)
                want_more();
            else
                stop = Stop::memory;
            return nullptr;
        }
        Chunk chunk = std::move(spare);
        if (!chunk) chunk.reset(static_cast<std::uint8_t*>(std::aligned_alloc(4096, chunk_size)));
        if (!chunk) throw std::bad_alloc();
        if (placed != nullptr)
            fill(*placed, begin, chunk.get());
        else
            std::memset(chunk.get(), 0, chunk_size);
        if (!map_chunk(begin, chunk.get())) return nullptr;
        shorten_blocks(begin, chunk.get());
        return chunks.emplace(begin, std::move(chunk)).first->second.get();
    }

    void want_more() {
        guest_limits.wanted_more = true;
        stop = Stop::memory;
    }

    // Code can only be run where the file has some. A chunk can have parts of several segments.
    bool map_chunk(std::uint64_t begin, std::uint8_t* bytes) const {
        std::uint64_t mapped = 0;
        std::uint32_t allowed = protection(begin);
        for (std::uint64_t end = page_size; end <= chunk_size; end += page_size) {
            const bool last = end == chunk_size;
            const std::uint32_t next = last ? allowed : protection(begin + end);
            if (!last && next == allowed) continue;
            if (uc_mem_map_ptr(uc, begin + mapped, end - mapped, allowed, bytes + mapped) != UC_ERR_OK) return false;
            mapped = end;
            allowed = next;
        }
        return true;
    }

    /// Whether an image has some there.
    bool may_have_code(std::uint64_t address, std::uint64_t size) const {
        const Placed* placed = placed_at(address);
        if (placed == nullptr) return false;
        const std::uint64_t first = address - placed->slide, last = first + size;  // file addresses
        return std::ranges::any_of(placed->image->segments, [&](const image::Segment& segment) {
            return segment.executable && segment.address < last && segment.address + segment.size > first;
        });
    }

    std::uint32_t protection(std::uint64_t page) const {
        if (placed_at(page) == nullptr) return mapping_of(page) != 0 ? UC_PROT_READ | UC_PROT_WRITE : UC_PROT_NONE;
        const bool code = may_have_code(page, page_size);
        return code || guest.cpu_.architecture == image::Architecture::s390x ? UC_PROT_ALL
                                                                             : UC_PROT_READ | UC_PROT_WRITE;
    }

    // The translator of x86 keeps something for each arithmetic instruction of the x87 until its block ends, has room
    // for some hundred, and does not look. A hook for each instruction makes blocks short.
    void shorten_blocks(std::uint64_t begin, const std::uint8_t* bytes) {
        if (guest.cpu_.emulator_arch != UC_ARCH_X86 || !may_have_code(begin, chunk_size)) return;
        constexpr unsigned many = 128;
        unsigned found = 0;  // without a way out, so that compilers make vectors of it
        for (std::uint64_t i = 0; i + 1 < chunk_size; ++i)
            found += static_cast<unsigned>(static_cast<unsigned>((bytes[i] & 0xfd) == 0xdc) &
                                           static_cast<unsigned>(bytes[i + 1] >= 0xc0));
        if (found >= many) add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&on_nothing), begin, begin + chunk_size - 1);
        notice_cycles(begin, bytes);
    }
    // rdtsc and rdtscp, or what looks like them: a hook for the one instruction costs nothing elsewhere.
    void notice_cycles(std::uint64_t begin, const std::uint8_t* bytes) {
        constexpr unsigned most = 64;
        unsigned found = 0;
        for (std::uint64_t i = 0; i + 2 < chunk_size && found < most; ++i) {
            if (bytes[i] != 0x0f || (bytes[i + 1] != 0x31 && (bytes[i + 1] != 0x01 || bytes[i + 2] != 0xf9))) continue;
            add_hook(UC_HOOK_CODE, reinterpret_cast<void*>(&on_cycles), begin + i, begin + i);
            ++found;
        }
    }
    static void on_cycles(uc_engine*, std::uint64_t, std::uint32_t, void* self) {
        static_cast<Impl*>(self)->guest.asked_cycles_ = true;
    }
    static void on_nothing(uc_engine*, std::uint64_t, std::uint32_t, void*) {}

    void fill(const Placed& placed, std::uint64_t begin, std::uint8_t* bytes) const {
        std::memset(bytes, 0, chunk_size);
        const std::uint64_t first = begin - placed.slide, last = first + chunk_size;  // file addresses
        for (const image::Segment& segment : placed.image->segments) {
            const std::uint64_t from = std::max(first, segment.address);
            const std::uint64_t to = std::min(last, segment.address + segment.data.size());
            if (from < to)
                std::memcpy(bytes + (from - first), segment.data.data() + (from - segment.address), to - from);
        }
        constexpr std::uint64_t widest = 16;
        const auto& fixups = placed.image->fixups;
        auto fixup = std::ranges::lower_bound(fixups, first > widest ? first - widest : 0, {}, &image::Fixup::address);
        for (; fixup != fixups.end() && fixup->address < last; ++fixup) guest.apply(placed, *fixup, begin, bytes);
    }

    void forget_chunks() {
        close();  // before the memory that it uses
        if (!chunks.empty()) spare = std::move(chunks.begin()->second);
        chunks.clear();
    }

    void forget_images() {
        forget_chunks();
        mappings.clear();
        watched.clear();
        space_used = 0;
        images.clear();
    }

    // ---- hooks ----

    static bool on_unmapped(uc_engine*, uc_mem_type type, std::uint64_t address, int size, std::int64_t, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        const std::uint64_t last = address + (size > 0 ? static_cast<std::uint64_t>(size) - 1 : 0);
        try {
            const bool more = impl.placed_at(last) != nullptr || impl.mapping_of(last) != 0;
            if (impl.chunk_at(address) != nullptr && (!more || impl.chunk_at(last) != nullptr)) return true;
        } catch (...) {
            impl.stop = Stop::memory;
        }
        if (impl.stop == Stop::memory) return false;
        const char* what = type == UC_MEM_FETCH_UNMAPPED   ? "runs code at "
                           : type == UC_MEM_WRITE_UNMAPPED ? "writes to "
                                                           : "reads ";
        impl.guest.fault_ = what + hex_text(address) + ", where there is no memory";
        return false;
    }

    // ---- objects of which it matters what is read ----

    // The emulated S/390 loads and stores in ways of its own.
    bool notices_reads() const noexcept { return guest.cpu_.architecture != image::Architecture::s390x; }

    void mark_written(std::uint64_t offset, std::uint64_t size, bool written) {
        for (std::uint64_t i = offset; i < offset + size && i / 8 < seen_written.size(); ++i) {
            const auto bit = static_cast<std::uint8_t>(1u << (i % 8));
            if (written)
                seen_written[i / 8] |= bit;
            else
                seen_written[i / 8] &= static_cast<std::uint8_t>(~bit);
        }
    }
    bool was_written(std::uint64_t offset, std::uint64_t size) const {
        for (std::uint64_t i = offset; i < offset + size && i / 8 < seen_written.size(); ++i)
            if ((seen_written[i / 8] >> (i % 8) & 1) == 0) return false;
        return true;
    }
    static std::uint64_t on_seen_read(uc_engine*, std::uint64_t offset, unsigned size, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        if (size > 8 || offset > GuestMap::seen_size - size) return 0;
        if (!impl.was_written(offset, size)) impl.guest.read_unwritten_ = true;
        const std::uint8_t* bytes = impl.seen.at(GuestMap::seen + offset, size);
        std::uint64_t value = 0;
        for (unsigned i = 0; i < size; ++i)
            value |= std::uint64_t{bytes[i]} << (8 * (impl.guest.cpu_.little ? i : size - 1 - i));
        return value;
    }
    static void on_seen_write(uc_engine*, std::uint64_t offset, unsigned size, std::uint64_t value, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        if (size > 8 || offset > GuestMap::seen_size - size) return;
        std::uint8_t* bytes = impl.seen.at(GuestMap::seen + offset, size);
        for (unsigned i = 0; i < size; ++i)
            bytes[i] = static_cast<std::uint8_t>(value >> (8 * (impl.guest.cpu_.little ? i : size - 1 - i)));
        impl.mark_written(offset, size, true);
    }

    // Other processors report it as an exception, which is the end as well.
    static void on_system_call(uc_engine* uc, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        if (impl.guest.cpu_.architecture == image::Architecture::x86_64 &&
            impl.images.front().image->format == image::Format::elf)
            return impl.pass_system_call_on();
        impl.guest.fault_ = "calls the system by itself";
        impl.stop = Stop::fault;
        uc_emu_stop(uc);
    }

    bool set_protection(std::uint64_t page, std::uint32_t allowed) const {
        return uc_mem_protect(uc, page, page_size, allowed) == UC_ERR_OK;
    }

    static bool on_variable(uc_engine* uc, uc_mem_type, std::uint64_t address, int, std::int64_t, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        if (const auto found = impl.watched.find(address & ~(page_size - 1)); found != impl.watched.end()) {
            found->second = true;
            return impl.set_protection(found->first, UC_PROT_ALL);
        }
        impl.guest.used_foreign_variable_ = true;
        return uc_mem_protect(uc, GuestMap::stand_ins, GuestMap::stand_ins_size, UC_PROT_ALL) == UC_ERR_OK;
    }

    static void on_block(uc_engine* uc, std::uint64_t address, std::uint32_t size, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        impl.block = address;
        impl.guest.executed_ += size / 4 + 1;
        if (impl.guest.spent() > impl.budget) {
            impl.stop = Stop::instructions;
            uc_emu_stop(uc);
        }
    }

    static void on_stand_in(uc_engine* uc, std::uint64_t address, std::uint32_t, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        if (address >= GuestMap::tables) {
            // What lies there is data. The call goes on where there is code that returns.
            if (address % GuestMap::table_size != 0) return impl.spoil();
            impl.called = first_table + static_cast<std::uint32_t>((address - GuestMap::tables) / GuestMap::table_size);
            impl.set(impl.guest.cpu_.pc, data_call);
            return;
        }
        if (address % GuestMap::stand_in_size != 0) return impl.spoil();
        const auto own_number = static_cast<std::uint32_t>((address - GuestMap::stand_ins) / GuestMap::stand_in_size);
        if (own_number >= first_unknown && address < empty_text) {
            impl.called = own_number;
            impl.set(impl.guest.cpu_.pc, data_call);
            return;
        }
        if (address == end_of_run) {
            impl.stop = Stop::returned;
            uc_emu_stop(uc);
            return;
        }
        Guest& guest = impl.guest;
        if (address < empty_text && own_number >= guest.stand_in_count_) impl.spoil();
        const Cpu& cpu = guest.cpu_;
        impl.target = cpu.link < 0 ? 0 : impl.get(cpu.link);
        if (address == resume) {
            try {
                impl.leave_resumption();
            } catch (...) {
                impl.thrown = std::current_exception();
                impl.stop = Stop::asked;
                uc_emu_stop(uc);
            }
        } else {
            try {
                const std::size_t before = impl.resumptions.size();
                guest.use_stack(0, false);
                guest.pending_result_.reset();
                guest.pending_high_.reset();
                (*impl.handler)(address == data_call ? impl.called : own_number);
                guest.charge(per_call);
                impl.put_result();
                if (impl.resumptions.size() == before) impl.take_arguments_off();
            } catch (...) {
                impl.thrown = std::current_exception();  // must not pass through the emulator
                impl.stop = Stop::asked;
                uc_emu_stop(uc);
            }
        }
        if (cpu.jump >= 0) impl.set(cpu.jump, impl.target);
    }

    Guest& guest;
    uc_engine* uc = nullptr;
    uc_context* reset_state = nullptr;  ///< of a processor that has run nothing
    GuestLimits opened_with;
    bool opened_on_old_processor = false;
    std::uint64_t breakpoints = 0;
    Region stand_ins{GuestMap::stand_ins, GuestMap::stand_ins_size};
    Region tables{GuestMap::tables, GuestMap::tables_size};
    Region objects{GuestMap::objects, GuestMap::objects_size};
    Region seen{GuestMap::seen, GuestMap::seen_size};
    Region heap{GuestMap::heap, GuestMap::heap_size};
    Region stack{GuestMap::stack, GuestMap::stack_size};
    Region tls{GuestMap::tls, GuestMap::tls_size};

    std::vector<Placed> images;
    std::unordered_map<std::string_view, std::uint64_t> tls_imports;  ///< numbers; names are the images'
    std::map<std::uint64_t, Chunk> chunks;
    Chunk spare;
    std::uint64_t objects_used = 0, seen_used = 0, heap_used = 0;
    std::vector<std::uint8_t> seen_written;  ///< a bit for each byte that is in use
    std::map<std::uint64_t, bool> watched;   ///< pages, and whether something was read there
    std::unordered_map<std::uint64_t, std::uint64_t> allocations;
    std::map<std::uint64_t, std::uint64_t> mappings;  ///< of map(): sizes by address
    std::uint64_t space_used = 0;                     ///< bytes of address space that they use

    const Handler* handler = nullptr;
    std::exception_ptr thrown;
    std::vector<Resumption> resumptions;
    std::uint64_t target = 0;                  ///< where a stand-in goes, on processors with a link register
    std::uint64_t budget = ~std::uint64_t{0};  ///< of the run; none outside of it
    std::uint32_t called = 0;                  ///< what data_call stands for
    std::uint64_t block = 0, at = 0;           // where the block that runs begins; where the last run ended
    Stop stop = Stop::returned;
    bool rubbish_on_stack = false;
    bool broken = false;   ///< after a fault the emulator is not to be trusted
    bool spoiled = false;  ///< code was translated that is not an image's
};

}  // namespace interlock::auditing::emulation
