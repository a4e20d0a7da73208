// audit.cpp: the audit as a whole: one thread reads the inputs, all of them judge what it finds; then what takes all
// results together. The report does not depend on who was faster.
//
// SPDX-License-Identifier: MIT
#include <interlock/audit.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <new>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include <interlock/digest.hpp>
#include <interlock/escape.hpp>
#include <interlock/manifest.hpp>

#include "inputs/archive_names.hpp"
#include "inputs/inputs.hpp"
#include "inputs/inputs_queue.hpp"
#include "inputs/manifest_beside.hpp"
#include "rules/findings.hpp"
#include "verdict/binary.hpp"
#include "worker/libraries_beside.hpp"
#include "worker/worker.hpp"

namespace interlock {
namespace auditing {
namespace {

/// A hostile archive can have a million wrong members; nobody reads about all of them.
constexpr std::size_t most_messages = 10'000;

/// Keeps the first messages in the order of the walk, whoever comes first.
template <typename Message>
class FirstMessages {
public:
    void add(std::uint64_t sequence, Message message) {
        ++count_;
        kept_.emplace(sequence, std::move(message));
        if (kept_.size() > most_messages) kept_.erase(std::prev(kept_.end()));
    }
    /// Empty afterwards.
    std::vector<Message> take(const std::set<std::uint64_t>& without) {
        std::vector<Message> messages;
        for (auto& [sequence, message] : kept_)
            if (!without.contains(sequence)) messages.push_back(std::move(message));
        kept_.clear();
        return messages;
    }
    std::size_t left_out() const noexcept { return count_ > most_messages ? count_ - most_messages : 0; }

private:
    std::multimap<std::uint64_t, Message> kept_;
    std::size_t count_ = 0;
};

unsigned wanted_threads(const AuditOptions& options) {
    return options.threads != 0 ? options.threads : static_cast<unsigned>(tbb::info::default_concurrency());
}

bool needs_hashes(const AuditOptions& options) {
    if (options.details) return true;
    return options.policy != nullptr && std::any_of(options.policy->rules.begin(), options.policy->rules.end(),
                                                    [](const PolicyRule& rule) { return rule.sha256.has_value(); });
}

/// Walks inputs, and judges what is found, on all threads.
class Audit : private inputs::InputSink {
public:
    explicit Audit(const AuditOptions& options)
        : options_(options),
          hashes_(needs_hashes(options)),
          memory_(options.budget.memory),
          deadline_(options.time_limit.count() > 0 ? std::chrono::steady_clock::now() + options.time_limit
                                                   : worker::Worker::Time::max()),
          at_once_(worker::Workers::most_at_once(options, wanted_threads(options))),
          workers_(options, deadline_, at_once_),
          inputs_(options.budget, memory_, *this, workers_),
          queue_(at_once_, [this](inputs::Candidate candidate) { audit_candidate(std::move(candidate)); }) {
        memory_.set_help([this] { return queue_.help(); });
        workers_.prepare();
    }

    void run(std::span<const std::string> inputs) {
        for (const std::string& input : inputs) inputs_.walk(input);
        {
            const std::lock_guard lock(progress_mutex_);
            progress_.all_found = true;
        }
        queue_.finish();
    }

    /// After run(); once.
    void fill(AuditReport& report) {
        std::sort(judged_.begin(), judged_.end(),
                  [](const Judged& a, const Judged& b) { return a.sequence < b.sequence; });
        std::set<std::pair<std::string, std::size_t>> used;
        for (Judged& judged : judged_) {
            if (discarded_.contains(judged.sequence)) continue;
            report.statistics.bytes += judged.size;
            for (BinaryAudit& binary : judged.binaries) {
                binary.package = judged.package;
                used.insert({inputs_.packages()[judged.package].path, judged.package});
                report.binaries.push_back(std::move(binary));
            }
        }
        judged_.clear();
        number_packages(report, used);
        sort_binaries(report.binaries);
        report.errors = errors_.take(discarded_);
        std::sort(report.errors.begin(), report.errors.end(), [](const InputError& a, const InputError& b) {
            return std::tie(a.path, a.message) < std::tie(b.path, b.message);
        });
        if (errors_.left_out() > 0)
            report.errors.push_back({"", Errc::unreadable,
                                     "and " + std::to_string(errors_.left_out()) +
                                         " more that could not be read; audit less at once to see them"});
        report.skipped = skipped_.take(discarded_);
        std::sort(report.skipped.begin(), report.skipped.end());
        if (skipped_.left_out() > 0) report.skipped.push_back("and " + std::to_string(skipped_.left_out()) + " more");
        report.statistics.files = inputs_.files();
        report.statistics.binaries = report.binaries.size();
    }

private:
    struct Judged {
        std::uint64_t sequence = 0, size = 0;
        std::size_t package = 0;
        std::vector<BinaryAudit> binaries;
    };

