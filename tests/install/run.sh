#!/usr/bin/env bash
# Installs a build into a new prefix, moves it, and uses it from there: what is in the package, a program with the
# shared and with the static library, the audit from C++ and C, modules with and without CMake, pkg-config, and the tree
# as a subdirectory.
#
# usage: run.sh SOURCE_DIR BUILD_DIR WORK_DIR CC CXX
#
# SPDX-License-Identifier: MIT
set -euo pipefail

source_dir=$1 build_dir=$2 work=$3 cc=$4 cxx=$5
consumer=$source_dir/tests/install/consumer

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Nothing of the developer's environment may make up for what the package lacks.
alone() {
    env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$work" LC_ALL=C.UTF-8 \
        PKG_CONFIG_PATH="$libdir/pkgconfig" LD_LIBRARY_PATH="${library_path-}" "$@"
}

rm -rf "$work"
mkdir -p "$work"

echo "-- components"
for component in runtime audit devel tools doc; do
    cmake --install "$build_dir" --prefix "$work/by-component/$component" --component "$component" >"$work/log" ||
        { cat "$work/log"; fail "component $component cannot be installed"; }
done
(cd "$work/by-component" && find . ! -type d -printf '%P\n' | sort) >"$work/contents"
version=$(sed -n 's/^#define INTERLOCK_VERSION "\(.*\)"$/\1/p' "$source_dir/base/include/interlock/version.hpp")
expected_runtime=$(printf '%s\n' libinterlock.so.0 "libinterlock.so.$version")
[[ $(sed -n 's!^runtime/.*/!!p' "$work/contents") == "$expected_runtime" ]] ||
    fail "component runtime is not exactly the shared library: $(grep ^runtime/ "$work/contents")"
expected_audit=$(printf '%s\n' libinterlock-audit.so.0 "libinterlock-audit.so.$version")
[[ $(sed -n 's!^audit/.*/!!p' "$work/contents") == "$expected_audit" ]] ||
    fail "component audit is not exactly its shared library: $(grep ^audit/ "$work/contents")"
[[ $(grep -cE '^tools/(bin|libexec)/' "$work/contents") == 2 ]] || fail "component tools is not the command's two programs"
(cd "$source_dir" && find {base,abi,runtime,manifests,loader,audit}/include -type f -printf '%f\n' | sort) \
    >"$work/headers.tree"
sed -n 's!^devel/include/interlock/!!p' "$work/contents" >"$work/headers.installed"
diff "$work/headers.tree" "$work/headers.installed" || fail "the installed headers are not those of the tree"
(cd "$source_dir" && find {manifests,audit}/schema -name '*.json' -printf '%f\n' | sort) >"$work/schemas.tree"
sed -n 's!^devel/share/interlock/schema/!!p' "$work/contents" | diff "$work/schemas.tree" - ||
    fail "the installed schemas are not those of the tree"
for file in LICENSE README.md CHANGELOG.md docs/audit.md audit/rules/IL001-unmarked.md cli/codes/errors.md \
    manifests/codes.md; do
    grep -qxF "doc/share/doc/interlock/$file" "$work/contents" || fail "component doc lacks $file"
done

echo "-- the whole, moved"
cmake --install "$build_dir" --prefix "$work/first" >"$work/log" || { cat "$work/log"; fail "cannot be installed"; }
mv "$work/first" "$work/prefix"
prefix=$work/prefix
libdir=$(dirname "$(find "$prefix" -name libinterlock.so)")
[[ -d $libdir ]] || fail "there is no libinterlock.so in $prefix"
find "$prefix/include" "$libdir/cmake" "$libdir/pkgconfig" -type f -exec \
    grep -lF -e "$source_dir" -e "$build_dir" -e "$work" {} + && fail "these files name places of this machine"

echo "-- symbols"
# Only interlock's own: anything else could collide with what the program brings itself.
nm --dynamic --defined-only --format=just-symbols "$libdir/libinterlock.so" | c++filt | sort >"$work/symbols"
grep -vE '^((vtable|typeinfo|typeinfo name|VTT) for )?interlock::|^INTERLOCK_|^interlock_' "$work/symbols" |
    grep . && fail "libinterlock.so exports symbols that are not interlock's"
# The C API of the host, each function under the version in which it came.
sed -n 's/^INTERLOCK_HOST_API .*[ *]\(interlock_[a-z_]*\)(.*/\1@@INTERLOCK_HOST_1/p' "$prefix/include/interlock/host.h" |
    sort >"$work/host.declared"
nm --dynamic --defined-only --with-symbol-versions --format=just-symbols "$libdir/libinterlock.so" |
    grep '^interlock_' | sort >"$work/host.exported"
diff "$work/host.declared" "$work/host.exported" || fail "libinterlock.so exports not what host.h declares"
nm --dynamic --defined-only --format=just-symbols "$libdir/libinterlock-audit.so" | c++filt | sort \
    >"$work/symbols.audit"
grep -vE '^((vtable|typeinfo|typeinfo name|VTT) for )?interlock::|^INTERLOCK_|^interlock_(audit_|free)' \
    "$work/symbols.audit" | grep . && fail "libinterlock-audit.so exports symbols that are not interlock's"
