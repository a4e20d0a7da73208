// fuzz_verdict.cpp: the fuzzing target for the whole way of one binary: readers, emulator, models, verdicts; in this
// process, where an audit takes one of its own. Besides not crashing: every text of the result can be printed, and each
// verdict has a reason. The last byte of the input says what the file is called.
//
// SPDX-License-Identifier: MIT
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include "verdict/binary.hpp"

namespace {

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::image;
using namespace interlock::auditing::verdict;

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
}

bool printable(const std::string& text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    return !text.empty();
}

const AuditOptions& options() {
    static const AuditOptions options = [] {
        AuditOptions made;
        made.budget.instructions = 100'000;
        made.pythons = {{3, 13}, {3, 15}};
        return made;
    }();
    return options;
}

void check(const BinaryAudit& binary) {
    require(!binary.modules.empty(), "a binary has a module, if only to say that it is none");
    for (const ModuleAudit& module : binary.modules) {
        require(printable(module.reason), "a verdict has a reason, which can be printed");
        for (const Evidence& evidence : module.evidence)
            require(printable(evidence.what), "what a verdict is founded on can be printed");
    }
    for (const Evidence& evidence : binary.abi_evidence)
        require(printable(evidence.what), "what an ABI is founded on can be printed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const char* const names[] = {"_x.cpython-313t-x86_64-linux-gnu.so", "_x.cpython-315t-darwin.so",
                                        "_x.cp314t-win_amd64.pyd", "_x.abi3.so", "_x.so"};
    BinaryContext context;
    context.path = context.module_path = names[size == 0 ? 0 : data[size - 1] % std::size(names)];
    const auto audits = audit_binary(Bytes(data, size), context, options());
    if (!audits) {
        require(printable(audits.error().message) && audits.error().code != Errc::internal,
                "an error says what, and can be printed");
        return 0;
    }
    for (const BinaryAudit& binary : *audits) check(binary);
    return 0;
}
