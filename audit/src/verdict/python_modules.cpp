// python_modules.cpp: what the modules of CPython in one image say, and for which interpreters the image is. Their init
// functions are run where that can be, and where something could come out of it.
//
// SPDX-License-Identifier: MIT
#include "verdict/python_modules.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "verdict/static_scan.hpp"
#include "verdict/verdict.hpp"

namespace interlock::auditing::verdict {

namespace {

constexpr std::size_t max_modules = 64;
constexpr unsigned budgets_of_a_file = 8;  // of the runs of one init function, which are few
constexpr const char* set_gil = "PyUnstable_Module_SetGIL";

bool imports(const image::Image& image, std::string_view name) {
    return std::ranges::any_of(image.imports, [&](const image::Import& import) { return import.name == name; });
}

class PythonModules {
public:
    PythonModules(BinaryAudit& binary, const PythonImage& image, emulation::InitRunner& runner)
        : image_(image.image),
          linked_libraries_(image.linked),
          context_(image.context),
          options_(image.options),
          tag_(image.tag),
          linked_(image.abi),
          asked_(image.asked),
          runner_(runner),
          left_(budgets_of_a_file * image.options.budget.instructions),
          binary_(binary) {}

    void audit_all(const std::map<std::string, PythonEntries>& python) {
        const std::string full_name = module_name_of(context_.module_path);
        const std::string last(full_name.substr(full_name.rfind('.') + 1));
        const std::string parent =
            full_name.size() > last.size() ? full_name.substr(0, full_name.size() - last.size()) : "";
        const auto is_primary = [&](const std::string& name) {
            return name == last || (python.size() == 1) || (name == tag_.stem && !python.contains(last));
        };
        // The primary one first: the ABI of the file is learned from it.
        std::vector<const std::pair<const std::string, PythonEntries>*> order;
        for (const auto& entry : python) order.push_back(&entry);
        std::stable_partition(order.begin(), order.end(), [&](const auto* entry) { return is_primary(entry->first); });
        if (order.size() > max_modules) {
            note_abi(fmt::format("it exports {} init functions; the first {} are looked at", order.size(), max_modules),
                     "the dynamic symbol table");
            order.resize(max_modules);
        }
        for (const auto* entry : order) audit_module(*entry, full_name, parent, is_primary(entry->first), last);
    }

    // Of no use by itself: the module that calls it is `delegated` to it, by this name.
    void audit_other(const image::Export& entry) {
        if (binary_.modules.size() >= max_modules) return;
        const Seen seen = see(entry, std::string(entry.name));
        if (binary_.abi_evidence.empty()) learn_abi(seen);
        ModuleAudit module;
        module.name = std::string(entry.name);
        module.primary = false;
        give_verdict(module, seen, binary_.abi, options_.details);
        binary_.modules.push_back(std::move(module));
    }

    bool used_library() const noexcept { return used_library_; }

private:
    void audit_module(const std::pair<const std::string, PythonEntries>& named, const std::string& full_name,
                      const std::string& parent, bool primary, const std::string& last) {
        const auto& [name, entries] = named;
        std::optional<ModuleAudit> old_way, new_way;
        const auto make = [&](const image::Export& entry) {
            const Seen seen = see(entry, name);
            if (binary_.modules.empty() && !old_way) learn_abi(seen);
            ModuleAudit module;
            module.name = primary ? full_name : parent + name;
            module.primary = primary;
            give_verdict(module, seen, binary_.abi, options_.details);
            if (primary && name != last && !(tag_.stem == "__init__" && name == "__init__"))
                module.evidence.push_back(
                    {"the name of the file is not that of the module, which is " + quoted(name, 200),
                     "the dynamic symbol table"});
            return module;
        };
        if (entries.init != nullptr) old_way = make(*entries.init);
        if (entries.exported != nullptr) new_way = make(*entries.exported);
        if (binary_.abi == AbiFlavour::abi3t && new_way && !binary_.abi_version)
            binary_.abi_version = PythonVersion{3, 15};
        const std::span<const PythonVersion> asked = asked_;
        // Interpreters from 3.15 on prefer PyModExport. Which of both is "the" verdict: that of the version it is for.
        const bool newer_counts = new_way && (!old_way || binary_.abi == AbiFlavour::abi3t || !binary_.abi_version ||
                                              *binary_.abi_version >= PythonVersion{3, 15});
        ModuleAudit& module = newer_counts ? *new_way : *old_way;
        const ModuleAudit& older = old_way ? *old_way : *new_way;
        auto effects = effects_of(binary_, tag_, older, new_way ? &*new_way : nullptr, !old_way, asked);
        module.effects = std::move(effects);
        if (old_way && new_way) {
            const ModuleAudit& other = newer_counts ? *old_way : *new_way;
            module.evidence.push_back(
                {fmt::format("{} says {}: {}", other.entry_point, verdict_name(other.verdict), other.reason),
                 other.entry_point});
        }
        binary_.modules.push_back(std::move(module));
    }

