// model_endings.cpp: the ways in which a program ends itself, with the words that it has for it: exceptions of C++ and
// panics of Rust carry a text, and others write one before.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_endings.hpp"

#include "emulation/model_strings.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include <interlock/escape.hpp>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::size_t longest_message = 200;

bool is_readable(const std::string& text) {
    return !text.empty() &&
           std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 || c == '\n' || c == '\t'; });
}

// A text of the guest for a message; empty where there is none.
std::string readable(I& in, std::uint64_t address, std::uint64_t size) {
    if (address == 0 || size == 0 || size > 4096) return {};
    std::string text(size, '\0');
    if (!in.guest().read(address, text.data(), size) || !is_readable(text)) return {};
    return text;
}
std::string readable_text(I& in, std::uint64_t address) {
    const auto text = in.guest().text(address, 1024);
    return text && is_readable(*text) ? *text : std::string();
}

void end_in(I& in, std::string what, const std::string& message) {
    std::string text = message.empty() ? in.record().written() : message;
    while (text.ends_with(' ')) text.pop_back();
    if (!text.empty()) what += ": " + quoted(text, longest_message);
    in.give_up(std::move(what));
}
bool wrote_a_panic(I& in) { return in.record().written().find("panicked at") != std::string::npos; }

void abort_run(I& in) { end_in(in, wrote_a_panic(in) ? "a Rust panic" : "abort()", {}); }
void exit_run(I& in) { end_in(in, "exit()", {}); }
void assert_fails(I& in) {  // the condition comes first; on macOS third
    const bool macos = in.image().format == image::Format::macho;
    end_in(in, "a failed assertion", readable_text(in, in.argument(macos ? 3 : 0)));
}
void windows_assert_fails(I& in) {  // in UTF-16
    std::string text;
    for (std::uint64_t at = in.argument(0); text.size() < longest_message; at += 2) {
        const auto unit = in.guest().number(at, 2).value_or(0);
        if (unit == 0) break;
        text.push_back(unit < 0x80 ? static_cast<char>(unit) : '?');
    }
    end_in(in, "a failed assertion", is_readable(text) ? text : std::string());
}
void stack_check(I& in) { in.give_up("the check of the stack"); }
void jump(I& in) { in.give_up("longjmp()"); }

// ---- exceptions of C++ ----

// "St13runtime_error" is std::runtime_error, "N4acme5errorE" is acme::error; more is not needed to find one's way.
std::string type_name(std::string_view mangled) {
    std::string name;
    std::string_view rest = mangled;
    if (rest.starts_with('N')) rest.remove_prefix(1);
    if (rest.starts_with("St")) {
        name = "std";
        rest.remove_prefix(2);
    }
    while (!rest.empty() && rest.front() >= '1' && rest.front() <= '9') {
        std::size_t size = 0;
        while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9' && size < 1000) {
            size = 10 * size + static_cast<std::size_t>(rest.front() - '0');
            rest.remove_prefix(1);
        }
        if (size > rest.size()) return std::string(mangled);
        name += (name.empty() ? "" : "::") + std::string(rest.substr(0, size));
        rest.remove_prefix(size);
    }
    return rest.empty() || rest == "E" ? name : std::string(mangled);
}

// Of the exceptions of the standard, the text is the second word: libstdc++ and libc++ keep its address there.
void throw_exception(I& in) {  // (object, type)
    const std::uint64_t object = in.argument(0), type = in.argument(1);
    std::string name;
    for (const image::Import& import : in.image().imports)
        if (import.name.starts_with("_ZTI") && in.known_import(import.name) == type) name = import.name.substr(4);
    if (name.empty()) name = readable_text(in, in.guest().word(type + in.word()).value_or(0));
    const std::string message = readable_text(in, in.guest().word(object + in.word()).value_or(0));
    std::string what = "a C++ exception";
    if (!name.empty()) what += " (" + escape(type_name(name), 100) + ")";
    if (message.empty()) return in.give_up(std::move(what));
    end_in(in, std::move(what), message);
}
void rethrow(I& in) { in.give_up("a C++ exception"); }
// What the library throws itself, with a text as argument.
template <const char* const& Name>
void throws_text(I& in) {
    const std::string message = readable_text(in, in.argument(0));
    std::string what = std::string("a C++ exception (") + Name + ")";
    if (message.empty()) return in.give_up(std::move(what));
    end_in(in, std::move(what), message);
}
constexpr const char* logic_error = "std::logic_error";
constexpr const char* length_error = "std::length_error";
constexpr const char* out_of_range = "std::out_of_range";
constexpr const char* invalid_argument = "std::invalid_argument";
constexpr const char* runtime_error = "std::runtime_error";
void throws_bad_alloc(I& in) { in.give_up("a C++ exception (std::bad_alloc)"); }
void throws_bad_cast(I& in) { in.give_up("a C++ exception (std::bad_cast)"); }
void throws_bad_function(I& in) { in.give_up("a C++ exception (std::bad_function_call)"); }
void throws_system_error(I& in) { in.give_up("a C++ exception (std::system_error)"); }
// std::runtime_error(text) and its relatives: the text is kept as it comes.
template <typename S>
void exception_from_string(I& in) {
    in.guest().set_word(in.argument(0) + in.word(), in.guest().new_text(S::load(in, in.argument(1))));
    in.result(in.argument(0));
}
void exception_from_text(I& in) {
    in.guest().set_word(in.argument(0) + in.word(), in.guest().new_text(readable_text(in, in.argument(1))));
    in.result(in.argument(0));
}

