// model_calls.cpp: calls of objects: of what the module has itself, which the guest runs, of methods of dictionaries,
// and of what other modules hand out.
//
// SPDX-License-Identifier: MIT
#include "emulation/model_calls.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "emulation/model_containers.hpp"
#include "emulation/model_formats.hpp"
#include "emulation/own_functions.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

constexpr std::uint64_t most_arguments = 64;

constexpr std::array<std::string_view, 5> dict_methods = {"__contains__", "__getitem__", "__setitem__", "get",
                                                          "setdefault"};

void key_error(I& in) {
    in.raise("KeyError");
    in.result(0);
}

// A method of a dictionary. Nothing is returned for an argument that is missing: the call fails.
void call_dict_method(I& in, std::uint64_t dict, std::string_view name, const Arguments& given) {
    const std::size_t least = name == "__setitem__" ? 2 : 1;
    if (given.size() < least) {
        in.raise("TypeError: a method of dict takes more arguments");
        return in.result(0);
    }
    std::uint64_t value = 0;
    if (name == "__setitem__") {
        dict_store(in, dict, given[0], given[1]);
        return in.result(in.variable("_Py_NoneStruct"));
    }
    std::optional<bool> known = dict_look_up(in, dict, given[0], value);
    if (!known) {
        in.assume("what a dictionary holds");
        known = !in.likely();
        value = *known ? in.new_object() : 0;
    }
    const std::uint64_t other = given.size() > 1 ? given[1] : in.variable("_Py_NoneStruct");
    if (name == "__contains__") return in.result(in.variable(*known ? "_Py_TrueStruct" : "_Py_FalseStruct"));
    if (*known) return in.result(value);
    if (name == "__getitem__") return key_error(in);
    if (name == "setdefault") dict_store(in, dict, given[0], other);
    in.result(other);
}

Arguments array_at(I& in, std::uint64_t at, std::uint64_t count) {
    Arguments found;
    for (std::uint64_t i = 0; i < std::min(count, most_arguments); ++i)
        found.push_back(in.guest().word(at + i * in.word()).value_or(0));
    return found;
}
Arguments items_of(I& in, std::uint64_t tuple) {
    if (tuple == 0 || !in.objects().has_known_length(tuple)) return {};
    return array_at(in, tuple + in.head_size() + in.word(), in.guest().word(tuple + in.head_size()).value_or(0));
}
// Up to a NULL. Apple's convention for arm64 passes them elsewhere than the others.
Arguments rest_from(I& in, unsigned first) {
    Arguments found;
    if (in.image().format == image::Format::macho && in.image().architecture == image::Architecture::aarch64)
        return found;
    for (unsigned i = first; i < first + 4 && in.argument(i) != 0; ++i) found.push_back(in.argument(i));
    return found;
}
// The highest bit of the number of arguments is a flag.
std::uint64_t vector_count(I& in, std::uint64_t number) { return number & ~(std::uint64_t{1} << (8 * in.word() - 1)); }

void unknown_result(I& in, std::uint64_t object) {
    const std::string* origin = in.origin(object);
    in.objects().open_all();  // what is called may store something anywhere
    in.unknown_object(origin == nullptr ? std::string() : *origin);
}

// ---- functions, classes and objects of the module's own ----

/// What a call hands over. Those behind `positional` are named by the tuple `names`; `keywords` is a dictionary.
struct Given {
    Arguments all;
    std::size_t positional = 0;
    std::uint64_t names = 0, keywords = 0;

    Given(Arguments arguments) : all(std::move(arguments)), positional(all.size()) {}  // NOLINT: as a list of them
    Given(std::initializer_list<std::uint64_t> arguments) : Given(Arguments(arguments)) {}
};

std::uint64_t tuple_of(I& in, const Given& given) {
    return in.new_tuple_of(std::span(given.all).subspan(0, given.positional));
}
std::uint64_t array_of(I& in, const Given& given) {
    const std::uint64_t array = in.guest().allocate(std::max<std::size_t>(given.all.size(), 1) * in.word());
    for (std::size_t i = 0; array != 0 && i < given.all.size(); ++i)
        in.guest().set_word(array + i * in.word(), given.all[i]);
    return array;
}
bool by_name(const Given& given) { return given.names != 0 || given.all.size() != given.positional; }

