# lib.sh - what the tests of the program share. POSIX shell.
#
#   . lib.sh        with oqtempo, source and scratch set by the line of arguments: OQTEMPO SOURCE_DIR
#
# A test calls `run` and then the expect_* functions; `finish` tells how many of these failed.

set -u
oqtempo=$1
source=$2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/oqtempo-test-XXXXXX") || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
failures=0
checks=0

# Run the program: exit code in $code, outputs in $scratch/out and $scratch/err.
run() {
  called="oqtempo $*"
  code=0
  "$oqtempo" "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
}

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n  %s\n' "$called" "$1"
  sed 's/^/  stderr: /' "$scratch/err" | head -n 5
}

check() { # check MESSAGE COMMAND ...
  checks=$((checks + 1))
  claim=$1
  shift
  "$@" || fail "$claim"
}

expect_code() { check "exit code $code, expected $1" test "$code" -eq "$1"; }
expect_error() { check "no message with: $1" grep -qF -e "$1" "$scratch/err"; }
expect_out() { check "no output with: $1" grep -qF -e "$1" "$scratch/out"; }
expect_no_out() { check "stdout is not empty" test ! -s "$scratch/out"; }
expect_no_error() { check "stderr is not empty" test ! -s "$scratch/err"; }
expect_file() { check "$1 was not written" test -s "$1"; }
expect_no_file() { check "$1 was left behind" test ! -e "$1"; }
# No file but those named is in a folder.
expect_only() { # expect_only FOLDER NAME ...
  folder=$1
  shift
  for name in "$@"; do printf '%s\n' "$name"; done | sort >"$scratch/wanted"
  ls -A "$folder" | sort >"$scratch/found"
  check "files in $folder: $(tr '\n' ' ' <"$scratch/found")" cmp -s "$scratch/wanted" "$scratch/found"
}

# A table of numbers: comments, then rows of as many finite numbers as the last comment has names.
expect_table() { # expect_table FILE SEPARATOR ROWS
  check "$1 is not a table of $3 rows" awk -F "$2" -v rows="$3" '
    /^#/ { if (n) bad = "comment after data"; names = substr($0, 3); next }
    { if (!n++) columns = split(names, unused, FS)
      if (NF != columns) bad = "row of " NF " columns, not " columns
      for (i = 1; i <= NF; i++)
        if ($i !~ /^-?[0-9][0-9.]*(e[-+][0-9]+)?$/) bad = "not a number: " $i }
    END { if (n != rows) bad = n " rows"
          if (bad) print "  " bad
          exit bad != "" }' "$1"
}

# Columns of the last table against the lines of $scratch/wanted, which begins with the number of the row.
agree() { # agree TOLERANCE COLUMN ...
  tolerance=$1
  shift
  grep -v '^#' "$scratch/out" >"$scratch/rows"
  check "numbers differ from the reference" awk -v tolerance="$tolerance" -v columns="$*" '
    BEGIN { n = split(columns, column, " ") }
    NR == FNR { for (i = 1; i <= n; i++) x[FNR - 1, i] = $column[i]; next }
    { for (i = 1; i <= n; i++) {
        d = x[$1, i] - $(i + 1)
        if (d > tolerance || d < -tolerance) { print "  row " $1 ": " x[$1, i] ", expected " $(i + 1); bad = 1 } } }
    END { exit bad }' "$scratch/rows" "$scratch/wanted"
}

finish() {
  echo "$checks checks, $failures failed"
  test "$failures" -eq 0
  exit
}
