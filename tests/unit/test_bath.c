/* test_bath.c - spectral densities, C(t), eta, memory coefficients. */
#include "bath/bath_priv.h"
#include "support.h"

#include "config.h"

#ifdef OQT_HAVE_OPENMP
#include <omp.h>
#endif

static oqt_bath *power_law(double alpha, double zeta, double wc, oqt_cutoff form, double temperature)
{
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_power_law(&bath, alpha, zeta, wc, form, temperature, &err), err);
    return bath;
}

static oqt_bath *ohmic(double temperature)
{
    return power_law(0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, temperature);
}

static oqt_complex correlation(const oqt_bath *bath, double t)
{
    oqt_complex c;
    oqt_error err;

    ASSERT_OK(oqt_bath_correlation(&c, bath, 1, &t, 0, &err), err);
    return c;
}

static oqt_complex eta_function(const oqt_bath *bath, double t)
{
    oqt_complex eta;
    oqt_error err;

    ASSERT_OK(oqt_bath_eta_function(&eta, bath, 1, &t, 0, &err), err);
    return eta;
}

static oqt_complex eta_k(const oqt_bath *bath, double dt, uint64_t k)
{
    oqt_complex eta;
    oqt_error err;

    ASSERT_OK(oqt_bath_eta(&eta, bath, dt, 1, &k, 0, &err), err);
    return eta;
}

/* |a - b|. */
static double distance(oqt_complex a, double re, double im)
{
    return hypot(a.re - re, a.im - im);
}

#define ASSERT_NEAR(a, re_, im_, tol)                                                                        \
    do {                                                                                                     \
        oqt_complex a_ = (a);                                                                                \
        ck_assert_msg(distance(a_, re_, im_) <= (tol), "%.17g%+.17gi is not %.17g%+.17gi within %g", a_.re,  \
                      a_.im, (double)(re_), (double)(im_), (double)(tol));                                   \
    } while (0)

/* ---- numbers of OQuPy 0.5.0, whose quadrature is good to about 1e-9 (C of the ohmic bath to 1.1e-9, as seen
 * against the closed form 15/(1 + 5it)^2) ---- */

typedef struct {
    double x, re, im;
} row;

START_TEST(correlation_agrees_with_oqupy)
{
    static const row zero[] = {{0, 15, 0},
                               {0.1, 7.2, -9.6},
                               {0.5, -1.49821640903312, -1.42687277064446},
                               {1, -0.532544379294839, -0.221893490969532},
                               {2, -0.145573962261087, -0.0294088819383880}},
                     warm[] = {{0, 15.0745781588450, 0},
                               {0.1, 7.27452453616972, -9.6},
                               {0.5, -1.42496049521140, -1.42687277064446},
                               {1, -0.463037231727273, -0.221893490969532},
                               {2, -0.0883548605353385, -0.0294088819383880}},
                     gauss[] = {{0, 1.19958900912420, 0},
                                {0.1, 1.09368944200053, -0.452743486732770},
                                {0.5, -0.346072407779876, -0.812039289425729},
                                {1, -0.318361249996974, 0.252256112164511},
                                {2, 0.0149573779032822, 0.00470783329887231}},
                     hard[] = {{0, 2.22103683407670, 0},
                               {0.1, 2.14989503425879, -0.419878894149929},
                               {0.5, 0.775569108759146, -1.39327287993597},
                               {1, -0.755199890997409, -0.371554397629304},
                               {2, 0.402093525149749, -0.107667925854615}},
                     sub[] = {{0, 3.43498333586921, 0},
                              {0.1, 2.73317162826048, -1.37076618627384},
                              {0.5, 0.501570985432425, -0.844712679391256},
                              {1, 0.388331219748545, -0.309579095218615},
                              {2, 0.341427257264005, -0.102323905961045}};
    struct {
        oqt_bath *bath;
        const row *rows;
        double tolerance;
    } cases[] = {{ohmic(0.0), zero, 2e-9},
                 {ohmic(0.2), warm, 2e-9},
                 {power_law(0.126, 3.0, 3.04, OQT_CUTOFF_GAUSSIAN, 0.6545), gauss, 1e-9},
                 {power_law(0.1, 1.0, 4.0, OQT_CUTOFF_HARD, 1.0), hard, 1e-9},
                 {power_law(0.1, 0.5, 4.0, OQT_CUTOFF_EXPONENTIAL, 0.5), sub, 3e-8}};

    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++)
            ASSERT_NEAR(correlation(cases[i].bath, cases[i].rows[j].x), cases[i].rows[j].re,
                        cases[i].rows[j].im, cases[i].tolerance);
        oqt_bath_destroy(cases[i].bath);
    }
}
END_TEST

START_TEST(eta_function_agrees_with_oqupy)
{
    static const row rows[4][3] = {{{0.1, 6.69430653942693e-2, -2.18114345995105e-2},
                                    {0.5, 0.594300440659975, -0.785826030190475},
                                    {1, 0.977428961406156, -2.17595953983300}},
                                   {{0.1, 6.73159114874772e-2, -2.18114345995105e-2},
                                    {0.5, 0.603594925994966, -0.785826030190475},
                                    {1, 1.01428096765379, -2.17595953983300}},
                                   {{0.1, 5.90846959223e-3, -7.75298483973e-4},
                                    {0.5, 0.104596337059511, -7.44701799242619e-2},
                                    {1, 0.174584179826978, -0.305778576594396}},
                                   {{0.1, 1.10455935570e-2, -7.07707049725e-4},
                                    {0.5, 0.243296042083282, -7.89174046394611e-2},
                                    {1, 0.679715142233003, -0.448359372210189}}};
    oqt_bath *baths[] = {ohmic(0.0), ohmic(0.2), power_law(0.126, 3.0, 3.04, OQT_CUTOFF_GAUSSIAN, 0.6545),
                         power_law(0.1, 1.0, 4.0, OQT_CUTOFF_HARD, 1.0)};

    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 3; j++)
            ASSERT_NEAR(eta_function(baths[i], rows[i][j].x), rows[i][j].re, rows[i][j].im, 1e-9);
        ASSERT_NEAR(eta_function(baths[i], 0.0), 0.0, 0.0, 0.0);
        oqt_bath_destroy(baths[i]);
    }
}
END_TEST

