// wire.cpp: each structure is taken apart by a structured binding of all its members: a new one that is forgotten here
// does not compile.
//
// SPDX-License-Identifier: MIT
#include "worker/wire.hpp"

#include <concepts>
#include <cstring>
#include <optional>
#include <type_traits>

namespace interlock::auditing::worker {

namespace {

class Writer {
public:
    template <typename... Values>
    void operator()(const Values&... values) {
        (put(values), ...);
    }
    std::string take() { return std::move(wire_); }

private:
    template <typename Value>
        requires std::is_arithmetic_v<Value> || std::is_enum_v<Value>
    void put(const Value& value) {
        wire_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void put(const std::string& text) {
        put(text.size());
        wire_ += text;
    }
    void put(const std::filesystem::path& path) { put(path.native()); }
    template <typename Value>
    void put(const std::optional<Value>& value) {
        put(value.has_value());
        if (value) put(*value);
    }
    template <typename Value>
    void put(const std::vector<Value>& values) {
        put(values.size());
        for (const Value& value : values) put(value);
    }
    template <typename Value>
    void put(const Value& structure) {
        members(*this, const_cast<Value&>(structure));
    }

    std::string wire_;
};

struct Malformed {};

class Reader {
public:
    explicit Reader(std::string_view wire) : wire_(wire) {}
    template <typename... Values>
    void operator()(Values&... values) {
        (get(values), ...);
    }
    bool at_end() const { return wire_.empty(); }

private:
    std::string_view bytes(std::size_t count) {
        if (count > wire_.size()) throw Malformed();
        const std::string_view taken = wire_.substr(0, count);
        wire_.remove_prefix(count);
        return taken;
    }
    template <typename Value>
        requires std::is_arithmetic_v<Value>
    void get(Value& value) {
        std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    }
    void get(bool& value) {
        std::uint8_t byte = 0;
        get(byte);
        if (byte > 1) throw Malformed();
        value = byte != 0;
    }
    template <typename Value>
        requires std::is_enum_v<Value>
    void get(Value& value) {
        std::underlying_type_t<Value> number{};
        get(number);
        if (number > last(value)) throw Malformed();
        value = static_cast<Value>(number);
    }
    static constexpr std::uint8_t last(Verdict) { return static_cast<std::uint8_t>(Verdict::global_lock); }
    static constexpr std::uint8_t last(Confidence) { return static_cast<std::uint8_t>(Confidence::weak); }
    static constexpr std::uint8_t last(AbiFlavour) { return static_cast<std::uint8_t>(AbiFlavour::interlock); }
    static constexpr std::uint8_t last(inputs::Compression) {
        return static_cast<std::uint8_t>(inputs::Compression::zstd);
    }
    static constexpr std::uint8_t last(MarkerKind) { return marker_kind_count - 1; }
    static constexpr std::uint8_t last(Effect) { return static_cast<std::uint8_t>(Effect::unknown); }
    static constexpr auto last(Errc) { return static_cast<std::underlying_type_t<Errc>>(Errc::internal); }
    void get(std::string& text) {
        std::size_t size = 0;
        get(size);
        text = bytes(size);
    }
    void get(std::filesystem::path& path) {
        std::string text;
        get(text);
        path = std::move(text);
    }
    template <typename Value>
    void get(std::optional<Value>& value) {
        bool there = false;
        get(there);
        value.reset();
        if (there) get(value.emplace());
    }
    template <typename Value>
    void get(std::vector<Value>& values) {
        std::size_t size = 0;
        get(size);
        values.clear();
        // Each takes at least a byte: a wrong number ends here, before it has cost memory.
        for (std::size_t i = 0; i < size; ++i) get(values.emplace_back());
    }
    template <typename Value>
    void get(Value& structure) {
        members(*this, structure);
    }

