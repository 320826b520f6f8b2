/* published.c - problems whose numbers others published, and these numbers. */
#include "published.h"

const oqt_complex half_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
const oqt_complex half_y[4] = {{0, 0}, {0, -0.5}, {0, 0.5}, {0, 0}};
const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};

void assert_qubit(const oqt_complex *rho, double rho00, double re, double im, double tol)
{
    ck_assert_double_eq_tol(rho[0].re, rho00, tol);
    ck_assert_double_eq_tol(rho[1].re, re, tol);
    ck_assert_double_eq_tol(rho[1].im, im, tol);
    ck_assert_double_eq_tol(rho[2].re, re, tol);
    ck_assert_double_eq_tol(rho[2].im, -im, tol);
    ck_assert_double_eq_tol(rho[3].re, 1.0 - rho00, tol);
}

void assert_qubits(const oqt_complex *rho, const double expected[][3], size_t n, double tol)
{
    for (size_t k = 1; k <= n; k++)
        assert_qubit(rho + 4 * k, expected[k - 1][0], expected[k - 1][1], expected[k - 1][2], tol);
}

void assert_elements(const oqt_complex *rho, size_t d, const struct published_element *expected, size_t n,
                     double tol)
{
    for (size_t i = 0; i < n; i++) {
        oqt_complex z = rho[d * d * expected[i].step + expected[i].element];

        ck_assert_double_eq_tol(z.re, expected[i].re, tol);
        ck_assert_double_eq_tol(z.im, expected[i].im, tol);
    }
}

const double published_a[10][3] = {
    {0.99440094535407, 0.0, 0.02436473249527},
    {0.98765525317623, -0.00037681737853, 0.04709979806696},
    {0.97986301556282, -0.00179383886856, 0.06768454215143},
    {0.97114190290609, -0.00458672995876, 0.08591272584545},
    {0.96161403126239, -0.00868462228759, 0.10178739962010},
    {0.95139778342395, -0.01380776231738, 0.11542995981742},
    {0.94060340096514, -0.01963680108050, 0.12702132528666},
    {0.92933099712037, -0.02589272443367, 0.13676444244796},
    {0.91767008209229, -0.03235896667859, 0.14486144235211},
    {0.90569996635508, -0.03887801364129, 0.15150130685477},
};

const struct published_cut published_cuts[N_CUTS] = {
    {3, 8, 0.0, 0.830334137365, -0.055714352897, 0.172777379896},
    {3, 8, 0.1, 0.830314020441, -0.064342740822, 0.173347687499},
    {3, 8, INFINITY, 0.830048496145, -0.071876313877, 0.175897212592},
    {1, 5, 0.0, 0.9053834275302, -0.011606967362, 0.15613202050698},
    {OQT_NO_MEMORY, 5, 0.0, 0.9027053205525, 0.0, 0.1735618402642},
};

static const oqt_complex qutrit_coupling[9] = {{0.5, 0}, {0, 0}, {0, 0}, {0, 0}, {-0.5, 0}};

const struct test_case qutrit = {
    .d = 3,
    .hamiltonian = {{1, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0, 0}},
    .n_dissipators = 2,
    .rate = {0.1, 0.2},
    .lindblad = {{[7] = {1, 0}}, {[0] = {0.5, 0}, [4] = {-0.5, 0}}},
    .initial = {[4] = {1, 0}},
    .n_baths = 1,
    .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, qutrit_coupling}},
    .dt = 0.05,
    .n_steps = 5,
};

