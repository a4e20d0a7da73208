# shellcheck shell=bash
# What every script needs: strict mode, the root of the tree as working directory, stable output, one way to talk.
# Sourced, never run.
#
# SPDX-License-Identifier: MIT

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Output of tools is parsed: it must not be translated. C.UTF-8 is always there on Debian.
export LC_ALL=C.UTF-8
program=scripts/$(basename "$0")

# A user without a usable home, as in many containers: keep the compiler cache in the tree.
if [[ -z ${CCACHE_DIR-} && ! -w ${HOME:-/nonexistent} ]]; then
    export CCACHE_DIR=$PWD/build/.ccache
fi

# Otherwise the same file is compiled anew for every preset, only because debug information names the build folder.
export CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "$program" "$*" >&2; }

# One compiler needs up to 1.5 GB, so little memory means fewer jobs than processors.
default_jobs() {
    local processors memory_jobs
    processors=$(nproc)
    memory_jobs=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
    if ((memory_jobs < 1)); then memory_jobs=1; fi
    say $((processors < memory_jobs ? processors : memory_jobs))
}

# usage_error TEXT: exit 2, as the interlock command does for wrong use.
usage_error() {
    complain "$* (see $program --help)"
    exit 2
}

# is_count TEXT: a whole number from 1 on.
is_count() { [[ $1 =~ ^[1-9][0-9]{0,3}$ ]]; }
