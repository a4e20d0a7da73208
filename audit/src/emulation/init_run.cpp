// init_run.cpp: runs init functions, and reads what they hand over.
//
// SPDX-License-Identifier: MIT
#include "emulation/init_run.hpp"

#ifdef INTERLOCK_WITH_EMULATOR

#include <algorithm>
#include <array>
#include <map>
#include <new>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <interlock/module.h>
#include <interlock/escape.hpp>

#include "base/hex.hpp"
#include "emulation/c_api_names.hpp"
#include "emulation/constant_definition.hpp"
#include "emulation/guest.hpp"
#include "emulation/interpreter.hpp"
#include "image/library_names.hpp"

namespace interlock::auditing::emulation {

namespace {

class ModuleMemory final : public Memory {
public:
    explicit ModuleMemory(Guest& guest) : guest_(guest) {}
    std::optional<std::uint64_t> number(std::uint64_t address, unsigned size) override {
        return guest_.number(address, size);
    }
    std::optional<std::string> text(std::uint64_t address, std::size_t limit) override {
        return guest_.text(address, limit);
    }
    bool is_unknown(std::uint64_t value) override {
        return value >= GuestMap::stand_ins && value < GuestMap::seen + GuestMap::seen_size;
    }
    bool is_address(std::uint64_t value) override {
        return guest_.to_file(value).has_value() || (value >= GuestMap::stand_ins && value < GuestMap::tls) ||
               guest_.mapped_size(value) != 0;
    }
    bool wide() const override { return guest_.cpu().wide; }

private:
    Guest& guest_;
};

// Which versions to pretend to be, when the module asks and its name does not say for which it is.
constexpr std::array<unsigned, 3> versions = {14, 13, 15};
constexpr std::array<unsigned, 6> gil_versions = {14, 13, 15, 12, 11, 10};
// Constructors, and functions that a slot points to.
constexpr std::uint64_t side_budget = 400'000, constructors_budget = 2'000'000;
constexpr std::uint64_t max_constructors = 2048, max_failures = 4;  // of each image

constexpr const char* destroyed = "what happens when its objects are destroyed";

// What a verdict is made of.
std::string decisive(const InitResult& result) {
    std::string values = fmt::format("{} {}", static_cast<unsigned>(result.phase), result.foreign);
    const Slots* slots = result.slots ? &*result.slots : result.definition ? &result.definition->slots : nullptr;
    if (slots != nullptr && result.phase != Phase::single) {
        for (const SlotSeen& slot : slots->gil) values += fmt::format(" {}", slot.value);
        values += slots->problem;
    }
    if (result.phase == Phase::single && !result.set_gil.empty())
        values += fmt::format(" {}", result.set_gil.back().value);
    if (result.argument) values += *result.argument ? " free" : " used";
    return values;
}

// On 32-bit Windows nothing is certain any more after a call that left the stack as it was.
std::string after_what(const InitRecord& record) {
    if (record.unknown_stack().empty()) return {};
    return ", after it calls " + escape(record.unknown_stack(), 100) +
           ", of which the size of the arguments is not known";
}

bool got_to_its_end(const InitResult& result) { return result.failure.empty() && result.cut_short.empty(); }

// Whether the module has no marker as far as this run goes.
bool says_nothing(const InitResult& result) {
    const Slots* slots = result.slots ? &*result.slots : result.definition ? &result.definition->slots : nullptr;
    if (result.phase == Phase::single) return result.set_gil.empty();
    return slots == nullptr || slots->gil.empty();
}

void depends_on_assumptions(InitResult& result) {
    result.phase = Phase::unknown;
    result.cut_short.clear();
    result.assumed.insert(result.doubts.begin(), result.doubts.end());
    if (result.assumed.empty()) result.assumed.emplace("addresses, or on memory that nobody has written");
    result.failure = "what it says depends on " + escape(*result.assumed.begin(), 200) +
                     (result.assumed.size() > 1 ? " and others, of which" : ", of which") + " nothing is known";
}

// For people: an address in the file, or in a library that came with it.
std::string place_of(const Guest& guest, std::uint64_t address, std::span<const Library> libraries) {
    const auto image = guest.image_at(address);
    if (!image) return "";
    const std::string place = base::hex(guest.to_file(address, *image).value_or(0));
    return *image == 0 ? place : place + " of " + quoted(libraries[*image - 1].name, 200);
}

std::string where_it_is(const Guest& guest, std::span<const Library> libraries) {
    const std::string place = place_of(guest, guest.at(), libraries);
    return place.empty() ? "" : ", in the code at " + place;
}

/// What runs of one image when it is loaded: resolvers, then constructors, within bounds.
class Constructors {
public:
    Constructors(Guest& guest, Interpreter& interpreter, const Guest::Handler& handler, const image::Image& image,
                 std::size_t number)
        : guest_(guest), interpreter_(interpreter), handler_(handler), image_(image), number_(number) {}

