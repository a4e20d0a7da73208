// model_c_library.cpp: memory and text: the functions of the C library, of the C++ runtime and of Windows that init
// functions call on their way to the decision. Others are in model_system.cpp and model_cpp_library.cpp.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_memory.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- allocation ----

// Memory that is not zeroed, and may be what was given back before: in the other runs it looks like that.
std::uint64_t used_memory(I& in, std::uint64_t size) {
    constexpr std::uint64_t most = 64u << 10;
    if (in.likely() || size == 0 || size > most) return in.guest().allocate(size);
    const std::uint64_t free = in.guest().take_given_back(size);
    const std::uint64_t memory = free == 0 ? in.guest().allocate(size) : free;
    const std::vector<std::uint8_t> rubbish(size, 0xa5);
    if (memory != 0) in.guest().write(memory, rubbish.data(), size);
    return memory;
}
void allocate(I& in) { in.result(used_memory(in, in.argument(0))); }
void give_back(I& in) {
    const std::uint64_t memory = in.argument(0), size = in.guest().allocated_size(memory);
    in.result(0);
    if (!in.likely() && memory != 0 && size != 0) in.guest().give_back(memory);
}
void allocate_second(I& in) { in.result(in.guest().allocate(in.argument(1))); }
void allocate_at(I& in) { in.result(in.guest().allocate_aligned(in.argument(1), in.argument(0))); }
void allocate_as(I& in) { in.result(in.guest().allocate_aligned(in.argument(0), in.argument(1))); }
void usable_size(I& in) {
    const std::uint64_t size = in.guest().allocated_size(in.argument(0));
    in.unknown_number((size + 15) & ~std::uint64_t{15}, size + 64);
}
void heap_size(I& in) { in.result(in.guest().allocated_size(in.argument(2))); }
void allocate_third(I& in) { in.result(in.guest().allocate(in.argument(2))); }
void allocate_zeroed(I& in) {
    std::uint64_t size = 0;
    in.result(__builtin_mul_overflow(in.argument(0), in.argument(1), &size) ? 0 : in.guest().allocate(size));
}
void reallocate(I& in) { in.result(move_to_new(in, in.argument(0), in.argument(1))); }
void heap_reallocate(I& in) { in.result(move_to_new(in, in.argument(2), in.argument(3))); }
void allocate_into(I& in) {  // posix_memalign
    in.guest().set_word(in.argument(0), in.guest().allocate_aligned(in.argument(2), in.argument(1)));
    in.result(0);
}
void release(I& in) { in.result(0); }

// ---- memory and text ----
void copy_memory(I& in) {
    const std::uint64_t to = in.argument(0), from = in.argument(1), size = in.argument(2);
    in.result(to);
    if (size > largest_copy) return no_memory_there(in);
    std::vector<std::uint8_t> bytes(size);
    if (!in.guest().read(from, bytes.data(), size) || !in.guest().write(to, bytes.data(), size)) no_memory_there(in);
}
void fill_memory(I& in) { fill_with(in, in.argument(0), static_cast<std::uint8_t>(in.argument(1)), in.argument(2)); }
void clear_memory(I& in) { fill_with(in, in.argument(0), 0, in.argument(1)); }  // bzero
void arm_fill_memory(I& in) {
    fill_with(in, in.argument(0), static_cast<std::uint8_t>(in.argument(2)), in.argument(1));
}

