#!/bin/sh
# controls.sh - pulses, Kraus lists and superoperators at steps and times.
. "$2/lib.sh"
tab=$(printf '\t')

# ---- spec/physics.md, P.6.6: rho_00, Re rho_01, Im rho_01, of OQuPy ----

cat >"$scratch/none.yaml" <<'END'
system: {hamiltonian: {sigma_x: 2.5}}
initial_state: z+
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.1, zeta: 1.0, cutoff: 3.0}
    temperature: 1.0
time: {step: 0.1, steps: 5}
method: {name: pt-tempo, tolerance: 1.0e-9}
END
pulsed() { # pulsed CONTROL ...: a run with these elements of controls
  cp "$scratch/none.yaml" "$scratch/pulsed.yaml"
  echo 'controls:' >>"$scratch/pulsed.yaml"
  for control in "$@"; do echo "  - $control" >>"$scratch/pulsed.yaml"; done
  run run "$scratch/pulsed.yaml" --set method.name="$method"
  expect_code 0
}
method=pt-tempo
cat >"$scratch/uncontrolled" <<'END'
1 0.9391201911545 0 0.2384246525380
2 0.7724928134226 -0.0020153559346 0.4141410402990
3 0.5436020096317 -0.0086141309727 0.4822679891949
4 0.3113402083590 -0.0196725547069 0.4273429362732
5 0.1342447721158 -0.0334050483080 0.2662189958859
END
sed '3,$d' "$scratch/uncontrolled" >"$scratch/before"
cat >"$scratch/after" <<'END'
3 0.4599471243980 0.0047210793549 -0.4961675244248
5 0.8855510830596 0.0127820111240 -0.2798429332372
END
wanted() { cat "$@" >"$scratch/wanted"; agree 1e-7 2 4 5; }
run run "$scratch/none.yaml"
expect_code 0
wanted "$scratch/uncontrolled"
printf '2 0.2275071865774 -0.0020153559346 -0.4141410402990\n' >"$scratch/at"
sed -n 1p "$scratch/before" >"$scratch/first"
pulsed '{step: 2, when: pre, unitary: sigma_x}'
wanted "$scratch/first" "$scratch/at" "$scratch/after"
expect_out "# controls.0.unitary: sigma_x"
pulsed '{step: 2, unitary: sigma_x}'
wanted "$scratch/first" "$scratch/at" "$scratch/after"
pulsed '{time: 0.21, when: post, unitary: [[0, 1], [1, 0]]}'
wanted "$scratch/before" "$scratch/after"
method=tempo
pulsed '{step: 2, unitary: sigma_x}'
wanted "$scratch/first" "$scratch/at" "$scratch/after"
pulsed '{step: 2, when: post, unitary: sigma_x}'
wanted "$scratch/before" "$scratch/after"
method=pt-tempo
pulsed '{step: 2, when: post, kraus: [sigma_x]}'
wanted "$scratch/before" "$scratch/after"
pulsed '{step: 2, when: post, superoperator: [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]}'
wanted "$scratch/before" "$scratch/after"
# Two half pulses are one; two pulses are none.
pulsed '{step: 2, unitary: [[0.70710678118654752, "-0.70710678118654752i"], ["-0.70710678118654752i", 0.70710678118654752]]}' \
  '{step: 2, when: post, unitary: [[0.70710678118654752, "-0.70710678118654752i"], ["-0.70710678118654752i", 0.70710678118654752]]}'
wanted "$scratch/first" "$scratch/after"
pulsed '{step: 2, unitary: sigma_x}' '{step: 2, unitary: sigma_x}'
wanted "$scratch/uncontrolled"

# Later in the list acts later: prepare, then turn, is not turn, then prepare.
pulsed '{step: 3, kraus: ["ket_bra(0,0)", "ket_bra(0,1)"]}' '{step: 3, unitary: sigma_x}'
echo '3 0 0 0' | wanted
pulsed '{step: 3, unitary: sigma_x}' '{step: 3, kraus: ["ket_bra(0,0)", "ket_bra(0,1)"]}'
echo '3 1 0 0' | wanted
# But one at a time comes before one at a step.
pulsed '{step: 3, unitary: sigma_x}' '{time: 0.3, kraus: ["ket_bra(0,0)", "ket_bra(0,1)"]}'
echo '3 0 0 0' | wanted
# At the first step, and before the last record.
pulsed '{step: 0, unitary: sigma_x}' '{step: 5, kraus: ["ket_bra(0,0)", "ket_bra(0,1)"]}'
printf '0 0 0 0\n5 1 0 0\n' | wanted

# ---- the echo of a qubit that only loses coherence: exp(-Re(4 eta(t) - eta(2t))); eta(0.5) and eta(1) of this bath
#      are in P.1.3. The pulse is a flip, so a closed form for systems that commute would not do ----

echo=$source/../../examples/controls.yaml
cat >"$scratch/echo.yaml" <<'END'
system: {hamiltonian: {sigma_z: 1.7}}
initial_state: x+
baths:
  - coupling: {sigma_z: 0.5}
    spectral_density: {form: power_law, alpha: 0.3, zeta: 1.0, cutoff: 5.0}
    temperature: 0.2
time: {step: 0.1, steps: 10}
method: {accuracy: 1.0e-5}
controls: [{step: 5, unitary: sigma_x}]
END
run run "$scratch/echo.yaml"
expect_code 0
awk 'BEGIN { printf "5 %.12g\n10 %.12g\n", 0.5 * exp(-0.603594924994966), 0.5 * exp(-(4 * 0.603594924994966 - 1.01428096765379)) }' >"$scratch/wanted"
grep -v '^#' "$scratch/out" | awk -F "$tab" '{ print $1, sqrt($4 * $4 + $5 * $5) }' >"$scratch/modulus"
mv "$scratch/modulus" "$scratch/out"
agree 1e-5 2
# In the example the echo is larger than what is left without it, and back in phase.
run run "$echo"
expect_code 0
tail -n 1 "$scratch/out" >"$scratch/with"
run run "$echo" --set controls.0.unitary=identity
tail -n 1 "$scratch/out" >"$scratch/without"
check "no echo" awk -F "$tab" '
  { c[NR] = sqrt($2 * $2 + $3 * $3); re[NR] = $2 }
  END { exit !(c[1] > 1.5 * c[2] && re[1] > 0.999 * c[1]) }' "$scratch/with" "$scratch/without"
finish
