#!/bin/sh
# files.sh - files that are missing or wrong, or cannot be written; process tensors and tables kept in files.
. "$2/lib.sh"
example=$source/../../examples/spin-boson.yaml
hdf5=$("$oqtempo" info --json | grep -c '"process_tensor_files": true')

# A missing file is exit code 3: it could not be read.
run run "$scratch/missing.yaml"
expect_code 3
expect_error "$scratch/missing.yaml: cannot be read: No such file"
run run "$scratch"
expect_code 3
expect_error "$scratch: cannot be read: Is a directory"

# Outputs that cannot be written are found before the computation.
mkdir "$scratch/results"
for option in -o --report --plot; do
  run run "$example" $option "$scratch/no/such/folder/x.csv"
  expect_code 3
  expect_error "$scratch/no/such/folder/x.csv: cannot be written: No such file"
  run run "$example" $option "$scratch/results"
  expect_code 3
  expect_error "$scratch/results: cannot be written: it is a folder"
  expect_no_out
done
expect_only "$scratch/results"
if [ -c /dev/full ]; then
  called="run > /dev/full"
  code=0
  "$oqtempo" run "$example" >/dev/full 2>"$scratch/err" || code=$?
  expect_code 3
  expect_error "cannot be written"
  run run "$example" -o /dev/full
  expect_code 3
  check "/dev/full was replaced" test -c /dev/full
  run run "$example" -o /dev/null
  expect_code 0
  check "/dev/null was replaced" test -c /dev/null
fi
# A failing report takes the table with it.
run run "$example" -o "$scratch/results/x.tsv" --report /dev/full
expect_code 3
expect_only "$scratch/results"
# An old file stays as it is until there is a new one; a link is followed.
echo old >"$scratch/results/x.tsv"
run run "$example" -o "$scratch/results/x.tsv" --set time.step=-1
check "an old file was touched" grep -q old "$scratch/results/x.tsv"
ln -s x.tsv "$scratch/results/link.tsv"
run run "$example" -o "$scratch/results/link.tsv"
expect_code 0
check "a link was replaced" test -L "$scratch/results/link.tsv"
expect_table "$scratch/results/x.tsv" "	" 101

# Tables of data, relative to the input file.
mkdir "$scratch/data"
table_input() { # table_input SECTION
  cat >"$scratch/data/in.yaml" <<END
initial_state: up
system: {hamiltonian: {sigma_x: 0.5}}
baths:
  - coupling: {sigma_z: 0.5}
    $1
time: {step: 0.1, steps: 5}
observables: [sigma_z]
END
}
table_input 'spectral_density: {form: table, file: j.dat}
    temperature: 0.1'
run run "$scratch/data/in.yaml"
expect_code 3
expect_error "$scratch/data/j.dat: cannot be read: No such file"
expect_error "$scratch/data/in.yaml:5:43: baths.0.spectral_density.file is a file that cannot be used"
awk 'BEGIN { print "# w J"; for (i = 0; i <= 200; i++) { w = i * 0.1; print w "\t" 0.2 * w * exp(-w / 2) } }' \
  >"$scratch/data/j.dat"
run run "$scratch/data/in.yaml"
expect_code 0
expect_table "$scratch/out" "	" 6
bad_data() { # bad_data LINES MESSAGE
  printf '%b' "$1" >"$scratch/data/j.dat"
  run run "$scratch/data/in.yaml" -o "$scratch/results/y.tsv"
  expect_code 2
  expect_error "$2"
  expect_no_file "$scratch/results/y.tsv"
}
bad_data '# w J\n0 0\n1 one\n' "$scratch/data/j.dat:3: found \"1 one\"; expected 2 finite numbers"
bad_data '0 0\n1 1 1\n' "$scratch/data/j.dat:2: found \"1 1 1\"; expected 2 finite numbers"
bad_data '0 0\n1\n' "$scratch/data/j.dat:2: found \"1\"; expected 2 finite numbers"
bad_data '0 0\n1 nan\n' "$scratch/data/j.dat:2: found \"1 nan\"; expected 2 finite numbers"
bad_data '# nothing\n' "$scratch/data/j.dat:1: the file has no rows"
bad_data '0 0\n2 1\n1 1\n3 0\n4 0\n' "$scratch/data/in.yaml:5:23: baths.0.spectral_density: "
awk 'BEGIN { for (i = 0; i < 10000; i++) printf "1" }' >"$scratch/data/j.dat"
run run "$scratch/data/in.yaml"
expect_code 2
expect_error "$scratch/data/j.dat:1: the line is longer than 4094 bytes"

