// init_run.cpp: runs init functions, and reads what they hand over.
//
// SPDX-License-Identifier: MIT
#include "init_run.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <array>
#include <map>

#include <fmt/format.h>
#include <interlock/escape.hpp>
#include <interlock/module.h>

#include "guest.hpp"
#include "hex_text.hpp"
#include "interpreter.hpp"

namespace interlock::auditing {

namespace {

class GuestMemory final : public Memory {
public:
    explicit GuestMemory(Guest& guest) : guest_(guest) {}
    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) override {
        return guest_.number(address, size);
    }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit) override {
        return guest_.text(address, limit);
    }
    bool is_unknown(std::uint64_t value) override {
        return value >= GuestMap::stand_ins && value < GuestMap::objects + GuestMap::objects_size;
    }
    bool is_address(std::uint64_t value) override {
        return guest_.to_file(value).has_value() || (value >= GuestMap::stand_ins && value < GuestMap::tls);
    }
    bool wide() const override { return guest_.cpu().wide; }

private:
    Guest& guest_;
};

// Which versions to pretend to be, when the module asks and its name does not say for which it is.
constexpr std::array<unsigned, 6> versions = {14, 13, 15, 12, 11, 10};
constexpr std::uint64_t exec_budget = 400'000;

// What a verdict is made of.
std::vector<std::uint64_t> decisive(const InitResult& result) {
    std::vector<std::uint64_t> values{static_cast<std::uint64_t>(result.phase)};
    const Slots* slots = result.slots ? &*result.slots : result.definition ? &result.definition->slots : nullptr;
    if (slots != nullptr && result.phase != Phase::single)
        for (const SlotSeen& slot : slots->gil) values.push_back(slot.value);
    if (result.phase == Phase::single && !result.set_gil.empty()) values.push_back(result.set_gil.back().value);
    return values;
}

std::string where_it_is(Guest& guest) {
    const auto at = guest.to_file(guest.at());
    return at ? " at " + hex_text(*at) : std::string();
}

}  // namespace

struct InitRunner::Impl {
    std::map<const Cpu*, std::unique_ptr<Guest>> guests;

    Guest& guest_for(const Cpu& cpu) {
        auto& guest = guests[&cpu];
        if (!guest) guest = std::make_unique<Guest>(cpu);
        return *guest;
    }

    InitResult run(const Image& image, const Export& entry, const RunOptions& options, unsigned minor,
                   bool& asked_version, bool unknown_is_zero = true) {
        InitResult result;
        Guest& guest = guest_for(*cpu_for(image.architecture, image.format));
        guest.count_instructions(options.details);
        Interpreter interpreter(guest, image, {options.free_threaded, minor, unknown_is_zero}, options.details);
        if (!interpreter.load()) {
            result.failure = "the image does not fit into the emulator";
            return result;
        }
        const auto handler = [&](std::uint32_t number) { interpreter.handle(number); };
        const Stop stop = guest.run(guest.to_guest(entry.address), {}, options.budget, handler);
        InitRecord& record = interpreter.record();
        asked_version = record.asked_version;
        const std::uint64_t returned = stop == Stop::returned ? guest.result() : 0;
        explain_end(result, stop, guest, record, options);
        read_what_was_handed_over(result, stop, returned, guest, interpreter, options,
                                  entry.name.starts_with("PyModExport"));
        for (const auto& call : record.set_gil)
            result.set_gil.push_back({call.value, guest.to_file(call.called_from).value_or(0)});
        if (result.phase == Phase::multi && interpreter.can_set_gil() && result.definition &&
            result.definition->slots.gil.empty() && result.definition->slots.exec != 0)
            run_exec(result, guest, interpreter);
        if (options.details) show_file_addresses(result, guest);
        result.assumed.insert(record.assumed.begin(), record.assumed.end());
        result.calls = std::move(record.calls);
        result.instructions = guest.executed();
        return result;
    }

