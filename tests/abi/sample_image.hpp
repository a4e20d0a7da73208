// sample_image.hpp: the right image that the tests of the reader start from.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "support/elf_builder.hpp"

namespace interlock::test {

inline const std::string sample_json = R"({"abi":1,"module":"pkg.one","version":"2.3","threading":"module_lock"})";
inline const std::string other_json = R"({"abi":1,"module":"pkg.two","threading":"free"})";

inline ElfBuilder sample(bool wide = true, bool little = true) {
    ElfBuilder builder;
    builder.wide = wide;
    builder.little = little;
    builder.note_segments = {{build_id_note("\x01\x23\xab\xff"), marker_note(sample_json)}};
    builder.symbols = {{"il_module_export_one"}, {"other"}, {"il_module_init_old"}};
    return builder;
}

}  // namespace interlock::test
