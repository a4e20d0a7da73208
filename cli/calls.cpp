// calls.cpp: the records of calls, and how they are put in words (calls.hpp).
//
// SPDX-License-Identifier: MIT
#include "calls.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "call_guard.hpp"

namespace interlock::cli {

namespace {

std::atomic<CallRecord*> newest{nullptr};

CallRecord& record_for_a_thread() {
    for (CallRecord* record = newest.load(); record != nullptr; record = record->next) {
        if (!record->in_use.exchange(true)) return *record;
    }
    auto* record = new CallRecord;
    record->in_use.store(true);
    record->next = newest.load();
    while (!newest.compare_exchange_weak(record->next, record)) {
    }
    return *record;
}

/// Gives the record back at the end of the thread.
struct OwnRecord {
    OwnRecord() : record(record_for_a_thread()) { record.slot = detail::own_slot(); }
    ~OwnRecord() {
        record.slot = nullptr;
        record.in_use.store(false);
    }
    OwnRecord(const OwnRecord&) = delete;
    OwnRecord& operator=(const OwnRecord&) = delete;
    CallRecord& record;
};

/// Of this thread, when it has one; apart from it, so that a signal handler can look without making it.
thread_local CallRecord* this_record = nullptr;

CallRecord& own_record() {
    thread_local const OwnRecord own;
    this_record = &own.record;
    return own.record;
}

class Busy {
public:
    explicit Busy(CallRecord& record) noexcept : record_(record) {
        while (record_.busy.test_and_set(std::memory_order_acquire)) {  // others look for moments only
        }
    }
    ~Busy() { record_.busy.clear(std::memory_order_release); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

private:
    CallRecord& record_;
};

/// The loader names what is no function in brackets.
void add_site(Line& line, const CallSite& site) noexcept {
    struct Words {
        std::string_view function, before, after;
    };
    static constexpr Words all[] = {{"(import)", "while ", " was mapped, which runs its constructors"},
                                    {"(exec)", "in the exec function of ", ""},
                                    {"(legacy init)", "in the init function of ", ""},
                                    {"(teardown)", "in the teardown function of ", ""},
                                    {"destructor of a handle", "in the destructor of a handle of ", ""}};
    const Words* const words =
        std::find_if(std::begin(all), std::end(all), [&](const Words& each) { return site.function == each.function; });
    if (words == std::end(all)) {
        line.add("in function ").add_quoted(site.function).add(" of module ").add_quoted(site.module);
        return;
    }
    line.add(words->before).add("module ").add_quoted(site.module).add(words->after);
}

void add_call(Line& line, const CallRecord& record) noexcept {
    switch (record.kind) {
        case CallKind::import:
            line.add("the import of module ").add_quoted(record.module);
            break;
        case CallKind::function:
            line.add("the call of ").add_quoted(record.function).add(" of module ").add_quoted(record.module);
            break;
        case CallKind::unload:
            line.add("the unloading of ");
            if (record.module.empty())
                line.add("all modules");
            else
                line.add("module ").add_quoted(record.module);
            break;
    }
    if (!record.input.empty()) line.add(" for input ").add_quoted(record.input, 1000);
}

/// `site`: innermost, or null.
void add_place(Line& line, const CallSite* site, const CallRecord* record) noexcept {
    if (site == nullptr) {
        line.add("during ");
        add_call(line, *record);
        return;
    }
    add_site(line, *site);
    if (record == nullptr) return;
    // What the command called, where that is another.
    const bool same =
        record->kind == CallKind::function ? record->function == site->function : record->kind == CallKind::import;
    if (!same || record->module != site->module) {
        line.add(", during ");
        add_call(line, *record);
    } else if (!record->input.empty()) {
        line.add(", for input ").add_quoted(record->input, 1000);
    }
}

}  // namespace

Line& Line::add(std::string_view text) noexcept {
    const std::size_t fits = std::min(text.size(), size - used_);
    std::memcpy(text_ + used_, text.data(), fits);
    used_ += fits;
    return *this;
}

Line& Line::add_quoted(std::string_view text, std::size_t most) noexcept {
    static constexpr char digits[] = "0123456789abcdef";
    add("'");
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\' && c != '\'') {
            add({&c, 1});
            continue;
        }
        const char shown[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        add({shown, sizeof shown});
    }
    return add(text.size() > most ? "...'" : "'");
}

Line& Line::add_number(long number) noexcept {
    char digits[24];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
    return add({digits, static_cast<std::size_t>(end - digits)});
}

void Line::write() noexcept {
    text_[used_] = '\n';
    static_cast<void>(!::write(STDERR_FILENO, text_, used_ + 1));
}

CallRecord* all_call_records() noexcept { return newest.load(); }

Call::Call(const Callee& callee) : record_(own_record()) {
    prepare_this_thread();
    const Busy busy(record_);
    record_.kind = callee.kind;
    record_.module = callee.module;
    record_.function = callee.function;
    record_.input = callee.input;
    record_.outside = record_.since = std::chrono::steady_clock::now();
    record_.next_report = {};
    record_.under_way = true;
}

Call::~Call() {
    const Busy busy(record_);
    record_.under_way = false;
}

void Call::thread_ends() const noexcept {
    Line line;
    line.add("pthread_exit() ended a thread of the command ");
    add_place(line);
    end_for_module(line);
}

void add_place(Line& line) noexcept {
    const detail::ThreadSlot* slot = detail::this_thread;
    const CallSite* site = slot == nullptr ? nullptr : slot->site.load(std::memory_order_acquire);
    const CallRecord* own = this_record != nullptr && this_record->under_way ? this_record : nullptr;
    if (site != nullptr || own != nullptr) return add_place(line, site, own);
    line.add("in a thread that is in no call of the command");
    constexpr unsigned most = 3;
    unsigned count = 0;
    for (CallRecord* record = all_call_records(); record != nullptr && count != most; record = record->next) {
        if (record->busy.test_and_set(std::memory_order_acquire)) continue;
        if (record->under_way) {
            line.add(count++ == 0 ? "; under way: " : ", ");
            add_call(line, *record);
        }
        record->busy.clear(std::memory_order_release);
    }
}

void add_place(Line& line, const CallRecord& record) noexcept {
    const CallSite* site = record.slot == nullptr ? nullptr : record.slot->site.load(std::memory_order_acquire);
    add_place(line, site, &record);
}

}  // namespace interlock::cli