void wrong_arguments(I& in, const Then& then) {
    in.raise("TypeError: a function of the module takes other arguments");
    then(0);
}

// PyMethodDef: the name, the function, how it is called. False for what is not the module's, or cannot be run.
bool call_method_of(I& in, std::uint64_t entry, std::uint64_t self, const Given& given, const Then& then) {
    constexpr std::uint64_t tuple = 1, keywords = 2, nothing = 4, one = 8, fast = 0x80, with_class = 0x200;
    const std::uint64_t function = entry == 0 ? 0 : in.guest().word(entry + in.word()).value_or(0);
    if (!is_own_function(in, function)) return false;
    const std::uint64_t flags = in.guest().number(entry + 2 * std::uint64_t{in.word()}, 4).value_or(0) & ~0x70ull;
    const std::uint64_t count = given.positional;
    const bool named = by_name(given) || given.keywords != 0;
    if (named && (flags & keywords) == 0) return wrong_arguments(in, then), true;
    if (flags == nothing) {
        if (count != 0) return wrong_arguments(in, then), true;
        return run_own(in, function, {self, 0}, then), true;
    }
    if (flags == one) {
        if (count != 1) return wrong_arguments(in, then), true;
        return run_own(in, function, {self, given.all.front()}, then), true;
    }
    if ((flags & fast) == 0 && !by_name(given)) {
        if (flags == tuple) return run_own(in, function, {self, tuple_of(in, given)}, then), true;
        if (flags == (tuple | keywords))
            return run_own(in, function, {self, tuple_of(in, given), given.keywords}, then), true;
        return false;
    }
    if (given.keywords != 0) return false;
    if (flags == fast) return run_own(in, function, {self, array_of(in, given), count}, then), true;
    if (flags == (fast | keywords))
        return run_own(in, function, {self, array_of(in, given), count, given.names}, then), true;
    if (flags == (fast | keywords | with_class))
        return run_own(in, function, {self, in.type_of(self), array_of(in, given), count, given.names}, then), true;
    return false;
}

// A class, or an object that can be called: the function that takes a tuple and a dictionary.
bool call_slot(I& in, std::uint64_t function, std::uint64_t callee, const Given& given, const Then& then) {
    if (!is_own_function(in, function) || by_name(given)) return false;
    run_own(in, function, {callee, tuple_of(in, given), given.keywords}, then);
    return true;
}
bool call_vector_function(I& in, std::uint64_t function, std::uint64_t callee, const Given& given, const Then& then) {
    if (!is_own_function(in, function) || given.keywords != 0) return false;
    run_own(in, function, {callee, array_of(in, given), given.positional, given.names}, then);
    return true;
}

// What tp_new has made is initialised if it is of the class.
void initialise(I& in, std::uint64_t type, std::uint64_t object, const Given& given, const Then& then) {
    const std::uint64_t made = object == 0 ? 0 : in.type_of(object);
    const std::uint64_t function = made == 0 ? 0 : in.type_field(made, TypeField::init);
    if (object == 0 || !in.is_subtype(made, type) || !is_own_function(in, function)) return then(object);
    run_own(in, function, {object, tuple_of(in, given), given.keywords},
            [object, then](std::uint64_t result) { then(as_int(result) < 0 ? 0 : object); });
}

// Everything that makes an object of this class is the module's, or what `object` has.
bool is_all_own(I& in, std::uint64_t type) {
    const std::uint64_t root = in.named_type("PyBaseObject_Type");
    return std::ranges::all_of(classes_of(in, type),
                               [&](std::uint64_t one) { return one == root || is_own_type(in, one); });
}

