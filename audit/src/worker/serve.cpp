// serve.cpp: what is done in here may end the process, or belong to somebody else when it is done: so it holds
// nothing, may do nothing, and is believed nothing but an answer to what it was asked.
//
// SPDX-License-Identifier: MIT
#include "worker/serve.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <interlock/escape.hpp>

#include "emulation/guest_limits.hpp"
#include "inputs/unpacker.hpp"
#include "verdict/binary.hpp"
#include "worker/channel.hpp"
#include "worker/confinement.hpp"
#include "worker/wire.hpp"
#include "worker/worker.hpp"

namespace interlock::auditing::worker {

namespace {

/// What a request may take beyond what the program had: the guest's memory, the emulator's code, images and results; a
/// decompressor's window.
constexpr std::uint64_t memory_of_process = 2ull << 30;
/// Slower than this in a second of processor time is no decompressor.
constexpr std::uint64_t least_speed = 16u << 20;

struct Request {
    FileHead head;
    std::vector<inputs::OpenedFile> files;
    std::string text;
};

bool receive(Request& request) {
    inputs::OpenedFile first;
    if (!receive_head(own_socket, request.head, first.descriptor)) return false;
    if (request.head.length > longest_request || request.head.more > verdict::most_libraries) return false;
    first.size = request.head.size;
    request.files.push_back(std::move(first));
    for (std::uint32_t i = 0; i < request.head.more; ++i) {
        FileHead head;
        inputs::OpenedFile next;
        if (!receive_head(own_socket, head, next.descriptor)) return false;
        next.size = head.size;
        request.files.push_back(std::move(next));
    }
    request.text.resize(request.head.length);
    return receive_all(own_socket, request.text.data(), request.text.size());
}

/// From now on the process may use so much of a processor; SIGXCPU ends it then.
void limit_time(std::chrono::seconds limit) {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    rlimit bound{};
    ::getrlimit(RLIMIT_CPU, &bound);
    const auto wanted = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + limit.count() + 1);
    bound.rlim_cur = bound.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, bound.rlim_max);
    ::setrlimit(RLIMIT_CPU, &bound);
}

/// What went wrong in `function`, as an error; nothing gets out of it.
template <typename Function>
auto guarded(const std::string& what, const Function& function) -> decltype(function()) {
    try {
        return function();
    } catch (const Failure& failure) {
        return failure.error();
    } catch (const std::bad_alloc&) {
        return Error{Errc::unreadable, what + "out of memory"};
    } catch (const std::exception& exception) {
        return Error{Errc::internal, what + escape(exception.what())};
    } catch (...) {
        return Error{Errc::internal, what + "unknown exception"};
    }
}

// ---- a binary ----

// A library that cannot be mapped is as if it were empty: one that is no library.
std::vector<inputs::Mapping> map_libraries(std::span<const inputs::OpenedFile> libraries) {
    std::vector<inputs::Mapping> mapped;
    for (const inputs::OpenedFile& library : libraries) {
        try {
            mapped.push_back(inputs::Mapping::of_file(library.descriptor.get(), library.size));
        } catch (const std::bad_alloc&) {
            mapped.emplace_back();
        }
    }
    return mapped;
}

Result<std::vector<BinaryAudit>> judged(const Request& request, const AuditOptions& options) {
    const Result<verdict::BinaryContext> context = context_from_wire(request.text);
    if (!context) return context.error();
    return guarded("cannot audit " + quoted(context->path, 4096) + ": ", [&] {
        const std::span<const inputs::OpenedFile> files = request.files;
        const inputs::Mapping mapping = inputs::Mapping::of_file(files[0].descriptor.get(), files[0].size);
        const std::vector<inputs::Mapping> mapped = map_libraries(files.subspan(1));
        std::vector<image::Bytes> bytes;
        for (const inputs::Mapping& library : mapped) bytes.push_back(library.bytes());
        return verdict::audit_binary(mapping.bytes(), *context, options, bytes);
    });
}

bool answer(const std::string& text) {
    const std::uint64_t length = text.size();
    return send_all(own_socket, &length, sizeof length) && send_all(own_socket, text.data(), text.size());
}

// No answer at all asks for more memory.
bool serve(const Request& request, const AuditOptions& options) {
    limit_time(options.budget.processor_time);
    emulation::limit_guest_memory(request.head.memory);
    const std::string text = to_wire(judged(request, options));
    return answer(emulation::guest_wanted_more() ? std::string() : text);
}

// ---- archives ----

bool reply(Reply::Kind kind, std::string_view text, const inputs::Usage* usage) {
    const Reply head{kind, static_cast<std::uint32_t>(text.size()), usage != nullptr ? usage->entries() : 0,
                     usage != nullptr ? usage->unpacked() : 0};
    return send_all(own_socket, &head, sizeof head) && send_all(own_socket, text.data(), text.size());
}

/// Does what it is told until it is done; false when nobody is there any more.
class Server {
public:
    Server(inputs::ByteStream* stream, inputs::ArchiveReader* reader, const inputs::Usage* usage)
        : stream_(stream), reader_(reader), usage_(usage), buffer_(longest_piece, '\0') {}

