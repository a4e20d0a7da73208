// One import, in the order of docs/design.md: find, read the marker, decide, refuse, switch, map, execute, publish,
// warn. Until the switch nothing has happened that would have to be undone; no code of the module runs before it.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include <algorithm>
#include <iterator>
#include <new>

#include <interlock/escape.hpp>

#include "base/regular_file.hpp"
#include "linker_turn.hpp"
#include "loaded_image.hpp"
#include "loader_state.hpp"
#include "manifests/decide.hpp"

namespace interlock::detail {

namespace {

using Clock = std::chrono::steady_clock;

/// Names what the thread does, for the report of a switch that this thread holds up.
class AtSite {
public:
    explicit AtSite(const CallSite* site) : slot_(own_slot()), outer_(slot_->site.load(std::memory_order_relaxed)) {
        slot_->site.store(site, std::memory_order_release);
    }
    ~AtSite() { slot_->site.store(outer_, std::memory_order_relaxed); }

private:
    ThreadSlot* slot_;
    const CallSite* outer_;
};

class Importing {
public:
    Importing(LoaderState& state, const std::shared_ptr<ImportLock>& import_lock, const ImportOptions& options,
              std::vector<std::string> imported_by)
        : state_(state),
          import_lock_(*import_lock),
          name_(import_lock_.name),
          options_(options),
          imported_by_(std::move(imported_by)) {}

    LoaderState::Imported run() {
        Outcome outcome = steps();
        if (outcome) return {record_, std::move(warnings_)};
        std::vector<Warning> warnings = std::move(judged_.warnings);
        // Nothing is said of a module that an error already speaks of.
        if (outcome.error().code == Errc::refused || outcome.error().code == Errc::warning_as_error) warnings.clear();
        return {std::move(outcome).error(), std::move(warnings)};
    }

private:
    Outcome steps() {
        const Clock::time_point begin = Clock::now();
        Outcome outcome = Ok{};
        try {
            outcome = prepare();
            if (outcome) outcome = fall_back_if_needed();
            if (outcome) outcome = map();
            if (outcome) outcome = execute();
            if (outcome) publish(Clock::now() - begin);
        } catch (const std::exception& e) {
            outcome = described(e);
        } catch (...) {  // pthread_exit, pthread_cancel
            abandon();
            throw;
        }
        if (!outcome) undo(outcome.error());
        return outcome;
    }

    // There may be no memory for the description. What remains fits into a string without any.
    Error described(const std::exception& e) const noexcept {
        try {
            if (const auto* failure = dynamic_cast<const Failure*>(&e))
                return failed(failure->error().code, failure->error().message);
            return failed(Errc::internal, std::string("an exception ended the import: ") + escape(e.what()));
        } catch (...) {
            return out_of_memory(Errc::internal);
        }
    }
    static Error out_of_memory(Errc code) noexcept { return {code, "out of memory"}; }

    Error failed(Errc code, std::string why) const {
        return {code, "module " + quoted(name_) + " from " + quoted(file_.path.string(), 1000) + ": " + std::move(why)};
    }

    // Steps 1 to 4: nothing of the module is mapped, the mode is untouched.
    Outcome prepare() {
        Result<ModuleFile> file = state_.find(name_);
        if (!file) return std::move(file).error();
        file_ = std::move(*file);
        auto libraries = state_.libraries_of(file_, LoaderState::Whose::this_process, of_libraries_);
        if (!libraries) return failed(libraries.error().code, libraries.error().message);
        judge(std::move(*libraries));
        if (auto error = state_.obstacle(name_, file_, judged_, imported_by_)) return std::move(*error);
        if (const std::string& why = LinkerTurn::lost(); !why.empty()) return failed(Errc::wrong_state, why);
        // Open until it is mapped, so that no other file can get its inode.
        Result<base::RegularFile> open = base::RegularFile::open(file_.path);
        if (!open || open->identity() != file_.identity) return changed();
        open_.emplace(std::move(*open));
        if (another_is_mapped(file_, open_->descriptor()))
            return failed(Errc::file_changed,
                          "an earlier version of the file is still mapped, and cannot be unmapped "
                          "safely; start the program again, or give the new version another path");
        return Ok{};
    }

    void judge(std::vector<PulledLibrary> libraries) {
        judged_ = state_.decide(name_, file_, options_.threading, std::move(libraries));
        judged_.warnings.insert(judged_.warnings.end(), of_libraries_.begin(), of_libraries_.end());
    }

    Error changed() const {
        return failed(Errc::file_changed,
                      "the file was changed while it was being imported, so its marker cannot "
                      "be relied on; import it again when it is complete");
    }