    /// False when some of it could not be run.
    bool run() {
        for (const image::Fixup& fixup : image_.fixups) {
            if (fixup.kind != image::Fixup::Kind::indirect) continue;
            const auto answer = run_one(guest_.to_guest(fixup.value, number_));
            if (answer) guest_.set_number(guest_.to_guest(fixup.address, number_), *answer, fixup.width);
        }
        for (const std::uint64_t function : image_.constructors) run_one(guest_.to_guest(function, number_));
        const unsigned word = guest_.cpu().word();
        for (std::uint64_t i = 0; i < image_.constructor_table_size / word && !used_up(); ++i) {
            const auto function = guest_.word(guest_.to_guest(image_.constructor_table, number_) + i * word);
            if (!function) return false;                                           // the table is longer than the image
            if (*function == 0 || *function == 1 || *function + 1 == 0) continue;  // 1, -1: fillers
            run_one(*function);
        }
        return all_ && !used_up();
    }

private:
    bool used_up() const noexcept { return done_ > max_constructors || failed_ >= max_failures || left_ == 0; }

    /// What it returns; nullopt if it does not.
    std::optional<std::uint64_t> run_one(std::uint64_t function) {
        ++done_;
        all_ = all_ && !used_up();
        if (used_up()) return std::nullopt;
        const std::uint64_t before = guest_.spent();
        const Stop stop =
            guest_.run(function, interpreter_.arguments_of_constructors(), std::min(side_budget, left_), handler_);
        left_ -= std::min(left_, guest_.spent() - before);
        interpreter_.record().raise({});
        if (stop == Stop::returned) return guest_.result();
        ++failed_;
        all_ = false;
        return std::nullopt;
    }

    Guest& guest_;
    Interpreter& interpreter_;
    const Guest::Handler& handler_;
    const image::Image& image_;
    std::size_t number_;
    std::uint64_t left_ = constructors_budget, done_ = 0, failed_ = 0;
    bool all_ = true;
};

}  // namespace

struct InitRunner::Impl {
    std::map<const Cpu*, std::unique_ptr<Guest>> guests;

    Guest& guest_for(const Cpu& cpu) {
        auto& guest = guests[&cpu];
        if (guest) return *guest;
        // Another one, of another slice of the file, has memory that only this one is to have.
        std::erase_if(guests, [&](const auto& other) { return other.first != &cpu; });
        guest = std::make_unique<Guest>(cpu);
        return *guest;
    }

    // What a guest knows of images is for the runs of one function: others may lie where these were.
    void forget_images() {
        for (const auto& [cpu, guest] : guests) guest->forget_images();
    }

    InitResult run(const image::Image& image, const image::Export& entry, const RunOptions& options, unsigned minor,
                   Answers answers, bool& asked_version) {
        try {
            return run_once(image, entry, options, minor, answers, asked_version);
        } catch (const std::bad_alloc&) {
            InitResult result;
            result.failure = "it uses more memory than the emulator has";
            return result;
        }
    }

