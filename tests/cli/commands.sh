#!/bin/sh
# commands.sh - the command line itself: help, versions, wrong commands and options.
. "$2/lib.sh"
check_json=$3
example=$source/../../examples/spin-boson.yaml

for arguments in --help "run --help" "pt --help" "pt build --help" "pt info --help" "pt compress --help" "pt check --help" \
  "pt convert --help" "info --help" "guess --help"; do
  # shellcheck disable=SC2086
  run $arguments
  expect_code 0
  expect_out "Usage: oqtempo"
  expect_no_error
done
# What is not there yet is not announced.
run --help
check "help names a command that is missing" test -z "$(grep -E 'sweep' "$scratch/out")"
run --version
expect_code 0
expect_out "oqtempo "
run run --help
for option in -o --report --plot --set --threads --dry-run --quiet; do expect_out " $option"; done

run
expect_code 2
expect_error "Usage: oqtempo"
expect_no_out
usage() { # usage MESSAGE ARGUMENT ...
  message=$1
  shift
  run "$@"
  expect_code 2
  expect_error "$message"
  expect_no_out
}
usage 'unknown command "rnu"; did you mean "run"?' rnu
usage 'the command "sweep" is not available in this version' sweep "$example"
usage 'unknown command "bild" of "pt"; did you mean "build"?' pt bild
usage 'expected oqtempo pt build' pt
usage 'no input file' run
usage 'unexpected argument "again"' run "$example" again
usage 'unknown option "--reprot" of "run"; did you mean "--report"?' run "$example" --reprot x
usage 'option --report needs a value' run "$example" --report
usage 'option -o is given twice' run "$example" -o a -o b
usage 'option -o is empty' run "$example" -o ''
usage 'option --threads is "0"; expected a whole number from 1 to 4096' run "$example" --threads 0
usage 'option --threads is "two"; expected' run "$example" --threads=two
usage 'is named for two outputs' run "$example" -o x --report x
cp "$example" "$scratch/own.yaml"
ln "$scratch/own.yaml" "$scratch/also-own.tsv"
for out in "$scratch/own.yaml" "$scratch/also-own.tsv"; do
  usage 'is the input; it would be lost' run "$scratch/own.yaml" -o "$out"
  usage 'is the input; it would be lost' run "$scratch/own.yaml" --dry-run --report "$out"
done
check 'the input was changed' cmp -s "$example" "$scratch/own.yaml"
usage 'expected oqtempo pt build FILE.yaml -o PT.h5' pt build "$example"
usage 'expected -o with a name ending in .h5' pt build "$example" -o pt.tsv
usage 'expected oqtempo pt info PT.h5' pt info
usage 'expected oqtempo pt check PT.h5' pt check
usage 'unexpected argument "b.h5"' pt check a.h5 b.h5
usage 'expected oqtempo pt convert IN.h5 OUT.h5' pt convert a.h5
usage 'expected an output with a name ending in .h5' pt convert a.h5 b.tsv
usage 'option --format is "hdf5"; expected oqtempo or oqupy' pt convert a.h5 b.h5 --format hdf5
for x in 0 -3 2.5 many 1e10 nan; do
  usage "option --steps is \"$x\"; expected a whole number" pt convert a.h5 b.h5 --steps "$x"
done
usage 'expected oqtempo pt compress IN.h5 OUT.h5' pt compress a.h5
usage 'expected an output with a name ending in .h5' pt compress a.h5 b.tsv --max-bond 5
usage 'expected --tolerance or --max-bond' pt compress a.h5 b.h5
for x in 0 1 -1e-6 1e-13 small 1e-6x nan; do
  usage "option --tolerance is \"$x\"; expected a number" pt compress a.h5 b.h5 --tolerance "$x"
done
for x in 0 -3 2.5 many 5x 1e7 nan; do
  usage "option --max-bond is \"$x\"; expected a whole number" pt compress a.h5 b.h5 --max-bond "$x"
done
usage 'a steady state needs process tensors without end' \
  run "$source/../../examples/steady-state.yaml" --set method.name=pt-tempo
usage 'method.name is pt-tempo, which needs the number time.steps' \
  pt build "$source/../../examples/process-tensor.yaml" -o x.h5 --set method.name=pt-tempo

run info
expect_code 0
expect_out "there is no GPU backend"
expect_out "BLAS: "
run info --json
expect_code 0
check "info --json is not JSON" "$check_json" <"$scratch/out"
expect_out '"gpu": false'
expect_out '"version": '

# A computation that fails: a negative rate makes the state grow without bound.
printf 'initial_state: up\ntime: {step: 1, steps: 9999}\nsystem: {dissipators: [{rate: -1, operator: sigma_minus}]}\n' \
  >"$scratch/growing.yaml"
run run "$scratch/growing.yaml" -o "$scratch/growing.tsv"
expect_code 1
expect_error "oqtempo: dynamics: the state is not finite after step "
expect_no_file "$scratch/growing.tsv"

# Values may be joined to their options.
run run "$example" --set=time.steps=2 -o"$scratch/joined.tsv" --threads=1 --quiet
expect_code 0
expect_table "$scratch/joined.tsv" "	" 3
run run --dry-run -- "$example"
expect_code 0
finish
