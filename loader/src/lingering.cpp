// Lingering code (lingering.hpp). Where a thread began stands in the C library's record of it. The kernel knows an
// address inside that record, as the list of robust mutexes begins there; start function and argument follow a little
// behind. All of it is read by way of the kernel, as a thread may end meanwhile. Whatever is not as expected means:
// nothing found.
//
// SPDX-License-Identifier: MIT
#include "lingering.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include <interlock/escape.hpp>

namespace interlock::detail {

namespace {

/// Where a library lies.
struct Extent {
    struct Part {
        std::uintptr_t begin, end;
        bool code;
    };
    std::vector<Part> parts;

    bool covers(std::uintptr_t address, bool code_only) const noexcept {
        for (const Part& part : parts)
            if (address >= part.begin && address < part.end && (part.code || !code_only)) return true;
        return false;
    }
};

Extent extent_of(void* library) {
    struct Search {
        const link_map* map = nullptr;
        Extent extent;
    } search;
    link_map* map = nullptr;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
    search.map = map;
    dl_iterate_phdr(
        [](dl_phdr_info* object, std::size_t, void* context) {
            auto& [wanted, extent] = *static_cast<Search*>(context);
            bool same = false;
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const ElfW(Phdr)& segment = object->dlpi_phdr[i];
                const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
                if (segment.p_type == PT_DYNAMIC) same = begin == reinterpret_cast<std::uintptr_t>(wanted->l_ld);
                if (segment.p_type == PT_LOAD)
                    extent.parts.push_back({begin, begin + segment.p_memsz, (segment.p_flags & PF_X) != 0});
            }
            if (!same) extent.parts.clear();
            return same ? 1 : 0;
        },
        &search);
    return std::move(search.extent);
}

bool is_code(std::uintptr_t address) noexcept {
    Dl_info info;
    return address != 0 && dladdr(reinterpret_cast<void*>(address), &info) != 0;
}

/// The memory of this process, as the kernel reads it.
class OwnMemory {
public:
    OwnMemory() : file_(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) {}
    ~OwnMemory() {
        if (file_ >= 0) ::close(file_);
    }
    OwnMemory(const OwnMemory&) = delete;
    OwnMemory& operator=(const OwnMemory&) = delete;
    /// How many of the words could be read.
    template <std::size_t Count>
    std::size_t read(std::uintptr_t address, std::array<std::uintptr_t, Count>& words) const noexcept {
        const ssize_t got = ::pread(file_, words.data(), sizeof words, static_cast<off_t>(address));
        return got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(std::uintptr_t);
    }

private:
    int file_;
};

/// Whether a thread began in the library: by pthread_create, or by std::thread, whose own start function gets an object
/// of a type that the library defines.
bool began_in(const Extent& extent, const OwnMemory& memory, long thread) {
    void* list = nullptr;
    std::size_t size = 0;
    if (::syscall(SYS_get_robust_list, thread, &list, &size) != 0 || list == nullptr) return false;
    std::array<std::uintptr_t, 256> record;
    const std::size_t count = memory.read(reinterpret_cast<std::uintptr_t>(list), record);
    for (std::size_t i = 0; i < count; ++i) {
        if (extent.covers(record[i], true)) return true;
        std::array<std::uintptr_t, 1> first;
        if (i + 1 < count && is_code(record[i]) && memory.read(record[i + 1], first) == 1 &&
            extent.covers(first[0], false))
            return true;
    }
    return false;
}

std::string thread_in(const Extent& extent) {
    struct Close {
        void operator()(DIR* folder) const noexcept { ::closedir(folder); }
    };
    const std::unique_ptr<DIR, Close> threads(::opendir("/proc/self/task"));
    if (threads == nullptr) return {};
    const OwnMemory memory;
    const long self = ::syscall(SYS_gettid);
    std::string found;
    for (const dirent* entry; found.empty() && (entry = ::readdir(threads.get())) != nullptr;) {
        const long thread = std::strtol(entry->d_name, nullptr, 10);
        if (thread <= 0 || thread == self || !began_in(extent, memory, thread)) continue;
        std::string name;
        std::getline(std::ifstream("/proc/self/task/" + std::to_string(thread) + "/comm"), name);
        found = "thread " + std::to_string(thread) + (name.empty() ? "" : " (" + escape(name, 40) + ")") +
                ", which it began, has not ended";
    }
    return found;
}

std::string handler_in(const Extent& extent) {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action;
        if (::sigaction(number, nullptr, &action) != 0) continue;
        // Both forms lie in the same place.
        if (extent.covers(reinterpret_cast<std::uintptr_t>(action.sa_handler), true))
            return "the handler of signal " + std::to_string(number) + " is a function of it";
    }
    return {};
}

// The C library describes its table of keys to debuggers: size in bits, number, offset.
std::string destructor_in(const Extent& extent) {
    using Description = std::array<std::uint32_t, 3>;
    const auto description = [](const char* name) {
        return static_cast<const Description*>(dlsym(RTLD_DEFAULT, name));
    };
    const auto* const keys = static_cast<const unsigned char*>(dlsym(RTLD_DEFAULT, "__pthread_keys"));
    const Description* const table = description("_thread_db___pthread_keys");
    const Description* const sequence = description("_thread_db_pthread_key_struct_seq");
    const Description* const destructor = description("_thread_db_pthread_key_struct_destr");
    const auto* const size =
        static_cast<const std::uint32_t*>(dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread_key_struct"));
    if (keys == nullptr || table == nullptr || sequence == nullptr || destructor == nullptr || size == nullptr)
        return {};
    constexpr std::uint32_t word_bits = 8 * sizeof(std::uintptr_t);
    const bool as_expected = (*table)[1] == PTHREAD_KEYS_MAX && *size == 2 * sizeof(std::uintptr_t) &&
                             (*sequence)[0] == word_bits && (*destructor)[0] == word_bits && (*sequence)[2] < *size &&
                             (*destructor)[2] < *size;
    if (!as_expected) return {};
    const auto word_at = [](const unsigned char* place) {
        return __atomic_load_n(reinterpret_cast<const std::uintptr_t*>(static_cast<const void*>(place)),
                               __ATOMIC_RELAXED);
    };
    for (std::uint32_t key = 0; key < PTHREAD_KEYS_MAX; ++key) {
        const unsigned char* entry = keys + std::size_t{key} * *size;
        const bool in_use = word_at(entry + (*sequence)[2]) % 2 == 1;
        if (in_use && extent.covers(word_at(entry + (*destructor)[2]), true))
            return "the destructor of a pthread_key_t, which it has not deleted, is a function of it";
    }
    return {};
}

}  // namespace

std::string what_may_still_run(void* library) {
    const Extent extent = extent_of(library);
    if (extent.parts.empty()) return {};
    std::string found = handler_in(extent);
    if (found.empty()) found = destructor_in(extent);
    if (found.empty()) found = thread_in(extent);
    return found;
}

}  // namespace interlock::detail
