// Records of modules, and what the process keeps of them: the index among the tallies, used again when the last
// reference is gone, and the names of call sites.
//
// SPDX-License-Identifier: MIT
#include "module_record.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include "lingering.hpp"
#include "loader_state.hpp"

namespace interlock::detail {

namespace {

/// Indices of tallies in use in this process.
class Indices {
public:
    std::size_t take() {
        std::lock_guard guard(process_mutex());
        if (!unused_.empty()) {
            const std::size_t index = unused_.back();
            unused_.pop_back();
            return index;
        }
        if (next_ == max_modules)
            throw Failure({Errc::unsupported, "more than " + std::to_string(max_modules) +
                                                  " modules are loaded, or referred to after they were unloaded"});
        // So that giving one back, in a destructor, needs no memory.
        if (unused_.capacity() <= next_) unused_.reserve(std::max<std::size_t>(64, 2 * next_));
        return next_++;
    }
    void give_back(std::size_t index) {
        std::lock_guard guard(process_mutex());
        unused_.push_back(index);
    }

private:
    std::vector<std::size_t> unused_;
    std::size_t next_ = 0;
};

Indices& indices() {
    static auto* all = new Indices;  // records may outlive static destructors
    return *all;
}

}  // namespace

std::mutex& process_mutex() noexcept {
    static constinit std::mutex mutex;
    return mutex;
}

const CallSite* call_site(std::string_view module, std::string_view function) {
    const auto less = [](const CallSite& a, const CallSite& b) {
        return std::tie(a.module, a.function) < std::tie(b.module, b.function);
    };
    static auto* sites = new std::set<CallSite, decltype(less)>(less);
    CallSite site{std::string(module), std::string(function)};
    std::lock_guard guard(process_mutex());
    return &*sites->insert(std::move(site)).first;
}

bool is_inside(const ModuleRecord& record) {
    ThreadSlot* slot = own_slot();
    if (tally_of(slot, record.index)->inside.load(std::memory_order_relaxed) != 0) return true;
    const auto* call = static_cast<const Invocation*>(slot->loader_frame);
    while (call != nullptr && &call->record() != &record) call = call->outer;
    return call != nullptr;
}

void keep_for_good(const std::shared_ptr<ModuleRecord>& record) noexcept {
    static std::atomic<ModuleRecord*> first{nullptr};
    if (record->kept_by_itself) return;
    record->kept_by_itself = record;
    record->next_kept_record = first.load(std::memory_order_relaxed);
    while (!first.compare_exchange_weak(record->next_kept_record, record.get(), std::memory_order_release,
                                        std::memory_order_relaxed)) {
    }
}

static std::uint64_t next_serial() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

ModuleRecord::ModuleRecord(LoaderState& owner, std::string dotted_name)
    : index(indices().take()),
      loader(owner),
      serial(next_serial()),
      name(std::move(dotted_name)),
      tally_base(sum_tallies(index)) {
    lingering.reserve(max_lingering);  // it may have to say that there is no memory
}

const ValueLimits& value_limits(const ModuleRecord& record) noexcept { return record.loader.options.value_limits; }

ModuleRecord::~ModuleRecord() { indices().give_back(index); }

}  // namespace interlock::detail

namespace interlock {

const std::string& Module::name() const noexcept { return record_->name; }
const std::filesystem::path& Module::file() const noexcept { return record_->file.path; }
const std::string& Module::version() const noexcept { return record_->version; }
const std::string& Module::doc() const noexcept { return record_->doc; }

bool Module::loaded() const noexcept {
    return (record_->gate.load(std::memory_order_acquire) & detail::gate_open) != 0;
}

ThreadingLevel Module::level() const noexcept { return decision().level(); }

}  // namespace interlock
