// macho_dyld_info.cpp: the two small instruction sets of LC_DYLD_INFO, which say what dyld has to rebase and to bind.
//
// SPDX-License-Identifier: MIT
#include <string>

#include "image/macho_file.hpp"

namespace interlock::auditing::image {

namespace {

/// Where the next fixup is, and how often it repeats: what both instruction sets have in common.
class Position {
public:
    explicit Position(MachFile& file) : file_(&file) {}

    void set(unsigned segment, std::uint64_t offset, std::uint64_t at) {
        if (segment >= file_->segments.size())
            file_->view.malformed(at, "segment number " + std::to_string(segment) + " does not exist: there are " +
                                          std::to_string(file_->segments.size()));
        address_ = file_->segments[segment].address + offset;
        is_set_ = true;
    }
    /// Linkers go backwards with huge numbers: the sum wraps around, and counts only where something is written.
    void add(std::uint64_t distance) { address_ += distance; }
    /// The place of the next fixup. Counts, as a few bytes can ask for any number of them.
    std::uint64_t take(std::uint64_t at) {
        if (!is_set_) file_->view.malformed(at, "a fixup before a segment was chosen");
        if (++taken_ > file_->view.size())
            file_->view.malformed(at, "there are more places to relocate than the file has room for");
        return file_->view.wide() ? address_ : static_cast<std::uint32_t>(address_);
    }

private:
    MachFile* file_;
    std::uint64_t address_ = 0, taken_ = 0;
    bool is_set_ = false;
};

class Rebases {
public:
    Rebases(MachFile& file, const MachPart& part)
        : file_(file), code_(file, part, "the rebase opcodes"), place_(file) {}

    void run() {
        while (!code_.at_end() && step()) {
        }
    }

private:
    /// False at the end.
    bool step() {
        at_ = code_.at();
        const auto byte = code_.u8();
        const unsigned immediate = byte & 15;
        const std::uint64_t word = file_.view.word_size();
        switch (byte >> 4) {
            case 0:  // DONE
                return false;
            case 1:  // SET_TYPE_IMM
                type_ = immediate;
                return true;
            case 2:  // SET_SEGMENT_AND_OFFSET_ULEB
                place_.set(immediate, code_.uleb(), at_);
                return true;
            case 3:  // ADD_ADDR_ULEB
                place_.add(code_.uleb());
                return true;
            case 4:  // ADD_ADDR_IMM_SCALED
                place_.add(immediate * word);
                return true;
            case 5:  // DO_REBASE_IMM_TIMES
                repeat(immediate, 0);
                return true;
            case 6:  // DO_REBASE_ULEB_TIMES
                repeat(code_.uleb(), 0);
                return true;
            case 7:  // DO_REBASE_ADD_ADDR_ULEB
                repeat(1, code_.uleb());
                return true;
            case 8: {  // DO_REBASE_ULEB_TIMES_SKIPPING_ULEB
                const auto count = code_.uleb();
                repeat(count, code_.uleb());
                return true;
            }
            default:
                file_.view.malformed(at_, "the rebase opcode " + hex(byte) + " is not known");
        }
    }

    void repeat(std::uint64_t count, std::uint64_t skip) {
        for (std::uint64_t i = 0; i < count; ++i) {
            one();
            place_.add(file_.view.word_size() + skip);
        }
    }

    void one() {
        Fixup fixup;
        fixup.address = place_.take(at_);
        switch (type_) {
            case 1:  // POINTER
                fixup.width = static_cast<std::uint8_t>(file_.view.word_size());
                break;
            case 2:  // TEXT_ABSOLUTE32
                fixup.width = 4;
                break;
            default:  // relative to the program counter of i386: nothing changes when all segments move together
                return;
        }
        if (file_.builder.segment_with(fixup.address, fixup.width) != nullptr) fixup.value = content(fixup);
        file_.builder.add_fixup(fixup, at_);
    }

    std::uint64_t content(const Fixup& fixup) const {
        if (file_.builder.image.bytes_at(fixup.address, fixup.width).size() != fixup.width)
            file_.view.malformed(at_, "the address to rebase at " + hex(fixup.address) + " is not in the file");
        const auto offset = file_.builder.file_offset(fixup.address);
        return fixup.width == 8 ? file_.view.u64(offset, "an address") : file_.view.u32(offset, "an address");
    }

    MachFile& file_;
    MachCursor code_;
    Position place_;
    std::uint64_t at_ = 0;
    unsigned type_ = 1;
};

enum class BindKind { strong, weak, lazy };

class Binds {
public:
    Binds(MachFile& file, const MachPart& part, BindKind kind)
        : file_(file), kind_(kind), code_(file, part, "the bind opcodes"), place_(file) {}

