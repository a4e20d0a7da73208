// interpreter.cpp: what an image imports, and what stands there. The calls that arrive are in interpreter_calls.cpp,
// objects in the other interpreter_*.cpp, the functions in model_*.cpp.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include "emulation/c_api_names.hpp"
#include "emulation/model_memory.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

constexpr unsigned oldest_minor = 13;

void make_object(Interpreter& interpreter) { interpreter.result_object(); }
void do_nothing(Interpreter& interpreter) { interpreter.result(0); }
// tp_new(type, arguments, ...): a class of classes that is called with a name, bases and attributes makes a class.
void make_object_of(Interpreter& in) {
    const std::uint64_t object = in.new_instance(in.argument(0)), arguments = in.argument(1);
    if (object != 0 && in.is_type(object)) {
        const auto item = [&](unsigned index) {
            return in.objects().has_known_length(arguments)
                       ? in.guest().word(arguments + in.head_size() + (index + 1) * in.word()).value_or(0)
                       : 0;
        };
        const std::string name = in.text_of(item(0));
        in.set_type_field(object, TypeField::name, in.guest().new_text(name));
        in.set_type_field(object, TypeField::flags, TypeFlags::heap_type | TypeFlags::base_type);
        in.set_type_field(object, TypeField::bases, item(1));
        in.ready_type(object);
    }
    in.result(object);
}
// The function of a TLS descriptor: gets the descriptor, and gives back the offset from the thread pointer, in the
// register for results.
void tls_descriptor(Interpreter& interpreter) {
    Guest& guest = interpreter.guest();
    const std::uint64_t offset = guest.word(guest.result() + interpreter.word()).value_or(0);
    guest.set_result(guest.tls_block() + offset);
}

}  // namespace

Interpreter::Interpreter(Guest& guest, std::span<const image::Image* const> images, const InterpreterModel& model,
                         bool keep_calls)
    : guest_(guest), images_(images), model_(model), keep_calls_(keep_calls), stand_ins_(guest) {
    can_set_gil_ = std::ranges::any_of(images, [](const image::Image* one) {
        return std::ranges::find(one->imports, "PyUnstable_Module_SetGIL", &image::Import::name) != one->imports.end();
    });
}

bool Interpreter::load() {
    // Guest::load() asks for the imports while it works; stand-in 0 is the one of TLS descriptors.
    bool first = true;
    const bool loaded = guest_.load(images_, [&](std::size_t number, std::uint32_t import) {
        if (std::exchange(first, false)) {
            add_stand_in({.handler = &tls_descriptor});
            make_object_ = add_stand_in({.handler = &make_object});
            do_nothing_ = add_stand_in({.handler = &do_nothing});
            make_object_of_ = add_stand_in({.handler = &make_object_of});
            generic_type_ = new_type(0);
        }
        return address_of_import(number, import);
    });
    constexpr std::uint64_t no_such_file = 2;  // what was looked for before
    if (!likely()) guest_.set_number(model_slot(ModelSlot::error_number), no_such_file, 4);
    return loaded;
}

std::uint64_t Interpreter::add_stand_in(StandIn stand_in) {
    stand_in.calls_back = is_of_c_api(stand_in.name) && may_call_back(stand_in.name);
    return stand_ins_.add(std::move(stand_in));
}

// Where a library that comes with the module defines what is imported; 0 if none does. Names of Windows and macOS say
// in which library to look; another may be the one that it passes on.
std::uint64_t Interpreter::exported_by_library(const image::Import& import) const {
    for (std::size_t number = 1; number < images_.size(); ++number) {
        const image::Export* found = images_[number]->find_export(import.name);
        if (found != nullptr && found->address != 0) return guest_.to_guest(found->address, number);
    }
    return 0;
}

