// linked_libraries.hpp: the libraries that a module is linked to: those that come with it, and those that are missing.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <interlock/audit.hpp>

#include "emulation/init_run.hpp"
#include "image/image.hpp"
#include "verdict/binary.hpp"

namespace interlock::auditing::verdict {

/// The libraries that come with a module.
struct Linked {
    std::vector<emulation::Library> libraries;
    image::Names of_module;  ///< what they find in the module
};

/// With what the module and the libraries before it want of each.
Linked read_libraries(const image::Image& module, const BinaryContext& context, std::span<const image::Bytes> files);

/// ELF: a library that is linked to it finds what the module defines, and its constructors may write there.
bool can_be_changed_by_libraries(const image::Image& image);

/// Of what the module is linked to, by way of the libraries that are there: BinaryAudit::missing_libraries.
void list_missing_libraries(BinaryAudit& binary, const image::Image& image, const Linked& linked,
                            const BinaryContext& context);
/// In the reasons of modules of which nothing could be found out.
void say_what_is_missing(BinaryAudit& binary);

}  // namespace interlock::auditing::verdict
