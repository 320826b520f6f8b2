#!/bin/sh
# chain.sh - the task chain: numbers, what is written, and the examples.
. "$2/lib.sh"
check_json=$3
tab=$(printf '\t')
examples=$source/../../examples

names() { grep '^#' "$scratch/out" | tail -n 1 | tr '\t' ' '; }
expect_names() { check "wrong names: $(names)" test "$(names)" = "# $1"; }
rows() { grep -v '^#' "$scratch/out" >"$1"; }

# ---- spec/physics.md, P.11.6: populations of "up" of three sites. The orders of the Trotter products are theirs, so
#      numbers agree to what is printed there ----

cat >"$scratch/closed.yaml" <<'END'
task: chain
chain:
  length: 3
  site_hamiltonian: spin_z
  bond_hamiltonian: [[{spin_x: 1.3}, spin_x], [{spin_y: 0.7}, spin_y], [{spin_z: 1.2}, spin_z]]
initial_state: [up, down, down]
time: {step: 0.2, steps: 3}
method: {tolerance: 1.0e-12}
observables:
  - {name: up, operator: "ket_bra(0,0)"}
  - {name: ud, bond: 0, operator: ["ket_bra(0,0)", "ket_bra(1,1)"]}
  - {name: ends, sites: [0, 2], operator: ["ket_bra(1,0)", "ket_bra(0,1)"]}
output: {bonds: true}
END
run run "$scratch/closed.yaml" --set method.order=1
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.9900505037625 0.0107654172846 0.0009343976423
2 0.9608459661802 0.0416731788985 0.0038656619980
3 0.9142842247608 0.0889736789358 0.0090733100720
END
agree 2e-12 2 3 4
run run "$scratch/closed.yaml"
expect_code 0
expect_no_error
expect_names "t up[0] up[1] up[2] ud[0,1] ends[0,2]_re ends[0,2]_im bond[0,1] bond[1,2]"
cat >"$scratch/wanted" <<'END'
1 0.9900591886754 0.0107880889566 0.0009061396723
2 0.9608882645261 0.0418600032723 0.0036652721079
3 0.9143943284561 0.0895975876670 0.0084382615382
END
agree 2e-12 2 3 4
echo "3 0.9081792396254 -0.0448037965588 0.0034145443244 4 4" >"$scratch/wanted"
agree 2e-12 5 6 7 8 9

# All pairs of sites: the two of these are in P.11.6, the third is that of the bond.
awk '/name: ends/ { print "  - {name: last, bond: 1, operator: [\"ket_bra(0,0)\", \"ket_bra(1,1)\"]}" }
  /name: ud/ { sub("bond: 0", "sites: all") } { print }' "$scratch/closed.yaml" >"$scratch/pairs.yaml"
run run "$scratch/pairs.yaml"
expect_code 0
expect_names "t up[0] up[1] up[2] ud[0,1] ud[0,2] ud[1,2] last[1,2] ends[0,2]_re ends[0,2]_im bond[0,1] bond[1,2]"
echo "3 0.9081792396254 0.9081792396254 -0.0448037965588 0.0034145443244" >"$scratch/wanted"
agree 2e-12 5 6 9 10
check "a pair is not that of its bond" awk '!/^#/ && $7 != $8 { exit 1 }' "$scratch/out"

# A flip of site 1 at step 1, before and after the record; by name, as a Kraus list and of a bond.
pulsed() { # pulsed CONTROL
  { cat "$scratch/closed.yaml"; echo "controls: [$1]"; } >"$scratch/pulsed.yaml"
  run run "$scratch/pulsed.yaml"
  expect_code 0
}
printf '0 0\n1 0.9892119110434\n2 0.9673611739020\n3 0.9270155881692\n' >"$scratch/wanted"
for control in '{site: 1, step: 1, unitary: sigma_x}' '{site: [1], step: 1, when: pre, kraus: [sigma_x]}' \
  '{site: 1, time: 0.21, unitary: sigma_x}' '{bond: 0, step: 1, unitary: [identity, sigma_x]}' \
  '{bond: 1, step: 1, kraus: [[sigma_x, identity]]}' \
  '{bond: 1, step: 1, unitary: [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]}'; do
  pulsed "$control"
  agree 2e-12 3
