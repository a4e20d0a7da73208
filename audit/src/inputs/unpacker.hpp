// unpacker.hpp: who decompresses what a file has packed. The libraries that do are large, written in C, and fed by
// whoever made the file: so an audit lets a process do it that may do nothing else (worker.hpp), and only that one,
// tests and fuzzers do it at once.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "inputs/archive.hpp"
#include "inputs/archive_zip.hpp"

namespace interlock::auditing::inputs {

class Unpacker {
public:
    virtual ~Unpacker() = default;
    /// All of a member of a zip file, in memory or in a temporary file. [any-thread] Throws as
    /// auditing::inputs::unpack().
    virtual Content unpack(const PackedMember& packed) = 0;
    /// The same from front to back; `packed` outlives it. What is read is counted by `usage`, if there is one.
    virtual std::unique_ptr<ByteStream> open(const PackedMember& packed, Usage* usage) = 0;
    /// The members of a tar file. `whole`: the stream is all of this file; else null. Both and `usage` outlive it.
    virtual std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const OpenedFile* whole,
                                                    Compression compression, const std::string& name, Usage& usage) = 0;
};

/// In this process. [any-thread]
Unpacker& unpacker_here();

}  // namespace interlock::auditing::inputs
