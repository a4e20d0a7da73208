#!/usr/bin/env bash
# Completion for bash, called as bash calls it.
#
# usage: completion.sh COMPLETION_FILE BINARY MODULES
#
# SPDX-License-Identifier: MIT
set -euo pipefail

# shellcheck source=/dev/null
. "$1"
binary=$2 modules=$3
failed=0

# expect WORDS... : SOME EXPECTED COMPLETIONS; the last of WORDS is what the cursor is behind.
expect() {
    local -a wanted=()
    COMP_WORDS=("$binary")
    while [[ $1 != : ]]; do
        COMP_WORDS+=("$1")
        shift
    done
    shift
    wanted=("$@")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _interlock "$binary" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    local word
    for word in "${wanted[@]}"; do
        if [[ $word == none ]]; then
            if ((${#COMPREPLY[@]} == 0)); then continue; fi
        elif [[ $word == only:* ]]; then
            if [[ ${COMPREPLY[*]} == "${word#only:}" ]]; then continue; fi
        elif grep -qxF -- "$word" <<<"$(printf '%s\n' "${COMPREPLY[@]}")"; then
            continue  # not by a pipe: grep leaves at the first match, and printf may still be writing
        fi
        printf 'FAILED: %s: no %s in: %s\n' "${COMP_WORDS[*]:1}" "$word" "${COMPREPLY[*]}" >&2
        failed=1
    done
}

export INTERLOCK_PATH=$modules
expect '' : run import call plan python config policy manifest audit inspect explain
expect r : only:run
expect policy '' : only:check
expect manifest '' : create check
expect manifest cr : only:create
expect - : --policy -j --threads --help -X
expect --co : only:--color
expect run --in : only:--input-as
expect run --import : --import --import-after --import-during
expect run -- : --reduce --json --unordered
expect policy check --s : --strict --switch-deadline
expect --color '' : auto always never
expect --color n : only:never
expect --warnings j : only:json
expect run --input-as '' : bytes text lines path
expect manifest create x --pin '' : sha256 build-id
expect -X '' : gil=0 gil=1
expect -j '' : none
expect --threads '' : none
expect import pro : only:probe
expect call pro : probe
expect call --args-as '' : auto json text
expect --json import pl : plain plain2
expect run --import gu : only:guarded
expect config GIL : only:GIL_DISABLED
expect explain unknown : unknown-key unknown-word
expect explain 7 : only:70
expect explain IL01 : IL010 IL018
expect aud : only:audit
expect audit --fo : only:--format
expect audit --format '' : table json ndjson sarif markdown csv
expect audit --f : --format --fail-on
expect audit --fail-on wa : only:warning
expect audit --fail-on IL00 : IL001 IL009
cd "$modules"
expect --policy pk : only:pkg
expect --path p : only:pkg
expect inspect prob : only:probe.so
expect plan prob : probe probe.so
expect audit prob : only:probe.so
expect audit --baseline prob : only:probe.so

# Every option of every help text is offered.
for verb in '' run import call plan config 'policy check' 'manifest create' 'manifest check' audit inspect explain; do
    read -ra words <<<"$verb"
    while read -r option; do
        expect ${words+"${words[@]}"} "$option" : "$option"
    done < <("$binary" ${words+"${words[@]}"} --help | sed -n 's/^ \{2,6\}\(-.*\)/\1/p' |
        grep -oE -- '^-[^ ,]+|^-., --[^ ,]+' | sed 's/^-., //')
done
exit $failed
