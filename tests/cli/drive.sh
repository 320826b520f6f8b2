#!/bin/sh
# drive.sh - systems that depend on time: shapes, rates, propagation, periodic states, the quantum dot.
. "$2/lib.sh"
tab=$(printf '\t')

# ---- spec/physics.md, P.13.2: everything grows with t; rho_00, Re rho_01, Im rho_01 ----

cat >"$scratch/ramps.yaml" <<'END'
system:
  drive:
    - {operator: {sigma_x: 0.5}, shape: {form: ramp, to: 100, end: 100}}
  dissipators:
    - {rate: {form: ramp, to: 10, end: 100}, operator: sigma_minus}
    - {rate: {form: table, rows: [[-1, -0.2], [0, 0], [100, 20]]}, operator: sigma_z}
initial_state: up
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 1.0, cutoff: 5.0}
    temperature: 0.2
time: {step: 0.05, steps: 10}
END
cat >"$scratch/wanted" <<'END'
1 0.9998746199618 0 0.0006219170691
2 0.9994939618716 -0.0000193392406 0.0024630273130
5 0.9966490625546 -0.0011834564022 0.0144871318608
10 0.9842944926219 -0.0113992782130 0.0493892334734
END
for propagation in magnus average midpoint; do
  run run "$scratch/ramps.yaml" --set method.name=pt-tempo --set method.tolerance=1e-9 \
    --set method.propagation=$propagation
  expect_code 0
  expect_out "# method.propagation: $propagation"
  agree 1e-7 2 4 5
done
run run "$scratch/ramps.yaml" --set method.name=tempo --set method.tolerance=1e-9
expect_code 0
agree 1e-7 2 4 5
run run "$scratch/ramps.yaml"
expect_code 0
expect_out "# method.propagation: magnus"
agree 2e-5 2 4 5

# ---- a spin that turns by the integral of the shape ----

turn() { # turn END ANGLE SHAPE [RUN OPTION ...]: turned about x by ANGLE at END, from 1 on
  end=$1 angle=$2 shape=$3
  shift 3
  printf 'system: {drive: [{operator: {sigma_x: 0.5}, shape: %s}]}\ninitial_state: up\nobservables: [sigma_y, sigma_z]\n' \
    "$shape" >"$scratch/turn.yaml"
  printf 'time: {start: 1, step: %s, steps: 400}\n' "$(awk -v x="$end" 'BEGIN { printf "%.17g", (x - 1) / 400 }')" \
    >>"$scratch/turn.yaml"
  run run "$scratch/turn.yaml" "$@"
  expect_code 0
  check "not turned by $angle" awk -F "$tab" -v angle="$angle" -v end="$end" '
    function off(a, b) { return a - b > 1e-7 || b - a > 1e-7 }
    !/^#/ { n++; t = $1; y = $2; z = $3 }
    END { if (n != 401 || off(t, end) || off(y, -sin(angle)) || off(z, cos(angle))) {
            print "  found " y ", " z; exit 1 } }' "$scratch/out"
}
turn 3 1.4 '{form: constant, value: 0.7}'
turn 3 0.6875 '{form: ramp, from: 0.25, to: 0.5, begin: 2, end: 2.5}' # 0.25 + 0.375 / 2 + 0.25
turn 2.5 "$(awk 'BEGIN { print 0.6 / 2 * (cos(2 * 1 + 0.4) - cos(2 * 2.5 + 0.4)) }')" \
  '{form: sine, amplitude: 0.6, frequency: 2, phase: 0.4}'
turn 6 1.9 '{form: gaussian, area: 1.9, center: 3, width: 0.25}'
turn 3 0.95 '{form: gaussian, area: 1.9, center: 3, width: 0.25}'
turn 9 1.9 '{form: sech, area: 1.9, center: 5, width: 0.2}'
turn 5 0.95 '{form: sech, area: 1.9, center: 5, width: 0.2}'
# Steffen's slopes at the points are 1.5, 0, 0 and -1.5; a cubic of slopes s and length h adds (s - s') h^2 / 12.
turn 4 2.25 '{form: table, rows: [[1, 0], [2, 1], [3, 1], [4, 0]]}'
turn 6 4.5 '{form: table, rows: [[2, 1.25], [3, 0.75]]}' # 1.25 before, 0.75 behind
printf '# t\tvalue\n1\t0\n2,1\n3 1\n4 0\n' >"$scratch/pulse.txt"
turn 4 2.25 '{form: table, file: pulse.txt}'
# A pulse within half a step is seen by its mean.
turn 401 1.9 '{form: gaussian, area: 1.9, center: 200.4, width: 0.01}' --set method.propagation=average

