"""ACE, https://github.com/mcygorek/ACE; the program named by the variable ACE, or ACE on the PATH."""
import os
import re
import resource
import shutil
import subprocess
import tempfile

import numpy as np

LABEL = "ACE"
MODES = {
    "infinite": {"use_Gaussian_infinite": "true", "infinite_normalize_dont": "true"},
    "DnC": {"use_Gaussian_log": "true", "backward_threshold_ratio": 0.2},
    "normalized": {"use_Gaussian_infinite": "true", "infinite_normalize_iter": 30},
}
CUTS = {"infinite": [128, 64, 32, 256], "DnC": [256, 64], "normalized": [256, 512, 64]}


# OpenBLAS 0.3.21 may read past the end of a matrix inside zgesvd, a crash if the page there is not mapped.
# Matrices in one large heap never end at such a page.
HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TOP_PAD_": "134217728", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


def program():
    return os.environ.get("ACE") or shutil.which("ACE")


def available():
    return program() is not None


def grid(case, quick):
    """Pairs (group, parameters); a group runs from coarse to fine."""
    if quick:
        return [(None, {"mode": "infinite", "threshold": 1e-5, "n_mem": case.n_steps // 2})]
    thresholds = [float(t) for t in 10.0 ** -np.arange(3.0, 10.1, 0.5)]
    return [((mode, n), {"mode": mode, "threshold": t, "n_mem": n}) for mode in MODES for n in CUTS[mode]
            for t in thresholds]


def operator(matrix):
    """The sum of its elements, in ACE's notation."""
    d = len(matrix)
    terms = [f"({matrix[i][j].real:.17g})*|{i}><{j}|_{d}" for i in range(d) for j in range(d) if matrix[i][j] != 0]
    return "+".join(terms) or f"0*|0><0|_{d}"


def parameters(case, params, n_steps, propagate):
    lines = [("dt", repr(case.dt)), ("te", repr(n_steps * case.dt)), ("n_mem", params["n_mem"]),
             ("threshold", params["threshold"]), ("use_symmetric_Trotter", "true"), ("set_precision", 12),
             ("Boson_read_K_int", "eta"), ("Boson_SysOp", "{%s}" % operator(case.coupling)),
             ("initial", "{%s}" % operator(case.rho0)),
             ("add_Hamiltonian", "{hbar*(%s)}" % operator(case.hamiltonian)), ("outfile", "out"),
             ("dont_propagate", "false" if propagate else "true")]
    lines += MODES[params["mode"]].items()
    lines += [("add_Lindblad", "{%r} {%s}" % (rate, operator(op))) for rate, op in case.dissipators]
    for i in range(case.d):
        lines += [("add_Output", f"{{|{j}><{i}|_{case.d}}}") for j in range(case.d)]
    return "".join(f"{key} {value}\n" for key, value in lines)


def call(folder, case, params, n_steps, propagate):
    """CPU seconds of the whole program, and what it prints."""
    with open(os.path.join(folder, "eta"), "w") as file:
        file.writelines(f"{k * case.dt!r} {x.real!r} {x.imag!r}\n"
                        for k, x in enumerate(case.eta[:n_steps].tolist()))
    with open(os.path.join(folder, "in.param"), "w") as file:
        file.write(parameters(case, params, n_steps, propagate))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([program(), "in.param"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", env=dict(os.environ, **HEAP))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-200:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def bond(log):
    """The last dimension that it reports."""
    found = re.findall(r"dim_[AB]=(\d+)", log) or re.findall(r"Maxdim.*-> *(\d+)", log)
    return int(found[-1]) if found else 0


def run(case, params):
    """CPU seconds of the program without propagation, less those of starting it and reading its input."""
    n_steps = max(case.n_steps, params["n_mem"])
    idle = {"mode": "infinite", "threshold": 0.5, "n_mem": 2}
    with tempfile.TemporaryDirectory() as folder:
        _, log = call(folder, case, params, n_steps, True)
        rows = np.loadtxt(os.path.join(folder, "out"), ndmin=2)[:case.n_steps + 1]
        cpu, _ = call(folder, case, params, n_steps, False)
        start = min(call(folder, case, idle, n_steps, False)[0] for _ in range(3))
    states = (rows[:, 1::2] + 1j * rows[:, 2::2]).reshape(-1, case.d, case.d)
    return max(cpu - start, 0.0), bond(log), states, f"and {start:.4f} s to start"
