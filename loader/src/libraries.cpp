// What the dynamic linker pulls in for a module, judged as modules are (PulledLibrary in library.hpp): before anything
// is mapped, and once more when it is, as only then it is known what the linker took.
//
// SPDX-License-Identifier: MIT
#include <algorithm>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "linker_turn.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace fs = std::filesystem;

namespace {

/// From most to least: what several modules in one file come to.
unsigned strictness(PolicyAction action) noexcept {
    switch (action) {
        case PolicyAction::free:
            return 0;
        case PolicyAction::module_lock:
            return 1;
        case PolicyAction::global_lock:
            return 2;
        case PolicyAction::refuse:
        case PolicyAction::interpreter:
            break;
    }
    return 3;
}

unsigned strictness(MarkerState marker) noexcept {
    return marker == MarkerState::unmarked ? 4 : strictness(static_cast<PolicyAction>(marker));
}

/// "a.b" for a/b.so or a/b/__init__.so below a folder, "" for what lies elsewhere.
std::string name_below(const fs::path& folder, const fs::path& file) {
    const fs::path relative = file.lexically_relative(folder);
    if (relative.empty() || *relative.begin() == ".." || relative.extension() != ".so") return "";
    fs::path stem = relative;
    stem.replace_extension();
    if (stem.filename() == "__init__") stem = stem.parent_path();
    std::string name;
    for (const fs::path& part : stem) name += (name.empty() ? "" : ".") + part.native();
    return name;
}

fs::path program() {
    std::error_code unknown;
    return fs::read_symlink("/proc/self/exe", unknown);
}

class LibraryJudge {
public:
    LibraryJudge(const LoaderState& state, std::vector<Warning>& warnings) : state_(state), warnings_(warnings) {}

    /// `of_the_program`: it was there before the loader, so it is no question whether it may be.
    void judge(PulledLibrary& library, const LibraryFile& read, bool of_the_program) {
        library.file = read.file.path;
        library.identity = read.file.identity;
        library.build_id = read.file.build_id;
        library.error = read.error;
        if (read.error) return;
        library.modules = names_in(read.file);
        if (library.modules.empty()) {
            if (of_the_program) return;
            if (std::optional<std::string> refused = state_.refusal_of(read.file)) {
                library.action = PolicyAction::refuse;
                library.why = std::move(*refused);
            }
            return;
        }
        const bool python = read.file.markers.empty() && read.file.exports.empty() && read.file.legacy_inits.empty();
        library.kind = python ? LibraryKind::python_module : LibraryKind::interlock_module;
        for (const std::string& module : library.modules) judge(library, module, read.file);
    }

    /// It is mapped, but its file is gone, and was not read before.
    void verdict_on_unknown(PulledLibrary& library) {
        library.action = PolicyAction::global_lock;
        library.why =
            "its file has been replaced or removed since it was mapped, so what it says of itself is not known";
    }

private:
    /// Markers have the full name, symbols its last part only: the rest may be seen from where the file lies.
    std::vector<std::string> names_in(const ModuleFile& file) const {
        std::vector<std::string> names, below;
        if (file.markers.empty() && file.exports.empty() && file.legacy_inits.empty() && file.python_inits.empty())
            return names;
        for (const Marker& marker : file.markers) names.push_back(marker.module);
        std::error_code error;
        const fs::path real = fs::canonical(file.path, error);
        for (const fs::path& folder : state_.search_path)
            for (const fs::path& path : {file.path.lexically_normal(), real})
                if (std::string name = name_below(folder, path); !name.empty()) below.push_back(std::move(name));
        for (const auto* ids : {&file.exports, &file.legacy_inits, &file.python_inits})
            for (const std::string& id : *ids) {
                const auto is_this = [&](const std::string& name) { return last_component(name) == id; };
                if (std::any_of(names.begin(), names.end(), is_this)) continue;
                const auto known = std::find_if(below.begin(), below.end(), is_this);
                names.push_back(known == below.end() ? id : *known);
            }
        return names;
    }

    void judge(PulledLibrary& library, const std::string& module, const ModuleFile& file) {
        LoaderState::Judged judged = state_.decide(module, file, std::nullopt, {});
        std::move(judged.warnings.begin(), judged.warnings.end(), std::back_inserter(warnings_));
        if (!library.marker || strictness(judged.marker) > strictness(*library.marker)) library.marker = judged.marker;
        const Decision& decision = judged.decision;
        if (library.action && strictness(*library.action) >= strictness(decision.action)) return;
        library.action = decision.action;
        library.why.clear();
        for (const Reason& reason : decision.why)
            // Of one that is unmarked, that too.
            if (reason.decided || (reason.source == DecisionSource::marker && !reason.says))
                library.why += (library.why.empty() ? "" : "; ") + reason.text;
    }

    const LoaderState& state_;
    std::vector<Warning>& warnings_;
};

}  // namespace