done
printf '0 0\n1 0.0107880889566\n2 0.9673611739020\n3 0.9270155881692\n' >"$scratch/wanted"
pulsed '{site: 1, step: 1, when: post, unitary: sigma_x}'
agree 2e-12 3
# All of them, or each of them.
pulsed '{site: all, step: 2, unitary: sigma_x}'
rows "$scratch/all"
pulsed '{site: 0, step: 2, unitary: sigma_x}, {bond: 1, step: 2, unitary: [sigma_x, sigma_x]}'
tail -n 1 "$scratch/all" | awk '{ print 3, $2, $3, $4, $5 }' >"$scratch/wanted"
agree 1e-12 2 3 4 5

# One bath, and the same at both ends: a process tensor, once.
cat >"$scratch/bath.yaml" <<'END'
task: chain
chain:
  length: 3
  site_hamiltonian: spin_z
  bond_hamiltonian: [[{spin_x: 1.3}, spin_x], [{spin_y: 0.7}, spin_y], [{spin_z: 1.2}, spin_z]]
initial_state: [up, mixed, down]
baths:
  - site: 0
    coupling: spin_y
    spectral_density: {form: power_law, alpha: 0.32, zeta: 1, cutoff: 4}
    temperature: 1.6
time: {step: 0.2, steps: 3}
method: {tolerance: 1.0e-9, process_tensor: {tolerance: 1.0e-8}}
observables: [{name: up, operator: "ket_bra(0,0)"}]
END
run run "$scratch/bath.yaml" --set method.order=1
expect_code 0
cat >"$scratch/wanted" <<'END'
1 0.8946963033663 0.4995177074184 0.0054389184758
2 0.7284043036835 0.4957607240230 0.0214795916401
3 0.5963305871524 0.4854700093099 0.0472720218351
END
agree 1e-6 2 3 4
cat >"$scratch/wanted" <<'END'
1 0.8946917802497 0.4995357404650 0.0054274464620
2 0.7283907549386 0.4959016695368 0.0214048896881
3 0.5963217800875 0.4858880854504 0.0470605326680
END
run run "$scratch/bath.yaml"
expect_code 0
agree 1e-6 2 3 4
# Of the finite method the numbers are those of the table to 1e-9.
run run "$scratch/bath.yaml" --set method.process_tensor.name=pt-tempo --set method.process_tensor.tolerance=1e-10
expect_code 0
expect_out "# process_tensors.0.method: pt-tempo"
agree 1e-9 2 3 4
sed 's/site: 0$/site: [0, 2]/' "$scratch/bath.yaml" >"$scratch/both.yaml"
run run "$scratch/both.yaml"
expect_code 0
echo "3 0.5964807495053 0.4977410600574 0.3224728380875" >"$scratch/wanted"
agree 1e-6 2 3 4
check "more than one process tensor" test "$(grep -c '^# process_tensors.*bond_dimension' "$scratch/out")" -eq 1

# The same as two elements of the list.
rows "$scratch/one-element"
sed -n '/^  - site: 0/,/temperature/p' "$scratch/bath.yaml" | sed 's/site: 0/site: 2/' >"$scratch/second"
sed "/temperature/r $scratch/second" "$scratch/bath.yaml" >"$scratch/twice.yaml"
run run "$scratch/twice.yaml"
expect_code 0
rows "$scratch/two-elements"
check "not the same as one bath of two sites" cmp -s "$scratch/one-element" "$scratch/two-elements"

