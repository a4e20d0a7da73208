// fuzz_archive.cpp: the fuzzing target for archives: the input is one, of the kind that its content says, or else of
// the one that its first byte chooses. Besides not crashing: everything that is found is within its limits, every
// message can be printed, and no memory stays reserved.
//
// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include "inputs/inputs.hpp"

namespace {

using namespace interlock;
using namespace interlock::auditing;
using namespace interlock::auditing::inputs;

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

AuditBudget small_budget() {
    AuditBudget budget;
    budget.binary_size = 1 << 20;
    budget.archive_size = 8 << 20;
    budget.archive_entries = 1000;
    budget.memory = 4 << 20;
    return budget;
}

class Checker : public InputSink {
public:
    explicit Checker(const AuditBudget& budget) : budget_(budget) {}

    void binary(Candidate candidate) override {
        require(candidate.disk_path.empty(), "nothing of an archive lies on the disk");
        require(candidate.path.starts_with("input") && candidate.path.find('!') != std::string::npos &&
                    candidate.path.find('\\') == std::string::npos,
                "a path names the archive, and separates folders with '/'");
        require(++found_ <= 2 * budget_.archive_entries, "there are no more binaries than entries, in two passes");
        try {
            candidate.load(budget_.binary_size);
        } catch (const Failure& failure) {
            return error(candidate.sequence, {candidate.path, failure.error().code, failure.error().message});
        }
        require(candidate.content.size() <= budget_.binary_size, "a binary is within its limit");
        require(candidate.content.head(candidate.content.size()).size() == candidate.content.size(),
                "all of a binary is there");
    }
    void error(std::uint64_t, InputError error) override {
        require(error.path.starts_with("input"), "an error says where");
        require(printable(error.message) && error.code != Errc::internal, "an error says what, and can be printed");
    }
    void skipped(std::uint64_t, std::string text) override { require(printable(text), "a reason can be printed"); }
    void discard(std::uint64_t) override {}

private:
    const AuditBudget& budget_;
    std::uint64_t found_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const AuditBudget budget = small_budget();
    OpenedFile file{interlock::base::Descriptor(::memfd_create("input", MFD_CLOEXEC)), size};
    if (!file.descriptor || ::write(file.descriptor.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
    static const char* const endings[] = {".whl", ".zip", ".conda", ".tar", ".deb", ""};
    MemoryBudget memory(budget.memory);
    {
        Checker checker(budget);
        Inputs inputs(budget, memory, checker);
        inputs.walk_archive(std::string("input") + (size == 0 ? "" : endings[data[0] % std::size(endings)]),
                            std::move(file), {});
        for (const PackageAudit& package : inputs.packages())
            for (const std::string& note : package.notes) require(printable(note), "a note can be printed");
    }
    require(memory.in_flight() == 0, "no memory stays reserved");
    return 0;
}
