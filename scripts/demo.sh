#!/usr/bin/env bash
# The main job on real files: installs what is missing, builds Release, runs the demonstration. Quick when repeated.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ ${1-} == -h || ${1-} == --help ]]; then
    cat <<END
usage: $program [ARGUMENT...]

Installs the packages that are missing (Debian 12), builds the release preset into build/release, and runs
scripts/demo_run.sh build/release ARGUMENT...
END
    exit 0
fi

scripts/setup.sh build

# What goes well says nothing, what fails says everything; on a terminal the build shows its progress.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        complain "failed: $*"
        exit 1
    fi
    rm -f "$log"
}
with_progress() { if [[ -t 1 ]]; then "$@"; else quietly "$@"; fi; }

say "Building build/release/bin/interlock (some minutes the first time) ..."
quietly cmake --preset release
with_progress cmake --build --preset release --parallel "$(default_jobs)"

exec scripts/demo_run.sh build/release "$@"