# From a file.
if "$oqtempo" info --json | grep -q '"hdf5_tables": true'; then
  { echo 'system: {dimension: 2}'; echo 'time: {step: 0.2, steps: 3}'; echo 'method: {tolerance: 1.0e-8}'; echo 'baths:'; sed -n '/^  - site: 0/,/temperature/p' "$scratch/bath.yaml"; } |
    sed 's/site: 0/coupling: spin_y/; /^    coupling/d' >"$scratch/pt.yaml"
  run pt build "$scratch/pt.yaml" -o "$scratch/pt.h5"
  expect_code 0
  sed "/^    [cst]/d; s/site: 0/{site: [0, 2], process_tensor: pt.h5}/" "$scratch/bath.yaml" >"$scratch/stored.yaml"
  run run "$scratch/stored.yaml"
  expect_code 0
  echo "3 0.5964807495053 0.4977410600574 0.3224728380875" >"$scratch/wanted"
  agree 1e-6 2 3 4
  run run "$scratch/stored.yaml" --set time.step=0.1
  expect_code 2
  expect_error "has time step 0.2"
  run run "$scratch/stored.yaml" --set chain.dimensions=3
  expect_code 2
fi

# ---- two sites are one system: everything at once against the task dynamics in the joint space ----

cat >"$scratch/two.yaml" <<'END'
task: chain
chain:
  length: 2
  dimensions: [2, 3]
  site_hamiltonian: {spin_z: 5.0}
  sites:
    - {site: all, hamiltonian: {spin_z: 0.9}}
    - {site: 1, hamiltonian: {spin_z: 0.4, spin_x: 0.3}, dissipators: [{rate: 0.2, operator: spin_minus}]}
    - {site: 0, drive: [{operator: sigma_y, shape: {form: sine, amplitude: 0.3, frequency: 2}}]}
    - {site: 0, dissipators: [{rate: 0.1, operator: sigma_z}, {rate: 0.05, operator: sigma_plus}]}
  bonds:
    - bond: 0
      hamiltonian: [[{sigma_x: 0.4}, spin_x], [{sigma_y: 0.4}, [[0, "-0.7i", 0], ["0.7i", 0, 0], [0, 0, 0.2]]]]
      drive: [{operator: [sigma_z, spin_z], shape: {form: gaussian, area: 0.5, center: 0.5, width: 0.2}}]
      dissipators: [{rate: 0.3, operator: [[sigma_minus, "ket_bra(0,1)"], [{identity: 0.2}, spin_z]]}]
