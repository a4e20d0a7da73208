// known_module.cpp: entries on disk are texts with lengths in front, one for each module, file and auditor, and count
// for one identity of the file. Only what nobody else could write is believed: it decides about the GIL of this
// process.
//
// SPDX-License-Identifier: MIT
#include "known_module.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/descriptor.hpp"

namespace interlock::python {

namespace {

constexpr std::string_view format = "interlock verdict 2";
constexpr std::size_t longest = 1u << 20;

/// Who can write it decides about the GIL of this process.
bool only_ours(const struct stat& status) noexcept {
    return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string content_of(const std::filesystem::path& path) {
    const base::Opened file = base::open_for_reading(path.c_str(), O_NOFOLLOW);
    if (!file.is_regular() || !only_ours(file.status) || static_cast<std::size_t>(file.status.st_size) > longest)
        return {};
    std::string text(static_cast<std::size_t>(file.status.st_size), '\0');
    return ::read(file.descriptor.get(), text.data(), text.size()) == file.status.st_size ? text : std::string();
}

/// FNV-1a: two entries with the same name replace each other, as what they are about is in them.
std::uint64_t hash(std::initializer_list<std::string_view> words) noexcept {
    std::uint64_t value = 0xcbf29ce484222325u;
    for (const std::string_view word : words) {
        for (const char one : word) value = (value ^ static_cast<unsigned char>(one)) * 0x100000001b3u;
        value = (value ^ 0xffu) * 0x100000001b3u;  // between words; in no text
    }
    return value;
}

/// What an entry is made of: strings, each with its length before it ("3:abc").
class Writer {
public:
    void add(std::string_view text) {
        text_ += std::to_string(text.size());
        text_ += ':';
        text_ += text;
    }
    template <typename Enum>
        requires std::is_enum_v<Enum>
    void add(Enum value) {
        add(std::to_string(static_cast<unsigned>(value)));
    }
    const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

/// Reads the same. After the first thing that is wrong all is empty, and ok() false.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_(text) {}
    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return rest_.empty(); }

    std::string_view next() noexcept {
        std::size_t size = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
        const auto digits = static_cast<std::size_t>(end - rest_.data());
        if (error != std::errc() || digits == rest_.size() || *end != ':' || size > rest_.size() - digits - 1) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view found = rest_.substr(digits + 1, size);
        rest_.remove_prefix(digits + 1 + size);
        return found;
    }
    bool is(std::string_view expected) noexcept { return next() == expected && ok_; }
    template <typename Enum>
    Enum enumerator(Enum last) noexcept {
        const std::string_view text = next();
        unsigned number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size() || number > static_cast<unsigned>(last)) {
            ok_ = false;
            return Enum{};
        }
        return static_cast<Enum>(number);
    }

private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

std::string identity_of(const std::filesystem::path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) return {};
    return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

VerdictCache::VerdictCache(std::filesystem::path folder, std::string auditor)
    : folder_(std::move(folder)), auditor_(std::move(auditor)) {}

std::filesystem::path VerdictCache::entry(const std::string& module, const std::filesystem::path& file) const {
    return folder_ / fmt::format("{:016x}", hash({module, file.native(), auditor_}));
}

std::optional<KnownModule> VerdictCache::find(const std::string& module, const std::filesystem::path& file,
                                              const std::string& identity) const {
    if (folder_.empty() || identity.empty()) return std::nullopt;
    const std::string text = content_of(entry(module, file));
    Reader reader(text);
    if (!reader.is(format) || !reader.is(auditor_) || !reader.is(module) || !reader.is(file.native()) ||
        !reader.is(identity))
        return std::nullopt;
    KnownModule known;
    known.identity = identity;
    known.verdict = reader.enumerator(Verdict::global_lock);
    known.confidence = reader.enumerator(Confidence::weak);
    known.effect = reader.enumerator(Effect::unknown);
    for (std::string* field : {&known.effect_why, &known.reason, &known.delegated_to, &known.build_id})
        *field = reader.next();
    while (reader.ok() && !reader.at_end()) {
        const std::string_view what = reader.next();
        known.evidence.push_back({std::string(what), std::string(reader.next())});
    }
    if (!reader.ok()) return std::nullopt;
    return known;
}

void VerdictCache::keep(const std::string& module, const std::filesystem::path& file, const KnownModule& known) const {
    if (folder_.empty() || known.identity.empty()) return;
    Writer writer;
    for (const std::string_view field : {format, std::string_view(auditor_), std::string_view(module),
                                         std::string_view(file.native()), std::string_view(known.identity)})
        writer.add(field);
    writer.add(known.verdict);
    writer.add(known.confidence);
    writer.add(known.effect);
    for (const std::string* field : {&known.effect_why, &known.reason, &known.delegated_to, &known.build_id})
        writer.add(*field);
    for (const Evidence& one : known.evidence) {
        writer.add(one.what);
        writer.add(one.where);
    }
    const std::string& text = writer.text();
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed) return;
    struct stat status{};
    if (::stat(folder_.c_str(), &status) != 0 || !only_ours(status)) return;
    std::string temporary = (folder_ / "new.XXXXXX").string();
    const base::Descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!out) return;
    const bool written = ::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (!written || ::rename(temporary.c_str(), entry(module, file).c_str()) != 0) ::unlink(temporary.c_str());
}

std::filesystem::path default_verdict_folder() {
    const char* wish = std::getenv("INTERLOCK_VERDICT_CACHE");
    if (wish != nullptr && std::string_view(wish) == "0") return {};
    const char* cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && cache[0] == '/') return std::filesystem::path(cache) / "interlock" / "verdicts";
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') return {};
    return std::filesystem::path(home) / ".cache" / "interlock" / "verdicts";
}

}  // namespace interlock::python
