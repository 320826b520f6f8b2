/* weights.c - how much the states of a process tensor matter for what is still to come.
 *
 * The gauge of a bond is arbitrary, so the 2-norm of a site that carries it says little. In the balanced
 * gauge of the builders the metric of future paths is nearly diagonal; its diagonal is enough here.
 */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "pt/pt_priv.h"

/* States count for at least this: the weights are divided out again. */
static const double FLOOR = 1e-10;

/* Classes of legs that a path can stay on; general legs are one. */
static size_t n_classes(const oqt_pt *pt)
{
    return pt->info.general_legs ? 1 : pt->legs.n_class;
}

/* next[class][a] = sum_b |f[a][b]|^2 (lam r[class][b] + (1 - lam) mean[b]), the real and the imaginary part
 * of f, or all general legs, being summed as well */
static void step_back(double *next, const double *r, const double *mean, const oqt_pt *pt,
                      const oqt__slot *slot, double lam)
{
    size_t n = n_classes(pt), parts = oqt__pt_blocks(pt) / n;

    for (size_t c = 0; c < n; c++)
        for (size_t a = 0; a < slot->left; a++) {
            double sum = 0.0;

            for (size_t part = 0; part < parts; part++) {
                const double *f = slot->f + ((c * parts + part) * slot->left + a) * slot->right;

                for (size_t b = 0; b < slot->right; b++)
                    sum += f[b] * f[b] * (lam * r[c * pt->chi + b] + (1.0 - lam) * mean[b]);
            }
            next[c * pt->chi + a] = sum;
        }
}

/* Mean over all legs, scaled so that the vacuum counts for one; the change of it against before. */
static double average(double *mean, double *r, const oqt_pt *pt, size_t bond)
{
    size_t legs = pt->info.general_legs ? 1 : pt->d * pt->d;
    double change = 0.0, scale = 1.0;

    for (size_t a = 0; a < bond; a++) {
        double sum = 0.0;

        for (size_t leg = 0; leg < legs; leg++)
            sum += r[(legs == 1 ? 0 : pt->legs.cls[leg]) * pt->chi + a];
        if (a == 0)
            scale = 1.0 / sum;
        change = fmax(change, fabs(sum * scale - mean[a]) / fmax(sum * scale, FLOOR));
        mean[a] = sum * scale;
    }
    for (size_t i = 0; i < n_classes(pt) * pt->chi; i++)
        r[i] *= scale * (double)legs;
    return change;
}

oqt_status oqt__pt_state_weights(double *w, const oqt_pt *pt, double lam, oqt_error *err)
{
    enum { MAX_ITERATIONS = 2000 };
    size_t n = n_classes(pt) * pt->chi, steps = pt->bond ? pt->info.n_steps : MAX_ITERATIONS;
    double *r = oqt__doubles(n), *next = oqt__doubles(n), *mean = oqt__doubles(pt->chi);
    bool ok = r && next && mean;

    for (size_t c = 0; ok && c < n_classes(pt); c++)
        r[c * pt->chi] = 1.0;
    if (ok)
        mean[0] = 1.0;
    for (size_t i = 0; ok && pt->bond && i < steps; i++)
        w += pt->bond[i];
    if (ok && pt->bond)
        w[0] = 1.0;
    for (size_t i = steps; ok && i-- > 0;) {
        oqt__slot slot = oqt__pt_slot(pt, pt->bond ? i : 0);
        double change, *swap = r;

        step_back(next, r, mean, pt, &slot, lam);
        r = next;
        next = swap;
        change = average(mean, r, pt, slot.left);
        if (pt->bond)
            w -= slot.left;
        else if (change > 1e-3 && i > 0)
            continue;
        for (size_t a = 0; a < slot.left; a++)
            w[a] = sqrt(fmax(mean[a], FLOOR * FLOOR));
        if (!pt->bond)
            break;
    }
    oqt__free(r);
    oqt__free(next);
    oqt__free(mean);
    return ok ? OQT_OK : oqt__no_memory(err, "weights of a process tensor");
}