initial_state: [[[0.7, "0.2i"], ["-0.2i", 0.3]], "basis(1)"]
time: {start: 0.3, step: 0.1, steps: 10}
method: {tolerance: 1.0e-13}
controls:
  - {bond: 0, step: 4, kraus: [[sigma_x, "ket_bra(0,0)"], [identity, {identity: 1, "ket_bra(0,0)": -1}]]}
  - {site: 1, time: 0.9, when: post, unitary: [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}
observables:
  - {name: z, operator: spin_z}
  - {bond: 0, operator: [sigma_minus, spin_plus]}
output: {states: true}
END
# The same by Kronecker products; K of the operators above.
awk '
  function kron(a, b, s,  i, j, k, l, out) { # rows of a (x) b times s, real
    out = "["
    for (i = 1; i <= 2; i++) for (k = 1; k <= 3; k++) {
      out = out (i + k > 2 ? ", [" : "[")
      for (j = 1; j <= 2; j++) for (l = 1; l <= 3; l++)
        out = out (j + l > 2 ? ", " : "") sprintf("\"%.17g%+.17gi\"", s * (re[a, i, j] * re[b, k, l] - im[a, i, j] * im[b, k, l]), s * (re[a, i, j] * im[b, k, l] + im[a, i, j] * re[b, k, l]))
      out = out "]"
    }
    return out "]"
  }
  function set(name, n, list,  v, i) { # re of n x n
    split(list, v, " ")
    for (i = 1; i <= n * n; i++) { re[name, int((i - 1) / n) + 1, (i - 1) % n + 1] = v[i]; im[name, int((i - 1) / n) + 1, (i - 1) % n + 1] = 0 }
  }
  function add(name, x, a, y, b, n,  i, j) { # name = x a + y b
    for (i = 1; i <= n; i++) for (j = 1; j <= n; j++) {
      re[name, i, j] = x * re[a, i, j] + y * re[b, i, j]; im[name, i, j] = x * im[a, i, j] + y * im[b, i, j] }
  }
  BEGIN {
    r = sqrt(0.5)
    set("1", 2, "1 0 0 1"); set("x", 2, "0 1 1 0"); set("z", 2, "1 0 0 -1"); set("p", 2, "0 1 0 0"); set("m", 2, "0 0 1 0")
    set("y", 2, "0 0 0 0"); im["y", 1, 2] = -1; im["y", 2, 1] = 1
    set("I", 3, "1 0 0 0 1 0 0 0 1"); set("Z", 3, "1 0 0 0 0 0 0 0 -1"); set("X", 3, "0 " r " 0 " r " 0 " r " 0 " r " 0")
    set("P", 3, "0 " 2 * r " 0 0 0 " 2 * r " 0 0 0"); set("M", 3, "0 0 0 " 2 * r " 0 0 0 " 2 * r " 0")
    set("Y", 3, "0 0 0 0 0 0 0 0 0.2"); im["Y", 1, 2] = -0.7; im["Y", 2, 1] = 0.7
    set("A", 3, "0 1 0 0 0 0 0 0 0"); set("0", 3, "1 0 0 0 0 0 0 0 0"); set("N", 3, "0 0 0 0 1 0 0 0 1")
    set("S", 3, "0 0 1 1 0 0 0 1 0"); set("B", 3, "0 0 0 0 1 0 0 0 0")
    add("h", 0.45, "z", 0, "z", 2); add("H", 0.4, "Z", 0.3, "X", 3)
    set("rho", 2, "0.7 0 0 0.3"); im["rho", 1, 2] = 0.2; im["rho", 2, 1] = -0.2
    print "system:\n  dimension: 6\n  drive:"
    one = "{form: constant, value: 1}"
    print "    - {shape: " one ", operator: " kron("h", "I", 1) "}"
    print "    - {shape: " one ", operator: " kron("1", "H", 1) "}"
    print "    - {shape: " one ", operator: " kron("x", "X", 0.4) "}"
    print "    - {shape: " one ", operator: " kron("y", "Y", 0.4) "}"
    print "    - {shape: {form: sine, amplitude: 0.3, frequency: 2}, operator: " kron("y", "I", 1) "}"
    print "    - {shape: {form: gaussian, area: 0.5, center: 0.5, width: 0.2}, operator: " kron("z", "Z", 1) "}"
    print "  dissipators:"
    print "    - {rate: 0.2, operator: " kron("1", "M", 1) "}"
    print "    - {rate: 0.1, operator: " kron("z", "I", 1) "}"
    print "    - {rate: 0.05, operator: " kron("p", "I", 1) "}"
    # m A + 0.2 1 Z in one matrix: different elements
    a = kron("m", "A", 1); b = kron("1", "Z", 0.2)
    n = split(a, u, "\""); split(b, v, "\"")
    both = ""
    for (i = 1; i <= n; i++) both = both (i % 2 ? u[i] : "\"" (u[i] + 0 != 0 ? u[i] : v[i]) "\"")
    print "    - {rate: 0.3, operator: " both "}"
    print "initial_state: " kron("rho", "B", 1)
    print "time: {start: 0.3, step: 0.1, steps: 10}"
    print "controls:"
    print "  - {step: 4, kraus: [" kron("x", "0", 1) ", " kron("1", "N", 1) "]}"
    print "  - {time: 0.9, when: post, unitary: " kron("1", "S", 1) "}"
    print "observables:"
    print "  - {name: z0, operator: " kron("z", "I", 0.5) "}"
    print "  - {name: z1, operator: " kron("1", "Z", 1) "}"
    print "  - {name: hop, operator: " kron("m", "P", 1) "}"
    print "  - {name: xi, operator: " kron("p", "I", 1) "}"
  }' >"$scratch/joint.yaml"
run run "$scratch/joint.yaml"
expect_code 0
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2, $3, $4, $5, $6, $7 }' >"$scratch/wanted"
run run "$scratch/two.yaml"
expect_code 0
expect_no_error
check "wrong names: $(names)" test "$(names | cut -d ' ' -f 1-10)" = \
  "# t z[0] z[1] sigma_minus*spin_plus[0,1]_re sigma_minus*spin_plus[0,1]_im rho[0]_00_re rho[0]_00_im rho[0]_01_re rho[0]_01_im"
