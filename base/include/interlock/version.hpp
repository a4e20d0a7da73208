// interlock/version.hpp: the one place that states the version.
//
// SPDX-License-Identifier: MIT
#pragma once

#define INTERLOCK_VERSION "0.1.0"
