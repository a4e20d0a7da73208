// interpreter_calls.cpp: the calls that arrive where something is imported: who answers, and what is written down of
// them.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>

#include <interlock/escape.hpp>

#include "base/hex.hpp"
#include "emulation/c_api_names.hpp"
#include "emulation/own_functions.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

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
std::string Interpreter::value_text(std::uint64_t value) { return base::hex(guest_.to_file(value).value_or(value)); }

void Interpreter::keep_call(std::string_view name) {
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
    if (from) call.where = base::hex(*from);
    record_.add_call(std::move(call));
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
            if (name.starts_with("PyList_")) objects_.forget_length(argument(0));
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
            objects_.add_made_up_text(text);
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
    record_.note_called_library();
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
    const std::optional<StandIn> called = stand_ins_.at(number);
    if (!called) return give_up("a call of an address where there is no function");
    const StandIn& stand_in = *called;
    current_ = stand_in.name;
    if (stand_in.entry == StandIns::whole_table) return call_table_entry(stand_in);
    const auto keep_result = [&] {
        if (keep_calls_ && record_.wants_result() && !stand_in.name.empty() &&
            c_api_returns(stand_in.name) != Returns::none)
            record_.add_result(value_text(guest_.result()));
    };
    if (stand_in.stack)
        guest_.use_stack(stand_in.stack->takes, stand_in.stack->object_in_register);
    else
        record_.note_unknown_stack(stand_in.name);
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