run run "$scratch/turn.yaml" --dry-run
expect_code 0
expect_out "  system.drive.0.shape.form: gaussian"
expect_out "  method.propagation: magnus"
expect_out "functions of time: 1"
printf '1 0\n0.5 1\n' >"$scratch/pulse.txt"
printf 'system: {drive: [{operator: sigma_x, shape: {form: table, file: pulse.txt}}]}\ninitial_state: up\ntime: {step: 1, steps: 1}\n' \
  >"$scratch/wrong.yaml"
run run "$scratch/wrong.yaml"
expect_code 2
expect_error "$scratch/wrong.yaml:1:65: times must increase, but 0.5 follows 1 in row 1 of system.drive.0.shape.file"
rm "$scratch/pulse.txt"
run run "$scratch/wrong.yaml"
expect_code 3
expect_error "pulse.txt: cannot be read"

# ---- decay: the logarithm of the population is the integral of the rate ----

cat >"$scratch/decay.yaml" <<'END'
system: {dissipators: [{rate: {form: sine, amplitude: 0.5, frequency: 1.2, phase: 0.3}, operator: sigma_minus}]}
initial_state: up
time: {start: -1, step: 0.05, steps: 60}
observables: [{name: p, operator: "ket_bra(0,0)"}]
END
run run "$scratch/decay.yaml"
expect_code 0
check "no decay by the integral of the rate" awk -F "$tab" '
  /^#/ { next }
  { d = $2 - exp(0.5 / 1.2 * (cos(1.2 * $1 + 0.3) - cos(-1.2 + 0.3))); if (d > 1e-7 || d < -1e-7) exit 1; n++ }
  END { exit n != 61 }' "$scratch/out"

# ---- H(t) = cos(3t) sigma_x + sin(3t) sigma_z, which does not commute with itself: closed form in the frame
#      that turns about y ----

cat >"$scratch/turning.yaml" <<'END'
system:
  drive:
    - {operator: sigma_x, shape: {form: sine, amplitude: 1, frequency: 3, phase: 1.5707963267948966}}
    - {operator: sigma_z, shape: {form: sine, amplitude: 1, frequency: 3}}
initial_state: up
time: {step: 0.1, steps: 50}
observables: [sigma_y, sigma_z]
END
error() { # error METHOD: the largest deviation from the closed form
  run run "$scratch/turning.yaml" --set method.propagation="$1"
  awk -F "$tab" '
    /^#/ { next }
    { w = sqrt(13); t = $1
      d = $2 + 2 / w * sin(w * t); if (d < 0) d = -d; if (d > most) most = d
      d = $3 - 3 / w * sin(w * t) * sin(3 * t) - cos(w * t) * cos(3 * t); if (d < 0) d = -d; if (d > most) most = d }
    END { print most }' "$scratch/out"
}
magnus=$(error magnus) average=$(error average) midpoint=$(error midpoint)
check "errors $magnus, $average, $midpoint" awk -v m="$magnus" -v a="$average" -v p="$midpoint" \
  'BEGIN { exit !(m < 5e-6 && a > 1e-4 && p > 1e-4 && a < 1e-2 && p < 1e-2) }'

# ---- a drive that commutes with the coupling: a closed form of any step; eta(1) is in P.1.3 ----

cat >"$scratch/phase.yaml" <<'END'
system: {drive: [{operator: {sigma_z: 0.5}, shape: {form: sech, area: 2.0, center: 0.5, width: 0.02}}]}
initial_state: x+
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 1.0, cutoff: 5.0}
    temperature: 0.2
time: {step: 0.01, steps: 100}
observables: [sigma_x, sigma_y]
END
run run "$scratch/phase.yaml"
expect_code 0
expect_out "# process_tensors.0.method: dephasing"
check "not the coherence and the phase of a closed form" awk -F "$tab" '
  function off(a, b) { return a - b > 1e-9 || b - a > 1e-9 }
  /^#/ { next }
  { x = $2; y = $3 }
  END { exit off(sqrt(x * x + y * y), exp(-1.01428096765379)) || off(atan2(y, x), 2) }' "$scratch/out"

# ---- the states that a periodic drive leads to: where a long run goes, which begins a whole number of periods
#      earlier; 2 pi / 16 to 17 digits is the step ----

