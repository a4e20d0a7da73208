// The import of a marked module, beside bare dlopen() and dlsym() of the same file. Both alternate, and so does which
// of them comes first. Once with a new file each time, which the kernel has not opened before, and once with the same
// file again and again.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <interlock/loader.hpp>

#include "work.hpp"

using namespace interlock;
using namespace interlock::bench;
namespace fs = std::filesystem;

namespace {

constexpr int fresh_files = 300, repetitions = 2000;
const char* const module_name = "bench_module";
const char* const entry_point = "il_module_export_bench_module";

double micros(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

struct Times {
    std::vector<double> imports, unloads, opens, closes;
};

bool time_import(Runtime& runtime, const fs::path& folder, Times& times) {
    Loader loader(runtime, {.search_path = {folder}, .use_environment = false});
    const auto begin = Clock::now();
    const bool imported = loader.import(module_name).ok();
    const auto loaded = Clock::now();
    const bool unloaded = imported && loader.unload(module_name).ok();
    times.imports.push_back(micros(loaded - begin));
    times.unloads.push_back(micros(Clock::now() - loaded));
    return unloaded;
}

bool time_bare(const fs::path& folder, Times& times) {
    const std::string file = (folder / "bench_module.so").string();
    const auto begin = Clock::now();
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    const bool found = library != nullptr && dlsym(library, entry_point) != nullptr;
    const auto loaded = Clock::now();
    if (library != nullptr) dlclose(library);
    times.opens.push_back(micros(loaded - begin));
    times.closes.push_back(micros(Clock::now() - loaded));
    return found;
}

/// A folder of copies of the module, each in a folder of its own, until the end of the scope.
class Copies {
public:
    explicit Copies(int count) {
        if (mkdtemp(parent_.data()) == nullptr) throw std::runtime_error("cannot make " + parent_);
        for (int i = 0; i < count; ++i) {
            fs::create_directory(folder(i));
            fs::copy_file(fs::path(BENCH_MODULE_FOLDER) / "bench_module.so", folder(i) / "bench_module.so");
        }
    }
    ~Copies() { fs::remove_all(parent_); }
    fs::path folder(int i) const { return fs::path(parent_) / std::to_string(i); }

private:
    std::string parent_ = (fs::temp_directory_path() / "interlock-bench-XXXXXX").string();
};

}  // namespace

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    Copies copies(2 * fresh_files);
    Runtime runtime;
    Times fresh, again;
    bool ok = true;
    const auto both = [&](const fs::path& for_import, const fs::path& for_bare, bool bare_first, Times& times) {
        ok = (bare_first ? time_bare(for_bare, times) : time_import(runtime, for_import, times)) && ok;
        ok = (bare_first ? time_import(runtime, for_import, times) : time_bare(for_bare, times)) && ok;
    };
    for (int i = 0; i < fresh_files; ++i) both(copies.folder(2 * i), copies.folder(2 * i + 1), i % 2 != 0, fresh);
    for (int i = 0; i < repetitions; ++i) both(copies.folder(0), copies.folder(0), (i / 2) % 2 != 0, again);
    if (!ok) {
        std::fprintf(stderr, "%s: the module could not be loaded\n", arguments[0]);
        return 1;
    }
    const double import = median(again.imports), first_import = median(fresh.imports);
    rows.add({"import of a marked module", import, "us", "dlopen + dlsym of the same file", median(again.opens),
              Target::ratio_at_most(1.5)});
    rows.add({"import and unload", import + median(again.unloads), "us", "dlopen + dlsym + dlclose",
              median(again.opens) + median(again.closes)});
    rows.add({"first import of a new file", first_import, "us", "dlopen + dlsym of a copy", median(fresh.opens)});
    rows.add({"import of a marked module", import, "us", {}, {}, Target::value_at_most(100)});

    Loader loader(runtime, {.search_path = {BENCH_MODULE_FOLDER}, .use_environment = false});
    loader.import(module_name).value();
    std::vector<double> one, ratios;
    for (int i = 0; i < 11; ++i) {
        const auto again_and_again = [&](int threads) {
            return calls_per_second(threads, std::chrono::milliseconds(100),
                                    [&] { loader.import(module_name).value(); });
        };
        one.push_back(again_and_again(1));
        ratios.push_back(again_and_again(2) / one.back());
    }
    rows.add({"import of what is loaded", 1e9 / median(one), "ns"});
    rows.add({"imports of what is loaded, 2 threads", median(one) * median(ratios), "imports/s", "one thread",
              median(one), Target::ratio_at_least(1.8)});
}
