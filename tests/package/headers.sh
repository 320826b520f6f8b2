#!/bin/sh
# Every public header compiles on its own, as C11 and as C++, without a warning.
set -eu
CC=${CC:-cc}
warnings='-Wall -Wextra -pedantic -Werror'

# shellcheck disable=SC2086
check()
{
    for header in "$SOURCE"/include/oqtempo/*.h "$BUILD"/include/oqtempo/version.h; do
        printf '#include "%s"\ntypedef int used;\n' "$header" |
            $1 -fsyntax-only $warnings -I "$SOURCE/include" -I "$BUILD/include" -x "$2" -
    done
}

check "$CC -std=c11" c
for cxx in ${CXX:-c++ g++ clang++}; do
    if command -v "$cxx" >/dev/null; then
        check "$cxx -std=c++11" c++
        exit 0
    fi
done
echo "no C++ compiler found: headers were checked as C only"
