// The gil option (gil_option.hpp).
//
// SPDX-License-Identifier: MIT
#include <interlock/gil_option.hpp>

#include <cstdlib>

#include <interlock/escape.hpp>

namespace interlock {

bool is_free_threading_build() noexcept { return INTERLOCK_DISABLE_GIL != 0; }

namespace {

Result<GilSetting> parse(std::string_view value, std::string_view source) {
    if (value == "1") return GilSetting::on;
    if (value != "0")
        return Error{Errc::invalid_option, std::string(source) + " must be \"0\" or \"1\", not " + quoted(value, 80)};
    if (!is_free_threading_build())
        return Error{Errc::unsupported, "Disabling the GIL is not supported by this build (" + std::string(source) +
                                            "=0; rebuild with -DINTERLOCK_DISABLE_GIL=ON)"};
    return GilSetting::off;
}

}  // namespace

Result<GilOption> resolve_gil_option(std::optional<std::string_view> x_option) {
    GilOption option;
    for (const char* name : {"INTERLOCK_GIL", "PYTHON_GIL"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        Result<GilSetting> setting = parse(value, name);
        if (!setting) return std::move(setting).error();
        option = {*setting, name};
        break;
    }
    if (x_option) {
        Result<GilSetting> setting = parse(*x_option, "-X gil");
        if (!setting) return std::move(setting).error();
        option = {*setting, "-X gil"};
    }
    return option;
}

}  // namespace interlock
