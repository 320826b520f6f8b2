#!/usr/bin/env python3
"""Make the files and trajectories of this folder with OQuPy 0.5.0 (needs h5py):

    python3 make.py                         all of them
    python3 make.py build FILE.hdf5 OUT     only one like rank3, at a finer epsrel, and its trajectory
    python3 make.py trajectory FILE.hdf5 OUT

example.hdf5 the example of the layout's description: coupling sigma_x / 2, 3 steps, epsrel 1e-5
rank3.hdf5   coupling sigma_y / 2, so that transforms are complex; truncated at epsrel 1e-3
rank4.hdf5   the same tensors with their transforms inside and rank 4, in a random complex gauge
own.hdf5     not made here but by oqtempo: see own.yaml
*.txt        the trajectory of each: t, then real and imaginary part of every element of rho, row-major

All run with H = 0.5 sigma_x + 0.2 sigma_z and sigma^- at rate 0.1, from y+.
"""
import os
import sys

import numpy as np
import oqupy

HERE = os.path.dirname(os.path.abspath(__file__))
DT, STEPS = 0.1, 8
sigma = oqupy.operators.sigma


def here(name):
    return os.path.join(HERE, name)


def trajectory(source, target):
    pt = oqupy.import_process_tensor(source, "file")
    system = oqupy.System(0.5 * sigma("x") + 0.2 * sigma("z"), gammas=[0.1],
                          lindblad_operators=[sigma("-")])
    dynamics = oqupy.compute_dynamics(system, initial_state=oqupy.operators.spin_dm("y+"),
                                      process_tensor=pt, progress_type="silent")
    pt.close()
    with open(target, "w") as out:
        out.write("# t and rho by OQuPy 0.5.0: see make.py\n")
        for t, rho in zip(dynamics.times, dynamics.states):
            row = [t] + [x for z in rho.flatten() for x in (z.real, z.imag)]
            out.write(" ".join("%.17g" % x for x in row) + "\n")


def build(name, coupling, steps, tcut, epsrel):
    correlations = oqupy.PowerLawSD(alpha=0.3, zeta=1, cutoff=5.0, cutoff_type="exponential",
                                    temperature=0.2)
    parameters = oqupy.TempoParameters(dt=DT, tcut=tcut, epsrel=epsrel)
    if os.path.exists(name):
        os.remove(name)
    pt = oqupy.pt_tempo_compute(oqupy.Bath(coupling, correlations), 0.0, (steps + 0.5) * DT, parameters,
                                process_tensor_file=name, progress_type="silent")
    pt.close()


def build_rank_4(name, source):
    rng = np.random.default_rng(1)
    pt = oqupy.import_process_tensor(source, "file")
    bonds = [1] + [pt.get_mpo_tensor(k).shape[1] for k in range(STEPS)]
    gauge = [np.eye(n) + (0.2 * (rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))
                          if n > 1 else 0) for n in bonds]
    if os.path.exists(name):
        os.remove(name)
    out = oqupy.process_tensor.FileProcessTensor("write", name, hilbert_space_dimension=2, dt=DT)
    for k in range(STEPS):
        out.set_mpo_tensor(k, np.einsum("ab,bcio,cd->adio", np.linalg.inv(gauge[k]),
                                        pt.get_mpo_tensor(k), gauge[k + 1]))
    out.compute_caps()
    out.close()
    pt.close()


def main():
    if sys.argv[1:2] == ["build"]:
        build(sys.argv[2], 0.5 * sigma("y"), STEPS, 0.4, 1e-7)
    if len(sys.argv) == 4:
        trajectory(sys.argv[2], sys.argv[3])
        return
    build(here("example.hdf5"), 0.5 * sigma("x"), 3, 0.5, 1e-5)
    build(here("rank3.hdf5"), 0.5 * sigma("y"), STEPS, 0.4, 1e-3)
    build_rank_4(here("rank4.hdf5"), here("rank3.hdf5"))
    for name in "example", "rank3", "rank4", "own":
        trajectory(here(name + ".hdf5"), here(name + ".txt"))


if __name__ == "__main__":
    main()
