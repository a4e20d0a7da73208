#!/usr/bin/env bash
# The demonstration, without building: the program samples/demo on real files, then the same things on the command line.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<END
usage: $program BUILD_DIR [ARGUMENT...]

Runs BUILD_DIR/bin/interlock-demo ARGUMENT..., then some calls of BUILD_DIR/bin/interlock.

  INTERLOCK_DEMO_CORPUS=DIR   in the environment: the files to work on (default: /usr/include)

exit status: 0 all went as it should, 1 something did not, 2 wrong use
END
}

case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    '') usage_error "BUILD_DIR is missing" ;;
esac
build=$1
shift
for needed in bin/interlock-demo bin/interlock modules/textkit.so; do
    if [[ ! -e $build/$needed ]]; then usage_error "$build/$needed does not exist: build it first"; fi
done

export INTERLOCK_DEMO_CORPUS=${INTERLOCK_DEMO_CORPUS:-/usr/include}
export INTERLOCK_PATH=$build/modules
# What the user has set for other programs must not change what is shown here.
unset INTERLOCK_GIL PYTHON_GIL INTERLOCK_POLICY

# show EXPECTED_STATUS COMMAND...: the command, then what it prints. Both streams go the same way, so that warnings
# stand where they were written.
show() {
    local expected=$1 status=0
    shift
    printf '\n$ %s\n' "$*"
    "$@" 2>&1 || status=$?
    if ((expected != 0)); then say "(exit status $status)"; fi
    if ((status != expected)); then
        complain "exit status $status instead of $expected: $*"
        exit 1
    fi
}

# The command by its short name: what is shown can be typed.
interlock() { "$build/bin/interlock" "$@"; }

show 0 "$build/bin/interlock-demo" "$@"
say
say "The same with the command $build/bin/interlock, and with the modules in INTERLOCK_PATH=$INTERLOCK_PATH:"
show 1 interlock plan legacy_tok
show 0 interlock run textkit.count --reduce textkit.sum "$INTERLOCK_DEMO_CORPUS"
show 0 interlock import --policy samples/legacy.policy.json legacy_tok
show 1 interlock import -W error textkit legacy_tok
