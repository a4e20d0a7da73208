// known_module.cpp: see known_module.hpp.
//
// SPDX-License-Identifier: MIT
#include "known_module.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <interlock/digest.hpp>
#include <nlohmann/json.hpp>

namespace interlock::python {

namespace {

using Json = nlohmann::json;

constexpr int format = 1;
constexpr std::size_t longest = 1u << 20;

class File {
public:
    explicit File(int number) noexcept : number_(number) {}
    ~File() {
        if (number_ >= 0) ::close(number_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int get() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }

private:
    int number_;
};

/// Who can write it decides about the GIL of this process.
bool only_ours(const struct stat& status) noexcept {
    return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string content_of(const std::filesystem::path& path) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || !only_ours(status) ||
        static_cast<std::size_t>(status.st_size) > longest)
        return {};
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    return ::read(file.get(), text.data(), text.size()) == status.st_size ? text : std::string();
}

template <typename Enum>
Enum enumerator(const Json& json, const char* key, Enum last) {
    const auto number = json.at(key).get<unsigned>();
    if (number > static_cast<unsigned>(last)) throw std::out_of_range(key);
    return static_cast<Enum>(number);
}

}  // namespace

std::string identity_of(const std::filesystem::path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) return {};
    return fmt::format("{}:{}:{}:{}.{}:{}.{}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

VerdictCache::VerdictCache(std::filesystem::path folder, std::string judge)
    : folder_(std::move(folder)), judge_(std::move(judge)) {}

std::filesystem::path VerdictCache::entry(const std::string& module, const std::filesystem::path& file) const {
    const std::string name = module + '\0' + file.string() + '\0' + judge_;
    return folder_ / (sha256_hex({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}) + ".json");
}

std::optional<KnownModule> VerdictCache::find(const std::string& module, const std::filesystem::path& file,
                                              const std::string& identity) const {
    if (folder_.empty() || identity.empty()) return std::nullopt;
    const Json json = Json::parse(content_of(entry(module, file)), nullptr, false);
    try {
        if (!json.is_object() || json.at("format") != format || json.at("judge") != judge_ ||
            json.at("module") != module || json.at("identity") != identity)
            return std::nullopt;
        KnownModule known;
        known.identity = identity;
        known.verdict = enumerator(json, "verdict", Verdict::global_lock);
        known.confidence = enumerator(json, "confidence", Confidence::weak);
        known.effect = enumerator(json, "effect", Effect::unknown);
        known.effect_why = json.at("effect_why");
        known.reason = json.at("reason");
        known.delegated_to = json.at("delegated_to");
        known.build_id = json.at("build_id");
        for (const Json& one : json.at("evidence")) known.evidence.push_back({one.at("what"), one.at("where")});
        return known;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

void VerdictCache::keep(const std::string& module, const std::filesystem::path& file, const KnownModule& known) const {
    if (folder_.empty() || known.identity.empty()) return;
    Json evidence = Json::array();
    for (const Evidence& one : known.evidence) evidence.push_back({{"what", one.what}, {"where", one.where}});
    const Json json{{"format", format},
                    {"judge", judge_},
                    {"module", module},
                    {"file", file.string()},
                    {"identity", known.identity},
                    {"verdict", static_cast<unsigned>(known.verdict)},
                    {"confidence", static_cast<unsigned>(known.confidence)},
                    {"effect", static_cast<unsigned>(known.effect)},
                    {"effect_why", known.effect_why},
                    {"reason", known.reason},
                    {"delegated_to", known.delegated_to},
                    {"build_id", known.build_id},
                    {"evidence", std::move(evidence)}};
    const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed) return;
    struct stat status{};
    if (::stat(folder_.c_str(), &status) != 0 || !only_ours(status)) return;
    std::string temporary = (folder_ / "new.XXXXXX").string();
    const File out(::mkostemp(temporary.data(), O_CLOEXEC));
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
