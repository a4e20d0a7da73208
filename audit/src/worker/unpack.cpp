// unpack.cpp: archives that are unpacked in a process of their own, seen from the audit. What comes from there is
// believed no more than the archive: it is counted, and read with checked bounds.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include <interlock/escape.hpp>

#include "worker/wire.hpp"
#include "worker/worker.hpp"

namespace interlock::auditing::worker {

namespace {

[[noreturn]] void ended(Worker& worker, const std::string& name) {
    throw Failure({Errc::unreadable, "cannot read " + quoted(name, 4096) + ": the process that unpacked it " +
                                         worker.end() + "; was the file changed meanwhile?"});
}

/// Orders and replies, in the middle of a request.
class Session {
public:
    Session(Workers& workers, std::string name) : worker_(workers), name_(std::move(name)) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        constexpr Order done{};
        if (begun_ && !worker_->send(&done, sizeof done)) worker_->end();
    }

    void begin(Worker::Message message) {
        message_ = std::move(message);
        if (!worker_->begin(message_)) begin_again();
        begun_ = true;
    }

    /// What the reply is; its bytes lie in `bytes()` then. Throws what went wrong there.
    Reply order(Command command, std::size_t size) {
        const Order order{command, static_cast<std::uint32_t>(std::min<std::uint64_t>(size, longest_piece))};
        Reply reply;
        while (!worker_->send(&order, sizeof order) || !worker_->receive(&reply, sizeof reply)) begin_again();
        again_ = true;
        if (reply.length > longest_piece) fail();
        unpacked_ = reply.unpacked;
        bytes_.resize(reply.length);
        if (!bytes_.empty() && !worker_->receive(bytes_.data(), bytes_.size())) fail();
        if (reply.kind != Reply::Kind::error && reply.kind != Reply::Kind::limit) return reply;
        Error error;
        if (!error_from_wire(bytes_, error)) fail();
        if (reply.kind == Reply::Kind::limit) throw inputs::LimitReached(std::move(error));
        throw Failure(std::move(error));
    }
    const std::string& bytes() const noexcept { return bytes_; }
    /// As counted there until the last reply.
    std::uint64_t unpacked() const noexcept { return unpacked_; }

    std::size_t read(std::span<std::uint8_t> buffer) {
        if (buffer.empty()) return 0;
        const Reply reply = order(Command::read, buffer.size());
        if (reply.kind != Reply::Kind::bytes || bytes_.size() > buffer.size()) fail();
        std::memcpy(buffer.data(), bytes_.data(), bytes_.size());
        return bytes_.size();
    }

    [[noreturn]] void fail() {
        begun_ = false;
        ended(*worker_, name_);
    }

private:
    /// What an earlier file did to the process is not this one's fault: once, and before anything has come, a new one.
    void begin_again() {
        if (std::exchange(again_, true)) fail();
        worker_->end();
        if (!worker_->begin(message_)) fail();
    }

    Workers::Lease worker_;
    Worker::Message message_;
    bool again_ = false;  ///< or it is too late for that
    std::string name_, bytes_;
    std::uint64_t unpacked_ = 0;
    bool begun_ = false;
};

/// Begins when something is read: most members of an archive are only looked at by their names.
class PackedStream : public inputs::ByteStream {
public:
    PackedStream(Workers& workers, const inputs::PackedMember& packed, inputs::Usage* usage)
        : workers_(workers), packed_(packed), usage_(usage) {}

