#!/bin/sh
# The program in README.md is examples/spin_boson.c, which runs as a test.
set -eu
awk '/^```$/ { inside = 0 } inside; /^```c$/ { inside = 1 }' "$SOURCE/README.md" | diff - "$SOURCE/examples/spin_boson.c"