START_TEST(memory_coefficients_agree_with_oqupy)
{
    static const oqt_complex rows[5][6] = {{{6.69430653942693e-2, -2.18114345995105e-2},
                                            {7.40580233794450e-2, -8.51382327617538e-2},
                                            {4.65125596079613e-3, -7.46129967295634e-2},
                                            {-1.64174699067759e-2, -4.38243391811195e-2},
                                            {-1.77658078979877e-2, -2.47282575949782e-2},
                                            {-1.49939796914982e-2, -1.46312455036532e-2}},
                                           {{6.73159114874704e-2, -2.18114345995105e-2},
                                            {7.48031796479732e-2, -8.51382327617538e-2},
                                            {5.39480817453455e-3, -7.46129967295634e-2},
                                            {-1.56765788443348e-2, -4.38243391811195e-2},
                                            {-1.70286168692198e-2, -2.47282575949782e-2},
                                            {-1.42615024648429e-2, -1.46312455036532e-2}},
                                           {{5.90846959223006e-3, -7.75298483973155e-4},
                                            {1.07818102777138e-2, -4.44252189583740e-3},
                                            {7.94922975828092e-3, -7.90824707770255e-3},
                                            {4.04283969925030e-3, -9.71660159919396e-3},
                                            {-6.62068583776737e-6, -9.66565548955101e-3},
                                            {-3.35280643612974e-3, -8.03959807646355e-3}},
                                           {{1.10455935570135e-2, -7.07707049725428e-4},
                                            {2.13858320835889e-2, -4.16542880414984e-3},
                                            {1.93413837899819e-2, -7.93658143978032e-3},
                                            {1.61643243067505e-2, -1.09636253350004e-2},
                                            {1.21719459803842e-2, -1.29801591848927e-2},
                                            {7.75562203583255e-3, -1.38319933946367e-2}},
                                           {{1.65192708744993e-2, -2.65431276579831e-3},
                                            {2.70379370808413e-2, -1.27115584091465e-2},
                                            {1.67240904897451e-2, -1.61590773621231e-2},
                                            {9.89539627156207e-3, -1.40174910164812e-2},
                                            {6.56859487082578e-3, -1.09847140133543e-2},
                                            {5.07908338345220e-3, -8.50360164256583e-3}}};
    oqt_bath *baths[] = {ohmic(0.0), ohmic(0.2), power_law(0.126, 3.0, 3.04, OQT_CUTOFF_GAUSSIAN, 0.6545),
                         power_law(0.1, 1.0, 4.0, OQT_CUTOFF_HARD, 1.0),
                         power_law(0.1, 0.5, 4.0, OQT_CUTOFF_EXPONENTIAL, 0.5)};
    oqt_complex eta[6];
    oqt_error err;

    for (size_t i = 0; i < 5; i++) {
        ASSERT_OK(oqt_bath_eta(eta, baths[i], 0.1, 6, NULL, 0, &err), err);
        /* The reference misses the singularity w^(-1/2) of the sub-ohmic bath by more. */
        ck_assert_double_lt(max_diff_complex(eta, rows[i], 6), i == 4 ? 3e-8 : 1e-9);
        oqt_bath_destroy(baths[i]);
    }
}
END_TEST

/* ---- independent numbers of 20 digits; see tests/data/bath_reference.py ---- */

static oqt_bath *bath_named(const char *kind, const double p[3], double temperature)
{
    oqt_bath *bath = NULL;
    oqt_error err;

    if (strcmp(kind, "dl") == 0)
        ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, p[0], p[1], temperature, &err), err);
    else if (strcmp(kind, "lor") == 0)
        ASSERT_OK(oqt_bath_create_lorentzian(&bath, p[0], p[1], p[2], temperature, &err), err);
    else
        bath = power_law(p[0], p[1], p[2],
                         strcmp(kind, "hard") == 0  ? OQT_CUTOFF_HARD
                         : strcmp(kind, "exp") == 0 ? OQT_CUTOFF_EXPONENTIAL
                                                    : OQT_CUTOFF_GAUSSIAN,
                         temperature);
    return bath;
}

static oqt_complex value_named(const oqt_bath *bath, const char *want, double t, double dt, uint64_t k)
{
    if (strcmp(want, "C") == 0)
        return correlation(bath, t);
    return strcmp(want, "eta") == 0 ? eta_function(bath, t) : eta_k(bath, dt, k);
}

/*
 * 1e-10 relative is promised; most values are within 1e-14. The phase wc t of a hard cutoff is rounded, which
 * costs eps wc t. Where C falls exponentially below 1e-20 of C(0) the numbers themselves end, and with a
 * Gaussian cutoff at T > 0 the contour as well.
 */
START_TEST(built_in_densities_agree_with_multiprecision_at_all_times)
{
    FILE *file = fopen(TEST_DATA "/bath_reference.txt", "r");
    char line[512], kind[8], want[8];
    double p[3], temperature, t, dt, re, im;
    unsigned long long k;
    size_t n = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#')
            continue;
        ck_assert_int_eq(sscanf(line, "%7s %lf %lf %lf %lf %7s %lf %lf %llu %lf %lf", kind, &p[0], &p[1],
                                &p[2], &temperature, want, &t, &dt, &k, &re, &im),
                         11);
        oqt_bath *bath = bath_named(kind, p, temperature);
        oqt_complex got = value_named(bath, want, t, dt, k);
        double floor = (strcmp(kind, "gauss") == 0 ? 1e-16 : 1e-18) * (dt > 0.0 ? dt * dt : 1.0);

        ck_assert_msg(distance(got, re, im) <= 1e-11 * hypot(re, im) + floor, "%.17g%+.17gi in line: %s",
                      got.re, got.im, line);
        oqt_bath_destroy(bath);
        n++;
    }
    fclose(file);
    ck_assert_uint_ge(n, 100);
}
END_TEST

