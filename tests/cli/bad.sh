#!/bin/sh
# bad.sh - every bad input file: exit code 2, the place and the message of its first line, nothing written.
. "$2/lib.sh"

mkdir "$scratch/results"
for file in "$source"/bad/*.yaml; do
  expected=$(sed -n '1s/^# expect: //p' "$file")
  for mode in run dry; do
    if [ $mode = dry ]; then
      run run "$file" --dry-run
    else
      run run "$file" -o "$scratch/results/out.tsv" --report "$scratch/results/report.json"
    fi
    expect_code 2
    expect_error "$file:$expected"
    check "not one line of message" test "$(wc -l <"$scratch/err")" -eq 1
    expect_no_out
    expect_only "$scratch/results"
  done
done

# Files too large or too strange to keep in the repository.
bad() { # bad PLACE_AND_TEXT: checks $scratch/made.yaml
  run run "$scratch/made.yaml" -o "$scratch/results/out.tsv"
  expect_code 2
  expect_error "$scratch/made.yaml:$1"
  expect_no_out
  expect_only "$scratch/results"
  rm -f "$scratch/made.yaml"
}
repeat() { awk -v text="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s", text }'; }

head -c 104857600 /dev/urandom >"$scratch/made.yaml"
bad "1:1: the file is larger than 16 MiB"
# The same through a pipe, which has no size to ask for.
checks=$((checks + 1))
called="run /dev/stdin"
head -c 104857600 /dev/zero | "$oqtempo" run /dev/stdin >"$scratch/out" 2>"$scratch/err"
[ $? -eq 2 ] || fail "no exit code 2"
expect_error "/dev/stdin:1:1: the file is larger than 16 MiB"
expect_no_out

head -c 4194304 /dev/zero >"$scratch/made.yaml"
bad "1:1: not YAML text"
printf 'a' >"$scratch/made.yaml"
repeat bcdefghi 1000000 >>"$scratch/made.yaml"
bad "1:1: the file holds one text"
repeat '[' 1000000 >"$scratch/made.yaml"
bad "1:33: more than 32 lists and mappings inside each other"
repeat '- ' 1000000 >"$scratch/made.yaml"
bad "1:65: more than 32 lists and mappings inside each other"
{ printf 'baths: ['; repeat '1, ' 1000000; echo ']'; } >"$scratch/made.yaml"
bad "1:"
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "key%d: 1\n", i }' >"$scratch/made.yaml"
bad "2001:1: a mapping has more than 2000 keys"
: >"$scratch/made.yaml"
bad "1:1: the file is empty"
finish