    InitResult run_once(const image::Image& image, const image::Export& entry, const RunOptions& options,
                        unsigned minor, Answers answers, bool& asked_version) {
        InitResult result;
        if (options.left != nullptr && *options.left == 0) {
            result.failure = "the init functions of the file use up the budget of instructions";
            return result;
        }
        Guest& guest = guest_for(*cpu_for(image.architecture, image.format));
        guest.pretend_old_processor(answers != Answers::likely);
        guest.foreign_variables_are_zero(answers != Answers::likely);
        std::vector<const image::Image*> images = {&image};
        for (const Library& library : options.libraries) images.push_back(&library.image);
        Interpreter interpreter(guest, images, {options.free_threaded, minor, answers}, options.details);
        if (!interpreter.load()) {
            result.failure = "the image does not fit into the emulator";
            return result;
        }
        const auto handler = [&](std::uint32_t number) { interpreter.handle(number); };
        result.complete = begin(guest, interpreter, images, options.libraries, handler);
        const std::uint64_t budget = options.left != nullptr ? std::min(options.budget, *options.left) : options.budget;
        const std::uint64_t before = guest.executed();
        const Stop stop = guest.run(guest.to_guest(entry.address), {}, budget, handler);
        result.own_instructions = guest.executed() - before;
        InitRecord& record = interpreter.record();
        asked_version = asked_version || record.asked_version();
        const std::string ended_early = why_it_ended(stop, guest, record, budget, options.libraries);
        const std::uint64_t returned = stop == Stop::returned ? guest.result() : 0;
        if (ended_early.empty() && answers != Answers::likely) destroy_objects(guest, interpreter, handler);
        if (ended_early.empty() && returned != 0 && !record.raised().empty() && answers == Answers::likely)
            result.failure =
                "it returns with an error set, for which the import fails: " + escape(record.raised(), 300);
        else if (ended_early.empty())
            read_what_was_handed_over(result, returned, guest, interpreter, options,
                                      entry.name.starts_with("PyModExport"));
        else
            result.failure = ended_early;
        if (!result.failure.empty()) keep_what_was_said(result, guest, record, options);
        result.used_library = record.called_library() || guest.used_foreign_variable();
        interpreter.notice_what_was_read();
        result.assumed.insert(record.assumed().begin(), record.assumed().end());
        result.doubts = record.doubts();
        if (result.phase == Phase::multi && result.failure.empty()) look_at_slots(result, guest, interpreter, options);
        if (options.details) show_file_addresses(result, guest);
        result.calls = record.take_calls();
        result.calls_left_out = record.calls_left_out();
        result.instructions = guest.executed();
        if (options.left != nullptr) *options.left -= std::min(*options.left, guest.spent());
        return result;
    }

    // What the interpreter does at a time of its own; it must not matter for the marker.
    static void destroy_objects(Guest& guest, Interpreter& interpreter, const Guest::Handler& handler) {
        InitRecord& record = interpreter.record();
        const auto destructors = record.take_destructors();
        const std::string raised = record.raised();
        for (const auto& [function, object] : destructors)
            if (guest.run(function, std::array{object}, side_budget, handler) != Stop::returned)
                interpreter.assume(destroyed);
        record.raise(raised);
    }

    // Each library comes before those that are linked to it, and of others the one that is named last.
    static std::vector<std::size_t> order_of(std::span<const image::Image* const> images,
                                             std::span<const Library> libraries) {
        std::vector<std::size_t> order;
        std::vector<bool> met(images.size());
        const auto visit = [&](const auto& self, std::size_t number) -> void {
            if (met[number]) return;
            met[number] = true;
            const auto& needed = images[number]->libraries;
            for (auto name = needed.rbegin(); name != needed.rend(); ++name)
                for (std::size_t i = 0; i < libraries.size(); ++i)
                    if (libraries[i].name == image::library_name(*name)) self(self, i + 1);
            order.push_back(number);
        };
        for (std::size_t number = images.size(); number-- > 1;) {
            // Those that nobody names by this name come first.
            const bool named = std::ranges::any_of(images, [&](const image::Image* image) {
                return std::ranges::any_of(image->libraries, [&](std::string_view name) {
                    return image::library_name(name) == libraries[number - 1].name;
                });
            });
            if (!named) visit(visit, number);
        }
        visit(visit, 0);
        for (std::size_t number = images.size(); number-- > 0;) visit(visit, number);
        return order;
    }

    // What the dynamic linker runs before anybody can call the init function. False when some of it could not be run.
    static bool begin(Guest& guest, Interpreter& interpreter, std::span<const image::Image* const> images,
                      std::span<const Library> libraries, const Guest::Handler& handler) {
        bool all = true;
        for (const std::size_t number : order_of(images, libraries))
            if (!Constructors(guest, interpreter, handler, *images[number], number).run()) all = false;
        if (!all) interpreter.assume("a constructor of the file that could not be run");
        return all;
    }