    /// By path and architecture; a member that occurs twice in an archive keeps its order.
    static void sort_binaries(std::vector<BinaryAudit>& binaries) {
        std::vector<std::size_t> order(binaries.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::tie(binaries[a].path, binaries[a].architecture, a) <
                   std::tie(binaries[b].path, binaries[b].architecture, b);
        });
        std::vector<BinaryAudit> sorted;
        sorted.reserve(binaries.size());
        for (const std::size_t index : order) sorted.push_back(std::move(binaries[index]));
        binaries = std::move(sorted);
    }

    /// Only packages with something in them, in the order of their paths.
    void number_packages(AuditReport& report, const std::set<std::pair<std::string, std::size_t>>& used) {
        std::vector<std::size_t> order;
        for (const auto& [path, index] : used) order.push_back(index);
        const auto& all = inputs_.packages();
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::tie(all[a].path, all[a].name, a) < std::tie(all[b].path, all[b].name, b);
        });
        std::map<std::size_t, std::size_t> numbers;
        for (const std::size_t index : order) {
            numbers.emplace(index, report.packages.size());
            report.packages.push_back(all[index]);
        }
        for (BinaryAudit& binary : report.binaries) binary.package = numbers.at(binary.package);
    }

    // InputSink, on the thread that walks.
    void binary(inputs::Candidate candidate) override {
        progress(1, 0, 0, candidate.path);
        queue_.push(std::move(candidate));
    }
    void error(std::uint64_t sequence, InputError error) override {
        const std::lock_guard lock(mutex_);
        errors_.add(sequence, std::move(error));
    }
    void skipped(std::uint64_t sequence, std::string text) override {
        const std::lock_guard lock(mutex_);
        skipped_.add(sequence, std::move(text));
    }
    std::optional<Error> stopped(const std::string& path) override {
        if (std::chrono::steady_clock::now() < deadline_) return std::nullopt;
        return worker::not_in_time(path, options_);
    }
    void discard(std::uint64_t sequence) override {
        const std::lock_guard lock(mutex_);
        discarded_.insert(sequence);
    }

    void progress(unsigned found, unsigned done, std::uint64_t bytes, const std::string& current) {
        if (!options_.on_progress) return;
        const std::lock_guard lock(progress_mutex_);
        progress_.found += found;
        progress_.done += done;
        progress_.bytes += bytes;
        progress_.current = current;
        options_.on_progress(progress_);
    }

    /// One file, on any thread. Whatever is wrong with it concerns nobody else.
    void audit_candidate(inputs::Candidate candidate) {
        const auto failed = [&](Errc code, std::string message) {
            error(candidate.sequence, {candidate.path, code, std::move(message)});
        };
        try {
            if (const auto why = stopped(candidate.path)) throw Failure(*why);
            judge_file(candidate);
        } catch (const Failure& failure) {
            failed(failure.error().code, failure.error().message);
        } catch (const std::bad_alloc&) {
            failed(Errc::unreadable, "cannot audit " + quoted(candidate.path, 4096) + ": out of memory");
        } catch (const std::exception& exception) {
            failed(Errc::internal, "cannot audit " + quoted(candidate.path, 4096) + ": " + escape(exception.what()));
        } catch (...) {
            failed(Errc::internal, "cannot audit " + quoted(candidate.path, 4096) + ": unknown exception");
        }
        progress(0, 1, candidate.content.size(), candidate.path);
    }

