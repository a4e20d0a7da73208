// judge_unpack.cpp: archives that are unpacked in a process of their own, seen from the audit. What comes from there is
// believed no more than the archive: it is counted, and read with checked bounds.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include <interlock/escape.hpp>

#include "worker/judge.hpp"
#include "worker/wire.hpp"

namespace interlock::auditing::worker {

namespace {

[[noreturn]] void ended(Judge& judge, const std::string& name) {
    throw Failure({Errc::unreadable, "cannot read " + quoted(name, 4096) + ": the process that unpacked it " +
                                         judge.end() + "; was the file changed meanwhile?"});
}

/// Orders and replies, in the middle of a request.
class Session {
public:
    Session(Judges& judges, std::string name) : judge_(judges), name_(std::move(name)) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        constexpr Order done{};
        if (begun_ && !judge_->send(&done, sizeof done)) judge_->end();
    }

    void begin(Judge::Message message) {
        message_ = std::move(message);
        if (!judge_->begin(message_)) begin_again();
        begun_ = true;
    }

    /// What the reply is; its bytes lie in `bytes()` then. Throws what went wrong there.
    Reply order(Command command, std::size_t size) {
        const Order order{command, static_cast<std::uint32_t>(std::min<std::uint64_t>(size, longest_piece))};
        Reply reply;
        while (!judge_->send(&order, sizeof order) || !judge_->receive(&reply, sizeof reply)) begin_again();
        again_ = true;
        if (reply.length > longest_piece) fail();
        unpacked_ = reply.unpacked;
        bytes_.resize(reply.length);
        if (!bytes_.empty() && !judge_->receive(bytes_.data(), bytes_.size())) fail();
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
        ended(*judge_, name_);
    }

private:
    /// What an earlier file did to the process is not this one's fault: once, and before anything has come, a new one.
    void begin_again() {
        if (std::exchange(again_, true)) fail();
        judge_->end();
        if (!judge_->begin(message_)) fail();
    }

    Judges::Lease judge_;
    Judge::Message message_;
    bool again_ = false;  ///< or it is too late for that
    std::string name_, bytes_;
    std::uint64_t unpacked_ = 0;
    bool begun_ = false;
};

/// Begins when something is read: most members of an archive are only looked at by their names.
class PackedStream : public inputs::ByteStream {
public:
    PackedStream(Judges& judges, const inputs::PackedMember& packed, inputs::Tally* tally)
        : judges_(judges), packed_(packed), tally_(tally) {}

    std::size_t read(std::span<std::uint8_t> buffer) override {
        if (at_end_) return 0;
        if (!session_) {
            session_.emplace(judges_, packed_.path);
            session_->begin(
                {Task::stream, {{packed_.archive->descriptor.get(), packed_.archive->size}}, to_wire(packed_)});
        }
        const std::size_t got = session_->read(buffer);
        if (got > left_) session_->fail();
        left_ -= got;
        if (tally_ != nullptr) tally_->count_unpacked(got);
        if (got == 0 && !buffer.empty()) {
            at_end_ = true;
            session_.reset();
        }
        return got;
    }

private:
    Judges& judges_;
    const inputs::PackedMember& packed_;
    inputs::Tally* tally_;
    std::uint64_t left_ = packed_.member.unpacked;
    bool at_end_ = false;
    std::optional<Session> session_;
};

class RemoteTar : public inputs::ArchiveReader {
public:
    RemoteTar(Judges& judges, inputs::ByteStream& stream, const inputs::OpenedFile* whole,
              inputs::Compression compression, std::string name, inputs::Tally& tally)
        : name_(std::move(name)), tally_(tally), session_(judges, name_) {
        // The process gets a file, and what lies in another archive is none yet.
        if (whole == nullptr) {
            spilled_.descriptor = inputs::open_temporary();
            spilled_.size = inputs::spill(stream, spilled_.descriptor.get(), 0, tally.budget().archive_size, name_);
            spilled_.descriptor = inputs::for_reading(std::move(spilled_.descriptor));
            whole = &spilled_;
        }
        session_.begin(
            {Task::tar,
             {{whole->descriptor.get(), whole->size}},
             to_wire(TarPlace{compression, name_, tally.path(), tally.packed(), tally.entries(), tally.unpacked()})});
    }

    bool next(inputs::Member& member) override {
        const Reply reply = session_.order(Command::next, 0);
        const bool member_follows = reply.kind == Reply::Kind::member;
        tally_.go_on_from(std::max(reply.entries, tally_.entries() + (member_follows ? 1 : 0)),
                          std::max(reply.unpacked, tally_.unpacked()));
        if (reply.kind == Reply::Kind::end) return false;
        if (!member_follows || !member_from_wire(session_.bytes(), member)) session_.fail();
        return true;
    }
    std::size_t read(std::span<std::uint8_t> buffer) override {
        const std::uint64_t before = tally_.unpacked();
        const std::size_t got = session_.read(buffer);
        tally_.go_on_from(tally_.entries(), std::max(session_.unpacked(), before + got));
        return got;
    }

private:
    std::string name_;
    inputs::Tally& tally_;
    inputs::OpenedFile spilled_;
    Session session_;
};

}  // namespace

inputs::Content Judges::unpack(const inputs::PackedMember& packed) {
    const std::uint64_t size = packed.member.unpacked;
    if (!inputs::fits_at_once(packed.member)) {
        const auto stream = open(packed, nullptr);
        return inputs::Content::of_stream(*stream, size, packed.path);
    }
    base::Descriptor room = inputs::room_for(packed.member);
    Lease judge(*this);
    Reply reply;
    const inputs::OpenedFile& archive = *packed.archive;
    const Judge::Message message{
        Task::unpack, {{archive.descriptor.get(), archive.size}, {room.get(), size}}, to_wire(packed)};
    const auto ask = [&] { return judge->begin(message) && judge->receive(&reply, sizeof reply); };
    if (!ask()) {
        judge->end();  // what an earlier file did to the process is not this one's fault: a new one
        if (!ask()) ended(*judge, packed.path);
    }
    if (reply.length > longest_piece) ended(*judge, packed.path);
    std::string bytes(reply.length, '\0');
    if (!bytes.empty() && !judge->receive(bytes.data(), bytes.size())) ended(*judge, packed.path);
    Error error;
    if (reply.kind == Reply::Kind::error && error_from_wire(bytes, error)) throw Failure(std::move(error));
    if (reply.kind != Reply::Kind::end) ended(*judge, packed.path);
    // Nobody may change it from now on, who unpacked it least of all.
    return inputs::Content::of_descriptor(inputs::out_of_reach(std::move(room), size, packed.path), size);
}

std::unique_ptr<inputs::ByteStream> Judges::open(const inputs::PackedMember& packed, inputs::Tally* tally) {
    return std::make_unique<PackedStream>(*this, packed, tally);
}

std::unique_ptr<inputs::ArchiveReader> Judges::open_tar(inputs::ByteStream& stream, const inputs::OpenedFile* whole,
                                                        inputs::Compression compression, const std::string& name,
                                                        inputs::Tally& tally) {
    return std::make_unique<RemoteTar>(*this, stream, whole, compression, name, tally);
}

}  // namespace interlock::auditing::worker
