#!/bin/sh
# symbols.sh LIST LIBRARY: what the headers declare, what LIST names and what the shared library exports agree.
# After adding a function: tests/package/symbols.sh --declared > tests/package/symbols.txt
set -eu
export LC_ALL=C
SOURCE=${SOURCE:-$(dirname "$0")/../..}

# The word before the parenthesis of each OQT_API declaration.
declared()
{
    cat "$SOURCE"/include/oqtempo/*.h | grep -v '^#' | tr '\n' ' ' |
        grep -o 'OQT_API [^;(]*(' | sed 's/ *($//; s/.*[ *]//' | sort
}

if [ "$1" = --declared ]; then
    declared
    exit
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
declared >"$dir/declared"
nm -D --defined-only "$2" | awk '{print $NF}' | sort >"$dir/exported"
[ -s "$dir/declared" ] || { echo "no declaration found in the headers"; exit 1; }

status=0
compare()
{
    diff "$1" "$2" >"$dir/diff" || { echo "$3"; grep '^[<>]' "$dir/diff"; status=1; }
}
compare "$dir/declared" "$1" "headers (<) and symbols.txt (>) differ:"
compare "$1" "$dir/exported" "symbols.txt (<) and the shared library (>) differ:"
if grep -v '^oqt_[a-z]' "$dir/exported"; then
    echo "exported names must begin with oqt_"
    status=1
fi
exit $status
