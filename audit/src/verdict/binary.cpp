// binary.cpp: one file: its slices, the modules in them, and what is known of each.
//
// SPDX-License-Identifier: MIT
#include "verdict/binary.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "emulation/c_api_names.hpp"
#include "emulation/constant_definition.hpp"
#include "emulation/init_run.hpp"
#include "image/library_names.hpp"
#include "verdict/interlock_modules.hpp"
#include "verdict/python_abi.hpp"
#include "verdict/static_scan.hpp"
#include "verdict/symbol_lists.hpp"
#include "verdict/verdict.hpp"

namespace interlock::auditing::verdict {

namespace {

constexpr std::size_t max_modules = 64;
constexpr unsigned budgets_of_a_file = 8;  // of the runs of one init function, which are few
constexpr const char* set_gil = "PyUnstable_Module_SetGIL";

bool imports(const image::Image& image, std::string_view name) {
    return std::ranges::any_of(image.imports, [&](const image::Import& import) { return import.name == name; });
}

/// The libraries that come with a module.
struct Linked {
    std::vector<emulation::Library> libraries;
    image::Names of_module;  ///< what they find in the module
};

/// The entry points of one module.
struct Entries {
    const image::Export* init = nullptr;      ///< PyInit_
    const image::Export* exported = nullptr;  ///< PyModExport_
};

emulation::InitRunner& runner() {
    static thread_local emulation::InitRunner runner;
    return runner;
}

class ImageAudit {
public:
    ImageAudit(const image::Image& image, image::Bytes file, const BinaryContext& context, const AuditOptions& options,
               const Linked& linked)
        : image_(image),
          libraries_(linked.libraries),
          libraries_use_module_(!linked.of_module.empty()),
          file_(file),
          context_(context),
          options_(options),
          tag_(read_file_tag(context.module_path.empty() ? context.path : context.module_path)),
          linked_(read_linked_abi(image)) {
        if (tag_.other_python.empty()) tag_.other_python = linked_.other_python;
    }

    BinaryAudit audit() {
        describe();
        list_symbols();
        std::map<std::string, Entries> python;
        std::vector<const image::Export*> others;
        bool interlock = false;
        for (const image::Export& entry : image_.exports) {
            if (!image::is_entry_point(entry.name)) continue;
            binary_.exports.emplace_back(entry.name);
            if (entry.name.starts_with("il_module_"))
                interlock = true;
            else if (image::is_init_of_another(entry.name))
                others.push_back(&entry);
            else if (entry.name.starts_with("PyInit"))
                python[module_name_of_entry_point(entry.name)].init = &entry;
            else
                python[module_name_of_entry_point(entry.name)].exported = &entry;
        }
        if (!python.empty())
            audit_python(python);
        else if (interlock)
            audit_interlock_modules(binary_, {image_, file_, context_, options_, runner()});
        else
            no_module();
        for (const image::Export* entry : others) audit_other(*entry);
        const bool python_module = !python.empty();
        if (used_library_ || (python_module && can_be_changed_by_libraries())) list_missing_libraries();
        if (used_library_) say_what_is_missing();
        return std::move(binary_);
    }

private:
    void describe() {
        binary_.path = context_.path;
        binary_.format = image_.description;
        binary_.architecture = image::architecture_name(image_.architecture);
        binary_.platform = image_.platform;
        binary_.build_id = image_.build_id;
        binary_.size = file_.size();
        for (const std::string_view library : image_.libraries) binary_.libraries.emplace_back(library);
        binary_.library_folders.assign(image_.library_folders.begin(), image_.library_folders.end());
    }

    void list_symbols() {
        binary_.writable_globals = image_.writable_globals;
        for (const image::Import& import : image_.imports) {
            if (returns_borrowed(import.name)) binary_.borrowed_calls.emplace_back(import.name);
            if (keeps_hidden_state(import.name) && !is_stateless_on(import.name, image_.platform))
                binary_.stateful_calls.emplace_back(import.name);
        }
        for (auto* list : {&binary_.borrowed_calls, &binary_.stateful_calls}) {
            std::ranges::sort(*list);
            list->erase(std::ranges::unique(*list).begin(), list->end());
        }
    }

    std::span<const PythonVersion> asked_pythons() const {
        return options_.pythons.empty() ? default_pythons() : std::span(options_.pythons);
    }

    // The interpreter asks for a name, which a library can have that the file is linked to. Windows looks in the file.
    const emulation::Library* library_with_init() {
        if (image_.format == image::Format::pe || (tag_.tag.empty() && tag_.stem.starts_with("lib"))) return nullptr;
        list_missing_libraries();
        for (const emulation::Library& library : libraries_)
            for (const char* prefix : {"PyInit_", "PyModExport_"})
                if (library.image.find_export(prefix + tag_.stem) != nullptr) return &library;
        return nullptr;
    }

