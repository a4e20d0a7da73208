// init_record.hpp: the record of a run: what an init function did that matters, in the words of who saw it. Nothing
// here knows the guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <interlock/audit.hpp>

namespace interlock::auditing::emulation {

/// A module object, and how it was made.
struct MadeModule {
    std::uint64_t definition = 0;  ///< guest address; 0 without one
    bool from_spec = false;        ///< PyModule_FromDefAndSpec: the slots count
};

class InitRecord {
public:
    struct SetGil {
        std::uint64_t module = 0, value = 0;
        std::uint64_t called_from = 0;  ///< guest address
    };
    /// A function of the module that the interpreter calls when it is done with an object, and the object.
    using Destructor = std::pair<std::uint64_t, std::uint64_t>;

    // ---- what is not known ----
    /// A result that is not modelled: a verdict that rests on it is worth less. Bounded, as all of these.
    void assume(std::string_view what);
    /// What was looked at and only rarely decides; a run with the opposite answers settles it.
    void doubt(std::string_view what);
    const std::set<std::string>& assumed() const noexcept { return assumed_; }
    const std::set<std::string>& doubts() const noexcept { return doubts_; }
    /// Py_GetVersion, Py_Version.
    void note_asked_version() noexcept { asked_version_ = true; }
    bool asked_version() const noexcept { return asked_version_; }
    /// It called a function of which nothing is known, not even that it is the interpreter's or the system's.
    void note_called_library() noexcept { called_library_ = true; }
    bool called_library() const noexcept { return called_library_; }
    /// It called a function of which the size of the arguments is not known. The first one is kept.
    void note_unknown_stack(std::string_view function);
    const std::string& unknown_stack() const noexcept { return unknown_stack_; }

    // ---- modules ----
    /// Given to PyModuleDef_Init.
    void add_definition(std::uint64_t definition) { definitions_.insert(definition); }
    bool has_definition(std::uint64_t object) const { return definitions_.contains(object); }
    bool has_definitions() const noexcept { return !definitions_.empty(); }
    void add_module(std::uint64_t module, MadeModule made) { modules_[module] = made; }
    /// Null for what is no module.
    const MadeModule* module(std::uint64_t object) const noexcept;
    /// By guest address.
    const std::map<std::uint64_t, MadeModule>& modules() const noexcept { return modules_; }
    /// Also il_set_threading, in modules of interlock; the value is its level then. Keeps the last call for each
    /// module, and the first ones of all. False when there are too many modules.
    bool add_set_gil(const SetGil& call);
    const std::vector<SetGil>& set_gil() const noexcept { return set_gil_; }
    void forget_set_gil() noexcept { set_gil_.clear(); }
    /// Boost.Python: the third argument of init_module, where it has one.
    void note_argument_gil_not_used(bool value) noexcept { argument_gil_not_used_ = value; }
    std::optional<bool> argument_gil_not_used() const noexcept { return argument_gil_not_used_; }

    // ---- errors, and how it ends ----
    /// "ImportError: text"; empty: there is no error any more.
    void raise(std::string error) { raised_ = std::move(error); }
    const std::string& raised() const noexcept { return raised_; }
    /// abort, exit, an exception of C++, or work that the model does not do: "abort", "__cxa_throw".
    void give_up(std::string in) { aborted_in_ = std::move(in); }
    const std::string& aborted_in() const noexcept { return aborted_in_; }
    /// It wrote that for people. What is more than `most` bytes is left out.
    void write(std::string_view text, std::size_t most);
    const std::string& written() const noexcept { return written_; }
    void add_destructor(const Destructor& destructor);
    std::vector<Destructor> take_destructors() { return std::exchange(destructors_, {}); }

    // ---- with AuditOptions::details: the first calls and the last ones ----
    void add_call(CallSeen call);
    /// Of the last one, if it has none yet.
    bool wants_result() const noexcept { return !calls_.empty() && calls_.back().result.empty(); }
    void add_result(std::string result) { calls_.back().result = std::move(result); }
    std::vector<CallSeen> take_calls() { return std::exchange(calls_, {}); }
    std::uint64_t calls_left_out() const noexcept { return calls_left_out_; }

private:
    std::set<std::string> assumed_, doubts_;
    bool asked_version_ = false, called_library_ = false;
    std::string unknown_stack_;
    std::set<std::uint64_t> definitions_;
    std::map<std::uint64_t, MadeModule> modules_;
    std::vector<SetGil> set_gil_;
    std::optional<bool> argument_gil_not_used_;
    std::string raised_, aborted_in_, written_;
    std::vector<Destructor> destructors_;
    std::vector<CallSeen> calls_;
    std::uint64_t calls_left_out_ = 0;
};

}  // namespace interlock::auditing::emulation
