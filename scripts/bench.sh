#!/usr/bin/env bash
# Builds and runs all benchmarks, and prints one table: what, value, against what, ratio, target.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<END
usage: $program [--summary | --audit | --python] [--json FILE]

Builds the bench preset (Release) and runs every benchmark in build/bench/bin. Nothing else should run meanwhile.

  --summary     only the rows that have a target, without the audit and CPython
  --audit       only the audit: on the wheels of scripts/corpus.sh, beside abi3audit, unzip and the interpreter of
                scripts/freethreaded-python.sh; without them it is left out
  --python      only the host for CPython, beside plain CPython: pip installs it for the interpreter of
                scripts/freethreaded-python.sh into build/bench-python-venv
  --json FILE   each row also as a line of JSON, appended to FILE

exit status: 0 also when a target is not met, 1 a benchmark failed, 2 wrong use
END
}

summary=false
audit_only=false
python_only=false
arguments=()
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --summary) summary=true ;;
        --audit) audit_only=true ;;
        --python) python_only=true ;;
        --json)
            [[ -n ${2-} ]] || usage_error "--json needs a file"
            arguments=(--json "$2")
            shift
            ;;
        *) usage_error "unknown argument '$1'" ;;
    esac
    shift
done

if $python_only; then
    scripts/setup.sh build
    python=$(scripts/freethreaded-python.sh --print-only --version 3.13)
    venv=$PWD/build/bench-python-venv
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check ./python >&2
    python3 -B bench/python_bench.py ${arguments+"${arguments[@]}"} "$venv/bin/python"
    exit
fi

groups=(build test)
if ! $summary; then groups+=(oracle); fi
scripts/setup.sh "${groups[@]}"
cmake --preset bench --log-level=WARNING >/dev/null
cmake --build --preset bench --parallel "$(default_jobs)" --target benchmarks interlock_cli >&2

for benchmark in attach call import switch locked; do
    if $audit_only; then continue; fi
    if $summary; then
        build/bench/bin/bench_$benchmark ${arguments+"${arguments[@]}"} 2>/dev/null | grep -E '(<=|>=) ' || true
    else
        build/bench/bin/bench_$benchmark ${arguments+"${arguments[@]}"}
    fi
done
if ! $summary; then
    # 77: there are no wheels or no interpreter here, which it has said.
    python3 -B bench/audit_bench.py ${arguments+"${arguments[@]}"} build/bench/bin/interlock || (($? == 77))
fi
