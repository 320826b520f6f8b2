#!/bin/sh
# examples.sh - every example passes a dry run, which computes nothing, and is really run.
. "$2/lib.sh"
hdf5=$("$oqtempo" info --json | grep -c '"hdf5_tables": true')

none=$scratch/none.tsv
for file in "$source"/../../examples/*.yaml; do
  if grep -q '^task: process-tensor' "$file"; then
    run run "$file" --dry-run --report "$scratch/none.json"
  else
    run run "$file" --dry-run -o "$none" --report "$scratch/none.json"
  fi
  expect_code 0
  expect_out "dimension"
  expect_out "step: "
  expect_no_error
  expect_no_file "$none"
  expect_no_file "$scratch/none.json"

  run run "$file" --quiet
  expect_code 0
  expect_no_error
  if grep -q '^task: process-tensor' "$file"; then
    expect_out "bond_dimension: "
    expect_out "coupling_eigenvalues: "
    if [ "$hdf5" -eq 1 ]; then
      mkdir "$scratch/pt"
      run run "$file" -o "$scratch/pt/by-run.h5"
      expect_code 0
      run pt build "$file" -o "$scratch/pt/by-build.h5"
      expect_code 0
      expect_only "$scratch/pt" by-run.h5 by-build.h5
    fi
  elif grep -q '^task: steady-state' "$file"; then
    sed 's/^inf/0/' "$scratch/out" >"$scratch/row"
    expect_table "$scratch/row" "	" 1
  else
    steps=$(sed -n 's/^time:.*steps: *\([0-9]*\).*/\1/p' "$file")
    expect_table "$scratch/out" "	" $((steps + 1))
  fi
done
finish
