#!/usr/bin/env bash
# Fills in what the documentation shows of the software itself, between a marker line and `<!-- end -->`:
#   <!-- help: VERB -->           what `interlock VERB --help` prints
#   <!-- include: FILE NAME -->   the code block behind `<!-- test: NAME -->` in FILE, which a test compiles and runs
#   <!-- output: NAME -->         a recorded transcript; made anew only with --record, as its figures differ each time
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<END
usage: $program [--check] [--record NAME]... BINARY

Brings README.md, docs/*.md and the pages of rules and codes up to date with BINARY (the interlock command of a build).

  --check         writes nothing; fails when a file is not up to date
  --record NAME   runs what the transcript NAME shows and puts its output in: demo, fallback, audit, oracle, bench,
                  auditbench (BINARY must be in build/release/bin; the audit's need scripts/corpus.sh, the last two of
                  its and oracle also scripts/freethreaded-python.sh); pythonwarning, pythoncompare, pythonbench
                  (INTERLOCK_PYTHON is a free-threaded interpreter that has interlock; the first needs
                  scripts/corpus.sh as well)
END
}

check=false
record=" "
binary=
while (($# > 0)); do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --check) check=true ;;
        --record)
            record+="${2-} "
            shift
            ;;
        -*) usage_error "unknown option '$1'" ;;
        *) binary=$1 ;;
    esac
    shift
done
[[ -x $binary ]] || usage_error "BINARY is missing, or is no program: '$binary'"
build=$(dirname "$(dirname "$binary")")

# transcript NAME: runs it. Paths of this machine are not for the reader.
transcript() {
    case $1 in
        demo) scripts/demo_run.sh "$build" ;;
        fallback)
            printf '$ interlock import legacy_tok\n'
            INTERLOCK_PATH=$build/modules "$binary" import legacy_tok 2>&1
            ;;
        audit)
            # The audit's exit status says that there are findings, and is not shown.
            printf '$ interlock audit markupsafe-3.0.3-*.whl contourpy-1.3.3-*.whl greenlet-3.2.2-*.whl\n'
            local command
            command=$(realpath "$binary")
            (cd "$(scripts/corpus.sh --print-dir)" && {
                "$command" audit {markupsafe-3.0.3,contourpy-1.3.3,greenlet-3.2.2}-*manylinux*x86_64.whl || (($? == 1))
            })
            ;;
        oracle)
            local verdicts held
            verdicts=$(mktemp)
            printf 'verdicts on modules of the corpus: '
            python3 -B tests/audit/oracle/verdicts.py "$binary" "$verdicts"
            for held in oracle newer siblings; do
                printf '\n$ tests/audit/oracle/%s.py\n' "$held"
                python3 -B "tests/audit/oracle/$held.py" "$binary" --verdicts "$verdicts" --totals
            done
            rm "$verdicts"
            ;;
        bench) scripts/bench.sh --summary ;;
        auditbench) scripts/bench.sh --audit ;;
        pythonwarning)
            local folder packages
            folder=$(mktemp -d)
            packages=$folder/env/lib/python3.13t/site-packages
            mkdir -p "$packages"
            python3 -m zipfile -e "$(scripts/corpus.sh --print-dir)"/greenlet-3.2.2-*313t-manylinux*x86_64.whl "$packages"
            printf 'import jobs\n' >"$folder/app.py"
            printf 'import greenlet\n' >"$folder/jobs.py"
            printf '$ python -m interlock --report report.json app.py\n'
            (cd "$folder" && PYTHONPATH=$packages "${INTERLOCK_PYTHON:?is needed for $1}" -B -m interlock \
                --report report.json app.py) 2>&1 | sed "s|$folder/||g"
            rm -r "$folder"
            ;;
        pythoncompare) python3 -B scripts/python_compare.py "${INTERLOCK_PYTHON:?is needed for $1}" ;;
        pythonbench) python3 -B bench/python_bench.py "${INTERLOCK_PYTHON:?is needed for $1}" ;;
        *) usage_error "unknown transcript '$1'" ;;
    esac | sed "s|$PWD/||g"
}

# included FILE NAME: the fenced block that follows the marker.
included() {
    awk -v marker="<!-- test: $2 -->" '
        $0 == marker { found = 1; next }
        found && /^```/ { print; if (inside) exit; inside = 1; next }
        inside { print }' "$1"
}

# refresh FILE: the file as it should be, to stdout.
refresh() {
    local line skipping=false
    while IFS= read -r line; do
        if [[ $line == '<!-- end -->' ]]; then skipping=false; fi
        if $skipping; then continue; fi
        printf '%s\n' "$line"
        if [[ $line =~ ^'<!-- help:'(.*)' -->'$ ]]; then
            read -ra verb <<<"${BASH_REMATCH[1]}"
            printf '```\n'
            "$binary" ${verb+"${verb[@]}"} --help
            printf '```\n'
            skipping=true
        elif [[ $line =~ ^'<!-- include: '([^ ]+)' '([^ ]+)' -->'$ ]]; then
            included "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
            skipping=true
        elif [[ $line =~ ^'<!-- output: '([a-z]+)' -->'$ && $record == *" ${BASH_REMATCH[1]} "* ]]; then
            printf '```\n'
            transcript "${BASH_REMATCH[1]}"
            printf '```\n'
            skipping=true
        fi
    done <"$1"
    if $skipping; then
        complain "$1: a marker has no '<!-- end -->'"
        return 1
    fi
}

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
stale=false
for file in README.md docs/*.md audit/rules/*.md cli/codes/*.md manifests/codes.md; do
    refresh "$file" >"$fresh"
    if cmp -s "$file" "$fresh"; then continue; fi
    if $check; then
        diff -u "$file" "$fresh" || true
        complain "$file is not up to date; run: $program BINARY"
        stale=true
    else
        cat "$fresh" >"$file"
        say "updated $file"
    fi
done
if $stale; then exit 1; fi
