// interlock/export.hpp: IL_API marks what libinterlock exports; all else is hidden.
//
// SPDX-License-Identifier: MIT
#pragma once

#define IL_API __attribute__((visibility("default")))
