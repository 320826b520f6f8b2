#!/bin/sh
# signals.sh - an interrupted run ends with 128 + the signal and leaves nothing; the bar shows on terminals only.
. "$2/lib.sh"
example=$source/../../examples/spin-boson.yaml

# Long enough to be met by the signal: hours, were it let run.
cat >"$scratch/long.yaml" <<'END'
system: {dimension: 16, hamiltonian: {spin_x: 0.5}}
initial_state: basis(0)
time: {step: 0.01, steps: 100000000}
observables: [spin_z]
END
mkdir "$scratch/results"
interrupt() { # interrupt SIGNAL CODE SECONDS
  called="oqtempo run, then signal $1 after $3 s"
  code=0
  timeout --preserve-status -k 60 -s "$1" "$3" "$oqtempo" run "$scratch/long.yaml" -o "$scratch/results/out.tsv" \
    --report "$scratch/results/report.json" >"$scratch/out" 2>"$scratch/err" || code=$?
  expect_code "$2"
  expect_error "interrupted; nothing was written"
  expect_no_out
  expect_only "$scratch/results"
}
interrupt TERM 143 1
interrupt TERM 143 3
# A background job of sh ignores SIGINT, and so then does the program.
if [ "$(sh -c 'kill -INT $$; echo ignored')" != ignored ]; then
  interrupt INT 130 1
fi
# No bar where stderr is no terminal.
run run "$example"
expect_no_error
# On a terminal there is one, with a rate, unless it is not wanted.
if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
  called="run on a terminal"
  script -qec "'$oqtempo' run '$scratch/long.yaml' --set time.steps=20000 -o '$scratch/results/t.tsv'" /dev/null \
    >"$scratch/err" </dev/null
  expect_error "steps/s"
  expect_error " left"
  expect_file "$scratch/results/t.tsv"
  called="run --quiet on a terminal"
  script -qec "'$oqtempo' run '$scratch/long.yaml' --set time.steps=2000 --quiet -o '$scratch/results/t.tsv'" /dev/null >"$scratch/err" </dev/null
  expect_no_error
fi
finish
