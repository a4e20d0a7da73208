// model_slots.cpp: which slot of an object's class each function of the C API calls.
//
// SPDX-License-Identifier: MIT
#include "emulation/own_functions.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;
using F = TypeField;

/// How the arguments of a function become those of the slot, and what it returns that of the function.
enum class Kind : std::uint8_t {
    same,      ///< an object, from the same arguments
    number,    ///< an int or a size, likewise
    status,    ///< an int: 0, or -1 with an error
    deletes,   ///< the slot gets NULL as what is stored
    by_text,   ///< the key is a text in C
    truth,     ///< an int or a size, of which only matters whether it is above 0
    binary,    ///< the classes of both operands are asked
    ternary,   ///< pow()
    compare,   ///< the same, with the operation turned round
    compares,  ///< and of the object that is returned its truth
    next,      ///< the end of an iterator is no error
};
struct SlotCall {
    std::string_view function;
    Kind kind;
    SlotPlace place, other{};  ///< the other one where the first is empty
};
constexpr SlotPlace at(unsigned field) { return {0, field}; }
constexpr SlotPlace of_number(unsigned index) { return {F::as_number, index}; }
constexpr SlotPlace of_sequence(unsigned index) { return {F::as_sequence, index}; }
constexpr SlotPlace of_mapping(unsigned index) { return {F::as_mapping, index}; }