# Tr(sigma_plus rho) is the element 10, columns 10 and 11. The bound is that of the drives, which each of two sites and a
# bond splits in its own way.
agree 2e-6 2 3 4 5 10 11

# ---- without bonds every site is a system of its own ----

cat >"$scratch/alone.yaml" <<'END'
task: chain
chain: {length: 3, site_hamiltonian: {sigma_x: 0.5}}
initial_state: up
baths:
  - {site: 1, coupling: {sigma_z: 0.5}, temperature: 0.2, spectral_density: {form: power_law, alpha: 0.3, cutoff: 5}}
  - {site: [1, 2], coupling: {sigma_x: 0.2, sigma_z: 0.1}, temperature: 1, spectral_density: {form: drude_lorentz, reorganization: 0.1, rate: 2}}
time: {step: 0.05, steps: 20}
method: {process_tensor: {name: pt-tempo, tolerance: 1.0e-8, memory_steps: 15}}
observables: [sigma_z, sigma_y]
END
sed -e '/^task/d' -e 's/^chain.*/system: {hamiltonian: {sigma_x: 0.5}}/' -e 's/site: [^c]*coupling/coupling/' \
  -e 's/process_tensor: {\(.*\)}}/\1}/' "$scratch/alone.yaml" >"$scratch/system.yaml"
run run "$scratch/system.yaml"
expect_code 0
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2, $3 }' >"$scratch/two-baths"
sed '/alpha/d' "$scratch/system.yaml" >"$scratch/one.yaml"
run run "$scratch/one.yaml"
expect_code 0
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2, $3 }' >"$scratch/one-bath"
run run "$scratch/alone.yaml"
expect_code 0
awk 'BEGIN { for (k = 0; k <= 20; k++) printf "%d %.17g %.17g\n", k, cos(k * 0.05), -sin(k * 0.05) }' >"$scratch/wanted"
agree 1e-10 2 5
# Process tensors know nothing of a chain, but of a system: to their tolerance.
cp "$scratch/two-baths" "$scratch/wanted"
agree 1e-6 3 6
cp "$scratch/one-bath" "$scratch/wanted"
agree 1e-6 4 7

# ---- examples ----

# chain.yaml: a product formula of order 4 and finer tolerances agree with it. What is left is the step of order 2.
run run "$examples/chain.yaml" --set time.steps=12
expect_code 0
expect_names "t sigma_z[0] sigma_z[1] sigma_z[2] sigma_z[3] sigma_z[4]"
rows "$scratch/coarse"
run run "$examples/chain.yaml" --set time.steps=12 --set method.order=4 --set method.tolerance=1e-5 \
  --set method.process_tensor.tolerance=1e-6
expect_code 0
grep -v '^#' "$scratch/out" | awk '{ $1 = NR - 1; print }' >"$scratch/wanted"
cp "$scratch/coarse" "$scratch/out"
agree 3e-3 2 3 4 5 6

