// channel.hpp: what goes through the socket between an audit and the process that judges and unpacks for it: a
// request is one head for each file, each with its descriptor, and a text (wire.hpp). An answer to a question is its
// length and its text; when something is unpacked, each command has one Reply.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "inputs/inputs_content.hpp"

namespace interlock::auditing::worker {

constexpr std::uint64_t longest_request = 16u << 20;
constexpr std::uint64_t longest_answer = 256u << 20;
/// Of what is unpacked piece by piece: the most in one reply, and so of what waits in memory.
constexpr std::uint64_t longest_piece = 256u << 10;

enum class Task : std::uint32_t {
    audit,   ///< a binary; the files behind it are its libraries
    unpack,  ///< a member of a zip file into the file behind it
    stream,  ///< a member of a zip file, piece by piece
    tar,     ///< the members of a tar file, piece by piece
};

/// One file of a request; what is about the request is in the first.
struct FileHead {
    std::uint64_t size = 0;    ///< of the file
    std::uint64_t length = 0;  ///< of the text behind all heads
    Task task = Task::audit;
    std::uint32_t more = 0;    ///< how many heads follow
    std::uint64_t memory = 0;  ///< that an emulated program may use
};

enum class Command : std::uint32_t { next, read, done };
struct Order {
    Command command = Command::done;
    std::uint32_t size = 0;  ///< for read: at most so many bytes
};
struct Reply {
    enum class Kind : std::uint32_t { bytes, member, end, error, limit };
    Kind kind = Kind::end;
    std::uint32_t length = 0;                 ///< of what follows: bytes, a member, an error
    std::uint64_t entries = 0, unpacked = 0;  ///< as Usage counts them
};

bool send_all(int socket, const void* data, std::size_t size);
bool receive_all(int socket, void* data, std::size_t size);
bool send_head(int socket, const FileHead& head, int file);
bool receive_head(int socket, FileHead& head, base::Descriptor& file);

}  // namespace interlock::auditing::worker