/* ---- closed forms ---- */

START_TEST(power_laws_at_zero_temperature_match_closed_forms_up_to_long_times)
{
    static const double zetas[] = {0.07, 0.5, 1.0, 1.37, 3.0, 6.3};
    const double alpha = 0.137, wc = 2.385;

    for (size_t i = 0; i < 6; i++) {
        const double zeta = zetas[i];
        oqt_bath *bath = power_law(alpha, zeta, wc, OQT_CUTOFF_EXPONENTIAL, 0.0);

        for (double t = 1.3e-3; t * wc < 1.1e4; t *= 3.7) {
            double complex c =
                2.0 * alpha * wc * wc * tgamma(1.0 + zeta) * cpow(1.0 + I * wc * t, -1.0 - zeta);

            ASSERT_NEAR(correlation(bath, t), creal(c), cimag(c), 2e-13 * cabs(c));
        }
        oqt_bath_destroy(bath);
    }
}
END_TEST

START_TEST(ohmic_memory_coefficients_match_closed_form_up_to_a_million_steps)
{
    const double alpha = 0.137, wc = 2.385, dt = 0.0731;
    oqt_bath *bath = power_law(alpha, 1.0, wc, OQT_CUTOFF_EXPONENTIAL, 0.0);

    for (uint64_t k = 1; k < 3000000; k = k * 5 + 1) {
        /* eta = 2 alpha [ln(1 + i wc t) - i wc t]; second difference ln(1 - q^2), q = i wc dt/(1 + i wc t).
         */
        double complex q = I * wc * dt / (1.0 + I * wc * dt * (double)k), q2 = q * q, sum = 0.0;

        if (cabs(q2) > 0.01)
            sum = clog(1.0 - q2);
        else
            for (int m = 8; m >= 1; m--)
                sum = q2 * (sum - 1.0 / m);
        sum *= 2.0 * alpha;
        ASSERT_NEAR(eta_k(bath, dt, k), creal(sum), cimag(sum), 1e-11 * cabs(sum));
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* C = lambda gamma (cot(gamma/2T) - i) exp(-gamma t) + 4 lambda gamma T sum_n nu_n exp(-nu_n t)/(nu_n^2 -
 * gamma^2), nu_n = 2 pi n T. */
START_TEST(drude_lorentz_matches_its_matsubara_sum_where_it_has_nearly_vanished)
{
    const double lambda = 0.73, gamma = 0.61, temperature = 0.313;
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, lambda, gamma, temperature, &err), err);
    for (double t = 0.031; t < 1000.0; t *= 2.3) {
        double re = lambda * gamma / tan(0.5 * gamma / temperature) * exp(-gamma * t);

        for (int n = 2000; n >= 1; n--) {
            double nu = 6.283185307179586 * temperature * n;

            re += 4.0 * lambda * gamma * temperature * nu * exp(-nu * t) / (nu * nu - gamma * gamma);
        }
        double im = -lambda * gamma * exp(-gamma * t);

        ASSERT_NEAR(correlation(bath, t), re, im, 1e-11 * hypot(re, im));
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* Where poles of J and of coth meet, the exponential sum is a mean over a circle. The contour knows nothing
 * of it, and it serves eta(t): eta_k must be its second difference on either side of the coincidence. */
START_TEST(coinciding_poles_change_nothing)
{
    const double pi = 3.14159265358979323846, temperature = 0.313, dt = 0.41, nu = 2.0 * pi * temperature;
    const double shift[] = {0.0, 1e-9, 0.9e-3, 1.1e-3, -1e-5, 0.01};
    oqt_error err;

    for (size_t i = 0; i < 18; i++) {
        oqt_bath *bath = NULL;
        double s = 1.0 + shift[i % 6];

        if (i < 6)
            ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, 0.73, nu * s, temperature, &err), err);
        else if (i < 12) /* p = nu and 3.3 nu */
            ASSERT_OK(
                oqt_bath_create_lorentzian(&bath, 0.73, nu * sqrt(3.3), nu * 4.3 * s, temperature, &err),
                err);
        else /* critical damping */
            ASSERT_OK(oqt_bath_create_lorentzian(&bath, 0.73, 1.13, 2.26 * s, temperature, &err), err);
        for (uint64_t k = 1; k < 12; k++) {
            oqt_complex a = eta_function(bath, (double)(k - 1) * dt), b = eta_function(bath, (double)k * dt),
                        c = eta_function(bath, (double)(k + 1) * dt);

            ASSERT_NEAR(eta_k(bath, dt, k), a.re - 2.0 * b.re + c.re, a.im - 2.0 * b.im + c.im, 3e-13);
        }
        /* The far end: exponentials only, and smooth in the parameter. */
        oqt_complex late = correlation(bath, 300.0);

        ck_assert(isfinite(late.re) && hypot(late.re, late.im) < 1e-60);
        oqt_bath_destroy(bath);
    }
}
END_TEST

START_TEST(memory_coefficients_add_up_to_eta)
{
    enum { N = 61 };
    const double dt = 0.0917;
    oqt_bath *baths[] = {power_law(0.137, 0.5, 2.385, OQT_CUTOFF_HARD, 0.313),
                         power_law(0.137, 0.5, 2.385, OQT_CUTOFF_GAUSSIAN, 0.313),
                         power_law(0.137, 3.0, 2.385, OQT_CUTOFF_EXPONENTIAL, 11.3), NULL};
    oqt_complex eta[N];
    oqt_error err;

    ASSERT_OK(oqt_bath_create_lorentzian(&baths[3], 0.73, 1.83, 0.0217, 0.313, &err), err);
    for (size_t i = 0; i < 4; i++) { /* eta(N dt) = N eta_0 + sum_k (N - k) eta_k */
        oqt_complex sum = {0.0, 0.0}, whole = eta_function(baths[i], N * dt);

        ASSERT_OK(oqt_bath_eta(eta, baths[i], dt, N, NULL, 0, &err), err);
        for (size_t k = 0; k < N; k++) {
            sum.re += (double)(N - k) * eta[k].re;
            sum.im += (double)(N - k) * eta[k].im;
        }
        ASSERT_NEAR(sum, whole.re, whole.im, 1e-13 * hypot(whole.re, whole.im));
        oqt_bath_destroy(baths[i]);
    }
}
END_TEST

