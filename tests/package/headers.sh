#!/bin/sh
# Every public header compiles on its own, as C11 and as C++11, without a warning; oqtempo.hpp as C++11.
set -eu
CC=${CC:-cc}
warnings='-Wall -Wextra -pedantic -Werror'

# check COMPILER LANGUAGE HEADER ..
# shellcheck disable=SC2086
check()
{
    compiler=$1 language=$2
    shift 2
    for header in "$@"; do
        printf '#include "%s"\ntypedef int used;\n' "$header" |
            $compiler -fsyntax-only $warnings -I "$SOURCE/include" -I "$BUILD/include" -x "$language" -
    done
}

set -- "$SOURCE"/include/oqtempo/*.h "$BUILD"/include/oqtempo/version.h
check "$CC -std=c11" c "$@"
for cxx in ${CXX:-c++ g++ clang++}; do
    if command -v "$cxx" >/dev/null; then
        check "$cxx -std=c++11" c++ "$@" "$SOURCE"/include/oqtempo/*.hpp
        exit 0
    fi
done
echo "no C++ compiler found: headers were checked as C only"