    void judge_file(inputs::Candidate& candidate) {
        verdict::BinaryContext context;
        context.path = candidate.path;
        context.module_path = std::move(candidate.module_path);
        context.disk_path = candidate.disk_path;
        context.manifest = std::move(candidate.manifest);
        const worker::FindLibrary find_library = libraries_of(candidate, context);
        candidate.load(options_.budget.binary_size, workers_);
        const std::string beginning = candidate.content.head(inputs::head_size);
        const inputs::Head head(reinterpret_cast<const std::uint8_t*>(beginning.data()), beginning.size());
        if (!candidate.named && !candidate.in_wheel && !inputs::looks_like_binary(head)) {
            if (head.empty()) return skip(candidate, "an empty file");
            if (inputs::looks_like_text(head))
                return skip(candidate, "text, as linker scripts are; no compiled module");
        }
        if (!candidate.disk_path.empty()) {
            auto manifest = inputs::manifest_beside(candidate.disk_path);
            if (manifest)
                context.manifest = std::move(*manifest);
            else
                error(candidate.sequence,
                      {manifest_path(candidate.path).native(), manifest.error().code, manifest.error().message});
        }
        auto binaries = worker::audit_with_libraries(workers_, candidate.content, context, find_library);
        if (!binaries) {
            if (binaries.error().code == Errc::unsupported && !candidate.named)
                return skip(candidate, binaries.error().message);
            return error(candidate.sequence, {candidate.path, binaries.error().code, binaries.error().message});
        }
        if (hashes_ || !context.manifest.empty()) {
            const bool missing = std::any_of(binaries->begin(), binaries->end(),
                                             [](const BinaryAudit& binary) { return binary.sha256.empty(); });
            const std::string hash = missing ? candidate.content.sha256() : "";
            for (BinaryAudit& binary : *binaries)
                if (binary.sha256.empty()) binary.sha256 = hash;
        }
        const std::lock_guard lock(mutex_);
        judged_.push_back({candidate.sequence, candidate.content.size(), candidate.package, std::move(*binaries)});
    }

    /// Before the candidate is loaded, which forgets where it was.
    worker::FindLibrary libraries_of(const inputs::Candidate& candidate, const verdict::BinaryContext& context) {
        if (!candidate.disk_path.empty())
            return worker::libraries_on_disk(candidate.disk_path, context.module_path, options_.budget.binary_size);
        if (!candidate.packed) return [](const BinaryAudit&, const std::string&) { return nullptr; };
        // Most modules need none: the index is made for the first that does.
        return [this, packed = *candidate.packed, find = worker::FindLibrary()](const BinaryAudit& binary,
                                                                                const std::string& name) mutable {
            if (!find) find = worker::libraries_in_zip(index_of(packed), packed.member.name, options_.budget, workers_);
            return find(binary, name);
        };
    }

    /// Of the archive that was asked for last: modules of one come together. Null if it cannot be made, which is no
    /// reason to know nothing of a module.
    std::shared_ptr<const inputs::ZipIndex> index_of(const inputs::PackedMember& packed) {
        const std::lock_guard lock(index_mutex_);
        if (indexed_ != packed.archive) {
            index_ = nullptr;
            indexed_ = packed.archive;
            try {
                const std::string archive = packed.path.substr(0, packed.path.size() - packed.member.name.size() - 1);
                index_ = std::make_shared<const inputs::ZipIndex>(packed.archive, archive, options_.budget);
            } catch (const Failure&) {
            }
        }
        return index_;
    }

    void skip(const inputs::Candidate& candidate, std::string_view why) {
        skipped(candidate.sequence, escape(candidate.path, 4096) + ": " + std::string(why));
    }