bool call_type(I& in, std::uint64_t type, const Given& given, const Then& then) {
    if (call_slot(in, own_slot(in, in.type_of(type), TypeField::call), type, given, then)) return true;
    if (call_vector_function(in, in.type_field(type, TypeField::vectorcall), type, given, then)) return true;
    const std::uint64_t make = in.type_field(type, TypeField::make), init = in.type_field(type, TypeField::init);
    const bool own = is_all_own(in, type);
    if (own && make == 0) {
        in.raise("TypeError: cannot create instances of a class of the module");
        return then(0), true;
    }
    const bool runs = is_own_function(in, make) || is_own_function(in, init);
    if (by_name(given) || (!runs && (!own || !given.all.empty() || given.keywords != 0))) return false;
    if (!own) in.assume("what a class makes when it is called");
    const auto go_on = [&in, type, given, then](std::uint64_t object) { initialise(in, type, object, given, then); };
    if (is_own_function(in, make))
        run_own(in, make, {type, tuple_of(in, given), given.keywords}, go_on);
    else
        go_on(in.new_instance(type));
    return true;
}

/// False for what is not the module's, or of which it is not known how it is called.
bool call_own(I& in, std::uint64_t callee, const Given& given, const Then& then, unsigned depth = 0) {
    constexpr unsigned deepest = 8;
    const std::uint64_t type = callee == 0 ? 0 : in.type_of(callee), place = callee + in.head_size();
    if (type == 0 || in.is_generic_type(type)) return false;
    const auto field = [&](unsigned index) {
        return in.guest().word(place + index * std::uint64_t{in.word()}).value_or(0);
    };
    if (type == in.named_type("PyCFunction_Type")) return call_method_of(in, field(0), field(1), given, then);
    if (type == in.named_type("PyMethodDescr_Type")) {
        if (given.positional == 0) return false;
        Given rest = given;
        rest.all.erase(rest.all.begin());
        --rest.positional;
        return call_method_of(in, field(3), given.all.front(), rest, then);
    }
    if (type == in.named_type("PyMethod_Type") && depth < deepest) {
        Given bound = given;
        bound.all.insert(bound.all.begin(), field(1));
        ++bound.positional;
        return call_own(in, field(0), bound, then, depth + 1);
    }
    if (in.is_type(callee)) return is_own_type(in, callee) && call_type(in, callee, given, then);
    constexpr std::uint64_t has_vectorcall = 1u << 11;
    if (const std::uint64_t offset = in.type_field(type, TypeField::vectorcall_offset);
        offset != 0 && (in.type_field(type, TypeField::flags) & has_vectorcall) != 0)
        if (call_vector_function(in, in.guest().word(callee + offset).value_or(0), callee, given, then)) return true;
    return call_slot(in, own_slot(in, type, TypeField::call), callee, given, then);
}

// ---- calls of anything ----

// A class makes an object of itself; of what comes from another module, it is only known that it comes from there.
void call(I& in, const Given& given) {
    const std::uint64_t callee = in.argument(0);
    if (const BoundMethod* method = in.objects().bound_method(callee))
        return call_dict_method(in, method->self, method->name, given.all);
    if (call_own(in, callee, given, [&in](std::uint64_t result) { in.result(result); })) return;
    if (!in.is_type(callee) || in.fails()) return unknown_result(in, callee);
    in.objects().open_all();
    in.assume("what a class makes when it is called");
    const std::uint64_t object = in.new_instance(callee);
    if (const std::string* origin = in.origin(callee); origin != nullptr) {
        in.objects().set_origin(object, *origin);
        in.objects().forget_own(object);  // what it has is not known
    }
    if ((in.type_field(callee, TypeField::flags) & TypeFlags::exception) != 0) in.keep_text(object, in.text_of(callee));
    in.result(object);
}

