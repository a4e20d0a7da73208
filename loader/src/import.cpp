// One import, in the order of docs/design.md: find, read the marker, decide, refuse, switch, map, execute, publish,
// warn. Until the switch nothing has happened that would have to be undone; no code of the module runs before it.
//
// SPDX-License-Identifier: MIT
#include <interlock/escape.hpp>

#include "loader_state.hpp"

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
    Importing(LoaderState& state, Passage& passage, const ImportOptions& options, std::vector<std::string> imported_by)
        : state_(state), passage_(passage), name_(passage.name), options_(options),
          imported_by_(std::move(imported_by)) {}

    Result<std::shared_ptr<ModuleRecord>> run() {
        const Clock::time_point begin = Clock::now();
        Outcome outcome = prepare();
        if (outcome) outcome = fall_back_if_needed();
        if (outcome) outcome = map();
        if (outcome) outcome = execute();
        if (!outcome) {
            undo();
            return std::move(outcome).error();
        }
        {
            std::lock_guard guard(state_.mutex);
            record_->import_duration = Clock::now() - begin;
        }
        publish();
        if (judged_.decision.action == PolicyAction::global_lock &&
            state_.runtime.options().gil == GilSetting::automatic)
            state_.issue(state_.fallback_warning(name_, file_, judged_.decision, imported_by_, switched_));
        return record_;
    }

