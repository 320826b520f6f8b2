#!/bin/sh
# expectation.sh - tables of states are read back by the library, in every format: the example in C finds the
# observables that the program has found.
. "$2/lib.sh"
example=$3
tab=$(printf '\t')
formats='tsv csv'
[ "$("$oqtempo" info --json | grep -c '"hdf5_tables": true')" -eq 0 ] || formats="$formats h5"

# The example's values of OPERATOR in the rows of a table, beside column COLUMN of the program's.
compare() { # compare TABLE OPERATOR COLUMN
  called="expectation $1 $2"
  "$example" "$1" "$2" >"$scratch/out" 2>"$scratch/err" || fail "exit code $?"
  expect_no_error
  check "$2 differs in $1" awk -F "$tab" -v column="$3" '
    NR == FNR { t[FNR] = $1; value[FNR] = $2; n = FNR; next }
    /^#/ { next }
    { m++; d = value[m] - $column; if (t[m] != $1 || d > 1e-14 || d < -1e-14) exit 1 }
    END { exit m != n }' "$scratch/out" "$scratch/table"
}

cat >"$scratch/qubit.yaml" <<'END'
system: {hamiltonian: {sigma_x: 0.5, sigma_z: 0.3}, dissipators: [{rate: 0.1, operator: sigma_minus}]}
initial_state: up
time: {start: 1.0, step: 0.1, steps: 30}
observables: [sigma_y, {name: "a, b", operator: sigma_z}]
output: {states: true}
END
# From d = 11 on the columns have other names.
cat >"$scratch/oscillator.yaml" <<'END'
system: {dimension: 12, hamiltonian: {number: 1.0, position: 0.4}}
initial_state: basis(0)
time: {step: 0.1, steps: 10}
observables: [position, number]
output: {states: true}
END
for format in $formats; do
  run run "$scratch/qubit.yaml" -o "$scratch/states.$format"
  expect_code 0
  run run "$scratch/qubit.yaml" -o "$scratch/table"
  compare "$scratch/states.$format" sigma_y 2
  compare "$scratch/states.$format" sigma_z 3
  run run "$scratch/oscillator.yaml" -o "$scratch/states.$format"
  expect_code 0
  run run "$scratch/oscillator.yaml" -o "$scratch/table"
  compare "$scratch/states.$format" position 2
  compare "$scratch/states.$format" number 3
done

called="expectation without states"
run run "$scratch/qubit.yaml" --set output.states=false -o "$scratch/table"
"$example" "$scratch/table" sigma_y >"$scratch/out" 2>"$scratch/err" && fail "a table without states was read"
expect_error "names 0 columns of states"
finish
