#!/bin/sh
# steady.sh - the task steady-state: numbers, what is written, and what is refused.
. "$2/lib.sh"
check_json=$3
tab=$(printf '\t')

# Between the levels: 0.3 down and 0.1 up, so that a quarter is up; nothing else.
cat >"$scratch/lindblad.yaml" <<'END'
task: steady-state
system:
  hamiltonian: {sigma_z: 0.4}
  dissipators: [{rate: 0.3, operator: sigma_minus}, {rate: 0.1, operator: sigma_plus}]
time: {step: 0.5}
observables: [sigma_z, {name: raise, operator: sigma_plus}]
output: {states: true}
END
run run "$scratch/lindblad.yaml"
expect_code 0
expect_no_error
expect_out "# run.residual: "
expect_out "# run.error: "
check "wrong names" test "$(grep '^#' "$scratch/out" | tail -n 1)" = \
  "# t${tab}sigma_z${tab}raise_re${tab}raise_im${tab}rho_00_re${tab}rho_00_im${tab}rho_01_re${tab}rho_01_im${tab}rho_10_re${tab}rho_10_im${tab}rho_11_re${tab}rho_11_im"
check "not the balance of the rates" awk -F "$tab" '
  function off(a, b) { return a - b > 1e-9 || b - a > 1e-9 }
  /^#/ { next }
  { n++; if ($1 != "inf" || off($2, -0.5) || off($3, 0) || off($5, 0.25) || off($11, 0.75)) exit 1 }
  END { exit n != 1 }' "$scratch/out"
grep -v '^#' "$scratch/out" >"$scratch/row"

# An initial state and a number of steps are checked, but mean nothing.
run run "$scratch/lindblad.yaml" --set initial_state=up --set time.steps=7
expect_code 0
grep -v '^#' "$scratch/out" >"$scratch/other"
check "the initial state matters" cmp -s "$scratch/row" "$scratch/other"
run run "$scratch/lindblad.yaml" --set initial_state=upwards
expect_code 2

# Where a long run ends.
example=$source/../../examples/spin-boson.yaml
run run "$example" --set time.steps=6000 --quiet
expect_code 0
tail -n 1 "$scratch/out" | cut -f 2- >"$scratch/end"
run run "$example" --set task=steady-state --report "$scratch/report.json"
expect_code 0
tail -n 1 "$scratch/out" | cut -f 2- >"$scratch/steady"
check "not where a long run ends" awk -F "$tab" '
  NR == FNR { for (i = 1; i <= NF; i++) end[i] = $i; next }
  { for (i = 1; i <= NF; i++) if ($i - end[i] > 1e-6 || end[i] - $i > 1e-6) exit 1 }' "$scratch/end" "$scratch/steady"
check "the report is not JSON" "$check_json" <"$scratch/report.json"
cp "$scratch/report.json" "$scratch/out"
expect_out '"residual": '
expect_out '"error": '
expect_out '"task": "steady-state"'

# Detailed balance in the example: -tanh(0.1 / 0.2), up to the coupling's and the tolerance's own errors.
run run "$source/../../examples/steady-state.yaml"
expect_code 0
check "no detailed balance" awk -F "$tab" '
  !/^#/ { d = $2 + 0.46212; if (d > 1e-3 || d < -1e-3) exit 1 }' "$scratch/out"

# Refused, with nothing written.
cat >"$scratch/closed.yaml" <<'END'
task: steady-state
system: {hamiltonian: {sigma_x: 0.4}}
time: {step: 0.5}
END
run run "$scratch/closed.yaml" -o "$scratch/none.tsv"
expect_code 1
expect_error "not unique"
expect_no_file "$scratch/none.tsv"
run run "$scratch/lindblad.yaml" --plot "$scratch/none.png"
expect_code 2
expect_error "more than one row"
expect_no_file "$scratch/none.png"
run run "$scratch/lindblad.yaml" --dry-run
expect_code 0
expect_out "task: steady-state"
finish