    // Step 5: before the library is mapped, as its constructors run then.
    Outcome fall_back_if_needed() {
        if (!state_.needs_lock(judged_.decision)) return Ok{};
        const auto deadline = options_.switch_deadline ? options_.switch_deadline : state_.options.switch_deadline;
        // Made before, so that nothing can go wrong between the switch and the note that it has to be taken back.
        std::map<EventId, FallbackEvent> made;
        FallbackEvent& event = made[0];
        event.module = name_;
        event.imported_by = imported_by_;
        event.outcome = "being imported";
        Result<SwitchReport> report =
            state_.runtime.switch_to_locked("import of " + quoted(name_), deadline, &import_lock_.request.asked);
        if (!report) return failed(report.error().code, report.error().message);
        switched_ = *report;
        lock_on_ = true;
        event.at = std::chrono::system_clock::now();
        event.switched = report->switched;
        event.switch_duration = report->duration;
        auto node = made.extract(made.begin());
        std::lock_guard guard(state_.mutex);
        node.key() = state_.next_fallback++;
        import_lock_.request.event = node.key();
        state_.fallbacks.insert(std::move(node));
        return Ok{};
    }

    // Step 6, first half: constructors and the export function are code of the module, so the thread is attached.
    Outcome map() {
        auto record = std::make_shared<ModuleRecord>(state_, name_);
        record->file = file_;
        record->imported_by = imported_by_;
        record->imported_at = std::chrono::system_clock::now();
        record->decision = judged_.decision;
        record->package = import_lock_.package;
        record->own_site = call_site(name_, "(import)");
        record->thread_site = call_site(name_, "(thread of the module)");
        record->teardown_site = call_site(name_, "(teardown)");
        record->destructor_site = call_site(name_, "destructor of a handle");
        import_lock_.lingering = LoaderState::lingering_warning(*record);
        set_gate(*record, false);
        {
            std::lock_guard guard(state_.mutex);
            import_lock_.record = record_ = std::move(record);
        }
        if (open_->present_identity() != file_.identity) return changed();
        const AtSite site(record_->own_site);
        std::vector<LinkedObject> fresh;
        if (const auto why = map(fresh))
            return failed(Errc::load_failed, "the dynamic linker refuses it: " + escape(*why, 1000));
        if (Outcome same = compare(); !same) return same;
        if (Outcome libraries = answer_for(fresh); !libraries) return libraries;
        const Attached attached;
        return find_entry();
    }

    // Why the linker refuses it, if it does. What is new after that and not of an import that a constructor made is
    // this one's.
    std::optional<std::string> map(std::vector<LinkedObject>& fresh) const {
        const LinkerTurn turn;
        const std::uint64_t begin = state_.linked().next_number();
        auto why = interlock::detail::map(*record_);
        if (why) return why;
        LinkedObjects& linked = state_.linked();
        fresh = linked.claim_from(begin, file_.path.native(), state_.libraries->search.files());
        return std::nullopt;
    }

    // Libraries that are not what was planned: constructors opened them, or the linker knows more than we do. Their
    // constructors have run, but nothing of the module has been called.
    Outcome answer_for(const std::vector<LinkedObject>& fresh) {
        auto beyond = state_.libraries_beyond(judged_.libraries, fresh, of_libraries_);
        if (!beyond) return failed(beyond.error().code, beyond.error().message);
        if (beyond->empty()) return Ok{};
        const bool had_lock = state_.needs_lock(judged_.decision);
        std::vector<PulledLibrary> all = std::move(judged_.libraries);
        std::move(beyond->begin(), beyond->end(), std::back_inserter(all));
        judge(std::move(all));
        if (auto error = state_.obstacle(name_, file_, judged_, imported_by_)) return std::move(*error);
        set_gate(*record_, false);
        return had_lock ? Outcome(Ok{}) : fall_back_if_needed();
    }

    // What was judged must be what runs: the file that was read, unchanged, and mapped.
    Outcome compare() {
        const Result<FileIdentity> at_path = file_identity(file_.path);
        if (!at_path || *at_path != file_.identity || open_->present_identity() != file_.identity) return changed();
        image_ = LoadedImage::of(record_->library.native());
        const auto difference = image_ ? image_->differs_from(file_, open_->descriptor())
                                       : std::optional<std::string>("it does not know of it");
        open_.reset();
        if (difference)
            return failed(Errc::file_changed, "what the dynamic linker has mapped is not the file that was read: " +
                                                  *difference + "; import it again when nobody replaces it");
        return Ok{};
    }

    void set_gate(ModuleRecord& record, bool open) const {
        const PolicyAction action = judged_.decision.action;
        record.copies_results.store(action != PolicyAction::free, std::memory_order_relaxed);
        record.gate.store((action == PolicyAction::module_lock ? gate_module_lock : 0u) | (open ? gate_open : 0u),
                          std::memory_order_seq_cst);
    }

