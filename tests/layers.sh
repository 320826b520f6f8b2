#!/bin/sh
# A part of lib includes only headers of itself and of parts before it; tools use public headers only.
# The order is lib_parts in lib/meson.build. A public header belongs to the part of the same name.
set -eu
export LC_ALL=C
cd "${SOURCE:-$(dirname "$0")/..}"

parts=$(sed -n "s/^lib_parts = \[\(.*\)\]/\1/p" lib/meson.build | tr -d "',")
[ -n "$parts" ] || { echo "no lib_parts in lib/meson.build"; exit 1; }
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

complain()
{
    echo "$*" | tee -a "$errors"
}

# Prints "FILE HEADER" for every include of the project's own headers in the given folder.
includes()
{
    find "$1" -name '*.[ch]' -o -name '*.[ch]pp' | sort | while read -r file; do
        sed -n -e 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' \
            -e 's/^[ \t]*#[ \t]*include[ \t]*<\(oqtempo\/[^>]*\)>.*/\1/p' "$file" |
            while read -r header; do echo "$file $header"; done
    done
}

is_one_of()
{
    case " $2 " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
    esac
}

# check_public FILE HEADER ALLOWED: subjects that are parts must be among those allowed.
check_public()
{
    subject=$(basename "$2" .h)
    if [ "$subject" = oqtempo ]; then
        complain "$1: includes the umbrella header; name the subject"
    elif is_one_of "$subject" "$parts" && ! is_one_of "$subject" "$3"; then
        complain "$1: <$2> comes after this part"
    fi
}

allowed=
for part in $parts; do
    allowed="$allowed $part"
    includes "lib/$part" | while read -r file header; do
        case $header in
        oqtempo/*) check_public "$file" "$header" "$allowed" ;;
        config.h) ;;
        */*)
            if ! is_one_of "${header%%/*}" "$allowed"; then
                complain "$file: \"$header\" comes after this part"
            fi
            ;;
        *) [ -e "$(dirname "$file")/$header" ] || complain "$file: \"$header\" is not beside it" ;;
        esac
    done
    if [ -e "include/oqtempo/$part.h" ]; then
        includes "include/oqtempo" | grep "^include/oqtempo/$part\.h " | while read -r file header; do
            check_public "$file" "$header" "$allowed"
        done
    fi
done

for folder in lib/*/; do
    part=$(basename "$folder")
    is_one_of "$part" "$parts" || complain "lib/$part: not in lib_parts of lib/meson.build"
done

[ ! -d tools ] || includes tools | while read -r file header; do
    case $header in
    oqtempo/*) ;;
    *) [ -e "$(dirname "$file")/$header" ] || complain "$file: \"$header\" is neither public nor beside it" ;;
    esac
done

[ ! -s "$errors" ]
