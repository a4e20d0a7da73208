#!/usr/bin/env bash
# The whole test suite, from nothing: set-up, every build that has to work, every test. What CI runs.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<END
usage: $program [--quick] [--jobs N]

Installs the packages that are missing (Debian 12), then builds and tests, step by step; stops at the first step that
fails. The last line of output is 'N passed, N failed'. Builds are in build/<preset>.

  --quick     only the step 'dev': gcc, warnings as errors, all tests of that build; no wheels are fetched for it
  --jobs N    run N compilers or tests at once (default here: $(default_jobs))
  --help      this

  INTERLOCK_REQUIRE_CORPUS=1   in the environment: tests with real wheels and a real interpreter must not skip
                               themselves when these cannot be had

exit status: 0 all passed, 1 something failed, 2 wrong use, 3 packages are missing and could not be installed
END
}

quick=false
jobs=$(default_jobs)
while (($# > 0)); do
    case $1 in
        --quick) quick=true ;;
        --jobs)
            is_count "${2-}" || usage_error "--jobs needs a number from 1 on"
            jobs=$2
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) usage_error "unknown argument '$1'" ;;
    esac
    shift
done

passed=0
failed=0
current="set-up"

# Whatever ends the script, the closing line is there, and it does not say that all is well when it is not.
finish() {
    local status=$?
    if ((status != 0)); then
        if ((failed == 0)); then failed=1; fi
        printf '\nFAILED in step: %s\n' "$current"
    fi
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Sanitizers need memory where a kernel with much address randomisation does not put it. A container may
# forbid to turn that off; then it has to work without.
sanitized=()
if setarch --addr-no-randomize true 2>/dev/null; then sanitized=(setarch --addr-no-randomize); fi

# step NAME TITLE COMMAND...: the commands run under `set -e`, so the first failure ends the script.
step() {
    current=$1
    local title=$2 started=$SECONDS
    shift 2
    printf '\n==== %s: %s\n' "$current" "$title"
    "$@"
    printf '==== %s: ok after %d s\n' "$current" $((SECONDS - started))
}

configure() { cmake --preset "$1" --log-level=WARNING; }

# build PRESET [TARGET...]
build() {
    local preset=$1
    shift
    cmake --build --preset "$preset" --parallel "$jobs" ${1+--target "$@"}
}

# run_tests PRESET [PREFIX...]: adds to the sums. The numbers are those of CTest's summary, which counts a test that
# could not be started as failed, and one that skipped itself as passed; the latter is put right here.
run_tests() {
    local preset=$1 log status=0 summary
    shift
    mkdir -p build/test-results
    log=build/test-results/$preset.log
    "$@" ctest --preset "$preset" --parallel "$jobs" --output-junit "$PWD/build/test-results/$preset.xml" |
        tee "$log" || status=$?
    summary=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests\{0,1\} failed out of \([0-9]*\)$/\1 \2/p' "$log")
    if [[ -n $summary ]]; then
        local bad=${summary% *} all=${summary#* } skipped
        skipped=$(grep -c '^[[:space:]]*[0-9]* - .* (Skipped)$' "$log") || true
        passed=$((passed + all - bad - skipped))
        failed=$((failed + bad))
    elif ((status == 0)); then
        complain "CTest gave no summary for preset $preset"
        status=1
    fi
    return $status
}

check_scripts() {
    local -a files
    mapfile -t files < <(find . \( -path ./build -o -path ./.git \) -prune -o \
        \( -name '*.sh' -o -name '*.bash' -o -path ./.ci/run \) -print)
    say "${#files[@]} files"
    shellcheck --external-sources "${files[@]}"
}

step_dev() {
    configure dev
    build dev
    run_tests dev
}
step_asan() {
    configure asan
    build asan
    run_tests asan "${sanitized[@]}"
}
step_tsan() {
    configure tsan
    # Ninja has a target for all of a folder: the rest of the tree is not built for this.
    build tsan tests/runtime/all tests/loader/all tests/python/all
    run_tests tsan "${sanitized[@]}"
}
step_classic() {
    configure classic
    build classic interlock_cli tests/cli/all tests/runtime/all
    run_tests classic
}
# Two types of one name in two files are undefined behaviour that no compiler of one file sees.
step_odr() {
    configure lto
    build lto interlock_cli interlock interlock_audit_shared
}
# The audit's fixtures are laid out as those who generate such code lay it out.
check_format() {
    local -a cpp c
    mapfile -t cpp < <(sources '*.cpp' '*.hpp')
    mapfile -t c < <(sources '*.c' '*.h')
    say "$((${#cpp[@]} + ${#c[@]})) files"
    clang-format-19 --dry-run -Werror "${cpp[@]}"
    clang-format-19 --style=file:.clang-format-c --dry-run -Werror "${c[@]}"
}
# sources PATTERN...
sources() {
    find . \( -path ./build -o -path ./.git -o -path ./tests/audit/fixtures \) -prune -o \
        \( -name "$1" -o -name "$2" \) -print
}
step_install() {
    run_tests install
}

# The package for CPython, as users install it: by pip, into a clean virtual environment.
step_python() {
    local python venv=$PWD/build/python-venv
    python=$(scripts/freethreaded-python.sh --print-only --version 3.13)
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check './python[test]'
    local log=build/test-results/python.log status=0 summary
    "$venv/bin/python" tests/python/run.py --jobs "$jobs" | tee "$log" || status=$?
    summary=$(sed -n 's/^python: \([0-9]*\) passed, \([0-9]*\) failed.*$/\1 \2/p' "$log")
    passed=$((passed + ${summary% *}))
    failed=$((failed + ${summary#* }))
    return $status
}

# What the verdicts of the audit are held against. Fetching waits for the network and building for the processor, so
# they go on together. Without them the tests that need them skip themselves, which is seen in the summary; with
# INTERLOCK_REQUIRE_CORPUS=1 that is a failure.
step_oracle() {
    local fetching status=0
    scripts/corpus.sh &
    fetching=$!
    scripts/freethreaded-python.sh --version 3.13 --jobs "$jobs" || status=1
    wait "$fetching" || status=1
    if ((status != 0)) && [[ ${INTERLOCK_REQUIRE_CORPUS-} == 1 ]]; then return 1; fi
}

groups=(build test)
if ! $quick; then groups+=(oracle); fi
scripts/setup.sh "${groups[@]}"
started=$SECONDS
if ! $quick; then
    step oracle "a free-threaded CPython and real wheels, both kept for the next time" step_oracle
fi
step dev "gcc, warnings are errors, all tests" step_dev
if ! $quick; then
    step install "the installed package, used by another project" step_install
    step python "the package for CPython, installed by pip, against the real interpreter" step_python
    step scripts "shellcheck" check_scripts
    step format "clang-format" check_format
    step odr "gcc, all of the program at once: no two types have one name" step_odr
    step asan "clang, warnings are errors; AddressSanitizer and UndefinedBehaviorSanitizer, all tests" step_asan
    step tsan "ThreadSanitizer, the tests that use std::thread" step_tsan
    step classic "the one-lock runtime (INTERLOCK_DISABLE_GIL=OFF)" step_classic
fi
printf '\nall steps ok after %d s\n' $((SECONDS - started))
