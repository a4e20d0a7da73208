#!/usr/bin/env bash
# Checks switch.pml, or a variant of it, with Spin: run_model.sh SPIN CC MODEL sound|sound-large|broken [-D...]
# sound-large: without the search for cycles, which needs five times as long.
# In the directory where it is started it leaves the verifier and, for a broken variant, the trail to the error.
#
# exit status: 0 as expected, 1 not, 2 wrong use, 77 Spin or the C compiler is missing
#
# SPDX-License-Identifier: MIT
set -u

if (($# < 4)) || [[ $4 != sound && $4 != sound-large && $4 != broken ]]; then
    echo "usage: $0 SPIN CC MODEL sound|sound-large|broken [-D...]" >&2
    exit 2
fi
spin=$1 compiler=$2 model=$3 expected=$4
shift 4

if [[ ! -x $spin ]]; then
    echo "skipped: Spin is not installed (Debian: spin)"
    exit 77
fi

# check VERIFIER_OPTIONS COMPILER_OPTIONS...: prints the number of errors that the verifier found.
check() {
    local options=$1
    shift
    "$compiler" -O1 -w "$@" -DCOLLAPSE -DMEMLIM=1500 -DVECTORSZ=2048 -o pan pan.c || return 1
    # shellcheck disable=SC2086  # several options
    ./pan $options -m20000 >pan.log || return 1
    if grep -Eq 'max search depth too small|out of memory|Search not completed' pan.log && [[ $expected != broken ]]; then
        cat pan.log >&2
        return 1
    fi
    grep -E '^pan|states, stored|errors:' pan.log >&2
    sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log
}

"$spin" -a "$@" "$model" || exit 1
errors=$(check "" -DSAFETY) || exit 1
# Nothing may go round in circles either; a verifier of its own, as it needs more memory.
cycles=0
if [[ $expected == sound ]]; then cycles=$(check -l -DNP) || exit 1; fi

if [[ $expected != broken ]]; then
    ((errors == 0 && cycles == 0)) && exit 0
    echo "FAILED: the model has errors; replay with: $spin -t -p -g $* $model" >&2
    exit 1
fi
((errors > 0)) && exit 0
echo "FAILED: the model does not notice $*" >&2
exit 1