    Outcome find_entry() {
        const std::string last(last_component(name_));
        if (auto* address = symbol("il_module_export_" + last)) {
            const il_module_def* def = reinterpret_cast<il_module_export>(address)();
            if (def == nullptr) return failed(Errc::export_failed, "il_module_export_" + last + "() returned NULL");
            if (Outcome adopted = adopt_definition(*record_, def); !adopted)
                return failed(adopted.error().code, adopted.error().message);
            return Ok{};
        }
        if (auto* address = symbol("il_module_init_" + last)) {
            init_ = reinterpret_cast<il_module_init>(address);
            record_->legacy = true;
            return Ok{};
        }
        return failed(Errc::missing_symbol, missing_entry(file_, name_));
    }

    void* symbol(const std::string& name) const {
        void* address = dlsym(record_->library.native(), name.c_str());  // shared_library looks it up twice, or throws
        // Not one of a library that it needs, and no data.
        return image_->has_code_at(address) ? address : nullptr;
    }

    // Step 6, second half: behind its gate, as other threads may already come in through circular imports.
    Outcome execute() {
        ModuleRecord& record = *record_;
        set_gate(record, true);
        if (init_ != nullptr) return run_init();
        {
            std::lock_guard guard(state_.mutex);
            import_lock_.partial = true;
        }
        if (record.def->exec == nullptr) return Ok{};
        Scope scope;
        const il_status status = through_gate(record, call_site(name_, "(exec)"), scope, GateCheck::already_inside,
                                              [&](Invocation& call) { return record.def->exec(&call); });
        if (status == IL_OK) return Ok{};
        return failed(Errc::exec_failed, "its exec function failed: " + scope.error_message());
    }

    Outcome run_init() {
        ModuleRecord& record = *record_;
        Scope scope;
        const il_status status =
            through_gate(record, call_site(name_, "(legacy init)"), scope, GateCheck::already_inside,
                         [&](Invocation& call) -> il_status {
                             record.in_init = true;
                             il_module* made = init_(&host_table);
                             record.in_init = false;
                             if (call.is_detached || made == opaque(record)) return IL_OK;
                             if (made != nullptr)
                                 return invocation_error(scope, "it returned something that is not its module");
                             return invocation_error(scope, "it returned NULL and said no more");
                         });
        record.in_init = false;
        if (status != IL_OK)
            return failed(Errc::init_failed, "its legacy init function failed: " + scope.error_message());
        if (record.def == nullptr)
            return failed(Errc::init_failed, "its legacy init function did not create a module with il_module_create");
        return listen_to_init();
    }

    static il_status invocation_error(Scope& scope, std::string message) {
        if (scope.error_code() == IL_OK) scope.set_error(IL_ERROR_FAILED, std::move(message));
        return scope.error_code();
    }

    // A legacy module may say from inside what others say in their marker. The user and a manifest count more.
    Outcome listen_to_init() {
        if (!record_->stated_threading) return Ok{};
        const auto level = static_cast<ThreadingLevel>(*record_->stated_threading);
        Decision& decision = judged_.decision;
        const bool decides = decision.source == DecisionSource::default_;
        const auto says = static_cast<PolicyAction>(level);
        if (!decides) {
            decision.why.push_back({DecisionSource::init, says, false, manifests::said_in_init(level)});
            return Ok{};
        }
        decision.overrule(DecisionSource::init, says, manifests::said_in_init(level));
        set_gate(*record_, true);
        if (level != ThreadingLevel::global_lock) {
            lock_on_ = false;
            give_back(level == ThreadingLevel::free ? "declared free in init" : "declared module_lock in init");
            return Ok{};
        }
        // Later than for other modules, where a policy's default let it in without the lock.
        if (import_lock_.request.event) return Ok{};
        if (auto error = state_.obstacle(name_, file_, judged_, imported_by_)) return std::move(*error);
        return fall_back_if_needed();
    }

