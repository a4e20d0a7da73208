// archive_xz.cpp: .xz and .lzma through liblzma itself, as libarchive sets no limit on the memory of its decoder: a
// file of a few megabytes can ask for a dictionary of 4 GiB.
//
// SPDX-License-Identifier: MIT
#include <lzma.h>

#include <array>

#include <interlock/escape.hpp>

#include "inputs/archive_stream.hpp"

namespace interlock::auditing::inputs {
namespace {

/// xz -9, the most that is usual, takes 65 MiB.
constexpr std::uint64_t memory_limit = 128ull << 20;

class XzStream : public ByteStream {
public:
    XzStream(ByteStream& packed, const std::string& name, Usage& usage) : packed_(packed), name_(name), usage_(usage) {
        const lzma_ret status = lzma_auto_decoder(&coder_, memory_limit, LZMA_CONCATENATED);
        if (status != LZMA_OK) throw std::bad_alloc();
    }
    XzStream(const XzStream&) = delete;
    XzStream& operator=(const XzStream&) = delete;
    ~XzStream() override { lzma_end(&coder_); }

    std::size_t read(std::span<std::uint8_t> buffer) override {
        coder_.next_out = buffer.data();
        coder_.avail_out = buffer.size();
        while (!ended_ && coder_.avail_out == buffer.size() && !buffer.empty()) {
            if (coder_.avail_in == 0 && !input_ended_) {
                coder_.next_in = input_.data();
                coder_.avail_in = packed_.read(input_);
                input_ended_ = coder_.avail_in == 0;
            }
            check(lzma_code(&coder_, input_ended_ ? LZMA_FINISH : LZMA_RUN));
        }
        const std::size_t size = buffer.size() - coder_.avail_out;
        usage_.count_unpacked(size);
        return size;
    }

private:
    void check(lzma_ret status) {
        switch (status) {
            case LZMA_OK:
                return;
            case LZMA_STREAM_END:
                ended_ = true;
                return;
            case LZMA_MEMLIMIT_ERROR:
                throw Failure({Errc::unsupported, "cannot read " + quoted(name_, 4096) + ": to unpack it takes " +
                                                      std::to_string(lzma_memusage(&coder_) >> 20) +
                                                      " MiB of memory, and no more than " +
                                                      std::to_string(memory_limit >> 20) +
                                                      " MiB are used; compress it with xz -9 or less"});
            case LZMA_MEM_ERROR:
                throw std::bad_alloc();
            case LZMA_BUF_ERROR:
                fail("the compressed data ends too early; it may be truncated");
            default:
                fail("the compressed data is damaged");
        }
    }
    [[noreturn]] void fail(const char* why) const {
        throw Failure({Errc::malformed_file, "cannot read " + quoted(name_, 4096) + ": " + why});
    }

    ByteStream& packed_;
    std::string name_;
    Usage& usage_;
    lzma_stream coder_ = LZMA_STREAM_INIT;
    std::array<std::uint8_t, 64 * 1024> input_;
    bool input_ended_ = false, ended_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> unpacked_xz(ByteStream& packed, const std::string& name, Usage& usage) {
    return std::make_unique<XzStream>(packed, name, usage);
}

}  // namespace interlock::auditing::inputs