// Sorted by name.
constexpr std::array calls = {
    SlotCall{"PyIter_Next", Kind::next, at(F::iternext)},
    SlotCall{"PyMapping_GetItemString", Kind::by_text, of_mapping(1)},
    SlotCall{"PyMapping_Length", Kind::number, of_mapping(0)},
    SlotCall{"PyMapping_SetItemString", Kind::by_text, of_mapping(2)},
    SlotCall{"PyMapping_Size", Kind::number, of_mapping(0)},
    SlotCall{"PyNumber_Absolute", Kind::same, of_number(8)},
    SlotCall{"PyNumber_Add", Kind::binary, of_number(0), of_sequence(1)},
    SlotCall{"PyNumber_And", Kind::binary, of_number(13)},
    SlotCall{"PyNumber_Divmod", Kind::binary, of_number(4)},
    SlotCall{"PyNumber_Float", Kind::same, of_number(18), of_number(33)},
    SlotCall{"PyNumber_FloorDivide", Kind::binary, of_number(29)},
    SlotCall{"PyNumber_InPlaceAdd", Kind::binary, of_number(19), of_number(0)},
    SlotCall{"PyNumber_InPlaceAnd", Kind::binary, of_number(26), of_number(13)},
    SlotCall{"PyNumber_InPlaceFloorDivide", Kind::binary, of_number(31), of_number(29)},
    SlotCall{"PyNumber_InPlaceLshift", Kind::binary, of_number(24), of_number(11)},
    SlotCall{"PyNumber_InPlaceMatrixMultiply", Kind::binary, of_number(35), of_number(34)},
    SlotCall{"PyNumber_InPlaceMultiply", Kind::binary, of_number(21), of_number(2)},
    SlotCall{"PyNumber_InPlaceOr", Kind::binary, of_number(28), of_number(15)},
    SlotCall{"PyNumber_InPlaceRemainder", Kind::binary, of_number(22), of_number(3)},
    SlotCall{"PyNumber_InPlaceRshift", Kind::binary, of_number(25), of_number(12)},
    SlotCall{"PyNumber_InPlaceSubtract", Kind::binary, of_number(20), of_number(1)},
    SlotCall{"PyNumber_InPlaceTrueDivide", Kind::binary, of_number(32), of_number(30)},
    SlotCall{"PyNumber_InPlaceXor", Kind::binary, of_number(27), of_number(14)},
    SlotCall{"PyNumber_Index", Kind::same, of_number(33)},
    SlotCall{"PyNumber_Invert", Kind::same, of_number(10)},
    SlotCall{"PyNumber_Long", Kind::same, of_number(16), of_number(33)},
    SlotCall{"PyNumber_Lshift", Kind::binary, of_number(11)},
    SlotCall{"PyNumber_MatrixMultiply", Kind::binary, of_number(34)},
    SlotCall{"PyNumber_Multiply", Kind::binary, of_number(2)},
    SlotCall{"PyNumber_Negative", Kind::same, of_number(6)},
    SlotCall{"PyNumber_Or", Kind::binary, of_number(15)},
    SlotCall{"PyNumber_Positive", Kind::same, of_number(7)},
    SlotCall{"PyNumber_Power", Kind::ternary, of_number(5)},
    SlotCall{"PyNumber_Remainder", Kind::binary, of_number(3)},
    SlotCall{"PyNumber_Rshift", Kind::binary, of_number(12)},
    SlotCall{"PyNumber_Subtract", Kind::binary, of_number(1)},
    SlotCall{"PyNumber_TrueDivide", Kind::binary, of_number(30)},
    SlotCall{"PyNumber_Xor", Kind::binary, of_number(14)},
    SlotCall{"PyObject_DelItem", Kind::deletes, of_mapping(2)},
    SlotCall{"PyObject_GetAIter", Kind::same, {F::as_async, 1}},
    SlotCall{"PyObject_GetBuffer", Kind::status, {F::as_buffer, 0}},
    SlotCall{"PyObject_GetItem", Kind::same, of_mapping(1)},
    SlotCall{"PyObject_GetIter", Kind::same, at(F::iter)},
    SlotCall{"PyObject_Hash", Kind::number, at(F::hash)},
    SlotCall{"PyObject_IsTrue", Kind::truth, of_number(9), of_mapping(0)},
    SlotCall{"PyObject_Length", Kind::number, of_sequence(0), of_mapping(0)},
    SlotCall{"PyObject_Repr", Kind::same, at(F::repr)},
    SlotCall{"PyObject_RichCompare", Kind::compare, at(F::richcompare)},
    SlotCall{"PyObject_RichCompareBool", Kind::compares, at(F::richcompare)},
    SlotCall{"PyObject_SetItem", Kind::status, of_mapping(2)},
    SlotCall{"PyObject_Size", Kind::number, of_sequence(0), of_mapping(0)},
    SlotCall{"PyObject_Str", Kind::same, at(F::str), at(F::repr)},
    SlotCall{"PySequence_Concat", Kind::same, of_sequence(1)},
    SlotCall{"PySequence_Contains", Kind::number, of_sequence(7)},
    SlotCall{"PySequence_DelItem", Kind::deletes, of_sequence(5)},
    SlotCall{"PySequence_GetItem", Kind::same, of_sequence(3)},
    SlotCall{"PySequence_In", Kind::number, of_sequence(7)},
    SlotCall{"PySequence_InPlaceConcat", Kind::same, of_sequence(8), of_sequence(1)},
    SlotCall{"PySequence_InPlaceRepeat", Kind::same, of_sequence(9), of_sequence(2)},
    SlotCall{"PySequence_Length", Kind::number, of_sequence(0)},
    SlotCall{"PySequence_Repeat", Kind::same, of_sequence(2)},
    SlotCall{"PySequence_SetItem", Kind::status, of_sequence(5)},
    SlotCall{"PySequence_Size", Kind::number, of_sequence(0)},
};
static_assert(std::ranges::is_sorted(calls, {}, &SlotCall::function));

std::uint64_t slot_of(I& in, std::uint64_t type, const SlotCall& call) {
    if (const std::uint64_t first = own_slot(in, type, call.place)) return first;
    return call.other.table == 0 && call.other.index == 0 ? 0 : own_slot(in, type, call.other);
}

void not_known(I& in) {
    in.assume(own_function_not_run);
    in.result(in.fails() ? 0 : in.new_object());
}
std::uint64_t none_such(I& in) { return in.variable("_Py_NotImplementedStruct"); }

