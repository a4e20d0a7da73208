// The import of a marked module, beside bare dlopen() and dlsym() of the same file. Each import gets a fresh copy of
// the file, as the dynamic linker knows a file that it has seen.
//
// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include <interlock/loader.hpp>

#include "work.hpp"

using namespace interlock;
using namespace interlock::bench;
namespace fs = std::filesystem;

namespace {

constexpr int repetitions = 300;

double micros(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// A folder of its own with a copy of the module in it, until the end of the scope.
class Copy {
public:
    explicit Copy(const fs::path& parent) {
        static int number = 0;
        folder_ = parent / std::to_string(number++);
        fs::create_directory(folder_);
        fs::copy_file(fs::path(BENCH_MODULE_FOLDER) / "bench_module.so", file());
    }
    ~Copy() { fs::remove_all(folder_); }
    const fs::path& folder() const { return folder_; }
    fs::path file() const { return folder_ / "bench_module.so"; }

private:
    fs::path folder_;
};

}  // namespace

int main(int count, char** arguments) {
    Rows rows(count, arguments);
    std::string pattern = (fs::temp_directory_path() / "interlock-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        std::perror(pattern.c_str());
        return 1;
    }
    const fs::path parent = pattern;
    std::vector<double> imports, unloads, opens, closes;
    {
        Runtime runtime;
        for (int i = 0; i < repetitions; ++i) {
            {
                Copy copy(parent);
                Loader loader(runtime, {.search_path = {copy.folder()}, .use_environment = false});
                const auto begin = Clock::now();
                const bool imported = loader.import("bench_module").ok();
                const auto loaded = Clock::now();
                const bool unloaded = imported && loader.unload("bench_module").ok();
                const auto end = Clock::now();
                if (!unloaded) return 1;
                imports.push_back(micros(loaded - begin));
                unloads.push_back(micros(end - loaded));
            }
            Copy copy(parent);
            const std::string file = copy.file().string();
            const auto begin = Clock::now();
            void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
            const bool found = library != nullptr && dlsym(library, "il_module_export_bench_module") != nullptr;
            const auto loaded = Clock::now();
            if (!found) return 1;
            dlclose(library);
            const auto end = Clock::now();
            opens.push_back(micros(loaded - begin));
            closes.push_back(micros(end - loaded));
        }
    }
    fs::remove_all(parent);
    rows.add({"import of a marked module", median(imports), "us", "dlopen + dlsym", median(opens),
              Target::ratio_at_most(1.5)});
    rows.add({"import of a marked module", median(imports), "us", {}, {}, Target::value_at_most(100)});
    rows.add({"import and unload", median(imports) + median(unloads), "us", "dlopen + dlsym + dlclose",
              median(opens) + median(closes)});
}
