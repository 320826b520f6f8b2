#!/bin/sh
# tempo_file.sh - the example of TEMPO in C: the numbers of the program, and the same after a break.
. "$2/lib.sh"
example=$3

called="tempo FILE"
"$example" "$scratch/whole" 60 >"$scratch/c" 2>"$scratch/err" || fail "exit code $?"
"$example" "$scratch/part" 25 >"$scratch/parts" 2>"$scratch/err" || fail "exit code $?"
"$example" "$scratch/part" 35 >>"$scratch/parts" 2>"$scratch/err" || fail "exit code $?"
check "a break changes numbers" cmp -s "$scratch/c" "$scratch/parts"
check "a break changes what is kept" cmp -s "$scratch/whole" "$scratch/part"
head -c 1000 "$scratch/part" >"$scratch/cut"
"$example" "$scratch/cut" 1 >"$scratch/out" 2>"$scratch/err" && fail "a file that is cut off was read"
expect_error "cut off"

cat >"$scratch/driven.yaml" <<'END'
system:
  hamiltonian: {sigma_x: 0.5}
  drive: [{operator: sigma_z, shape: {form: sine, amplitude: 0.3, frequency: 1.0}}]
initial_state: up
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.1, cutoff: 5.0}
    temperature: 0.2
time: {step: 0.05, steps: 60}
method: {name: tempo, tolerance: 1.0e-6, memory_steps: 60}
observables: [sigma_z]
END
run run "$scratch/driven.yaml"
expect_code 0
grep -v '^#' "$scratch/out" >"$scratch/cli"
check "the numbers differ" awk '
  NR == FNR { z[FNR] = $2; n = FNR; next }
  FNR > 1 { d = z[FNR - 1] - $2; if (d < 0) d = -d; if (d > 1e-9) bad = 1; m = FNR - 1 }
  END { exit bad || n != 60 || m != n }' "$scratch/c" "$scratch/cli"
finish
