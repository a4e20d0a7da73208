// symbol_lists.cpp: the two lists. A C function is here when POSIX lets it be unsafe for threads because of state that
// its caller does not see, and at least one C library that wheels run on makes use of that. Not here: functions whose
// state is in an argument (readdir), or whose result is right all the same (lgamma, which races on signgam only).
//
// SPDX-License-Identifier: MIT
#include "verdict/symbol_lists.hpp"

#include <algorithm>
#include <array>

namespace interlock::auditing::verdict {

namespace {

struct Entry {
    std::string_view symbol, instead;
    bool safe_on_windows;  // its C library has one result for each thread
};

// Sorted by symbol.
constexpr auto stateful = std::to_array<Entry>({
    {"_putenv", "", false},
    {"_putenv_s", "", false},
    {"_wputenv", "", false},
    {"_wputenv_s", "", false},
    {"_wsetlocale", "", false},
    {"asctime", "strftime", true},
    {"basename", "", false},
    {"clearenv", "", false},
    {"crypt", "crypt_r", false},
    {"ctime", "strftime", true},
    {"dirname", "", false},
    {"drand48", "drand48_r, or a generator of your own", false},
    {"ecvt", "snprintf", true},
    {"encrypt", "", false},
    {"endgrent", "", false},
    {"endpwent", "", false},
    {"ether_aton", "ether_aton_r", false},
    {"ether_ntoa", "ether_ntoa_r", false},
    {"fcvt", "snprintf", true},
    {"getdate", "strptime", false},
    {"getenv", "", false},
    {"getgrent", "", false},
    {"getgrgid", "getgrgid_r", false},
    {"getgrnam", "getgrnam_r", false},
    {"gethostbyaddr", "getnameinfo", true},
    {"gethostbyname", "getaddrinfo", true},
    {"gethostbyname2", "getaddrinfo", false},
    {"gethostent", "", false},
    {"getlogin", "getlogin_r", false},
    {"getmntent", "getmntent_r", false},
    {"getnetbyname", "", false},
    {"getopt", "", false},
    {"getopt_long", "", false},
    {"getprotobyname", "getaddrinfo", true},
    {"getprotobynumber", "", true},
    {"getpwent", "", false},
    {"getpwnam", "getpwnam_r", false},
    {"getpwuid", "getpwuid_r", false},
    {"getservbyname", "getaddrinfo", true},
    {"getservbyport", "getnameinfo", true},
    {"getutxent", "", false},
    {"gmtime", "gmtime_r", true},
    {"hcreate", "hcreate_r", false},
    {"hdestroy", "hdestroy_r", false},
    {"hsearch", "hsearch_r", false},
    {"inet_ntoa", "inet_ntop", true},
    {"initstate", "initstate_r", false},
    {"l64a", "", false},
    {"lcong48", "lcong48_r", false},
    {"localeconv", "", true},
    {"localtime", "localtime_r", true},
    {"lrand48", "lrand48_r, or a generator of your own", false},
    {"mblen", "mbrlen", false},
    {"mbtowc", "mbrtowc", false},
    {"mrand48", "mrand48_r, or a generator of your own", false},
    {"ptsname", "ptsname_r", false},
    {"putenv", "", false},
    {"rand", "a generator of your own", true},
    {"random", "random_r, or a generator of your own", false},
    {"secure_getenv", "", false},
    {"seed48", "seed48_r", false},
    {"setenv", "", false},
    {"setgrent", "", false},
    {"setkey", "", false},
    {"setlocale", "newlocale and uselocale", false},
    {"setpwent", "", false},
    {"setstate", "setstate_r", false},
    {"srand", "a generator of your own", true},
    {"srand48", "srand48_r", false},
    {"srandom", "srandom_r", false},
    {"strerror", "strerror_r", true},
    {"strsignal", "sigdescr_np", false},
    {"strtok", "strtok_r", true},
    {"tmpnam", "mkstemp", true},
    {"ttyname", "ttyname_r", false},
    {"unsetenv", "", false},
    {"wctomb", "wcrtomb", false},
});

// From CPython's HOWTO for free threading, with what has the same defect and leaves a symbol behind: the macros
// (PyList_GET_ITEM, PyWeakref_GET_OBJECT, PyCell_GET) do not. What borrows from something that cannot change
// (PyTuple_GetItem) is not here. Sorted by symbol.
constexpr auto borrowing = std::to_array<Entry>({
    {"PyDict_GetItem", "PyDict_GetItemRef", false},
    {"PyDict_GetItemString", "PyDict_GetItemStringRef", false},
    {"PyDict_GetItemWithError", "PyDict_GetItemRef", false},
    {"PyDict_Next", "Py_BEGIN_CRITICAL_SECTION around the loop", false},
    {"PyDict_SetDefault", "PyDict_SetDefaultRef", false},
    {"PyImport_AddModule", "PyImport_AddModuleRef", false},
    {"PyImport_AddModuleObject", "PyImport_AddModuleRef", false},
    {"PyList_GetItem", "PyList_GetItemRef", false},
    {"PySys_GetObject", "PySys_GetAttr (3.15)", false},
    {"PyWeakref_GetObject", "PyWeakref_GetRef", false},
    {"_PyDict_GetItemStringWithError", "PyDict_GetItemStringRef", false},
    {"_PyDict_GetItem_KnownHash", "PyDict_GetItemRef", false},
    {"_PyDict_Next", "Py_BEGIN_CRITICAL_SECTION around the loop", false},
});

template <std::size_t Size>
constexpr bool sorted(const std::array<Entry, Size>& list) {
    for (std::size_t i = 1; i < Size; ++i) {
        if (list[i - 1].symbol >= list[i].symbol) return false;
    }
    return true;
}
static_assert(sorted(stateful) && sorted(borrowing), "find() is a binary search");

template <std::size_t Size>
const Entry* find(const std::array<Entry, Size>& list, std::string_view symbol) noexcept {
    // "strtok@GLIBC_2.2.5", and macOS's "putenv$UNIX2003".
    const std::string_view name = symbol.substr(0, symbol.find_first_of("@$"));
    const auto found = std::lower_bound(list.begin(), list.end(), name,
                                        [](const Entry& entry, std::string_view text) { return entry.symbol < text; });
    return found != list.end() && found->symbol == name ? &*found : nullptr;
}

}  // namespace

bool keeps_hidden_state(std::string_view symbol) noexcept { return find(stateful, symbol) != nullptr; }

bool is_stateless_on(std::string_view symbol, std::string_view platform) noexcept {
    const Entry* entry = find(stateful, symbol);
    return entry == nullptr || (platform == "windows" && entry->safe_on_windows);
}

bool returns_borrowed(std::string_view symbol) noexcept { return find(borrowing, symbol) != nullptr; }

std::string_view replacement_for(std::string_view symbol) noexcept {
    const Entry* entry = find(stateful, symbol);
    if (entry == nullptr) entry = find(borrowing, symbol);
    return entry == nullptr ? std::string_view() : entry->instead;
}

}  // namespace interlock::auditing::verdict
