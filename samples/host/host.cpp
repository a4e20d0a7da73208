// An image pipeline whose filters are native modules: how a C++ program embeds interlock. It does its work in two ways,
// each image in bands with Runtime::parallel_for, and many images at once with oneTBB's own parallel_pipeline, and
// checks that both give the same pictures. README.md tells what to look at.
//
// SPDX-License-Identifier: MIT
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <interlock/interlock.hpp>

#include "image.hpp"
#include "options.hpp"

namespace {

struct Filter {
    interlock::Module module;
    interlock::Function apply;
};

/// A view on the pixels for one call: nothing is copied.
il_buffer view_of(const Image& image, bool writable) {
    il_buffer view = {};
    view.data = const_cast<std::uint8_t*>(image.pixels.data());
    view.item = IL_ITEM_U8;
    view.writable = writable;
    view.dimensions = 3;
    view.shape[0] = image.height;
    view.shape[1] = image.width;
    view.shape[2] = 3;
    return view;
}

/// Lets a filter compute the rows [first, last) of `target`. On an error in the module: std::runtime_error.
void apply(const Filter& filter, const Image& source, Image& target, std::size_t first, std::size_t last) {
    const il_buffer from = view_of(source, false), to = view_of(target, true);
    const il_value args[] = {il_view(&from), il_view(&to), il_int64(static_cast<std::int64_t>(first)),
                             il_int64(static_cast<std::int64_t>(last))};
    interlock::Scope scope;  // owns what the call makes: here, the text of an error
    il_value result;
    if (filter.apply.call(scope, args, result) != IL_OK)
        throw std::runtime_error(filter.module.name() + ": " + scope.error_message());
}

/// One image or file after the other, each cut into bands that the runtime spreads over its threads. The bodies run
/// attached, so a fallback to locked mode may happen between any two bands; nothing here has to know.
std::vector<std::uint64_t> in_bands(interlock::Runtime& runtime, const std::vector<Filter>& filters,
                                    const Options& options) {
    constexpr std::size_t band = 32;
    std::vector<std::uint64_t> checksums;
    for (std::size_t i = 0; i < options.image_count(); ++i) {
        Image image = options.image(i), target(image.width, image.height);
        for (const Filter& filter : filters) {
            runtime.parallel_for(0, (image.height + band - 1) / band, [&](std::size_t n) {
                apply(filter, image, target, n * band, std::min((n + 1) * band, image.height));
            });
            std::swap(image, target);
        }
        checksums.push_back(checksum(image));
    }
    return checksums;
}

/// Many images at once in a pipeline of oneTBB. The body that runs module code attaches once for all of its calls, and
/// has a safe point between them; those that read and write do not attach: nobody ever waits for them.
std::vector<std::uint64_t> in_pipeline(interlock::Runtime& runtime, const std::vector<Filter>& filters,
                                       const Options& options) {
    using ImagePointer = std::shared_ptr<Image>;
    std::vector<std::uint64_t> checksums;
    std::size_t next = 0;
    const auto read = [&](tbb::flow_control& control) -> ImagePointer {
        if (next != options.image_count()) return std::make_shared<Image>(options.image(next++));
        control.stop();
        return nullptr;
    };
    const auto filter_image = [&](const ImagePointer& image) {
        Image target(image->width, image->height);
        interlock::Attached attached;
        for (const Filter& filter : filters) {
            apply(filter, *image, target, 0, image->height);
            std::swap(*image, target);
            interlock::safe_point();
        }
        return image;
    };
    const auto write = [&](const ImagePointer& image) {
        if (!options.output.empty()) write_image(options.output_file(checksums.size()), *image);
        checksums.push_back(checksum(*image));
    };
    tbb::task_arena arena(static_cast<int>(runtime.threads()));
    arena.execute([&] {
        using tbb::filter_mode;
        tbb::parallel_pipeline(2 * runtime.threads(),
                               tbb::make_filter<void, ImagePointer>(filter_mode::serial_in_order, read) &
                                   tbb::make_filter<ImagePointer, ImagePointer>(filter_mode::parallel, filter_image) &
                                   tbb::make_filter<ImagePointer, void>(filter_mode::serial_in_order, write));
    });
    return checksums;
}

template <typename Work>
std::vector<std::uint64_t> timed(const char* title, const interlock::Runtime& runtime, Work work) {
    const auto start = std::chrono::steady_clock::now();
    auto checksums = work();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    std::printf("%-40s %8.1f ms   %s\n", title, time.count(), interlock::mode_name(runtime.mode()));
    return checksums;
}

int run(const Options& options) {
    // What the user asks for in the environment counts (PYTHON_GIL, INTERLOCK_POLICY, ...), unless an option says more.
    auto runtime_options = interlock::RuntimeOptions::from_environment().value();
    if (options.threads != 0) runtime_options.threads = options.threads;
    interlock::Runtime runtime(std::move(runtime_options));
    auto loading = interlock::LoaderOptions::from_environment().value();
    loading.search_path = options.search_path;
    if (!options.policy.empty()) loading.policy = interlock::load_policy(options.policy).value();
    loading.policy_hint = "--policy";
    interlock::Loader loader(runtime, std::move(loading));

    std::vector<Filter> filters;
    for (const std::string& name : options.filters) {
        auto module = loader.import(name).value();  // throws Failure; the warning, if any, is on stderr by now
        auto function = module.function("apply").value();
        std::printf("%-16s %-12.*s %s\n", name.c_str(), static_cast<int>(level_name(module.level()).size()),
                    level_name(module.level()).data(), interlock::mode_name(runtime.mode()));
        filters.push_back({std::move(module), std::move(function)});
    }
    std::printf("%zu images, %u threads\n", options.image_count(), runtime.threads());
    const auto bands = timed("bands of an image (Runtime::parallel_for)", runtime,
                             [&] { return in_bands(runtime, filters, options); });
    const auto pipeline =
        timed("whole images (tbb::parallel_pipeline)", runtime, [&] { return in_pipeline(runtime, filters, options); });
    const bool same = bands == pipeline;
    std::printf("both gave the same pictures: %s\n", same ? "yes" : "NO");
    return same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto options = parse_options(argc, argv);
        if (!options) return 2;
        return run(*options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "filter-host: %s\n", error.what());
        return 1;
    }
}
