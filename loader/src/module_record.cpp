// Records of modules: their index among the tallies is used again when the last reference is gone.
//
// SPDX-License-Identifier: MIT
#include "module_record.hpp"

#include <mutex>
#include <vector>

namespace interlock::detail {

namespace {

/// Indices of tallies in use in this process.
class Indices {
public:
    std::size_t take() {
        std::lock_guard guard(mutex_);
        if (!unused_.empty()) {
            const std::size_t index = unused_.back();
            unused_.pop_back();
            return index;
        }
        if (next_ == max_modules)
            throw Failure({Errc::unsupported, "more than " + std::to_string(max_modules) +
                                                  " modules are loaded, or referred to after they were unloaded"});
        return next_++;
    }
    void give_back(std::size_t index) {
        std::lock_guard guard(mutex_);
        unused_.push_back(index);
    }

private:
    std::mutex mutex_;
    std::vector<std::size_t> unused_;
    std::size_t next_ = 0;
};

Indices& indices() {
    static auto* all = new Indices;  // records may outlive static destructors
    return *all;
}

}  // namespace

ModuleRecord::ModuleRecord(LoaderState& owner, std::string dotted_name)
    : index(indices().take()), loader(owner), name(std::move(dotted_name)), tally_base(sum_tallies(index)) {}

ModuleRecord::~ModuleRecord() { indices().give_back(index); }

}  // namespace interlock::detail

namespace interlock {

const std::string& Module::name() const noexcept { return record_->name; }
const std::filesystem::path& Module::file() const noexcept { return record_->file.path; }
const std::string& Module::version() const noexcept { return record_->version; }
const std::string& Module::doc() const noexcept { return record_->doc; }

bool Module::loaded() const noexcept {
    return record_->gate.load(std::memory_order_acquire) != detail::gate_closed;
}

ThreadingLevel Module::level() const noexcept { return decision().level(); }

}  // namespace interlock
