// libraries_beside.cpp: where they are looked for: the folders that the file names, its own, those that auditwheel and
// its like make, and the members of the same wheel. And the rounds of judging: what one judgement misses the next one
// gets.
//
// SPDX-License-Identifier: MIT
#include "worker/libraries_beside.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "image/library_names.hpp"
#include "verdict/binary.hpp"
#include "verdict/python_abi.hpp"

namespace interlock::auditing::worker {

namespace {

namespace fs = std::filesystem;

/// Each brings what the ones before it are linked to.
constexpr int most_rounds = 8;

// "$ORIGIN/../x.libs" -> "/folder/of/the/file/../x.libs". Empty for what is relative to something else: the program, or
// the current folder.
fs::path expanded(std::string_view folder, const fs::path& own_folder) {
    for (const std::string_view self : {"$ORIGIN", "${ORIGIN}", "@loader_path"}) {
        if (!folder.starts_with(self)) continue;
        std::string_view rest = folder.substr(self.size());
        if (!rest.empty() && rest.front() != '/') return {};
        while (rest.starts_with('/')) rest.remove_prefix(1);
        return own_folder / rest;
    }
    return folder.starts_with('/') ? fs::path(folder) : fs::path();
}

class DiskFinder {
public:
    DiskFinder(const fs::path& file, const std::string& module_path, std::uint64_t size_limit)
        : size_limit_(size_limit) {
        std::error_code error;
        own_folder_ = fs::absolute(file, error).parent_path();
        const std::size_t slash = module_path.find('/');
        if (slash == std::string::npos) return;
        // As many folders up as the module's path has.
        fs::path root = own_folder_;
        for (auto depth = std::ranges::count(module_path, '/'); depth > 0; --depth) root = root.parent_path();
        const std::string package = module_path.substr(0, slash);
        others_ = {root / (package + ".libs"), own_folder_ / ".libs", root / package / ".libs",
                   root / package / ".dylibs", root / package / "lib"};
    }

    std::shared_ptr<const inputs::Content> operator()(const BinaryAudit& binary, const std::string& name) {
        std::vector<fs::path> folders;
        for (const std::string& library : binary.libraries)
            if (image::library_name(library) == name) {
                const std::size_t slash = library.rfind('/');
                if (slash != std::string::npos) folders.push_back(expanded(library.substr(0, slash), own_folder_));
            }
        for (const std::string& folder : binary.library_folders) folders.push_back(expanded(folder, own_folder_));
        folders.push_back(own_folder_);
        folders.insert(folders.end(), others_.begin(), others_.end());
        for (const fs::path& folder : folders) {
            if (folder.empty()) continue;
            auto content = inputs::Content::of_disk_file(folder / name, size_limit_);
            if (!content) continue;
            if (std::ranges::find(others_, folder) == others_.end()) others_.push_back(folder);
            return std::make_shared<const inputs::Content>(std::move(*content));
        }
        return nullptr;
    }

private:
    std::uint64_t size_limit_;
    fs::path own_folder_;
    std::vector<fs::path> others_;
};

bool is_same_name(std::string_view a, std::string_view b) {
    if (a == b) return true;
    // Windows does not care.
    return a.size() == b.size() && (a.ends_with(".dll") || a.ends_with(".DLL")) && verdict::equals_ignoring_case(a, b);
}

class ZipFinder {
public:
    ZipFinder(std::shared_ptr<const inputs::ZipIndex> index, std::string module, const AuditBudget& budget,
              inputs::Unpacker& unpacker)
        : index_(std::move(index)), module_(std::move(module)), budget_(budget), unpacker_(unpacker) {}

    std::shared_ptr<const inputs::Content> operator()(const std::string& name) {
        const std::pair<const std::string, inputs::ZipMember>* best = nullptr;
        std::size_t best_common = 0;
        if (!index_) return nullptr;
        for (const auto& entry : index_->libraries()) {
            if (!is_same_name(image::library_name(entry.first), name)) continue;
            const auto [rest, _] = std::ranges::mismatch(entry.first, module_);
            const auto common = static_cast<std::size_t>(rest - entry.first.begin());
            if (best == nullptr || common > best_common) best = &entry, best_common = common;
        }
        if (best == nullptr) return nullptr;
        const std::uint64_t size = best->second.unpacked;
        const bool in_memory = size <= inputs::in_memory_limit;
        if (in_memory && held_ + size > budget_.memory) return nullptr;
        auto content = index_->library(best->first, budget_, unpacker_);
        if (content != nullptr && in_memory) held_ += size;
        return content;
    }

private:
    std::shared_ptr<const inputs::ZipIndex> index_;
    std::string module_;
    const AuditBudget& budget_;
    inputs::Unpacker& unpacker_;
    std::uint64_t held_ = 0;
};

}  // namespace

FindLibrary libraries_in_zip(std::shared_ptr<const inputs::ZipIndex> index, const std::string& module,
                             const AuditBudget& budget, inputs::Unpacker& unpacker) {
    return [finder = std::make_shared<ZipFinder>(std::move(index), module, budget, unpacker)](
               const BinaryAudit&, const std::string& name) { return (*finder)(name); };
}

FindLibrary libraries_on_disk(const fs::path& file, const std::string& module_path, std::uint64_t size_limit) {
    return [finder = std::make_shared<DiskFinder>(file, module_path, size_limit)](
               const BinaryAudit& binary, const std::string& name) { return (*finder)(binary, name); };
}

namespace {

// A library that cannot be had is no reason to know nothing of the module.
std::shared_ptr<const inputs::Content> found_library(const FindLibrary& find, const BinaryAudit& binary,
                                                     const std::string& name) {
    try {
        return find(binary, name);
    } catch (const std::exception&) {
        return nullptr;
    }
}

}  // namespace

Result<std::vector<BinaryAudit>> audit_with_libraries(Workers& workers, const inputs::Content& file,
                                                      const verdict::BinaryContext& context, const FindLibrary& find) {
    Question question{file.file(), file.size(), context};
    auto result = workers.audit(question);
    std::vector<std::shared_ptr<const inputs::Content>> contents;
    std::set<std::string> tried;
    for (int round = 0; result && round < most_rounds; ++round) {
        bool found = false;
        for (const BinaryAudit& binary : *result)
            for (const std::string& name : binary.missing_libraries) {
                if (question.libraries.size() >= verdict::most_libraries || tried.size() >= 4 * verdict::most_libraries)
                    continue;
                if (!tried.insert(name).second) continue;
                auto content = found_library(find, binary, name);
                if (content == nullptr) continue;
                contents.push_back(std::move(content));
                question.context.libraries.push_back(name);
                question.libraries.push_back({&contents.back()->file(), contents.back()->size()});
                found = true;
            }
        if (!found) break;
        auto again = workers.audit(question);
        // What a library does to the process that looks into it is no reason to know less than before.
        if (!again) break;
        result = std::move(again);
    }
    // What is not to be had is not asked for.
    if (result)
        for (BinaryAudit& binary : *result) binary.missing_libraries.clear();
    return result;
}

}  // namespace interlock::auditing::worker
