/* terms.c - terms of a system that depend on time or on parameters. */
#include "liouville/system_priv.h"

#include <string.h>

/* More would be a mistake. */
enum { MAX_PARAMETERS = 65536 };

/* The real form of the part that a factor multiplies. */
static oqt_status term_generator(double **out, const oqt_complex *op, bool dissipator, size_t d,
                                 oqt_error *err)
{
    size_t n = d * d;
    oqt_complex *l = oqt__calloc(n * n, sizeof *l);
    double *generator = oqt__doubles(n * n);
    oqt_status st = OQT_OK;

    if (!l || !generator) {
        st = oqt__no_memory(err, "a term of a system");
        goto done;
    }
    if (dissipator)
        oqt__add_dissipator(l, 1.0, op, d);
    else
        oqt__add_commutator(l, (oqt_complex){0.0, -1.0}, op, d);
    if ((st = oqt__check_finite(l, n, "term of a system", err)) != OQT_OK)
        goto done;
    oqt__herm_superop(generator, l, d);
    *out = generator;
    generator = NULL;
done:
    oqt__free(l);
    oqt__free(generator);
    return st;
}

/* Add a term, with its generator if op is given. Those with a generator come first. */
static oqt_status add_term(oqt_system *system, oqt__term term, const oqt_complex *op, oqt_error *err)
{
    size_t n = system->n_term, n2 = system->d * system->d, at = op ? system->n_scaled : n;
    oqt__term *grown = oqt__calloc(n + 1, sizeof *grown);
    double *constant = system->generator ? NULL : oqt__doubles(n2 * n2);
    oqt_status st = OQT_OK;

    if (!grown || (!constant && !system->generator)) {
        st = oqt__no_memory(err, "a term of a system");
        goto done;
    }
    if (op) {
        term.op_matrix = oqt__copy(op, n2, sizeof *op);
        if (!term.op_matrix) {
            st = oqt__no_memory(err, "a term of a system");
            goto done;
        }
        if ((st = term_generator(&term.generator, op, term.dissipator, system->d, err)) != OQT_OK)
            goto done;
    }
    if (n > 0) {
        memcpy(grown, system->term, at * sizeof *grown);
        memcpy(grown + at + 1, system->term + at, (n - at) * sizeof *grown);
    }
    grown[at] = term;
    term.op_matrix = NULL;
    if (constant) {
        oqt__system_generator(constant, system);
        system->generator = constant;
        constant = NULL;
    }
    oqt__free(system->term);
    system->term = grown;
    grown = NULL;
    system->n_term++;
    system->n_scaled += op ? 1 : 0;
done:
    oqt__free(term.op_matrix);
    oqt__free(grown);
    oqt__free(constant);
    return st;
}

static oqt_status check_operator(const oqt_system *system, const oqt_complex *op, bool hermitian,
                                 const char *what, oqt_error *err)
{
    oqt_status st;

    if (!system || !op)
        return oqt__fail(err, OQT_EINVAL, "system or %s is missing", what);
    st = oqt__check_finite(op, system->d, what, err);
    return st != OQT_OK || !hermitian ? st : oqt__check_hermitian(op, system->d, what, err);
}

static oqt_status missing(oqt_error *err)
{
    return oqt__fail(err, OQT_EINVAL, "system or function of a term is missing");
}

/* ---- time ---- */

oqt_status oqt_system_add_drive(oqt_system *system, oqt_rate_fn amplitude, void *ctx, const oqt_complex *op,
                                oqt_error *err)
{
    oqt_status st = check_operator(system, op, true, "operator of a drive", err);

    if (st != OQT_OK)
        return st;
    if (!amplitude)
        return missing(err);
    return add_term(system, (oqt__term){.of = OQT__OF_TIME, .scale = amplitude, .scale_ctx = ctx}, op, err);
}

oqt_status oqt_system_add_dissipator_rate(oqt_system *system, oqt_rate_fn rate, void *ctx,
                                          const oqt_complex *op, oqt_error *err)
{
    oqt_status st = check_operator(system, op, false, "operator of a dissipator", err);

    if (st != OQT_OK)
        return st;
    if (!rate)
        return missing(err);
    return add_term(system,
                    (oqt__term){.of = OQT__OF_TIME, .dissipator = true, .scale = rate, .scale_ctx = ctx}, op,
                    err);
}

oqt_status oqt_system_add_hamiltonian_fn(oqt_system *system, oqt_operator_fn hamiltonian, void *ctx,
                                         oqt_error *err)
{
    if (!system || !hamiltonian)
        return missing(err);
    return add_term(system, (oqt__term){.of = OQT__OF_TIME, .op = hamiltonian, .op_ctx = ctx}, NULL, err);
}

oqt_status oqt_system_add_dissipator_fn(oqt_system *system, oqt_rate_fn rate, void *rate_ctx,
                                        oqt_operator_fn op, void *op_ctx, oqt_error *err)
{
    if (!system || !rate || !op)
        return missing(err);
    return add_term(system,
                    (oqt__term){.of = OQT__OF_TIME,
                                .dissipator = true,
                                .scale = rate,
                                .scale_ctx = rate_ctx,
                                .op = op,
                                .op_ctx = op_ctx},
                    NULL, err);
}

/* ---- parameters ---- */

oqt_status oqt_system_set_parameters(oqt_system *system, size_t n, oqt_error *err)
{
    if (!system || n == 0 || n > MAX_PARAMETERS)
        return oqt__fail(err, OQT_EINVAL, "a system may have 1 to %d parameters, got %zu", MAX_PARAMETERS, n);
    if (system->n_parameters > 0)
        return oqt__fail(err, OQT_EINVAL, "the system has %zu parameters already", system->n_parameters);
    system->n_parameters = n;
    return OQT_OK;
}

static oqt_status no_parameters(oqt_error *err)
{
    return oqt__fail(err, OQT_EINVAL, "the system has no parameters");
}

oqt_status oqt_system_add_parameter(oqt_system *system, size_t parameter, const oqt_complex *op,
                                    oqt_error *err)
{
    oqt_status st = check_operator(system, op, true, "operator of a parameter", err);

    if (st != OQT_OK)
        return st;
    if (parameter >= system->n_parameters)
        return oqt__fail(err, OQT_EINVAL, "parameter %zu of a system that has %zu", parameter,
                         system->n_parameters);
    return add_term(system, (oqt__term){.of = OQT__OF_PARAMETERS, .parameter = parameter}, op, err);
}

oqt_status oqt_system_add_parameter_hamiltonian(oqt_system *system, oqt_parameter_operator_fn hamiltonian,
                                                void *ctx, oqt_error *err)
{
    if (!system || !hamiltonian)
        return missing(err);
    if (system->n_parameters == 0)
        return no_parameters(err);
    return add_term(system, (oqt__term){.of = OQT__OF_PARAMETERS, .op_of = hamiltonian, .op_ctx = ctx}, NULL,
                    err);
}

oqt_status oqt_system_add_parameter_dissipator(oqt_system *system, oqt_parameter_rate_fn rate, void *rate_ctx,
                                               oqt_parameter_operator_fn op, void *op_ctx, oqt_error *err)
{
    if (!system || !rate || !op)
        return missing(err);
    if (system->n_parameters == 0)
        return no_parameters(err);
    return add_term(system,
                    (oqt__term){.of = OQT__OF_PARAMETERS,
                                .dissipator = true,
                                .scale_of = rate,
                                .scale_ctx = rate_ctx,
                                .op_of = op,
                                .op_ctx = op_ctx},
                    NULL, err);
}