    std::string_view wire_;
};

template <typename Archive>
void members(Archive& archive, Evidence& evidence) {
    auto& [what, where] = evidence;
    archive(what, where);
}
template <typename Archive>
void members(Archive& archive, SlotSeen& slot) {
    auto& [id, name, value, depth, pointer, known] = slot;
    archive(id, name, value, depth, pointer, known);
}
template <typename Archive>
void members(Archive& archive, CallSeen& call) {
    auto& [function, arguments, result, where] = call;
    archive(function, arguments, result, where);
}
template <typename Archive>
void members(Archive& archive, PythonVersion& version) {
    auto& [major, minor] = version;
    archive(major, minor);
}
template <typename Archive>
void members(Archive& archive, EffectOn& effect_on) {
    auto& [python, effect, why] = effect_on;
    archive(python, effect, why);
}
template <typename Archive>
void members(Archive& archive, ModuleAudit& module) {
    auto& [name, entry_point, primary, verdict, confidence, reason, delegated_to, marker, marker_kind, marker_value,
           phase, evidence, assumed, effects, slots, calls, calls_left_out, instructions] = module;
    archive(name, entry_point, primary, verdict, confidence, reason, delegated_to, marker, marker_kind, marker_value,
            phase, evidence, assumed, effects, slots, calls, calls_left_out, instructions);
}
template <typename Archive>
void members(Archive& archive, BinaryAudit& binary) {
    auto& [path, format, architecture, platform, slice, abi, abi_version, abi_evidence, build_id, sha256, size, modules,
           exports, libraries, library_folders, missing_libraries, writable_globals, stateful_calls, borrowed_calls,
           package] = binary;
    archive(path, format, architecture, platform, slice, abi, abi_version, abi_evidence, build_id, sha256, size,
            modules, exports, libraries, library_folders, missing_libraries, writable_globals, stateful_calls,
            borrowed_calls, package);
}
template <typename Archive>
void members(Archive& archive, verdict::BinaryContext& context) {
    auto& [path, module_path, disk_path, manifest, not_run_because, libraries] = context;
    archive(path, module_path, disk_path, manifest, not_run_because, libraries);
}
template <typename Archive>
void members(Archive& archive, Error& error) {
    auto& [code, message] = error;
    archive(code, message);
}

template <typename Archive>
void members(Archive& archive, inputs::PackedMember& packed) {
    auto& [_, member, path] = packed;
    archive(member.name, member.unreadable, member.stored_name, member.offset, member.end, member.packed,
            member.unpacked, member.crc, member.method, path);
}
template <typename Archive>
void members(Archive& archive, TarPlace& place) {
    auto& [compression, name, outermost, packed, entries, unpacked] = place;
    archive(compression, name, outermost, packed, entries, unpacked);
}
template <typename Archive>
void members(Archive& archive, inputs::Member& member) {
    auto& [name, size, nameless, regular, claims_otherwise, link, hard_link, unreadable] = member;
    archive(name, size, nameless, regular, claims_otherwise, link, hard_link, unreadable);
}

template <typename Value>
std::string written(const Value& value) {
    Writer writer;
    writer(value);
    return writer.take();
}

template <typename Value>
bool read_all(std::string_view wire, Value& value) {
    Reader reader(wire);
    try {
        reader(value);
    } catch (const Malformed&) {
        return false;
    }
    return reader.at_end();
}

Error not_understood() { return {Errc::internal, "the process that judges answers nonsense"}; }

}  // namespace

std::string to_wire(const verdict::BinaryContext& context) { return written(context); }
std::string to_wire(const inputs::PackedMember& packed) { return written(packed); }
std::string to_wire(const TarPlace& place) { return written(place); }
std::string to_wire(const inputs::Member& member) { return written(member); }
std::string to_wire(const Error& error) { return written(error); }

std::string to_wire(const Result<std::vector<BinaryAudit>>& result) {
    Writer writer;
    writer(result.ok());
    if (result.ok())
        writer(*result);
    else
        writer(result.error());
    return writer.take();
}

Result<verdict::BinaryContext> context_from_wire(std::string_view wire) {
    verdict::BinaryContext context;
    if (!read_all(wire, context)) return not_understood();
    return context;
}

bool packed_from_wire(std::string_view wire, inputs::PackedMember& packed) { return read_all(wire, packed); }
bool tar_from_wire(std::string_view wire, TarPlace& place) { return read_all(wire, place); }
bool member_from_wire(std::string_view wire, inputs::Member& member) { return read_all(wire, member); }
bool error_from_wire(std::string_view wire, Error& error) { return read_all(wire, error); }

Result<std::vector<BinaryAudit>> audits_from_wire(std::string_view wire) {
    if (wire.empty() || static_cast<unsigned char>(wire.front()) > 1) return not_understood();
    const bool good = wire.front() == 1;
    wire.remove_prefix(1);
    std::vector<BinaryAudit> audits;
    Error error;
    if (good ? !read_all(wire, audits) : !read_all(wire, error)) return not_understood();
    if (!good) return error;
    return audits;
}

}  // namespace interlock::auditing::worker
