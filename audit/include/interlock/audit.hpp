// interlock/audit.hpp: reads the free-threading marker out of compiled modules of any platform, without running them on
// this machine: CPython extension modules (ELF, PE, Mach-O) and modules of interlock. docs/audit.md says how.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/export.hpp>
#include <interlock/policy.hpp>
#include <interlock/result.hpp>

namespace interlock {

// ---- what the audit concludes about one module ----

/// The order is that of severity within a package (PackageAudit::worst). The text form (verdict_name) is stable and
/// appears in all reports.
enum class Verdict : std::uint8_t {
    not_a_module,    ///< a shared library without an init function of a module
    free,            ///< declares that it does not use the GIL
    not_applicable,  ///< compiled for an interpreter with a GIL: a marker has no effect there
    delegated,       ///< another module or library decides, and it is not known what that one says
    undetermined,    ///< could not be found out; `reason` says why
    unmarked,        ///< made for free-threaded interpreters, and says nothing: the GIL comes back
    global_lock,     ///< says that it uses the GIL
};
inline constexpr std::size_t verdict_count = static_cast<std::size_t>(Verdict::global_lock) + 1;
IL_API std::string_view verdict_name(Verdict verdict) noexcept;  ///< "free", "not_applicable", ...

/// How sure a verdict is.
enum class Confidence : std::uint8_t {
    certain,   ///< seen, with nothing assumed
    probable,  ///< something was assumed on the way; `assumed` says what
    weak,  ///< a constructor of the file was stepped over, as it could not be run, or the init function could not be
           ///< followed to its end, and had set its marker before
};
IL_API std::string_view confidence_name(Confidence confidence) noexcept;

/// For which interpreters a binary was compiled.
enum class AbiFlavour : std::uint8_t {
    unknown,
    gil,            ///< a version with a GIL: cp314
    free_threaded,  ///< a version without: cp314t
    abi3,           ///< the stable ABI with a GIL
    abi3t,          ///< the stable ABI of PEP 803, with and without a GIL
    interlock,      ///< no CPython extension: a module of interlock
};
IL_API std::string_view abi_flavour_name(AbiFlavour flavour) noexcept;

/// One thing that was seen, and where.
struct Evidence {
    std::string what;   ///< a sentence; values from files are escaped
    std::string where;  ///< "file name", "dynamic symbol table", "PyInit_x+0x14", ...
};

/// One entry of the module's slot array, as handed to the interpreter.
struct SlotSeen {
    unsigned id = 0;   ///< as in the binary; 4 and 87 are both Py_mod_gil
    std::string name;  ///< "Py_mod_gil"; "slot 200" for one that is not known
    std::uint64_t value = 0;
    unsigned depth = 0;    ///< of nesting: 0 is the outermost array
    bool pointer = false;  ///< the value is an address: in the file, or of an emulated object
    bool known = true;     ///< false when the value comes from something that was not modelled
};

/// A call that the init function made of something outside the file.
struct CallSeen {
    std::string function;
    std::vector<std::string> arguments;  ///< as text; "..." at the end where it is not known which there are
    std::string result;
    std::string where;  ///< address in the file: "0x1234"
};

/// A free-threaded interpreter: 3.13t is {3, 13}.
struct PythonVersion {
    unsigned major = 3, minor = 13;
    auto operator<=>(const PythonVersion&) const = default;
    IL_API std::string text() const;  ///< "3.13t"
};
/// "3.13t", "3.13" or "313t"; nullopt for anything else.
IL_API std::optional<PythonVersion> python_version_from_text(std::string_view text) noexcept;
/// What is looked at unless the user chooses: 3.13t, 3.14t, 3.15t.
IL_API std::span<const PythonVersion> default_pythons() noexcept;

/// What importing a module does to a free-threaded interpreter.
enum class Effect : std::uint8_t {
    keeps_gil_off,
    turns_gil_on,
    cannot_load,  ///< the import fails or does not find the file: another ABI
    crashes,      ///< the file is found and loaded, and its objects have the wrong layout
    unknown,
};
IL_API std::string_view effect_name(Effect effect) noexcept;
struct EffectOn {
    PythonVersion python;
    Effect effect = Effect::unknown;
    std::string why;
};

/// Where the marker of a module was found, or what is wrong with it.
enum class MarkerKind : std::uint8_t {
    none,
    slot,               ///< Py_mod_gil
    slot_twice,         ///< two Py_mod_gil slots, for which the import fails
    slot_value,         ///< a Py_mod_gil slot with another value than CPython knows: ModuleAudit::marker_value
    set_gil,            ///< a call of PyUnstable_Module_SetGIL
    set_gil_too_late,   ///< such a call from an exec slot, when it has no effect any more
    argument,           ///< what the module tells the library that makes it for it
    delegated,          ///< the marker of the module that makes it
    note,               ///< of a module of interlock, as are the next
    init,               ///< il_set_threading in a legacy init function
    manifest,           ///< beside the file
    manifest_mismatch,  ///< a manifest beside the file that is for another file
};
inline constexpr std::size_t marker_kind_count = static_cast<std::size_t>(MarkerKind::manifest_mismatch) + 1;
struct ModuleAudit;
/// As all reports have it: "slot", "slot twice", "slot value 7", "SetGIL", "SetGIL too late", ...; empty for `none`.
IL_API std::string marker_kind_text(const ModuleAudit& module);

/// One module: one init function of one binary.
struct ModuleAudit {
    std::string name;         ///< full dotted name as far as the path tells, else the last component
    std::string entry_point;  ///< "PyInit_x", "PyModExport_x", "il_module_export_x"; empty for a library that is none
    bool primary = true;      ///< the one that an import of this file finds; false for further init functions
    Verdict verdict = Verdict::undetermined;
    Confidence confidence = Confidence::certain;  ///< of the verdict; means nothing when that is `undetermined`
    std::string reason;                           ///< one sentence: why this verdict
    std::string delegated_to;    ///< module or library; for `delegated`, also when it has been resolved
    std::optional<bool> marker;  ///< what the marker says: true = GIL not used; nullopt = none, or unknown
    MarkerKind marker_kind = MarkerKind::none;
    std::uint64_t marker_value = 0;  ///< for MarkerKind::slot_value
    std::string phase;               ///< "multi-phase", "single-phase", "export", or empty
    std::vector<Evidence> evidence;
    std::vector<std::string> assumed;  ///< C-API functions whose results were assumed before the decision
    std::vector<EffectOn> effects;     ///< per interpreter asked for, in that order
    // Only filled when AuditOptions::details is set:
    std::vector<SlotSeen> slots;
    std::vector<CallSeen> calls;
    std::uint64_t calls_left_out = 0;  ///< between the first 1000 and the last 1000, where there were more
    std::uint64_t instructions = 0;    ///< about as many were run
};

/// As all reports have it: empty when nothing was found out, of which one cannot be more or less sure.
IL_API std::string_view confidence_name(const ModuleAudit& module) noexcept;

/// One slice of one file: all of it, but for fat Mach-O files.
struct BinaryAudit {
    /// As the user would write it: path, then "!member" for each archive in between. '/' separates folders, whatever
    /// the archive says. Not escaped.
    std::string path;
    std::string format;        ///< "ELF64 little-endian", "PE32+", "Mach-O 64-bit"
    std::string architecture;  ///< "x86_64", "i386", "aarch64", "arm", "ppc64le", "s390x", "riscv64", ...
    std::string platform;      ///< "linux", "windows", "macos"
    bool slice = false;        ///< of a fat file
    AbiFlavour abi = AbiFlavour::unknown;
    std::optional<PythonVersion> abi_version;  ///< {3, 14} for cp314 and cp314t
    std::vector<Evidence> abi_evidence;
    std::string build_id;  ///< hex; ELF and Mach-O (UUID), else empty
    std::string sha256;    ///< of the whole file; only when a policy, a manifest or details need it
    std::uint64_t size = 0;
    std::vector<ModuleAudit> modules;          ///< primary first, then by name
    std::vector<std::string> exports;          ///< of entry points
    std::vector<std::string> libraries;        ///< that it is linked against
    std::vector<std::string> library_folders;  ///< where it says that they lie: RPATH, RUNPATH, LC_RPATH
    /// Libraries beside those of the system, without folders, that would have to be looked into as well: an init
    /// function uses something that nothing is known of. Empty once they have been, or are not to be had.
    std::vector<std::string> missing_libraries;
    // For the rules about modules that are marked free:
    std::uint64_t writable_globals = 0;       ///< bytes of .data and .bss, without what is constant after relocation
    std::vector<std::string> stateful_calls;  ///< C functions with hidden state that it imports
    std::vector<std::string> borrowed_calls;  ///< C-API functions that return borrowed references
    std::size_t package = 0;                  ///< index into AuditReport::packages
};

/// What is audited together: a wheel, an installed distribution, a folder, a single file.
struct PackageAudit {
    std::string name;                        ///< of the distribution if known, else the file or folder
    std::string version;                     ///< empty if not known
    std::string path;                        ///< of the wheel, the archive or the folder
    std::string kind;                        ///< "wheel", "distribution", "archive", "folder", "file"
    std::vector<std::string> wheel_tags;     ///< "cp313-cp313t-manylinux_2_17_x86_64"
    std::vector<std::string> metadata_tags;  ///< those of its WHEEL file, where the file name says something else
    /// Of those modules that at least one of the interpreters loads: `free` when all of these are. Of all modules where
    /// none loads any.
    Verdict worst = Verdict::not_a_module;
    bool mixed = false;                                ///< some of its modules are marked free, others are not
    std::array<std::size_t, verdict_count> modules{};  ///< number of its primary modules by verdict
    /// The worst of its primary modules, per interpreter. Of several files for one module those count that it can load.
    std::vector<EffectOn> effects;
    /// Sentences on the package as such: members that occur twice, metadata that contradicts the file name. Escaped.
    std::vector<std::string> notes;
};

// ---- findings ----

enum class Level : std::uint8_t { note, warning, error };
IL_API std::string_view level_text(Level level) noexcept;

/// A rule of the audit. Ids are stable.
struct Rule {
    std::string_view id;    ///< "IL001"
    std::string_view name;  ///< "unmarked"
    Level level = Level::warning;
    std::string_view summary;  ///< one line
    std::string_view help;     ///< why it matters; paragraphs
    std::string_view fix;      ///< how to fix it, per framework; Markdown
};
/// All rules, in order of their ids. [any-thread]
IL_API std::span<const Rule> rules() noexcept;
IL_API const Rule* find_rule(std::string_view id_or_name) noexcept;

struct Finding {
    const Rule* rule = nullptr;
    Level level = Level::warning;
    std::string message;
    std::string path;          ///< as BinaryAudit::path, or of the package, policy or manifest
    std::string module;        ///< empty when it is about a file or package
    std::string architecture;  ///< of the binary; empty when it is about all slices of a file, or about no binary
    std::string fix;           ///< what to do about this one; may be empty
    /// Hex; the same for the same finding of a later build: made of rule, distribution, module, platform and
    /// architecture, not of version, interpreter, hash or address. So it need not be unique in a report.
    std::string fingerprint;
    /// Why it does not count: "policy: <reason>", "ignored by ...", "baseline"; empty if it counts.
    std::string accepted;
    std::vector<std::string> symbols;  ///< for the rules that list some
};

/// An input, or a part of one, that could not be read. The others were audited nevertheless.
struct InputError {
    std::string path;
    Errc code = Errc::unreadable;
    std::string message;
};

struct AuditStatistics {
    std::uint64_t files = 0;  ///< looked at, members of archives included
    std::uint64_t binaries = 0;
    std::uint64_t bytes = 0;  ///< of the binaries
    std::chrono::nanoseconds duration{};
};

struct AuditReport {
    std::vector<PythonVersion> pythons;
    std::vector<PackageAudit> packages;  ///< by path
    std::vector<BinaryAudit> binaries;   ///< by path, then architecture
    std::vector<Finding> findings;       ///< by path, module, rule
    std::vector<InputError> errors;
    std::vector<std::string> skipped;  ///< inputs with nothing to audit in them, with the reason
    AuditStatistics statistics;
};

// ---- how it is done ----

/// Limits that keep a hostile file from being a burden. None is reached by any known wheel.
struct AuditBudget {
    std::uint64_t instructions = 20'000'000;   ///< of each run of an init function; a file has six times as many
    std::chrono::seconds processor_time{30};   ///< for each file; where the process that judges it is ended
    std::uint64_t binary_size = 2ull << 30;    ///< bytes of one binary
    std::uint64_t archive_size = 16ull << 30;  ///< bytes that one archive may unpack to
    std::uint64_t archive_ratio = 1000;        ///< unpacked to packed, once 64 MiB are unpacked
    std::uint64_t archive_entries = 1'000'000;
    unsigned archive_nesting = 4;
    std::uint64_t memory = 128ull << 20;  ///< bytes of archive members held at once; larger ones go to a temporary file
    /// Bytes that emulated programs may use, of all cores together. One that wants more than its share is run again
    /// when it can have 224 MiB, of which there is one at a time; no more files are judged at once than have 48 MiB
    /// each beside that.
    std::uint64_t emulated_memory = 1ull << 30;
};

struct AuditProgress {
    std::uint64_t found = 0, done = 0;  ///< binaries
    std::uint64_t bytes = 0;            ///< of those that are done
    bool all_found = false;             ///< the inputs have been gone through: `found` is the total
    std::string current;                ///< path of the one that was found or done
};

struct AuditOptions {
    /// Empty = default_pythons(). That those which are named load something of each package is looked at (IL020).
    std::vector<PythonVersion> pythons;
    /// Where delegation targets are looked for beside the inputs; audited, but not reported.
    std::vector<std::filesystem::path> search_path;
    const Policy* policy = nullptr;  ///< not owned; `free` accepts a module, `refuse` makes it a finding
    std::chrono::year_month_day today = today_utc();
    bool details = false;  ///< slots, calls, instructions, exact hashes
    unsigned threads = 0;  ///< 0 = one for each core
    AuditBudget budget;
    /// For the whole audit; 0 = none. What has not been judged by then is in AuditReport::errors, as not judged.
    std::chrono::milliseconds time_limit{0};
    std::function<void(const AuditProgress&)> on_progress;  ///< called from several threads, one at a time
};

/// Audits files, folders, virtual environments, wheels and other archives. A part that cannot be read is in `errors`
/// and in nobody's way. "FILE!MEMBER" names a member of an archive. Never throws for what files contain.
/// [any-thread]; uses oneTBB. Files are judged in processes of their own, which are forked for it and gone at the end.
/// Throws Failure with io_error when there can be none.
IL_API AuditReport audit(std::span<const std::string> inputs, const AuditOptions& options = {});
IL_API AuditReport audit(const std::filesystem::path& input, const AuditOptions& options = {});

/// One binary image in memory. `path` is what its file would be called: tag and module name are taken from it.
/// Errors: malformed_file, unsupported. A fat Mach-O file gives one for each slice. Forks as audit() does.
IL_API Result<std::vector<BinaryAudit>> audit_image(std::span<const std::uint8_t> image, const std::string& path,
                                                    const AuditOptions& options = {});

/// Whether this build can run init functions in an emulator (INTERLOCK_WITH_EMULATOR).
IL_API bool has_emulator() noexcept;

}  // namespace interlock
