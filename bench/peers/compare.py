#!/usr/bin/env python3
"""Times oqtempo beside other programs for process tensors, as far as they are installed, at equal error.

    bench/peers/compare.py BUILD/bench/bench_pt [-c CASE]... [-p oqupy|itebd|ace]... [-r RUNS] [-q]

Every peer gets the memory coefficients as numbers, so that only the building of its tensor is timed, and runs
over a grid of its own parameters. The cheapest point with an error below 1e-2, 1e-3, 1e-4 is then repeated, for
a median. Errors are those of bench_pt: the largest |element of rho - reference| over all steps. Times are CPU
seconds on one thread; those of oqtempo include memory coefficients and fit.
"""
import argparse
import importlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import types

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
PEERS = ["oqupy", "itebd", "ace"]
LIMITS = ["1e-02", "1e-03", "1e-04"]
N_ETA = 4096
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def read_case(text):
    import numpy as np

    raw = json.loads(text)
    case = types.SimpleNamespace(**raw)
    d = case.d
    case.coupling = np.diag(np.array(raw["coupling"]))
    case.hamiltonian = np.array(raw["hamiltonian"]).reshape(d, d)
    case.dissipators = [(x["rate"], np.array(x["op"]).reshape(d, d)) for x in raw["dissipators"]]
    case.rho0 = np.zeros((d, d), dtype=complex)
    case.rho0[case.initial, case.initial] = 1.0
    case.eta = np.array(raw["eta"]).view(complex)
    case.reference = np.array(raw["reference"]).view(complex).reshape(-1, d, d)
    return case


def work(peer, params):
    """In a process of its own, so that a crash of a peer is one failed point: one point of its grid."""
    import numpy as np

    case = read_case(sys.stdin.read())
    result, sys.stdout = sys.stdout, sys.stderr
    cpu, bond, states, *note = importlib.import_module("peer_" + peer).run(case, json.loads(params))
    error = float(np.abs(np.triu(np.asarray(states) - case.reference)).max())
    json.dump({"cpu": cpu, "bond": int(bond), "error": error, "note": note}, result)


def point(peer, case_text, params, limit_s):
    """One point in a process of its own; None if it fails or takes too many CPU seconds."""
    command = [sys.executable, os.path.abspath(__file__), "--worker", peer, json.dumps(params)]
    seconds = int(limit_s) + 5
    done = subprocess.run(command, input=case_text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, **ONE_THREAD),
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds)))
    if done.returncode != 0:
        return None
    result = json.loads(done.stdout)
    return dict(result, params=params) if math.isfinite(result["error"]) else None


def scan(peer, case_text, known, args):
    """The points of the grid, coarse to fine in each group, or known ones. A group ends where finer points can
    only be dearer than what is known, or fail."""
    module = importlib.import_module("peer_" + peer)
    if known is None:
        points = module.grid(read_case(case_text), args.quick)
    else:
        points = list(enumerate(known))
    found, ended = [], set()
    for group, params in points:
        if group in ended:
            continue
        result = point(peer, case_text, params, args.limit)
        if args.verbose:
            print(f"#   {module.LABEL} {params}: {result and {k: result[k] for k in ('error', 'cpu', 'bond')}}",
                  flush=True)
        if result:
            found.append(result)
        best = cheapest(found, LIMITS[-1])
        if not result or best and best["cpu"] <= result["cpu"]:
            ended.add(group)
    return found


def cheapest(found, limit):
    good = [x for x in found if x["error"] < float(limit)]
    return min(good, key=lambda x: x["cpu"]) if good else None


def ours(bench, case, args):
    """CPU seconds and bond of oqtempo for each limit."""
    # as fine as the grids of the others; an error has to last at all finer tolerances
    command = [bench, "-c", case, "-p", "12", "-r", str(args.runs)] + (["-q"] if args.quick else [])
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [x.split("\t") for x in lines if x.startswith(case)]
    return {x[1]: (float(x[2]), int(x[3])) for x in rows if x[1] in LIMITS and x[2] != "-"}


def winners(found):
    """The cheapest point for each limit, or the most accurate one."""
    closest = min(found, key=lambda x: x["error"], default=None)
    points = [cheapest(found, limit) or closest for limit in LIMITS]
    return [x["params"] for i, x in enumerate(points) if x and x not in points[:i]]


def report(case, case_text, peer, found, own, args):
    label = importlib.import_module("peer_" + peer).LABEL
    for limit in LIMITS:
        best = cheapest(found, limit)
        if not best:
            closest = min(found, key=lambda x: x["error"], default=None)
            text = f"not reached; {closest['error']:.1e} in {closest['cpu']:.3g} s" if closest else "no result"
            print(f"{case}\t{limit}\t{label}\t-\t-\t-\t{text}", flush=True)
            continue
        runs = 1 if best["cpu"] > args.limit / 10 else args.runs
        again = [point(peer, case_text, best["params"], args.limit) for _ in range(runs - 1)]
        cpu = statistics.median([best["cpu"]] + [x["cpu"] for x in again if x])
        ratio = f"{cpu / own[limit][0]:.1f}" if limit in own else "-"
        params = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                           for k, v in best["params"].items())
        params = "; ".join([params] + best["note"])
        print(f"{case}\t{limit}\t{label}\t{cpu:.4f}\t{best['bond']}\t{ratio}\t{params}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", help="the program bench_pt")
    parser.add_argument("-c", "--case", action="append", help="a case, PT1 to PT6; default: PT1 to PT4")
    parser.add_argument("-p", "--peer", action="append", choices=PEERS, help="default: those installed")
    parser.add_argument("-r", "--runs", type=int, default=5, help="runs for a median (5)")
    parser.add_argument("-l", "--limit", type=float, default=60.0, help="most CPU seconds of one point (60)")
    parser.add_argument("-q", "--quick", action="store_true", help="one point for each peer")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all points")
    parser.add_argument("-s", "--save", help="write the cheapest points to this file")
    parser.add_argument("-k", "--known", help="run the points of such a file instead of a grid")
    args = parser.parse_args()
    known = {}
    if args.known:
        with open(args.known) as file:
            known = json.load(file)
    saved = {}
    peers = [p for p in args.peer or PEERS if importlib.import_module("peer_" + p).available()]
    print(f"# peers found: {', '.join(peers) or 'none'}")
    print("# case\tlimit\tprogram\tcpu_s\tbond\ttimes_oqtempo\tparameters")
    for case in args.case or ["PT1", "PT2", "PT3", "PT4"]:
        case_text = subprocess.run([args.bench, "-c", case, "-x", str(N_ETA)], check=True, capture_output=True,
                                   text=True).stdout
        own = ours(args.bench, case, args)
        for limit, (cpu, bond) in own.items():
            print(f"{case}\t{limit}\toqtempo\t{cpu:.5f}\t{bond}\t1\t", flush=True)
        for peer in peers:
            found = scan(peer, case_text, known.get(case, {}).get(peer), args)
            saved.setdefault(case, {})[peer] = winners(found)
            report(case, case_text, peer, found, own, args)
    if args.save:
        with open(args.save, "w") as file:
            json.dump(saved, file, indent=1)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--worker":
        work(sys.argv[2], sys.argv[3])
    else:
        main()
