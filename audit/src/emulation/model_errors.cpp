// model_errors.cpp: the error that is set, and errors as objects.
//
// SPDX-License-Identifier: MIT
#include "emulation/interpreter.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <utility>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// As PyErr_Fetch(): the class and the object; there is no traceback.
void err_fetch(I& in) {
    in.clear_results(0, 3);
    const std::uint64_t type = in.error_class(), object = in.take_error();
    if (const std::uint64_t place = in.argument(0)) in.guest().set_word(place, type);
    if (const std::uint64_t place = in.argument(1)) in.guest().set_word(place, object);
}
void err_take(I& in) { in.result(in.take_error()); }
// PyErr_Restore(class, object, traceback): the object may be missing, or be only its argument.
void err_restore(I& in) {
    const std::uint64_t type = in.argument(0), object = in.argument(1);
    if (type == 0) return in.raise({});
    if (object != 0 && in.is_type(in.type_of(object)) &&
        in.is_subtype(in.type_of(object), in.error_type("BaseException")))
        return in.restore_error(object);
    const std::string kind = in.text_of(type);
    in.raise(kind.empty() ? "an exception" : kind, in.is_type(type) ? type : 0);
}
void err_set_object(I& in) { in.restore_error(in.argument(0)); }
void err_occurred(I& in) { in.result(in.error_class()); }

// Whether an error, or its class, is of a class, or of one of a tuple of them.
void matches(I& in, std::uint64_t error, std::uint64_t kind) {
    if (error == 0 || kind == 0) return in.result(0);
    const std::uint64_t type = in.is_type(error) ? error : in.type_of(error);
    if (!in.is_type(type) || in.is_generic_type(type)) return in.unknown_number(0, 1);
    const auto one = [&](std::uint64_t other) { return in.is_subtype(type, other); };
    if (in.is_type(kind)) return in.result(one(kind) ? 1 : 0);
    if (!in.objects().has_known_length(kind)) return in.unknown_number(0, 1);
    const std::uint64_t count = in.guest().word(kind + in.head_size()).value_or(0);
    bool any = false;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, 64) && !any; ++i)
        any = one(in.guest().word(kind + in.head_size() + (i + 1) * in.word()).value_or(0));
    in.result(any ? 1 : 0);
}
void err_matches(I& in) { matches(in, in.error_class(), in.argument(0)); }
void given_matches(I& in) { matches(in, in.argument(0), in.argument(1)); }

std::uint64_t known_class(I& in, std::uint64_t type) { return in.is_type(type) ? type : 0; }
void raise(I& in) {
    const std::string kind = in.text_of(in.argument(0));
    in.raise((kind.empty() ? "an exception" : kind) + ": " + in.guest().text(in.argument(1)).value_or(""),
             known_class(in, in.argument(0)));
    in.result(0);
}
void raise_object(I& in) {
    const std::string kind = in.text_of(in.argument(0)), text = in.text_of(in.argument(1));
    in.raise((kind.empty() ? "an exception" : kind) + (text.empty() ? "" : ": " + text),
             known_class(in, in.argument(0)));
    in.result(0);
}
void raise_class(I& in) {
    const std::string kind = in.text_of(in.argument(0));
    in.raise(kind.empty() ? "an exception" : kind, known_class(in, in.argument(0)));
    in.result(0);
}
// PyErr_SetFromErrno(class) and the like: the class is OSError where none is asked for.
void raise_of_system(I& in) {
    const std::uint64_t given = known_class(in, in.argument(0));
    const std::string kind = given == 0 ? "OSError" : in.text_of(given);
    in.raise((kind.empty() ? "an exception" : kind) + ": an error of the system", given);
    in.result(0);
}
void raise_of_windows(I& in) {
    in.raise("OSError: an error of the system");
    in.result(0);
}
void raise_import_error(I& in) {
    in.raise("ImportError: " + in.text_of(in.argument(0)));
    in.result(0);
}
void raise_none(I& in) {
    in.raise({});
    in.result(0);
}
void no_memory(I& in) {
    in.raise("MemoryError");
    in.result(0);
}
void bad_call(I& in) {
    in.raise("SystemError: bad argument to internal function");
    in.result(0);
}
void bad_argument(I& in) {
    in.raise("TypeError: bad argument type for built-in operation");
    in.result(0);
}
// A new error has no cause, context or traceback. Nothing is known of those of other modules.
void none_of_error(I& in) {
    const std::uint64_t type = in.type_of(in.argument(0));
    if (!in.is_generic_type(type)) return in.result(0);
    in.unknown_object({});
}

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyErr_BadArgument", bad_argument},
    ModelEntry{"PyErr_BadInternalCall", bad_call},
    ModelEntry{"PyErr_Clear", raise_none},
    ModelEntry{"PyErr_ExceptionMatches", err_matches},
    ModelEntry{"PyErr_Fetch", err_fetch},
    ModelEntry{"PyErr_Format", raise},
    ModelEntry{"PyErr_GetRaisedException", err_take},
    ModelEntry{"PyErr_GivenExceptionMatches", given_matches},
    ModelEntry{"PyErr_NoMemory", no_memory},
    ModelEntry{"PyErr_Occurred", err_occurred},
    ModelEntry{"PyErr_Restore", err_restore},
    ModelEntry{"PyErr_SetExcFromWindowsErr", raise_of_system},
    ModelEntry{"PyErr_SetExcFromWindowsErrWithFilename", raise_of_system},
    ModelEntry{"PyErr_SetExcFromWindowsErrWithFilenameObject", raise_of_system},
    ModelEntry{"PyErr_SetFromErrno", raise_of_system},
    ModelEntry{"PyErr_SetFromErrnoWithFilename", raise_of_system},
    ModelEntry{"PyErr_SetFromErrnoWithFilenameObject", raise_of_system},
    ModelEntry{"PyErr_SetFromErrnoWithFilenameObjects", raise_of_system},
    ModelEntry{"PyErr_SetFromWindowsErr", raise_of_windows},
    ModelEntry{"PyErr_SetFromWindowsErrWithFilename", raise_of_windows},
    ModelEntry{"PyErr_SetImportError", raise_import_error},
    ModelEntry{"PyErr_SetNone", raise_class},
    ModelEntry{"PyErr_SetObject", raise_object},
    ModelEntry{"PyErr_SetRaisedException", err_set_object},
    ModelEntry{"PyErr_SetString", raise},
    ModelEntry{"PyException_GetCause", none_of_error},
    ModelEntry{"PyException_GetContext", none_of_error},
    ModelEntry{"PyException_GetTraceback", none_of_error},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_errors() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
