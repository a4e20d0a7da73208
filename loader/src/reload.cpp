// Reloading: an unloading and an import, and the way from functions of an earlier version to those of the present one.
// Nobody waits for a reload who runs code of a module or imports one: the reload may be waiting for them.
//
// SPDX-License-Identifier: MIT
#include <interlock/escape.hpp>

#include "loader_state.hpp"

namespace interlock::detail {

namespace {

bool is_open(const ModuleRecord& record) noexcept {
    return (record.gate.load(std::memory_order_seq_cst) & gate_open) != 0;
}

/// What two versions of a function must agree on: the first line of the documentation, which is how it is called.
std::string_view signature(const FunctionRecord& function) noexcept {
    const std::string_view doc = function.doc;
    return doc.substr(0, doc.find('\n'));
}

/// Notes that a module is not loaded as its reload failed, unless the reload ends well. With no need of memory.
class Broken {
public:
    Broken(LoaderState& state, std::string_view name, const std::shared_ptr<Lineage>& lineage) : state_(state) {
        decltype(state.broken) made{{std::string(name), lineage}};
        node_ = made.extract(made.begin());
    }
    ~Broken() {
        if (!unloaded || node_.empty()) return;
        std::lock_guard guard(state_.mutex);
        state_.broken.insert(std::move(node_));
    }
    Broken(const Broken&) = delete;
    Broken& operator=(const Broken&) = delete;

    void mended() noexcept { node_ = {}; }
    bool unloaded = false;

private:
    LoaderState& state_;
    decltype(LoaderState::broken)::node_type node_;
};

/// From before the module is unloaded until the new version is there, or is known not to come.
class UnderWay {
public:
    UnderWay(LoaderState& state, std::string_view name, std::shared_ptr<Lineage> lineage)
        : state_(state), name_(name), lineage_(std::move(lineage)) {
        lineage_->under_way = 1;
    }
    ~UnderWay() {
        {
            std::lock_guard guard(state_.mutex);
            // Not there any more in the child of a fork that came in between.
            if (const auto entry = state_.reloads.find(name_); entry != state_.reloads.end())
                state_.reloads.erase(entry);
        }
        lineage_->under_way = 0;
        lineage_->under_way.notify_all();
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

private:
    LoaderState& state_;
    std::string_view name_;
    std::shared_ptr<Lineage> lineage_;
};

}  // namespace

Result<std::shared_ptr<ModuleRecord>> LoaderState::reload(std::string_view name, const ReloadOptions& reload_options,
                                                          std::vector<std::string> imported_by) {
    Detached outside;
    const auto by_another = [&] {
        return Error{Errc::in_use, "module " + quoted(name) + " is being reloaded already"};
    };
    {
        std::lock_guard guard(mutex);
        if (reloads.contains(name)) return by_another();
        if (!loaded.contains(name) && !broken.contains(name))
            return Error{Errc::not_found, "module " + quoted(name) + " is not loaded, so it cannot be reloaded"};
    }
    // Most of what can be wrong with a new version is found while the old one still works.
    if (const Result<Plan> plan = plan_anew(name, reload_options.import); !plan || plan->error)
        return plan ? *plan->error : plan.error();
    std::shared_ptr<Lineage> lineage;
    {
        std::lock_guard guard(mutex);
        if (reloads.contains(name)) return by_another();
        if (const auto entry = broken.find(name); entry != broken.end()) lineage = entry->second;
        std::lock_guard process(process_mutex());
        if (const auto entry = loaded.find(name); entry != loaded.end()) {
            ModuleRecord& record = *entry->second;
            if (!lineage) lineage = record.lineage ? record.lineage : std::make_shared<Lineage>();
            record.lineage = lineage;
            lineage->current = entry->second;
        }
        if (!lineage)
            return Error{Errc::not_found, "module " + quoted(name) + " was unloaded before it could be reloaded"};
        reloads.emplace(name, lineage);
    }
    const UnderWay under_way(*this, name, lineage);
    Broken unless_imported(*this, name, lineage);
    if (Outcome unloaded = unload({&name, 1}, reload_options.unload);
        !unloaded && unloaded.error().code != Errc::not_found)
        return std::move(unloaded).error();
    unless_imported.unloaded = true;
    auto imported = import(name, reload_options.import, std::move(imported_by));
    if (!imported) return imported;
    unless_imported.mended();
    std::lock_guard guard(mutex);
    std::lock_guard process(process_mutex());
    (*imported)->lineage = lineage;
    lineage->current = *imported;
    if (const auto entry = broken.find(name); entry != broken.end()) broken.erase(entry);
    return imported;
}

FunctionRecord* follow(FunctionRecord& late, std::shared_ptr<ModuleRecord>& keeps, Scope& scope) {
    const ModuleRecord& record = *late.module;
    const std::string full_name = record.name + "." + escape(late.name, 200);
    const auto nowhere = [&](std::string why) {
        scope.set_error(IL_ERROR_STATE, std::move(why));
        return nullptr;
    };
    if (Runtime::current() == nullptr) return nullptr;  // then it was not the gate that was closed
    for (;;) {
        std::shared_ptr<Lineage> lineage;
        keeps = nullptr;  // not under the mutex, which the end of a record takes
        {
            std::lock_guard guard(process_mutex());
            lineage = record.lineage;
            if (!lineage) return nullptr;
            keeps = lineage->current.lock();
        }
        if (lineage->under_way != 0) {
            if (own_imports() != nullptr || own_slot()->loader_frame != nullptr)
                return nowhere("module " + quoted(record.name) +
                               " is being reloaded, and that may wait for this thread, which runs or imports a module; "
                               "call it again later");
            const Detached while_waiting;
            lineage->under_way.wait(1);
            continue;
        }
        if (!keeps) return nullptr;
        if (!is_open(*keeps)) {
            // Unloaded; unless a reload has closed it, or was not able to, since this loop looked for one.
            if (lineage->under_way != 0 || is_open(*keeps)) continue;
            std::shared_ptr<ModuleRecord> now_current;
            {
                std::lock_guard guard(process_mutex());
                now_current = lineage->current.lock();
            }
            if (now_current != keeps) continue;
            return nullptr;
        }
        if (keeps.get() == &record) return &late;  // it could not be unloaded, and is open again
        const auto now = keeps->by_name.find(late.name);
        if (now == keeps->by_name.end())
            return nowhere("module " + quoted(record.name) + " was reloaded, and has no " + full_name + " any more");
        if (signature(*now->second) != signature(late))
            return nowhere("module " + quoted(record.name) + " was reloaded, and " + full_name +
                           " has another signature: it was " + quoted(signature(late), 200) + " and is " +
                           quoted(signature(*now->second), 200) + "; get the function anew");
        return now->second;
    }
}

}  // namespace interlock::detail
