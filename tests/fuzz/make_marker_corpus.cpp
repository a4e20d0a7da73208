// make_marker_corpus.cpp: writes the seed corpus of fuzz_marker: right images of each kind, and wrong ones that reach
// deep into the reader. Run it after a change of the builder: make_marker_corpus tests/corpus/marker
//
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/elf_builder.hpp"

namespace {

using namespace interlock::test;

void write(const std::filesystem::path& path, const Image& image) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
}

void write(const std::filesystem::path& path, const std::string& text) { write(path, Image(text.begin(), text.end())); }

ElfBuilder sample(bool wide, bool little, HashTable hash) {
    ElfBuilder builder;
    builder.wide = wide;
    builder.little = little;
    builder.hash = hash;
    builder.note_segments = {
        {build_id_note("0123456789"), marker_note(R"({"abi":1,"module":"a.b","version":"1","threading":"free"})")}};
    builder.symbols = {{"il_module_export_b"}, {"il_module_init_c"}};
    return builder;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    const std::filesystem::path directory = argv[1];
    std::filesystem::create_directories(directory);

    write(directory / "elf64_little_gnu", sample(true, true, HashTable::gnu).build());
    write(directory / "elf64_big_sysv", sample(true, false, HashTable::sysv).build());
    write(directory / "elf32_little_sysv", sample(false, true, HashTable::sysv).build());
    write(directory / "elf32_big_gnu", sample(false, false, HashTable::gnu).build());
    write(directory / "no_hash", sample(true, true, HashTable::none).build());

    auto s390x = sample(true, false, HashTable::sysv);
    s390x.machine = EM_S390;
    write(directory / "s390x_wide_hash", s390x.build());

    auto two = sample(true, true, HashTable::both);
    two.note_segments.push_back({marker_note(R"({"abi":1,"module":"x","threading":"global_lock","later":[{"k":1}]})")});
    two.note_alignments = {8, 4};
    write(directory / "two_markers", two.build());
    two.note_segments[1] = two.note_segments[0];
    write(directory / "same_module_twice", two.build());

    auto cut = sample(true, true, HashTable::gnu);
    cut.note_segments[0][1].claimed_description_size = 0xffffffff;
    write(directory / "description_too_long", cut.build());
    cut.note_segments[0][1].claimed_owner_size = 0xffffffff;
    write(directory / "owner_too_long", cut.build());

    auto chain = sample(true, true, HashTable::gnu);
    auto image = chain.build();
    chain.patch(image, chain.gnu_hash_at + 28, 2, 4);
    chain.patch(image, chain.gnu_hash_at + 32, 2, 4);
    write(directory / "chain_without_end", image);

    write(directory / "json_full",
          std::string(R"({"abi":1,"module":"a.b","version":"1.0","threading":"module_lock"})"));
    write(directory / "json_nested",
          std::string(R"({"x":[[{"y":[null,true,-1,1e9]}]],"abi":2,"module":"m","threading":"?"})"));
    write(directory / "json_twice", std::string(R"({"abi":1,"abi":1})"));
    write(directory / "json_escapes", std::string(R"({"abi":1,"module":"\u006d","threading":"fr\u0000ee"})"));
    return 0;
}
