// linked_libraries.cpp: see linked_libraries.hpp.
//
// SPDX-License-Identifier: MIT
#include "verdict/linked_libraries.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <interlock/escape.hpp>

#include "emulation/c_api_names.hpp"
#include "emulation/constant_definition.hpp"
#include "image/library_names.hpp"

namespace interlock::auditing::verdict {

namespace {

// Of a library the slice for the same processor.
std::optional<image::Image> read_library(image::Bytes file, const std::string& name, const image::Image& module,
                                         const image::Names& wanted, const image::Names& interposed) {
    Result<std::vector<image::Image>> images =
        image::read_images(file, name, {&wanted, &interposed, emulation::is_of_process});
    if (!images) return std::nullopt;
    for (image::Image& image : *images)
        if (image.architecture == module.architecture && image.format == module.format) return std::move(image);
    return std::nullopt;
}

// What the module and the libraries before it define comes before what a library defines itself.
image::Names interposed_in(const image::Image& library, const image::Names& before) {
    image::Names names;
    for (const std::string_view name : library.defined)
        if (before.contains(name)) names.insert(name);
    return names;
}

}  // namespace

Linked read_libraries(const image::Image& module, const BinaryContext& context, std::span<const image::Bytes> files) {
    Linked linked;
    image::Names wanted, before(module.defined.begin(), module.defined.end());
    const image::Names of_module = before;
    const auto want = [&](const image::Image& image) {
        for (const image::Import& import : image.imports) wanted.insert(import.name);
    };
    want(module);
    for (std::size_t i = 0; i < std::min(files.size(), context.libraries.size()); ++i) {
        auto image = read_library(files[i], context.libraries[i], module, wanted, {});
        if (!image) continue;
        if (const image::Names interposed = interposed_in(*image, before); !interposed.empty()) {
            wanted.insert(interposed.begin(), interposed.end());
            image = read_library(files[i], context.libraries[i], module, wanted, interposed);
            if (!image) continue;
        }
        want(*image);
        for (const image::Import& import : image->imports)
            if (of_module.contains(import.name)) linked.of_module.insert(import.name);
        before.insert(image->defined.begin(), image->defined.end());
        linked.libraries.push_back({context.libraries[i], std::move(*image)});
    }
    return linked;
}

bool can_be_changed_by_libraries(const image::Image& image) {
    // Unpacking libraries for an entry point that decides nothing would be in vain.
    const auto decides = [&](const image::Export& entry) {
        return image::is_entry_point(entry.name) && !emulation::only_hands_over(image, entry);
    };
    if (std::ranges::none_of(image.exports, decides)) return false;
    static constexpr std::string_view of_linker[] = {"_init", "_fini", "_end", "_edata", "__bss_start", "_etext"};
    return std::ranges::any_of(image.defined, [&](std::string_view name) {
        return !image::is_entry_point(name) && std::ranges::find(of_linker, name) == std::end(of_linker);
    });
}

void list_missing_libraries(BinaryAudit& binary, const image::Image& image, const Linked& linked,
                            const BinaryContext& context) {
    const auto add = [&](const image::Image& one) {
        for (const std::string_view path : one.libraries) {
            const std::string name(image::library_name(path));
            const bool there = std::ranges::find(context.libraries, name) != context.libraries.end();
            const bool known = std::ranges::find(binary.missing_libraries, name) != binary.missing_libraries.end();
            if (binary.missing_libraries.size() >= most_libraries) return;
            if (!there && !known && !image::is_library_of_the_system(path)) binary.missing_libraries.push_back(name);
        }
    };
    add(image);
    for (const emulation::Library& library : linked.libraries) add(library.image);
}

void say_what_is_missing(BinaryAudit& binary) {
    if (binary.missing_libraries.empty()) return;
    std::string names = quoted(binary.missing_libraries.front(), 200);
    const std::size_t more = binary.missing_libraries.size() - 1;
    if (more > 0) names += fmt::format(" or one of {} others", more);
    for (ModuleAudit& module : binary.modules)
        if (module.verdict == Verdict::undetermined)
            module.reason += "; it uses " + names + ", which is not there or cannot be read";
}

}  // namespace interlock::auditing::verdict
