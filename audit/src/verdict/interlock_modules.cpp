// interlock_modules.cpp: one verdict for each entry point: by its marker; without one, by what the init function of a
// legacy module says when it is run; and a manifest that fits overrides all but a marker.
//
// SPDX-License-Identifier: MIT
#include "verdict/interlock_modules.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>
#include <interlock/marker.hpp>

#include "verdict/python_abi.hpp"

namespace interlock::auditing::verdict {

namespace {

class InterlockModules {
public:
    InterlockModules(BinaryAudit& binary, const InterlockFile& of) : binary_(binary), of_(of) {}

    void audit() {
        binary_.abi = AbiFlavour::interlock;
        binary_.abi_evidence.push_back({"it exports entry points of interlock", "the dynamic symbol table"});
        const Result<ModuleFile> file = read_module_image(of_.file, of_.context.path);
        if (!file) {
            ModuleAudit module;
            module.name = module_name_of(of_.context.module_path);
            module.reason = file.error().message;
            binary_.modules.push_back(std::move(module));
            return;
        }
        const std::string full_name = module_name_of(of_.context.module_path);
        const std::string last = full_name.substr(full_name.rfind('.') + 1);
        for (const bool legacy : {false, true})
            for (const std::string& name : legacy ? file->legacy_inits : file->exports) {
                ModuleAudit module;
                module.primary = name == last || (file->exports.size() + file->legacy_inits.size() == 1);
                module.name = module.primary ? full_name : name;
                module.entry_point = (legacy ? "il_module_init_" : "il_module_export_") + name;
                module.phase = legacy ? "single-phase" : "export";
                judge_interlock(module, *file, name, legacy);
                binary_.modules.push_back(std::move(module));
            }
        std::stable_partition(binary_.modules.begin(), binary_.modules.end(),
                              [](const ModuleAudit& module) { return module.primary; });
    }

private:
    void judge_interlock(ModuleAudit& module, const ModuleFile& file, const std::string& name, bool legacy) const {
        const auto named = std::ranges::find_if(file.markers, [&](const Marker& marker) {
            return marker.module.substr(marker.module.rfind('.') + 1) == name;
        });
        if (named != file.markers.end() && named->threading) {
            module.name = named->module;
            set_level(module, *named->threading, MarkerKind::note, "its marker says");
            module.evidence.push_back({"marker note: threading " + quoted(named->threading_text, 100),
                                       fmt::format("offset {:#x}", named->offset)});
        } else if (legacy) {
            run_legacy(module);
        } else {
            module.verdict = Verdict::unmarked;
            module.reason = "it has no marker that this version knows";
        }
        const bool marker_says_it = named != file.markers.end() && named->threading;
        if (!of_.context.manifest.empty() && !marker_says_it) apply_manifest(module, file);
    }

    // It has no marker: what it is, its init function says.
    void run_legacy(ModuleAudit& module) const {
        const image::Export* entry = of_.image.find_export(module.entry_point);
        emulation::LegacyResult seen{
            .failure = fmt::format("there is no emulation of {}", image::architecture_name(of_.image.architecture))};
        if (!has_emulator()) seen.failure = "this build has no emulator";
        if (!of_.context.not_run_because.empty())
            seen.failure = of_.context.not_run_because;
        else if (entry != nullptr && emulation::InitRunner::can_run(of_.image) && of_.image.wide)
            seen = of_.runner.run_legacy(of_.image, *entry,
                                         {.budget = of_.options.budget.instructions, .details = of_.options.details});
        module.calls = std::move(seen.calls);
        module.calls_left_out = seen.calls_left_out;
        module.instructions = seen.instructions;
        module.assumed.assign(seen.assumed.begin(), seen.assumed.end());
        if (!module.assumed.empty()) module.confidence = Confidence::probable;
        if (!seen.failure.empty()) {
            module.verdict = Verdict::undetermined;
            module.reason = "it has no marker, and what its init function says is not known: " + seen.failure;
        } else if (!seen.stated) {
            module.verdict = Verdict::unmarked;
            module.reason = "it has no marker, and its init function says nothing";
        } else {
            const auto where = fmt::format("{}, called from {:#x}", module.entry_point, seen.called_from);
            module.evidence.push_back({fmt::format("il_set_threading with level {}", seen.level), where});
            set_level(module, static_cast<ThreadingLevel>(seen.level), MarkerKind::init, "its init function says");
            module.reason += "; the runtime is locked until it has said so";
        }
    }

    static void set_level(ModuleAudit& module, ThreadingLevel level, MarkerKind kind, const char* who) {
        module.marker_kind = kind;
        module.marker = level != ThreadingLevel::global_lock;
        module.verdict = *module.marker ? Verdict::free : Verdict::global_lock;
        module.reason = fmt::format("{} {}", who, level_name(level));
    }

    void apply_manifest(ModuleAudit& module, const ModuleFile& file) const {
        const ManifestFile read = parse_manifest(of_.context.manifest, of_.context.path + ".interlock.json");
        const Manifest& manifest = read.manifest;
        const auto ignored = [&](std::string why) {
            module.evidence.push_back({"the manifest is ignored: " + std::move(why), "the manifest"});
        };
        if (has_errors(read.diagnostics)) return ignored(error_text(read.diagnostics));
        if (manifest.module != module.name) return ignored("it is for module " + quoted(manifest.module, 200));
        if (!manifest_mismatch(manifest, file.build_id, [this] { return sha256_hex(of_.file); }).empty()) {
            module.marker_kind = MarkerKind::manifest_mismatch;
            return ignored("it is for another build of the file");
        }
        set_level(module, manifest.threading, MarkerKind::manifest, "its manifest says");
        module.evidence.push_back(
            {"declared by " + quoted(manifest.declared_by, 200) + ": " + escape(manifest.reason, 400), "the manifest"});
    }

    BinaryAudit& binary_;
    const InterlockFile& of_;
};

}  // namespace

void audit_interlock_modules(BinaryAudit& binary, const InterlockFile& of) { InterlockModules(binary, of).audit(); }

}  // namespace interlock::auditing::verdict
