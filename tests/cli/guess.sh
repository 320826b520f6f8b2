#!/bin/sh
# guess.sh - proposed settings, and estimated errors beside true ones.
. "$2/lib.sh"
tab=$(printf '\t')

# The numbers of OQuPy 0.5.0, spec/physics.md, P.12.
cat >"$scratch/warm.yaml" <<'END'
initial_state: up
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.8, zeta: 1.0, cutoff: 2.5}
    temperature: 0.2
time: {start: -1, step: 0.1, steps: 50}
END
same() { # same LINE ...: the output is these lines
  for line in "$@"; do printf '%s\n' "$line"; done >"$scratch/wanted"
  check "not the proposals wanted" cmp -s "$scratch/wanted" "$scratch/out"
}
run guess "$scratch/warm.yaml"
expect_code 0
expect_no_error
same 'limited_by: bath' 'dt: 0.0625' 'tolerance: 3.9e-05' 'dkmax: 47' 'epsrel: 6.513e-06'
run guess "$scratch/warm.yaml" --tolerance 0.01
same 'limited_by: bath' 'dt: 0.125' 'tolerance: 0.0001' 'dkmax: 20' 'epsrel: 6.903e-05'
run guess "$scratch/warm.yaml" --set method.accuracy=0.01 --set system.hamiltonian.sigma_x=16
same 'limited_by: system' 'dt: 0.03125' 'tolerance: 0.0001' 'dkmax: 80' 'epsrel: 6.903e-06'
# H = 9 exp(-2 (t + 1)^2) sigma_x: the square of the pulse there, whose norm is what OQuPy takes.
sed '1i system: {drive: [{operator: sigma_x, shape: {form: gaussian, area: 11.2798271232, center: -1, width: 0.5}}]}' \
  "$scratch/warm.yaml" >"$scratch/pulse.yaml"
run guess "$scratch/pulse.yaml" --tolerance 0.01
expect_no_error
same 'limited_by: system' 'dt: 0.05556' 'tolerance: 0.0001' 'dkmax: 45' 'epsrel: 1.795e-05'
run guess "$scratch/warm.yaml" --tolerance 1e-5
expect_code 0
expect_error "warning: a bath has not been resolved"

# The estimate of the step's error is the true one to a tenth, up to truncations; runs of a fine step are true.
cat >"$scratch/run.yaml" <<'END'
system: {hamiltonian: {sigma_x: 1.0, sigma_z: 0.3}}
initial_state: up
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.2, zeta: 1.0, cutoff: 3.0}
    temperature: 0.4
time: {step: 0.2, steps: 20}
method: {tolerance: 1.0e-6}
END
largest() { # largest STRIDE: the largest difference of rows of fine.tsv, each STRIDEth, and coarse.tsv
  awk -F "$tab" -v stride="$1" '
    /^#/ { next }
    FNR == NR { for (i = 2; i <= NF; i++) fine[n + 0, i] = $i; n++; next }
    { for (i = 2; i <= NF; i += 2) {
        x = $i - fine[m * stride, i]; y = $(i + 1) - fine[m * stride, i + 1]
        if (sqrt(x * x + y * y) > most) most = sqrt(x * x + y * y) }
      m++ }
    END { print most }' "$scratch/fine.tsv" "$scratch/coarse.tsv"
}
value() { sed -n "s/^$1: //p" "$scratch/out"; }
run run "$scratch/run.yaml" -o "$scratch/coarse.tsv" --set method.tolerance=1e-8
run run "$scratch/run.yaml" -o "$scratch/fine.tsv" --set method.tolerance=1e-8 --set time.step=0.0125 \
  --set time.steps=320
error=$(largest 16)
run guess "$scratch/run.yaml" --verify --tolerance 4e-4
expect_code 0
expect_out "verified.dt: 0.2"
expect_out "verified.tolerance: 1e-06"
estimate=$(value verified.step_error)
check "estimated $estimate, true $error" awk -v a="$estimate" -v b="$error" \
  'BEGIN { exit !(b > 1e-3 && a > 0.9 * b && a < 1.1 * b) }'
# What is proposed gives what is wanted.
steps=$(awk -v dt="$(value verified.proposed_dt)" 'BEGIN { n = int(0.2 / dt); print n < 0.2 / dt ? n + 1 : n }')
run run "$scratch/run.yaml" -o "$scratch/coarse.tsv" --set "time.step=$(awk -v n="$steps" 'BEGIN { printf "%.17g", 0.2 / n }')" \
  --set "time.steps=$((20 * steps))" --set "method.tolerance=$(value verified.proposed_tolerance)"
awk -v n="$steps" '/^#/ { next } k++ % n == 0' "$scratch/coarse.tsv" >"$scratch/rows"
mv "$scratch/rows" "$scratch/coarse.tsv"
error=$(largest 16)
check "an error of $error, wanted 4e-4" awk -v a="$error" 'BEGIN { exit !(a < 4.4e-4 && a > 4e-5) }'

wrong() { # wrong MESSAGE ARGUMENT ...
  message=$1
  shift
  run guess "$@"
  expect_code 2
  expect_error "$message"
  expect_no_out
}
wrong 'no input file; expected oqtempo guess FILE.yaml'
for x in 0 1 -0.1 nan small 0.1x; do
  wrong "option --tolerance is \"$x\"; expected a number > 0 and < 1" "$scratch/run.yaml" --tolerance "$x"
done
wrong 'guess needs the length of a run' "$source/../../examples/steady-state.yaml"
wrong 'guess needs the length of a run' "$source/../../examples/process-tensor.yaml"
wrong '--verify needs an initial_state' "$source/../../examples/process-tensor.yaml" \
  --set time.steps=9 --verify
sed '1i controls: [{step: 3, unitary: sigma_x}]' "$scratch/run.yaml" >"$scratch/pulsed.yaml"
wrong '--verify is for runs without controls' "$scratch/pulsed.yaml" --verify
printf 'initial_state: up\ntime: {step: 1, steps: 9}\n' >"$scratch/none.yaml"
wrong 'guess needs at least one bath' "$scratch/none.yaml"
finish