START_TEST(modes_are_plain_sums)
{
    const double w[] = {0.37, 1.91, 7.13}, g[] = {0.61, -0.23, 0.47}, temperature = 0.83, dt = 0.0731;
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_modes(&bath, 3, w, g, temperature, &err), err);
    for (uint64_t k = 1; k < 2000000; k = 7 * k + 3) {
        const double t = (double)k * dt;
        oqt_complex c = {0, 0}, e = {0, 0}, step = {0, 0};

        for (size_t i = 0; i < 3; i++) {
            double j = g[i] * g[i], coth = 1.0 / tanh(0.5 * w[i] / temperature);
            double factor = 2.0 * sin(0.5 * w[i] * dt) / w[i];

            c.re += j * coth * cos(w[i] * t);
            c.im -= j * sin(w[i] * t);
            e.re += j * coth * (1.0 - cos(w[i] * t)) / (w[i] * w[i]);
            e.im += j * (sin(w[i] * t) - w[i] * t) / (w[i] * w[i]);
            step.re += j * coth * factor * factor * cos(w[i] * t);
            step.im -= j * factor * factor * sin(w[i] * t);
        }
        const double tolerance = 1e-14 + 1e-15 * t;

        ASSERT_NEAR(correlation(bath, t), c.re, c.im, tolerance);
        ASSERT_NEAR(eta_function(bath, t), e.re, e.im, tolerance);
        ASSERT_NEAR(eta_k(bath, dt, k), step.re, step.im, dt * dt * tolerance);
    }
    ck_assert_double_eq_tol(oqt_bath_reorganization(bath),
                            0.61 * 0.61 / 0.37 + 0.23 * 0.23 / 1.91 + 0.47 * 0.47 / 7.13, 1e-15);
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- callbacks and tables ---- */

static int density_of(double *j, double w, void *ctx)
{
    return oqt_bath_density(j, ctx, 1, &w, NULL) == OQT_OK ? 0 : 1;
}

static int ohmic_correlation(oqt_complex *c, double t, void *ctx)
{
    const double *p = ctx; /* alpha, wc */

    *c = from_c99(2.0 * p[0] * p[1] * p[1] / cpow(1.0 + I * p[1] * t, 2.0));
    return 0;
}

START_TEST(densities_by_callback_equal_the_built_in_ones)
{
    static const uint64_t ks[] = {0, 1, 2, 13, 811, 29311, 1000003};
    const double dt = 0.0731;
    oqt_bath *baths[] = {power_law(0.137, 0.5, 2.385, OQT_CUTOFF_EXPONENTIAL, 0.313),
                         power_law(0.137, 1.0, 2.385, OQT_CUTOFF_HARD, 0.313),
                         power_law(0.137, 3.0, 2.385, OQT_CUTOFF_GAUSSIAN, 0.0), NULL};
    oqt_error err;

    ASSERT_OK(oqt_bath_create_lorentzian(&baths[3], 0.73, 1.83, 0.0217, 0.313, &err), err);
    for (size_t i = 0; i < 4; i++) {
        oqt_bath *custom = NULL;
        double w_max = i == 1 ? 2.385 : i == 3 ? 1e8 : INFINITY, lambda = oqt_bath_reorganization(baths[i]);
        oqt_complex zero = correlation(baths[i], 0.0), eta_0 = eta_k(baths[i], dt, 0);

        ASSERT_OK(oqt_bath_create_custom(&custom, density_of, baths[i], 2.385, w_max,
                                         oqt_bath_temperature(baths[i]), &err),
                  err);
        for (size_t j = 0; j < 7; j++) {
            oqt_complex c = correlation(baths[i], (double)ks[j] * dt), eta = eta_k(baths[i], dt, ks[j]);
            oqt_complex e = eta_function(baths[i], (double)ks[j] * dt);

            ASSERT_NEAR(correlation(custom, (double)ks[j] * dt), c.re, c.im, 1e-12 * zero.re);
            ASSERT_NEAR(eta_k(custom, dt, ks[j]), eta.re, eta.im, 1e-12 * hypot(eta_0.re, eta_0.im));
            ASSERT_NEAR(eta_function(custom, (double)ks[j] * dt), e.re, e.im,
                        1e-12 * hypot(e.re, e.im) + 1e-300);
        }
        ck_assert_double_eq_tol(oqt_bath_reorganization(custom), lambda, 1e-12 * lambda);
        oqt_bath_destroy(custom);
        oqt_bath_destroy(baths[i]);
    }
}
END_TEST

START_TEST(correlations_by_callback_equal_the_built_in_ones)
{
    double p[] = {0.137, 2.385};
    oqt_bath *bath = power_law(p[0], 1.0, p[1], OQT_CUTOFF_EXPONENTIAL, 0.0), *custom = NULL;
    const double dt = 0.0731;
    oqt_complex eta_0 = eta_k(bath, dt, 0);
    oqt_error err;

    ASSERT_OK(oqt_bath_create_correlation(&custom, ohmic_correlation, p, &err), err);
    for (uint64_t k = 0; k < 200000; k = 7 * k + 1) {
        oqt_complex eta = eta_k(bath, dt, k), e = eta_function(bath, (double)k * dt);

        ASSERT_NEAR(eta_k(custom, dt, k), eta.re, eta.im, 1e-12 * hypot(eta_0.re, eta_0.im));
        if (k < 100)
            ASSERT_NEAR(eta_function(custom, (double)k * dt), e.re, e.im, 1e-12 * hypot(e.re, e.im) + 1e-300);
    }
    ck_assert(isnan(oqt_bath_reorganization(custom)));
    ck_assert_double_eq(oqt_bath_temperature(custom), -1.0);
    oqt_bath_destroy(custom);
    oqt_bath_destroy(bath);
}
END_TEST

