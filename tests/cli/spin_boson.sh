#!/bin/sh
# spin_boson.sh - the example in C gives the numbers that the program gives for the same model.
. "$2/lib.sh"
example=$3

called=spin_boson
"$example" >"$scratch/c" 2>"$scratch/err" || fail "exit code $?"
run run "$source/../../examples/spin-boson.yaml"
expect_code 0
grep -v '^#' "$scratch/out" >"$scratch/cli"
# The program tells the builder about the system, the example does not: both are within the truncation error.
check "the numbers differ" awk '
  NR == FNR { t[FNR] = $1; z[FNR] = $2; n = FNR; next }
  { d = z[FNR] - $4; if (d < 0) d = -d; if (d > 3e-5 || t[FNR] - $1 > 1e-6) bad = 1; m = FNR }
  END { exit bad || n != 101 || m != n }' "$scratch/c" "$scratch/cli"
finish
