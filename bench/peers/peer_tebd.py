"""OQuPy's PT-TEBD on the chains of bench_chain: prints CPU seconds, the largest bond and rho_00 of every site.

usage: peer_tebd.py SITES STEPS EPSREL BATH(0|1) [ORDER]
"""
import sys
import time

import numpy as np
import oqupy

n, steps, epsrel, bath = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
order = int(sys.argv[5]) if len(sys.argv) > 5 else 2
dt = 0.2
sigma = [oqupy.operators.sigma(a) for a in "xyz"]

chain = oqupy.SystemChain(hilbert_space_dimensions=[2] * n)
for i in range(n):
    chain.add_site_hamiltonian(site=i, hamiltonian=0.5 * sigma[2])
for i in range(n - 1):
    for s, j in zip(sigma, (1.3, 0.7, 1.2)):
        chain.add_nn_hamiltonian(site=i, hamiltonian_l=0.25 * j * s, hamiltonian_r=s)

tensors = [None] * n
if bath:
    spectrum = oqupy.PowerLawSD(alpha=0.32, zeta=1, cutoff=4.0, cutoff_type="exponential", temperature=1.6)
    parameters = oqupy.TempoParameters(dt=dt, epsrel=epsrel, dkmax=None)
    tensors[0] = oqupy.pt_tempo_compute(bath=oqupy.Bath(0.5 * sigma[1], spectrum), start_time=0.0,
                                        end_time=(steps + 0.5) * dt, parameters=parameters,
                                        progress_type="silent")
up, down = oqupy.operators.spin_dm("z+"), oqupy.operators.spin_dm("z-")
state = oqupy.AugmentedMPS([up] + [down] * (n - 1))
tebd = oqupy.PtTebd(initial_augmented_mps=state, system_chain=chain, process_tensors=tensors,
                    parameters=oqupy.PtTebdParameters(dt=dt, order=order, epsrel=epsrel),
                    dynamics_sites=list(range(n)))
begin = time.process_time()
results = tebd.compute(steps, progress_type="silent")
used = time.process_time() - begin
print("%.2f" % used, int(np.max(results["bond_dimensions"])),
      " ".join("%.9f" % results["dynamics"][i].states[-1][0, 0].real for i in range(n)))
