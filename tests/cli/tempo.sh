#!/bin/sh
# tempo.sh - the method tempo: numbers of OQuPy and closed forms (spec/physics.md), what is reported and refused.
. "$2/lib.sh"
check_json=$3
example=$source/../../examples/spin-boson.yaml

# P.13.1: rho_00, Re rho_01, Im rho_01.
run run "$example" --set method.name=tempo --set method.tolerance=1e-9 --set output.states=true --set time.steps=10 \
  --report "$scratch/report.json"
expect_code 0
expect_no_error
expect_out "# method.name: tempo"
expect_out "# run.largest_bond: "
expect_out "# run.discarded_weight: "
cat >"$scratch/wanted" <<'END'
1 0.99440094535407 0 0.02436473249527
2 0.98765525317623 -0.00037681737853 0.04709979806696
5 0.96161403126239 -0.00868462228759 0.10178739962010
10 0.90569996635508 -0.03887801364129 0.15150130685477
END
agree 1e-7 5 7 8
check "the report is not JSON" "$check_json" <"$scratch/report.json"
cp "$scratch/report.json" "$scratch/out"
expect_out '"largest_bond": '
expect_out '"process_tensors": []'

# P.6.5: two baths that do not commute, in the order of the list.
cat >"$scratch/two.yaml" <<'END'
system: {hamiltonian: {sigma_x: 0.5, sigma_z: 0.2}}
initial_state: y+
baths:
  - coupling: {sigma_x: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 1, cutoff: 5}
    temperature: 0.2
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 1, cutoff: 5}
    temperature: 0.2
time: {step: 0.1, steps: 3}
method: {name: tempo, splitting: list, tolerance: 1.0e-10}
END
run run "$scratch/two.yaml"
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.545136055272 -0.018054422109 -0.434398401746
2 0.572167405452 -0.033641821733 -0.314501313674
3 0.583130513146 -0.048692271976 -0.218374251275
END
agree 1e-7 2 4 5

# P.13.4: a memory that is cut after two steps, without and with what is older; Im rho_01.
cat >"$scratch/cut.yaml" <<'END'
initial_state: y+
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 3, cutoff: 5}
    temperature: 0
time: {step: 0.4, steps: 25}
method: {name: tempo, memory_steps: 2, tolerance: 1.0e-10}
END
run run "$scratch/cut.yaml" --set method.added_correlation_time=infinite
expect_code 0
printf '1 -0.255343091683\n3 -0.270228645125\n10 -0.273997587529\n25 -0.274340047510\n' >"$scratch/wanted"
agree 1e-9 5
run run "$scratch/cut.yaml"
expect_code 0
printf '1 -0.255343091683\n3 -0.270228645125\n5 -0.278905452246\n10 -0.301836012900\n25 -0.382572024302\n' >"$scratch/wanted"
agree 1e-8 5
# Without memory each step has the factor exp(-Re eta(0.4)), 0.5 of which is 0.255343091683.
run run "$scratch/cut.yaml" --set method.memory_steps=0
expect_code 0
awk 'BEGIN { f = 2 * 0.255343091683; printf "1 %.12g\n2 %.12g\n5 %.12g\n", -f / 2, -f^2 / 2, -f^5 / 2 }' >"$scratch/wanted"
agree 1e-9 5

# A bond that is cut is a warning.
run run "$example" --set method.name=tempo --set method.max_bond=4 --set time.steps=20
expect_code 0
expect_error "warning: the run was cut at method.max_bond, above its tolerance"

wrong() { # wrong MESSAGE FILE [OPTION ...]
  message=$1
  shift
  run run "$@" -o "$scratch/none.tsv"
  expect_code 2
  expect_error "$message"
  expect_no_file "$scratch/none.tsv"
}
wrong 'method.name is tempo, but a steady state needs process tensors without end' "$example" \
  --set method.name=tempo --set task=steady-state
wrong 'method.accuracy is of process tensors; expected a tolerance for tempo' "$example" --set method.name=tempo \
  --set method.accuracy=1e-3
wrong 'method.path_rate is of process tensors, which tempo does not use' "$example" --set method.name=tempo \
  --set method.path_rate=1
printf 'initial_state: up\ntime: {step: 1, steps: 3}\nmethod: {name: tempo}\n' >"$scratch/none.yaml"
wrong 'method.name is tempo, which needs at least one bath' "$scratch/none.yaml"
run run "$source/../../examples/process-tensor.yaml" --set method.name=tempo --set time.steps=9
expect_code 2
expect_error 'method.name is tempo, which makes no process tensor'
run run "$source/../../examples/process-tensor.yaml" --set method.name=tempo
expect_code 2
expect_error 'method.name is tempo, which needs the number time.steps'
if [ "$("$oqtempo" info --json | grep -c '"hdf5_tables": true')" -eq 1 ]; then
  run pt build "$example" -o "$scratch/pt.h5" --set method.tolerance=1e-3
  expect_code 0
  printf 'initial_state: up\nbaths: [process_tensor: pt.h5]\ntime: {steps: 3}\nmethod: {name: tempo}\n' >"$scratch/stored.yaml"
  wrong 'baths.0 is a process tensor; the method tempo needs the bath' "$scratch/stored.yaml"
fi
finish
