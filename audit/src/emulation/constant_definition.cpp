// constant_definition.cpp: recognises the two instructions to which compilers turn such a function, and the
// constructors of crti.o and crtbeginS.o, which do nothing in a library. All else counts as not constant.
//
// SPDX-License-Identifier: MIT
#include "emulation/constant_definition.hpp"

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "emulation/c_api_names.hpp"
#include "emulation/guest.hpp"
#include "emulation/interpreter.hpp"

namespace interlock::auditing::emulation {

namespace {

bool overlaps(const image::Fixup& fixup, std::uint64_t address, std::uint64_t size) noexcept {
    const std::uint64_t width = fixup.kind == image::Fixup::Kind::tls_descriptor ? 2u * fixup.width : fixup.width;
    return fixup.address < address + size && address < fixup.address + width;
}

/// Those that write to these bytes.
std::span<const image::Fixup> fixups_at(const image::Image& image, std::uint64_t address, std::uint64_t size) {
    constexpr std::uint64_t widest = 16;
    const auto from =
        std::ranges::lower_bound(image.fixups, address > widest ? address - widest : 0, {}, &image::Fixup::address);
    const auto first = std::find_if(from, image.fixups.end(), [&](const image::Fixup& one) {
        return overlaps(one, address, size) || one.address >= address;
    });
    const auto last =
        std::find_if(first, image.fixups.end(), [&](const image::Fixup& one) { return !overlaps(one, address, size); });
    return {first, last};
}

/// Goes through code that the dynamic linker leaves as it is.
class Code {
public:
    Code(const image::Image& image, std::uint64_t address) : image_(image), at_(address) {}

    bool has(std::initializer_list<std::uint8_t> expected) {
        const image::Bytes bytes = take(expected.size());
        return std::ranges::equal(bytes, expected) || (at_ -= bytes.size(), false);
    }
    /// The address that the next four bytes mean, seen from behind them; 0 is none.
    std::uint64_t relative() {
        const image::Bytes bytes = take(4);
        if (bytes.size() != 4) return 0;
        const auto distance = static_cast<std::uint32_t>(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24);
        return at_ + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(distance)});
    }
    void pass_end_branch() { has({0xf3, 0x0f, 0x1e, 0xfa}); }

private:
    image::Bytes take(std::uint64_t size) {
        const bool runs = std::ranges::any_of(image_.segments, [&](const image::Segment& segment) {
            return segment.executable && at_ >= segment.address && at_ - segment.address < segment.size &&
                   size <= segment.size - (at_ - segment.address);
        });
        if (!runs || !fixups_at(image_, at_, size).empty()) return {};
        const image::Bytes bytes = image_.bytes_at(at_, size);
        if (bytes.size() != size) return {};
        at_ += size;
        return bytes;
    }

    const image::Image& image_;
    std::uint64_t at_;
};

bool points_to_import(const image::Image& image, std::uint64_t slot, std::string_view name) {
    const auto fixups = fixups_at(image, slot, 8);
    if (fixups.size() != 1) return false;
    const image::Fixup& fixup = fixups.front();
    return fixup.address == slot && fixup.width == 8 && fixup.kind == image::Fixup::Kind::import && fixup.value == 0 &&
           fixup.import < image.imports.size() && image.imports[fixup.import].name == name;
}

/// "jmp [slot]", with a prefix or without.
bool jumps_by_slot(const image::Image& image, Code& code, std::string_view name) {
    code.has({0xf2});
    return code.has({0xff, 0x25}) && points_to_import(image, code.relative(), name);
}

/// A stub of the procedure linkage table.
bool is_stub_of(const image::Image& image, std::uint64_t address, std::string_view name) {
    Code code(image, address);
    code.pass_end_branch();
    return jumps_by_slot(image, code, name);
}

// "lea rdi, definition; jmp PyModuleDef_Init": the definition, or 0.
std::uint64_t handed_over(const image::Image& image, const image::Export& entry) {
    constexpr std::string_view init = "PyModuleDef_Init";
    Code code(image, entry.address);
    code.pass_end_branch();
    if (!code.has({0x48, 0x8d, 0x3d})) return 0;
    const std::uint64_t definition = code.relative();
    Code stub = code;
    if (jumps_by_slot(image, stub, init)) return definition;
    code.has({0xf2});
    return code.has({0xe9}) && is_stub_of(image, code.relative(), init) ? definition : 0;
}

#ifdef INTERLOCK_WITH_EMULATOR

