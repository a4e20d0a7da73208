// binary.cpp: one file: its slices, the modules in them, and what is known of each.
//
// SPDX-License-Identifier: MIT
#include "verdict/binary.hpp"

#include <algorithm>
#include <map>

#include <interlock/escape.hpp>

#include "emulation/c_api_names.hpp"
#include "emulation/init_run.hpp"
#include "verdict/interlock_modules.hpp"
#include "verdict/linked_libraries.hpp"
#include "verdict/python_abi.hpp"
#include "verdict/python_modules.hpp"
#include "verdict/symbol_lists.hpp"
#include "verdict/verdict.hpp"

namespace interlock::auditing::verdict {

namespace {

emulation::InitRunner& runner() {
    static thread_local emulation::InitRunner runner;
    return runner;
}

class ImageAudit {
public:
    ImageAudit(const image::Image& image, image::Bytes file, const BinaryContext& context, const AuditOptions& options,
               const Linked& linked)
        : image_(image),
          libraries_(linked),
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
        std::map<std::string, PythonEntries> python;
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
        const bool python_module = !python.empty();
        if (!python_module && interlock)
            audit_interlock_modules(binary_, {image_, file_, context_, options_, runner()});
        else if (!python_module)
            no_module();
        const bool used_library =
            audit_python_modules(binary_, {image_, libraries_, context_, options_, tag_, linked_, asked_pythons()},
                                 python, others, runner());
        if (used_library || (python_module && can_be_changed_by_libraries(image_)))
            list_missing_libraries(binary_, image_, libraries_, context_);
        if (used_library) say_what_is_missing(binary_);
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
        list_missing_libraries(binary_, image_, libraries_, context_);
        for (const emulation::Library& library : libraries_.libraries)
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

    const image::Image& image_;
    const Linked& libraries_;
    image::Bytes file_;
    const BinaryContext& context_;
    const AuditOptions& options_;
    FileTag tag_;
    LinkedAbi linked_;
    BinaryAudit binary_;
};

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
