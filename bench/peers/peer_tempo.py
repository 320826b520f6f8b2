#!/usr/bin/env python3
"""OQuPy's Tempo on the problem of bench_tempo: CPU seconds, largest bond and error for each epsrel.

    bench/peers/peer_tempo.py [-a ALPHA] [-n STEPS] [-k MEMORY_STEPS] [-r EPSREL_OF_REFERENCE] EPSREL...

OQuPy is found on PYTHONPATH. The largest |element of rho - reference| over all steps is the error; the
reference is a run of OQuPy with the epsrel of -r, which should be a tenth of the smallest or less. Set
OPENBLAS_NUM_THREADS=1 for times of one thread; the bath integrals are part of them, as in bench_tempo.
"""
import argparse
import time


def run(args, epsrel):
    """CPU seconds, the largest bond, rho at all steps."""
    import numpy as np
    import oqupy

    sigma = oqupy.operators.sigma
    start = time.process_time()
    correlations = oqupy.PowerLawSD(alpha=args.alpha, zeta=1.0, cutoff=5.0, cutoff_type="exponential",
                                    temperature=0.2)
    system = oqupy.System(0.5 * sigma("x"), gammas=[0.1, 0.2], lindblad_operators=[sigma("-"), sigma("z")])
    parameters = oqupy.TempoParameters(dt=0.05, epsrel=epsrel, dkmax=args.memory)
    tempo = oqupy.Tempo(system, oqupy.Bath(0.5 * sigma("z"), correlations), parameters,
                        np.diag([1.0, 0.0]).astype(complex), start_time=0.0)
    dynamics = tempo.compute((args.steps + 0.4) * 0.05, progress_type="silent")
    cpu = time.process_time() - start
    return cpu, max(tempo._backend_instance._mps.bond_dimensions), dynamics.states


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--alpha", type=float, default=0.3)
    parser.add_argument("-n", "--steps", type=int, default=100)
    parser.add_argument("-k", "--memory", type=int, default=40)
    parser.add_argument("-r", "--reference", type=float, default=1e-10)
    parser.add_argument("epsrel", type=float, nargs="+")
    args = parser.parse_args()
    _, _, reference = run(args, args.reference)
    print("# epsrel\terror\tbond\tcpu_s")
    for epsrel in args.epsrel:
        cpu, bond, states = run(args, epsrel)
        print("%.1e\t%.1e\t%d\t%.2f" % (epsrel, abs(states - reference).max(), bond, cpu), flush=True)


if __name__ == "__main__":
    main()