const struct published_element published_qutrit[N_QUTRIT] = {
    {1, 0, 6.1650902218e-4, 0},
    {1, 4, 0.99377759313551, 0},
    {1, 8, 5.6058978423e-3, 0},
    {1, 1, -3.0599045829e-4, -0.024597405866671},
    {1, 2, 6.1732296287e-4, -1.5203760196e-5},
    {1, 5, 3.0006514237e-4, 0.024749118414986},
    {3, 0, 0.0053670805226, 0},
    {3, 4, 0.9743151676316, 0},
    {3, 8, 0.0203177518457, 0},
    {3, 1, -0.0043713485739, -0.0693457451161},
    {3, 2, 0.0053531805613, -4.4667942142e-4},
    {3, 5, 0.0014069938264, 0.0719708099482},
    {5, 0, 0.0141539468523, 0},
    {5, 4, 0.9465380089353, 0},
    {5, 8, 0.0393080442012, 0},
    {5, 1, -0.0152111320484, -0.1050065952942},
};

const struct published_element published_qutrit_late[N_QUTRIT_LATE] = {
    {20, 0, 0.12576654, 0},           {20, 4, 0.61315913, 0},
    {20, 8, 0.26107434, 0},           {20, 1, -0.11739955, -0.14312022},
    {20, 2, 0.12211451, -0.05963574}, {20, 5, -0.06636822, 0.26917275}};

const struct test_case boson = {
    .d = 2,
    .initial = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}},
    .n_baths = 1,
    .bath = {{0.3, 3.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, half_z}},
    .dt = 0.4,
    .n_steps = 25,
};

const struct published_boson published_boson[N_BOSON] = {
    {1, -0.255343091683, -0.255343091683, -0.255343091683},
    {2, -0.265991999144, -0.265991999144, -0.265991999140},
    {3, -0.270228645134, -0.270228645134, -0.270228645125},
    {5, -0.278905452246, -0.272812607398, -0.272812607449},
    {10, -0.301836012900, -0.273997587521, -0.273997587529},
    {25, -0.382572024302, -0.274340047362, -0.274340047510}};

const struct test_case rotated = {
    .d = 2,
    .hamiltonian = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}},
    .initial = {{0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}},
    .n_baths = 1,
    .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, half_y}},
    .dt = 0.1,
    .n_steps = 5,
};

const double published_rotated[5][3] = {
    {0.5000000000000, 0.4652071785635, -0.0483006161517},
    {0.4960301620972, 0.3970313503294, -0.0914485051647},
    {0.4861563746427, 0.3322498060948, -0.1279429801182},
    {0.4724711485271, 0.2780498945901, -0.1584834197616},
    {0.4570804359657, 0.2328305363271, -0.1840487493003},
};

static const oqt_complex degenerate_coupling[9] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}, {1, 0},
                                                   {0, 0}, {0, 0}, {0, 0}, {2, 0}};

const struct test_case degenerate = {
    .d = 3,
    .hamiltonian = {{-0.5, 0}, {1, 0}, {0, 0}, {1, 0}, {0, 0}, {1, 0}, {0, 0}, {1, 0}, {-0.5, 0}},
    .initial = {{1, 0}},
    .n_baths = 1,
    .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, degenerate_coupling}},
    .dt = 0.05,
    .n_steps = 20,
};

void assert_degenerate(const oqt_complex *rho)
{
    ck_assert_double_eq_tol(rho[0].re, 0.3290139, 3e-5);
    ck_assert_double_eq_tol(rho[4].re, 0.6342415, 3e-5);
    ck_assert_double_eq_tol(rho[8].re, 0.0367131, 3e-5);
}

const struct test_case two_baths = {
    .d = 2,
    .hamiltonian = {{0.2, 0}, {0.5, 0}, {0.5, 0}, {-0.2, 0}},
    .initial = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}},
    .n_baths = 2,
    .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, half_x},
             {0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, half_z}},
    .dt = 0.1,
    .n_steps = 3,
};

const double published_xz[3][3] = {{0.545136055272, -0.018054422109, -0.434398401746},
                                   {0.572167405452, -0.033641821733, -0.314501313674},
                                   {0.583130513146, -0.048692271976, -0.218374251275}};

const double published_zx[3][3] = {{0.545136055272, -0.018054422109, -0.434398401746},
                                   {0.572636441193, -0.033170269866, -0.314524350805},
                                   {0.584715791073, -0.047637855509, -0.218482179584}};
