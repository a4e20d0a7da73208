// model_attributes.cpp: attributes of objects, of the module's own and of what other modules hand out.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

#include "emulation/known_classes.hpp"
#include "emulation/model_attributes.hpp"
#include "emulation/model_calls.hpp"
#include "emulation/own_functions.hpp"
#include "emulation/type_layout.hpp"

namespace interlock::auditing::emulation {

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
    in.set_type_field(type, TypeField::basic_size, in.likely() ? 4096 : 8192);
    for (const unsigned field : {TypeField::basic_size, TypeField::flags})
        in.guest().forget_written(in.type_place(type, field), in.word());
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
        in.is_module(in.objects().owner_of(object)) || in.objects().is_own(object) || in.guest().image_at(object);
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
        if (origin != nullptr) in.objects().set_origin(type, from);
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

// ---- attributes that functions of the module give and take ----

/// PyGetSetDef and PyMemberDef of a class: the entry lies behind what each descriptor has.
std::uint64_t entry_of(I& in, std::uint64_t descriptor) {
    return in.guest().word(descriptor + in.head_size() + 3 * std::uint64_t{in.word()}).value_or(0);
}
std::uint64_t field_of(I& in, std::uint64_t entry, unsigned index) {
    return in.guest().word(entry + index * std::uint64_t{in.word()}).value_or(0);
}

// The kinds of numbers and objects that are members of nearly all structures.
std::uint64_t member_of(I& in, std::uint64_t object, std::uint64_t entry) {
    constexpr std::uint64_t of_int = 1, of_long = 2, object_or_none = 6, object_or_error = 16, of_size = 19;
    const std::uint64_t kind = in.guest().number(entry + in.word(), 4).value_or(0);
    const std::uint64_t place = object + field_of(in, entry, 2);
    const bool narrow =
        kind == of_int || (kind == of_long && (in.word() == 4 || in.image().format == image::Format::pe));
    if (kind == object_or_none || kind == object_or_error) {
        const std::uint64_t found = in.guest().word(place).value_or(0);
        if (found != 0) return found;
        return kind == object_or_none ? in.variable("_Py_NoneStruct") : no_attribute(in, "a member");
    }
    if (kind == of_int || kind == of_long || kind == of_size) {
        const std::uint64_t value = in.guest().number(place, narrow ? 4 : in.word()).value_or(0);
        return in.new_number(narrow ? static_cast<std::uint64_t>(std::int64_t{as_int(value)}) : value);
    }
    in.assume("a member of an object of its own");
    return in.new_object();
}

// What a class has under a name, for one of its objects: functions are bound, getters are called.
void bind(I& in, std::uint64_t object, std::uint64_t found, const Then& then) {
    const std::uint64_t kind = found == 0 ? 0 : in.type_of(found);
    if (kind == 0 || in.is_generic_type(kind)) return then(found);
    const bool type = in.is_type(object);
    if (const std::uint64_t get = own_slot(in, kind, TypeField::descr_get))
        return run_own(in, get, {found, type ? 0 : object, type ? object : in.type_of(object)}, then);
    if (type || in.is_module(object)) return then(found);
    if (kind == in.named_type("PyMethodDescr_Type")) return then(in.new_c_function(entry_of(in, found), object, 0));
    if (kind == in.named_type("PyMemberDescr_Type")) return then(member_of(in, object, entry_of(in, found)));
    if (kind != in.named_type("PyGetSetDescr_Type")) return then(found);
    const std::uint64_t entry = entry_of(in, found), get = field_of(in, entry, 1);
    if (is_own_function(in, get)) return run_own(in, get, {object, field_of(in, entry, 4)}, then);
    then(get == 0 ? no_attribute(in, "what can only be set") : found);
}

void get_generic(I& in, std::uint64_t object, const std::string& name, const Then& then) {
    const std::uint64_t found = attribute_of(in, object, name);
    if (found != 0) return bind(in, object, found, then);
    // A module's own function for what is not there.
    const std::uint64_t other = in.is_module(object) ? in.find_attribute(object, "__getattr__").value : 0;
    if (other != 0) in.assume(own_function_not_run);
    then(0);
}
// `name_object` is 0 where there is only a text.
void get(I& in, std::uint64_t object, const std::string& name, std::uint64_t name_object, const Then& then) {
    const std::uint64_t type = object == 0 ? 0 : in.type_of(object);
    if (const std::uint64_t own = own_slot(in, type, TypeField::getattro))
        return run_own(in, own, {object, name_object != 0 ? name_object : in.new_text_object(name)}, then);
    if (const std::uint64_t own = own_slot(in, type, TypeField::getattr))
        return run_own(in, own, {object, in.guest().new_text(name)}, then);
    get_generic(in, object, name, then);
}

std::string text_at(I& in, unsigned index) { return in.guest().text(in.argument(index)).value_or(""); }
Then as_result(I& in) {
    return [&in](std::uint64_t found) { in.result(found); };
}
void attribute_by_text(I& in) { get(in, in.argument(0), text_at(in, 1), 0, as_result(in)); }
void attribute_by_object(I& in) { get(in, in.argument(0), in.text_of(in.argument(1)), in.argument(1), as_result(in)); }
void generic_attribute(I& in) { get_generic(in, in.argument(0), in.text_of(in.argument(1)), as_result(in)); }

// PyObject_GetOptionalAttr(): 1 and the attribute, or 0; no error.
Then as_optional(I& in, std::uint64_t place) {
    return [&in, place, before = in.take_error()](std::uint64_t found) {
        in.restore_error(before);
        if (place != 0) in.guest().set_word(place, found);
        in.result(found != 0 ? 1 : 0);
    };
}
void optional_attribute_by_text(I& in) { get(in, in.argument(0), text_at(in, 1), 0, as_optional(in, in.argument(2))); }
void optional_attribute_by_object(I& in) {
    get(in, in.argument(0), in.text_of(in.argument(1)), in.argument(1), as_optional(in, in.argument(2)));
}
void has_attribute_by_text(I& in) { get(in, in.argument(0), text_at(in, 1), 0, as_optional(in, 0)); }
void has_attribute_by_object(I& in) {
    get(in, in.argument(0), in.text_of(in.argument(1)), in.argument(1), as_optional(in, 0));
}

Then as_status(I& in) {
    return [&in](std::uint64_t result) { in.result(as_int(result) < 0 ? ~std::uint64_t{0} : 0); };
}
// `value` is 0 where it is deleted.
void set_generic(I& in, std::uint64_t object, const std::string& name, std::uint64_t value) {
    const std::uint64_t type = object == 0 ? 0 : in.type_of(object);
    const bool of_class = type != 0 && !in.is_generic_type(type) && is_own_type(in, type);
    const std::uint64_t found = of_class ? in.find_attribute(type, name).value : 0;
    const std::uint64_t kind = found == 0 ? 0 : in.type_of(found);
    if (const std::uint64_t set = own_slot(in, kind, TypeField::descr_set))
        return run_own(in, set, {found, object, value}, as_status(in));
    if (kind != 0 && kind == in.named_type("PyGetSetDescr_Type")) {
        const std::uint64_t entry = entry_of(in, found), set = field_of(in, entry, 2);
        if (is_own_function(in, set)) return run_own(in, set, {object, value, field_of(in, entry, 4)}, as_status(in));
    }
    if (kind != 0 && kind == in.named_type("PyMemberDescr_Type")) in.assume("a member of an object of its own");
    // Numbers, texts and the like take none.
    const bool plain = in.objects().number(object) != nullptr || in.objects().has_known_length(object) ||
                       (in.objects().has_text(object) && type == in.named_type("PyUnicode_Type"));
    if (plain) {
        no_attribute(in, name);
        return in.result(~std::uint64_t{0});
    }
    const bool own = of_class || in.is_module(object) || in.objects().is_own(object) || is_own_type(in, object);
    if (!own && !in.is_type(object)) in.assume("whether an object takes an attribute");
    if (in.is_type(object) && !is_own_type(in, object)) in.assume("whether a class takes an attribute");
    in.set_attribute(object, name, value);
    in.result(0);
}
// A class of the module may have a function for it, as pybind11's have.
void set(I& in, std::uint64_t object, const std::string& name, std::uint64_t name_object, std::uint64_t value) {
    const std::uint64_t type = object == 0 ? 0 : in.type_of(object);
    if (const std::uint64_t own = own_slot(in, type, TypeField::setattro))
        return run_own(in, own, {object, name_object != 0 ? name_object : in.new_text_object(name), value},
                       as_status(in));
    if (const std::uint64_t own = own_slot(in, type, TypeField::setattr))
        return run_own(in, own, {object, in.guest().new_text(name), value}, as_status(in));
    set_generic(in, object, name, value);
}
// A name that is not known may be any.
void note_name(I& in) {
    if (!in.objects().has_text(in.argument(1))) in.open(in.argument(0));
}
void set_attribute_by_text(I& in) { set(in, in.argument(0), text_at(in, 1), 0, in.argument(2)); }
void set_attribute_by_object(I& in) {
    note_name(in);
    set(in, in.argument(0), in.text_of(in.argument(1)), in.argument(1), in.argument(2));
}
// What such a function calls in the end.
void set_generic_attribute(I& in) {
    note_name(in);
    set_generic(in, in.argument(0), in.text_of(in.argument(1)), in.argument(2));
}
void delete_attribute_by_text(I& in) { set(in, in.argument(0), text_at(in, 1), 0, 0); }
void delete_attribute_by_object(I& in) { set(in, in.argument(0), in.text_of(in.argument(1)), in.argument(1), 0); }
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
    ModelEntry{"PyObject_GenericGetAttr", generic_attribute},
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

}  // namespace interlock::auditing::emulation

#endif