cat >"$scratch/periodic.yaml" <<'END'
task: steady-state
system:
  hamiltonian: {sigma_z: 0.3}
  drive: [{operator: sigma_x, shape: {form: sine, amplitude: 0.8, frequency: 1, phase: 0.2}}]
  dissipators: [{rate: 0.2, operator: sigma_minus}]
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.1, zeta: 1, cutoff: 3}
    temperature: 0.5
time: {start: 0.7, step: 0.39269908169872414, period_steps: 16}
observables: [sigma_x, sigma_y, sigma_z]
END
run run "$scratch/periodic.yaml"
expect_code 0
expect_table "$scratch/out" "$tab" 16
expect_out "# time.period_steps: 16"
grep -v '^#' "$scratch/out" >"$scratch/period"
sed 's/, period_steps: 16//; s/^task.*/initial_state: up/' "$scratch/periodic.yaml" >"$scratch/long.yaml"
run run "$scratch/long.yaml" --set time.steps=655
expect_code 0
grep -v '^#' "$scratch/out" | tail -n 16 >"$scratch/end"
check "not where a long run goes" awk -F "$tab" '
  NR == FNR { for (i = 1; i <= NF; i++) long[FNR, i] = $i; next }
  { d = long[FNR, 1] - $1 - 40 * 16 * 0.39269908169872414; if (d > 1e-9 || d < -1e-9) exit 1
    for (i = 2; i <= NF; i++) { d = long[FNR, i] - $i; if (d > 5e-6 || d < -5e-6) exit 1 }
    if ($2 > high) high = $2; if ($2 < low) low = $2 }
  END { exit !(high - low > 0.1) }' "$scratch/end" "$scratch/period"
sed 's/period_steps: 16/period_steps: 15/' "$scratch/periodic.yaml" >"$scratch/wrong.yaml"
run run "$scratch/wrong.yaml"
expect_code 2
expect_error "system.drive.0.shape does not repeat itself after a time of 5.890486225; expected a sine"

# ---- a quantum dot: after a short pulse the coherence falls as exp(-Re eta(t)), whatever was before; eta(0.5) and
#      eta(1) of this bath are in spec/physics.md, P.1.3. The width of the pulse counts in first order ----

dot=$source/../../examples/quantum-dot.yaml
run run "$dot" --set baths.0.temperature=0.6545 --set system.drive.0.shape.area=1.5707963267948966 \
  --set system.drive.0.shape.center=0.1 --set system.drive.0.shape.width=0.002 --set time.step=0.002 \
  --set time.steps=550 --set method.name=pt-tempo
expect_code 0
check "not the coherence of an independent boson" awk -F "$tab" '
  /^#/ { next }
  { n++ }
  n == 301 || n == 551 {
    d = sqrt($3 * $3 + $4 * $4) - exp(-(n == 301 ? 0.104596337059511 : 0.174584179826978))
    if (d > 3e-4 || d < -3e-4) { print "  off by " d; exit 1 }
    d = $2 - 0.5; if (d > 1e-4 || d < -1e-4) { print "  population off by " d; exit 1 } }
  END { exit n != 551 }' "$scratch/out"
# Two methods agree on the example, and on the numbers in its comment.
run run "$dot"
expect_code 0
grep -v '^#' "$scratch/out" >"$scratch/uniform"
run run "$dot" --set method.name=pt-tempo --set method.memory_steps=80 --set method.tolerance=1e-7
expect_code 0
grep -v '^#' "$scratch/out" >"$scratch/finite"
check "two methods disagree" awk -F "$tab" '
  NR == FNR { for (i = 1; i <= NF; i++) x[FNR, i] = $i; next }
  { for (i = 1; i <= NF; i++) { d = x[FNR, i] - $i; if (d > 2e-4 || d < -2e-4) exit 1 } }
  END { exit FNR != 301 }' "$scratch/uniform" "$scratch/finite"
# shellcheck disable=SC2046
set -- $(sed -n 's/^#   exciton  *//p' "$dot")
for area in 1 2 3 4 5 6; do
  run run "$dot" --set system.drive.0.shape.area="$(awk -v a=$area 'BEGIN { printf "%.12g", a * 3.14159265358979 }')"
  check "exciton of area $area is not $1" awk -F "$tab" -v wanted="$1" '
    !/^#/ { p = $2 } END { d = p - wanted; exit !(d < 6e-4 && d > -6e-4) }' "$scratch/out"
  shift
done
finish
