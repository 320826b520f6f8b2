#!/bin/sh
# reference.sh - numbers of the program against full-memory results computed elsewhere (exact sums over paths and
# PT-TEMPO at a truncation of 1e-12 or less), to 2e-5 at the tolerances used here.
. "$2/lib.sh"

# The example: rho_00, Re rho_01, Im rho_01.
run run "$source/../../examples/spin-boson.yaml" --set output.states=true --set time.steps=20
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.99440094535407 0 0.02436473249527
2 0.98765525317623 -0.00037681737853 0.04709979806696
3 0.97986301556282 -0.00179383886856 0.06768454215143
5 0.96161403126239 -0.00868462228759 0.10178739962010
10 0.90569996635508 -0.03887801364129 0.15150130685477
END
agree 2e-5 5 7 8

# Two baths that do not commute, in both orders of the list.
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
method: {splitting: list, tolerance: 1.0e-6}
END
run run "$scratch/two.yaml"
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.545136055272 -0.018054422109 -0.434398401746
2 0.572167405452 -0.033641821733 -0.314501313674
3 0.583130513146 -0.048692271976 -0.218374251275
END
agree 2e-5 2 4 5
awk '/sigma_x: 0.5}$/ { sub("sigma_x", "sigma_z"); print; next } { sub("coupling: {sigma_z", "coupling: {sigma_x"); print }' \
  "$scratch/two.yaml" >"$scratch/swapped.yaml"
run run "$scratch/swapped.yaml"
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.545136055272 -0.018054422109 -0.434398401746
2 0.572636441193 -0.033170269866 -0.314524350805
3 0.584715791073 -0.047637855509 -0.218482179584
END
agree 2e-5 2 4 5

# Pure dephasing leaves the populations and follows a closed form: one mode of frequency w and coupling g at
# temperature 0 gives |rho_01| = exp(-(g/w)^2 (1 - cos w t)) / 2.
cat >"$scratch/mode.yaml" <<'END'
system: {hamiltonian: {sigma_z: 0.35}}
initial_state: x+
baths:
  - {coupling: {sigma_z: 0.5}, temperature: 0, spectral_density: {form: modes, modes: [[1.7, 0.9]]}}
time: {step: 0.13, steps: 30}
END
run run "$scratch/mode.yaml"
expect_code 0
expect_out "# process_tensors.0.method: dephasing"
awk 'BEGIN { for (k = 0; k <= 30; k++) printf "%d 0.5 %.12f\n", k, exp(-(0.9 / 1.7) ^ 2 * (1 - cos(1.7 * 0.13 * k))) / 2 }' \
  >"$scratch/wanted"
grep -v '^#' "$scratch/out" | awk '{ print $1, $2, sqrt($4 * $4 + $5 * $5) }' >"$scratch/moduli"
mv "$scratch/moduli" "$scratch/out"
agree 2e-5 2 3
finish
