/* TEMPO, step by step: cc tempo.c $(pkg-config --cflags --libs oqtempo) -lm
 *     ./a.out FILE 100     t, <sigma_z> of 100 steps; the run is kept in FILE
 *     ./a.out FILE 100     the next 100, as if there had been no break */
#include <math.h>
#include <oqtempo/oqtempo.h>
#include <stdio.h>
#include <stdlib.h>

static const double dt = 0.05, rabi = 0.5, chirp = 0.3;
static const oqt_complex up[4] = {{1, 0}}, zero[4] = {{0, 0}},
                         half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};

/* H(t) = rabi sigma_x + chirp sin(t) sigma_z */
static int drive(oqt_complex *h, double t, void *ctx)
{
    (void)ctx;
    h[0] = (oqt_complex){chirp * sin(t), 0};
    h[1] = h[2] = (oqt_complex){rabi, 0};
    h[3] = (oqt_complex){-chirp * sin(t), 0};
    return 0;
}

static void run(oqt_tempo *tempo, const char *file, int n, oqt_error *err)
{
    oqt_tempo_stats stats;
    oqt_complex rho[4];
    FILE *kept = fopen(file, "rb");

    if (kept) {
        fclose(kept);
        oqt_tempo_restore(tempo, file, err);
    }
    for (int k = 0; k < n && err->code == OQT_OK; k++)
        if (oqt_tempo_step(tempo, 1, err) == OQT_OK) {
            oqt_tempo_state(rho, tempo);
            oqt_tempo_get_stats(&stats, tempo);
            printf("%g\t%.17g\n", dt * (double)stats.n_steps, rho[0].re - rho[3].re);
        }
    if (err->code == OQT_OK)
        oqt_tempo_save(tempo, file, err);
}

int main(int argc, char **argv)
{
    oqt_tempo_options options = OQT_TEMPO_OPTIONS_INIT;
    oqt_system *system = NULL;
    oqt_bath *bath = NULL;
    oqt_tempo *tempo = NULL;
    oqt_error err = {OQT_OK, ""};

    if (argc != 3) {
        fprintf(stderr, "usage: tempo FILE STEPS\n");
        return 2;
    }
    options.epsrel = 1e-6;
    options.memory_steps = 60; /* 3 units of time */
    if (oqt_system_create(&system, 2, zero, &err) == OQT_OK &&
        oqt_system_add_hamiltonian_fn(system, drive, NULL, &err) == OQT_OK &&
        oqt_bath_create_power_law(&bath, 0.1, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err) == OQT_OK &&
        oqt_tempo_create(&tempo, 1, (const oqt_bath *[]){bath}, half_z, system, up, dt, &options, &err) ==
            OQT_OK)
        run(tempo, argv[1], atoi(argv[2]), &err);
    if (err.code != OQT_OK)
        fprintf(stderr, "%s\n", err.text);
    oqt_tempo_destroy(tempo);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
    return err.code != OQT_OK;
}
