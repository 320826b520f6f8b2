"""Reference values of C, eta and eta_k for tests/unit/test_bath.c, with mpmath at 30 digits.

Trapezoidal rule in log w along a ray (or, for a hard cutoff, in log(w/(wc - w)) along an arc) at another angle
and a four times finer step than lib/bath/contour.c. Checked against closed forms (Hurwitz zeta for the exponential cutoff, 1F1 for the
hard one) to 20 digits. Run: python3 bath_reference.py > bath_reference.txt
"""
from mpmath import mp, mpf, mpc, exp, log, pi, sqrt, asin, tanh, sin, ceil, floor

mp.dps = 30

def density(kind, p):
    if kind in ('hard', 'exp', 'gauss'):
        al, z, wc = p
        cut = {'hard': lambda x: 1, 'exp': lambda x: exp(-x), 'gauss': lambda x: exp(-x * x)}[kind]
        return lambda w: 2 * al * wc * exp(z * log(w / wc)) * cut(w / wc)
    if kind == 'dl':
        l, g, _ = p
        return lambda w: 2 / pi * l * g * w / (w * w + g * g)
    l, w0, g = p
    return lambda w: 2 / pi * l * g * w0**2 * w / ((w * w - w0 * w0)**2 + g * g * w * w)

def kernel(want, t, dt, k):
    if want == 'C':
        return lambda w: exp(-1j * w * t)
    if want == 'eta':
        def f(w):
            z = 1j * w * t
            if abs(z) < 1e-4:
                return t * t * sum((-z)**m / mp.factorial(m + 2) for m in range(8))
            return t * t * (exp(-z) - 1 + z) / z**2
        return f
    if k == 0:
        return kernel('eta', dt, dt, 0)
    def g(w):
        z = 1j * w * dt
        s = sum((-z)**m / mp.factorial(m + 1) for m in range(8)) if abs(z) < 1e-4 else (1 - exp(-z)) / z
        return exp(-z * (k - 1)) * (dt * s)**2
    return g

def value(kind, p, T, want, t, dt, k):
    p = [mpf(str(x)) for x in p]
    T, t, dt = mpf(str(T)), mpf(str(t)), mpf(str(dt))
    J, K = density(kind, p), kernel(want, t, dt, k)
    long = t if want != 'step' else max(1, k) * dt
    soft = kind in ('hard', 'exp', 'gauss')
    zeta_ = p[1] if soft else mpf(1)
    scale = p[2] if soft else p[1]
    if kind == 'lor':
        scale = min(p[1], p[1]**2 / p[2])
    slow = min([scale] + ([T] if T > 0 else []) + ([1 / long] if long > 0 else []))
    low = log(slow) - 60 / (zeta_ if T > 0 else zeta_ + 1)
    theta, pole = {'exp': mpf('0.7'), 'gauss': mpf('0.35'), 'hard': mpf('0.7')}.get(kind, mpf('0.7')), None
    d = theta * mpf('0.9')
    if kind == 'lor' and p[2] < 2 * p[1]:
        angle = asin(p[2] / 2 / p[1])
        assert angle < 0.6
        theta = mpf('1.05'); d = mpf('0.4')
        pole = mpc(sqrt(p[1]**2 - p[2]**2 / 4), -p[2] / 2)
    h = 2 * pi * d / 75
    plus = minus = mpc(0)
    def add(w, weight):
        nonlocal plus, minus
        a = weight * J(w) * K(w)
        minus += a
        plus += a / tanh(w / (2 * T)) if T > 0 else a
    if kind == 'hard':
        wc = p[2]
        high = 70 + max(mpf(0), log(wc * long)) if long > 0 else mpf(70)
        low = low - log(wc)
        for j in range(int(floor(low / h)), int(ceil(high / h)) + 1):
            u = exp(mpc(j * h, -theta))
            add(wc * u / (1 + u), h * wc * u / (1 + u)**2)
    else:
        top = {'exp': scale * 140, 'gauss': scale * 16}.get(kind, mpf(10)**28 * max(p[1], p[2], T))
        if want == 'C' and t > 0:
            top = min(top, 90 / (t * sin(theta)))  # beyond exp(-90) nothing counts
        for j in range(int(floor(low / h)), int(ceil(log(top) / h)) + 1):
            w = exp(mpc(j * h, -theta))
            add(w, h * w)
        if pole is not None:
            l, w0, g = p
            a = l * w0**2 / pole.real * K(pole)
            minus += a
            plus += a / tanh(pole / (2 * T)) if T > 0 else a
    return mpc(plus.real, minus.imag)

BATHS = [(c, (.137, z, 2.385)) for c in ('hard', 'exp', 'gauss') for z in (.5, 1, 3)]
BATHS += [('dl', (.73, .61, 0)), ('lor', (.73, 1.83, .217)), ('lor', (.73, 1.83, 5.17))]
REQUESTS = [('C', .137, 0, 0), ('C', 7.31, 0, 0), ('C', 2411.7, 0, 0), ('eta', .41, 0, 0), ('eta', 97.3, 0, 0),
            ('step', 0, .0731, 0), ('step', 0, .0731, 1), ('step', 0, .0731, 57), ('step', 0, .0731, 29311),
            ('step', 0, .0041, 1000003)]

if __name__ == '__main__':
    print('# From bath_reference.py: kind, three parameters, T, wanted, t, dt, k, real part, imaginary part.')
    for T in (0, .313):
        for kind, p in BATHS:
            for want, t, dt, k in REQUESTS:
                v = value(kind, p, T, want, t, dt, k)
                print(kind, *p, T, want, t, dt, k, mp.nstr(v.real, 20), mp.nstr(v.imag, 20), flush=True)
