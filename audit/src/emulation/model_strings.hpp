// model_strings.hpp: reading and making objects of std::string in the guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include "emulation/model_memory.hpp"

namespace interlock::auditing::emulation {

/// Of libstdc++ since GCC 5. create() makes one where there is none; store() changes one, with room for more.
struct NewString {
    static std::string load(Interpreter& in, std::uint64_t self);
    static void create(Interpreter& in, std::uint64_t self, const std::string& text);
    static void store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room);
};
/// Of libstdc++ before, which is still in it.
struct OldString {
    static std::string load(Interpreter& in, std::uint64_t self);
    static void create(Interpreter& in, std::uint64_t self, const std::string& text);
    static void store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room);
    /// What the object holds: the address of a new text.
    static std::uint64_t make(Interpreter& in, const std::string& text, std::uint64_t room);
};
/// Of libc++.
struct LibcxxString {
    static std::string load(Interpreter& in, std::uint64_t self);
    static void create(Interpreter& in, std::uint64_t self, const std::string& text);
    static void store(Interpreter& in, std::uint64_t self, const std::string& text, std::uint64_t room);
};

/// Where a function that returns an object is to put it, and which argument is the first of its own.
struct PlaceOfResult {
    std::uint64_t place = 0;
    unsigned first = 0;
};
PlaceOfResult place_of_result(Interpreter& in);

}  // namespace interlock::auditing::emulation
