# shellcheck shell=bash
# Completion of the interlock command for bash. It asks the command's own help, so it knows what the installed version
# knows.
#
# SPDX-License-Identifier: MIT

# _interlock_left COMMAND [VERB...]: the left columns of the option lists of a help text, "-j, --threads N".
_interlock_left() {
    "$@" --help 2>/dev/null | sed -n 's/^ \{2,6\}\(-.*\)/\1/p' | sed 's/  .*//'
}

# _interlock_first_column COMMAND VERB: of a table, without its header.
_interlock_first_column() {
    "$@" 2>/dev/null | sed -n '2,$s/^\([^ ]*\).*/\1/p'
}

_interlock_modules() {
    local IFS=: folder file
    for folder in ${INTERLOCK_PATH-}; do
        for file in "$folder"/*.so; do
            [[ -e $file ]] || continue
            file=${file##*/}
            printf '%s\n' "${file%.so}"
        done
    done
}

_interlock() {
    local command=$1 current=$2 previous=$3 verbs verb='' value='' word lefts
    COMPREPLY=()
    verbs=$("$command" --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]\{1,\}\( [a-z]\{1,\}\)\{0,1\}\)  .*/\1/p')
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if grep -qxE -- "${verb:+$verb }$word( .*)?" <<<"$verbs"; then verb+=${verb:+ }$word; fi
        if grep -qxF -- "$verb" <<<"$verbs"; then break; fi
    done
    # The verb is one word or two.
    # shellcheck disable=SC2086
    lefts=$(_interlock_left "$command"; [[ -z $verb ]] || _interlock_left "$command" $verb)

    if [[ $previous == -* ]]; then
        value=$(awk -v option="$previous" '
            { split($0, words, ",? ") }
            words[1] == option || words[2] == option { if ($NF !~ /^-/) print $NF; exit }' <<<"$lefts")
    fi
    if [[ $previous == -X ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'gil=0 gil=1' -- "$current")
    elif [[ $value == 'RULE|LEVEL' ]]; then
        word=$(_interlock_first_column "$command" explain | grep '^IL[0-9]')
        mapfile -t COMPREPLY < <(compgen -W "error warning note never $word" -- "$current")
    elif [[ $value == *'|'* && $value != *[A-Z]* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$current")
    elif [[ $value == DIR ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    elif [[ $value == FILE || $value == PATH ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ $value == MODULE* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_interlock_modules)" -- "$current")
    elif [[ -n $value ]]; then
        return
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '(^|, )-[^ ,]+' <<<"$lefts" | sed 's/^, //') -h --help" -- "$current")
    elif ! grep -qxF -- "${verb:-none}" <<<"$verbs"; then
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^${verb:+$verb }\([a-z]*\).*/\1/p" <<<"$verbs")" -- "$current")
    else
        case $verb in
            config | explain) word=$(_interlock_first_column "$command" "$verb") ;;
            import | call | plan | run) word=$(_interlock_modules) ;;
            *) word='' ;;
        esac
        if [[ $verb =~ ^(config|explain|import)$ ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -f -W "$word" -- "$current")
        fi
    fi
}

complete -o filenames -F _interlock interlock
