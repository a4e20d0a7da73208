// libraries_beside.hpp: the libraries that come with a module: on disk where its dynamic linker looks for them, or in
// its wheel. Those of the system are not among them: of these the model of the emulation takes care.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <interlock/audit.hpp>

#include "inputs/archive_zip_index.hpp"
#include "inputs/inputs_content.hpp"
#include "worker/worker.hpp"

namespace interlock::auditing::worker {

/// Opens the library of this name (without folders) that comes with `binary`; null if none does. Others may have it,
/// too.
using FindLibrary =
    std::function<std::shared_ptr<const inputs::Content>(const BinaryAudit& binary, const std::string& name)>;

/// For a file on disk: in the folders that it names relative to itself or absolutely, in its own folder, in those where
/// libraries of it were found before, and where tools that repair wheels put them (`package.libs` beside `package`).
/// `module_path` is that of BinaryContext.
FindLibrary libraries_on_disk(const std::filesystem::path& file, const std::string& module_path,
                              std::uint64_t size_limit);

/// `index` is null where there is none. For a member of a zip file: of the members with that name the one that is
/// nearest to `module`, which is a member, too. Keeps at most as much in memory as the budget has for members of
/// archives; what is too large for that lies in temporary files.
FindLibrary libraries_in_zip(std::shared_ptr<const inputs::ZipIndex> index, const std::string& module,
                             const AuditBudget& budget, inputs::Unpacker& unpacker = inputs::unpacker_here());

/// As workers.audit(), and once more with the libraries that are missing, as long as some are found. `file` and
/// `context` are those of the module.
Result<std::vector<BinaryAudit>> audit_with_libraries(Workers& workers, const inputs::Content& file,
                                                      const verdict::BinaryContext& context, const FindLibrary& find);

}  // namespace interlock::auditing::worker
