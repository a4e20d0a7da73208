// confinement.hpp: what a process may still do that unpacks or emulates foreign bytes: compute, take memory within a
// limit, read what it is handed, and answer. Whoever takes it over is to find nothing else there.
//
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <interlock/confinement.hpp>

namespace interlock::auditing::worker {

/// A sanitizer has system calls and terabytes of address space of its own, and wants to be heard: in such a build there
/// is no filter of system calls, and no limit of memory.
#if defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// The only descriptor that is left, beside those of /dev/null.
inline constexpr int own_socket = 3;
/// So many more can be received.
inline constexpr int most_received = 256;

/// What is not to be used although the system has it: names, with commas between them, in an environment variable; for
/// tests, and for systems on which one of them does harm.
inline constexpr const char* without_variable = "INTERLOCK_AUDIT_WITHOUT";

/// In a process that was forked for it, for good. `socket` becomes own_socket; handlers, descriptors and dumps of the
/// program that forked are gone. `memory`: bytes that the process may take beyond what it has now; `files`: bytes of
/// files that it may map. What the system does not have is left out: the result says what is in force.
Confinement confine(int socket, std::uint64_t memory, std::uint64_t files) noexcept;

}  // namespace interlock::auditing::worker
