// Prints the verdict on each module of a file.
//
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <interlock/audit.hpp>
#ifdef WITH_LOADER  // both libraries in one program
#include <interlock/runtime.hpp>
#endif

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
#ifdef WITH_LOADER
    interlock::Runtime runtime;
#endif
    const interlock::AuditReport report = interlock::audit(argv[1]);
    for (const interlock::InputError& error : report.errors) {
        std::fprintf(stderr, "%s: %s\n", error.path.c_str(), error.message.c_str());
    }
    for (const interlock::BinaryAudit& binary : report.binaries) {
        for (const interlock::ModuleAudit& module : binary.modules) {
            std::printf("%s: %s\n", module.name.c_str(), interlock::verdict_name(module.verdict).data());
        }
    }
    return report.errors.empty() ? 0 : 1;
}
