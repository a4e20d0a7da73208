// static_scan.hpp: finds the definition of a module in the data of its file, where no init function can be run: by the
// name that it points to. It sees definitions and slots that are complete in the file, and nothing that is made later.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "emulation/module_def.hpp"
#include "image/image.hpp"

namespace interlock::auditing::verdict {

struct ScannedDefinition {
    std::uint64_t address = 0;  ///< file address
    emulation::Definition definition;
};

/// All definitions whose name is `module`, or ends in "." and `module`.
std::vector<ScannedDefinition> find_definitions(const image::Image& image, std::string_view module,
                                                bool expect_free_threaded);

}  // namespace interlock::auditing::verdict
