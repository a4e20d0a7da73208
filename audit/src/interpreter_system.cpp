// interpreter_system.cpp: functions and variables of the system, as the image sees them.
//
// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

namespace interlock::auditing {

bool is_data_of_system(std::string_view name) noexcept {
    for (const std::string_view known :
         {"__cpu_model", "__cpu_features2", "mach_task_self_", "vm_page_size", "vm_page_mask", "vm_kernel_page_size",
          "_dispatch_main_q", "_dispatch_queue_attr_concurrent", "_environ", "_NSConcreteStackBlock",
          "_NSConcreteGlobalBlock", "in6addr_any", "in6addr_loopback", "signgam", "opterr", "optind"})
        if (known == name) return true;
    return false;
}

// On all but 32-bit Windows the stack is left to the caller.
std::optional<StackUse> Interpreter::stack_use(const Import& import) const {
    const bool decided = image().format == Format::pe && image().architecture == Architecture::i386;
    return decided ? windows_call(import) : StackUse{};
}

std::uint64_t Interpreter::find_system_symbol(const std::string& name) {
    if (const std::uint64_t known = known_import(name)) return known;
    const ModelFunction handler = c_library_function(name);
    const bool windows = image().format == Format::pe;
    const std::optional<StackUse> stack = windows ? windows_call_by_name(name) : StackUse{};
    // Of Windows' functions all are known by name, so that one can be there of which the model knows nothing else.
    if (handler == nullptr && !(windows && stack && !name.starts_with('?'))) return 0;
    const std::string& kept = *found_symbols_.insert(name).first;
    const std::optional<StackUse> used = image().architecture == Architecture::i386 && windows ? stack : StackUse{};
    const std::uint64_t address = add_stand_in({.name = kept, .handler = handler, .stack = used});
    known_imports_.emplace(kept, address);
    return address;
}

}  // namespace interlock::auditing

#endif
