// interpreter.hpp: a model of the interpreter and the C library, as an init function sees them: it answers calls so
// that the function gets as far as the interpreter would let it, and keeps what the module says of itself.
//
// What the module makes (modules, types, texts, numbers, lists, dictionaries) are objects as CPython has them, so far
// as C code can look into them: they are made here, in the guest's memory. What comes from elsewhere is an opaque
// object, of which only its origin is known. What is known of objects is in KnownObjects, what stands for the imports
// in StandIns, and what the function did in InitRecord.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <interlock/audit.hpp>

#include "emulation/guest.hpp"
#include "emulation/init_record.hpp"
#include "emulation/known_objects.hpp"
#include "emulation/program_threads.hpp"
#include "emulation/stand_ins.hpp"
#include "emulation/windows_calls.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// The origin of modules that Boost.Python makes.
constexpr std::string_view boost_python = "libboost_python";

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
    Interpreter(Guest& guest, std::span<const image::Image* const> images, const InterpreterModel& model,
                bool keep_calls);

    /// Takes the images into the guest. False when it is not possible.
    bool load();
    /// For Guest::run().
    void handle(std::uint32_t stand_in);

    // What a run is about: what it does, what is known of objects, who runs beside it. The guest has the memory.
    InitRecord& record() noexcept { return record_; }
    KnownObjects& objects() noexcept { return objects_; }
    ProgramThreads& threads() noexcept { return threads_; }
    const InterpreterModel& model() const noexcept { return model_; }
    /// Origin of an object ("_cffi_backend", "module"); null for what is no object of this model.
    const std::string* origin(std::uint64_t object) const noexcept { return objects_.origin(object); }
    bool is_module(std::uint64_t object) const noexcept { return record_.module(object) != nullptr; }
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
    /// Gives an object the type PyCapsule_Type, if the image knows that type.
    void make_capsule(std::uint64_t object);
    /// An object of a type of the interpreter: "PyUnicode_Type".
    void give_type(std::uint64_t object, std::string_view type);
    /// The same with a type of the module; one that is not there is ignored.
    void give_own_type(std::uint64_t object, std::uint64_t type);
    std::uint64_t new_text_object(const std::string& text);
    /// The one object that is kept for this text.
    std::uint64_t shared_text(const std::string& text);
    /// An int; what C code reads of it in macros as well.
    std::uint64_t new_number(std::uint64_t value, bool is_signed = true);
    /// The same, always another object.
    std::uint64_t new_large_number(std::uint64_t value, bool is_signed = true);
    /// A bytes object of `size` bytes, copied from `from` if it is not 0. 0 without memory.
    std::uint64_t new_bytes(std::uint64_t from, std::uint64_t size);
    /// A tuple with no items yet; 0 without memory, where the run ends.
    std::uint64_t new_tuple_of(std::span<const std::uint64_t> items);
    std::uint64_t new_tuple(std::uint64_t count);
    static constexpr std::uint64_t most_items = 4096;
    std::uint64_t interpreter_state();
    std::uint64_t thread_state();
    /// interlock's services (il_host), for an init function of its legacy kind. For processors with 64 bits.
    std::uint64_t new_interlock_host();
    /// The run cannot go on: the model does not do what the function at hand would do.
    void give_up(std::string in) {
        record_.give_up(std::move(in));
        guest_.stop();
    }
    void assume(std::string_view what) { record_.assume(what); }
    void doubt(std::string_view what) { record_.doubt(what); }
    /// The module's own function for the end of an object: called at the end of a run that is there for doubts.
    void add_destructor(std::uint64_t function, std::uint64_t object);
    /// Once, after a run: what the guest looked at by itself.
    void notice_what_was_read();
    /// argc, argv and envp, of which the latter are noticed when they are read.
    std::vector<std::uint64_t> arguments_of_constructors();
    /// "3.13.0 (main, ...)", of which everything behind the minor version may be different tomorrow.
    std::uint64_t version_text();
    unsigned micro_version() const noexcept { return likely() ? 0 : 99; }
    bool may_be_any_text(std::uint64_t address) const { return !likely() && objects_.is_made_up_text(address); }
    // The function at hand returns what is not known; written down under its name.
    bool likely() const noexcept { return model_.answers == Answers::likely; }
    bool fails() const noexcept { return model_.answers == Answers::other; }
    void unknown_number(std::uint64_t likely_value, std::uint64_t other_value);
    void unknown_object(const std::string& origin);
    /// "Kind: text"; empty: there is no error any more. `type` is the guest's class of it, if it is known.
    void raise(std::string error, std::uint64_t type = 0);
    /// The error is kept as an object, and back.
    std::uint64_t take_error();
    void restore_error(std::uint64_t object);
    /// The class of the error that is set; 0 without one.
    std::uint64_t error_class();
    /// Address of a variable of the interpreter ("_Py_FalseStruct"), if the image knows it; else 0.
    std::uint64_t known_import(std::string_view name) const noexcept;
    /// The same; one that the image does not know is made. `name` is a literal.
    std::uint64_t variable(std::string_view name);
    /// Whether the modelled version of the interpreter has this function, if it is one of the C API.
    bool has_function(std::string_view name) const noexcept;
    /// What dlsym() finds: a function of the C API; 0 if it is not known.
    std::uint64_t find_symbol(const std::string& name);
    /// The same for a function of the system that the model knows; 0 if it does not.
    std::uint64_t find_system_symbol(const std::string& name);
    void keep_text(std::uint64_t object, std::string text);
    /// Of a text object, an exception or its class; empty if it is not known.
    std::string text_of(std::uint64_t object) const;
    /// Clears `count` pointers given from argument `first` on.
    void clear_results(unsigned first, unsigned count);
    /// An object of which nothing is known. What lies behind its head are pointers that lead to memory of no meaning.
    std::uint64_t opaque_object(const std::string& origin);

    // ---- types (interpreter_types.cpp) ----
    /// A type of the interpreter, or of another module, which has all that a type can have.
    std::uint64_t new_type(std::uint64_t flags, std::string_view name = "object");
    /// "PyUnicode_Type": the variable that the image imports, or a type of that name that only objects have.
    std::uint64_t named_type(std::string_view name);
    /// A class of errors: "ImportError"; one that Python does not have is derived from Exception.
    std::uint64_t error_type(const std::string& name);
    /// What PyType_Ready() fills in: the base, what is inherited, tp_bases, tp_mro, tp_dict.
    void ready_type(std::uint64_t type, unsigned depth = 0);
    /// A class that is made at run time, before ready_type().
    std::uint64_t new_heap_type(std::uint64_t metaclass, const std::string& name);
    /// An object as tp_alloc makes it. 0 without memory.
    std::uint64_t new_instance(std::uint64_t type, std::uint64_t items = 0);
    std::uint64_t type_of(std::uint64_t object) { return guest_.word(object + head_size() - word()).value_or(0); }
    bool is_type(std::uint64_t object);
    /// Along tp_mro.
    bool is_subtype(std::uint64_t type, std::uint64_t other);
    std::uint64_t type_place(std::uint64_t type, unsigned field) const noexcept;
    std::uint64_t type_field(std::uint64_t type, unsigned field) {
        return guest_.word(type_place(type, field)).value_or(0);
    }
    void set_type_field(std::uint64_t type, unsigned field, std::uint64_t value) {
        guest_.set_word(type_place(type, field), value);
    }
    /// Of an object of which nothing is known.
    bool is_generic_type(std::uint64_t type) const noexcept { return type == generic_type_; }

    // ---- attributes, and what dictionaries hold (interpreter_attributes.cpp) ----
    /// What an object has under a name: what was stored, or what CPython puts there.
    struct Found {
        std::uint64_t value = 0;
        bool certain = false;  ///< value 0: it certainly has no such attribute
    };
    /// `inherited`: also from its class, and the bases of that.
    Found find_attribute(std::uint64_t object, const std::string& name, bool inherited = true);
    /// What was stored under this name; 0 if nothing was. A dictionary of an object has what the object has.
    std::uint64_t attribute(std::uint64_t object, const std::string& name) const;
    void set_attribute(std::uint64_t object, const std::string& name, std::uint64_t value);
    /// `__dict__` of an object.
    std::uint64_t dict_of(std::uint64_t object);
    std::uint64_t new_dict();
    /// PyModule_AddFunctions(): an array of PyMethodDef.
    void add_functions(std::uint64_t module, std::uint64_t methods);
    /// PyCFunctionObject: behind the head are the definition, `self` and the module.
    std::uint64_t new_c_function(std::uint64_t definition, std::uint64_t self, std::uint64_t module);
    std::uint64_t new_bound_method(std::uint64_t self, const std::string& name);
    /// Something that is not modelled may have stored something in this object.
    void open(std::uint64_t object);
    /// Name and value of what was stored in an object, in the order of the names.
    std::vector<std::pair<std::string, std::uint64_t>> stored_in(std::uint64_t object) const {
        return objects_.all_stored(objects_.owner_of(object));
    }
    bool is_closed(std::uint64_t object) const noexcept;
    /// A dictionary of the interpreter, by a name of this model: others may have stored something there.
    std::uint64_t shared_dict(const std::string& name);
    /// sys.modules.
    std::uint64_t modules_dict();
    /// The module of this name, of which nothing else is known; the same each time.
    std::uint64_t other_module(const std::string& name);
    /// Memory of a module, of the size that its definition asks for; 0 for none.
    std::uint64_t module_state(std::uint64_t module);
    const image::Image& image() const noexcept { return *images_.front(); }
    bool can_set_gil() const noexcept { return can_set_gil_; }
    unsigned word() const noexcept { return guest_.cpu().word(); }
    /// Bytes of PyHeapTypeObject, where it is known: free-threaded 3.14 and 3.15, 64 bits (cpython/object.h); else 0.
    std::uint64_t heap_type_size() const noexcept {
        if (!model_.free_threaded || word() != 8 || model_.minor < 14) return 0;
        return model_.minor == 14 ? 960 : 968;
    }
    /// Bytes of PyObject.
    unsigned head_size() const noexcept { return model_.free_threaded ? (word() == 8 ? 32 : 20) : 2 * word(); }
    /// For the general dynamic model of thread-local variables, in the block of an image.
    std::uint64_t tls_address(std::uint64_t offset, std::size_t number = 0) const noexcept;
    std::size_t image_count() const noexcept { return images_.size(); }

