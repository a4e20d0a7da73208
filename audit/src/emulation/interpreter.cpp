// interpreter.cpp: what an image imports, and the calls that arrive there. Objects are in interpreter_*.cpp, the
// functions in model_*.cpp.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

#include <interlock/escape.hpp>

#include "emulation/c_api_names.hpp"
#include "emulation/hex_text.hpp"
#include "emulation/model_memory.hpp"
#include "emulation/own_functions.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

constexpr std::size_t max_calls = 1000, max_assumed = 100, max_destructors = 16;
constexpr unsigned oldest_minor = 13;

void make_object(Interpreter& interpreter) { interpreter.result_object(); }
void do_nothing(Interpreter& interpreter) { interpreter.result(0); }
// tp_new(type, arguments, ...): a class of classes that is called with a name, bases and attributes makes a class.
void make_object_of(Interpreter& in) {
    const std::uint64_t object = in.new_instance(in.argument(0)), arguments = in.argument(1);
    if (object != 0 && in.is_type(object)) {
        const auto item = [&](unsigned index) {
            return in.sized().contains(arguments)
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
    : guest_(guest), images_(images), model_(model), keep_calls_(keep_calls) {
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
    const std::uint64_t address = guest_.new_stand_in();
    stand_in.calls_back = is_of_c_api(stand_in.name) && may_call_back(stand_in.name);
    if (address != 0) stand_ins_.push_back(std::move(stand_in));
    return address;
}

std::uint64_t Interpreter::add_unknown(std::string_view name, std::optional<StackUse> stack) {
    const std::uint64_t address = guest_.new_unknown();
    if (address != 0) unknown_.push_back({.name = name, .stack = stack});
    return address;
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
    if (const auto known = known_imports_.find(import.name); known != known_imports_.end()) return known->second;
    std::uint64_t address = 0;
    // What the interpreter and the C library define comes before what libraries of the module do, as in a process.
    const bool python = import.name.starts_with("Py") || import.name.starts_with("_Py");
    if (import.weak && c_api_since(import.name) > oldest_minor) record_.asked_version = true;
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
        address = unknown ? add_unknown(import.name, stack)
                          : add_stand_in({.name = import.name, .handler = handler, .stack = stack});
    }
    known_imports_.emplace(import.name, address);
    return address;
}

// Whether what may be missing is. Hooks of the tools are, as in most processes; of other names it is not known.
bool Interpreter::is_absent(std::string_view name, bool python, bool modelled) {
    if (python && (modelled || is_of_c_api(name))) return !has_function(name);
    if (modelled) return false;
    if (!may_be_of_library(name)) return true;
    record_.called_library = record_.called_library || !python;
    doubt("whether the process has " + std::string(name.substr(0, 64)));
    return likely();
}

void Interpreter::assume(std::string_view what) {
    if (record_.assumed.size() < max_assumed) record_.assumed.emplace(what);
}

void Interpreter::doubt(std::string_view what) {
    if (record_.doubts.size() < max_assumed) record_.doubts.emplace(what);
}

void Interpreter::add_destructor(std::uint64_t function, std::uint64_t object) {
    if (!guest_.image_at(function)) return;
    doubt("what happens when its objects are destroyed");
    if (record_.destructors.size() < max_destructors) record_.destructors.emplace_back(function, object);
}

std::uint64_t Interpreter::add_variable_of_the_world(std::string_view name) {
    const std::uint64_t address = guest_.new_watched_variable();
    if (address == 0) return 0;
    constexpr std::uint64_t first = GuestMap::stand_ins + std::uint64_t{Guest::first_unknown} * GuestMap::stand_in_size;
    unknown_.resize((address - first) / GuestMap::stand_in_size + 4096 / GuestMap::stand_in_size);
    unknown_[(address - first) / GuestMap::stand_in_size].name = name;
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

void Interpreter::unknown_number(std::uint64_t likely_value, std::uint64_t other_value) {
    assume(current_);
    result(likely() ? likely_value : other_value);
}

// False is what a question to Python would be answered with.
void Interpreter::unknown_object(const std::string& origin) {
    assume(current_);
    if (fails()) {
        raise("RuntimeError");
        return result(0);
    }
    const std::uint64_t no = likely() ? 0 : known_import("_Py_FalseStruct");
    result(no != 0 ? no : opaque_object(origin));
}

std::uint64_t Interpreter::known_import(std::string_view name) const noexcept {
    const auto known = known_imports_.find(name);
    return known == known_imports_.end() ? 0 : known->second;
}

bool Interpreter::has_function(std::string_view name) const noexcept {
    const unsigned until = c_api_until(name);
    return c_api_since(name) <= model_.minor && (until == 0 || model_.minor < until);
}

std::uint64_t Interpreter::find_symbol(const std::string& name) {
    if (const std::uint64_t known = known_import(name)) return known;
    if (is_of_c_api(name) && !has_function(name)) record_.asked_version = true;
    if (!is_of_c_api(name) || !has_function(name)) return 0;
    const std::string& kept = *found_symbols_.insert(name).first;
    if (c_api_since(kept) > oldest_minor) record_.asked_version = true;
    const std::uint64_t address = add_stand_in({.name = kept, .handler = c_api_function(kept)});
    known_imports_.emplace(kept, address);
    can_set_gil_ = can_set_gil_ || kept == "PyUnstable_Module_SetGIL";
    return address;
}

std::uint64_t Interpreter::tls_address(std::uint64_t offset, std::size_t number) const noexcept {
    return GuestMap::tls + GuestMap::tls_size / 2 + guest_.tls_block(number) + offset +
           image::tls_bias(image().architecture);
}

// NumPy's import_array() compares versions before anything else; the numbers satisfy both NumPy 1 and 2.
void Interpreter::call_table_entry(const StandIn& stand_in) {
    const std::string& origin = *stand_in.origin;
    const bool numpy = origin.starts_with("numpy");
    if (numpy && stand_in.entry == 0) return result(0x01000009);                // PyArray_GetNDArrayCVersion
    if (numpy && stand_in.entry == 210) return result(image().little ? 1 : 2);  // PyArray_GetEndianness
    if (numpy && stand_in.entry == 211) return result(0x7f);                    // PyArray_GetNDArrayCFeatureVersion
    if (numpy && (stand_in.entry == 174 || stand_in.entry == 175)) {  // PyArray_DescrConverter(object, result)
        guest_.set_word(argument(1), new_object(origin));
        return result(1);
    }
    assume(origin + "'s C API");
    // PyArrayInitDTypeMeta_FromSpec(class, ...): behind what each class has lies the instance that all share.
    if (numpy && stand_in.entry == 362 && likely() && heap_type_size() != 0)
        guest_.set_word(argument(0) + heap_type_size(), opaque_object(origin));
    for (unsigned i = 0; i < 3; ++i) open(argument(i));
    if (fails()) return result(0);
    result(opaque_object(origin));
}

/// Addresses are those in the file, which is where somebody can look.
std::string Interpreter::value_text(std::uint64_t value) { return hex_text(guest_.to_file(value).value_or(value)); }

void Interpreter::keep_call(std::string_view name) {
    if (record_.calls.size() >= 2 * max_calls) {
        record_.calls.erase(record_.calls.begin() + max_calls);
        ++record_.calls_left_out;
    }
    CallSeen call;
    call.function = escape(name, 200);
    const Parameters parameters = c_api_parameters(name);
    for (unsigned i = 0; i < parameters.count; ++i) {
        const std::uint64_t value = argument(i);
        const auto text = guest_.text(value, 120);
        const bool readable = text && text->size() > 1 &&
                              std::ranges::all_of(*text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
        call.arguments.push_back(readable ? quoted(*text, 120) : value_text(value));
    }
    if (parameters.more) call.arguments.emplace_back("...");
    const auto from = guest_.to_file(guest_.return_address());
    if (from) call.where = hex_text(*from);
    record_.calls.push_back(std::move(call));
}

// One item, as lists and tuples have it, or a number that is not zero.
void Interpreter::fill_made(std::uint64_t object, bool fraction) {
    const std::uint64_t place = object + head_size();
    if (fraction) {
        guest_.set_number(place, 0x4059'0000'0000'0000, 8);  // 100
        guest_.forget_written(place, 8);
        return;
    }
    guest_.set_word(place, 1);
    for (unsigned i = 1; i < 4; ++i) guest_.set_word(place + i * word(), new_object());
    guest_.forget_written(place, 4 * std::uint64_t{word()});
}

// What it would write to memory of the program is not there.
bool Interpreter::writes_to_stack(std::string_view name) {
    constexpr unsigned most = 4;
    for (unsigned i = 0; i < std::min(c_api_parameters(name).count, most); ++i)
        if (const std::uint64_t at = argument(i); at >= GuestMap::stack && at - GuestMap::stack < GuestMap::stack_size)
            return true;
    return false;
}

// A function of which only the kind of result is known, or nothing.
void Interpreter::call_unmodelled(const StandIn& stand_in) {
    const std::string_view name = stand_in.name;
    // It may store something in what it is given.
    for (unsigned i = 0; i < 3 && c_api_returns(name) != Returns::unknown; ++i) open(argument(i));
    if (c_api_returns(name) != Returns::unknown && !has_no_say(name) && writes_to_stack(name)) assume(name);
    switch (c_api_returns(name)) {
        case Returns::none:
            if (!has_no_say(name)) assume(name);
            return;
        case Returns::number:
            if (name.starts_with("PyList_")) sized_.erase(argument(0));
            if (is_value(name)) return unknown_number(0, 1);
            if (has_no_say(name)) return result(0);
            return unknown_number(0, fails() ? ~std::uint64_t{0} : 0);
        case Returns::object: {
            const std::string* from = origin(argument(0));
            if (!is_made(name)) return unknown_object(from == nullptr ? std::string() : *from);
            // Who looks into it by itself may find anything.
            const std::string what = "what " + std::string(name) + " makes";
            is_often_looked_into(name) ? assume(what) : doubt(what);
            const std::string origin = from == nullptr ? std::string() : *from;
            const std::uint64_t made = new_object(origin);
            give_type(made, type_made_by(name));
            if (!likely()) fill_made(made, name.starts_with("PyFloat_"));
            return result(made);
        }
        case Returns::text: {
            assume(name);
            const std::uint64_t text = guest_.new_text(likely() ? "text" : "other text");
            add_unknown_text(text);
            return result(text);
        }
        case Returns::memory:
            return result(guest_.new_object(4096));
        case Returns::unknown:
            break;
    }
    assume(name);
    // What an init function of another file makes comes from there.
    if (image::is_init_of_another(name) || name.starts_with("PyInit_")) return result(new_object(std::string(name)));
    if (name.starts_with("Py") || name.starts_with("_Py")) {
        if (fails()) return result(0);
        return result_object();
    }
    record_.called_library = true;
    result(likely() ? 0 : new_object());
}

// Functions of its arguments' classes, where these are the module's: those that are modelled are run, of others it is
// written down that they were not.
bool Interpreter::runs_own_function(const StandIn& stand_in) {
    if (!stand_in.calls_back) return false;
    if (run_own_slot(*this, stand_in.name)) return true;
    constexpr unsigned most = 4;
    bool any = false;
    for (unsigned i = 0; i < std::min(c_api_parameters(stand_in.name).count, most) && !any; ++i)
        any = calls_own_functions(*this, argument(i));
    // An error of a class of the module is made by calling it.
    if (!any && stand_in.name.starts_with("PyErr_") && is_own_type(*this, argument(0)))
        for (const unsigned field : {TypeField::make, TypeField::init, TypeField::vectorcall})
            any = any || own_slot(*this, argument(0), field) != 0;
    if (any) assume(own_function_not_run);
    return false;
}

void Interpreter::handle(std::uint32_t number) {
    if (number == Guest::system_call) {
        current_ = "a call of the system";
        return system_call_of_program(*this);
    }
    // The guest may call any address where a stand-in could be.
    const bool known = number >= Guest::first_table     ? number - Guest::first_table < tables_.size()
                       : number >= Guest::first_unknown ? number - Guest::first_unknown < unknown_.size()
                                                        : number < stand_ins_.size();
    if (!known) return give_up("a call of an address where there is no function");
    if (number >= Guest::first_table) {
        current_ = {};
        return call_table_entry({.origin = tables_.at(number - Guest::first_table), .entry = ~0u});
    }
    const StandIn stand_in =
        number >= Guest::first_unknown ? unknown_[number - Guest::first_unknown] : stand_ins_[number];
    current_ = stand_in.name;
    const auto keep_result = [&] {
        if (keep_calls_ && !record_.calls.empty() && record_.calls.back().result.empty() && !stand_in.name.empty() &&
            c_api_returns(stand_in.name) != Returns::none)
            record_.calls.back().result = value_text(guest_.result());
    };
    if (stand_in.stack)
        guest_.use_stack(stand_in.stack->takes, stand_in.stack->object_in_register);
    else if (record_.unknown_stack.empty())
        record_.unknown_stack = stand_in.name;
    if (keep_calls_ && !stand_in.name.empty()) keep_call(stand_in.name);
    if (runs_own_function(stand_in)) return;
    if (stand_in.handler != nullptr)
        stand_in.handler(*this);
    else if (stand_in.entry_of_table)
        call_table_entry(stand_in);
    else
        call_unmodelled(stand_in);
    keep_result();
}

}  // namespace interlock::auditing::emulation

#endif
