#!/bin/sh
# The program in README.md is examples/spin_boson.c, which runs as a test.
set -eu
sed -n '/^```c$/,/^```$/p' "$SOURCE/README.md" | sed '1d;$d' | diff - "$SOURCE/examples/spin_boson.c"