table_input 'correlation_table: c.csv'
run run "$scratch/data/in.yaml"
expect_code 3
expect_error "$scratch/data/in.yaml:5:24: baths.0.correlation_table"
awk 'BEGIN { print "# tau, Re C, Im C"
             for (i = 0; i <= 100; i++) { t = i * 0.1; printf "%g, %g, %g\n", t, exp(-t) / 10, -t * exp(-t) / 50 } }' \
  >"$scratch/data/c.csv"
run run "$scratch/data/in.yaml"
expect_code 0
expect_table "$scratch/out" "	" 6

if [ "$hdf5" -eq 1 ]; then
  # A process tensor that is kept gives the same as one that is built on the way.
  run pt build "$example" -o "$scratch/data/pt.h5" --report "$scratch/data/report.json"
  expect_code 0
  expect_out "bond_dimension: "
  expect_no_error
  expect_file "$scratch/data/report.json"
  run pt info "$scratch/data/pt.h5"
  expect_code 0
  for key in method dimension dt steps bond_dimension tolerance fit_error discarded_weight path_error \
    coupling_eigenvalues; do
    expect_out "$key: "
  done
  check "dt is not kept" grep -qE '^dt: 0\.05' "$scratch/out"
  sed '/^baths:/,/temperature/d' "$example" >"$scratch/data/kept.yaml"
  printf 'baths: [{process_tensor: pt.h5}]\n' >>"$scratch/data/kept.yaml"
  run run "$scratch/data/kept.yaml" --set method.name=uniform
  expect_code 0
  grep -v '^#' "$scratch/out" >"$scratch/kept"
  run run "$example" --set method.name=uniform
  grep -v '^#' "$scratch/out" >"$scratch/direct"
  check "a kept process tensor gives other numbers" awk '
    NR == FNR { for (i = 1; i <= NF; i++) x[FNR, i] = $i; next }
    { for (i = 1; i <= NF; i++) { d = x[FNR, i] - $i; if (d < 0) d = -d; if (d > 1e-9) bad = 1 } }
    END { exit bad }' "$scratch/kept" "$scratch/direct"
  # The step may be left out; it must not differ.
  run run "$scratch/data/kept.yaml" --set time.step=0.1
  expect_code 2
  expect_error "baths.0.process_tensor has time step 0.05"
  sed 's/step: 0.05, //' "$scratch/data/kept.yaml" >"$scratch/data/kept2.yaml"
  run run "$scratch/data/kept2.yaml"
  expect_code 0
  expect_out "# time.step: 0.05"
  # What a file keeps of the errors, and what a check of it says.
  fact() { sed -n "s/^$1: //p" "$scratch/out"; }
  sed 's/^method:.*/method: {accuracy: 0.01}/' "$example" >"$scratch/data/accurate.yaml"
  run pt build "$scratch/data/accurate.yaml" -o "$scratch/data/exact.h5"
  expect_code 0
  cp "$scratch/out" "$scratch/built"
  run pt info "$scratch/data/exact.h5"
  check "pt info prints other facts than pt build" cmp -s "$scratch/built" "$scratch/out"
  check "no estimate" awk "BEGIN { exit !($(fact error_estimate) > 0 && $(fact error_estimate) <= 0.01) }"
  expect_out "accuracy: 0.01"
  run pt check "$scratch/data/exact.h5"
  expect_code 0
  expect_no_error
  for name in file not_finite trace hermiticity growth; do expect_out "$name: "; done
  check "not all is good" test "$(grep -c good "$scratch/out")" -eq 5
  run pt build "$example" -o "$scratch/data/finite.h5" --set method.name=pt-tempo
  run pt info "$scratch/data/finite.h5"
  check "no bond profile" grep -qE '^bonds: 0:1 5:[0-9]+ 10:[0-9]+ .* 95:[0-9]+ 100:1$' "$scratch/out"
  run pt info "$scratch/data/exact.h5"
  check "a bond profile of a uniform tensor" test -z "$(fact bonds)"
  # A uniform tensor of slow noise that was made for few steps may grow beyond them.
  run pt build "$example" -o "$scratch/data/short.h5" --set method.name=uniform --set method.tolerance=1e-4 \
    --set baths.0.spectral_density.zeta=0.5 --set baths.0.spectral_density.alpha=0.1 --set time.steps=60
  run pt check "$scratch/data/short.h5"
  if grep -q '^growth: .*bad' "$scratch/out"; then expect_code 1; else expect_code 0; fi
  # The same tensor in a file written anew; damage.
  run pt convert "$scratch/data/exact.h5" "$scratch/data/again.h5"
  expect_code 0
  expect_no_error
  check "convert changes a file of our own" cmp -s "$scratch/data/exact.h5" "$scratch/data/again.h5"
  run pt convert "$scratch/data/finite.h5" "$scratch/data/finite.h5" --format=oqtempo
  expect_code 0
  # A piece of it, which gives the same for so many steps.
  run pt convert "$scratch/data/exact.h5" "$scratch/data/piece.h5" --steps 100
  expect_code 0
  run pt check "$scratch/data/piece.h5"
  expect_code 0
  run pt info "$scratch/data/piece.h5"
  expect_out "steps: 100"
  for name in exact piece; do
    sed "s/pt.h5/$name.h5/" "$scratch/data/kept.yaml" >"$scratch/data/$name.yaml"
    run run "$scratch/data/$name.yaml"
    expect_code 0
    grep -v '^#' "$scratch/out" >"$scratch/$name"
  done
  check "a piece gives other numbers" awk '
    NR == FNR { for (i = 1; i <= NF; i++) x[FNR, i] = $i; next }
    { for (i = 1; i <= NF; i++) { d = x[FNR, i] - $i; if (d < 0) d = -d; if (d > 1e-12) bad = 1 } }
    END { exit bad || FNR != 101 }' "$scratch/exact" "$scratch/piece"
  run pt convert "$scratch/data/piece.h5" "$scratch/data/piece.h5" --steps 101
  expect_code 2
  expect_error "covers 100 steps"
  run pt convert "$scratch/data/exact.h5" "$scratch/data/oqupy.h5" --format oqupy
  expect_code 2
  expect_error "expected --steps N"
  expect_no_file "$scratch/data/oqupy.h5"
  run pt convert "$scratch/data/none.h5" "$scratch/data/again.h5"
  expect_code 3
  expect_error "$scratch/data/none.h5: "
  run pt convert "$scratch/data/exact.h5" "$scratch/none/again.h5"
  expect_code 3
  expect_error "$scratch/none/again.h5: "
  printf 'x' | dd of="$scratch/data/again.h5" bs=1 seek=15000 conv=notrunc 2>/dev/null
  run pt check "$scratch/data/again.h5"
  expect_code 1
  expect_error "$scratch/data/again.h5: "
  expect_error "altered"
  expect_no_out
  run pt check "$scratch/data/none.h5"
  expect_code 3
  # A smaller one of either kind, which says how far it is from the first.
  for method in uniform pt-tempo; do
    run pt build "$example" -o "$scratch/data/fine.h5" --set method.name=$method --set method.tolerance=1e-7
    expect_code 0
    expect_out "method: $method"
    fine=$(fact bond_dimension)
    fine_error=$(fact path_error)
    run pt compress "$scratch/data/fine.h5" "$scratch/data/small.h5" --tolerance 1e-4
    expect_code 0
    expect_no_error
    expect_out "tolerance: 0.0001"
    small=$(fact bond_dimension)
    check "bond $small of $fine" test $((2 * small)) -lt "$fine"
    check "no larger error" awk "BEGIN { exit !($(fact path_error) > $fine_error) }"
    run pt info "$scratch/data/small.h5"
    expect_out "bond_dimension: $small"
    run pt compress "$scratch/data/small.h5" "$scratch/data/small.h5" --max-bond 5 --threads 1
    expect_code 0
    expect_out "bond_dimension: 5"
    expect_out "state_limit_hit: yes"
    sed 's/pt.h5/small.h5/' "$scratch/data/kept.yaml" >"$scratch/data/small.yaml"
    run run "$scratch/data/small.yaml"
    expect_code 0
    expect_out "run.bond_dimension: 5"
  done
  run run "$scratch/data/small.yaml" --set time.steps=101
  expect_code 2
  expect_error "covers 100 steps, but time.steps is 101"
  run pt compress "$scratch/data/none.h5" "$scratch/data/small.h5" --max-bond 5
  expect_code 3
  expect_error "$scratch/data/none.h5: "
  run pt compress "$scratch/data/small.h5" "$scratch/none/small.h5" --max-bond 5
  expect_code 3
  expect_error "$scratch/none/small.h5: "
  # Not a process tensor.
  echo nonsense >"$scratch/data/pt.h5"
  run pt info "$scratch/data/pt.h5"
  expect_code 2
  expect_error "$scratch/data/pt.h5: "
  run run "$scratch/data/kept.yaml"
  expect_code 2
  expect_error "baths.0.process_tensor: "
  rm "$scratch/data/pt.h5"
  run pt info "$scratch/data/pt.h5"
  expect_code 3
  expect_error "$scratch/data/pt.h5: "
  run run "$scratch/data/kept.yaml"
  expect_code 3
else
  # Without HDF5 the program says so, and writes nothing.
  run pt build "$example" -o "$scratch/data/pt.h5"
  expect_code 2
  expect_error "no HDF5"
  expect_no_file "$scratch/data/pt.h5"
  for command in info check "convert $scratch/data/pt.h5"; do
    # shellcheck disable=SC2086
    run pt $command "$scratch/data/pt.h5"
    expect_code 1
    expect_error "without HDF5"
  done
fi
finish