    void no_module() {
        ModuleAudit module;
        module.name = tag_.stem;
        module.verdict = Verdict::not_a_module;
        module.reason = "it exports no init function of a module";
        if (const emulation::Library* library = library_with_init()) {
            module.name = module_name_of(context_.module_path);
            module.verdict = Verdict::undetermined;
            module.reason = "its init function is in " + quoted(library->name, 200) +
                            ", which it is linked to; it is judged there only if that is audited as a module";
        }
        binary_.abi = linked_.strong || tag_.abi == AbiFlavour::unknown ? linked_.abi : tag_.abi;
        binary_.abi_version = tag_.version ? tag_.version : linked_.version;
        module.effects = effects_of(binary_, tag_, module, nullptr, false, asked_pythons());
        binary_.modules.push_back(std::move(module));
    }

    // ---- CPython ----

    void audit_python(const std::map<std::string, Entries>& python) {
        const std::string full_name = module_name_of(context_.module_path);
        const std::string last(full_name.substr(full_name.rfind('.') + 1));
        const std::string parent =
            full_name.size() > last.size() ? full_name.substr(0, full_name.size() - last.size()) : "";
        const auto is_primary = [&](const std::string& name) {
            return name == last || (python.size() == 1) || (name == tag_.stem && !python.contains(last));
        };
        // The primary one first: the ABI of the file is learned from it.
        std::vector<const std::pair<const std::string, Entries>*> order;
        for (const auto& entry : python) order.push_back(&entry);
        std::stable_partition(order.begin(), order.end(), [&](const auto* entry) { return is_primary(entry->first); });
        if (order.size() > max_modules) {
            note_abi(fmt::format("it exports {} init functions; the first {} are looked at", order.size(), max_modules),
                     "the dynamic symbol table");
            order.resize(max_modules);
        }
        for (const auto* entry : order) audit_module(*entry, full_name, parent, is_primary(entry->first), last);
    }