    LegacyResult run_legacy(const Image& image, const Export& entry, const RunOptions& options, bool unknown_is_zero) {
        LegacyResult result;
        Guest& guest = guest_for(*cpu_for(image.architecture, image.format));
        guest.count_instructions(options.details);
        Interpreter interpreter(guest, image, {.unknown_is_zero = unknown_is_zero}, options.details);
        if (!interpreter.load()) {
            result.failure = "the image does not fit into the emulator";
            return result;
        }
        const std::uint64_t host = interpreter.new_interlock_host();
        const auto handler = [&](std::uint32_t number) { interpreter.handle(number); };
        const Stop stop = guest.run(guest.to_guest(entry.address), std::array{host}, options.budget, handler);
        InitRecord& record = interpreter.record();
        InitResult end;
        explain_end(end, stop, guest, record, options);
        const std::uint64_t module = stop == Stop::returned ? guest.result() : 0;
        if (!end.incomplete_because.empty())
            result.failure = end.incomplete_because;
        else if (!interpreter.is_module(module))
            result.failure = record.raised.empty() ? "it returns no module" : "it raises " + escape(record.raised, 300);
        for (const InitRecord::SetGil& call : record.set_gil) {
            if (call.module != module || call.value > IL_THREADING_FREE) continue;  // as the loader does
            result.stated = true;
            result.level = call.value;
            result.called_from = guest.to_file(call.called_from).value_or(0);
        }
        result.assumed = record.assumed;
        result.calls = std::move(record.calls);
        result.instructions = guest.executed();
        return result;
    }

    static void explain_end(InitResult& result, Stop stop, Guest& guest, const InitRecord& record,
                            const RunOptions& options) {
        switch (stop) {
            case Stop::returned:
                break;
            case Stop::asked:
                if (record.ending == Ending::aborted) {
                    result.complete = false;
                    result.incomplete_because = "it ends in " + record.aborted_in;
                }
                break;
            case Stop::fault:
                result.complete = false;
                result.incomplete_because = "it " + guest.fault() + where_it_is(guest);
                break;
            case Stop::instructions:
                result.complete = false;
                result.incomplete_because = fmt::format("it runs longer than {} instructions", options.budget);
                break;
            case Stop::memory:
                result.complete = false;
                result.incomplete_because = "it uses more memory than the emulator has";
                break;
        }
    }

    static void read_what_was_handed_over(InitResult& result, Stop stop, std::uint64_t returned, Guest& guest,
                                          Interpreter& interpreter, const RunOptions& options, bool table) {
        GuestMemory memory(guest);
        InitRecord& record = interpreter.record();
        const bool no_definition = record.ending == Ending::none && record.created == 0;
        if (table) {
            if (stop == Stop::returned && returned != 0 && !memory.is_unknown(returned)) {
                result.phase = Phase::slot_table;
                result.slots = read_slot_table(memory, returned);
                return;
            }
        } else if (record.ending == Ending::definition) {
            result.phase = Phase::multi;
            result.definition = read_definition(memory, record.definition, options.free_threaded);
            if (!result.definition)
                result.failure = "what it gives to PyModuleDef_Init is no module definition that is known";
            return;
        } else if (record.created != 0) {
            result.phase = Phase::single;
            if (record.definition != 0)
                result.definition = read_definition(memory, record.definition, options.free_threaded);
            // What a failing init function left out, a succeeding one may do: it returns the module only at its end.
            if (stop == Stop::returned && !interpreter.is_module(returned)) {
                result.complete = false;
                result.incomplete_because = record.raised.empty() ? "it fails in the model of the interpreter"
                                                                  : "it raises " + escape(record.raised, 300);
            }
            return;
        } else if (record.ending == Ending::foreign_call) {
            result.phase = Phase::foreign;
            result.foreign = record.foreign;
            if (record.argument_gil_not_used) result.argument = *record.argument_gil_not_used != 0;
            return;
        } else if (stop == Stop::returned && returned != 0) {
            if (const std::string* origin = interpreter.origin(returned)) {
                result.phase = Phase::foreign;
                result.foreign = *origin;
                return;
            }
            // A definition that is returned without PyModuleDef_Init, which some do by themselves.
            if (guest.to_file(returned)) {
                result.definition = read_definition(memory, returned, options.free_threaded);
                if (result.definition) {
                    result.phase = Phase::multi;
                    return;
                }
            }
        }
        if (!result.incomplete_because.empty())
            result.failure = result.incomplete_because;
        else if (!record.raised.empty() && (returned == 0 || no_definition))
            result.failure = "it raises " + escape(record.raised, 300);
        else if (stop == Stop::returned && returned == 0)
            result.failure = "it returns NULL";
        else
            result.failure = "it makes no module in a way that is known";
    }

