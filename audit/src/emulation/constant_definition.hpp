// constant_definition.hpp: what most init functions do can be seen without an emulator: "return PyModuleDef_Init(&x)",
// with x a table in the file, and nothing before it but what compilers put into every library.
//
// It is an answer only where each byte that would run is known, and writes nothing. What is not known is run.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "emulation/init_run.hpp"
#include "emulation/module_def.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// The definition that this entry point hands over, as it is then, with the addresses that a guest gives to an image
/// that is alone; nullopt where that has to be found out by running it. Of ELF for x86-64 only.
std::optional<Definition> constant_definition(const image::Image& image, const image::Export& entry,
                                              bool free_threaded);

/// Whether the function does nothing else: "lea rdi, definition; jmp PyModuleDef_Init". Constructors may do more.
bool only_hands_over(const image::Image& image, const image::Export& entry);

/// What InitRunner::run() would find, where that is known without a run. Who wants to see the calls gets to see them.
std::optional<InitResult> without_a_run(const image::Image& image, const image::Export& entry,
                                        const RunOptions& options);

// What the interpreter does with a definition that it was handed.

/// What it looks at before anything of the module runs again; empty if it is content.
std::string why_import_fails(const Definition& definition, const RunOptions& options);
/// Whether it matters what Py_mod_create makes.
bool is_create_decisive(const Slots& slots) noexcept;
/// Whether Py_mod_exec may set a marker, which is too late.
bool is_exec_of_interest(const Slots& slots) noexcept;

}  // namespace interlock::auditing::emulation
