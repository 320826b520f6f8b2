#!/bin/sh
# set.sh - --set overrides scalars and adds them; its mistakes are located by the key.
. "$2/lib.sh"
example=$source/../../examples/spin-boson.yaml

run run "$example" --set time.steps=7 --set baths.0.temperature=0.3 --set baths.0.coupling.sigma_z=0.25
expect_code 0
expect_table "$scratch/out" "	" 8
expect_out "# time.steps: 7"
expect_out "# baths.0.temperature: 0.3"
expect_out "# baths.0.coupling.sigma_z: 0.25"
run run "$example" --set observables.1=identity --set output.states=true --set time.steps=1
expect_code 0
expect_out "# t	sigma_x	identity	sigma_z	rho_00_re	rho_00_im	rho_01_re"
# The last one counts; a value may hold equals signs; a mapping on the way is made.
run run "$example" --set time.steps=5 --set time.steps=2
expect_table "$scratch/out" "	" 3
sed '/^method/d' "$example" >"$scratch/plain.yaml"
run run "$scratch/plain.yaml" --set method.tolerance=1e-5 --set time.steps=1
expect_code 0
expect_out "# method.tolerance: 1e-5"
# The numbers do change.
run run "$example" --set time.steps=5
grep -v '^#' "$scratch/out" >"$scratch/before"
run run "$example" --set time.steps=5 --set system.hamiltonian.sigma_x=0.7
grep -v '^#' "$scratch/out" >"$scratch/after"
check "--set changed nothing" test -n "$(cmp "$scratch/before" "$scratch/after")"

# An accuracy replaces the tolerance of the file, and the other way round; but not if both are set.
run run "$example" --set time.steps=1 --set method.accuracy=1e-3
expect_code 0
expect_out "# method.accuracy: 1e-3"
check "the tolerance of the file is still there" test -z "$(grep '^# method.tolerance' "$scratch/out")"
sed 's/^method.*/method: {accuracy: 1.0e-3}/' "$example" >"$scratch/accurate.yaml"
run run "$scratch/accurate.yaml" --set time.steps=1 --set method.tolerance=1e-4
expect_code 0
expect_out "# method.tolerance: 1e-4"
check "the accuracy of the file is still there" test -z "$(grep '^# method.accuracy' "$scratch/out")"
run run "$example" --set method.tolerance=1e-4 --set method.accuracy=1e-3
expect_code 2
expect_error '--set method.accuracy: method has a tolerance and an accuracy; expected one of them'

wrong() { # wrong ASSIGNMENT MESSAGE
  run run "$example" -o "$scratch/none.tsv" --set "$1"
  expect_code 2
  expect_error "$2"
  expect_no_out
  expect_no_file "$scratch/none.tsv"
}
wrong steps '--set: steps is not of the form KEY=VALUE'
wrong =3 '--set: =3 is not of the form KEY=VALUE'
wrong time..steps=3 '--set time..steps: a part of the key is empty'
wrong time.steps=many '--set time.steps: time.steps is "many"; expected a whole number'
wrong time.steps= '--set time.steps: the value is ""; expected a scalar'
wrong time.stepps=3 '--set time.stepps: unknown key "stepps" in time; did you mean "steps"?'
wrong tiem.steps=3 '--set tiem.steps: unknown key "tiem"; did you mean "time"?'
wrong time=3 '--set time: time is a mapping; only scalars can be set'
wrong 'time.step=[0.1]' '--set time.step: the value is "[0.1]"; expected a scalar'
wrong 'time.step=a: b' '--set time.step: the value is "a: b"; expected a scalar'
wrong 'time.step=*x' '--set time.step: aliases (*name) are not accepted'
wrong 'time.step="' '--set time.step: not valid YAML'
wrong baths.3.temperature=1 '--set baths.3.temperature: baths is a list and has no element "3"'
wrong baths.x.temperature=1 '--set baths.x.temperature: baths is a list and has no element "x"'
wrong time.step.unit=s '--set time.step.unit: time.step is a scalar and has no element "unit"'
wrong baths.0.temperature=-1 '--set baths.0.temperature: baths.0.temperature is "-1"; expected a number >= 0'
finish
