// damaged_images_test.cpp: a table of ways in which an image can be wrong, each with the exact code and reason.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE damaged_images
#include <boost/test/unit_test.hpp>
#include <functional>

#include <interlock/marker.hpp>

#include "sample_image.hpp"

using namespace interlock;
using namespace interlock::test;

namespace {

Result<ModuleFile> read(const Image& image) { return read_module_image(image, "lib.so"); }

/// One way to break a right image.
struct Damage {
    const char* what;
    std::function<Image()> make;
    Errc code;
    std::string_view reason;
};

Image patched(std::function<std::size_t(const ElfBuilder&)> at, std::uint64_t value, unsigned size,
              HashTable hash = HashTable::gnu) {
    auto builder = sample();
    builder.hash = hash;
    auto image = builder.build();
    builder.patch(image, at(builder), value, size);
    return image;
}

Image with_note(const NoteSpec& note) {
    ElfBuilder builder;
    builder.note_segments = {{build_id_note("id"), note}};
    return builder.build();
}

NoteSpec changed(const std::function<void(NoteSpec&)>& change) {
    auto note = marker_note(sample_json);
    change(note);
    return note;
}

Image text_image(std::string_view text) { return {text.begin(), text.end()}; }

std::size_t load_header(const ElfBuilder& b) { return b.segments_at; }

const Damage damages[] = {
    // The header.
    {"empty", [] { return Image{}; }, Errc::malformed_file, "at offset 0x0: it is too short to be an ELF file"},
    {"text", [] { return text_image("INPUT ( /lib/libfoo.so )"); }, Errc::malformed_file,
     "it is not an ELF file (wrong magic number)"},
    {"magic only", [] { return text_image("\177ELF"); }, Errc::malformed_file, "too short"},
    {"class", [] { return patched([](auto&) { return 4; }, 3, 1); }, Errc::malformed_file,
     "at offset 0x4: unknown ELF class 3"},
    {"byte order", [] { return patched([](auto&) { return 5; }, 0, 1); }, Errc::malformed_file,
     "at offset 0x5: unknown ELF byte order 0"},
    {"version", [] { return patched([](auto&) { return 6; }, 9, 1); }, Errc::malformed_file, "unknown ELF version 9"},
    {"executable", [] { return patched([](auto&) { return 16; }, ET_EXEC, 2); }, Errc::malformed_file,
     "at offset 0x10: the ELF type is 2, not 3 (shared library)"},
    {"object file", [] { return patched([](auto&) { return 16; }, ET_REL, 2); }, Errc::malformed_file,
     "the ELF type is 1, not 3"},
    {"core", [] { return patched([](auto&) { return 16; }, ET_CORE, 2); }, Errc::malformed_file,
     "the ELF type is 4, not 3"},
    {"no segments", [] { return patched([](auto&) { return offsetof(Elf64_Ehdr, e_phnum); }, 0, 2); },
     Errc::malformed_file, "it has no program headers"},
    {"segment size", [] { return patched([](auto&) { return offsetof(Elf64_Ehdr, e_phentsize); }, 32, 2); },
     Errc::malformed_file, "the size of a program header is 32, not 56"},
    {"many segments", [] { return patched([](auto&) { return offsetof(Elf64_Ehdr, e_phnum); }, 0xffff, 2); },
     Errc::unsupported, "65535 program headers; interlock reads at most 1024"},
    {"segments beyond the end", [] { return patched([](auto&) { return offsetof(Elf64_Ehdr, e_phnum); }, 1000, 2); },
     Errc::malformed_file, "the program header table (56000 bytes) reaches beyond the end of the file"},
    {"table offset", [] { return patched([](auto&) { return offsetof(Elf64_Ehdr, e_phoff); }, ~0ULL - 8, 8); },
     Errc::malformed_file, "at offset 0xfffffffffffffff7: the program header table"},
    // Segments.
    {"load too long", [] { return patched([](auto& b) { return load_header(b) + b.p_filesz(); }, 1 << 20, 8); },
     Errc::malformed_file, "segment 0 (1048576 bytes at 0x0) reaches beyond the end of the file"},
    {"load wraps", [] { return patched([](auto& b) { return load_header(b) + b.p_offset(); }, ~0ULL, 8); },
     Errc::malformed_file, "at 0xffffffffffffffff) reaches beyond the end of the file"},
    {"notes beyond", [] { return patched([](auto& b) { return b.note_header_at(0) + b.p_offset(); }, 1 << 20, 8); },
     Errc::malformed_file, "segment 2 ("},
    {"notes too long", [] { return patched([](auto& b) { return b.note_header_at(0) + b.p_filesz(); }, ~0ULL, 8); },
     Errc::malformed_file, "reaches beyond the end of the file"},
    {"dynamic beyond",
     [] { return patched([](auto& b) { return b.segments_at + b.segment_size + b.p_offset(); }, 1 << 20, 8); },
     Errc::malformed_file, "segment 1 ("},
    // Notes of others.
    {"note header cut",
     [] { return patched([](auto& b) { return b.note_header_at(0) + b.p_filesz(); }, 4 + 12 + 4 + 4 + 8 - 4, 8); },
     Errc::malformed_file, "a note header runs out of its segment"},
    {"foreign owner too long",
     [] {
         auto note = changed([](NoteSpec& n) {
             n.owner = "Someone";
             n.claimed_owner_size = 0xffffffff;
         });
         return with_note(note);
     },
     Errc::malformed_file, "the owner of a note (4294967295 bytes) runs out of its segment"},
    {"foreign description too long",
     [] {
         return with_note(changed([](NoteSpec& n) {
             n.owner = "Someone";
             n.claimed_description_size = 0xfffffffe;
         }));
     },
     Errc::malformed_file, "the description of a note runs out of its segment"},
    // Our notes.
    {"wrong type", [] { return with_note(changed([](NoteSpec& n) { n.type = 0x494c0002; })); }, Errc::malformed_marker,
     "its type is 0x494c0002, not 0x494c0001"},
    {"owner without zero", [] { return with_note(changed([](NoteSpec& n) { n.owner = "Interlock"; })); },
     Errc::malformed_marker, "its owner takes 9 bytes, not 10"},
    {"owner with zeros", [] { return with_note(changed([](NoteSpec& n) { n.owner.resize(12); })); },
     Errc::malformed_marker, "its owner takes 12 bytes, not 10"},
    {"description beyond the segment",
     [] { return with_note(changed([](NoteSpec& n) { n.claimed_description_size = 100000; })); },
     Errc::malformed_marker, "its description runs out of the note segment"},
    {"description size wraps",
     [] { return with_note(changed([](NoteSpec& n) { n.claimed_description_size = 0xffffffff; })); },
     Errc::malformed_marker, "its description runs out of the note segment"},
    {"no description", [] { return with_note(changed([](NoteSpec& n) { n.description.clear(); })); },
     Errc::malformed_marker, "its description is empty"},
    {"huge description", [] { return with_note(changed([](NoteSpec& n) { n.description.resize(65540); })); },
     Errc::malformed_marker, "its description is over 65536 bytes"},
    {"bad JSON", [] { return with_note(marker_note("{\"abi\":1,")); }, Errc::malformed_marker, "not valid JSON"},
    {"ABI 0", [] { return with_note(marker_note(R"({"abi":0,"module":"m","threading":"free"})")); },
     Errc::malformed_marker, "\"abi\" is 0"},
    {"same module twice",
     [] {
         ElfBuilder builder;
         builder.note_segments = {{marker_note(sample_json), marker_note(other_json)}, {marker_note(sample_json)}};
         return builder.build();
     },
     Errc::malformed_marker, "it is the second one for module 'pkg.one'; the first is at offset 0x"},
    // Budgets.
    {"notes over budget",
     [] {
         ElfBuilder builder;
         NoteSpec note;
         note.owner = "A";
         builder.note_segments = {std::vector<NoteSpec>(4097, note)};
         return builder.build();
     },
     Errc::unsupported, "more than 4096 notes in one segment"},
    {"note bytes over budget",
     [] {
         ElfBuilder builder;
         NoteSpec note;
         note.owner = "A";
         note.description.resize(1 << 20);
         builder.note_segments = {{note}};
         return builder.build();
     },
     Errc::unsupported, "a note segment of 1048592 bytes; interlock reads at most 1048576"},
    // The dynamic section and what it leads to.
    {"symbol table address", [] { return patched([](auto& b) { return b.dynamic_value_at(0); }, 0xdead0000, 8); },
     Errc::malformed_file, "the dynamic symbol table has the address 0xdead0000, which is in no loaded segment"},
    {"symbol table at the end",
     [] {
         auto builder = sample();
         auto image = builder.build();
         builder.patch(image, builder.dynamic_value_at(0), builder.load_address + image.size() - 24, 8);
         return image;
     },
     Errc::malformed_file, "the dynamic symbol table (4 symbols) runs out of its segment"},
    {"string table address", [] { return patched([](auto& b) { return b.dynamic_value_at(1); }, 1, 8); },
     Errc::malformed_file, "the dynamic string table has the address 0x1"},
    {"string table size", [] { return patched([](auto& b) { return b.dynamic_value_at(2); }, ~0ULL, 8); },
     Errc::malformed_file, "the dynamic string table (18446744073709551615 bytes) runs out of its segment"},
    {"string table too small", [] { return patched([](auto& b) { return b.dynamic_value_at(2); }, 5, 8); },
     Errc::malformed_file, "the name of a symbol lies beyond the string table"},
    {"name does not end",
     [] { return patched([](auto& b) { return b.dynamic_value_at(2); }, 1 + sizeof("il_module_export_"), 8); },
     Errc::malformed_file, "the name of a module entry point does not end"},
    {"name too long",
     [] {
         auto builder = sample();
         builder.symbols = {{std::string("il_module_export_") + std::string(1001, 'n')}};
         return builder.build();
     },
     Errc::malformed_file, "or is over 1000 bytes long"},
    {"symbol size", [] { return patched([](auto& b) { return b.dynamic_value_at(3); }, 16, 8); }, Errc::malformed_file,
     "the size of a dynamic symbol is 16, not 24"},
    {"name index", [] { return patched([](auto& b) { return b.symbols_at + 24; }, 0xffffffff, 4); },
     Errc::malformed_file, "the name of a symbol lies beyond the string table"},
    {"entry points over budget",
     [] {
         ElfBuilder builder;
         builder.symbols.assign(4097, {"il_module_export_x"});
         return builder.build();
     },
     Errc::unsupported, "too many module entry points"},
    {"string table over budget",
     [] {
         auto builder = sample();
         builder.symbols.push_back({std::string(6 << 20, 's')});
         return builder.build();
     },
     Errc::unsupported, "a dynamic string table of 6291"},
    // Hash tables.
    {"GNU hash address", [] { return patched([](auto& b) { return b.dynamic_value_at(4); }, 0, 8); },
     Errc::malformed_file, "the GNU symbol hash table has the address 0x0"},
    {"GNU buckets", [] { return patched([](auto& b) { return b.gnu_hash_at; }, 100'000, 4); }, Errc::malformed_file,
     "the GNU symbol hash table runs out of its segment"},
    {"GNU buckets over budget", [] { return patched([](auto& b) { return b.gnu_hash_at; }, 0xffffffff, 4); },
     Errc::unsupported, "more dynamic symbols than interlock reads"},
    {"GNU first symbol", [] { return patched([](auto& b) { return b.gnu_hash_at + 4; }, 2, 4); }, Errc::malformed_file,
     "the GNU symbol hash table names a symbol before its first one"},
    {"GNU bloom size", [] { return patched([](auto& b) { return b.gnu_hash_at + 8; }, 0xffffffff, 4); },
     Errc::malformed_file, "the GNU symbol hash table runs out of its segment"},
    {"GNU bucket", [] { return patched([](auto& b) { return b.gnu_hash_at + 24; }, 200'000, 4); }, Errc::malformed_file,
     "the GNU symbol hash table runs out of its segment"},
    {"GNU bucket over budget", [] { return patched([](auto& b) { return b.gnu_hash_at + 24; }, 0xffffffff, 4); },
     Errc::unsupported, "more dynamic symbols than interlock reads"},
    {"GNU chain without end",
     [] {
         auto builder = sample();
         auto image = builder.build();
         // A table behind everything else, in which every word from the first symbol's chain on is even.
         const auto from = image.begin() + static_cast<std::ptrdiff_t>(builder.gnu_hash_at);
         const std::vector<std::uint8_t> table(from, image.begin() + static_cast<std::ptrdiff_t>(builder.dynamic_at));
         const auto at = image.size();
         image.insert(image.end(), table.begin(), table.end());
         for (auto word = at + 28; word < image.size(); word += 4) image[word] &= 0xfe;
         builder.patch(image, builder.dynamic_value_at(4), builder.load_address + at, 8);
         builder.patch(image, load_header(builder) + builder.p_filesz(), image.size(), 8);
         return image;
     },
     Errc::malformed_file, "the GNU symbol hash table has a chain without an end"},
    {"symbol count", [] { return patched([](auto& b) { return b.sysv_hash_at + 4; }, 50'000, 4, HashTable::sysv); },
     Errc::malformed_file, "the dynamic symbol table (50000 symbols) runs out of its segment"},
    {"symbol count over budget",
     [] { return patched([](auto& b) { return b.sysv_hash_at + 4; }, 0xffffffff, 4, HashTable::sysv); },
     Errc::unsupported, "more dynamic symbols than interlock reads"},
    {"hash table at the end",
     [] {
         auto builder = sample();
         builder.hash = HashTable::sysv;
         auto image = builder.build();
         builder.patch(image, builder.dynamic_value_at(4), builder.load_address + image.size() - 4, 8);
         return image;
     },
     Errc::malformed_file, "the symbol hash table runs out of its segment"},
    {"dynamic section over budget",
     [] {
         auto builder = sample();
         auto image = builder.build();
         image.resize(image.size() + 70'000);
         builder.patch(image, builder.segments_at + builder.segment_size + builder.p_filesz(), 65'537, 8);
         return image;
     },
     Errc::unsupported, "the dynamic section is too large"},
    {"name of a library without an end",
     [] {
         auto builder = sample();
         builder.dynamic_texts = {{DT_NEEDED, std::string(4097, 'x')}};
         return builder.build();
     },
     Errc::malformed_file, "the name of a library, at 0x2f in the dynamic string table, lies beyond it, does not end"},
    {"name of a library beyond the strings",
     [] {
         auto builder = sample();
         builder.dynamic_texts = {{DT_NEEDED, "liba.so"}};
         auto image = builder.build();
         builder.patch(image, builder.texts_at + 8, ~0ULL, 8);
         return image;
     },
     Errc::malformed_file, "the name of a library, at 0xffffffffffffffff in the dynamic string table, lies beyond"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_sample_is_right_before_it_is_damaged) {
    BOOST_TEST(read(sample().build()).ok());
    BOOST_TEST(read(with_note(marker_note(sample_json))).ok());
}

BOOST_AUTO_TEST_CASE(every_damage_has_its_code_and_reason) {
    for (const auto& damage : damages) {
        const auto result = read(damage.make());
        BOOST_TEST_CONTEXT(damage.what) {
            if (result.ok()) {
                BOOST_ERROR("was accepted");
                continue;
            }
            BOOST_TEST(errc_name(result.error().code) == errc_name(damage.code));
            BOOST_TEST(result.error().message.find(damage.reason) != std::string::npos, result.error().message);
            BOOST_TEST(result.error().message.starts_with("'lib.so' "), result.error().message);
            BOOST_TEST(result.error().message.find("offset 0x") != std::string::npos, result.error().message);
        }
    }
}

// The name goes into messages, and must not break a terminal.
BOOST_AUTO_TEST_CASE(the_name_is_escaped) {
    const auto result = read_module_image({}, "a\x1b[2J\n");
    BOOST_REQUIRE(!result.ok());
    BOOST_TEST(result.error().message ==
               "'a\\x1b[2J\\n' is not a usable shared library: at offset 0x0: it is too short to be an ELF file");
}