private:
    Error failed(Errc code, std::string why) const {
        return {code, "module " + quoted(name_) + " from " + quoted(file_.path.string(), 1000) + ": " + std::move(why)};
    }

    // Steps 1 to 4: nothing of the module is mapped, the mode is untouched.
    Outcome prepare() {
        Result<std::filesystem::path> path = state_.locate(name_);
        if (!path) return std::move(path).error();
        Result<ModuleFile> file = read_module_file(*path, ReadDepth::markers);
        if (!file) return std::move(file).error();
        file_ = std::move(*file);
        if (!file_.native) return failed(Errc::load_failed, "it is a library for another machine (ELF e_machine " +
                                                                std::to_string(file_.machine) + ")");
        if (const Marker* marker = file_.marker_for(name_); marker != nullptr && marker->abi != IL_ABI_VERSION)
            return failed(Errc::wrong_abi, "its marker says ABI " + std::to_string(marker->abi) +
                                               ", this interlock has ABI " + std::to_string(IL_ABI_VERSION) +
                                               "; rebuild the module with the interlock/module.h of this version");
        Result<LoaderState::Judged> judged = state_.decide(name_, file_, options_.threading);
        if (!judged) return std::move(judged).error();
        judged_ = std::move(*judged);
        if (judged_.decision.refused()) {
            std::string why = "refused";
            for (const Reason& reason : judged_.decision.why)
                if (reason.decided) why += ": " + reason.text;
            return failed(Errc::refused, std::move(why));
        }
        for (const Warning& warning : judged_.warnings) {
            if (state_.action_for(warning) == WarningAction::error) return as_error(warning);
            state_.issue(warning);
        }
        if (state_.needs_lock(judged_.decision)) {
            const Warning warning =
                state_.fallback_warning(name_, file_, judged_.decision, imported_by_, std::nullopt);
            if (state_.action_for(warning) == WarningAction::error) return as_error(warning);
        }
        return Ok{};
    }

    static Error as_error(const Warning& warning) {
        return {Errc::warning_as_error, warning.text() + "  the import is refused, as a warning filter turns this "
                                                         "warning into an error; the runtime stays as it was"};
    }

    // Step 5: before the library is mapped, as its constructors run then.
    Outcome fall_back_if_needed() {
        if (!state_.needs_lock(judged_.decision)) return Ok{};
        const auto deadline = options_.switch_deadline ? options_.switch_deadline : state_.options.switch_deadline;
        Result<SwitchReport> report = state_.runtime.switch_to_locked("import of " + quoted(name_), deadline);
        if (!report) return failed(report.error().code, report.error().message);
        switched_ = *report;
        FallbackEvent event;
        event.module = name_;
        event.imported_by = imported_by_;
        event.at = std::chrono::system_clock::now();
        event.switched = report->switched;
        event.switch_duration = report->duration;
        event.outcome = "being imported";
        std::lock_guard guard(state_.mutex);
        passage_.fallback = state_.fallbacks.size();
        state_.fallbacks.push_back(std::move(event));
        return Ok{};
    }

    // Step 6, first half: constructors and the export function are code of the module, so the thread is attached.
    Outcome map() {
        record_ = std::make_shared<ModuleRecord>(state_, name_);
        record_->imported_by = imported_by_;
        record_->imported_at = std::chrono::system_clock::now();
        record_->decision = judged_.decision;
        record_->own_site = call_site(name_, "(import)");
        Attached attached;
        AtSite site(record_->own_site);
        try {
            record_->library.load(file_.path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
        } catch (const std::exception& e) {
            return failed(Errc::load_failed, "the dynamic linker refuses it: " + escape(e.what(), 1000));
        }
        mapped_ = true;
        Result<FileIdentity> identity = file_identity(file_.path);
        if (!identity || *identity != file_.identity)
            return failed(Errc::file_changed, "the file was changed while it was being imported, so its marker cannot "
                                              "be relied on; import it again when it is complete");
        return find_entry();
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
        std::string why = "it exports neither il_module_export_" + last + " nor il_module_init_" + last;
        if (Result<ModuleFile> full = read_module_file(file_.path, ReadDepth::entry_points)) {
            std::string others;
            for (const auto* names : {&full->exports, &full->legacy_inits})
                for (const std::string& other : *names) others += (others.empty() ? "" : ", ") + quoted(other, 200);
            why += others.empty() ? "; it is no module of interlock" : "; it is the file of " + others;
        }
        return failed(Errc::missing_symbol, std::move(why));
    }

    void* symbol(const std::string& name) const {
        return record_->library.has(name) ? reinterpret_cast<void*>(&record_->library.get<void()>(name)) : nullptr;
    }

    // Step 6, second half: behind its gate, as other threads may already come in through circular imports.
    Outcome execute() {
        ModuleRecord& record = *record_;
        record.file = file_;
        record.gate.store(judged_.decision.action == PolicyAction::module_lock ? gate_module_lock : gate_open,
                          std::memory_order_seq_cst);
        if (init_ != nullptr) return run_init();
        {
            std::lock_guard guard(state_.mutex);
            passage_.partial = record_;
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
        listen_to_init();
        return Ok{};
    }

    static il_status invocation_error(Scope& scope, std::string message) {
        if (scope.error_code() == IL_OK) scope.set_error(IL_ERROR_FAILED, std::move(message));
        return scope.error_code();
    }

    // A legacy module may say from inside what others say in their marker. It counts as much as a marker: less than
    // what the user says.
    void listen_to_init() {
        if (!record_->stated_threading) return;
        const auto level = static_cast<ThreadingLevel>(*record_->stated_threading);
        Decision& decision = judged_.decision;
        const bool decides = decision.source == DecisionSource::default_;
        decision.why.push_back({DecisionSource::init, static_cast<PolicyAction>(level), decides,
                                "its init function says " + std::string(level_name(level))});
        if (!decides) return;
        for (Reason& reason : decision.why) reason.decided = reason.source == DecisionSource::init;
        decision.action = static_cast<PolicyAction>(level);
        decision.source = DecisionSource::init;
        if (level == ThreadingLevel::module_lock) record_->gate.store(gate_module_lock, std::memory_order_seq_cst);
        if (level == ThreadingLevel::global_lock || !passage_.fallback) return;
        state_.give_back_lock(std::exchange(passage_.fallback, std::nullopt),
                              "declared " + std::string(level_name(level)) + " in init");
    }

    // Step 7.
    void publish() {
        std::lock_guard guard(state_.mutex);
        ModuleRecord& record = *record_;
        record.decision = judged_.decision;
        record.loaded = record.mapped = true;
        record.fallback = std::exchange(passage_.fallback, std::nullopt);
        if (record.fallback) state_.fallbacks[*record.fallback].outcome = "loaded";
        state_.loaded[record.name] = record_;
        record.history_index = state_.history.size();
        state_.history.push_back({record_, {}});
    }

    void undo() {
        if (record_ && mapped_) {
            {
                std::lock_guard guard(state_.mutex);
                passage_.partial = nullptr;
            }
            take_down();
        }
        if (passage_.fallback)
            state_.give_back_lock(std::exchange(passage_.fallback, std::nullopt), "import failed");
    }

    // Others may be inside, by way of a circular import. A thread that does not come out again must not hang this one.
    void take_down() {
        constexpr std::chrono::seconds patience(10);
        if (LoaderState::close_gate(*record_, patience))
            LoaderState::take_down(*record_, false);
        else
            new std::shared_ptr<ModuleRecord>(record_);  // its library stays mapped, its memory stays valid
    }

    LoaderState& state_;
    Passage& passage_;
    const std::string& name_;
    const ImportOptions& options_;
    std::vector<std::string> imported_by_;
    ModuleFile file_;
    LoaderState::Judged judged_;
    std::optional<SwitchReport> switched_;
    std::shared_ptr<ModuleRecord> record_;
    il_module_init init_ = nullptr;
    bool mapped_ = false;
};

bool in_chain(const ImportFrame* chain, const Passage* passage) noexcept {
    for (; chain != nullptr; chain = chain->outer)
        if (chain->passage == passage) return true;
    return false;
}

}  // namespace