    // A file that imports none of these can say nothing, whatever its function does; nor can its libraries.
    bool can_be_marked(const image::Export& entry) const {
        if (entry.name.starts_with("PyModExport") || !imports(image_, "PyModule_Create2")) return true;
        if (can_mark(image_)) return true;
        return std::ranges::any_of(linked_libraries_.libraries,
                                   [&](const emulation::Library& library) { return can_mark(library.image); });
    }

    // Functions of C of others, that can mark what they are given, are reached through capsules and by dlopen(). Of
    // NumPy's it is known what they do.
    bool hands_module_over() const {
        const auto has = [&](std::string_view text) {
            return std::ranges::any_of(image_.segments, [&](const image::Segment& segment) {
                return !std::ranges::search(segment.data, text).empty();
            });
        };
        for (const char* name :
             {"dlopen", "dlmopen", "LoadLibraryA", "LoadLibraryW", "LoadLibraryExA", "LoadLibraryExW"})
            if (imports(image_, name)) return true;
        if (imports(image_, "PyCapsule_Import")) return true;
        return imports(image_, "PyCapsule_GetPointer") && !has("_ARRAY_API");
    }

    bool can_mark(const image::Image& image) const {
        for (const char* name : {"PyModuleDef_Init", "PyModuleDef_Type", "PyModule_FromDefAndSpec2", set_gil})
            if (imports(image, name)) return true;
        const bool looks_up = imports(image, "dlsym") || imports(image, "dlvsym") || imports(image, "GetProcAddress");
        const auto has_name = [](const image::Segment& segment) {
            return !std::ranges::search(segment.data, std::string_view(set_gil)).empty();
        };
        return looks_up && std::ranges::any_of(image.segments, has_name);
    }

    Seen see(const image::Export& entry, const std::string& name) {
        Seen seen;
        seen.entry_point = std::string(entry.name);
        seen.other_python = tag_.other_python;
        if (!seen.other_python.empty()) return seen;
        if (!entry.forward.empty()) {
            seen.run.phase = emulation::Phase::foreign;
            seen.run.foreign = std::string(entry.forward.substr(0, entry.forward.find('.')));
            return seen;
        }
        if (!can_be_marked(entry)) {
            seen.run.phase = emulation::Phase::single;
            seen.run.not_needed = true;
            list_missing_libraries(binary_, image_, linked_libraries_, context_);
            if (!binary_.missing_libraries.empty()) seen.run.assumed.insert("that no library of its own marks it");
            if (hands_module_over()) seen.run.assumed.insert("that no other module or library marks it");
            if (abi_needs_proof()) seen.run.definition = definition_of(entry, name);
            return seen;
        }
        if (!context_.not_run_because.empty()) {
            seen.run.failure = context_.not_run_because;
            return seen;
        }
        if (emulation::InitRunner::can_run(image_))
            seen.run = run(entry);
        else
            look_at_data(seen, name);
        return seen;
    }

    emulation::InitResult run(const image::Export& entry) {
        emulation::RunOptions run{.budget = options_.budget.instructions, .left = &left_, .details = options_.details};
        // Libraries of which nothing is used, and that use nothing of the module, need not be there.
        if (!linked_libraries_.of_module.empty()) run.libraries = linked_libraries_.libraries;
        const bool known = linked_.strong || tag_.abi != AbiFlavour::unknown;
        run.free_threaded = likely_free_threaded();
        if (const auto version = likely_version()) run.minor = version->minor;
        emulation::InitResult result = runner_.run(image_, entry, run);
        if (result.used_library && run.libraries.size() != linked_libraries_.libraries.size()) {
            run.libraries = linked_libraries_.libraries;
            result = runner_.run(image_, entry, run);
        }
        used_library_ = used_library_ || result.used_library;
        const bool wrong_layout = result.definition && result.definition->free_threaded != run.free_threaded;
        if (known || (result.failure.empty() && !wrong_layout)) return result;
        run.free_threaded = !run.free_threaded;
        emulation::InitResult other = runner_.run(image_, entry, run);
        return other.failure.empty() || wrong_layout ? other : result;
    }

    // What it is linked to cannot be otherwise. A name may be wrong, but for one that says that it is for interpreters
    // with a GIL only these look.
    bool abi_needs_proof() const {
        return !linked_.strong && tag_.abi != AbiFlavour::gil && tag_.abi != AbiFlavour::abi3;
    }

    // For which interpreters a file is, the layout of its definition says.
    std::optional<emulation::Definition> definition_of(const image::Export& entry, const std::string& name) {
        if (context_.not_run_because.empty() && emulation::InitRunner::can_run(image_)) {
            emulation::InitResult seen = run(entry);
            if (seen.definition) return std::move(seen.definition);
        }
        auto found = find_definitions(image_, name, likely_free_threaded());
        const auto differs = [&](const ScannedDefinition& one) {
            return one.definition.free_threaded != found.front().definition.free_threaded;
        };
        if (found.empty() || std::ranges::any_of(found, differs)) return std::nullopt;
        return std::move(found.front().definition);
    }

