// auditor.cpp: a worker that is kept between two files, and the place that a file has in its package, made up from the
// name of the module. No package is looked at, as an import knows none.
//
// SPDX-License-Identifier: MIT
#include <interlock/auditor.hpp>

#include <algorithm>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "inputs/inputs_content.hpp"
#include "inputs/manifest_beside.hpp"
#include "verdict/python_abi.hpp"
#include "worker/libraries_beside.hpp"
#include "worker/worker.hpp"

namespace interlock {

namespace {

/// An interpreter that is given a file by its path does not ask for whom it is named: the layout says it then.
std::string without_tag_for_gil(std::string file) {
    const auditing::verdict::FileTag tag = auditing::verdict::read_file_tag(file);
    if (tag.abi == AbiFlavour::gil) file.erase(file.rfind(tag.tag), tag.tag.size() + 1);
    return file;
}

/// Where a file would lie in its package to be the module of that name: "a/b.so" for a.b; "a/__init__.so" for a.
std::string path_in_package(const std::filesystem::path& path, std::string_view module) {
    const std::string file = without_tag_for_gil(path.filename().string());
    if (module.empty()) return file;
    const std::string_view stem = std::string_view(file).substr(0, file.find('.'));
    std::string folders(module);
    if (stem != "__init__") folders.erase(std::min(folders.size(), folders.rfind('.') + 1));
    if (stem == "__init__") folders += '.';
    std::ranges::replace(folders, '.', '/');
    return folders + file;
}

}  // namespace

struct Auditor::Impl {
    explicit Impl(AuditOptions given) : options(std::move(given)) {
        if (options.pythons.empty()) options.pythons.assign(default_pythons().begin(), default_pythons().end());
        workers.emplace(options);
        workers->prepare();
    }
    AuditOptions options;
    std::optional<auditing::worker::Workers> workers;
};

Auditor::Auditor(AuditOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Auditor::~Auditor() = default;

Result<std::vector<BinaryAudit>> Auditor::audit(const std::filesystem::path& path, std::string_view module) {
    using namespace auditing;
    auto content = inputs::Content::of_disk_file(path, impl_->options.budget.binary_size);
    if (!content) return std::move(content).error();
    auto manifest = inputs::manifest_beside(path);
    verdict::BinaryContext context;
    context.path = path.native();
    context.module_path = path_in_package(path, module);
    context.disk_path = path;
    // What is wrong with a manifest is for an audit to say; an import goes by what is in the file.
    if (manifest) context.manifest = std::move(*manifest);
    const worker::FindLibrary find =
        worker::libraries_on_disk(path, context.module_path, impl_->options.budget.binary_size);
    return worker::audit_with_libraries(*impl_->workers, *content, context, find);
}

void Auditor::after_fork_in_child() noexcept { impl_->workers->forget(); }

}  // namespace interlock
