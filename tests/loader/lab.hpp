// lab.hpp: what the tests of the loader share: a runtime with a loader over the test modules, the record of what these
// modules told (modules/observe.h), and hooks and scripts for them.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <interlock/interlock.hpp>

#include "runtime/threads.hpp"
#include "support/temporary_folder.hpp"

namespace interlock {
/// For the messages of Boost.Test.
inline std::ostream& boost_test_print_type(std::ostream& out, Errc code) { return out << errc_name(code); }
}  // namespace interlock

namespace interlock::test {

using testing::Event;
using testing::must;
using testing::Threads;
using Texts = std::vector<std::string>;

/// What modules told, in order. One for the process, cleared by each Lab. [any-thread]
class Events {
public:
    static Events& all() {
        static auto* events = new Events;  // destructors of libraries that stay mapped tell of themselves at exit
        return *events;
    }
    void clear() {
        std::lock_guard guard(mutex_);
        told_.clear();
        hooks_.clear();
        scripts_.clear();
    }
    /// Called where a module tells `event`, on its thread; what it returns is the answer.
    void on(const std::string& event, std::function<int()> hook) {
        std::lock_guard guard(mutex_);
        hooks_[event] = std::move(hook);
    }
    void script(const std::string& event, const std::string& text) {
        std::lock_guard guard(mutex_);
        scripts_[event] = text;
    }
    /// Events with the mode in which they happened: "unm1:constructor locked".
    Texts told() const {
        std::lock_guard guard(mutex_);
        return told_;
    }
    std::size_t count(const std::string& event) const {
        std::lock_guard guard(mutex_);
        return static_cast<std::size_t>(std::count_if(
            told_.begin(), told_.end(), [&](const std::string& line) { return line.starts_with(event + ' '); }));
    }

    /// Whether told() and count() know what was told from now on: not for tests that go on for hours.
    void record(bool wanted) {
        std::lock_guard guard(mutex_);
        records_ = wanted;
    }
    /// Around a fork: nobody is in the middle of telling.
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

    int observe(const char* event) {
        std::function<int()> hook;
        const Runtime* runtime = Runtime::current();
        std::string line = std::string(event) + ' ' + (runtime == nullptr ? "no runtime" : mode_name(runtime->mode()));
        if (!is_attached()) line += " detached";
        {
            std::lock_guard guard(mutex_);
            if (records_) told_.push_back(std::move(line));
            if (const auto entry = hooks_.find(event); entry != hooks_.end()) hook = entry->second;
        }
        return hook ? hook() : 0;
    }
    const char* script_of(const char* event) {
        std::lock_guard guard(mutex_);
        const auto entry = scripts_.find(event);
        return entry == scripts_.end() ? nullptr : entry->second.c_str();
    }

private:
    mutable std::mutex mutex_;
    bool records_ = true;
    Texts told_;
    std::map<std::string, std::function<int()>> hooks_;
    std::map<std::string, std::string> scripts_;
};

struct LabOptions {
    GilSetting gil = GilSetting::automatic;
    std::function<void(LoaderOptions&)> change = {};
    unsigned threads = 4;
};

/// A runtime and a loader that live for one test, and the warnings they issued.
class Lab {
public:
    explicit Lab(const LabOptions& options = {})
        : runtime(RuntimeOptions{.gil = options.gil, .threads = options.threads}),
          loader(runtime, loader_options(options)) {}
    ~Lab() {
        // Hooks refer to variables of the test, which may be gone.
        if (!keep_events) Events::all().clear();
    }

    Module import(const std::string& name) { return loader.import(name, {.importer = "the test"}).value(); }
    /// The code with which an import fails; nullopt if it does not.
    std::optional<Errc> failure(const std::string& name) {
        auto result = loader.import(name, {.importer = "the test"});
        return result ? std::nullopt : std::optional(result.error().code);
    }
    /// Runs a script in a module.
    Result<Value> run(const Module& module, const std::string& script) const {
        return module.function("run").value()({script});
    }
    std::vector<Warning> warnings() const {
        std::lock_guard guard(mutex_);
        return warnings_;
    }
    Texts warned_modules() const {
        Texts modules;
        for (const Warning& warning : warnings()) modules.push_back(warning.module);
        return modules;
    }
    bool parallel() const { return runtime.mode() == Mode::parallel; }
    ModuleStats stats(const std::string& name) const {
        const LoaderReport report = loader.report();
        for (auto stats = report.modules.rbegin(); stats != report.modules.rend(); ++stats)
            if (stats->module == name) return *stats;
        throw std::logic_error("no module " + name + " in the report");
    }

private:
    LoaderOptions loader_options(const LabOptions& options) {
        Events::all().clear();
        LoaderOptions made;
        made.search_path = {MODULE_DIRECTORY};
        made.use_environment = false;
        made.on_warning = [this](const Warning& warning) {
            std::lock_guard guard(mutex_);
            warnings_.push_back(warning);
        };
        if (options.change) options.change(made);
        return made;
    }

    mutable std::mutex mutex_;
    std::vector<Warning> warnings_;

public:
    Runtime runtime;
    Loader loader;
    bool keep_events = false;  ///< hooks are called by the destructor, too
};

/// A module file of the build under another folder, so that things can be put beside it, or it can be broken.
inline std::filesystem::path copy_module(const std::string& file, const std::filesystem::path& to) {
    std::filesystem::create_directories(to.parent_path());
    std::filesystem::copy_file(std::filesystem::path(MODULE_DIRECTORY) / file, to,
                               std::filesystem::copy_options::overwrite_existing);
    return to;
}

inline std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline Value number(std::int64_t value) { return Value(value); }

}  // namespace interlock::test

// Found by the modules through the dynamic symbol table of the executable; each test has one source file.
extern "C" __attribute__((visibility("default"), used)) inline int interlock_test_observe(const char* event) {
    return interlock::test::Events::all().observe(event);
}
extern "C" __attribute__((visibility("default"), used)) inline const char* interlock_test_script(const char* event) {
    return interlock::test::Events::all().script_of(event);
}