// Behind those by position there are as many as the tuple has names.
Given array_given(I& in, std::uint64_t array, std::uint64_t number, std::uint64_t names) {
    const std::uint64_t count = vector_count(in, number);
    Given given(array_at(in, array, count + items_of(in, names).size()));
    given.positional = std::min<std::size_t>(count, given.all.size());
    given.names = names;
    return given;
}
void call_tuple(I& in) {
    Given given(items_of(in, in.argument(1)));
    given.keywords = in.argument(2);
    call(in, given);
}
void call_object(I& in) { call(in, items_of(in, in.argument(1))); }
void call_none(I& in) { call(in, {}); }
void call_one(I& in) { call(in, {in.argument(1)}); }
void call_rest(I& in) { call(in, rest_from(in, 1)); }
void call_vector(I& in) { call(in, array_given(in, in.argument(1), in.argument(2), in.argument(3))); }
void call_vector_dict(I& in) {
    Given given = array_given(in, in.argument(1), in.argument(2), 0);
    given.keywords = in.argument(3);
    call(in, given);
}

// Several values are several arguments, as is one tuple of them.
std::string text_of_format(I& in, unsigned at) {
    std::string format = format_at(in, at);
    if (format.starts_with('(') && format.ends_with(')')) format = format.substr(1, format.size() - 2);
    return format;
}
void call_format(I& in) {
    if (const auto given = values_of_format(in, text_of_format(in, 1), 2)) return call(in, *given);
    unknown_result(in, in.argument(0));
}

void call_method(I& in, std::uint64_t object, const std::string& name, Given given) {
    if (has_modelled_method(in, object, name)) return call_dict_method(in, object, name, given.all);
    const std::uint64_t callee = in.find_attribute(object, name).value;
    const bool of_class =
        callee != 0 && !in.is_type(object) && in.type_of(callee) == in.named_type("PyMethodDescr_Type");
    if (of_class) {
        given.all.insert(given.all.begin(), object);
        ++given.positional;
    }
    // Who looks for attributes by itself may find anything.
    if (own_slot(in, in.type_of(object), TypeField::getattro) != 0 ||
        own_slot(in, in.type_of(object), TypeField::getattr) != 0)
        in.assume(own_function_not_run);
    else if (call_own(in, callee, given, [&in](std::uint64_t result) { in.result(result); }))
        return;
    unknown_result(in, object);
}
void call_method_rest(I& in) { call_method(in, in.argument(0), in.text_of(in.argument(1)), rest_from(in, 2)); }
// PyObject_VectorcallMethod(name, arguments, ...): the object is the first of the arguments.
void call_method_vector(I& in) {
    Given given = array_given(in, in.argument(1), in.argument(2), in.argument(3));
    if (given.positional == 0) return in.unknown_object({});
    const std::uint64_t object = given.all.front();
    given.all.erase(given.all.begin());
    --given.positional;
    call_method(in, object, in.text_of(in.argument(0)), given);
}
void call_method_format(I& in) {
    const std::string name = in.guest().text(in.argument(1)).value_or("");
    if (const auto given = values_of_format(in, text_of_format(in, 2), 3))
        return call_method(in, in.argument(0), name, *given);
    unknown_result(in, in.argument(0));
}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyObject_Call", call_tuple},
    ModelEntry{"PyObject_CallFunction", call_format},
    ModelEntry{"PyObject_CallFunctionObjArgs", call_rest},
    ModelEntry{"PyObject_CallMethod", call_method_format},
    ModelEntry{"PyObject_CallMethodObjArgs", call_method_rest},
    ModelEntry{"PyObject_CallNoArgs", call_none},
    ModelEntry{"PyObject_CallObject", call_object},
    ModelEntry{"PyObject_CallOneArg", call_one},
    ModelEntry{"PyObject_Vectorcall", call_vector},
    ModelEntry{"PyObject_VectorcallDict", call_vector_dict},
    ModelEntry{"PyObject_VectorcallMethod", call_method_vector},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_calls() noexcept { return table; }

bool has_modelled_method(Interpreter& in, std::uint64_t object, const std::string& name) {
    return std::ranges::find(dict_methods, name) != dict_methods.end() &&
           in.type_of(object) == in.named_type("PyDict_Type") && in.origin(object) == nullptr;
}

}  // namespace interlock::auditing::emulation

#endif