// ---- panics of Rust ----

// Behind the head that the unwinder wants: a canary, and the payload as a pointer to the object and one to its table,
// of which the second word is a size. A text of the program has two words, one that was made has three, in no fixed
// order.
std::string message_of_panic(I& in, std::uint64_t exception) {
    const std::uint64_t word = in.word();
    const image::Architecture processor = in.image().architecture;
    const unsigned words = processor == image::Architecture::arm ? 20 : processor == image::Architecture::i386 ? 5 : 2;
    const std::uint64_t payload = exception + 8 + word * (1 + words) + word;
    const std::uint64_t object = in.guest().word(payload).value_or(0);
    const std::uint64_t table = in.guest().word(payload + word).value_or(0);
    const std::uint64_t size = in.guest().word(table + word).value_or(0);
    const auto field = [&](unsigned index) { return in.guest().word(object + index * word).value_or(0); };
    if (size == 2 * word) return readable(in, field(0), field(1));
    if (size != 3 * word) return {};
    for (const auto& [text, length] : {std::pair{1u, 2u}, std::pair{0u, 2u}})
        if (std::string found = readable(in, field(text), field(length)); !found.empty()) return found;
    return {};
}
void panic_in_rust(I& in, const std::string& message) { end_in(in, "a Rust panic", message); }

// The first eight bytes say whose exception it is.
void raise_exception(I& in) {
    const std::uint64_t exception = in.argument(0);
    std::array<char, 8> kind{};
    in.guest().read(exception, kind.data(), kind.size());
    std::string_view text(kind.data(), kind.size());
    constexpr std::string_view rust("MOZ\0RUST", 8), reversed("TSUR\0ZOM", 8);
    if (text == rust || text == reversed) return panic_in_rust(in, message_of_panic(in, exception));
    in.give_up("a C++ exception");
}
// Windows: Rust calls the type of its panics rust_panic.
void windows_exception(I& in, std::uint64_t description) {
    const bool wide = in.word() == 8;
    const std::uint64_t base = wide && !in.image().segments.empty()
                                   ? in.guest().to_guest(in.image().segments.front().address) & ~std::uint64_t{0xffff}
                                   : 0;
    // Words of 32 bits, on x64 from the beginning of the image: the description has the list of types in its fourth,
    // the list has the types behind their number, and a type has its name behind two words.
    const auto at = [&](std::uint64_t place) { return base + in.guest().number(place, 4).value_or(0); };
    std::string name;
    if (description != 0) name = readable_text(in, at(at(at(description + 12) + 4) + 4) + 2 * in.word());
    if (name == "rust_panic" || wrote_a_panic(in)) return panic_in_rust(in, {});
    std::string what = "a C++ exception";
    if (name.starts_with(".?A") && name.size() > 4) {  // ".?AVruntime_error@std@@"
        std::string written;
        std::string_view rest = std::string_view(name).substr(4);
        while (!rest.empty() && rest.front() != '@' && rest.find('@') != std::string_view::npos) {
            const std::size_t end = rest.find('@');
            written = std::string(rest.substr(0, end)) + (written.empty() ? "" : "::") + written;
            rest.remove_prefix(end + 1);
        }
        if (!written.empty()) what += " (" + escape(written, 100) + ")";
    }
    in.give_up(std::move(what));
}

void windows_throw(I& in) { windows_exception(in, in.argument(1)); }  // (object, description)
// Where the C library is in the file: code of an exception of C++, how it goes on, the arguments: of them the second is
// the object and the third its description.
void windows_raise(I& in) {
    constexpr std::uint64_t cpp = 0xe06d7363;
    const std::uint64_t code = in.argument(0) & 0xffffffff, arguments = in.argument(3), word = in.word();
    if (code != cpp) return in.give_up("an exception of Windows");
    windows_exception(in, in.guest().word(arguments + 2 * word).value_or(0));
}