bool LoaderState::would_deadlock(const ImportFrame* chain, const Passage* target) const {
    std::vector<const Passage*> open{target};
    std::set<const Passage*> seen{target};
    while (!open.empty()) {
        const Passage* passage = open.back();
        open.pop_back();
        if (in_chain(chain, passage)) return true;
        for (const Waiter& waiter : waiters)
            if (in_chain(waiter.chain, passage) && seen.insert(waiter.target).second) open.push_back(waiter.target);
    }
    return false;
}

void LoaderState::wait_for(std::unique_lock<std::mutex>& guard, ImportFrame* chain,
                           const std::shared_ptr<Passage>& passage) {
    const auto waiter = waiters.insert(waiters.end(), {chain, passage.get()});
    passage_done.wait(guard, [&] { return passage->done; });
    waiters.erase(waiter);
}

namespace {

Error circular_error(std::string_view name) {
    return {Errc::import_deadlock, "the import of " + quoted(name) + " waits, by way of other imports, for itself, "
                                       "and the module does not exist yet; import it later, not while it is loaded"};
}

}  // namespace

void LoaderState::give_back_lock(const std::optional<std::size_t>& event, std::string outcome) {
    if (!event) return;
    runtime.switch_to_parallel();
    std::lock_guard guard(mutex);
    fallbacks[*event].ended = std::chrono::system_clock::now();
    fallbacks[*event].outcome = std::move(outcome);
}

void LoaderState::finish_passage(const std::shared_ptr<Passage>& passage) {
    {
        std::lock_guard guard(mutex);
        passage->done = true;
        passages.erase(passage->name);
    }
    passage_done.notify_all();
}

Result<std::shared_ptr<ModuleRecord>> LoaderState::import(std::string_view name, const ImportOptions& import_options,
                                                          std::vector<std::string> imported_by) {
    if (Outcome valid = check_name(name); !valid) return std::move(valid).error();
    {
        std::lock_guard guard(mutex);
        if (const auto entry = loaded.find(name); entry != loaded.end()) return entry->second;
    }
    // From here on the thread may wait, for another import or for the switch.
    Detached outside;
    ThreadSlot* slot = own_slot();
    auto* chain = static_cast<ImportFrame*>(slot->loader_imports);
    std::shared_ptr<ModuleRecord> package;
    if (const std::string_view parent = parent_of(name); !parent.empty()) {
        if (locate(parent) || !is_namespace(parent)) {
            std::vector<std::string> through{"import of " + quoted(name)};
            through.insert(through.end(), imported_by.begin(), imported_by.end());
            ImportOptions package_options = import_options;
            package_options.threading = std::nullopt;
            auto imported = import(parent, package_options, std::move(through));
            if (!imported) return imported;
            package = std::move(*imported);
        }
    }
    std::shared_ptr<Passage> passage;
    for (;;) {
        std::unique_lock guard(mutex);
        if (const auto entry = loaded.find(name); entry != loaded.end()) return entry->second;
        const auto under_way = passages.find(name);
        if (under_way == passages.end()) {
            passage = std::make_shared<Passage>();
            passage->name = name;
            passages.emplace(passage->name, passage);
            break;
        }
        const std::shared_ptr<Passage> other = under_way->second;
        if (would_deadlock(chain, other.get())) {
            if (other->partial) return other->partial;
            return circular_error(name);
        }
        wait_for(guard, chain, other);
        if (other->unloading) continue;
        if (other->error) return *other->error;
        return other->result;
    }

    ImportFrame frame{passage.get(), chain};
    slot->loader_imports = &frame;
    auto result = Importing(*this, *passage, import_options, std::move(imported_by)).run();
    slot->loader_imports = chain;
    if (result) {
        passage->result = *result;
        std::lock_guard guard(mutex);
        if (package) (*result)->uses.insert(package.get());
    } else {
        passage->error = result.error();
    }
    finish_passage(passage);
    return result;
}

std::vector<std::string> importers(const ModuleRecord& record, const CallSite& site) {
    std::vector<std::string> chain{record.name + ", " + escape(site.function, 200)};
    chain.insert(chain.end(), record.imported_by.begin(), record.imported_by.end());
    return chain;
}

}  // namespace interlock::detail