private:
    std::uint64_t address_of_import(std::size_t number, std::uint32_t import);
    std::optional<StackUse> stack_use(const image::Import& import) const;
    std::uint64_t exported_by_library(const image::Import& import) const;
    std::uint64_t new_data(std::string_view name);
    std::uint64_t add_stand_in(StandIn stand_in);
    std::uint64_t add_variable_of_the_world(std::string_view name);
    void fill_variable_of_the_world(std::uint64_t place, std::string_view name);
    bool is_absent(std::string_view name, bool python, bool modelled);
    void fill_head(std::uint64_t object, std::uint64_t type);
    void count_references(std::uint64_t object);
    void call_table_entry(const StandIn& stand_in);
    void keep_call(std::string_view name);
    std::string value_text(std::uint64_t value);
    void call_unmodelled(const StandIn& stand_in);
    bool runs_own_function(const StandIn& stand_in);
    bool writes_to_stack(std::string_view name);
    void fill_type(std::uint64_t type);
    std::uint64_t slot_function(const char* name);
    std::uint64_t size_of_instance(std::string_view type) const noexcept;
    std::uint64_t new_state(std::string_view name);
    void fill_made(std::uint64_t object, bool fraction);
    void fill_opaque();
    void fill_text(std::uint64_t object, const std::string& text);
    void fill_number(std::uint64_t object, std::uint64_t value, bool is_signed);
    void inherit(std::uint64_t type, std::uint64_t base);
    std::uint64_t mro_of(std::uint64_t type, std::uint64_t bases);
    std::vector<std::uint64_t> items_of(std::uint64_t tuple);
    Found find_in_module(std::uint64_t module, const std::string& name);
    Found find_in_type(std::uint64_t type, const std::string& name);
    /// m_name, or m_doc.
    std::uint64_t definition_field(std::uint64_t definition, bool doc) const noexcept;
    Found find_in_table(std::uint64_t table, unsigned words, const std::string& name);

    Guest& guest_;
    std::span<const image::Image* const> images_;
    InterpreterModel model_;
    bool keep_calls_, can_set_gil_ = false;
    InitRecord record_;
    KnownObjects objects_;
    ProgramThreads threads_;
    StandIns stand_ins_;
    std::string_view current_;                           ///< name of the function that is called
    std::uint64_t raised_type_ = 0, raised_object_ = 0;  ///< of the error that is set
    // Objects of which there is one, by what they are for.
    std::unordered_map<std::string_view, std::uint64_t> types_, slot_functions_;
    std::unordered_map<std::string, std::uint64_t> other_modules_, error_types_, shared_dicts_, shared_texts_;
    std::unordered_map<std::uint64_t, std::uint64_t> states_, small_numbers_;
    std::uint64_t generic_type_ = 0, make_object_ = 0, make_object_of_ = 0, do_nothing_ = 0, empty_tuple_ = 0;
    std::uint64_t interpreter_state_ = 0, thread_state_ = 0, version_text_ = 0, arguments_ = 0;
    std::vector<std::uint8_t> opaque_;            ///< what opaque objects are copies of
    std::map<std::uint64_t, std::string> world_;  ///< watched variables, and what they say
};