    bool run() {
        for (;;) {
            Order order;
            if (!receive_all(own_socket, &order, sizeof order)) return false;
            if (order.command == Command::done) return true;
            if (!carry_out(order)) return false;
        }
    }

private:
    bool carry_out(const Order& order) {
        try {
            if (order.command == Command::read) {
                const std::size_t wanted = std::min<std::uint64_t>(order.size, longest_piece);
                const std::span<std::uint8_t> room(reinterpret_cast<std::uint8_t*>(buffer_.data()), wanted);
                const std::size_t got = stream_ != nullptr ? stream_->read(room) : reader_->read(room);
                return reply(Reply::Kind::bytes, std::string_view(buffer_).substr(0, got), usage_);
            }
            inputs::Member member;
            if (reader_ == nullptr || !reader_->next(member)) return reply(Reply::Kind::end, "", usage_);
            return reply(Reply::Kind::member, to_wire(member), usage_);
        } catch (const inputs::LimitReached& limit) {
            return reply(Reply::Kind::limit, to_wire(limit.error()), usage_);
        } catch (const Failure& failure) {
            return reply(Reply::Kind::error, to_wire(failure.error()), usage_);
        } catch (const std::bad_alloc&) {
            return reply(Reply::Kind::error, to_wire(Error{Errc::unreadable, "out of memory while unpacking"}), usage_);
        }
    }

    inputs::ByteStream* stream_;
    inputs::ArchiveReader* reader_;
    const inputs::Usage* usage_;
    std::string buffer_;
};

/// A reader whose beginning may fail: then that is the answer to the first order.
class Broken : public inputs::ArchiveReader, public inputs::ByteStream {
public:
    explicit Broken(std::exception_ptr why) : why_(std::move(why)) {}
    bool next(inputs::Member&) override { std::rethrow_exception(why_); }
    std::size_t read(std::span<std::uint8_t>) override { std::rethrow_exception(why_); }

private:
    std::exception_ptr why_;
};

std::chrono::seconds time_to_unpack(std::uint64_t bytes, const AuditOptions& options) {
    return options.budget.processor_time + std::chrono::seconds(bytes / least_speed);
}

bool serve_unpack(Request& request, const AuditOptions& options) {
    inputs::PackedMember packed;
    if (request.files.size() != 2 || !packed_from_wire(request.text, packed)) return false;
    limit_time(time_to_unpack(packed.member.unpacked, options));
    packed.archive = std::make_shared<const inputs::OpenedFile>(std::move(request.files[0]));
    const Result<bool> done = guarded("cannot read " + quoted(packed.path, 4096) + ": ", [&]() -> Result<bool> {
        inputs::unpack_into(packed, request.files[1].descriptor.get());
        return true;
    });
    return done ? reply(Reply::Kind::end, "", nullptr) : reply(Reply::Kind::error, to_wire(done.error()), nullptr);
}

bool serve_stream(Request& request, const AuditOptions& options) {
    inputs::PackedMember packed;
    if (!packed_from_wire(request.text, packed)) return false;
    limit_time(time_to_unpack(packed.member.unpacked, options));
    packed.archive = std::make_shared<const inputs::OpenedFile>(std::move(request.files[0]));
    const auto stream = inputs::unpacker_here().open(packed, nullptr);
    return Server(stream.get(), nullptr, nullptr).run();
}

bool serve_tar(Request& request, const AuditOptions& options) {
    TarPlace place;
    if (!tar_from_wire(request.text, place)) return false;
    limit_time(time_to_unpack(options.budget.archive_size, options));
    const inputs::OpenedFile& file = request.files[0];
    inputs::Usage usage(options.budget, place.outermost, place.packed);
    std::unique_ptr<inputs::ArchiveReader> reader;
    inputs::FileStream stream(file.descriptor.get(), 0, file.size, place.name);
    try {
        usage.go_on_from(place.entries, place.unpacked);
        reader = inputs::unpacker_here().open_tar(stream, nullptr, place.compression, place.name, usage);
    } catch (const Failure&) {
        reader = std::make_unique<Broken>(std::current_exception());
    } catch (const std::bad_alloc&) {
        reader = std::make_unique<Broken>(std::current_exception());
    }
    return Server(nullptr, reader.get(), &usage).run();
}

bool serve_one(Request& request, const AuditOptions& options) {
    switch (request.head.task) {
        case Task::audit:
            return serve(request, options);
        case Task::unpack:
            return serve_unpack(request, options);
        case Task::stream:
            return serve_stream(request, options);
        case Task::tar:
            return serve_tar(request, options);
    }
    return false;
}

}  // namespace

void serve(int socket, const AuditOptions& options) {
    inputs::prepare_names();
    // The emulator asks for large pages for the code that it makes, and each new one would begin by clearing 2 MiB, of
    // which it uses a little.
    ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    confine(socket, memory_of_process, 4 * options.budget.binary_size);
    for (;;) {
        Request request;
        if (!receive(request) || !serve_one(request, options)) ::_exit(0);
    }
}

}  // namespace interlock::auditing::worker