// Not further than to the first difference, as what follows may not be there.
void compare_memory(I& in) {
    constexpr std::uint64_t step = 4096;
    const std::uint64_t a = in.argument(0), b = in.argument(1), size = in.argument(2);
    in.result(0);
    for (std::uint64_t at = 0; at < size && at <= largest_copy; at += step) {
        std::uint64_t count = std::min(step, size - at);
        std::array<std::uint8_t, step> left{}, right{};
        while (count > 1 &&
               !(in.guest().read(a + at, left.data(), count) && in.guest().read(b + at, right.data(), count)))
            count /= 2;
        if (!in.guest().read(a + at, left.data(), count) || !in.guest().read(b + at, right.data(), count))
            return no_memory_there(in);
        if (const int order = std::memcmp(left.data(), right.data(), count); order != 0)
            return in.result(static_cast<std::uint64_t>(std::int64_t{order < 0 ? -1 : 1}));
        if (count < step && at + count < size) return no_memory_there(in);
    }
}
// What is made up may well be what it is compared with.
bool any_text(I& in) { return in.may_be_any_text(in.argument(0)) || in.may_be_any_text(in.argument(1)); }
// Not further than to the first difference.
void compare_text(I& in) {
    if (any_text(in)) return in.result(0);
    const std::string a = text_of(in, in.argument(0));
    compare(in, a, text_of(in, in.argument(1), a.size() + 1));
}
void compare_text_begin(I& in) {
    if (any_text(in)) return in.result(0);
    const std::uint64_t size = in.argument(2);
    const std::string b = text_of(in, in.argument(1), size);
    compare(in, text_of(in, in.argument(0), std::min<std::uint64_t>(size, b.size() + 1)), b);
}
void length(I& in) { in.result(text_of(in, in.argument(0)).size()); }
void length_bounded(I& in) { in.result(text_of(in, in.argument(0), in.argument(1)).size()); }
void find_character(I& in) {
    const std::string text = text_of(in, in.argument(0));
    const auto character = static_cast<char>(in.argument(1));
    const std::size_t at = character == 0 ? text.size() : text.find(character);
    in.result(at == std::string::npos ? 0 : in.argument(0) + at);
}
void find_last_character(I& in) {
    const std::string text = text_of(in, in.argument(0));
    const auto character = static_cast<char>(in.argument(1));
    const std::size_t at = character == 0 ? text.size() : text.rfind(character);
    in.result(at == std::string::npos ? 0 : in.argument(0) + at);
}
void find_text(I& in) {
    const std::string text = text_of(in, in.argument(0)), part = text_of(in, in.argument(1));
    in.guest().charge(text.size() * part.size() / 64);
    const std::size_t at = text.find(part);
    in.result(at == std::string::npos ? 0 : in.argument(0) + at);
}
void find_byte(I& in) {
    const std::size_t at = bytes_of(in, in.argument(0), in.argument(2)).find(static_cast<char>(in.argument(1)));
    in.result(at == std::string::npos ? 0 : in.argument(0) + at);
}
void copy_text(I& in) {
    const std::string text = text_of(in, in.argument(1));
    in.guest().write(in.argument(0), text.c_str(), text.size() + 1);
    in.result(in.argument(0));
}
void copy_text_begin(I& in) {
    std::string text = text_of(in, in.argument(1), in.argument(2));
    text.resize(std::min(in.argument(2), largest_copy), '\0');
    in.guest().write(in.argument(0), text.data(), text.size());
    in.result(in.argument(0));
}
void append_text(I& in) {
    const std::string text = text_of(in, in.argument(1));
    in.guest().write(in.argument(0) + text_of(in, in.argument(0)).size(), text.c_str(), text.size() + 1);
    in.result(in.argument(0));
}
void duplicate_text(I& in) { in.result(in.guest().new_text(text_of(in, in.argument(0)))); }

