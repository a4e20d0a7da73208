// Whoever walks through the dynamic linker's list of libraries holds a lock of it that a child of fork(2) finds held
// for ever. So the loader does that in the linker's turn only, for which a fork waits. This test takes the place of
// dl_iterate_phdr() and looks whether the turn is held.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE loader_linker_turn
#include <boost/test/unit_test.hpp>

#include <dlfcn.h>
#include <link.h>

#include "lab.hpp"
#include "linker_turn.hpp"

namespace {

bool counts = false;
unsigned walks = 0, without_turn = 0;

}  // namespace

extern "C" int dl_iterate_phdr(int (*visit)(dl_phdr_info*, std::size_t, void*), void* context) {
    static const auto original = reinterpret_cast<decltype(&dl_iterate_phdr)>(dlsym(RTLD_NEXT, "dl_iterate_phdr"));
    if (counts) {
        ++walks;
        without_turn += interlock::detail::LinkerTurn::is_here() ? 0 : 1;
    }
    return original(visit, context);
}

using namespace interlock;
using namespace interlock::test;

BOOST_AUTO_TEST_CASE(libraries_are_looked_at_in_the_linkers_turn) {
    Lab lab;
    // With both ways in, and one that fails when it is mapped already.
    for (const std::string name : {"free1", "legacy1", "bad_export", "free1"}) {
        walks = 0;
        counts = true;
        const auto module = lab.loader.import(name);
        if (module) static_cast<void>(lab.loader.unload(name));
        counts = false;
        BOOST_TEST(walks != 0u, name);
        BOOST_TEST(without_turn == 0u, name);
    }
}