/// One function after the other, until one knows an answer.
struct Candidates {
    std::vector<std::pair<std::uint64_t, Arguments>> left;
    Kind kind;
};
void truth_of(I& in, std::uint64_t object) {
    if (object == 0) return in.result(~std::uint64_t{0});
    for (const auto& [name, value] : {std::pair("_Py_TrueStruct", 1u), {"_Py_FalseStruct", 0u}})
        if (in.variable(name) == object) return in.result(value);
    in.assume("what a comparison of its own returns");
    in.result(in.likely() ? 0 : 1);
}
void try_next(I& in, const std::shared_ptr<Candidates>& candidates) {
    if (candidates->left.empty()) return not_known(in);
    const auto [function, arguments] = candidates->left.front();
    candidates->left.erase(candidates->left.begin());
    run_own(in, function, arguments, [&in, candidates](std::uint64_t result) {
        if (result == none_such(in)) return try_next(in, candidates);
        if (candidates->kind == Kind::compares) return truth_of(in, result);
        in.result(result);
    });
}

// The class of the right operand comes first when it is derived from that of the left one.
bool run_binary(I& in, const SlotCall& call) {
    const std::uint64_t left = in.argument(0), right = in.argument(1), third = in.argument(2);
    const std::uint64_t left_type = in.type_of(left), right_type = in.type_of(right);
    const std::uint64_t first = slot_of(in, left_type, call), second = slot_of(in, right_type, call);
    if (first == 0 && second == 0) return false;
    const bool compares = call.kind == Kind::compare || call.kind == Kind::compares;
    if (call.kind == Kind::compares && left == right && (third == 2 || third == 3)) {  // the same object is equal
        in.result(third == 2 ? 1 : 0);
        return true;
    }
    // <, <=, ==, !=, >, >= from the other side.
    static constexpr std::array<std::uint64_t, 6> turned = {4, 5, 2, 3, 0, 1};
    const bool more = compares || call.kind == Kind::ternary;
    const auto with = [&](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
        return more ? Arguments{a, b, c} : Arguments{a, b};
    };
    const std::uint64_t how = third & 0xffffffff;
    std::vector<std::pair<std::uint64_t, Arguments>> all;
    if (first != 0) all.emplace_back(first, with(left, right, compares ? how : third));
    if (second != 0 && (compares ? right_type != left_type : second != first)) {
        // Slots of numbers get their operands in the same order from either side.
        Arguments other =
            compares ? with(right, left, how < turned.size() ? turned[how] : how) : with(left, right, third);
        const bool derived = right_type != left_type && in.is_subtype(right_type, left_type);
        all.insert(derived ? all.begin() : all.end(), {second, std::move(other)});
    }
    // What the class of the other operand would say, if it is the interpreter's, is not known.
    try_next(in, std::make_shared<Candidates>(Candidates{std::move(all), call.kind}));
    return true;
}

}  // namespace

bool run_own_slot(I& in, std::string_view name) {
    const auto found = std::ranges::lower_bound(calls, name, {}, &SlotCall::function);
    if (found == calls.end() || found->function != name) return false;
    const SlotCall& call = *found;
    switch (call.kind) {
        case Kind::binary:
        case Kind::ternary:
        case Kind::compare:
        case Kind::compares:
            return run_binary(in, call);
        default:
            break;
    }
    const std::uint64_t object = in.argument(0), type = in.type_of(object);
    const std::uint64_t slot = slot_of(in, type, call);
    if (slot == 0) return false;
    Arguments arguments;
    for (unsigned i = 0; i < std::min(c_api_parameters(name).count, 3u); ++i) arguments.push_back(in.argument(i));
    if (call.kind == Kind::deletes) arguments.push_back(0);
    if (call.kind == Kind::by_text && arguments.size() > 1)
        arguments[1] = in.new_text_object(in.guest().text(arguments[1]).value_or(""));
    run_own(in, slot, arguments, [&in, kind = call.kind](std::uint64_t result) {
        if (kind == Kind::status || kind == Kind::deletes) return in.result(as_int(result) < 0 ? ~std::uint64_t{0} : 0);
        if (kind == Kind::next && result == 0 && in.record().raised().starts_with("StopIteration")) in.raise({});
        if (kind == Kind::truth) return in.result(as_int(result) > 0 ? 1 : as_int(result) < 0 ? result : 0);
        in.result(result);
    });
    return true;
}

}  // namespace interlock::auditing::emulation

#endif