    // For people: where a value is in the file, and not where the emulator has put it.
    static void show_file_addresses(InitResult& result, Guest& guest) {
        Slots* slots = result.slots ? &*result.slots : result.definition ? &result.definition->slots : nullptr;
        if (slots == nullptr) return;
        for (SlotSeen& slot : slots->all) {
            if (slot.pointer) slot.value = guest.to_file(slot.value).value_or(slot.value);
        }
    }

    // Only to be able to say that a marker is set where it has no effect.
    static void run_exec(InitResult& result, Guest& guest, Interpreter& interpreter) {
        const std::size_t before = interpreter.record().set_gil.size();
        const std::uint64_t module = interpreter.new_module();
        const auto handler = [&](std::uint32_t number) {
            interpreter.handle(number);
            if (interpreter.record().set_gil.size() > before) guest.stop();
        };
        guest.run(result.definition->slots.exec, std::array{module}, exec_budget, handler);
        for (std::size_t i = before; i < interpreter.record().set_gil.size(); ++i) {
            const auto& call = interpreter.record().set_gil[i];
            result.set_gil_late.push_back({call.value, guest.to_file(call.called_from).value_or(0)});
        }
    }
};

InitRunner::InitRunner() : impl_(std::make_unique<Impl>()) {}
InitRunner::~InitRunner() = default;

bool InitRunner::can_run(const Image& image) noexcept { return cpu_for(image.architecture, image.format) != nullptr; }

InitResult InitRunner::run(const Image& image, const Export& entry, const RunOptions& options) {
    bool asked = false;
    unsigned minor = options.minor.value_or(versions[0]);
    InitResult result = impl_->run(image, entry, options, minor, asked);
    if (!options.minor && asked)
        for (const unsigned other_minor : versions) {
            if (result.failure.empty() || other_minor == versions[0]) continue;
            InitResult other = impl_->run(image, entry, options, other_minor, asked);
            if (!other.failure.empty()) continue;
            minor = other_minor;
            result = std::move(other);
        }
    if (result.assumed.empty() || !result.failure.empty()) return result;
    // Once more, with other answers of what is not known: the verdict must not depend on them.
    const InitResult other = impl_->run(image, entry, options, minor, asked, false);
    if (other.failure.empty() && decisive(other) != decisive(result)) {
        result.phase = Phase::unknown;
        result.failure = "what it says depends on " + escape(*result.assumed.begin(), 200) +
                         (result.assumed.size() > 1 ? " and others, of which" : ", of which") + " nothing is known";
    }
    return result;
}

LegacyResult InitRunner::run_legacy(const Image& image, const Export& entry, const RunOptions& options) {
    LegacyResult result = impl_->run_legacy(image, entry, options, true);
    if (result.assumed.empty() || !result.failure.empty()) return result;
    // As for Python's: the verdict must not depend on what is not known.
    const LegacyResult other = impl_->run_legacy(image, entry, options, false);
    if (other.failure.empty() && (other.stated != result.stated || other.level != result.level))
        result.failure =
            "what it says depends on " + escape(*result.assumed.begin(), 200) + ", of which nothing is known";
    return result;
}

}  // namespace interlock::auditing

#else

namespace interlock::auditing {

struct InitRunner::Impl {};
InitRunner::InitRunner() = default;
InitRunner::~InitRunner() = default;
bool InitRunner::can_run(const Image&) noexcept { return false; }
InitResult InitRunner::run(const Image&, const Export&, const RunOptions&) {
    InitResult result;
    result.failure = "this build has no emulator";
    return result;
}
LegacyResult InitRunner::run_legacy(const Image&, const Export&, const RunOptions&) {
    return {.failure = "this build has no emulator"};
}

}  // namespace interlock::auditing

#endif
