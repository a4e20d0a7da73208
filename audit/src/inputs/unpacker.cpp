// unpacker.cpp: the one that decompresses in this process, for tests, fuzzers and the process that may do nothing else.
//
// SPDX-License-Identifier: MIT
#include "inputs/unpacker.hpp"

#include <utility>

namespace interlock::auditing::inputs {

namespace {

/// A tar file with the decompressor in front of it.
class CompressedTar : public ArchiveReader {
public:
    CompressedTar(ByteStream& stream, Compression compression, const std::string& name, Usage& usage)
        : plain_(unpacked(stream, compression, name, usage)),
          reader_(auditing::inputs::open_tar(*plain_, name, usage)) {}
    bool next(Member& member) override { return reader_->next(member); }
    std::size_t read(std::span<std::uint8_t> buffer) override { return reader_->read(buffer); }

private:
    std::unique_ptr<ByteStream> plain_;
    std::unique_ptr<ArchiveReader> reader_;
};

class UnpackerHere final : public Unpacker {
public:
    Content unpack(const PackedMember& packed) override { return auditing::inputs::unpack(packed); }
    std::unique_ptr<ByteStream> open(const PackedMember& packed, Usage* usage) override {
        return std::make_unique<ZipMemberStream>(*packed.archive, packed.member, packed.path, usage);
    }
    std::unique_ptr<ArchiveReader> open_tar(ByteStream& stream, const OpenedFile*, Compression compression,
                                            const std::string& name, Usage& usage) override {
        if (compression == Compression::none) return auditing::inputs::open_tar(stream, name, usage);
        return std::make_unique<CompressedTar>(stream, compression, name, usage);
    }
};

}  // namespace

Unpacker& unpacker_here() {
    static UnpackerHere unpacker;
    return unpacker;
}

}  // namespace interlock::auditing::inputs
