// init_run.hpp: what a module says when its init function is run in a guest.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <interlock/audit.hpp>

#include "emulation/module_def.hpp"
#include "image/image.hpp"

namespace interlock::auditing::emulation {

/// A library that a module is linked to, directly or by way of another one.
struct Library {
    std::string name;  ///< as it is asked for, without folders
    image::Image image;
};

struct RunOptions {
    bool free_threaded = true;        ///< of the interpreter that is modelled
    std::optional<unsigned> minor{};  ///< of its version; nullopt: tries several, when the module asks
    std::uint64_t budget = 0;         ///< instructions of a run
    std::uint64_t* left = nullptr;    ///< and of all runs for the file; each takes its share
    bool details = false;
    std::span<const Library> libraries{};  ///< that come with the module, for the same processor; not owned
};

/// How the module is made.
enum class Phase : std::uint8_t { unknown, multi, single, slot_table, foreign };

struct InitResult {
    Phase phase = Phase::unknown;
    std::optional<Definition> definition;  ///< multi and single phase
    std::optional<Slots> slots;            ///< of a slot table (PyModExport)
    struct SetGil {
        std::uint64_t value = 0;
        std::string called_from;  ///< address in the file, or in a library: "0x1f0 of libx.so"
    };
    std::vector<SetGil> set_gil;       ///< for the module that is returned, in the order of the calls
    std::vector<SetGil> set_gil_late;  ///< by the exec slot, where it has no effect
    std::string foreign;               ///< whose function makes the module
    std::optional<bool> argument;      ///< Boost.Python's mod_gil_not_used
    std::string failure;               ///< why nothing is known; empty if something is
    std::string cut_short;             ///< why the run did not get to its end; what is known was said before
    bool complete = true;              ///< false: a constructor of the file was stepped over
    bool used_library = false;  ///< something of a library that was not there: neither Python's nor the C library's
    bool not_needed = false;    ///< was not run: the file imports nothing with which it could set a marker
    std::set<std::string> assumed{};
    std::set<std::string> doubts{};  ///< assumptions that a run with the opposite answers settles
    std::vector<CallSeen> calls{};
    std::uint64_t calls_left_out = 0;
    std::uint64_t instructions = 0,
                  own_instructions = 0;  ///< of all that was run; of the function without constructors
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
    static bool can_run(const image::Image& image) noexcept;
    /// Runs an entry point: PyInit..., PyModExport....
    InitResult run(const image::Image& image, const image::Export& entry, const RunOptions& options);
    /// Runs an entry point il_module_init_..., of an image for a processor with 64 bits.
    LegacyResult run_legacy(const image::Image& image, const image::Export& entry, const RunOptions& options);
    /// Gives back what guests have used: as much as most_guest_memory, and the emulator's code.
    void forget_guests();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace interlock::auditing::emulation
