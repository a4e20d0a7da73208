// digest.cpp: SHA-256 as in FIPS 180-4, section 6.2, with the message schedule kept in 16 words and the eight working
// variables renamed instead of moved.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <vector>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>

#include "base/input_file.hpp"

namespace interlock {
namespace {

using Word = std::uint32_t;

constexpr std::array<Word, 64> constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::size_t block_size = 64;

class Sha256 {
public:
    void add(std::span<const std::uint8_t> data) noexcept {
        total_ += data.size();
        if (pending_ != 0) {
            const std::size_t taken = std::min(block_size - pending_, data.size());
            std::copy_n(data.begin(), taken, buffer_.begin() + static_cast<std::ptrdiff_t>(pending_));
            pending_ += taken;
            data = data.subspan(taken);
            if (pending_ < block_size) return;
            compress(buffer_.data());
            pending_ = 0;
        }
        for (; data.size() >= block_size; data = data.subspan(block_size)) compress(data.data());
        std::copy(data.begin(), data.end(), buffer_.begin());
        pending_ = data.size();
    }

    std::string finish() {
        const std::uint64_t bits = total_ * 8;
        std::array<std::uint8_t, 2 * block_size> padding{0x80};
        const std::size_t zeros = (pending_ < 56 ? 56 : 120) - pending_;
        for (std::size_t i = 0; i < 8; ++i) padding[zeros + i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
        add(std::span(padding).first(zeros + 8));
        std::string hex;
        for (const Word word : state_) {
            for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 15];
        }
        return hex;
    }

private:
    static Word load(const std::uint8_t* bytes) noexcept {
        return static_cast<Word>(bytes[0]) << 24 | static_cast<Word>(bytes[1]) << 16 |
               static_cast<Word>(bytes[2]) << 8 | bytes[3];
    }

    static void round(Word a, Word b, Word c, Word& d, Word e, Word f, Word g, Word& h, Word input) noexcept {
        const Word choice = g ^ (e & (f ^ g));
        const Word majority = (a & b) | (c & (a | b));
        const Word t = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + input;
        d += t;
        h = t + (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
    }

    void compress(const std::uint8_t* block) noexcept {
        std::array<Word, 16> w;
        for (std::size_t i = 0; i < 16; ++i) w[i] = load(block + 4 * i);
        auto [a, b, c, d, e, f, g, h] = state_;
        for (std::size_t i = 0;; i += 16) {
            const Word* k = constants.data() + i;
            round(a, b, c, d, e, f, g, h, w[0] + k[0]);
            round(h, a, b, c, d, e, f, g, w[1] + k[1]);
            round(g, h, a, b, c, d, e, f, w[2] + k[2]);
            round(f, g, h, a, b, c, d, e, w[3] + k[3]);
            round(e, f, g, h, a, b, c, d, w[4] + k[4]);
            round(d, e, f, g, h, a, b, c, w[5] + k[5]);
            round(c, d, e, f, g, h, a, b, w[6] + k[6]);
            round(b, c, d, e, f, g, h, a, w[7] + k[7]);
            round(a, b, c, d, e, f, g, h, w[8] + k[8]);
            round(h, a, b, c, d, e, f, g, w[9] + k[9]);
            round(g, h, a, b, c, d, e, f, w[10] + k[10]);
            round(f, g, h, a, b, c, d, e, w[11] + k[11]);
            round(e, f, g, h, a, b, c, d, w[12] + k[12]);
            round(d, e, f, g, h, a, b, c, w[13] + k[13]);
            round(c, d, e, f, g, h, a, b, w[14] + k[14]);
            round(b, c, d, e, f, g, h, a, w[15] + k[15]);
            if (i == 48) break;
            for (std::size_t j = 0; j < 16; ++j) {
                const Word early = w[(j + 1) & 15], late = w[(j + 14) & 15];
                w[j] += (std::rotr(early, 7) ^ std::rotr(early, 18) ^ (early >> 3)) + w[(j + 9) & 15] +
                        (std::rotr(late, 17) ^ std::rotr(late, 19) ^ (late >> 10));
            }
        }
        const std::array<Word, 8> mixed = {a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < 8; ++i) state_[i] += mixed[i];
    }

    std::array<Word, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, block_size> buffer_{};
    std::size_t pending_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace

std::string sha256_hex(std::span<const std::uint8_t> data) {
    Sha256 digest;
    digest.add(data);
    return digest.finish();
}

Result<std::string> sha256_file(const std::filesystem::path& path) {
    auto file = base::InputFile::open(path);
    if (!file) return std::move(file).error();
    Sha256 digest;
    std::vector<std::uint8_t> piece(256 * 1024);
    for (;;) {
        const auto size = file->read(piece);
        if (!size) return size.error();
        if (*size == 0) return digest.finish();
        digest.add(std::span(piece).first(*size));
    }
}

}  // namespace interlock
