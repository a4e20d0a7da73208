// model_calls.cpp: calls of objects: of classes, of methods of dictionaries, and of what other modules hand out.
//
// SPDX-License-Identifier: MIT
#include "model_calls.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <vector>

#include "model_containers.hpp"
#include "type_layout.hpp"

namespace interlock::auditing {

namespace {

using I = Interpreter;
using Arguments = std::vector<std::uint64_t>;

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
    if (tuple == 0 || !in.sized().contains(tuple)) return {};
    return array_at(in, tuple + in.head_size() + in.word(), in.guest().word(tuple + in.head_size()).value_or(0));
}
// Up to a NULL. Apple's convention for arm64 passes them elsewhere than the others.
Arguments rest_from(I& in, unsigned first) {
    Arguments found;
    if (in.image().format == Format::macho && in.image().architecture == Architecture::aarch64) return found;
    for (unsigned i = first; i < first + 4 && in.argument(i) != 0; ++i) found.push_back(in.argument(i));
    return found;
}
// The highest bit of the number of arguments is a flag.
std::uint64_t vector_count(I& in, std::uint64_t number) { return number & ~(std::uint64_t{1} << (8 * in.word() - 1)); }

void unknown_result(I& in, std::uint64_t object) {
    const std::string* origin = in.origin(object);
    in.open_all();  // what is called may store something anywhere
    in.unknown_object(origin == nullptr ? std::string() : *origin);
}

// A class makes an object of itself; of what comes from another module, it is only known that it comes from there.
void call(I& in, const Arguments& given) {
    const std::uint64_t callee = in.argument(0);
    if (const auto method = in.bound_methods().find(callee); method != in.bound_methods().end())
        return call_dict_method(in, method->second.self, method->second.name, given);
    if (!in.is_type(callee) || in.fails()) return unknown_result(in, callee);
    in.open_all();
    in.assume("what a class makes when it is called");
    const std::uint64_t object = in.new_instance(callee);
    if (const std::string* origin = in.origin(callee); origin != nullptr) {
        in.set_origin(object, *origin);
        in.own_objects().erase(object);  // what it has is not known
    }
    if ((in.type_field(callee, TypeField::flags) & TypeFlags::exception) != 0) in.keep_text(object, in.text_of(callee));
    in.result(object);
}
void call_tuple(I& in) { call(in, items_of(in, in.argument(1))); }
void call_none(I& in) { call(in, {}); }
void call_one(I& in) { call(in, {in.argument(1)}); }
void call_rest(I& in) { call(in, rest_from(in, 1)); }
void call_vector(I& in) { call(in, array_at(in, in.argument(1), vector_count(in, in.argument(2)))); }
// The arguments are in a format of their own.
void call_format(I& in) { call(in, {}); }

void call_method(I& in, std::uint64_t object, const std::string& name, const Arguments& given) {
    if (has_modelled_method(in, object, name)) return call_dict_method(in, object, name, given);
    unknown_result(in, object);
}
void call_method_rest(I& in) { call_method(in, in.argument(0), in.text_of(in.argument(1)), rest_from(in, 2)); }
// PyObject_VectorcallMethod(name, arguments, ...): the object is the first of the arguments.
void call_method_vector(I& in) {
    Arguments given = array_at(in, in.argument(1), vector_count(in, in.argument(2)));
    if (given.empty()) return in.unknown_object({});
    const std::uint64_t object = given.front();
    given.erase(given.begin());
    call_method(in, object, in.text_of(in.argument(0)), given);
}
void call_method_format(I& in) { unknown_result(in, in.argument(0)); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyObject_Call", call_tuple},
    ModelEntry{"PyObject_CallFunction", call_format},
    ModelEntry{"PyObject_CallFunctionObjArgs", call_rest},
    ModelEntry{"PyObject_CallMethod", call_method_format},
    ModelEntry{"PyObject_CallMethodObjArgs", call_method_rest},
    ModelEntry{"PyObject_CallNoArgs", call_none},
    ModelEntry{"PyObject_CallObject", call_tuple},
    ModelEntry{"PyObject_CallOneArg", call_one},
    ModelEntry{"PyObject_Vectorcall", call_vector},
    ModelEntry{"PyObject_VectorcallDict", call_vector},
    ModelEntry{"PyObject_VectorcallMethod", call_method_vector},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_calls() noexcept { return table; }

bool has_modelled_method(Interpreter& in, std::uint64_t object, const std::string& name) {
    return std::ranges::find(dict_methods, name) != dict_methods.end() &&
           in.type_of(object) == in.named_type("PyDict_Type") && in.origin(object) == nullptr;
}

}  // namespace interlock::auditing

#endif
