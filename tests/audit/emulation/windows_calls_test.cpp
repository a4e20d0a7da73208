// What functions of 32-bit Windows take off the stack: by the table, by their names in Microsoft's mangling, or by
// nothing.
//
// SPDX-License-Identifier: MIT
#define BOOST_TEST_MODULE audit.verdict.windows_calls
#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>

#include "emulation/windows_calls.hpp"

namespace {

using interlock::auditing::emulation::StackUse;
using interlock::auditing::emulation::windows_call;
using interlock::auditing::image::Import;

std::string text(const std::optional<StackUse>& use) {
    if (!use) return "unknown";
    return std::to_string(use->takes) + (use->object_in_register ? ", object in ecx" : "");
}
std::string call(std::string_view library, std::string_view name) {
    return text(windows_call(Import{.name = name, .library = library}));
}

struct Case {
    std::string_view library, name, expected;
};
constexpr Case cases[] = {
    {"KERNEL32.dll", "Sleep", "4"},
    {"KERNEL32.dll", "VirtualAlloc", "16"},
    {"api-ms-win-core-synch-l1-2-0.dll", "WaitOnAddress", "16"},
    {"bcryptprimitives.dll", "ProcessPrng", "8"},
    {"KERNEL32.dll", "NoSuchFunction", "unknown"},
    {"python313t.dll", "PyModuleDef_Init", "0"},
    {"VCRUNTIME140.dll", "memcpy", "0"},
    {"api-ms-win-crt-heap-l1-1-0.dll", "malloc", "0"},
    {"acme.dll", "_acme_version@8", "8"},
    // void __cdecl std::_Xlength_error(char const*)
    {"MSVCP140.dll", "?_Xlength_error@std@@YAXPBD@Z", "0"},
    // std::_Lockit::_Lockit(int), ~_Lockit()
    {"MSVCP140.dll", "??0_Lockit@std@@QAE@H@Z", "4, object in ecx"},
    {"MSVCP140.dll", "??1_Lockit@std@@QAE@XZ", "0, object in ecx"},
    // std::locale::id::operator unsigned int()
    {"MSVCP140.dll", "??Bid@locale@std@@QAEIXZ", "0, object in ecx"},
    // static, cdecl: std::locale::classic()
    {"MSVCP140.dll", "?classic@locale@std@@SAABV12@XZ", "0"},
    // basic_ostream<char>& operator<<(int), (double), (void const*)
    {"MSVCP140.dll", "??6?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEAAV01@H@Z", "4, object in ecx"},
    {"MSVCP140.dll", "??6?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEAAV01@N@Z", "8, object in ecx"},
    {"MSVCP140.dll", "??6?$basic_ostream@DU?$char_traits@D@std@@@std@@QAEAAV01@PBX@Z", "4, object in ecx"},
    // basic_streambuf<char>::xsputn(char const*, __int64), virtual and protected
    {"MSVCP140.dll", "?xsputn@?$basic_streambuf@DU?$char_traits@D@std@@@std@@MAE_JPBD_J@Z", "12, object in ecx"},
    // the second argument is like the first
    {"acme.dll", "?two@acme@@QAEXPBD0@Z", "8, object in ecx"},
    // a structure that is returned, and one as an argument
    {"acme.dll", "?get@acme@@QAE?AVtext@@XZ", "4, object in ecx"},
    {"acme.dll", "?set@acme@@QAEXVtext@@@Z", "unknown"},
    // any number of arguments
    {"acme.dll", "?log@acme@@QAAXPBDZZ", "0"},
    // not even names
    {"acme.dll", "?", "unknown"},
    {"acme.dll", "??", "unknown"},
    {"acme.dll", "?x@@QAE", "unknown"},
    {"acme.dll", "?x@@QAEXP6AX", "unknown"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(by_name) {
    for (const Case& one : cases) BOOST_TEST(call(one.library, one.name) == one.expected, one.name);
}

BOOST_AUTO_TEST_CASE(by_number) {
    BOOST_TEST(text(windows_call(Import{.name = {}, .library = "WS2_32.dll", .ordinal = 115})) == "8");
    BOOST_TEST(text(windows_call(Import{.name = {}, .library = "WS2_32.dll", .ordinal = 9999})) == "unknown");
    BOOST_TEST(text(windows_call(Import{.name = {}, .library = "acme.dll", .ordinal = 7})) == "0");
}

// Nested as deep as a file likes.
BOOST_AUTO_TEST_CASE(hostile_names) {
    std::string deep = "?x@@QAEX";
    for (int i = 0; i < 100'000; ++i) deep += "PAV?$";
    BOOST_TEST(call("acme.dll", deep) == "unknown");
    deep = "?x@@QAEX";
    for (int i = 0; i < 100'000; ++i) deep += "PA";
    BOOST_TEST(call("acme.dll", deep) == "unknown");
}
