#!/bin/sh
# report.sh - reports: valid JSON with every part that is promised, to a file or after the table; plots.
. "$2/lib.sh"
check_json=$3
example=$source/../../examples/spin-boson.yaml

run run "$example" -o "$scratch/table.tsv" --report "$scratch/report.json" --threads 1
expect_code 0
expect_no_out
check "the report is not JSON" "$check_json" <"$scratch/report.json"
cp "$scratch/report.json" "$scratch/out"
for key in program version threading threads blas options phases bath process_tensor dynamics output \
  wall_seconds cpu_seconds process_tensors bond_dimension tolerance fit_error discarded_weight path_error \
  error_estimate accuracy builds \
  trace_drift peak_memory_bytes warnings; do
  expect_out "\"$key\": "
done
expect_out '"threads": 1'
expect_out '"temperature": 0.2'

run run "$example" --report - --set time.steps=4
expect_code 0
sed -n '/^{/,$p' "$scratch/out" >"$scratch/report.json"
sed '/^{/,$d' "$scratch/out" >"$scratch/table.tsv"
check "the report after the table is not JSON" "$check_json" <"$scratch/report.json"
expect_table "$scratch/table.tsv" "	" 5

# An accuracy in place of a tolerance: the report says what was done; too much of it is refused.
sed '/^method/d' "$example" >"$scratch/plain.yaml"
run run "$scratch/plain.yaml" --set method.accuracy=1e-3 --report "$scratch/report.json"
expect_code 0
expect_out "# method.accuracy: 1e-3"
cp "$scratch/report.json" "$scratch/out"
expect_out '"accuracy": 0.001'
for key in error_estimate builds; do
  expect_out "\"$key\": "
done
check "the tolerance is of the accuracy" grep -q '"tolerance": [0-9.]*e-0[56]' "$scratch/report.json"
run run "$scratch/plain.yaml" --set method.accuracy=1e-7 --set method.max_bond=8 -o "$scratch/none.tsv"
expect_code 1
expect_error "accuracy 1.0e-07 not reached"
expect_no_file "$scratch/none.tsv"

# Names with quotes, backslashes and letters beyond ASCII.
cat >"$scratch/names.yaml" <<'END'
initial_state: up
system: {hamiltonian: {sigma_x: 0.5}}
time: {step: 0.1, steps: 20}
observables: [{name: "σ\\`id`'$x@y", operator: sigma_z}, sigma_y]
END
run run "$scratch/names.yaml" -o "$scratch/names.tsv" --report "$scratch/report.json"
expect_code 0
expect_table "$scratch/names.tsv" "	" 21
check "the report with odd names is not JSON" "$check_json" <"$scratch/report.json"

# A state that is Hermitian but not normalized is worth a warning, in both places.
run run "$scratch/names.yaml" --set time.steps=2 --report "$scratch/report.json"
expect_no_error
sed 's/initial_state: up/initial_state: [[2, 0], [0, 0]]/' "$scratch/names.yaml" >"$scratch/warn.yaml"
run run "$scratch/warn.yaml" --report "$scratch/report.json"
expect_code 0
expect_error "oqtempo: warning: the initial state is Hermitian but its trace is 2, not 1"
check "the warning is not in the report" grep -q 'its trace is 2' "$scratch/report.json"

# Without gnuplot the table is written all the same.
PATH_before=$PATH
mkdir "$scratch/empty"
PATH=$scratch/empty
run run "$example" --plot "$scratch/plot.png" -o "$scratch/kept.tsv"
PATH=$PATH_before
expect_code 1
expect_error "the plot was not made: gnuplot is not installed, or not in PATH"
expect_no_file "$scratch/plot.png"
expect_table "$scratch/kept.tsv" "	" 101

# A gnuplot that fails leaves no picture.
printf '#!/bin/sh\ncat >/dev/null\nexit 1\n' >"$scratch/empty/gnuplot"
chmod +x "$scratch/empty/gnuplot"
PATH=$scratch/empty:$PATH_before
run run "$example" --plot "$scratch/plot.png" -o "$scratch/kept.tsv"
expect_code 1
expect_error "the plot was not made: gnuplot failed"
expect_no_file "$scratch/plot.png"
printf '#!/bin/sh\nexit 1\n' >"$scratch/empty/gnuplot"
run run "$example" --plot "$scratch/plot.png" -o "$scratch/kept.tsv" --set time.steps=20000 --set time.step=0.001
expect_code 1
expect_no_file "$scratch/plot.png"
PATH=$PATH_before

if echo 'set terminal pngcairo' | gnuplot -d - >/dev/null 2>&1; then
  for file in "$example" "$scratch/names.yaml"; do
    run run "$file" --plot "$scratch/it's.png"
    expect_code 0
    expect_no_error
    check "not a PNG file" test "$(head -c 4 "$scratch/it's.png" | tail -c 3)" = PNG
    rm -f "$scratch/it's.png"
  done
fi
check "a file was left aside" test -z "$(ls -A "$scratch" | grep '^\.')"
finish