static int damped(oqt_complex *c, double t, void *ctx)
{
    (void)ctx;
    *c = (oqt_complex){cos(6.0 * t) * exp(-12.0 * t), sin(6.0 * t) * exp(-12.0 * t)};
    return 0;
}

START_TEST(damped_correlation_agrees_with_oqupy)
{
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_correlation(&bath, damped, NULL, &err), err);
    ASSERT_NEAR(eta_k(bath, 0.1, 0), 3.40610083460209e-3, 5.60607083046995e-4, 1e-14);
    ASSERT_NEAR(eta_k(bath, 0.1, 1), 2.92158316243502e-3, 1.52894966743127e-3, 1e-14);
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(a_table_of_a_cubic_correlation_is_exact)
{
    enum { N = 9 };
    const double dt = 0.213, end = 2.7;
    double t[N];
    oqt_complex c[N];
    oqt_bath *bath = NULL;
    oqt_error err;

    for (size_t i = 0; i < N; i++) { /* C = 1.3 - 0.7 t + 0.2 t^3 + 0.9 i t^2, which a spline reproduces */
        t[i] = end * pow((double)i / (N - 1), 1.4);
        c[i] = (oqt_complex){1.3 - 0.7 * t[i] + 0.2 * pow(t[i], 3.0), 0.9 * t[i] * t[i]};
    }
    ASSERT_OK(oqt_bath_create_correlation_table(&bath, N, t, c, &err), err);
    ASSERT_NEAR(correlation(bath, 1.117), 1.3 - 0.7 * 1.117 + 0.2 * pow(1.117, 3.0), 0.9 * 1.117 * 1.117,
                1e-14);
    ASSERT_NEAR(correlation(bath, 2.71), 0.0, 0.0, 0.0);
    for (uint64_t k = 1; k < 12; k++) { /* eta = 0.65 t^2 - 0.7/6 t^3 + 0.01 t^5 + 0.075 i t^4 */
        double s[3], im[3];

        for (int m = 0; m < 3; m++) {
            double x = ((double)k + m - 1) * dt;

            s[m] = 0.65 * x * x - 0.7 / 6.0 * x * x * x + 0.01 * pow(x, 5.0);
            im[m] = 0.075 * pow(x, 4.0);
        }
        ASSERT_NEAR(eta_function(bath, (double)k * dt), s[1], im[1], 1e-14);
        ASSERT_NEAR(eta_k(bath, dt, k), s[0] - 2.0 * s[1] + s[2], im[0] - 2.0 * im[1] + im[2], 1e-13);
    }
    ASSERT_NEAR(eta_k(bath, dt, 1000), 0.0, 0.0, 0.0);
    oqt_bath_destroy(bath);
}
END_TEST

/* A straight line is what Steffen's cubic reproduces: J = 0.3 w below 4.1, an ohmic bath with hard cutoff. */
START_TEST(a_table_of_a_linear_density_equals_the_hard_cutoff)
{
    static const size_t sizes[] = {12, 213}; /* few knots far apart, many that are close */
    const double wc = 4.1, dt = 0.0731;
    double w[213], j[213];
    oqt_bath *bath = power_law(0.15, 1.0, wc, OQT_CUTOFF_HARD, 0.41);
    oqt_error err;

    for (int size = 0; size < 2; size++) {
        const size_t n = sizes[size];
        oqt_bath *table = NULL;

        for (size_t i = 0; i < n; i++) {
            w[i] = wc * pow((double)i / (double)(n - 1), 1.3);
            j[i] = 0.3 * w[i];
        }
        ASSERT_OK(oqt_bath_create_table(&table, n, w, j, 0.41, &err), err);
        for (uint64_t k = 0; k < 1000000; k = 9 * k + 2) {
            oqt_complex eta = eta_k(bath, dt, k), c = correlation(bath, (double)k * dt);

            ASSERT_NEAR(eta_k(table, dt, k), eta.re, eta.im, 1e-12 * 0.0067);
            ASSERT_NEAR(correlation(table, (double)k * dt), c.re, c.im, 1e-12 * 2.6);
        }
        ck_assert_double_eq_tol(oqt_bath_reorganization(table), 0.3 * wc, 1e-13);
        oqt_bath_destroy(table);
    }
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(tables_interpolate_without_overshoot)
{
    const double w[] = {0.3, 1.1, 1.7, 2.9, 3.1}, j[] = {0.0, 0.2, 2.3, 2.3, 0.1};
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_table(&bath, 5, w, j, 0.0, &err), err);
    for (double x = 0.21; x < 3.3; x += 0.0137) {
        double value = -1.0;

        ASSERT_OK(oqt_bath_density(&value, bath, 1, &x, &err), err);
        ck_assert(value >= -1e-15 && value <= 2.3 + 1e-15);
        if (x < 0.3 || x > 3.1)
            ck_assert_double_eq(value, 0.0);
        if (x > 1.7 && x < 2.9)
            ck_assert_double_eq_tol(value, 2.3, 1e-15);
    }
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(densities_have_their_values)
{
    const double w[] = {0.5, 1.0, 3.04, 6.0}, want[] = {3.3175313006716407e-3, 2.447146354624603e-2,
                                                        0.2818250822926186, 0.1197687860795956};
    const double lambda = 0.73, gamma = 0.61, w0 = 1.83, at = 1.37;
    oqt_bath *bath = power_law(0.126, 3.0, 3.04, OQT_CUTOFF_GAUSSIAN, 0.3);
    double j[4];
    oqt_error err;

    ASSERT_OK(oqt_bath_density(j, bath, 4, w, &err), err);
    ck_assert_double_lt(max_diff(j, want, 4), 1e-16);
    oqt_bath_destroy(bath);
    bath = power_law(0.1, 1.0, 4.0, OQT_CUTOFF_HARD, 0.3);
    ASSERT_OK(oqt_bath_density(j, bath, 4, w, &err), err);
    ck_assert_double_eq_tol(j[1], 0.2, 1e-16);
    ck_assert_double_eq(j[3], 0.0);
    oqt_bath_destroy(bath);
    ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, lambda, gamma, 0.3, &err), err);
    ASSERT_OK(oqt_bath_density(j, bath, 1, &at, &err), err);
    ck_assert_double_eq_tol(j[0], 0.6366197723675814 * lambda * gamma * at / (at * at + gamma * gamma),
                            1e-15);
    oqt_bath_destroy(bath);
    ASSERT_OK(oqt_bath_create_lorentzian(&bath, lambda, w0, gamma, 0.3, &err), err);
    ASSERT_OK(oqt_bath_density(j, bath, 1, &at, &err), err);
    ck_assert_double_eq_tol(j[0],
                            0.6366197723675814 * lambda * gamma * w0 * w0 * at /
                                (pow(at * at - w0 * w0, 2.0) + gamma * gamma * at * at),
                            1e-15);
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(reorganization_energies_have_closed_forms)
{
    const double alpha = 0.137, wc = 2.385, zeta = 1.7;
    const double want[] = {2.0 * alpha * wc / zeta, 2.0 * alpha * wc * tgamma(zeta),
                           alpha * wc * tgamma(0.5 * zeta)};

    for (int form = 0; form < 3; form++) {
        oqt_bath *bath = power_law(alpha, zeta, wc, (oqt_cutoff)form, 0.7);

        ck_assert_double_eq_tol(oqt_bath_reorganization(bath), want[form], 1e-15);
        oqt_bath_destroy(bath);
    }
}
END_TEST