    const AuditOptions& options_;
    bool hashes_;
    std::mutex mutex_;
    std::vector<Judged> judged_;
    FirstMessages<InputError> errors_;
    FirstMessages<std::string> skipped_;
    std::set<std::uint64_t> discarded_;
    std::mutex index_mutex_;
    std::shared_ptr<const inputs::OpenedFile> indexed_;
    std::shared_ptr<const inputs::ZipIndex> index_;
    std::mutex progress_mutex_;
    AuditProgress progress_;
    inputs::MemoryBudget memory_;
    worker::Worker::Time deadline_;
    unsigned at_once_;
    worker::Workers workers_;
    inputs::Inputs inputs_;
    inputs::WorkQueue<inputs::Candidate> queue_;  // last: its end waits for those who use the rest
};

bool delegates(const AuditReport& report) {
    return std::any_of(report.binaries.begin(), report.binaries.end(), [](const BinaryAudit& binary) {
        return std::any_of(binary.modules.begin(), binary.modules.end(),
                           [](const ModuleAudit& module) { return module.verdict == Verdict::delegated; });
    });
}

/// What is on the search path. Of its errors only those of the path itself matter: the rest was not asked for.
std::vector<BinaryAudit> audit_search_path(const AuditOptions& options, AuditReport& report,
                                           worker::Worker::Time start) {
    std::vector<std::string> paths;
    for (const auto& path : options.search_path) paths.push_back(path.native());
    AuditOptions quiet = options;
    quiet.on_progress = nullptr;
    quiet.details = false;
    if (options.time_limit.count() > 0) {
        const auto used = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
        quiet.time_limit = std::max(options.time_limit - used, std::chrono::milliseconds(1));
    }
    AuditReport found;
    Audit audit(quiet);
    audit.run(paths);
    audit.fill(found);
    for (InputError& error : found.errors)
        if (std::find(paths.begin(), paths.end(), error.path) != paths.end()) report.errors.push_back(std::move(error));
    return std::move(found.binaries);
}

AuditOptions complete(const AuditOptions& options) {
    AuditOptions result = options;
    if (result.pythons.empty()) result.pythons.assign(default_pythons().begin(), default_pythons().end());
    std::set<PythonVersion> seen;
    std::erase_if(result.pythons, [&](const PythonVersion& python) { return !seen.insert(python).second; });
    return result;
}

}  // namespace
}  // namespace auditing

AuditReport audit(std::span<const std::string> inputs, const AuditOptions& given) {
    using namespace auditing;
    const auto start = std::chrono::steady_clock::now();
    const AuditOptions options = complete(given);
    AuditReport report;
    report.pythons = options.pythons;
    {
        Audit audit(options);
        audit.run(inputs);
        audit.fill(report);
    }
    std::vector<BinaryAudit> others;
    if (!options.search_path.empty() && delegates(report)) others = audit_search_path(options, report, start);
    verdict::take_abi_from_wheel(report);
    verdict::resolve_delegations(report, others, options);
    verdict::summarize_packages(report);
    rules::find_all(report, given);  // which has the interpreters that were asked for by name
    report.statistics.duration = std::chrono::steady_clock::now() - start;
    return report;
}

AuditReport audit(const std::filesystem::path& input, const AuditOptions& options) {
    const std::string text = input.native();
    return audit(std::span(&text, 1), options);
}

Result<std::vector<BinaryAudit>> audit_image(std::span<const std::uint8_t> image, const std::string& path,
                                             const AuditOptions& given) {
    using namespace auditing;
    const AuditOptions options = complete(given);
    verdict::BinaryContext context;
    context.path = path;
    const std::size_t member = path.rfind('!');
    context.module_path = inputs::below_import_root(member == path.npos ? std::string_view(path)
                                                                        : std::string_view(path).substr(member + 1));
    try {
        const inputs::Content content = inputs::Content::of_bytes(image);
        worker::Worker worker(options);
        auto binaries = worker.audit({content.file(), content.size(), context});
        if (!binaries) return binaries;
        AuditReport report;
        report.pythons = options.pythons;
        report.binaries = std::move(*binaries);
        verdict::resolve_delegations(report, {}, options);
        if (needs_hashes(options))
            for (BinaryAudit& binary : report.binaries)
                if (binary.sha256.empty()) binary.sha256 = sha256_hex(image);
        return std::move(report.binaries);
    } catch (const Failure& failure) {
        return failure.error();
    }
}

}  // namespace interlock