    LegacyResult run_legacy(const image::Image& image, const image::Export& entry, const RunOptions& options,
                            Answers answers) {
        LegacyResult result;
        Guest& guest = guest_for(*cpu_for(image.architecture, image.format));
        const std::array images = {&image};
        Interpreter interpreter(guest, images, {.answers = answers}, options.details);
        if (!interpreter.load()) {
            result.failure = "the image does not fit into the emulator";
            return result;
        }
        const std::uint64_t host = interpreter.new_interlock_host();
        const auto handler = [&](std::uint32_t number) { interpreter.handle(number); };
        begin(guest, interpreter, images, {}, handler);
        const Stop stop = guest.run(guest.to_guest(entry.address), std::array{host}, options.budget, handler);
        InitRecord& record = interpreter.record();
        const std::uint64_t module = stop == Stop::returned ? guest.result() : 0;
        result.failure = why_it_ended(stop, guest, record, options.budget, {});
        if (result.failure.empty() && !interpreter.is_module(module))
            result.failure =
                record.raised().empty() ? "it returns no module" : "it raises " + escape(record.raised(), 300);
        for (const InitRecord::SetGil& call : record.set_gil()) {
            if (call.module != module || call.value > IL_THREADING_FREE) continue;  // as the loader does
            result.stated = true;
            result.level = call.value;
            result.called_from = guest.to_file(call.called_from).value_or(0);
        }
        interpreter.notice_what_was_read();
        result.assumed = record.assumed();
        result.assumed.insert(record.doubts().begin(), record.doubts().end());
        result.calls = record.take_calls();
        result.calls_left_out = record.calls_left_out();
        result.instructions = guest.executed();
        return result;
    }

    // Why the function did not return; empty if it did.
    static std::string why_it_ended(Stop stop, Guest& guest, const InitRecord& record, std::uint64_t budget,
                                    std::span<const Library> libraries) {
        switch (stop) {
            case Stop::returned:
                return {};
            case Stop::asked:
                return "it ends in " + record.aborted_in();
            case Stop::fault:
                return "it " + guest.fault() + where_it_is(guest, libraries) + after_what(record);
            case Stop::instructions:
                return fmt::format("it runs longer than {} instructions", budget);
            case Stop::memory:
                return "it uses more memory than the emulator has";
        }
        return {};
    }

    // The function has returned. What counts is what it returned, as it is now.
    static void read_what_was_handed_over(InitResult& result, std::uint64_t returned, Guest& guest,
                                          Interpreter& interpreter, const RunOptions& options, bool table) {
        ModuleMemory memory(guest);
        InitRecord& record = interpreter.record();
        if (returned == 0) {
            result.failure = record.raised().empty() ? "it returns NULL" : "it raises " + escape(record.raised(), 300);
        } else if (table) {
            if (memory.is_unknown(returned)) {
                result.failure = "it returns no slot table that is known";
                return;
            }
            result.phase = Phase::slot_table;
            result.slots = read_slot_table(memory, returned);
        } else if (const auto made = record.modules().find(returned); made != record.modules().end()) {
            read_module(result, made->first, made->second, guest, interpreter, options);
        } else if (interpreter.is_definition(returned)) {
            result.phase = Phase::multi;
            result.definition = read_definition(memory, returned, options.free_threaded, true);
            if (!result.definition) result.failure = "what it returns is no module definition that is known";
        } else if (const std::string* origin = interpreter.origin(returned)) {
            result.phase = Phase::foreign;
            result.foreign = *origin;
            if (record.argument_gil_not_used() && *origin == boost_python)
                result.argument = *record.argument_gil_not_used();
        } else {
            // A definition that some initialise without PyModuleDef_Init.
            if (guest.to_file(returned)) result.definition = read_definition(memory, returned, options.free_threaded);
            if (result.definition)
                result.phase = Phase::multi;
            else
                result.failure = "it makes no module in a way that is known";
        }
    }

    // A run that did not get to its end has said something all the same when it had marked its module. Which module
    // that is, and what it would have been marked with later, is not known: so there must be one answer for all, and
    // the verdict is a weak one. A definition that was handed over before is none: the import looks at what is
    // returned.
    static void keep_what_was_said(InitResult& result, Guest& guest, const InitRecord& record,
                                   const RunOptions& options) {
        if (record.set_gil().empty() || record.has_definitions()) return;
        const std::uint64_t value = record.set_gil().back().value;
        for (const auto& [module, made] : record.modules()) {
            const auto last = std::find_if(record.set_gil().rbegin(), record.set_gil().rend(),
                                           [&](const InitRecord::SetGil& call) { return call.module == module; });
            if (last == record.set_gil().rend() || last->value != value) return;
        }
        const auto made = record.modules().find(record.set_gil().back().module);
        if (made == record.modules().end() || made->second.definition == 0) return;
        ModuleMemory memory(guest);
        result.definition = read_definition(memory, made->second.definition, options.free_threaded, true);
        result.phase = Phase::single;
        result.set_gil.clear();
        for (const InitRecord::SetGil& call : record.set_gil())
            result.set_gil.push_back({call.value, place_of(guest, call.called_from, options.libraries)});
        result.cut_short = std::exchange(result.failure, {});
    }

