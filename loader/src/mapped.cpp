// Libraries that stay mapped: because their module says so, because nothing is known of it, or because the dynamic
// linker keeps them (unique symbols of C++, -z nodelete, another module in the same file). It finds a mapped library by
// its path, and would answer with the old one when a new file lies there. Also: what becomes of a library whose
// constructors or destructors throw.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include <interlock/escape.hpp>

#include "lingering.hpp"
#include "linker_turn.hpp"
#include "loaded_image.hpp"
#include "module_record.hpp"

namespace interlock::detail {

namespace {

using Kept = std::map<std::filesystem::path, FileIdentity>;

Kept& kept() {
    static auto* libraries = new Kept;  // threads may outlive static destructors
    return *libraries;
}

struct Close {
    void operator()(void* handle) const noexcept { dlclose(handle); }
};
using Handle = std::unique_ptr<void, Close>;

/// What the dynamic linker would answer with for a path, if it has it already.
Handle already_mapped(const std::filesystem::path& path) {
    return Handle(dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD));
}

// Threads or callbacks of such a library may outlive its teardown; of a legacy one nothing is known.
bool must_stay(const ModuleRecord& record) noexcept {
    return record.legacy || (record.def != nullptr && (record.def->flags & IL_KEEP_MAPPED) != 0);
}

// Code of a library that the dynamic linker calls. What it throws unwinds through the linker, which then holds its lock
// for ever and believes that it is in the middle of a change: nothing could be loaded any more, and other threads would
// wait for that lock without end. So the program ends here, and says through whom.
class CodeUnderLinker {
public:
    explicit CodeUnderLinker(const ModuleRecord& record) noexcept : outer_(running) {
        running = &record;
        // Under the linker's turn, but for a nested use, which finds the handler in place.
        if (std::get_terminate() != on_terminate) before = std::set_terminate(on_terminate);
    }
    ~CodeUnderLinker() {
        running = outer_;
        if (running == nullptr && std::get_terminate() == on_terminate) std::set_terminate(before);
    }
    CodeUnderLinker(const CodeUnderLinker&) = delete;
    CodeUnderLinker& operator=(const CodeUnderLinker&) = delete;

    template <typename Use>
    static void run(const ModuleRecord& record, Use use) noexcept {
        const CodeUnderLinker guard(record);
        try {
            use();
        } catch (const std::exception& e) {
            say("threw an exception: " + escape(e.what(), 1000));
            std::abort();
        } catch (...) {
            say("threw an exception, or ended its thread");
            std::abort();
        }
    }

private:
    static void say(const std::string& what) noexcept {
        std::fprintf(stderr,
                     "interlock: fatal: module %s from %s: a constructor or destructor of its library %s; the dynamic "
                     "linker cannot go on after that, so the program ends. Catch it there, or do the work in exec and "
                     "teardown\n",
                     quoted(running->name).c_str(), quoted(running->file.path.string(), 1000).c_str(), what.c_str());
        std::fflush(stderr);
    }
    [[noreturn]] static void on_terminate() {
        if (running != nullptr) say("called std::terminate, or threw what nobody catches");
        if (before != nullptr) before();
        std::abort();
    }

    static inline thread_local const ModuleRecord* running = nullptr;
    static inline std::terminate_handler before = nullptr;
    const ModuleRecord* outer_;
};

}  // namespace

/// dlopen() as what it is: glibc declares that it throws nothing, which clang believes, but constructors may throw.
static void* open_library(const char* path, int flags) {
    static void* (*const volatile open)(const char*, int) = dlopen;
    return open(path, flags);
}

std::optional<std::string> map(ModuleRecord& record) {
    const LinkerTurn turn;
    const Attached attached;
    const LinkerUse use(record.name);
    if (const std::string& why = LinkerTurn::lost(); !why.empty()) return why;
    // In two steps, so that what is thrown in the first one is the library's own.
    void* handle = nullptr;
    CodeUnderLinker::run(record, [&] { handle = open_library(record.file.path.c_str(), RTLD_NOW | RTLD_LOCAL); });
    if (handle == nullptr) {
        const char* why = dlerror();
        return why != nullptr ? why : "it does not say why";
    }
    const Handle first(handle);
    record.library.load(record.file.path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    return std::nullopt;
}

bool unmap(ModuleRecord& record) {
    const LinkerTurn turn;
    if (!LinkerTurn::lost().empty()) {
        keep_for_good(record.shared_from_this());
        return true;
    }
    bool stays = must_stay(record);
    if (!stays && record.library.is_loaded()) {
        const LinkerUse use(record.name);
        try {
            record.lingering = what_may_still_run(record.library.native());
            stays = !record.lingering.empty();
        } catch (const std::bad_alloc&) {
            stays = true;
            record.lingering = "there was no memory to look for what may still run its code";  // reserved
        }
    }
    const Attached attached;  // destructors of the library are its code
    const LinkerUse use(record.name);
    // A reference that nobody gives back. Of this library: the path leads to it as long as it is open.
    if (stays) dlopen(record.file.path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
    CodeUnderLinker::run(record, [&] { record.library.unload(); });
    const bool mapped = stays || already_mapped(record.file.path) != nullptr;
    try {
        std::lock_guard guard(process_mutex());
        if (mapped)
            kept().insert_or_assign(record.file.path, record.file.identity);
        else
            kept().erase(record.file.path);
    } catch (const std::bad_alloc&) {
        // The mapping itself is looked at, too.
    }
    return mapped;
}

bool another_is_mapped(const ModuleFile& file, int descriptor) {
    bool rewritten = false;
    {
        std::lock_guard guard(process_mutex());
        const auto entry = kept().find(file.path);
        rewritten = entry != kept().end() && entry->second != file.identity;
    }
    const LinkerTurn turn;
    const LinkerUse use({});
    const Handle mapped = already_mapped(file.path);
    if (!mapped) return false;
    const auto image = LoadedImage::of(mapped.get());
    return rewritten || !image || image->differs_from(file, descriptor);
}

}  // namespace interlock::detail
