#!/bin/sh
# installed.sh USER_C USER_CPP: install to a temporary place, then build and run programs through pkg-config,
# against the shared library and against the static one.
set -eu
CC=${CC:-cc}
command -v meson >/dev/null || { echo "meson is not on the path"; exit 77; }
command -v pkg-config >/dev/null || { echo "pkg-config is not on the path"; exit 77; }

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
meson install -C "$BUILD" --no-rebuild --quiet --destdir "$stage"
installed_libs=$stage$PREFIX/$LIBDIR

# What is installed is found where DESTDIR put it; everything else stays as it is.
mkdir "$stage/pc"
sed "s|^prefix=.*|prefix=$stage$PREFIX|" "$installed_libs/pkgconfig/oqtempo.pc" >"$stage/pc/oqtempo.pc"
export PKG_CONFIG_PATH="$stage/pc${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export LD_LIBRARY_PATH="$installed_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
version=$(pkg-config --modversion oqtempo)

# build_and_run COMPILER SOURCE [--static]
# shellcheck disable=SC2046,SC2086
build_and_run()
{
    $1 -Wall -Wextra -Werror "$2" -o "$stage/user" $(pkg-config --cflags --libs ${3-} oqtempo)
    "$stage/user" "$version"
}

all_languages()
{
    build_and_run "$CC" "$user_c" "$@"
    if [ -n "$cxx" ]; then
        build_and_run "$cxx" "$user_cpp" "$@"
    fi
}

# A static library brings the OpenMP of the compiler that made it, which its sister links.
case $CC in
*clang*) sisters='clang++ c++ g++' ;;
*) sisters='c++ g++ clang++' ;;
esac
user_c=$1 user_cpp=$2 cxx=
for candidate in ${CXX:-$sisters}; do
    if [ -z "$cxx" ] && command -v "$candidate" >/dev/null; then cxx=$candidate; fi
done
[ -n "$cxx" ] || echo "no C++ compiler found: only the C program was tried"

all_languages
program=$stage$PREFIX/$BINDIR/oqtempo
if [ -e "$program" ]; then "$program" --version; fi

# Packages of the dependencies may lack what their own static flags name.
# shellcheck disable=SC2046
dependencies_link_statically()
{
    echo 'int main(void) { return 0; }' >"$stage/empty.c"
    $CC "$stage/empty.c" -o "$stage/empty" $(pkg-config --static --libs \
        $(pkg-config --print-requires-private oqtempo | awk '{ print $1 }'))
}

if dependencies_link_statically; then
    rm -f "$installed_libs"/liboqtempo.so*
    all_languages --static
else
    echo "dependencies do not link statically here: only the shared library was tried"
fi
