// interpreter.hpp: a model of the interpreter and the C library, as an init function sees them: it answers calls so
// that the function gets as far as the interpreter would let it, and keeps what the module says of itself.
//
// It has no objects of Python: what a function of the C API returns is an opaque object, of which only its origin is
// known. Every result that is not modelled is written down (`assumed`), as a verdict that rests on it is worth less.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <interlock/audit.hpp>

#include "guest.hpp"
#include "image.hpp"

namespace interlock::auditing {

/// The origin of modules that Boost.Python makes.
constexpr std::string_view boost_python = "libboost_python";

/// What ends a run of an init function from the inside.
enum class Ending : std::uint8_t {
    none,     ///< it returned, or could not go on
    aborted,  ///< abort, exit, an exception of C++, or work that the model does not do
};

/// A module object, and how it was made.
struct MadeModule {
    std::uint64_t definition = 0;  ///< guest address; 0 without one
    bool from_spec = false;        ///< PyModule_FromDefAndSpec: the slots count
};

/// What an init function did that matters.
struct InitRecord {
    Ending ending = Ending::none;
    std::set<std::uint64_t> definitions;            ///< guest addresses given to PyModuleDef_Init
    std::map<std::uint64_t, MadeModule> modules{};  ///< by guest address
    struct SetGil {
        std::uint64_t module = 0, value = 0;
        std::uint64_t called_from = 0;  ///< guest address
    };
    /// Also il_set_threading, in modules of interlock; the value is its level then. Bounded: see add_set_gil().
    std::vector<SetGil> set_gil;
    std::string aborted_in;      ///< "abort", "__cxa_throw"
    std::string raised;          ///< "ImportError: text": the error that is set
    std::string fetched;         ///< the last one that was taken away by PyErr_Fetch
    bool asked_version = false;  ///< Py_GetVersion, Py_Version
    /// It called a function of which nothing is known, not even that it is the interpreter's or the system's.
    bool called_library = false;
    std::set<std::string> assumed;
    std::vector<CallSeen> calls;  ///< with AuditOptions::details
    /// Boost.Python: the third argument of init_module, where it has one.
    std::optional<std::uint64_t> argument_gil_not_used;
};

/// How the model answers where it does not know: a verdict must not depend on it.
enum class Answers : std::uint8_t {
    likely,
    other_values,  ///< other numbers and texts, but what is made or imported is there
    other,         ///< and imports, attributes, calls and functions that are not known fail
};

/// How objects are laid out, and what the interpreter says of itself.
struct InterpreterModel {
    bool free_threaded = true;
    unsigned minor = 13;
    Answers answers = Answers::likely;
};

class Interpreter {
public:
    /// The first image is the module's; the others are libraries that it is linked to. All outlive it.
    Interpreter(Guest& guest, std::span<const Image* const> images, const InterpreterModel& model, bool keep_calls);

    /// Takes the images into the guest. False when it is not possible.
    bool load();
    /// For Guest::run().
    void handle(std::uint32_t stand_in);

    InitRecord& record() noexcept { return record_; }
    const InterpreterModel& model() const noexcept { return model_; }
    /// Origin of an object ("_cffi_backend", "module"); null for what is no object of this model.
    const std::string* origin(std::uint64_t object) const noexcept;
    bool is_module(std::uint64_t object) const noexcept { return record_.modules.contains(object); }
    /// The type of definitions, which PyModuleDef_Init gives them.
    bool is_definition(std::uint64_t object);
    /// A module object as PyModule_FromDefAndSpec makes it, for running an exec slot.
    std::uint64_t new_module();