    std::size_t read(std::span<std::uint8_t> buffer) override {
        if (at_end_) return 0;
        if (!session_) {
            session_.emplace(workers_, packed_.path);
            session_->begin(
                {Task::stream, {{packed_.archive->descriptor.get(), packed_.archive->size}}, to_wire(packed_)});
        }
        const std::size_t got = session_->read(buffer);
        if (got > left_) session_->fail();
        left_ -= got;
        if (usage_ != nullptr) usage_->count_unpacked(got);
        if (got == 0 && !buffer.empty()) {
            at_end_ = true;
            session_.reset();
        }
        return got;
    }

private:
    Workers& workers_;
    const inputs::PackedMember& packed_;
    inputs::Usage* usage_;
    std::uint64_t left_ = packed_.member.unpacked;
    bool at_end_ = false;
    std::optional<Session> session_;
};

class RemoteTar : public inputs::ArchiveReader {
public:
    RemoteTar(Workers& workers, inputs::ByteStream& stream, const inputs::OpenedFile* whole,
              inputs::Compression compression, std::string name, inputs::Usage& usage)
        : name_(std::move(name)), usage_(usage), session_(workers, name_) {
        // The process gets a file, and what lies in another archive is none yet.
        if (whole == nullptr) {
            spilled_.descriptor = inputs::open_temporary();
            spilled_.size = inputs::spill(stream, spilled_.descriptor.get(), 0, usage.budget().archive_size, name_);
            spilled_.descriptor = inputs::for_reading(std::move(spilled_.descriptor));
            whole = &spilled_;
        }
        session_.begin(
            {Task::tar,
             {{whole->descriptor.get(), whole->size}},
             to_wire(TarPlace{compression, name_, usage.path(), usage.packed(), usage.entries(), usage.unpacked()})});
    }

    bool next(inputs::Member& member) override {
        const Reply reply = session_.order(Command::next, 0);
        const bool member_follows = reply.kind == Reply::Kind::member;
        usage_.go_on_from(std::max(reply.entries, usage_.entries() + (member_follows ? 1 : 0)),
                          std::max(reply.unpacked, usage_.unpacked()));
        if (reply.kind == Reply::Kind::end) return false;
        if (!member_follows || !member_from_wire(session_.bytes(), member)) session_.fail();
        return true;
    }
    std::size_t read(std::span<std::uint8_t> buffer) override {
        const std::uint64_t before = usage_.unpacked();
        const std::size_t got = session_.read(buffer);
        usage_.go_on_from(usage_.entries(), std::max(session_.unpacked(), before + got));
        return got;
    }

private:
    std::string name_;
    inputs::Usage& usage_;
    inputs::OpenedFile spilled_;
    Session session_;
};

}  // namespace

inputs::Content Workers::unpack(const inputs::PackedMember& packed) {
    const std::uint64_t size = packed.member.unpacked;
    if (!inputs::fits_at_once(packed.member)) {
        const auto stream = open(packed, nullptr);
        return inputs::Content::of_stream(*stream, size, packed.path);
    }
    base::Descriptor room = inputs::room_for(packed.member);
    Lease worker(*this);
    Reply reply;
    const inputs::OpenedFile& archive = *packed.archive;
    const Worker::Message message{
        Task::unpack, {{archive.descriptor.get(), archive.size}, {room.get(), size}}, to_wire(packed)};
    const auto ask = [&] { return worker->begin(message) && worker->receive(&reply, sizeof reply); };
    if (!ask()) {
        worker->end();  // what an earlier file did to the process is not this one's fault: a new one
        if (!ask()) ended(*worker, packed.path);
    }
    if (reply.length > longest_piece) ended(*worker, packed.path);
    std::string bytes(reply.length, '\0');
    if (!bytes.empty() && !worker->receive(bytes.data(), bytes.size())) ended(*worker, packed.path);
    Error error;
    if (reply.kind == Reply::Kind::error && error_from_wire(bytes, error)) throw Failure(std::move(error));
    if (reply.kind != Reply::Kind::end) ended(*worker, packed.path);
    // Nobody may change it from now on, who unpacked it least of all.
    return inputs::Content::of_descriptor(inputs::out_of_reach(std::move(room), size, packed.path), size);
}

std::unique_ptr<inputs::ByteStream> Workers::open(const inputs::PackedMember& packed, inputs::Usage* usage) {
    return std::make_unique<PackedStream>(*this, packed, usage);
}

std::unique_ptr<inputs::ArchiveReader> Workers::open_tar(inputs::ByteStream& stream, const inputs::OpenedFile* whole,
                                                         inputs::Compression compression, const std::string& name,
                                                         inputs::Usage& usage) {
    return std::make_unique<RemoteTar>(*this, stream, whole, compression, name, usage);
}

}  // namespace interlock::auditing::worker
