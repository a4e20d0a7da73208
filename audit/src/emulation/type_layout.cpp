// type_layout.cpp: the fields that the slots of a type's specification fill.
//
// SPDX-License-Identifier: MIT
#include "emulation/type_layout.hpp"

#include <array>

namespace interlock::auditing::emulation {

namespace {

using F = TypeField;

// In the order of their ids, from 1 on.
constexpr std::array places = {SlotPlace{F::as_buffer, 0},   SlotPlace{F::as_buffer, 1},   SlotPlace{F::as_mapping, 2},
                               SlotPlace{F::as_mapping, 0},  SlotPlace{F::as_mapping, 1},  SlotPlace{F::as_number, 8},
                               SlotPlace{F::as_number, 0},   SlotPlace{F::as_number, 13},  SlotPlace{F::as_number, 9},
                               SlotPlace{F::as_number, 4},   SlotPlace{F::as_number, 18},  SlotPlace{F::as_number, 29},
                               SlotPlace{F::as_number, 33},  SlotPlace{F::as_number, 19},  SlotPlace{F::as_number, 26},
                               SlotPlace{F::as_number, 31},  SlotPlace{F::as_number, 24},  SlotPlace{F::as_number, 21},
                               SlotPlace{F::as_number, 28},  SlotPlace{F::as_number, 23},  SlotPlace{F::as_number, 22},
                               SlotPlace{F::as_number, 25},  SlotPlace{F::as_number, 20},  SlotPlace{F::as_number, 32},
                               SlotPlace{F::as_number, 27},  SlotPlace{F::as_number, 16},  SlotPlace{F::as_number, 10},
                               SlotPlace{F::as_number, 11},  SlotPlace{F::as_number, 2},   SlotPlace{F::as_number, 6},
                               SlotPlace{F::as_number, 15},  SlotPlace{F::as_number, 7},   SlotPlace{F::as_number, 5},
                               SlotPlace{F::as_number, 3},   SlotPlace{F::as_number, 12},  SlotPlace{F::as_number, 1},
                               SlotPlace{F::as_number, 30},  SlotPlace{F::as_number, 14},  SlotPlace{F::as_sequence, 5},
                               SlotPlace{F::as_sequence, 1}, SlotPlace{F::as_sequence, 7}, SlotPlace{F::as_sequence, 8},
                               SlotPlace{F::as_sequence, 9}, SlotPlace{F::as_sequence, 3}, SlotPlace{F::as_sequence, 0},
                               SlotPlace{F::as_sequence, 2}, SlotPlace{0, F::alloc},       SlotPlace{0, F::base},
                               SlotPlace{0, F::bases},       SlotPlace{0, F::call},        SlotPlace{0, F::clear},
                               SlotPlace{0, F::dealloc},     SlotPlace{0, F::del},         SlotPlace{0, F::descr_get},
                               SlotPlace{0, F::descr_set},   SlotPlace{0, F::doc},         SlotPlace{0, F::getattr},
                               SlotPlace{0, F::getattro},    SlotPlace{0, F::hash},        SlotPlace{0, F::init},
                               SlotPlace{0, F::is_gc},       SlotPlace{0, F::iter},        SlotPlace{0, F::iternext},
                               SlotPlace{0, F::methods},     SlotPlace{0, F::make},        SlotPlace{0, F::repr},
                               SlotPlace{0, F::richcompare}, SlotPlace{0, F::setattr},     SlotPlace{0, F::setattro},
                               SlotPlace{0, F::str},         SlotPlace{0, F::traverse},    SlotPlace{0, F::members},
                               SlotPlace{0, F::getset},      SlotPlace{0, F::free},        SlotPlace{F::as_number, 34},
                               SlotPlace{F::as_number, 35},  SlotPlace{F::as_async, 0},    SlotPlace{F::as_async, 1},
                               SlotPlace{F::as_async, 2},    SlotPlace{0, F::finalize},    SlotPlace{F::as_async, 3},
                               SlotPlace{0, F::vectorcall},  SlotPlace{0, F::heap_token}};

}  // namespace

std::optional<SlotPlace> slot_place(unsigned id) noexcept {
    // 3.15 gives the first four new ids, as those of modules have the old ones, too.
    if (id >= 88 && id <= 91) id -= 87;
    if (id == 0 || id > places.size()) return std::nullopt;
    return places[id - 1];
}

}  // namespace interlock::auditing::emulation
