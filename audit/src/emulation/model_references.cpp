// model_references.cpp: what the interpreter keeps for a module and gives back: weak references, locks, values of
// threads.
//
// SPDX-License-Identifier: MIT
#include "emulation/own_functions.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>

namespace interlock::auditing::emulation {

namespace {

using I = Interpreter;

// ---- weak references: whether what they refer to is still there, nobody counts here ----

constexpr const char *referent = "\1referent", *held = "\1held", *kept = "\1kept";

void reference_new(I& in) {  // (object, function for its end or NULL)
    const std::uint64_t reference = in.new_object(), callback = in.argument(1);
    in.give_type(reference, "_PyWeakref_RefType");
    in.set_attribute(reference, referent, in.argument(0));
    if (callback != 0 && callback != in.variable("_Py_NoneStruct")) in.assume(own_function_not_run);
    in.result(reference);
}
void reference_get(I& in) {  // (reference, &object): 1, or 0 when it is gone
    const std::uint64_t known = in.attribute(in.argument(0), referent);
    in.assume("whether an object is still there");
    const std::uint64_t found = known != 0 && !in.fails() ? known : 0;
    if (const std::uint64_t place = in.argument(1)) in.guest().set_word(place, found);
    in.result(found != 0 ? 1 : 0);
}
void reference_object(I& in) {  // borrowed; None when it is gone
    const std::uint64_t known = in.attribute(in.argument(0), referent);
    in.assume("whether an object is still there");
    in.result(known != 0 && !in.fails() ? known : in.variable("_Py_NoneStruct"));
}

// ---- locks ----

void lock_new(I& in) { in.result(in.new_object()); }
void lock_acquire(I& in) {  // (lock, whether to wait): 1 when it has it
    if (in.attribute(in.argument(0), held) == 0) {
        in.set_attribute(in.argument(0), held, 1);
        return in.result(1);
    }
    if ((in.argument(1) & 0xffffffff) != 0) return in.give_up("a wait for a lock that it holds itself");
    in.result(0);
}
void lock_release(I& in) { in.set_attribute(in.argument(0), held, 0); }

// ---- values of threads: Py_tss_t begins with an int that says whether there is a key ----

bool has_key(I& in) { return in.guest().number(in.argument(0), 4).value_or(0) != 0; }
void key_new(I& in) { in.result(in.guest().new_object(64)); }
void key_create(I& in) {
    in.guest().set_number(in.argument(0), 1, 4);
    in.result(0);
}
void key_delete(I& in) {
    in.guest().set_number(in.argument(0), 0, 4);
    in.set_attribute(in.argument(0), kept, 0);
}
void key_is_created(I& in) { in.result(has_key(in) ? 1 : 0); }
void key_set(I& in) {
    in.set_attribute(in.argument(0), kept, in.argument(1));
    in.result(0);
}
void key_get(I& in) { in.result(in.attribute(in.argument(0), kept)); }

// Sorted by name.
constexpr std::array table = {
    ModelEntry{"PyThread_acquire_lock", lock_acquire}, ModelEntry{"PyThread_allocate_lock", lock_new},
    ModelEntry{"PyThread_release_lock", lock_release}, ModelEntry{"PyThread_tss_alloc", key_new},
    ModelEntry{"PyThread_tss_create", key_create},     ModelEntry{"PyThread_tss_delete", key_delete},
    ModelEntry{"PyThread_tss_get", key_get},           ModelEntry{"PyThread_tss_is_created", key_is_created},
    ModelEntry{"PyThread_tss_set", key_set},           ModelEntry{"PyWeakref_GetObject", reference_object},
    ModelEntry{"PyWeakref_GetRef", reference_get},     ModelEntry{"PyWeakref_NewProxy", reference_new},
    ModelEntry{"PyWeakref_NewRef", reference_new},
};

static_assert(std::ranges::is_sorted(table, {}, &ModelEntry::name));

}  // namespace

std::span<const ModelEntry> model_references() noexcept { return table; }

}  // namespace interlock::auditing::emulation

#endif