    // Step 7. First all that needs memory: then it happens as a whole, or not at all.
    void publish(std::chrono::nanoseconds duration) {
        ModuleRecord& record = *record_;
        warnings_ = judged_.warnings;
        if (lock_on_) warnings_.push_back(state_.fallback_warning(name_, file_, judged_, imported_by_, switched_));
        Decision decision = judged_.decision;
        std::vector<PulledLibrary> libraries = judged_.libraries;
        std::map<std::uint64_t, LoaderState::Past> past;
        past[0].live = record_;
        decltype(state_.loaded) entry{{record.name, record_}};
        import_lock_.event.kind = EventKind::imported;
        import_lock_.event.text = escape(file_.path.string(), 1000);
        import_lock_.event.duration = duration;
        auto in_history = past.extract(past.begin());
        auto in_list = entry.extract(entry.begin());
        std::lock_guard guard(state_.mutex);
        record.loads = ++state_.loads[record.name].count;
        {
            std::lock_guard objects(record.objects);
            record.decision = std::move(decision);
            record.libraries = std::move(libraries);
        }
        record.import_duration = duration;
        record.loaded = record.mapped = true;
        record.request = std::exchange(import_lock_.request, {});
        if (record.request.event) state_.fallbacks.find(*record.request.event)->second.outcome = "loaded";
        record.history_index = in_history.key() = state_.next_in_history++;
        state_.history.insert(std::move(in_history));
        state_.loaded.insert(std::move(in_list));
        import_lock_.result = record_;
    }

    void undo(const Error& error) noexcept {
        {
            std::lock_guard guard(state_.mutex);
            import_lock_.partial = false;
            give_error([&] { return error; }, error.code);
        }
        state_.import_lock_released.notify_all();  // those inside the module must not wait for it
        if (record_ && record_->library.is_loaded()) take_down();
        if (record_) state_.warn_of_lingering(import_lock_);
        give_back("import failed");
    }

    /// To whoever waits for the import lock. Under LoaderState::mutex.
    template <typename Make>
    void give_error(Make make, Errc code) noexcept {
        try {
            import_lock_.error = make();
        } catch (const std::bad_alloc&) {
            import_lock_.error = out_of_memory(code);
        }
    }

    // Others may be inside, by way of a circular import. A thread that does not come out again must not hang this one.
    void take_down() {
        constexpr std::uint64_t patience_ms = 10'000;
        record_->gate.fetch_and(~gate_open, std::memory_order_seq_cst);
        heavy_fence();
        if (wait_until_outside(record_->index, 0, patience_ms)) {
            LoaderState::run_down(*record_, false);
            LoaderState::take_away(*record_);
        } else {
            keep_for_good(record_);
        }
        std::lock_guard guard(state_.mutex);
        record_->uses.clear();
    }

    // The thread ends (pthread_exit) in the middle of code of the module: nothing can be undone but the fallback.
    void abandon() noexcept {
        {
            std::lock_guard guard(state_.mutex);
            import_lock_.partial = false;
            const char* const why = "the thread that imported it ended in the middle of the import";
            give_error([&] { return failed(Errc::exec_failed, why); }, Errc::exec_failed);
            if (record_) record_->uses.clear();
        }
        if (record_) {
            record_->gate.fetch_and(~gate_open, std::memory_order_seq_cst);
            keep_for_good(record_);
        }
        give_back("import failed");
    }

    void give_back(std::string_view outcome) noexcept { state_.give_back_lock(import_lock_.request, outcome); }

    LoaderState& state_;
    ImportLock& import_lock_;
    const std::string& name_;
    const ImportOptions& options_;
    std::vector<std::string> imported_by_;
    ModuleFile file_;
    std::optional<base::RegularFile> open_;
    std::optional<LoadedImage> image_;
    LoaderState::Judged judged_;
    std::optional<SwitchReport> switched_;
    std::vector<Warning> of_libraries_;
    std::vector<Warning> warnings_;  ///< of a success
    bool lock_on_ = false;           ///< for this module, and so it is worth a warning
    std::shared_ptr<ModuleRecord> record_;
    il_module_init init_ = nullptr;
};

}  // namespace

void LoaderState::give_back_lock(LockRequest& request, std::string_view outcome) noexcept {
    constexpr std::size_t max_past_fallbacks = 1000;
    // With GilSetting::off there is an event and no request; in the child of a fork perhaps one of the two.
    if (request.asked) runtime.switch_to_parallel(&request.asked);
    std::lock_guard guard(mutex);
    const auto event = std::exchange(request.event, std::nullopt);
    if (!event) return;
    FallbackEvent& over = fallbacks.find(*event)->second;
    over.ended = std::chrono::system_clock::now();
    try {
        over.outcome = outcome;
    } catch (const std::bad_alloc&) {
        over.outcome = "ended";
    }
    if (++past_fallbacks <= max_past_fallbacks) return;
    const auto oldest = std::find_if(fallbacks.begin(), fallbacks.end(),
                                     [](const auto& entry) { return entry.second.ended.has_value(); });
    fallbacks.erase(oldest);
    --past_fallbacks;
}

LoaderState::Imported LoaderState::run_import(const std::shared_ptr<ImportLock>& import_lock,
                                              const ImportOptions& import_options,
                                              std::vector<std::string> imported_by) {
    const UnderImportLock importing(*import_lock);
    return Importing(*this, import_lock, import_options, std::move(imported_by)).run();
}

}  // namespace interlock::detail
