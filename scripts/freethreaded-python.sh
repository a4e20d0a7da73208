#!/usr/bin/env bash
# Prints the path of a free-threaded CPython, the judge of what `interlock audit` says about extension modules. Takes
# one that is there; else builds 3.13 from Debian trixie's source package, once per machine.
#
# SPDX-License-Identifier: MIT
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

built=3.13    # what is built when there is none,
suite=trixie  # from the sources of this Debian release
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/interlock
prefix=$cache/python${built}t
python=$prefix/bin/python${built}t

usage() {
    cat <<END
usage: $program [--print-only] [--version X.Y] [--jobs N]

Prints the path of a free-threaded CPython. The first that works of:
  \$INTERLOCK_PYTHON                              it is an error if that one does not work
  python3.15t, python3.14t, python3.13t          on PATH
  $python
The last is built if it is not there: CPython $built with --disable-gil, without optimisation passes, from the source
package of Debian $suite, which apt fetches and verifies. About 5 minutes on 2 cores.

  --print-only    build nothing: fail when there is none
  --version X.Y   only this version will do; without it any
  --jobs N        compilers at once (default here: $(default_jobs))
  --help          this

exit status: 0 the path is the only line on stdout, 1 there is none, 2 wrong use, 3 packages are missing for building
and could not be installed
END
}

print_only=false
version=
jobs=$(default_jobs)
while (($# > 0)); do
    case $1 in
        --print-only) print_only=true ;;
        --version)
            [[ ${2-} =~ ^3\.[0-9]+$ ]] || usage_error "--version needs one such as 3.13"
            version=$2
            shift
            ;;
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

# works PYTHON: it is free-threaded, the GIL is off, and it has what wheels and pip need. Isolated (-I), so that
# PYTHON_GIL and its like have no say.
works() {
    "$1" -I - "$version" >/dev/null 2>&1 <<'END'
import ctypes, ssl, sys, sysconfig, zlib

assert sysconfig.get_config_var("Py_GIL_DISABLED") == 1
assert not sys._is_gil_enabled()
assert sys.argv[1] in ("", "%d.%d" % sys.version_info[:2])
END
}

answer() {
    say "$1"
    exit 0
}

if [[ -n ${INTERLOCK_PYTHON-} ]]; then
    if path=$(command -v -- "$INTERLOCK_PYTHON") && works "$path"; then answer "$path"; fi
    complain "INTERLOCK_PYTHON is '$INTERLOCK_PYTHON', which is no usable free-threaded CPython${version:+ $version}:"
    complain "it does not run, has a GIL, or lacks ctypes, ssl or zlib. Set it to another one, or unset it."
    exit 1
fi
for name in python3.15t python3.14t python3.13t; do
    if path=$(command -v "$name") && works "$path"; then answer "$path"; fi
done
if works "$python"; then answer "$python"; fi

if $print_only; then
    complain "no free-threaded CPython${version:+ $version} here; without --print-only this script builds $built"
    exit 1
fi
if [[ -n $version && $version != "$built" ]]; then
    complain "no free-threaded CPython $version here, and only $built can be built. Set INTERLOCK_PYTHON to one."
    exit 1
fi

# From here on what other programs say goes to stderr: stdout has the path and nothing else.
exec 3>&1 1>&2

for tool in apt-get apt-config; do
    if ! command -v $tool >/dev/null; then
        complain "no $tool: CPython can be built on Debian only. Install a free-threaded CPython in your system's way,"
        complain "and set INTERLOCK_PYTHON to it."
        exit 1
    fi
done
scripts/setup.sh oracle

mkdir -p "$cache"
# Two runs at the same time: the second waits, and finds what the first has built.
exec 9>"$cache/python-build.lock"
flock 9
if works "$python"; then
    say "$python" >&3
    exit 0
fi