# chain-transport.yaml: one current on all bonds in the end, from hot to cold; none where the temperatures are equal,
# and there every spin as in equilibrium: free fermions of energy 1 + cos(k pi / 5), at weak coupling.
run run "$examples/chain-transport.yaml"
expect_code 0
expect_names "t current[0,1] current[1,2] current[2,3] sigma_z[0] sigma_z[1] sigma_z[2] sigma_z[3] bond[0,1] bond[1,2] bond[2,3]"
rows "$scratch/transport"
echo "150 0.0410 0.0410 0.0410" >"$scratch/wanted"
agree 4e-4 2 3 4
# What flows in stays there: the change of both inner spins from step 0 on is what came in less what left (as
# excitations, half of sigma_z), by Simpson's rule.
check "excitations are lost on the way" awk '
  { weight = NR == 1 || NR == 151 ? 1 : NR % 2 ? 2 : 4; sum += weight * ($2 - $4) * 0.2 / 3
    now = ($6 + $7) / 2; if (NR == 1) first = now }
  END { off = now - first - sum; print "  off by " off; exit !(off < 2e-3 && off > -2e-3) }' "$scratch/transport"
run run "$examples/chain-transport.yaml" --set baths.1.temperature=2
expect_code 0
echo "150 0 0 0" >"$scratch/wanted"
agree 5e-4 2 3 4
awk 'BEGIN {
  pi = atan2(0, -1)
  for (k = 1; k <= 4; k++)
    for (j = 1; j <= 4; j++)
      z[j] += 2 * 2 / 5 * sin(pi * k * j / 5) ^ 2 / (exp((1 + cos(pi * k / 5)) / 2) + 1)
  printf "150"; for (j = 1; j <= 4; j++) printf " %.17g", z[j] - 1; print "" }' >"$scratch/wanted"
agree 2e-2 5 6 7 8

# chain-baths.yaml: without bonds its sites are systems of their own.
sed '/bond_hamiltonian/d; /sites: \[0, 3\]/d' "$examples/chain-baths.yaml" >"$scratch/loose.yaml"
run run "$scratch/loose.yaml"
expect_code 0
rows "$scratch/loose"
cat >"$scratch/system.yaml" <<'END'
system: {hamiltonian: {sigma_x: 0.3}}
initial_state: up
baths: [{coupling: {sigma_z: 0.5}, spectral_density: {form: drude_lorentz, reorganization: 0.1, rate: 2.0}, temperature: 1.0}]
time: {step: 0.1, steps: 40}
method: {tolerance: 1.0e-6}
observables: [sigma_z]
END
run run "$scratch/system.yaml"
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2, -$2 }' >"$scratch/wanted"
cp "$scratch/loose" "$scratch/out"
agree 2e-4 4 3
echo 'controls: [{step: 20, unitary: sigma_x}]' >>"$scratch/system.yaml"
run run "$scratch/system.yaml"
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2 }' >"$scratch/wanted"
cp "$scratch/loose" "$scratch/out"
agree 2e-4 2
sed -i -e '/controls/d' -e 's/up$/down/' -e 's/^system.*/system: {hamiltonian: {sigma_x: 0.3}, dissipators: [{rate: 0.1, operator: sigma_minus}]}/' "$scratch/system.yaml"
run run "$scratch/system.yaml"
grep -v '^#' "$scratch/out" | awk '{ print NR - 1, $2 }' >"$scratch/wanted"
cp "$scratch/loose" "$scratch/out"
agree 2e-4 5

# ---- what is written ----

# The same numbers for any number of threads.
run run "$examples/chain-baths.yaml" --threads 1 --report "$scratch/report.json"
expect_code 0
rows "$scratch/one"
check "more than one process tensor" test "$(grep -c '^# process_tensors.*bond_dimension' "$scratch/out")" -eq 1
expect_out "# threads: 1"
for key in run.bond_dimension run.discarded_weight run.trace_drift; do expect_out "# $key: "; done
check "the report is not JSON" "$check_json" <"$scratch/report.json"
cp "$scratch/report.json" "$scratch/out"
for key in task chain phases process_tensors run steps bond_dimension discarded_weight bond_limit_hit trace_drift \
  work_seconds span_seconds parallelism threads predicted_speedup 2 4 8 16 32 64 128 peak_memory_bytes warnings; do
  expect_out "\"$key\": "
