// model_attributes.cpp: attributes of objects, of the module's own and of what other modules hand out.
//
// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

#include "known_classes.hpp"
#include "model_attributes.hpp"
#include "model_calls.hpp"
#include "type_layout.hpp"

namespace interlock::auditing {

namespace {

using I = Interpreter;

// What C code sees of NumPy's universal functions: the numbers of their inputs and outputs, and the sum. Libraries that
// add types to NumPy compare them with their own.
constexpr std::string_view unary_functions[] = {
    "absolute", "arccos",  "arccosh", "arcsin",     "arcsinh", "arctan", "arctanh",     "bitwise_count",
    "cbrt",     "ceil",    "conj",    "conjugate",  "cos",     "cosh",   "deg2rad",     "degrees",
    "exp",      "exp2",    "expm1",   "fabs",       "floor",   "invert", "isfinite",    "isinf",
    "isnan",    "isnat",   "log",     "log10",      "log1p",   "log2",   "logical_not", "negative",
    "positive", "rad2deg", "radians", "reciprocal", "rint",    "sign",   "signbit",     "sin",
    "sinh",     "spacing", "sqrt",    "square",     "tan",     "tanh",   "trunc"};
void fill_universal_function(I& in, std::uint64_t object, std::string_view name) {
    std::uint32_t inputs = 2, outputs = 1;
    if (std::ranges::find(unary_functions, name) != std::end(unary_functions)) inputs = 1;
    if (name == "frexp" || name == "modf") inputs = 1, outputs = 2;
    if (name == "divmod") outputs = 2;
    const std::uint64_t field = object + in.head_size();
    in.guest().set_number(field, inputs, 4);
    in.guest().set_number(field + 4, outputs, 4);
    in.guest().set_number(field + 8, inputs + outputs, 4);
}

// A class of another module. What is behind the head of its objects is not known: much.
std::uint64_t class_of_another(I& in, const std::string& name) {
    const bool makes_classes = name.ends_with("Meta") || name == "EnumType";
    const std::uint64_t type = in.new_type(makes_classes ? TypeFlags::type : 0, name);
    if (makes_classes) {
        const std::uint64_t base = in.named_type("PyType_Type");
        in.set_type_field(type, TypeField::base, base);
        in.set_type_field(type, TypeField::bases, in.new_tuple_of(std::array{base}));
        in.set_type_field(type, TypeField::mro,
                          in.new_tuple_of(std::array{type, base, in.named_type("PyBaseObject_Type")}));
    }
    in.set_type_field(type, TypeField::basic_size, 4096);
    in.set_type_field(type, TypeField::dict, in.dict_of(type));
    return type;
}

std::uint64_t no_attribute(I& in, const std::string& name) {
    in.raise("AttributeError: " + name);
    return 0;
}

// C APIs of modules are kept in capsules, and by custom under such names; who asks checks the type.
std::uint64_t unknown_attribute(I& in, std::uint64_t object, const std::string& name) {
    const std::string* origin = in.origin(object);
    const std::string from = origin == nullptr ? std::string() : *origin;
    // A new class has nothing but what all have, until something is stored there.
    const bool common = name.starts_with("__") && name.ends_with("__") && name != "__all__";
    const bool own =
        in.is_module(in.owner_of(object)) || in.own_objects().contains(object) || in.guest().image_at(object);
    if (own && !common) {
        in.assume("an attribute of its own objects");
        return in.likely() ? no_attribute(in, name) : in.new_object();
    }
    if (!is_known_class(from, name)) in.assume("an attribute of " + (from.empty() ? std::string("an object") : from));
    if (in.fails() && !is_known_class(from, name)) return no_attribute(in, name);
    if (name == "__name__" || name == "__qualname__" || name == "__module__")
        return in.new_text_object(in.likely() ? "name" : "other");
    const bool capsule = name.find("API") != std::string::npos || name.find("capi") != std::string::npos;
    if (is_known_class(from, name) || (in.likely() && !capsule && !own && is_named_like_a_class(from, name))) {
        const std::uint64_t type = class_of_another(in, name);
        if (origin != nullptr) in.set_origin(type, from);
        return type;
    }
    const std::uint64_t found = in.opaque_object(from);
    // Inherited from `object`: no function of C that could be looked into.
    if (own) in.give_type(found, "wrapper_descriptor");
    if (capsule)
        in.make_capsule(found);
    else if (from.starts_with("numpy"))
        fill_universal_function(in, found, name);
    return found;
}

void attribute_by_text(I& in) {
    in.result(attribute_of(in, in.argument(0), in.guest().text(in.argument(1)).value_or("")));
}
void attribute_by_object(I& in) { in.result(attribute_of(in, in.argument(0), in.text_of(in.argument(1)))); }

// PyObject_GetOptionalAttr(): 1 and the attribute, or 0; no error.
void optional_attribute(I& in, const std::string& name) {
    const std::uint64_t before = in.take_error(), found = attribute_of(in, in.argument(0), name);
    in.restore_error(before);
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, found);
    in.result(found != 0 ? 1 : 0);
}
void optional_attribute_by_text(I& in) { optional_attribute(in, in.guest().text(in.argument(1)).value_or("")); }
void optional_attribute_by_object(I& in) { optional_attribute(in, in.text_of(in.argument(1))); }

void has_attribute(I& in, const std::string& name) {
    const std::uint64_t before = in.take_error(), found = attribute_of(in, in.argument(0), name);
    in.restore_error(before);
    in.result(found != 0 ? 1 : 0);
}
void has_attribute_by_text(I& in) { has_attribute(in, in.guest().text(in.argument(1)).value_or("")); }
void has_attribute_by_object(I& in) { has_attribute(in, in.text_of(in.argument(1))); }

// A class of the module may have a function for it, as pybind11's have; the run that is there for doubts calls it.
void store_attribute(I& in, std::uint64_t name, std::uint64_t value, const std::string& text) {
    const std::uint64_t object = in.argument(0), type = in.type_of(object);
    in.set_attribute(object, text, value);
    in.result(0);
    const std::uint64_t own = type == 0 ? 0 : in.type_field(type, TypeField::setattro);
    if (own == 0 || !in.guest().image_at(own)) return;
    in.doubt("what its class does when an attribute is set");
    if (!in.likely()) in.guest().call_first(own, std::array{object, name, value}, 0);
}
void set_attribute_by_text(I& in) {
    const std::string text = in.guest().text(in.argument(1)).value_or("");
    store_attribute(in, in.likely() ? 0 : in.new_text_object(text), in.argument(2), text);
}
void set_attribute_by_object(I& in) {
    // A name that is not known may be any.
    if (!in.texts().contains(in.argument(1))) in.open(in.argument(0));
    store_attribute(in, in.argument(1), in.argument(2), in.text_of(in.argument(1)));
}
// What such a function calls in the end.
void set_generic_attribute(I& in) {
    if (!in.texts().contains(in.argument(1))) in.open(in.argument(0));
    in.set_attribute(in.argument(0), in.text_of(in.argument(1)), in.argument(2));
    in.result(0);
}
void delete_attribute_by_text(I& in) {
    in.set_attribute(in.argument(0), in.guest().text(in.argument(1)).value_or(""), 0);
    in.result(0);
}
void delete_attribute_by_object(I& in) {
    in.set_attribute(in.argument(0), in.text_of(in.argument(1)), 0);
    in.result(0);
}
void generic_dict(I& in) { in.result(in.dict_of(in.argument(0))); }

// PyContextVar_Get(variable, default, &value)
void context_variable(I& in) {
    in.clear_results(2, 1);
    in.assume("a context variable");
    if (in.fails()) return in.result(0);
    if (const std::uint64_t place = in.argument(2)) in.guest().set_word(place, in.new_object());
    in.result(1);
}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyContextVar_Get", context_variable},
    ModelEntry{"PyObject_DelAttr", delete_attribute_by_object},
    ModelEntry{"PyObject_DelAttrString", delete_attribute_by_text},
    ModelEntry{"PyObject_GenericGetAttr", attribute_by_object},
    ModelEntry{"PyObject_GenericGetDict", generic_dict},
    ModelEntry{"PyObject_GenericSetAttr", set_generic_attribute},
    ModelEntry{"PyObject_GetAttr", attribute_by_object},
    ModelEntry{"PyObject_GetAttrString", attribute_by_text},
    ModelEntry{"PyObject_GetOptionalAttr", optional_attribute_by_object},
    ModelEntry{"PyObject_GetOptionalAttrString", optional_attribute_by_text},
    ModelEntry{"PyObject_HasAttr", has_attribute_by_object},
    ModelEntry{"PyObject_HasAttrString", has_attribute_by_text},
    ModelEntry{"PyObject_HasAttrStringWithError", has_attribute_by_text},
    ModelEntry{"PyObject_HasAttrWithError", has_attribute_by_object},
    ModelEntry{"PyObject_SetAttr", set_attribute_by_object},
    ModelEntry{"PyObject_SetAttrString", set_attribute_by_text},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_attributes() noexcept { return table; }

std::uint64_t attribute_of(Interpreter& in, std::uint64_t object, const std::string& name) {
    const Interpreter::Found found = in.find_attribute(object, name);
    if (found.value != 0) return found.value;
    if (found.certain) return no_attribute(in, name);
    if (has_modelled_method(in, object, name)) return in.new_bound_method(object, name);
    const std::uint64_t other = unknown_attribute(in, object, name);
    // It is the same each time.
    if (other != 0) in.set_attribute(object, name, other);
    return other;
}

}  // namespace interlock::auditing

#endif
