// channel.cpp: messages in whole, however the kernel cuts them, without SIGPIPE. A descriptor travels with the
// first byte of a head, as SCM_RIGHTS needs one.
//
// SPDX-License-Identifier: MIT
#include "worker/channel.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace interlock::auditing::worker {

namespace {

// The first byte of a message carries the descriptor.
union Control {
    cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

/// One piece, and room for one descriptor.
msghdr message_of(iovec& part, Control& control) {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    return message;
}

}  // namespace

bool send_all(int socket, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t sent = ::send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool receive_all(int socket, void* data, std::size_t size) {
    auto* bytes = static_cast<char*>(data);
    while (size > 0) {
        const ssize_t got = ::recv(socket, bytes, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool send_head(int socket, const FileHead& head, int file) {
    FileHead copy = head;
    iovec part{&copy, sizeof copy};
    Control control{};
    msghdr message = message_of(part, control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
    ssize_t sent;
    do {
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent <= 0) return false;
    const auto done = static_cast<std::size_t>(sent);
    return send_all(socket, reinterpret_cast<const char*>(&copy) + done, sizeof copy - done);
}

bool receive_head(int socket, FileHead& head, base::Descriptor& file) {
    iovec part{&head, sizeof head};
    Control control{};
    msghdr message = message_of(part, control);
    ssize_t got;
    do {
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return false;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    file = base::Descriptor(number);
    const auto done = static_cast<std::size_t>(got);
    return receive_all(socket, reinterpret_cast<char*>(&head) + done, sizeof head - done);
}

}  // namespace interlock::auditing::worker