done
check "not as parallel as work by span" awk -F ': ' '
  /work_seconds/ { work = $2 + 0 } /span_seconds/ { span = $2 + 0 } /parallelism/ { ratio = $2 + 0 }
  END { exit !(span > 0 && work >= span && ratio < 1.001 * work / span && ratio > 0.999 * work / span) }' "$scratch/report.json"
check "a speedup is below one or above the number of threads" awk -F '[":, ]+' '
  /predicted_speedup/ { inside = 1; next } /}/ { inside = 0 }
  inside { n++; if ($3 < 0.9999 || $3 > $2 * 1.0001) bad = 1 } END { exit !(n == 7 && !bad) }' "$scratch/report.json"
run run "$examples/chain-baths.yaml" --threads 3
rows "$scratch/three"
check "other numbers with three threads" cmp -s "$scratch/one" "$scratch/three"

# Nor do they depend on what the threads do, but for rounding. That decides what a truncation keeps of two equal
# weights, so the tolerance is small here.
for way in none auto sites blas; do
  run run "$examples/chain-baths.yaml" --set method.parallel=$way --set method.tolerance=1e-7
  expect_code 0
  expect_out "# method.parallel: $way"
  [ $way != none ] || rows "$scratch/one"
  awk '{ $1 = NR - 1; print }' "$scratch/one" >"$scratch/wanted"
  agree 1e-6 2 3 4 5 6
done

# A cut at max_bond is told.
run run "$examples/chain-baths.yaml" --set method.max_bond=3
expect_code 0
expect_error "warning: the run was cut at method.max_bond"
check "the bond is not limited" awk -F ": " '/run.bond_dimension/ { bond = $2 } END { exit !(bond <= 5) }' "$scratch/out"
# So is a state that is not normalized.
run run "$scratch/closed.yaml" --set initial_state.1=mixed
expect_no_error
sed 's/\[up, down, down\]/[up, [[0.5, 0], [0, 0]], down]/' "$scratch/closed.yaml" >"$scratch/half.yaml"
run run "$scratch/half.yaml"
expect_error "warning: the initial state of site 1 has the trace 0.5, not 1"

# Names with commas, quoted in CSV; states without observables.
run run "$scratch/closed.yaml" -o "$scratch/table.csv"
expect_code 0
check "names are not quoted" test "$(grep '^# t' "$scratch/table.csv" | tail -n 1)" = \
  '# t,up[0],up[1],up[2],"ud[0,1]","ends[0,2]_re","ends[0,2]_im","bond[0,1]","bond[1,2]"'
sed '/observables/,$d' "$scratch/closed.yaml" >"$scratch/states.yaml"
run run "$scratch/states.yaml"
expect_table "$scratch/out" "$tab" 4
echo "3 0.9143943284561 0.0895975876670" >"$scratch/wanted"
agree 2e-12 2 10

# Dry runs; what a chain is not for.
run run "$scratch/two.yaml" --dry-run
expect_code 0
expect_out "sites: 2"
expect_out "dimensions: 2 3"
run guess "$examples/chain.yaml"
expect_code 2
expect_error "guess is for runs of one system"
run pt build "$examples/chain.yaml" -o "$scratch/none.h5"
expect_code 2
expect_error "the task is chain"
expect_no_file "$scratch/none.h5"

# An image of three sites or more, lines of two.
if command -v gnuplot >/dev/null && echo 'set terminal pngcairo' | gnuplot -d - >/dev/null 2>&1; then
  for file in "$examples/chain-baths.yaml" "$scratch/two.yaml" "$scratch/states.yaml"; do
    run run "$file" --plot "$scratch/plot.png"
    expect_code 0
    check "not a PNG file" test "$(head -c 4 "$scratch/plot.png" | tail -c 3)" = PNG
    rm -f "$scratch/plot.png"
  done
fi