/// The model of a function, by its name; null when there is none. (model_*.cpp)
struct ModelEntry {
    std::string_view name;
    ModelFunction function;
};
std::span<const ModelEntry> model_gil() noexcept;
std::span<const ModelEntry> model_modules() noexcept;
std::span<const ModelEntry> model_attributes() noexcept;
std::span<const ModelEntry> model_calls() noexcept;
std::span<const ModelEntry> model_formats() noexcept;
std::span<const ModelEntry> model_references() noexcept;
std::span<const ModelEntry> model_types() noexcept;
std::span<const ModelEntry> model_values() noexcept;
std::span<const ModelEntry> model_texts() noexcept;
std::span<const ModelEntry> model_errors() noexcept;
std::span<const ModelEntry> model_containers() noexcept;
std::span<const ModelEntry> model_cpp_library() noexcept;
std::span<const ModelEntry> model_system() noexcept;
/// Boost.Python's function that makes modules, of releases that let a module say whether it needs the GIL.
ModelFunction boost_python_init(std::string_view name) noexcept;
std::span<const ModelEntry> model_characters() noexcept;
std::span<const ModelEntry> model_sorting() noexcept;
std::span<const ModelEntry> model_time() noexcept;
std::span<const ModelEntry> model_threads() noexcept;
std::span<const ModelEntry> model_address_space() noexcept;
std::span<const ModelEntry> model_windows() noexcept;
std::span<const ModelEntry> model_macos() noexcept;
std::span<const ModelEntry> model_endings() noexcept;
std::span<const ModelEntry> model_output() noexcept;
std::span<const ModelEntry> model_libcxx() noexcept;
std::span<const ModelEntry> model_strings();
/// What the guest calls the system for by itself. (model_address_space.cpp)
void system_call_of_program(Interpreter& interpreter);
/// Variables of the system; and those of any origin that are different from process to process, or empty.
/// (interpreter_system.cpp)
bool is_data_of_system(std::string_view name) noexcept;
std::string_view what_a_variable_says(std::string_view name) noexcept;
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
/// The minor version in which a function is new; 0 for one that is older than all that are modelled, or is none.
unsigned c_api_since(std::string_view name) noexcept;
/// The newest function of the C API that an image cannot be loaded without; the name is empty if all have it.
struct Needs {
    unsigned minor = 0;
    std::string_view function{};
};
Needs c_api_needs(const image::Image& image) noexcept;

}  // namespace interlock::auditing::emulation
