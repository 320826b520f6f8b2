#!/bin/sh
# tables.sh - tables: names of columns, comments, formats, times.
. "$2/lib.sh"
hdf5=$("$oqtempo" info --json | grep -c '"hdf5_tables": true')
tab=$(printf '\t')

cat >"$scratch/in.yaml" <<'END'
# A free precession: <sigma_x> = cos(w t), <sigma_y> = sin(w t) with w = 1.3.
system: {hamiltonian: {sigma_z: 0.65}}
initial_state: x+
time: {start: 2.0, step: 0.25, steps: 8}
observables: [sigma_x, sigma_y, {name: "a, b", operator: "ket_bra(1,0)"}]
output: {states: true}
END
run run "$scratch/in.yaml"
expect_code 0
expect_no_error
expect_table "$scratch/out" "$tab" 9
expect_out "# program: oqtempo "
expect_out "# time.step: 0.25"
expect_out "# method.tolerance: 1e-06"
expect_out "# run.trace_drift: "
check "wrong names" test "$(grep '^#' "$scratch/out" | tail -n 1)" = \
  "# t${tab}sigma_x${tab}sigma_y${tab}a, b_re${tab}a, b_im${tab}rho_00_re${tab}rho_00_im${tab}rho_01_re${tab}rho_01_im${tab}rho_10_re${tab}rho_10_im${tab}rho_11_re${tab}rho_11_im"
check "wrong numbers" awk -F "$tab" '
  function off(a, b) { return a - b > 1e-12 || b - a > 1e-12 }
  /^#/ { next }
  { w = 1.3 * 0.25 * n
    if (off($1, 2 + 0.25 * n) || off($2, cos(w)) || off($3, sin(w)) || off($4, $8) || off($5, $9) ||
        off($6, 0.5) || off($8, cos(w) / 2) || off($9, -sin(w) / 2) || off($11, sin(w) / 2) || off($12, 0.5))
      exit 1
    n++ }' "$scratch/out"

grep -v '^#' "$scratch/out" >"$scratch/b"
run run "$scratch/in.yaml" -o "$scratch/t.csv"
expect_code 0
check "no quotes around a name with a comma" grep -qF '# t,sigma_x,sigma_y,"a, b_re","a, b_im",rho_00_re' \
  "$scratch/t.csv"
grep -v '^#' "$scratch/t.csv" | tr ',' "$tab" >"$scratch/a"
check "commas give other numbers" cmp -s "$scratch/a" "$scratch/b"
run run "$scratch/in.yaml" -o - --set observables.0=sigma_z
expect_code 0
expect_out "# t${tab}sigma_z${tab}sigma_y"

# A state that is not Hermitian makes every observable complex.
sed 's/x+/[[0, 1], [0, 0]]/' "$scratch/in.yaml" >"$scratch/coherence.yaml"
run run "$scratch/coherence.yaml"
expect_code 0
expect_out "# t${tab}sigma_x_re${tab}sigma_x_im${tab}sigma_y_re${tab}sigma_y_im"
expect_table "$scratch/out" "$tab" 9

# Without observables the states are written.
sed '/^observables/d; /^output/d' "$scratch/in.yaml" >"$scratch/states.yaml"
run run "$scratch/states.yaml"
expect_code 0
expect_out "# t${tab}rho_00_re${tab}rho_00_im${tab}rho_01_re"

# JSON is YAML.
cat >"$scratch/in.json" <<'END'
{"system": {"hamiltonian": [[1, "-0.5i"], ["0.5i", 0]], "dissipators": [{"rate": 0.1, "operator": "sigma_minus"}]},
 "initial_state": [[0.5, 0], [0, 0.5]],
 "time": {"step": 1e-1, "steps": 3}, "observables": ["sigma_z", {"name": "n", "operator": {"number": 1}}]}
END
run run "$scratch/in.json"
expect_code 0
expect_table "$scratch/out" "$tab" 4

# Operators of any dimension: a spin 3/2 precesses, an oscillator shifts.
cat >"$scratch/spin.yaml" <<'END'
system: {dimension: 4, hamiltonian: {spin_z: 0.8}}
initial_state: [[0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, 0, 0, 0], [0.5, 0, 0, 0.5]]
time: {step: 0.1, steps: 10}
observables: [spin_x, spin_y, spin_z, position, number, create, "ket_bra(3,0)"]
END
run run "$scratch/spin.yaml"
expect_code 0
expect_table "$scratch/out" "$tab" 11
check "a spin 3/2 precesses wrongly" awk -F "$tab" '
  function off(a, b) { return a - b > 1e-12 || b - a > 1e-12 }
  /^#/ { next }
  # <3|..|0> turns with 3 x 0.8; Tr(|3><0| rho) = rho_03 = exp(-2.4 i t) / 2.
  { if (off($4, 0) || off($6, 1.5) || off($9, cos(2.4 * $1) / 2) || off($10, -sin(2.4 * $1) / 2)) exit 1 }' \
  "$scratch/out"

if [ "$hdf5" -eq 1 ]; then
  run run "$scratch/in.yaml" -o "$scratch/t.h5"
  expect_code 0
  expect_no_out
  # behind a user block of 512 bytes with the seal
  check "not an HDF5 file" test "$(tail -c +514 "$scratch/t.h5" | head -c 3)" = HDF
  check "no seal" grep -qaF "oqtempo table" "$scratch/t.h5"
  for name in sigma_x "a, b_re" rho_11_im time.step run.trace_drift; do
    check "$name is not in the HDF5 file" grep -qaF "$name" "$scratch/t.h5"
  done
  if command -v h5dump >/dev/null; then
    called="h5dump"
    h5dump -d /sigma_x "$scratch/t.h5" >"$scratch/out" 2>"$scratch/err"
    expect_out "( 9 )"
  fi
else
  run run "$scratch/in.yaml" -o "$scratch/t.h5"
  expect_code 2
  expect_error "this build has no HDF5"
fi
finish