# Interrupted, and nothing is left.
mkdir "$scratch/results"
called="oqtempo run, then signal TERM after 1 s"
code=0
timeout --preserve-status -k 60 -s TERM 1 "$oqtempo" run "$examples/chain.yaml" --set time.steps=100000 \
  --set method.tolerance=1e-9 -o "$scratch/results/out.tsv" >"$scratch/out" 2>"$scratch/err" || code=$?
expect_code 143
expect_error "interrupted; nothing was written"
expect_only "$scratch/results"

# With a checkpoint the run goes on, to the same table bit by bit; whatever row it was interrupted after.
mkdir "$scratch/check"
cat "$examples/chain.yaml" - >"$scratch/check/chain.yaml" <<'END'
output: {checkpoint: state, entropies: true}
END
run run "$scratch/check/chain.yaml" -o "$scratch/check/whole.tsv" --resume
expect_code 0
expect_no_error
expect_only "$scratch/check" chain.yaml whole.tsv
interrupted=0
for seconds in 0.2 0.4 0.8 1.6 3.2 6.4; do
  called="oqtempo run --resume, then signal TERM after $seconds s"
  code=0
  timeout --preserve-status -k 60 -s TERM $seconds "$oqtempo" run "$scratch/check/chain.yaml" --resume \
    -o "$scratch/check/parts.tsv" >"$scratch/out" 2>"$scratch/err" || code=$?
  [ $code -eq 0 ] && break
  expect_code 143
  expect_error "interrupted"
  expect_no_file "$scratch/check/parts.tsv"
  if grep -q -e "interrupted after step [0-9]*; --resume goes on from" "$scratch/err"; then
    interrupted=$((interrupted + 1))
    expect_file "$scratch/check/state"
    expect_file "$scratch/check/state.rows"
  fi
done
run run "$scratch/check/chain.yaml" --resume -o "$scratch/check/parts.tsv"
expect_code 0
check "not the table of a run without a break" cmp -s "$scratch/check/whole.tsv" "$scratch/check/parts.tsv"
echo "interrupted $interrupted times"
# Other options are refused, by name.
if [ -s "$scratch/check/state" ]; then
  run run "$scratch/check/chain.yaml" --resume --set output.entropies=false
  expect_code 2
  expect_error "state.rows"
  expect_error 'the checkpoint has "# output.entropies: true", the input "# output.entropies: false"'
  run run "$scratch/check/chain.yaml" --resume --set baths.0.temperature=1.7
  expect_code 2
  expect_error "made with other process tensors"
  rm "$scratch/check/state.rows"
  run run "$scratch/check/chain.yaml" --resume
  expect_code 3
  expect_error "state.rows: cannot be read"
fi
run run "$scratch/check/chain.yaml" -o "$scratch/check/state"
expect_code 2
expect_error "is named for two outputs"
echo "no state" >"$scratch/check/state"
run run "$scratch/check/chain.yaml" --resume
expect_code 2
run run "$scratch/closed.yaml" --resume
expect_code 2
expect_error "--resume needs output.checkpoint"

# Entropies: none of a product; 2 ln 2 of a singlet, which half of a swap makes of up and down.
cat >"$scratch/swap.yaml" <<'END'
task: chain
chain: {length: 3, bonds: [{bond: 0, hamiltonian: [[{spin_x: 1}, spin_x], [{spin_y: 1}, spin_y], [{spin_z: 1}, spin_z]]}]}
initial_state: [up, down, mixed]
time: {step: 0.39269908169872414, steps: 4}
method: {tolerance: 1.0e-12}
output: {entropies: true}
observables: [sigma_z]
END
run run "$scratch/swap.yaml"
expect_code 0
expect_names "t sigma_z[0] sigma_z[1] sigma_z[2] entropy[0,1] entropy[1,2]"
printf '0 1 -1 0 0 0\n4 0 0 0 1.3862943611198906 0\n' >"$scratch/wanted"
agree 1e-9 2 3 4 5 6
finish