work=$(mktemp -d "$cache/python-build.XXXXXX")
log=$cache/python-build.log
current="set-up"
finish() {
    local status=$?
    cd "$cache"
    rm -rf -- "$work"
    if ((status != 0)); then
        complain "building CPython $built failed at: $current. The end of $log:"
        tail -n 15 -- "$log" || true
        exit 1
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
: >"$log"

# logged STEP COMMAND...: what it says goes to the log.
logged() {
    current=$1
    shift
    printf '\n==== %s\n' "$current" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null
}

# apt_path NAME: a path of apt's configuration, such as Dir::Etc::sourcelist/f.
apt_path() {
    local path=
    eval "$(apt-config shell path "$1")"
    printf '%s' "$path"
}

# From the machine's own entry for the release that it runs, an entry for the sources of another release: mirror, keys
# and options are those that the machine trusts already. Both formats of apt: `deb [options] URI suite component...`,
# and paragraphs of fields.
one_line_entry() {
    awk -v codename="$1" -v suite="$suite" '
        /^[ \t]*deb(-src)?[ \t]/ {
            sub(/#.*/, "")
            options = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART, RLENGTH) " "
                $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
            }
            if ($3 != codename || !/[ \t]main([ \t]|$)/) next
            print "deb-src " options $2 " " suite " main"
            exit
        }' "$2"
}
paragraph_entry() {
    grep -v '^#' -- "$2" | awk -v codename="$1" -v suite="$suite" '
        BEGIN { RS = ""; FS = "\n" }
        {
            entry = ""
            matches = 0
            for (i = 1; i <= NF; ++i) {
                if ($i ~ /^[ \t]/) {  # goes on with the field above
                    if (copied) entry = entry $i "\n"
                    continue
                }
                name = tolower(substr($i, 1, index($i, ":") - 1))
                value = " " substr($i, index($i, ":") + 1) " "
                gsub(/[ \t]+/, " ", value)
                copied = 0
                if (name == "suites") matches += index(value, " " codename " ") > 0
                else if (name == "components") matches += index(value, " main ") > 0
                else if (name == "enabled") matches -= 2 * (tolower(value) ~ /^ (no|false|0|off|without|disable) $/)
                else if (name != "types") copied = 1
                if (copied) entry = entry $i "\n"
            }
            if (matches == 2) {
                printf "%sTypes: deb-src\nSuites: %s\nComponents: main\n", entry, suite
                exit
            }
        }'
}
archive_entry() {
    local codename file
    codename=$(sed -n 's/^VERSION_CODENAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release)
    for file in "$(apt_path Dir::Etc::sourcelist/f)" "$(apt_path Dir::Etc::sourceparts/d)"*; do
        # apt tells the formats by the name, too.
        case $file in
            *.list) if [[ -r $file ]]; then one_line_entry "$codename" "$file" >"$work/$suite.list"; fi ;;
            *.sources) if [[ -r $file ]]; then paragraph_entry "$codename" "$file" >"$work/$suite.sources"; fi ;;
        esac
        for entry in "$work/$suite.list" "$work/$suite.sources"; do
            if [[ -s $entry ]]; then return; fi
        done
    done
    current="finding Debian's mirror"
    say "apt's configuration has no entry for '$codename', the release of this machine, with component main" >>"$log"
    return 1
}

# apt with lists and caches of its own: those of the machine, and what is hooked into them, stay as they are.
private_apt() { apt-get --config-file "$work/apt/config" -q "$@"; }
fetch_source() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/source"
    cat >"$work/apt/config" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State::Lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
Dir::Etc::SourceList "$entry";
Dir::Etc::SourceParts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
END
    # The account to which apt changes as root cannot write here.
    if ((EUID == 0)); then say 'APT::Sandbox::User "root";' >>"$work/apt/config"; fi
    logged "reading the list of Debian $suite's sources" private_apt --error-on=any update
    cd "$work/source"
    logged "fetching the source package python$built" private_apt --download-only source "python$built"
}

# Without Debian's patches, which move the folders of installed packages and turn ensurepip off; but with the security
# fixes among them, as far as they apply alone.
unpack_source() {
    local patch
    # apt has verified it; the key of who uploaded it is not on this machine.
    dpkg-source --no-check --skip-patches --extract "$work"/source/*.dsc "$work/tree"
    for patch in "$work"/tree/debian/patches/CVE-*.patch; do
        if [[ ! -r $patch ]]; then continue; fi
        if patch -d "$work/tree" -p1 --dry-run --force --silent <"$patch" >/dev/null; then
            patch -d "$work/tree" -p1 --force --silent <"$patch"
        else
            say "left out: ${patch##*/}"
        fi
    done
}

configure_python() {
    # The interpreter finds its own library, wherever its folder is. The dollar sign has to pass make and a shell.
    # shellcheck disable=SC2016
    nice ./configure --prefix="$prefix" --disable-gil --enable-shared --with-ensurepip=no --disable-test-modules \
        LDFLAGS_NODIST='-Wl,-rpath,\$$ORIGIN/../lib'
}

complain "building CPython $built without a GIL in $cache; about 5 minutes, once on this machine"
archive_entry
fetch_source
logged "unpacking the sources" unpack_source
cd "$work/tree"
logged "configure" configure_python
logged "make" nice make --jobs "$jobs"
logged "make install" nice make altinstall DESTDIR="$work/root"
staged=$work/root$prefix
logged "ensurepip" "$staged/bin/python${built}t" -I -m ensurepip --altinstall
# They name the folder as it is now.
sed -i "1s|^#!.*|#!$python|" "$staged"/bin/pip*
current="a first run of what was built"
works "$staged/bin/python${built}t"
logged "$current" "$staged/bin/python${built}t" -I -m pip --version

# One that is there does not work, or it would have been taken.
if [[ -e $prefix ]]; then mv -- "$prefix" "$work/broken"; fi
mv -- "$staged" "$prefix"
works "$python"
complain "built: $python"
say "$python" >&3