constexpr ModelEntry table[] = {
    {"abort", abort_run},
    {"exit", exit_run},
    {"_exit", exit_run},
    {"_Exit", exit_run},
    {"quick_exit", exit_run},
    {"ExitProcess", exit_run},
    {"TerminateProcess", exit_run},
    {"FatalExit", exit_run},
    {"RaiseFailFastException", abort_run},
    {"terminate", abort_run},
    {"_invoke_watson", abort_run},
    {"_invalid_parameter_noinfo_noreturn", abort_run},
    {"__assert_fail", assert_fails},
    {"__assert_rtn", assert_fails},
    {"__assert", assert_fails},
    {"_assert", assert_fails},
    {"_wassert", windows_assert_fails},
    {"__stack_chk_fail", stack_check},
    {"__fortify_fail", stack_check},
    {"__chk_fail", stack_check},
    {"longjmp", jump},
    {"_longjmp", jump},
    {"siglongjmp", jump},
    {"__longjmp_chk", jump},
    {"_ZSt9terminatev", abort_run},
    {"__cxa_pure_virtual", abort_run},
    {"__cxa_throw", throw_exception},
    {"__cxa_rethrow", rethrow},
    {"__cxa_throw_bad_array_new_length", throws_bad_alloc},
    {"_Unwind_Resume", rethrow},
    {"_Unwind_RaiseException", raise_exception},
    {"_CxxThrowException", windows_throw},
    {"RaiseException", windows_raise},
    {"_ZSt17__throw_bad_allocv", throws_bad_alloc},
    {"_ZSt28__throw_bad_array_new_lengthv", throws_bad_alloc},
    {"_ZSt16__throw_bad_castv", throws_bad_cast},
    {"_ZSt25__throw_bad_function_callv", throws_bad_function},
    {"_ZSt20__throw_system_errori", throws_system_error},
    {"_ZNSt3__120__throw_system_errorEiPKc", throws_system_error},
    {"_ZSt20__throw_length_errorPKc", throws_text<length_error>},
    {"_ZSt19__throw_logic_errorPKc", throws_text<logic_error>},
    {"_ZSt20__throw_out_of_rangePKc", throws_text<out_of_range>},
    {"_ZSt24__throw_out_of_range_fmtPKcz", throws_text<out_of_range>},
    {"_ZSt24__throw_invalid_argumentPKc", throws_text<invalid_argument>},
    {"_ZSt21__throw_runtime_errorPKc", throws_text<runtime_error>},
    {"?_Xlength_error@std@@YAXPEBD@Z", throws_text<length_error>},
    {"?_Xout_of_range@std@@YAXPEBD@Z", throws_text<out_of_range>},
    {"?_Xinvalid_argument@std@@YAXPEBD@Z", throws_text<invalid_argument>},
    {"?_Xruntime_error@std@@YAXPEBD@Z", throws_text<runtime_error>},
    {"?_Xlength_error@std@@YAXPBD@Z", throws_text<length_error>},
    {"?_Xout_of_range@std@@YAXPBD@Z", throws_text<out_of_range>},
    {"?_Xbad_alloc@std@@YAXXZ", throws_bad_alloc},
    {"?_Throw_C_error@std@@YAXH@Z", throws_system_error},
    {"?_Throw_Cpp_error@std@@YAXH@Z", throws_system_error},
    {"__std_terminate", abort_run},
    {"?_Xbad_function_call@std@@YAXXZ", throws_bad_function},
    {"_ZNSt13runtime_errorC1EPKc", exception_from_text},
    {"_ZNSt13runtime_errorC2EPKc", exception_from_text},
    {"_ZNSt11logic_errorC1EPKc", exception_from_text},
    {"_ZNSt11logic_errorC2EPKc", exception_from_text},
    {"_ZNSt16invalid_argumentC1EPKc", exception_from_text},
    {"_ZNSt12out_of_rangeC1EPKc", exception_from_text},
    {"_ZNSt12domain_errorC1EPKc", exception_from_text},
    {"_ZNSt12length_errorC1EPKc", exception_from_text},
    {"_ZNSt13runtime_errorC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt13runtime_errorC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt13runtime_errorC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt13runtime_errorC2ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt13runtime_errorC2ERKSs", exception_from_string<OldString>},
    {"_ZNSt13runtime_errorC2ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt11logic_errorC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt11logic_errorC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt11logic_errorC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt11logic_errorC2ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt11logic_errorC2ERKSs", exception_from_string<OldString>},
    {"_ZNSt11logic_errorC2ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt16invalid_argumentC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
     exception_from_string<NewString>},
    {"_ZNSt16invalid_argumentC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt16invalid_argumentC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt12out_of_rangeC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt12out_of_rangeC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt12out_of_rangeC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt12domain_errorC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt12domain_errorC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt12domain_errorC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
    {"_ZNSt12length_errorC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", exception_from_string<NewString>},
    {"_ZNSt12length_errorC1ERKSs", exception_from_string<OldString>},
    {"_ZNSt12length_errorC1ERKNSt3__112basic_stringIcNS0_11char_traitsIcEENS0_9allocatorIcEEEE",
     exception_from_string<LibcxxString>},
};

}  // namespace

// What it wrote last says more than the name of the function in which it ends.
void end_with_words(Interpreter& in, std::string what) { end_in(in, std::move(what), {}); }

std::span<const ModelEntry> model_endings() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