std::string pulled_in(const PulledLibrary& library) {
    std::string text = "it pulls in ";
    if (!library.modules.empty()) {
        constexpr std::size_t most_names = 5;
        text += library.kind == LibraryKind::python_module ? "the extension module of CPython "
                : library.modules.size() > 1               ? "modules "
                                                           : "module ";
        for (std::size_t i = 0; i < std::min(library.modules.size(), most_names); ++i)
            text += (i == 0 ? "" : ", ") + quoted(library.modules[i]);
        text += (library.modules.size() > most_names ? ", ... of " : " of ");
    }
    text += quoted(library.file.empty() ? library.name : library.file.native(), 1000);
    if (library.origin == LibraryOrigin::opened)
        text += ", which was not foreseen: its constructors have run";
    else
        text += ", which " + quoted(library.needed_by, 1000) + " needs";
    return text;
}

LoaderState::Libraries::Libraries(const fs::path& other_program)
    : search(other_program.empty() ? program() : other_program, initial_library_path()) {
    if (other_program.empty()) return;
    const LibraryRef file = search.files().read(other_program);
    const auto found = file ? search.libraries_of(file->file, {}, nullptr) : std::vector<FoundLibrary>();
    if (!found) return;
    for (const FoundLibrary& library : *found)
        if (library.library) of_other_program.push_back(library.library);
}

LinkedObjects& LoaderState::linked() const {
    if (!libraries) libraries = std::make_unique<Libraries>(options.plans_for);
    libraries->linked.refresh();
    return libraries->linked;
}

Result<std::vector<PulledLibrary>> LoaderState::libraries_of(const ModuleFile& file, Whose process,
                                                             std::vector<Warning>& warnings) const {
    struct Found {
        FoundLibrary library;
        std::string path;  // of one that is in the process
    };
    std::vector<Found> all;
    if (file.linkage.needed.empty()) return std::vector<PulledLibrary>();
    {
        const LinkerTurn turn;
        if (const std::string& why = LinkerTurn::lost(); !why.empty()) return Error{Errc::wrong_state, why};
        LinkedObjects& objects = linked();
        const std::vector<LibraryRef>& others = libraries->of_other_program;
        const bool here = process == Whose::this_process || others.empty();
        std::vector<LibraryInProcess> there;
        there.reserve(here ? objects.all().size() : others.size());
        if (here)
            for (const LinkedObject& object : objects.all()) there.push_back({object.path, object.soname});
        else
            for (const LibraryRef& library : others)
                there.push_back({library->file.path.native(), library->file.linkage.soname});
        LibrarySearch& search = libraries->search;
        Result<std::vector<FoundLibrary>> found = search.libraries_of(file, there, [&](std::size_t place) {
            return here ? objects.file_of(place, search.files()) : others[place];
        });
        if (!found) return std::move(found).error();
        all.reserve(found->size());
        for (FoundLibrary& library : *found) {
            Found& one = all.emplace_back(std::move(library));
            if (one.library.origin == LibraryOrigin::loaded) one.path = there[one.library.in_process].path;
        }
    }
    LibraryJudge judge(*this, warnings);
    std::vector<PulledLibrary> judged;
    judged.reserve(all.size());
    for (Found& found : all) {
        PulledLibrary& library = judged.emplace_back();
        library.name = std::move(found.library.name);
        library.needed_by = std::move(found.library.needed_by);
        library.origin = found.library.origin;
        library.file = found.path;
        const bool is_there = library.origin == LibraryOrigin::loaded;
        const bool of_the_program_itself = is_there && of_the_program.contains(found.path);
        if (found.library.library)
            judge.judge(library, *found.library.library, of_the_program_itself);
        else if (is_there && !of_the_program_itself)
            judge.verdict_on_unknown(library);
    }
    return judged;
}

Result<std::vector<PulledLibrary>> LoaderState::libraries_beyond(const std::vector<PulledLibrary>& planned,
                                                                 const std::vector<LinkedObject>& fresh,
                                                                 std::vector<Warning>& warnings) const {
    std::vector<PulledLibrary> beyond;
    LibraryJudge judge(*this, warnings);
    for (const LinkedObject& object : fresh) {
        if (object.path.find('/') == object.path.npos) continue;  // the kernel's
        PulledLibrary library;
        library.name = object.path;
        library.origin = LibraryOrigin::opened;
        if (!object.file) {
            return Error{Errc::file_changed, "it pulls in " + quoted(object.path, 1000) +
                                                 ", which is not the file any more that the dynamic linker has mapped; "
                                                 "import it again when nobody replaces that"};
        }
        const LibraryFile& read = *object.file;
        const auto is_this = [&](const PulledLibrary& other) { return other.identity == read.file.identity; };
        if (std::any_of(planned.begin(), planned.end(), is_this)) continue;
        judge.judge(library, read, false);
        beyond.push_back(std::move(library));
    }
    return beyond;
}

}  // namespace interlock::detail