for symbol in interlock_audit_json 'interlock::audit(' 'interlock::Policy'; do
    grep -qF "$symbol" "$work/symbols.audit" || fail "libinterlock-audit.so does not export $symbol"
done
grep -qF 'interlock::Runtime::Runtime(' "$work/symbols" || fail "libinterlock.so does not export Runtime"

echo "-- the command"
alone "$prefix/bin/interlock" --version | grep -F "$version" || fail "the installed command does not run"
alone "$prefix/bin/interlock" explain IL001 | grep -F IL001 || fail "the command does not find its other program"

echo "-- a project with find_package"
alone cmake -S "$consumer" -B "$work/consumer" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/log" ||
    { cat "$work/log"; fail "the consumer cannot be configured"; }
alone cmake --build "$work/consumer" --parallel 2 >"$work/log" ||
    { cat "$work/log"; fail "the consumer cannot be built"; }

# expect_sum PROGRAM MODULE_DIR
expect_sum() {
    local output
    output=$(alone "$1" "$2") || fail "$1 $2: exit status $?"
    [[ $output == "adder.add(2, 3) = 5"$'\n'"global lock: off" ]] || fail "$1 $2 printed: $output"
}
expect_sum "$work/consumer/host" "$work/consumer"
expect_sum "$work/consumer/host_static" "$work/consumer"
expect_sum "$work/consumer/host_c" "$work/consumer"
alone ldd "$work/consumer/host_static" | grep libinterlock && fail "host_static uses the shared library"

# expect_audit PROGRAM: the adder is a module of interlock, marked free.
expect_audit() {
    local output
    output=$(alone "$1" "$work/consumer/adder.so") || fail "$1: exit status $?"
    [[ $output == "adder: free" ]] || fail "$1 printed: $output"
}
expect_audit "$work/consumer/audit_cpp"
expect_audit "$work/consumer/audit_both"

echo "-- without CMake"
mkdir "$work/plain"
read -ra module_flags <<<"$(alone pkg-config --cflags interlock-module)"
alone "$cc" -std=c11 -O2 -shared -fPIC -fvisibility=hidden "${module_flags[@]}" "$consumer/adder.c" \
    -o "$work/plain/adder.so" || fail "the module cannot be built with pkg-config"
read -ra host_flags <<<"$(alone pkg-config --cflags --libs interlock)"
alone "$cxx" -std=c++20 "$consumer/host.cpp" "${host_flags[@]}" -o "$work/plain/host" ||
    fail "the program cannot be built with pkg-config"
library_path=$libdir expect_sum "$work/plain/host" "$work/plain"
alone "$cc" -std=c11 -Wall -Wextra -pedantic -Werror "$consumer/host.c" "${host_flags[@]}" -o "$work/plain/host_c" ||
    fail "the host in C cannot be built with pkg-config"
library_path=$libdir expect_sum "$work/plain/host_c" "$work/plain"
library_path=$libdir alone "$work/plain/host_c" "$work/nowhere" 2>"$work/log" && fail "the host in C finds a module nowhere"
grep -q "^not_found: no module named 'adder'" "$work/log" || { cat "$work/log"; fail "the host in C does not say why"; }
read -ra audit_flags <<<"$(alone pkg-config --cflags --libs interlock-audit)"
alone "$cc" -std=c11 "$consumer/audit.c" "${audit_flags[@]}" -o "$work/plain/audit_c" ||
    fail "the program in C cannot be built with pkg-config"
library_path=$libdir alone "$work/plain/audit_c" "$work/consumer/adder.so" | grep -F '"verdict": "free"' >/dev/null ||
    fail "the program in C does not get the verdict"
[[ $(alone pkg-config --modversion interlock) == "$version" ]] || fail "interlock.pc states another version"

echo "-- what must not be found"
for wanted in 0.0 1.0; do
    sed "s/find_package(interlock 0.1/find_package(interlock $wanted/" "$consumer/CMakeLists.txt" \
        >"$work/CMakeLists.txt"
    mkdir -p "$work/other"
    mv "$work/CMakeLists.txt" "$work/other/"
    alone cmake -S "$work/other" -B "$work/other/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
        -DCMAKE_CXX_COMPILER="$cxx" >"$work/log" 2>&1 && fail "find_package took $version for $wanted"
    grep -qF 'compatible with requested version' "$work/log" || { cat "$work/log"; fail "refused for another reason"; }
done

echo "-- the tree as a subdirectory"
alone cmake -S "$consumer" -B "$work/subdirectory" -DUSE_SUBDIRECTORY="$source_dir" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_CXX_COMPILER="$cxx" >"$work/log" || { cat "$work/log"; fail "add_subdirectory does not work"; }
alone cmake --build "$work/subdirectory" --target adder >"$work/log" ||
    { cat "$work/log"; fail "a module cannot be built in the subdirectory"; }
expect_sum "$work/consumer/host" "$work/subdirectory"
[[ ! -e $work/subdirectory/interlock/tests ]] || fail "a subdirectory builds our tests"
alone cmake --install "$work/subdirectory" --prefix "$work/nothing" >"$work/log" || fail "nothing cannot be installed"
for kind in bin include lib; do
    [[ ! -e $work/nothing/$kind ]] || fail "a subdirectory installs our files"
done

echo "the package works"