std::uint64_t Interpreter::address_of_import(std::size_t number, std::uint32_t index) {
    const image::Import& import = images_[number]->imports[index];
    const std::optional<StackUse> stack = stack_use(import);
    if (import.name.empty()) {  // PE, by number
        return add_stand_in({.name = import.library, .stack = stack});
    }
    if (const std::uint64_t* known = stand_ins_.known(import.name)) return *known;
    std::uint64_t address = 0;
    // What the interpreter and the C library define comes before what libraries of the module do, as in a process.
    const bool python = import.name.starts_with("Py") || import.name.starts_with("_Py");
    if (import.weak && c_api_since(import.name) > oldest_minor) record_.note_asked_version();
    ModelFunction handler = c_api_function(import.name);
    if (handler == nullptr) handler = c_library_function(import.name);
    const image::Export* own = image().find_export(import.name);
    if (own != nullptr && own->address != 0 && !(image().format == image::Format::elf && is_of_process(import.name))) {
        address = guest_.to_guest(own->address);
    } else if (const std::uint64_t library =
                   handler != nullptr || is_of_c_api(import.name) ? 0 : exported_by_library(import)) {
        address = library;
    } else if (!what_a_variable_says(import.name).empty()) {
        address = add_variable_of_the_world(import.name);
    } else if (is_data(import.name)) {
        address = new_data(import.name);
    } else {
        if (import.weak && is_absent(import.name, python, handler != nullptr)) return 0;
        const bool unknown = handler == nullptr && !python && !import.function;
        address = unknown ? stand_ins_.add_unknown({.name = import.name, .stack = stack})
                          : add_stand_in({.name = import.name, .handler = handler, .stack = stack});
    }
    stand_ins_.set_known(import.name, address);
    return address;
}

// Whether what may be missing is. Hooks of the tools are, as in most processes; of other names it is not known.
bool Interpreter::is_absent(std::string_view name, bool python, bool modelled) {
    if (python && (modelled || is_of_c_api(name))) return !has_function(name);
    if (modelled) return false;
    if (!may_be_of_library(name)) return true;
    if (!python) record_.note_called_library();
    doubt("whether the process has " + std::string(name.substr(0, 64)));
    return likely();
}

void Interpreter::add_destructor(std::uint64_t function, std::uint64_t object) {
    if (!guest_.image_at(function)) return;
    doubt("what happens when its objects are destroyed");
    record_.add_destructor({function, object});
}

std::uint64_t Interpreter::add_variable_of_the_world(std::string_view name) {
    const std::uint64_t address = stand_ins_.add_watched_variable(name);
    if (address == 0) return 0;
    fill_variable_of_the_world(address, name);
    world_.emplace(address, what_a_variable_says(name));
    return address;
}

void Interpreter::notice_what_was_read() {
    for (const auto& [address, what] : world_)
        if (guest_.was_read(address)) assume(what);
    if (version_text_ != 0 && guest_.was_read(version_text_ + 4096)) assume("the micro version of the interpreter");
    if (guest_.used_thread_head()) doubt("what the C library keeps of a thread");
    if (guest_.used_foreign_variable()) assume("a variable of another library");
    if (guest_.asked_processor()) assume("which features the processor has");
    if (guest_.read_unwritten()) assume("what lies in an object of the interpreter");
    if (guest_.asked_cycles()) assume("the time stamp counter");
}

std::uint64_t Interpreter::known_import(std::string_view name) const noexcept {
    const std::uint64_t* known = stand_ins_.known(name);
    return known == nullptr ? 0 : *known;
}

bool Interpreter::has_function(std::string_view name) const noexcept {
    const unsigned until = c_api_until(name);
    return c_api_since(name) <= model_.minor && (until == 0 || model_.minor < until);
}

std::uint64_t Interpreter::find_symbol(const std::string& name) {
    if (const std::uint64_t known = known_import(name)) return known;
    if (is_of_c_api(name) && !has_function(name)) record_.note_asked_version();
    if (!is_of_c_api(name) || !has_function(name)) return 0;
    const std::string& kept = stand_ins_.keep_name(name);
    if (c_api_since(kept) > oldest_minor) record_.note_asked_version();
    const std::uint64_t address = add_stand_in({.name = kept, .handler = c_api_function(kept)});
    stand_ins_.set_known(kept, address);
    can_set_gil_ = can_set_gil_ || kept == "PyUnstable_Module_SetGIL";
    return address;
}

std::uint64_t Interpreter::tls_address(std::uint64_t offset, std::size_t number) const noexcept {
    return GuestMap::tls + GuestMap::tls_size / 2 + guest_.tls_block(number) + offset +
           image::tls_bias(image().architecture);
}

}  // namespace interlock::auditing::emulation

#endif
