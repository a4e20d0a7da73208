// result.cpp: the stable text forms of error codes, and the key function of Failure, which pins its type information
// to this library so that it can be caught across shared libraries.
//
// SPDX-License-Identifier: MIT
#include <interlock/result.hpp>

namespace interlock {

std::string_view errc_name(Errc code) noexcept {
    switch (code) {  // no default: the compiler names an enumerator that is missing here
        case Errc::invalid_argument:
            return "invalid_argument";
        case Errc::invalid_name:
            return "invalid_name";
        case Errc::not_found:
            return "not_found";
        case Errc::unreadable:
            return "unreadable";
        case Errc::malformed_file:
            return "malformed_file";
        case Errc::malformed_marker:
            return "malformed_marker";
        case Errc::file_changed:
            return "file_changed";
        case Errc::load_failed:
            return "load_failed";
        case Errc::missing_symbol:
            return "missing_symbol";
        case Errc::wrong_abi:
            return "wrong_abi";
        case Errc::export_failed:
            return "export_failed";
        case Errc::init_failed:
            return "init_failed";
        case Errc::exec_failed:
            return "exec_failed";
        case Errc::call_failed:
            return "call_failed";
        case Errc::refused:
            return "refused";
        case Errc::warning_as_error:
            return "warning_as_error";
        case Errc::switch_timeout:
            return "switch_timeout";
        case Errc::import_deadlock:
            return "import_deadlock";
        case Errc::in_use:
            return "in_use";
        case Errc::unloaded:
            return "unloaded";
        case Errc::wrong_state:
            return "wrong_state";
        case Errc::unsupported:
            return "unsupported";
        case Errc::invalid_policy:
            return "invalid_policy";
        case Errc::invalid_manifest:
            return "invalid_manifest";
        case Errc::invalid_option:
            return "invalid_option";
        case Errc::io_error:
            return "io_error";
        case Errc::internal:
            return "internal";
    }
    return "internal";
}

Failure::~Failure() = default;

void throw_failure(Error error) { throw Failure(std::move(error)); }

}  // namespace interlock
