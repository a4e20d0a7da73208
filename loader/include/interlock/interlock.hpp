// interlock/interlock.hpp: everything for a program that loads modules.
//
// SPDX-License-Identifier: MIT
#pragma once

// IWYU pragma: begin_exports
#include <interlock/decision.hpp>
#include <interlock/escape.hpp>
#include <interlock/event.hpp>
#include <interlock/gil_option.hpp>
#include <interlock/level.hpp>
#include <interlock/loader.hpp>
#include <interlock/manifest.hpp>
#include <interlock/marker.hpp>
#include <interlock/policy.hpp>
#include <interlock/result.hpp>
#include <interlock/runtime.hpp>
#include <interlock/typed_function.hpp>
#include <interlock/value.hpp>
#include <interlock/version.hpp>
#include <interlock/warning.hpp>
// IWYU pragma: end_exports