    static void read_module(InitResult& result, std::uint64_t module, const MadeModule& made, Guest& guest,
                            Interpreter& interpreter, const RunOptions& options) {
        for (const InitRecord::SetGil& call : interpreter.record().set_gil())
            if (call.module == module)
                result.set_gil.push_back({call.value, place_of(guest, call.called_from, options.libraries)});
        if (made.from_spec && result.set_gil.empty()) {
            result.failure = "it makes its module by PyModule_FromDefAndSpec, whose slots are not followed";
            return;
        }
        if (made.definition == 0) {
            result.failure = "it returns a module that has no definition, for which the import fails";
            return;
        }
        ModuleMemory memory(guest);
        result.phase = Phase::single;
        result.definition = read_definition(memory, made.definition, options.free_threaded, true);
    }

    static void look_at_slots(InitResult& result, Guest& guest, Interpreter& interpreter, const RunOptions& options) {
        const Slots& slots = result.definition->slots;
        result.failure = why_import_fails(*result.definition, options);
        if (!result.failure.empty()) return;
        if (interpreter.image().format == image::Format::pe && result.definition->has_slots && slots.all.empty()) {
            result.failure =
                "its slots are empty; what fills them may be start-up code, which is not run on Windows' files";
            return;
        }
        if (is_create_decisive(slots)) run_create(result, guest, interpreter);
        if (interpreter.can_set_gil() && is_exec_of_interest(slots)) run_exec(result, guest, interpreter, options);
    }