/* ---- failures ---- */

static int failing_density(double *j, double w, void *ctx)
{
    (void)ctx;
    *j = w;
    return w > 1.0;
}

static int infinite_density(double *j, double w, void *ctx)
{
    (void)ctx;
    *j = w > 1.0 ? NAN : w;
    return 0;
}

static int constant_density(double *j, double w, void *ctx)
{
    (void)w;
    (void)ctx;
    *j = 0.37;
    return 0;
}

static int failing_correlation(oqt_complex *c, double t, void *ctx)
{
    *c = (oqt_complex){exp(-t), ctx && t > 1.0 ? NAN : 0.0};
    return !ctx && t > 1.0;
}

#define ASSERT_FAILS(call, code_, text_)                                                                     \
    do {                                                                                                     \
        ck_assert_int_eq(call, code_);                                                                       \
        ck_assert_int_eq(err.code, code_);                                                                   \
        ck_assert_msg(strstr(err.text, text_), "\"%s\" lacks \"%s\"", err.text, text_);                      \
    } while (0)

START_TEST(constructors_refuse_what_makes_no_sense)
{
    const double w[] = {0.1, 0.7, 0.6, 0.9}, up[] = {0.0, 0.3, 0.7, 1.1, 1.9}, bad[] = {0.1, NAN, 0.2, 0.3};
    const double j[] = {0.1, 0.2, 0.3, 0.1}, negative[] = {-0.1, 0.2, 0.3, 0.4};
    const oqt_complex c[] = {{1, 0}, {0.4, 0}, {0.1, NAN}, {0, 0}};
    oqt_bath *const before = ohmic(0.2);
    oqt_bath *out = before;
    oqt_error err;

    ASSERT_FAILS(oqt_bath_create_power_law(&out, -0.1, 1, 5, 1, 0, &err), OQT_EINVAL, "alpha must be finite");
    ASSERT_FAILS(oqt_bath_create_power_law(&out, 0.1, NAN, 5, 1, 0, &err), OQT_EINVAL,
                 "zeta must be positive");
    ASSERT_FAILS(oqt_bath_create_power_law(&out, 0.1, 1, 0, 1, 0, &err), OQT_EINVAL,
                 "cutoff must be positive");
    ASSERT_FAILS(oqt_bath_create_power_law(&out, 0.1, 1, 5, (oqt_cutoff)7, 0, &err), OQT_EINVAL,
                 "form of cutoff 7");
    ASSERT_FAILS(oqt_bath_create_power_law(&out, 0.1, 1, 5, 1, -0.1, &err), OQT_EINVAL,
                 "temperature must be finite and not negative, got -0.1");
    ASSERT_FAILS(oqt_bath_create_drude_lorentz(&out, NAN, 1, 0, &err), OQT_EINVAL, "reorganization energy");
    ASSERT_FAILS(oqt_bath_create_drude_lorentz(&out, 1, -1, 0, &err), OQT_EINVAL, "rate must be");
    ASSERT_FAILS(oqt_bath_create_lorentzian(&out, 1, 0, 1, 0, &err), OQT_EINVAL, "frequency must be");
    ASSERT_FAILS(oqt_bath_create_lorentzian(&out, 1, 1, INFINITY, 0, &err), OQT_EINVAL, "damping must be");
    ASSERT_FAILS(oqt_bath_create_modes(&out, 0, w, j, 0, &err), OQT_EINVAL, "at least one");
    ASSERT_FAILS(oqt_bath_create_modes(&out, 4, negative, j, 0, &err), OQT_EINVAL, "frequency 0 must be");
    ASSERT_FAILS(oqt_bath_create_modes(&out, 4, w, bad, 0, &err), OQT_EINVAL, "coupling 1");
    ASSERT_FAILS(oqt_bath_create_modes(&out, 4, w, j, NAN, &err), OQT_EINVAL, "temperature");
    ASSERT_FAILS(oqt_bath_create_table(&out, 3, up, j, 0, &err), OQT_EINVAL, "at least 4 points, got 3");
    ASSERT_FAILS(oqt_bath_create_table(&out, 4, w, j, 0, &err), OQT_EINVAL, "must increase");
    ASSERT_FAILS(oqt_bath_create_table(&out, 4, bad, j, 0, &err), OQT_EINVAL, "frequency 1 is not finite");
    ASSERT_FAILS(oqt_bath_create_table(&out, 4, negative, j, 0, &err), OQT_EINVAL, "not be negative");
    ASSERT_FAILS(oqt_bath_create_table(&out, 4, up, negative, 0, &err), OQT_EINVAL, "J must be finite");
    ASSERT_FAILS(oqt_bath_create_table(&out, 4, up, j, 0.3, &err), OQT_EINVAL, "J(0) must be 0");
    ASSERT_FAILS(oqt_bath_create_custom(&out, NULL, NULL, 1, 1, 0, &err), OQT_EINVAL, "no function");
    ASSERT_FAILS(oqt_bath_create_custom(&out, density_of, NULL, NAN, 1, 0, &err), OQT_EINVAL,
                 "typical frequency");
    ASSERT_FAILS(oqt_bath_create_custom(&out, density_of, NULL, 1, NAN, 0, &err), OQT_EINVAL,
                 "largest frequency");
    ASSERT_FAILS(oqt_bath_create_correlation(&out, NULL, NULL, &err), OQT_EINVAL, "no function");
    ASSERT_FAILS(oqt_bath_create_correlation_table(&out, 4, w, c, &err), OQT_EINVAL, "must increase");
    ASSERT_FAILS(oqt_bath_create_correlation_table(&out, 4, up, c, &err), OQT_EINVAL, "C(t) at 2");
    ASSERT_FAILS(oqt_bath_create_correlation_table(&out, 4, up + 1, c, &err), OQT_EINVAL,
                 "first time must be 0");
    ck_assert_ptr_eq(out, before);
    oqt_bath_destroy(before);
    oqt_bath_destroy(NULL);
}
END_TEST

