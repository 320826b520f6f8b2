"""iTEBD-TEMPO, https://github.com/val-link/iTEBD-TEMPO; iTEBD_TEMPO.py found on PYTHONPATH."""
import importlib.util
import time

import numpy as np
from scipy.linalg import expm

LABEL = "iTEBD-TEMPO"


def available():
    return importlib.util.find_spec("iTEBD_TEMPO") is not None


def grid(case, quick):
    """Pairs (group, parameters); a group runs from coarse to fine."""
    if quick:
        return [(256, {"n_c": 256, "rtol": 1e-5})]
    return [(n_c, {"n_c": n_c, "rtol": float(rtol)}) for n_c in (256, 512, 128, 64, 1024, 2048)
            for rtol in 10.0 ** -np.arange(4.0, 9.1, 0.5)]


def half_step(case):
    """exp(L dt/2) on the row-major vectorization."""
    one = np.eye(case.d)
    generator = -1j * (np.kron(case.hamiltonian, one) - np.kron(one, case.hamiltonian.T))
    for rate, op in case.dissipators:
        square = op.conj().T @ op
        generator = generator + rate * (np.kron(op, op.conj())
                                        - 0.5 * (np.kron(square, one) + np.kron(one, square.T)))
    return expm(0.5 * case.dt * generator)


def propagate(tensor, case):
    """As its own method evolve, which knows no Lindblad terms."""
    half, legs = half_step(case), tensor.f[:, :-1, :]
    state = np.outer(tensor.v_l, case.rho0.ravel())
    states = [case.rho0]
    for _ in range(case.n_steps):
        state = np.einsum("la,lar->ra", state @ half.T, legs) @ half.T
        states.append((tensor.v_r @ state).reshape(case.d, case.d))
    return np.array(states)


def run(case, params):
    """CPU seconds of compute_f, the bond, rho at all steps."""
    import iTEBD_TEMPO

    # Its bath integrals are not counted: it gets the numbers.
    iTEBD_TEMPO.BathCorrelation.compute_eta = lambda self, n, delta: case.eta[:n].copy()
    tensor = iTEBD_TEMPO.iTEBD_TEMPO(np.diag(case.coupling).copy(), case.dt, None, params["n_c"])
    start = time.process_time()
    tensor.compute_f(rtol=params["rtol"])
    cpu = time.process_time() - start
    return cpu, tensor.f.shape[0], propagate(tensor, case)