    void run() {
        while (!code_.at_end() && step()) {
        }
    }

private:
    /// False at the end.
    bool step() {
        at_ = code_.at();
        const auto byte = code_.u8();
        const unsigned immediate = byte & 15;
        const std::uint64_t word = file_.view.word_size();
        switch (byte >> 4) {
            case 0:  // DONE: of one of the lazy binds, which dyld starts in the middle
                return kind_ == BindKind::lazy;
            case 1:  // SET_DYLIB_ORDINAL_IMM
                set_ordinal(immediate);
                return true;
            case 2: {  // SET_DYLIB_ORDINAL_ULEB
                const auto ordinal = code_.uleb();
                if (ordinal > 0xffff) file_.view.malformed(at_, "the library number " + hex(ordinal) + " is too large");
                set_ordinal(static_cast<std::int64_t>(ordinal));
                return true;
            }
            case 3:  // SET_DYLIB_SPECIAL_IMM: four bits with a sign
                set_ordinal(immediate == 0 ? 0 : static_cast<std::int64_t>(immediate) - 16);
                return true;
            case 4:  // SET_SYMBOL_TRAILING_FLAGS_IMM
                optional_ = (immediate & 1) != 0;
                name_ = code_.text();
                has_name_ = true;
                import_ = Fixup::no_import;
                return true;
            case 5:  // SET_TYPE_IMM
                type_ = immediate;
                return true;
            case 6:  // SET_ADDEND_SLEB
                addend_ = static_cast<std::uint64_t>(code_.sleb());
                return true;
            case 7:  // SET_SEGMENT_AND_OFFSET_ULEB
                place_.set(immediate, code_.uleb(), at_);
                return true;
            case 8:  // ADD_ADDR_ULEB
                place_.add(code_.uleb());
                return true;
            case 9:  // DO_BIND
                repeat(1, 0);
                return true;
            case 10:  // DO_BIND_ADD_ADDR_ULEB
                repeat(1, code_.uleb());
                return true;
            case 11:  // DO_BIND_ADD_ADDR_IMM_SCALED
                repeat(1, immediate * word);
                return true;
            case 12: {  // DO_BIND_ULEB_TIMES_SKIPPING_ULEB
                const auto count = code_.uleb();
                repeat(count, code_.uleb());
                return true;
            }
            case 13:
                file_.view.too_much("it has threaded binds, as the linker of Xcode 10 wrote them for arm64e");
            default:
                file_.view.malformed(at_, "the bind opcode " + hex(byte) + " is not known");
        }
    }

    void set_ordinal(std::int64_t ordinal) {
        ordinal_ = ordinal;
        import_ = Fixup::no_import;
    }

    void repeat(std::uint64_t count, std::uint64_t skip) {
        for (std::uint64_t i = 0; i < count; ++i) {
            one();
            place_.add(file_.view.word_size() + skip);
        }
    }

    void one() {
        if (!has_name_) file_.view.malformed(at_, "a bind before its symbol was named");
        Fixup fixup;
        fixup.address = place_.take(at_);
        if (type_ == 3) {  // relative to the program counter of i386
            ++file_.builder.image.unknown_fixups;
            return;
        }
        if (import_ == Fixup::no_import) {
            import_ = file_.import(name_, kind_ == BindKind::weak ? -3 : ordinal_, optional_, at_);
            if (kind_ == BindKind::lazy) file_.builder.image.imports[import_].function = true;
        }
        fixup.value = addend_;
        fixup.import = import_;
        fixup.kind = Fixup::Kind::import;
        fixup.width = static_cast<std::uint8_t>(type_ == 2 ? 4 : file_.view.word_size());  // TEXT_ABSOLUTE32, POINTER
        // Coalescing chooses among equal definitions: the one that the place has without it will do.
        if (kind_ == BindKind::weak)
            file_.builder.add_fallback(fixup, at_);
        else
            file_.builder.add_fixup(fixup, at_);
    }

    MachFile& file_;
    BindKind kind_;
    MachCursor code_;
    Position place_;
    std::uint64_t at_ = 0;
    std::string_view name_;
    bool has_name_ = false, optional_ = false;
    std::int64_t ordinal_ = 0;
    unsigned type_ = 1;
    std::uint64_t addend_ = 0;
    std::uint32_t import_ = Fixup::no_import;
};

}  // namespace

void read_dyld_info(MachFile& file, const MachDyldInfo& info) {
    Rebases(file, info.rebase).run();
    Binds(file, info.bind, BindKind::strong).run();
    Binds(file, info.weak_bind, BindKind::weak).run();
    Binds(file, info.lazy_bind, BindKind::lazy).run();
}

}  // namespace interlock::auditing::image