START_TEST(evaluations_refuse_bad_input_and_leave_outputs_alone)
{
    const double bad = -0.1, zero = 0.0, one = 1.0, two = 2.0, more[] = {0.31, 0.1, 1.3, 2.9};
    const uint64_t far = 1u << 20, three = 3;
    oqt_complex out = {4.7, 1.1};
    double j = 3.3;
    oqt_bath *bath = ohmic(0.2), *drude = NULL, *modes = NULL, *other = NULL;
    oqt_error err;

    ASSERT_FAILS(oqt_bath_correlation(&out, bath, 1, &bad, 0, &err), OQT_EINVAL, "time must be");
    ASSERT_FAILS(oqt_bath_eta_function(&out, bath, 1, &bad, 0, &err), OQT_EINVAL, "got -0.1");
    ASSERT_FAILS(oqt_bath_eta(&out, bath, 0.0, 1, NULL, 0, &err), OQT_EINVAL, "time step must be");
    ASSERT_FAILS(oqt_bath_eta(&out, bath, NAN, 0, NULL, 0, &err), OQT_EINVAL, "time step must be");
    ASSERT_FAILS(oqt_bath_eta(&out, bath, 1e305, 1, &far, 0, &err), OQT_EINVAL, "not finite");
    ASSERT_FAILS(oqt_bath_density(&j, bath, 1, &bad, &err), OQT_EINVAL, "frequency must be");
    ASSERT_OK(oqt_bath_correlation(&out, bath, 0, NULL, 0, &err), err);
    ASSERT_OK(oqt_bath_eta(&out, bath, 0.1, 0, NULL, 0, &err), err);

    ASSERT_OK(oqt_bath_create_drude_lorentz(&drude, 0.7, 0.6, 0.2, &err), err);
    ASSERT_FAILS(oqt_bath_correlation(&out, drude, 1, &zero, 0, &err), OQT_EINVAL, "diverges");
    ASSERT_OK(oqt_bath_create_modes(&modes, 1, &one, &one, 0.2, &err), err);
    ASSERT_FAILS(oqt_bath_density(&j, modes, 1, &one, &err), OQT_EINVAL, "modes");

    ASSERT_OK(oqt_bath_create_custom(&other, failing_density, NULL, 0.7, 3.0, 0.2, &err), err);
    ASSERT_FAILS(oqt_bath_correlation(&out, other, 1, &one, 0, &err), OQT_ECALLBACK, "reported failure");
    ASSERT_FAILS(oqt_bath_density(&j, other, 1, &two, &err), OQT_ECALLBACK, "reported failure at w = 2");
    ck_assert(isnan(oqt_bath_reorganization(other)));
    oqt_bath_destroy(other);
    ASSERT_OK(oqt_bath_create_custom(&other, infinite_density, NULL, 0.7, 3.0, 0.2, &err), err);
    ASSERT_FAILS(oqt_bath_eta(&out, other, 0.1, 1, &three, 0, &err), OQT_ECALLBACK, "not finite");
    oqt_bath_destroy(other);
    ASSERT_OK(oqt_bath_create_custom(&other, constant_density, NULL, 0.7, 3.0, 0.2, &err), err);
    ASSERT_FAILS(oqt_bath_eta(&out, other, 0.1, 1, NULL, 0, &err), OQT_ECONV, "at w = 0");
    oqt_bath_destroy(other);
    ASSERT_OK(oqt_bath_create_custom(&other, constant_density, NULL, 0.7, INFINITY, 0.0, &err), err);
    ASSERT_FAILS(oqt_bath_correlation(&out, other, 1, &one, 0, &err), OQT_ECONV, "not decayed");
    oqt_bath_destroy(other);
    for (int finite = 0; finite < 2; finite++) {
        void *ctx = finite ? &err : NULL;

        ASSERT_OK(oqt_bath_create_correlation(&other, failing_correlation, ctx, &err), err);
        ASSERT_FAILS(oqt_bath_correlation(&out, other, 4, more, 0, &err), OQT_ECALLBACK,
                     finite ? "not finite" : "reported failure");
        ASSERT_FAILS(oqt_bath_eta_function(&out, other, 1, &two, 0, &err), OQT_ECALLBACK, "t = 2");
        ASSERT_FAILS(oqt_bath_eta(&out, other, 0.4, 1, &three, 0, &err), OQT_ECALLBACK, "t = 1.2");
        ASSERT_FAILS(oqt_bath_density(&j, other, 1, &two, &err), OQT_EINVAL, "given by C(t)");
        oqt_bath_destroy(other);
    }
    ck_assert(out.re == 4.7 && out.im == 1.1 && j == 3.3);
    oqt_bath_destroy(bath);
    oqt_bath_destroy(drude);
    oqt_bath_destroy(modes);
}
END_TEST