// crti.o: _init() calls __gmon_start__, if somebody has it.
bool is_init_of_start_files(const image::Image& image, std::uint64_t address) {
    constexpr std::string_view profiler = "__gmon_start__";
    Code code(image, address);
    code.pass_end_branch();
    if (!code.has({0x48, 0x83, 0xec, 0x08, 0x48, 0x8b, 0x05}) || !points_to_import(image, code.relative(), profiler))
        return false;
    if (!code.has({0x48, 0x85, 0xc0, 0x74, 0x02, 0xff, 0xd0}) &&
        !(code.has({0x48, 0x85, 0xc0, 0x74, 0x05, 0xe8}) && is_stub_of(image, code.relative(), profiler)))
        return false;
    return code.has({0x48, 0x83, 0xc4, 0x08, 0xc3});
}

// crtbeginS.o: frame_dummy() goes on to register_tm_clones(), which returns where its table is empty: both ends are
// one.
bool is_constructor_of_start_files(const image::Image& image, std::uint64_t address) {
    Code code(image, address);
    code.pass_end_branch();
    if (code.has({0xc3}) || code.has({0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3})) return true;
    if (!code.has({0xe9})) return false;
    Code clones(image, code.relative());
    if (!clones.has({0x48, 0x8d, 0x3d})) return false;
    const std::uint64_t begin = clones.relative();
    if (!clones.has({0x48, 0x8d, 0x35}) || clones.relative() != begin) return false;
    // The distance, which is 0, is divided by 16; "je" to the return.
    if (!clones.has({0x48, 0x29, 0xfe, 0x48, 0x89, 0xf0, 0x48, 0xc1, 0xee, 0x3f, 0x48, 0xc1, 0xf8,
                     0x03, 0x48, 0x01, 0xc6, 0x48, 0xd1, 0xfe, 0x74, 0x14, 0x48, 0x8b, 0x05}))
        return false;
    (void)clones.relative();
    return clones.has({0x48, 0x85, 0xc0, 0x74, 0x08, 0xff, 0xe0, 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xc3});
}

/// The image as a guest has it in memory, when nothing has written there but PyModuleDef_Init(), which fills in the
/// head of the definition.
class ConstantMemory final : public Memory {
public:
    ConstantMemory(const image::Image& image, std::uint64_t definition)
        : image_(image), definition_(definition), slide_(slide_of_module(image)) {}

    std::uint64_t to_guest(std::uint64_t address) const noexcept { return address + slide_; }
    std::uint64_t to_file(std::uint64_t address) const noexcept { return address - slide_; }
    /// Whether something was asked for that is not constant, or that the file does not have.
    bool unsure() const noexcept { return unsure_; }

    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) override {
        const std::uint64_t place = to_file(address);
        if (!image_.has_memory(place, size) || is_head(place, size)) return not_known();
        const auto fixups = fixups_at(image_, place, size);
        if (!fixups.empty()) {
            const image::Fixup& fixup = fixups.front();
            const bool whole = fixups.size() == 1 && fixup.address == place && fixup.width == size;
            if (!whole || fixup.kind != image::Fixup::Kind::rebase) return not_known();
            return to_guest(fixup.value);
        }
        const image::Bytes bytes = image_.bytes_at(place, size);
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes.size(); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
        return value;
    }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit) override {
        const std::uint64_t place = to_file(address);
        const image::Bytes bytes = image_.bytes_at(place, limit);
        const auto zero = std::ranges::find(bytes, 0);
        const auto size = static_cast<std::uint64_t>(zero - bytes.begin()) + 1;
        if (zero == bytes.end() || is_head(place, size) || !fixups_at(image_, place, size).empty()) {
            unsure_ = true;
            return std::nullopt;
        }
        return std::string(bytes.begin(), zero);
    }
    // What is neither a small number nor an address of the image may be anything to a guest.
    bool is_address(std::uint64_t value) override {
        constexpr std::uint64_t small = 4096;
        const bool own = value >= small && image_.has_memory(to_file(value), 1);
        unsure_ = unsure_ || (value >= small && !own);
        return own;
    }
    bool is_unknown(std::uint64_t) override { return false; }
    bool wide() const override { return true; }

private:
    bool is_head(std::uint64_t place, std::uint64_t size) const noexcept {
        constexpr std::uint64_t longest = def_layout(true, true).head;
        return place < definition_ + longest && definition_ < place + size;
    }
    std::optional<std::uint64_t> not_known() {
        unsure_ = true;
        return std::nullopt;
    }

    const image::Image& image_;
    std::uint64_t definition_, slide_;
    bool unsure_ = false;
};

