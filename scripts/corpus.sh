#!/usr/bin/env bash
# Fetches the real wheels with which the audit and the host for CPython are tested: tests/corpus/wheels.json pins them,
# none is in the tree.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! python3 -m pip --version >/dev/null 2>&1; then
    scripts/setup.sh oracle >&2
fi
export INTERLOCK_PROGRAM=$program PYTHONDONTWRITEBYTECODE=1
exec python3 tests/corpus/fetch.py "$@"