    void audit_module(const std::pair<const std::string, Entries>& named, const std::string& full_name,
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
        const std::span<const PythonVersion> asked = asked_pythons();
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

    // A file that imports none of these can say nothing, whatever its function does; nor can its libraries.
    bool can_be_marked(const image::Export& entry) const {
        if (entry.name.starts_with("PyModExport") || !imports(image_, "PyModule_Create2")) return true;
        if (can_mark(image_)) return true;
        return std::ranges::any_of(libraries_,
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

    // ELF: a library that is linked to it finds what the module defines, and its constructors may write there.
    bool can_be_changed_by_libraries() const {
        // Unpacking libraries for an entry point that decides nothing would be in vain.
        const auto decides = [&](const image::Export& entry) {
            return image::is_entry_point(entry.name) && !emulation::only_hands_over(image_, entry);
        };
        if (std::ranges::none_of(image_.exports, decides)) return false;
        static constexpr std::string_view of_linker[] = {"_init", "_fini", "_end", "_edata", "__bss_start", "_etext"};
        return std::ranges::any_of(image_.defined, [&](std::string_view name) {
            return !image::is_entry_point(name) && std::ranges::find(of_linker, name) == std::end(of_linker);
        });
    }

    // Of what the module is linked to, by way of the libraries that are there.
    void list_missing_libraries() {
        const auto add = [&](const image::Image& image) {
            for (const std::string_view path : image.libraries) {
                const std::string name(image::library_name(path));
                const bool there = std::ranges::find(context_.libraries, name) != context_.libraries.end();
                const bool known =
                    std::ranges::find(binary_.missing_libraries, name) != binary_.missing_libraries.end();
                if (binary_.missing_libraries.size() >= most_libraries) return;
                if (!there && !known && !image::is_library_of_the_system(path))
                    binary_.missing_libraries.push_back(name);
            }
        };
        add(image_);
        for (const emulation::Library& library : libraries_) add(library.image);
    }

    void say_what_is_missing() {
        if (binary_.missing_libraries.empty()) return;
        std::string names = quoted(binary_.missing_libraries.front(), 200);
        const std::size_t more = binary_.missing_libraries.size() - 1;
        if (more > 0) names += fmt::format(" or one of {} others", more);
        for (ModuleAudit& module : binary_.modules)
            if (module.verdict == Verdict::undetermined)
                module.reason += "; it uses " + names + ", which is not there or cannot be read";
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
            list_missing_libraries();
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
        if (libraries_use_module_) run.libraries = libraries_;
        const bool known = linked_.strong || tag_.abi != AbiFlavour::unknown;
        run.free_threaded = likely_free_threaded();
        if (const auto version = likely_version()) run.minor = version->minor;
        emulation::InitResult result = runner().run(image_, entry, run);
        if (result.used_library && run.libraries.size() != libraries_.size()) {
            run.libraries = libraries_;
            result = runner().run(image_, entry, run);
        }
        used_library_ = used_library_ || result.used_library;
        const bool wrong_layout = result.definition && result.definition->free_threaded != run.free_threaded;
        if (known || (result.failure.empty() && !wrong_layout)) return result;
        run.free_threaded = !run.free_threaded;
        emulation::InitResult other = runner().run(image_, entry, run);
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
    std::span<const emulation::Library> libraries_;
    bool libraries_use_module_;
    image::Bytes file_;
    const BinaryContext& context_;
    const AuditOptions& options_;
    FileTag tag_;
    LinkedAbi linked_;
    bool used_library_ = false;  ///< by an init function, and it is not there
    std::uint64_t left_ = budgets_of_a_file * options_.budget.instructions;
    BinaryAudit binary_;
};

}  // namespace

namespace {

// Of a library the slice for the same processor.
std::optional<image::Image> read_library(image::Bytes file, const std::string& name, const image::Image& module,
                                         const image::Names& wanted, const image::Names& interposed) {
    Result<std::vector<image::Image>> images =
        image::read_images(file, name, {&wanted, &interposed, emulation::is_of_process});
    if (!images) return std::nullopt;
    for (image::Image& image : *images)
        if (image.architecture == module.architecture && image.format == module.format) return std::move(image);
    return std::nullopt;
}

// What the module and the libraries before it define comes before what a library defines itself.
image::Names interposed_in(const image::Image& library, const image::Names& before) {
    image::Names names;
    for (const std::string_view name : library.defined)
        if (before.contains(name)) names.insert(name);
    return names;
}

// With what the module and the libraries before it want of each.
Linked read_libraries(const image::Image& module, const BinaryContext& context, std::span<const image::Bytes> files) {
    Linked linked;
    image::Names wanted, before(module.defined.begin(), module.defined.end());
    const image::Names of_module = before;
    const auto want = [&](const image::Image& image) {
        for (const image::Import& import : image.imports) wanted.insert(import.name);
    };
    want(module);
    for (std::size_t i = 0; i < std::min(files.size(), context.libraries.size()); ++i) {
        auto image = read_library(files[i], context.libraries[i], module, wanted, {});
        if (!image) continue;
        if (const image::Names interposed = interposed_in(*image, before); !interposed.empty()) {
            wanted.insert(interposed.begin(), interposed.end());
            image = read_library(files[i], context.libraries[i], module, wanted, interposed);
            if (!image) continue;
        }
        want(*image);
        for (const image::Import& import : image->imports)
            if (of_module.contains(import.name)) linked.of_module.insert(import.name);
        before.insert(image->defined.begin(), image->defined.end());
        linked.libraries.push_back({context.libraries[i], std::move(*image)});
    }
    return linked;
}

}  // namespace

Result<std::vector<BinaryAudit>> audit_binary(image::Bytes file, const BinaryContext& context,
                                              const AuditOptions& options,
                                              std::span<const image::Bytes> library_files) {
    Result<std::vector<image::Image>> images =
        image::read_images(file, context.path, {.is_of_process = emulation::is_of_process});
    if (!images) return std::move(images).error();
    // Who judges next may have to do with less.
    struct Forgetting {
        ~Forgetting() { runner().forget_guests(); }
    } const forgetting;
    std::vector<BinaryAudit> audits;
    for (std::size_t i = 0; i < images->size(); ++i) {
        const Linked linked = read_libraries((*images)[i], context, library_files);
        // What the libraries find in it has to be known by its address.
        if (!linked.of_module.empty())
            if (auto again = image::read_images(file, context.path,
                                                {.also = &linked.of_module, .is_of_process = emulation::is_of_process});
                again && again->size() == images->size())
                (*images)[i] = std::move((*again)[i]);
        audits.push_back(ImageAudit((*images)[i], file, context, options, linked).audit());
        audits.back().slice = images->size() > 1;
    }
    return audits;
}

}  // namespace interlock::auditing::verdict

namespace interlock {

bool has_emulator() noexcept {
#ifdef INTERLOCK_WITH_EMULATOR
    return true;
#else
    return false;
#endif
}

}  // namespace interlock
