// python_abi.hpp: for which interpreters a file was compiled, by its name and by what it is linked against.
// Suffixes: importlib.machinery.EXTENSION_SUFFIXES of CPython 3.13 to 3.15, PEP 803.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <interlock/audit.hpp>

#include "image/image.hpp"

namespace interlock::auditing::verdict {

/// As Windows compares names of files, for ASCII.
bool equals_ignoring_case(std::string_view a, std::string_view b);

/// What the name of a file says: "_x.cpython-313t-x86_64-linux-gnu.so".
struct FileTag {
    std::string stem;  ///< "_x": the last component of the module's name
    AbiFlavour abi = AbiFlavour::unknown;
    std::optional<PythonVersion> version;
    std::string tag;  ///< "cpython-313t-x86_64-linux-gnu", "abi3"; empty for a bare suffix
    /// For which machine, in the words of BinaryAudit; empty where the name does not say it, or in unknown words.
    std::string platform, architecture;
    std::string other_python;  ///< "PyPy", "GraalPy"; empty for CPython
    bool extension = false;    ///< ends as a module does: .so, .pyd
};
FileTag read_file_tag(std::string_view file_name);
/// Whether no interpreter of the binary's platform and architecture looks for a file with such a name.
bool is_named_for_another_machine(const FileTag& tag, const BinaryAudit& binary) noexcept;

/// What the binary says without being run: "python313t.dll", symbols that only one kind of interpreter has.
struct LinkedAbi {
    AbiFlavour abi = AbiFlavour::unknown;
    std::optional<PythonVersion> version;
    std::vector<Evidence> evidence;
    bool strong = false;       ///< the name of a DLL or a symbol that cannot be there otherwise
    std::string other_python;  ///< as of FileTag
};
LinkedAbi read_linked_abi(const image::Image& image);

/// "a/b/_x.cpython-313t.so" -> "a.b._x"; "a/b/__init__.abi3.so" -> "a.b".
std::string module_name_of(std::string_view module_path);

/// The name of a module behind PyInit_ or PyInitU_: punycode decoded (RFC 3492, with '_' for the last '-').
std::string module_name_of_entry_point(std::string_view entry_point);
/// Punycode as Python's codec has it, and back; nullopt for what is none.
std::optional<std::string> decode_punycode(std::string_view text);

}  // namespace interlock::auditing::verdict