    bool likely_free_threaded() const {
        const AbiFlavour abi = linked_.strong || tag_.abi == AbiFlavour::unknown ? linked_.abi : tag_.abi;
        return abi == AbiFlavour::free_threaded || abi == AbiFlavour::abi3t;
    }

    std::optional<PythonVersion> likely_version() const {
        if (tag_.version) return tag_.version;
        if (linked_.version) return linked_.version;
        return tag_.abi == AbiFlavour::abi3t ? std::optional(PythonVersion{3, 15}) : std::nullopt;
    }

    // Where nothing can be run: this build has no emulator, or there is none of the processor.
    void look_at_data(Seen& seen, const std::string& name) const {
        const auto found = find_definitions(image_, name, likely_free_threaded());
        // PyModExport_x hands over its slots, which nothing in the file leads to.
        const bool multi = imports(image_, "PyModuleDef_Init") && !seen.entry_point.starts_with("PyModExport_");
        // Slots that are not there in the file may be filled in later.
        if (!multi || found.size() != 1 || found.front().definition.slots.all.empty()) {
            seen.run.failure = (has_emulator() ? fmt::format("there is no emulation of {}",
                                                             image::architecture_name(image_.architecture))
                                               : "this build has no emulator") +
                               (!multi          ? ""
                                : found.empty() ? "; and the file has no complete module definition to look at"
                                                : "; and its slots are filled in while it runs");
            return;
        }
        seen.emulated = false;
        seen.run.phase = emulation::Phase::multi;
        seen.run.definition = found.front().definition;
        seen.run.assumed.insert("its init function (that it leaves the slots as they are in the file)");
    }

    void note_abi(std::string what, std::string where) {
        binary_.abi_evidence.push_back({std::move(what), std::move(where)});
    }

    void learn_abi(const Seen& seen) {
        if (!tag_.tag.empty()) note_abi("its name says " + quoted(tag_.tag, 200), "the name of the file");
        for (const Evidence& evidence : linked_.evidence) binary_.abi_evidence.push_back(evidence);
        if (!tag_.other_python.empty()) return;  // its ABI is none of CPython's
        std::optional<bool> free_threaded;
        if (seen.run.definition) {
            free_threaded = seen.run.definition->free_threaded;
            note_abi(*free_threaded ? "its PyModuleDef has the layout of free-threaded interpreters"
                                    : "its PyModuleDef has the layout of interpreters with a GIL",
                     seen.entry_point);
        } else if (linked_.strong) {
            free_threaded = linked_.abi == AbiFlavour::free_threaded || linked_.abi == AbiFlavour::abi3t;
        }
        binary_.abi_version = tag_.version ? tag_.version : linked_.version;
        if (seen.run.slots && seen.run.slots->abi) return learn_from(*seen.run.slots->abi, seen.entry_point);
        const AbiFlavour said = tag_.abi == AbiFlavour::unknown ? linked_.abi : tag_.abi;
        if (!free_threaded) {
            binary_.abi = said;
        } else if (*free_threaded) {
            binary_.abi = said == AbiFlavour::abi3t ? AbiFlavour::abi3t : AbiFlavour::free_threaded;
        } else {
            binary_.abi =
                said == AbiFlavour::abi3 || linked_.abi == AbiFlavour::abi3 ? AbiFlavour::abi3 : AbiFlavour::gil;
        }
    }

    void learn_from(const emulation::AbiInfo& abi, const std::string& where) {
        const bool gil = (abi.flags & emulation::AbiInfo::gil) != 0,
                   free_threaded = (abi.flags & emulation::AbiInfo::free_threaded) != 0;
        const bool stable = (abi.flags & emulation::AbiInfo::stable) != 0;
        note_abi(fmt::format("its PyABIInfo has flags {:#x} and version {:#x}", abi.flags, abi.abi_version), where);
        if (gil == free_threaded)
            binary_.abi = stable ? AbiFlavour::abi3t : tag_.abi;
        else if (free_threaded)
            binary_.abi = stable ? AbiFlavour::abi3t : AbiFlavour::free_threaded;
        else
            binary_.abi = stable ? AbiFlavour::abi3 : AbiFlavour::gil;
    }

    const image::Image& image_;
    const Linked& linked_libraries_;
    const BinaryContext& context_;
    const AuditOptions& options_;
    const FileTag& tag_;
    const LinkedAbi& linked_;
    std::span<const PythonVersion> asked_;
    emulation::InitRunner& runner_;
    std::uint64_t left_;
    bool used_library_ = false;  ///< by an init function, and it is not there
    BinaryAudit& binary_;
};

}  // namespace

bool audit_python_modules(BinaryAudit& binary, const PythonImage& image,
                          const std::map<std::string, PythonEntries>& modules,
                          std::span<const image::Export* const> others, emulation::InitRunner& runner) {
    PythonModules audit(binary, image, runner);
    if (!modules.empty()) audit.audit_all(modules);
    for (const image::Export* entry : others) audit.audit_other(*entry);
    return audit.used_library();
}

}  // namespace interlock::auditing::verdict
