// interpreter_system.cpp: functions and variables of the system, as the image sees them.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

namespace interlock::auditing::emulation {

bool is_data_of_system(std::string_view name) noexcept {
    for (const std::string_view known :
         {"__cpu_model", "__cpu_features2", "mach_task_self_", "vm_page_size", "vm_page_mask", "vm_kernel_page_size",
          "_dispatch_main_q", "_dispatch_queue_attr_concurrent", "_environ", "_NSConcreteStackBlock",
          "_NSConcreteGlobalBlock", "in6addr_any", "in6addr_loopback", "signgam", "opterr", "optind"})
        if (known == name) return true;
    return false;
}

std::string_view what_a_variable_says(std::string_view name) noexcept {
    struct Known {
        std::string_view name, what;
    };
    static constexpr Known known[] = {{"environ", "the environment"},
                                      {"__environ", "the environment"},
                                      {"_environ", "the environment"},
                                      {"timezone", "the time zone"},
                                      {"daylight", "the time zone"},
                                      {"tzname", "the time zone"},
                                      {"__progname", "the name of the program"},
                                      {"program_invocation_name", "the name of the program"},
                                      {"program_invocation_short_name", "the name of the program"},
                                      {"__libc_single_threaded", "whether there are other threads"},
                                      {"__cpu_model", "which features the processor has"},
                                      {"__cpu_features2", "which features the processor has"},
                                      {"optarg", "the arguments of the program"},
                                      {"argv", "the arguments of the program"},
                                      {"optind", "the arguments of the program"},
                                      {"opterr", "the arguments of the program"},
                                      {"_PyRuntime", "the state of the interpreter"},
                                      {"the state of the interpreter", "the state of the interpreter"},
                                      {"the state of a thread", "the state of the interpreter"},
                                      {"Py_Version", "the micro version of the interpreter"}};
    for (const Known& one : known)
        if (one.name == name) return one.what;
    // Options of the interpreter: Py_IsolatedFlag.
    return name.starts_with("Py_") && name.ends_with("Flag") ? "an option of the interpreter" : "";
}

// Mostly numbers and pointers that can be zero.
void Interpreter::fill_variable_of_the_world(std::uint64_t place, std::string_view name) {
    if (name == "Py_Version") {
        record_.note_asked_version();
        const bool wide = word() == 8 && image().format != image::Format::pe;
        guest_.set_number(place, 0x030000f0u | model_.minor << 16 | micro_version() << 8, wide ? 8 : 4);
    } else if (name.ends_with("environ")) {  // of no variables, or of one
        const std::uint64_t list = guest_.new_object(2 * word());
        if (!likely()) guest_.set_word(list, guest_.new_text("OTHER=1"));
        guest_.set_word(place, list);
    } else if (name.starts_with("__prog") || name.starts_with("program") || name == "optarg" || name == "argv") {
        guest_.set_word(place, guest_.new_text(likely() ? "python3" : "other"));
    } else if (name == "tzname") {
        for (unsigned i = 0; i < 2; ++i)
            guest_.set_word(place + i * word(), guest_.new_text(likely() ? "UTC" : "OTHER"));
    } else if (name == "__libc_single_threaded") {
        guest_.set_number(place, likely() ? 1 : 0, 1);
    } else if (name == "optind" || name == "opterr") {
        guest_.set_number(place, 1, 4);
    } else if (name.starts_with("the state")) {
        const std::uint64_t sink = likely() ? 0 : guest_.new_object(4096);
        for (std::uint64_t field = 0; !likely() && field < 4096; field += word()) guest_.set_word(place + field, sink);
    } else if (!likely()) {
        guest_.set_number(place, name.starts_with("__cpu") ? ~0u : 1, 4);
    }
}

std::vector<std::uint64_t> Interpreter::arguments_of_constructors() {
    if (image().format == image::Format::pe) return {};
    if (arguments_ == 0) arguments_ = add_variable_of_the_world("argv");
    if (arguments_ == 0) return {};
    return {likely() ? 1u : 3u, arguments_, arguments_ + 2 * word()};
}

// On all but 32-bit Windows the stack is left to the caller.
std::optional<StackUse> Interpreter::stack_use(const image::Import& import) const {
    const bool decided = image().format == image::Format::pe && image().architecture == image::Architecture::i386;
    return decided ? windows_call(import) : StackUse{};
}

std::uint64_t Interpreter::find_system_symbol(const std::string& name) {
    if (const std::uint64_t known = known_import(name)) return known;
    const ModelFunction handler = c_library_function(name);
    const bool windows = image().format == image::Format::pe;
    const std::optional<StackUse> stack = windows ? windows_call_by_name(name) : StackUse{};
    // Of Windows' functions all are known by name, so that one can be there of which the model knows nothing else.
    if (handler == nullptr && !(windows && stack && !name.starts_with('?'))) return 0;
    const std::string& kept = stand_ins_.keep_name(name);
    const std::optional<StackUse> used =
        image().architecture == image::Architecture::i386 && windows ? stack : StackUse{};
    const std::uint64_t address = add_stand_in({.name = kept, .handler = handler, .stack = used});
    stand_ins_.set_known(kept, address);
    return address;
}

}  // namespace interlock::auditing::emulation

#endif
