// init_run.hpp: what a module says when its init function is run in a guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "image.hpp"
#include "module_def.hpp"

namespace interlock::auditing {

struct RunOptions {
    bool free_threaded = true;        ///< of the interpreter that is modelled
    std::optional<unsigned> minor{};  ///< of its version; nullopt: tries several, when the module asks
    std::uint64_t budget = 0;         ///< instructions of a run
    std::uint64_t* left = nullptr;    ///< and of all runs for the file; each takes its share
    bool details = false;
};

/// How the module is made.
enum class Phase : std::uint8_t { unknown, multi, single, slot_table, foreign };

struct InitResult {
    Phase phase = Phase::unknown;
    std::optional<Definition> definition;  ///< multi and single phase
    std::optional<Slots> slots;            ///< of a slot table (PyModExport)
    struct SetGil {
        std::uint64_t value = 0;
        std::uint64_t called_from = 0;  ///< file address
    };
    std::vector<SetGil> set_gil;       ///< for the module that is returned, in the order of the calls
    std::vector<SetGil> set_gil_late;  ///< by the exec slot, where it has no effect
    std::string foreign;               ///< whose function makes the module
    std::optional<bool> argument;      ///< Boost.Python's mod_gil_not_used
    std::string failure;               ///< why nothing is known; empty if something is
    bool complete = true;              ///< false: a constructor of the file was stepped over
    bool not_needed = false;  ///< was not run: the file imports nothing with which it could set a marker
    std::set<std::string> assumed{};
    std::vector<CallSeen> calls{};
    std::uint64_t calls_left_out = 0;
    std::uint64_t instructions = 0;
};

/// What an init function of interlock's legacy kind says.
struct LegacyResult {
    bool stated = false;            ///< it called il_set_threading
    std::uint64_t level = 0;        ///< the last one that it stated
    std::uint64_t called_from = 0;  ///< file address
    std::string failure;            ///< why nothing is known; empty if something is
    std::set<std::string> assumed{};
    std::vector<CallSeen> calls{};
    std::uint64_t calls_left_out = 0;
    std::uint64_t instructions = 0;
};

/// Emulators of one thread, one for each processor that was met. Not for several threads at once.
class InitRunner {
public:
    InitRunner();
    ~InitRunner();
    InitRunner(const InitRunner&) = delete;
    InitRunner& operator=(const InitRunner&) = delete;

    /// Whether init functions of this image can be run.
    static bool can_run(const Image& image) noexcept;
    /// Runs an entry point: PyInit..., PyModExport....
    InitResult run(const Image& image, const Export& entry, const RunOptions& options);
    /// Runs an entry point il_module_init_..., of an image for a processor with 64 bits.
    LegacyResult run_legacy(const Image& image, const Export& entry, const RunOptions& options);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace interlock::auditing
