// type_layout.hpp: where the fields of type objects lie (PyTypeObject, PyHeapTypeObject), and which field each slot of
// a type's specification fills: Include/cpython/object.h and Include/typeslots.h of CPython 3.12 to 3.15.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

namespace interlock::auditing::emulation {

/// Fields of PyTypeObject, counted in words from the one behind ob_size.
struct TypeField {
    static constexpr unsigned name = 0, basic_size = 1, item_size = 2, dealloc = 3, vectorcall_offset = 4, getattr = 5,
                              setattr = 6, as_async = 7, repr = 8, as_number = 9, as_sequence = 10, as_mapping = 11,
                              hash = 12, call = 13, str = 14, getattro = 15, setattro = 16, as_buffer = 17, flags = 18,
                              doc = 19, traverse = 20, clear = 21, richcompare = 22, weaklist_offset = 23, iter = 24,
                              iternext = 25, methods = 26, members = 27, getset = 28, base = 29, dict = 30,
                              descr_get = 31, descr_set = 32, dict_offset = 33, init = 34, alloc = 35, make = 36,
                              free = 37, is_gc = 38, bases = 39, mro = 40, del = 44, finalize = 46, vectorcall = 47;
    /// Behind them, in types that are made at run time: the tables of functions, names, the module, the token.
    static constexpr unsigned heap_async = 49, heap_number = 53, heap_mapping = 89, heap_sequence = 92,
                              heap_buffer = 102, heap_name = 104, heap_qualified_name = 106, heap_module = 108,
                              heap_token = 110, heap_end = 111;
};

/// Bits of tp_flags.
struct TypeFlags {
    static constexpr std::uint64_t disallow_instantiation = 1u << 7, heap_type = 1u << 9, base_type = 1u << 10,
                                   ready = 1u << 12, exception = 1u << 30, type = std::uint64_t{1} << 31;
    /// What macros ask for, of int to type: inherited.
    static constexpr std::uint64_t kinds = std::uint64_t{0xff} << 24;
};

/// What a slot of a type fills: an entry of one of its tables, or a field of the type itself.
struct SlotPlace {
    unsigned table = 0;  ///< the field that points to the table; 0: none
    unsigned index = 0;  ///< of the entry, or of the field

    /// Where a type that is made at run time has this table.
    unsigned own_table() const noexcept {
        return table == TypeField::as_async      ? TypeField::heap_async
               : table == TypeField::as_number   ? TypeField::heap_number
               : table == TypeField::as_mapping  ? TypeField::heap_mapping
               : table == TypeField::as_sequence ? TypeField::heap_sequence
                                                 : TypeField::heap_buffer;
    }
};

/// Slots of PEP 820 for what PyType_Spec has as members, and of both.
struct TypeSlot {
    static constexpr unsigned bases = 49, base = 48, token = 83, subslots = 92, type_slots = 93, name = 95,
                              basic_size = 96, extra_basic_size = 97, item_size = 98, flags = 99, metaclass = 107,
                              module = 108;
};

/// nullopt for an id that is none of a field.
std::optional<SlotPlace> slot_place(unsigned id) noexcept;

}  // namespace interlock::auditing::emulation