    // ---- for the functions of the model (model_c_api.cpp, model_c_library.cpp) ----
    Guest& guest() noexcept { return guest_; }
    std::uint64_t argument(unsigned index) { return guest_.argument(index); }
    void result(std::uint64_t value) { guest_.set_result(value); }
    void result_object(const std::string& origin = {}) { result(new_object(origin)); }
    std::uint64_t new_object(const std::string& origin = {});
    /// Memory of `size` bytes whose words are functions that return objects of this origin: a table as capsules have
    /// it.
    std::uint64_t new_function_table(const std::string& origin);
    std::uint64_t new_module_object(MadeModule made);
    void add_definition(std::uint64_t definition);
    /// Keeps the last call for each module, and the first ones of all. Ends the run when there are too many modules.
    void add_set_gil(std::uint64_t module, std::uint64_t value);
    std::uint64_t new_type(std::uint64_t flags);
    void complete_type(std::uint64_t type);
    /// Gives an object the type PyCapsule_Type, if the image knows that type.
    void make_capsule(std::uint64_t object);
    bool is_generic_type(std::uint64_t type) const noexcept { return type == generic_type_; }
    /// An object of a type of the interpreter: "PyUnicode_Type".
    void give_type(std::uint64_t object, std::string_view type);
    /// The same with a type of the module; one that is not there is ignored.
    void give_own_type(std::uint64_t object, std::uint64_t type);
    std::uint64_t new_text_object(const std::string& text);
    std::uint64_t interpreter_state();
    std::uint64_t thread_state();
    /// interlock's services (il_host), for an init function of its legacy kind. For processors with 64 bits.
    std::uint64_t new_interlock_host();
    void end(Ending ending) {
        record_.ending = ending;
        guest_.stop();
    }
    /// The run cannot go on: the model does not do what the function at hand would do.
    void give_up(std::string in) {
        record_.aborted_in = std::move(in);
        end(Ending::aborted);
    }
    void assume(std::string_view what);
    // The function at hand returns what is not known; written down under its name.
    bool likely() const noexcept { return model_.answers == Answers::likely; }
    bool fails() const noexcept { return model_.answers == Answers::other; }
    void unknown_number(std::uint64_t likely_value, std::uint64_t other_value);
    void unknown_object(const std::string& origin);
    void raise(std::string error) { record_.raised = std::move(error); }
    /// Address of a variable of the interpreter ("_Py_FalseStruct"), if the image knows it; else 0.
    std::uint64_t known_import(std::string_view name) const noexcept;
    /// What dlsym() finds: a function of the C API; 0 if it is not known.
    std::uint64_t find_symbol(const std::string& name);
    std::unordered_map<std::uint64_t, std::uint64_t>& numbers() noexcept { return numbers_; }
    std::set<std::uint64_t>& sized() noexcept { return sized_; }
    std::set<std::uint64_t>& lists() noexcept { return lists_; }
    /// Objects of classes of the module: they have the attributes that it gives them.
    std::set<std::uint64_t>& own_objects() noexcept { return own_objects_; }
    void keep_text(std::uint64_t object, std::string text);
    /// Of a text object, an exception or its class; empty if it is not known.
    std::string text_of(std::uint64_t object) const;
    /// Clears `count` pointers given from argument `first` on.
    void clear_results(unsigned first, unsigned count);
    /// An object of which nothing is known. What lies behind its head are pointers that lead to memory of no meaning.
    std::uint64_t opaque_object(const std::string& origin);
    /// What was stored under this name; 0 if nothing was.
    std::uint64_t attribute(std::uint64_t object, const std::string& name) const;
    void set_attribute(std::uint64_t object, const std::string& name, std::uint64_t value);
    /// The error that is set, as an object; 0 without one.
    std::uint64_t exception_object();
    const Image& image() const noexcept { return *images_.front(); }
    bool can_set_gil() const noexcept { return can_set_gil_; }
    std::unordered_map<std::uint64_t, std::string>& texts() noexcept { return texts_; }
    unsigned word() const noexcept { return guest_.cpu().word(); }
    /// Bytes of PyObject.
    unsigned head_size() const noexcept { return model_.free_threaded ? (word() == 8 ? 32 : 20) : 2 * word(); }
    /// For the general dynamic model of thread-local variables, in the block of an image.
    std::uint64_t tls_address(std::uint64_t offset, std::size_t number = 0) const noexcept;
    std::size_t image_count() const noexcept { return images_.size(); }

private:
    struct StandIn {
        std::string_view name{};  ///< of the import; empty for others
        void (*handler)(Interpreter&) = nullptr;
        const std::string* origin = nullptr;  ///< of a table's function
        std::uint32_t entry = 0;              ///< its index in the table
        bool entry_of_table = false;
    };
    std::uint64_t address_of_import(std::size_t number, std::uint32_t import);
    std::uint64_t exported_by_library(const Import& import) const;
    std::uint64_t new_data(std::string_view name);
    std::uint64_t add_stand_in(StandIn stand_in);
    std::uint64_t add_unknown(std::string_view name);
    void fill_head(std::uint64_t object, std::uint64_t type);
    void call_table_entry(const StandIn& stand_in);
    void keep_call(std::string_view name);
    std::string value_text(std::uint64_t value);
    void call_unmodelled(const StandIn& stand_in);
    const std::string* shared(const std::string& origin) { return &*origin_names_.insert(origin).first; }

    Guest& guest_;
    std::span<const Image* const> images_;
    InterpreterModel model_;
    bool keep_calls_, can_set_gil_ = false;
    InitRecord record_;
    std::vector<StandIn> stand_ins_, unknown_;
    std::string_view current_;  ///< name of the function that is called
    std::set<std::string> origin_names_, found_symbols_;
    std::vector<const std::string*> tables_;  ///< their origins
    std::unordered_map<std::string_view, std::uint64_t> known_imports_;
    std::unordered_map<std::uint64_t, const std::string*> origins_;
    std::unordered_map<std::uint64_t, std::string> texts_;
    std::uint64_t texts_size_ = 0;
    std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> attributes_;
    std::unordered_map<std::uint64_t, std::uint64_t> numbers_;  ///< of int objects
    std::set<std::uint64_t> sized_;                             ///< lists and tuples of which the length is known
    std::set<std::uint64_t> lists_, own_objects_;
    std::uint64_t generic_type_ = 0, make_object_ = 0, make_instance_ = 0, do_nothing_ = 0;
    std::uint64_t interpreter_state_ = 0, thread_state_ = 0, sink_ = 0;
    std::unordered_map<std::string_view, std::uint64_t> types_;
};

/// The model of a function, by its name; null when there is none. (model_*.cpp)
using ModelFunction = void (*)(Interpreter&);
struct ModelEntry {
    std::string_view name;
    ModelFunction function;
};
std::span<const ModelEntry> model_values() noexcept;
std::span<const ModelEntry> model_containers() noexcept;
std::span<const ModelEntry> model_cpp_library() noexcept;
std::span<const ModelEntry> model_system() noexcept;
ModelFunction c_api_function(std::string_view name) noexcept;
ModelFunction c_library_function(std::string_view name) noexcept;
/// A service of interlock, by where it lies in il_host. (model_interlock.cpp)
struct InterlockService {
    std::string_view name;
    ModelFunction function = nullptr;
};
InterlockService interlock_service(std::size_t offset) noexcept;
/// What an unmodelled function of the C API returns, from CPython's headers.
enum class Returns : std::uint8_t { unknown, none, number, object, text, memory };
Returns c_api_returns(std::string_view name) noexcept;
/// The arguments of a function of the C API that Interpreter::argument() can get.
struct Parameters {
    unsigned count = 0;
    bool more = true;  ///< there may be others
};
Parameters c_api_parameters(std::string_view name) noexcept;

}  // namespace interlock::auditing