    // What is no module is not looked at for a marker. If it cannot be run in the model, it is taken to do what it is
    // for.
    static void run_create(InitResult& result, Guest& guest, Interpreter& interpreter) {
        const auto handler = [&](std::uint32_t number) { interpreter.handle(number); };
        const std::array arguments{interpreter.new_object(), std::uint64_t{0}};
        const Stop stop = guest.run(result.definition->slots.create, arguments, side_budget, handler);
        const std::uint64_t made = stop == Stop::returned ? guest.result() : 0;
        if (made == 0)
            result.assumed.insert("that its Py_mod_create makes a module");
        else if (!interpreter.is_module(made))
            result.failure = "whether its Py_mod_create makes a module is not known, and nothing else can be marked";
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
    static void run_exec(InitResult& result, Guest& guest, Interpreter& interpreter, const RunOptions& options) {
        interpreter.record().forget_set_gil();
        const std::uint64_t module = interpreter.new_module();
        const auto handler = [&](std::uint32_t number) {
            interpreter.handle(number);
            if (!interpreter.record().set_gil().empty()) guest.stop();
        };
        guest.run(result.definition->slots.exec, std::array{module}, side_budget, handler);
        for (const InitRecord::SetGil& call : interpreter.record().set_gil())
            result.set_gil_late.push_back({call.value, place_of(guest, call.called_from, options.libraries)});
    }
};

InitRunner::InitRunner() : impl_(std::make_unique<Impl>()) {}
InitRunner::~InitRunner() = default;

void InitRunner::forget_guests() { impl_->guests.clear(); }

bool InitRunner::can_run(const image::Image& image) noexcept {
    return cpu_for(image.architecture, image.format) != nullptr;
}

InitResult InitRunner::run(const image::Image& image, const image::Export& entry, const RunOptions& options) {
    bool asked = false;
    // A version that lacks a function cannot load the file.
    const Needs needs = c_api_needs(image);
    if (options.minor && *options.minor < needs.minor) {
        InitResult result;
        result.failure = fmt::format("it imports {}, which Python 3.{} does not have: the import fails",
                                     escape(needs.function, 200), *options.minor);
        return result;
    }
    unsigned minor = options.minor.value_or(std::max(versions[0], needs.minor));
    if (const std::string_view gone = options.free_threaded ? c_api_gone(image, minor) : std::string_view();
        !gone.empty()) {
        InitResult result;
        result.failure =
            fmt::format("it imports {}, which Python 3.{} has no longer: the import fails", escape(gone, 200), minor);
        return result;
    }
    if (auto known = without_a_run(image, entry, options)) return *std::move(known);
    impl_->forget_images();
    InitResult result = impl_->run(image, entry, options, minor, Answers::likely, asked);
    if (!options.minor && asked) {
        const std::span<const unsigned> others =
            options.free_threaded ? std::span<const unsigned>(versions) : std::span<const unsigned>(gil_versions);
        for (const unsigned other_minor : others) {
            if (other_minor == minor) continue;
            if (!options.free_threaded && got_to_its_end(result)) break;  // no marker counts there
            if (other_minor < needs.minor) continue;
            InitResult other = impl_->run(image, entry, options, other_minor, Answers::likely, asked);
            if (!got_to_its_end(other)) continue;  // it is not for that version
            if (!got_to_its_end(result)) {
                minor = other_minor;
                result = std::move(other);
            } else if (decisive(other) != decisive(result)) {
                result.phase = Phase::unknown;
                result.failure = fmt::format(
                    "what it says depends on the version of the interpreter: 3.{} and 3.{} differ", minor, other_minor);
                return result;
            }
        }
    }
    // What no call shows is different in another run as well: addresses, what was in memory before, how often an object
    // is referred to. Functions that hardly do more than hand over a definition have no use for any of it.
    constexpr std::uint64_t hardly_anything = 12;
    const bool simple = result.own_instructions <= hardly_anything || !got_to_its_end(result);
    if (result.assumed.empty() && result.doubts.empty() && simple) return result;
    // Once more, with other answers of what is not known: the verdict must not depend on them. Where the function
    // itself fails for want of an import, or of a call, it says nothing; then these succeed, and the rest is different.
    const bool likely_ended = got_to_its_end(result);
    InitResult other =
        impl_->run(image, entry, options, minor, likely_ended ? Answers::other : Answers::other_values, asked);
    if (!got_to_its_end(other))
        other = impl_->run(image, entry, options, minor, likely_ended ? Answers::other_values : Answers::other, asked);
    if (likely_ended && got_to_its_end(other)) {
        if (decisive(other) != decisive(result)) return depends_on_assumptions(result), result;
        if (other.assumed.contains(destroyed)) result.assumed.emplace(destroyed);
        return result;
    }
    // What was not settled is assumed.
    result.assumed.insert(result.doubts.begin(), result.doubts.end());
    other.assumed.insert(other.doubts.begin(), other.doubts.end());
    if (likely_ended) return result;
    // The likeliest answers made the function give up, as a library that says "not supported" does. An import that
    // succeeds had others.
    if (!got_to_its_end(other)) {
        if (result.failure.empty() && other.failure.empty() && decisive(other) != decisive(result))
            depends_on_assumptions(result);
        return result;
    }
    if (result.failure.empty() && decisive(other) != decisive(result)) {
        depends_on_assumptions(result);
        return result;
    }
    // Without a marker it may as well be the way around what failed.
    if (result.failure.empty() || !says_nothing(other)) {
        other.assumed.insert(result.assumed.begin(), result.assumed.end());
        other.assumed.insert("that it succeeds where the likeliest answers end: " +
                             (result.failure.empty() ? result.cut_short : result.failure));
        other.used_library = other.used_library || result.used_library;
        return other;
    }
    return result;
}

LegacyResult InitRunner::run_legacy(const image::Image& image, const image::Export& entry, const RunOptions& options) {
    impl_->forget_images();
    LegacyResult result = impl_->run_legacy(image, entry, options, Answers::likely);
    if (result.assumed.empty() || !result.failure.empty()) return result;
    // As for Python's: the verdict must not depend on what is not known.
    const LegacyResult other = impl_->run_legacy(image, entry, options, Answers::other_values);
    if (other.failure.empty() && (other.stated != result.stated || other.level != result.level))
        result.failure =
            "what it says depends on " + escape(*result.assumed.begin(), 200) + ", of which nothing is known";
    return result;
}

}  // namespace interlock::auditing::emulation

#else

namespace interlock::auditing::emulation {

struct InitRunner::Impl {};
InitRunner::InitRunner() = default;
InitRunner::~InitRunner() = default;
void InitRunner::forget_guests() {}
bool InitRunner::can_run(const Image&) noexcept { return false; }
InitResult InitRunner::run(const Image&, const Export&, const RunOptions&) {
    InitResult result;
    result.failure = "this build has no emulator";
    return result;
}
LegacyResult InitRunner::run_legacy(const Image&, const Export&, const RunOptions&) {
    return {.failure = "this build has no emulator"};
}

}  // namespace interlock::auditing::emulation

#endif
