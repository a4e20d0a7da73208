#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing else. When nothing is missing it neither needs a network
# nor rights, and takes no noticeable time.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

list=scripts/packages.txt
not_set_up=3

usage() {
    cat <<END
usage: $program [GROUP...]

Installs what is missing of the package groups (default: build test) with apt-get, as root or through sudo.
The groups and what each package is for: $list

  INTERLOCK_SKIP_SETUP=1   in the environment: check and install nothing (other systems than Debian 12)

exit status: 0 all is there, 2 wrong use, 3 something is missing and could not be installed
END
}

groups=()
for argument in "$@"; do
    case $argument in
        -h | --help)
            usage
            exit 0
            ;;
        -*) usage_error "unknown option '$argument'" ;;
        *) groups+=("$argument") ;;
    esac
done
if ((${#groups[@]} == 0)); then groups=(build test); fi
if [[ ${INTERLOCK_SKIP_SETUP-} == 1 ]]; then exit 0; fi

wanted=()
for group in "${groups[@]}"; do
    mapfile -t members < <(awk -v group="$group" '$1 == group { print $2 }' "$list")
    if ((${#members[@]} == 0)); then usage_error "$list has no group '$group'"; fi
    wanted+=("${members[@]}")
done

elsewhere() {
    complain "$1; it can install packages on Debian 12 only."
    complain "Install what $list names in your system's way, then run this again with INTERLOCK_SKIP_SETUP=1."
    exit $not_set_up
}

if ! command -v dpkg-query >/dev/null; then elsewhere "no dpkg-query here"; fi

# dpkg-query knows nothing of a package that was never installed: it says so on stderr and fails, which is an answer.
installed=$(dpkg-query --show --showformat='${binary:Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^\([^ :]*\)[^ ]* installed$/\1/p') || true
missing=()
for package in "${wanted[@]}"; do
    if ! grep -qxF -- "$package" <<<"$installed"; then missing+=("$package"); fi
done
if ((${#missing[@]} == 0)); then exit 0; fi

say "Missing packages: ${missing[*]}"

os_release() { sed -n "s/^$1=\"\?\([^\"]*\)\"\?\$/\1/p" /etc/os-release 2>/dev/null || true; }
system="$(os_release ID) $(os_release VERSION_ID)"
if [[ $system != "debian 12" ]]; then elsewhere "this system is '$system'"; fi
if ! command -v apt-get >/dev/null; then elsewhere "no apt-get here"; fi

no_rights() {
    complain "$1. Ask somebody with the rights to run:"
    complain "    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    complain "and start $program again. Nothing was changed."
    exit $not_set_up
}

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        no_rights "packages are missing, you are not root, and there is no sudo"
    elif sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    elif [[ -t 0 ]] && sudo -v; then
        as_root=(sudo)
    else
        no_rights "packages are missing, and sudo does not let you install them"
    fi
fi

# `env` because sudo drops the environment. The lock is waited for: a fresh machine often updates itself in the
# background.
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

say "Installing them with apt-get ..."
# A list that cannot be refreshed, perhaps one that has nothing to do with us, need not keep us from installing.
if ! apt update; then complain "apt-get could not refresh every package list; going on with what is known"; fi
if ! apt install --yes --no-install-recommends "${missing[@]}" >/dev/null; then
    complain "apt-get could not install: ${missing[*]}"
    complain "Its messages are above; most often the network or the package lists are the reason."
    exit $not_set_up
fi