/* One bath of each kind, then everything that can be asked of it. */
static oqt_status create_kind(oqt_bath **out, int kind)
{
    static const double w[] = {0.0, 0.9, 1.7, 3.1}, j[] = {0.0, 0.3, 0.5, 0.1}, g[] = {0.1, 0.2, 0.3, 0.4};
    static const oqt_complex c[] = {{1, 0}, {0.4, -0.1}, {0.1, -0.3}, {0, 0}};
    static int ohmic_like;

    switch (kind) {
    case 0:
        return oqt_bath_create_power_law(out, 0.3, 1.3, 5.1, OQT_CUTOFF_HARD, 0.2, NULL);
    case 1:
        return oqt_bath_create_power_law(out, 0.3, 0.7, 5.1, OQT_CUTOFF_EXPONENTIAL, 0.2, NULL);
    case 2:
        return oqt_bath_create_drude_lorentz(out, 0.3, 0.7, 0.2, NULL);
    case 3:
        return oqt_bath_create_lorentzian(out, 0.3, 2.7, 0.31, 0.2, NULL);
    case 4:
        return oqt_bath_create_modes(out, 3, w + 1, g, 0.2, NULL);
    case 5:
        return oqt_bath_create_table(out, 4, w, j, 0.2, NULL);
    case 6:
        return oqt_bath_create_correlation(out, damped, NULL, NULL);
    case 7:
        return oqt_bath_create_custom(out, failing_density, &ohmic_like, 0.4, 1.0, 0.2, NULL);
    default:
        return oqt_bath_create_correlation_table(out, 4, w, c, NULL);
    }
}

enum { N_KINDS = 9 };

static oqt_status ask_everything(void *ctx)
{
    const double t[] = {0.3, 11.0};
    oqt_complex out[3] = {{7.0, 7.0}, {7.0, 7.0}, {7.0, 7.0}};
    oqt_bath *bath = NULL;
    double value = 0.0;
    oqt_status st = create_kind(&bath, *(const int *)ctx);

    if (st == OQT_OK)
        st = oqt_bath_correlation(out, bath, 2, t, 0, NULL);
    if (st == OQT_OK)
        st = oqt_bath_eta_function(out, bath, 2, t, 0, NULL);
    if (st == OQT_OK)
        st = oqt_bath_eta(out, bath, 0.1, 3, NULL, 0, NULL);
    else
        ck_assert(out[2].re == 7.0);
    if (st == OQT_OK && oqt_bath_temperature(bath) >= 0.0 && *(const int *)ctx != 4)
        st = oqt_bath_density(&value, bath, 1, t, NULL);
    oqt_bath_destroy(bath);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    for (int kind = 0; kind < N_KINDS; kind++)
        ck_assert_uint_ge(check_every_allocation(ask_everything, &kind), 4);
}
END_TEST

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
#ifdef OQT_HAVE_OPENMP
    enum { N = 157 };
    oqt_complex one[3 * N], many[3 * N];
    double t[N];
    const int threads = omp_get_max_threads();
    oqt_error err;

    for (size_t i = 0; i < N; i++)
        t[i] = 0.0137 + 0.173 * (double)i;
    for (int kind = 0; kind < N_KINDS; kind++) {
        oqt_bath *bath = NULL;

        ASSERT_OK(create_kind(&bath, kind), err);
        for (int pass = 0; pass < 2; pass++) {
            oqt_complex *out = pass ? many : one;

            omp_set_num_threads(pass ? 5 : 1);
            ASSERT_OK(oqt_bath_correlation(out, bath, N, t, 0, &err), err);
            ASSERT_OK(oqt_bath_eta_function(out + N, bath, N, t, 0, &err), err);
            ASSERT_OK(oqt_bath_eta(out + 2 * N, bath, 0.13, N, NULL, 0, &err), err);
        }
        omp_set_num_threads(threads);
        ck_assert_int_eq(memcmp(one, many, sizeof one), 0);
        oqt_bath_destroy(bath);
    }
#endif
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bath");
    TCase *numbers = tcase_create("numbers"), *given = tcase_create("given"), *rest = tcase_create("rest");

    tcase_add_test(numbers, correlation_agrees_with_oqupy);
    tcase_add_test(numbers, eta_function_agrees_with_oqupy);
    tcase_add_test(numbers, memory_coefficients_agree_with_oqupy);
    tcase_add_test(numbers, built_in_densities_agree_with_multiprecision_at_all_times);
    tcase_add_test(numbers, power_laws_at_zero_temperature_match_closed_forms_up_to_long_times);
    tcase_add_test(numbers, ohmic_memory_coefficients_match_closed_form_up_to_a_million_steps);
    tcase_add_test(numbers, drude_lorentz_matches_its_matsubara_sum_where_it_has_nearly_vanished);
    tcase_add_test(numbers, coinciding_poles_change_nothing);
    tcase_add_test(numbers, memory_coefficients_add_up_to_eta);
    tcase_add_test(numbers, modes_are_plain_sums);
    suite_add_tcase(suite, numbers);
    tcase_add_test(given, densities_by_callback_equal_the_built_in_ones);
    tcase_add_test(given, correlations_by_callback_equal_the_built_in_ones);
    tcase_add_test(given, damped_correlation_agrees_with_oqupy);
    tcase_add_test(given, a_table_of_a_cubic_correlation_is_exact);
    tcase_add_test(given, a_table_of_a_linear_density_equals_the_hard_cutoff);
    tcase_add_test(given, tables_interpolate_without_overshoot);
    tcase_add_test(given, densities_have_their_values);
    tcase_add_test(given, reorganization_energies_have_closed_forms);
    suite_add_tcase(suite, given);
    tcase_add_test(rest, constructors_refuse_what_makes_no_sense);
    tcase_add_test(rest, evaluations_refuse_bad_input_and_leave_outputs_alone);
    tcase_add_test(rest, every_allocation_may_fail);
    tcase_add_test(rest, results_do_not_depend_on_the_number_of_threads);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