constexpr ModelEntry table[] = {
    {"malloc", allocate},
    {"calloc", allocate_zeroed},
    {"realloc", reallocate},
    {"aligned_alloc", allocate_at},
    {"_aligned_malloc", allocate_as},
    {"memalign", allocate_at},
    {"posix_memalign", allocate_into},
    {"free", give_back},
    {"_aligned_free", release},
    {"HeapAlloc", allocate_third},
    {"HeapReAlloc", heap_reallocate},
    {"LocalAlloc", allocate_second},
    {"GlobalAlloc", allocate_second},
    {"RtlAllocateHeap", allocate_third},
    {"RtlReAllocateHeap", heap_reallocate},
    {"HeapSize", heap_size},
    {"LocalFree", release},
    {"GlobalFree", release},
    {"CoTaskMemAlloc", allocate},
    {"CoTaskMemFree", release},
    {"valloc", allocate},
    {"reallocf", reallocate},
    {"cfree", release},
    {"malloc_usable_size", usable_size},
    {"_msize", usable_size},
    {"_Znwm", allocate},
    {"_Znam", allocate},
    {"_Znwj", allocate},
    {"_Znaj", allocate},
    {"_ZnwmRKSt9nothrow_t", allocate},
    {"_ZnamRKSt9nothrow_t", allocate},
    {"_ZnwmSt11align_val_t", allocate_as},
    {"_ZnamSt11align_val_t", allocate_as},
    {"_ZnwjSt11align_val_t", allocate_as},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t", allocate_as},
    {"_ZnwjRKSt9nothrow_t", allocate},
    {"_ZnajRKSt9nothrow_t", allocate},
    {"_ZdlPv", release},
    {"_ZdaPv", release},
    {"_ZdlPvm", release},
    {"_ZdaPvm", release},
    {"_ZdlPvj", release},
    {"_ZdlPvSt11align_val_t", release},
    {"_ZdlPvmSt11align_val_t", release},
    {"_ZdaPvj", release},
    {"_ZdaPvSt11align_val_t", release},
    {"_ZdlPvRKSt9nothrow_t", release},
    {"_ZdaPvRKSt9nothrow_t", release},
    {"??2@YAPEAX_K@Z", allocate},
    {"??_U@YAPEAX_K@Z", allocate},
    {"??3@YAXPEAX@Z", release},
    {"??3@YAXPEAX_K@Z", release},
    {"??_V@YAXPEAX@Z", release},
    {"??2@YAPAXI@Z", allocate},
    {"??_U@YAPAXI@Z", allocate},
    {"??3@YAXPAX@Z", release},
    {"??3@YAXPAXI@Z", release},
    {"??_V@YAXPAX@Z", release},
    {"??2@YAPEAX_KAEBUnothrow_t@std@@@Z", allocate},
    {"??2@YAPEAX_KW4align_val_t@std@@@Z", allocate_as},
    {"memcpy", copy_memory},
    {"memmove", copy_memory},
    {"__memcpy_chk", copy_memory},
    {"__memmove_chk", copy_memory},
    {"__aeabi_memcpy", copy_memory},
    {"__aeabi_memcpy4", copy_memory},
    {"__aeabi_memcpy8", copy_memory},
    {"__aeabi_memmove", copy_memory},
    {"memset", fill_memory},
    {"__memset_chk", fill_memory},
    {"memset_s", fill_memory},
    {"bzero", clear_memory},
    {"__bzero", clear_memory},
    {"__aeabi_memset", arm_fill_memory},
    {"__aeabi_memset4", arm_fill_memory},
    {"__aeabi_memset8", arm_fill_memory},
    {"__aeabi_memclr", clear_memory},
    {"__aeabi_memclr4", clear_memory},
    {"__aeabi_memclr8", clear_memory},
    {"memcmp", compare_memory},
    {"bcmp", compare_memory},
    {"memchr", find_byte},
    {"strlen", length},
    {"strnlen", length_bounded},
    {"strcmp", compare_text},
    {"strcoll", compare_text},
    {"strncmp", compare_text_begin},
    {"strchr", find_character},
    {"strrchr", find_last_character},
    {"strstr", find_text},
    {"strcpy", copy_text},
    {"__strcpy_chk", copy_text},
    {"strncpy", copy_text_begin},
    {"strcat", append_text},
    {"strdup", duplicate_text},
    {"__strdup", duplicate_text},
    {"_strdup", duplicate_text},
    {"__cxa_allocate_exception", allocate},
    {"__cxa_free_exception", release},
};

}  // namespace

ModelFunction c_library_function(std::string_view name) noexcept {
    static const auto* const functions = [] {
        auto* map = new std::unordered_map<std::string_view, ModelFunction>;
        for (const std::span<const ModelEntry> entries :
             {std::span<const ModelEntry>(table), model_cpp_library(), model_libcxx(), model_strings(), model_system(),
              model_characters(), model_sorting(), model_time(), model_threads(), model_address_space(), model_output(),
              model_windows(), model_macos(), model_endings()})
            for (const ModelEntry& entry : entries) map->emplace(entry.name, entry.function);
        return map;
    }();
    const auto found = functions->find(name);
    return found == functions->end() ? nullptr : found->second;
}

}  // namespace interlock::auditing::emulation

#endif
