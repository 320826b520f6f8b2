"""OQuPy, https://github.com/tempoCollaboration/OQuPy; found on PYTHONPATH."""
import importlib.util
import time

LABEL = "OQuPy"


def available():
    return importlib.util.find_spec("oqupy") is not None


def grid(case, quick):
    """Pairs (group, parameters); a group runs from coarse to fine."""
    if quick:
        return [(None, {"epsrel": 1e-5})]
    cuts = [None, case.n_steps // 2, case.n_steps // 4]
    return [(cut, {"epsrel": eps, "dkmax": cut}) for cut in cuts for eps in (1e-4, 1e-5, 1e-6, 1e-7)]


def table(eta, dt):
    """A bath whose integrals are known numbers."""
    from oqupy.bath_correlations import BaseCorrelations

    class Table(BaseCorrelations):
        def correlation_2d_integral(self, delta, time_1, time_2=None, shape="square", **ignored):
            assert shape in ("square", "upper-triangle")
            return eta[round(time_1 / dt)]

    return Table()


def run(case, params):
    """CPU seconds of pt_tempo_compute, the largest bond, rho at all steps."""
    import oqupy

    bath = oqupy.Bath(case.coupling, table(case.eta, case.dt))
    parameters = oqupy.TempoParameters(dt=case.dt, epsrel=params["epsrel"], dkmax=params.get("dkmax"))
    start = time.process_time()
    tensor = oqupy.pt_tempo_compute(bath, start_time=0.0, end_time=(case.n_steps + 0.4) * case.dt,
                                    parameters=parameters, unique=case.d > 2, progress_type="silent")
    cpu = time.process_time() - start
    system = oqupy.System(case.hamiltonian, gammas=[rate for rate, _ in case.dissipators],
                          lindblad_operators=[op for _, op in case.dissipators])
    dynamics = oqupy.compute_dynamics(system=system, process_tensor=tensor, initial_state=case.rho0,
                                      num_steps=case.n_steps, progress_type="silent")
    return cpu, max(tensor.get_bond_dimensions()), dynamics.states