// Nothing of it is noticed when the image is loaded, for which a run would have to be repeated.
bool is_quiet(const image::Import& import) {
    if (!what_a_variable_says(import.name).empty() || import.name == "__stack_chk_guard") return false;
    return !import.weak || (!may_be_of_library(import.name) && import.name.find("Py") == std::string_view::npos);
}

bool constructors_do_nothing(const image::Image& image, ConstantMemory& memory) {
    constexpr std::uint64_t most = 16, word = 8;
    if (image.constructors.size() > most || image.constructor_table_size > most * word) return false;
    for (const std::uint64_t function : image.constructors)
        if (!is_init_of_start_files(image, function)) return false;
    for (std::uint64_t i = 0; i < image.constructor_table_size / word; ++i) {
        const auto function = memory.word(memory.to_guest(image.constructor_table) + i * word);
        if (!function || !is_constructor_of_start_files(image, memory.to_file(*function))) return false;
    }
    return true;
}

#endif

}  // namespace

bool only_hands_over(const image::Image& image, const image::Export& entry) {
    return image.architecture == image::Architecture::x86_64 && handed_over(image, entry) != 0;
}

#ifdef INTERLOCK_WITH_EMULATOR

std::optional<Definition> constant_definition(const image::Image& image, const image::Export& entry,
                                              bool free_threaded) {
    constexpr std::uint64_t most_thread_local = 64u << 10;
    constexpr std::size_t most_imports = 10'000;
    if (image.format != image::Format::elf || image.architecture != image::Architecture::x86_64) return std::nullopt;
    if (image.tls_size > most_thread_local || image.unknown_fixups != 0 || image.imports.size() > most_imports)
        return std::nullopt;
    const std::uint64_t address = handed_over(image, entry);
    if (address == 0 || !std::ranges::all_of(image.imports, is_quiet)) return std::nullopt;
    if (std::ranges::find(image.fixups, image::Fixup::Kind::indirect, &image::Fixup::kind) != image.fixups.end())
        return std::nullopt;
    ConstantMemory memory(image, address);
    if (!constructors_do_nothing(image, memory)) return std::nullopt;
    auto definition = read_definition(memory, memory.to_guest(address), free_threaded, true);
    return memory.unsure() ? std::nullopt : std::move(definition);
}

#else

std::optional<Definition> constant_definition(const Image&, const Export&, bool) { return std::nullopt; }

#endif

std::string why_import_fails(const Definition& definition, const RunOptions& options) {
    const auto& all = definition.slots.all;
    const auto repeated = [&](unsigned id, unsigned newer) {
        return std::ranges::count_if(all, [&](const SlotSeen& s) { return s.id == id || s.id == newer; }) > 1;
    };
    if (definition.state_size < 0) return "its m_size is below zero, for which the import fails with SystemError";
    if (repeated(1, 84) || repeated(3, 86))
        return "it has a slot twice that may be there once, for which the import fails with SystemError";
    // Before 3.15 there are four.
    const auto strange = std::ranges::find_if(all, [](const SlotSeen& slot) { return slot.id > 4; });
    if (options.minor && *options.minor < 15 && options.free_threaded && strange != all.end())
        return fmt::format("it has a slot {}, which Python 3.{} does not know: the import fails", strange->id,
                           *options.minor);
    return {};
}

bool is_create_decisive(const Slots& slots) noexcept {
    return slots.create != 0 && slots.gil.size() == 1 && slots.gil.front().value != 0;
}

bool is_exec_of_interest(const Slots& slots) noexcept { return slots.gil.empty() && slots.exec != 0; }

std::optional<InitResult> without_a_run(const image::Image& image, const image::Export& entry,
                                        const RunOptions& options) {
    const bool used_up = options.left != nullptr && *options.left == 0;
    if (options.details || used_up || !options.libraries.empty()) return std::nullopt;
    auto definition = constant_definition(image, entry, options.free_threaded);
    if (!definition || is_create_decisive(definition->slots) || is_exec_of_interest(definition->slots))
        return std::nullopt;
    InitResult result;
    result.phase = Phase::multi;
    result.failure = why_import_fails(*definition, options);
    result.definition = std::move(definition);
    return result;
}

}  // namespace interlock::auditing::emulation
