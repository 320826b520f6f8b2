/* spin_boson.c - the model of spin-boson.yaml with the library: prints t and <sigma_z>.
 *
 *   cc spin_boson.c $(pkg-config --cflags --libs oqtempo) -o spin_boson
 */
#include <oqtempo/oqtempo.h>

#include <stdio.h>
#include <stdlib.h>

enum { N_STEPS = 100 };

static const oqt_complex half_sigma_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
static const oqt_complex half_sigma_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex sigma_z[4] = {{1, 0}, {0, 0}, {0, 0}, {-1, 0}};
static const oqt_complex sigma_minus[4] = {{0, 0}, {0, 0}, {1, 0}, {0, 0}};
static const oqt_complex up[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}};

static void check(oqt_status status, const oqt_error *err)
{
    if (status != OQT_OK) {
        fprintf(stderr, "spin_boson: %s\n", err->text);
        exit(1);
    }
}

int main(void)
{
    oqt_system *system;
    oqt_bath *bath;
    oqt_pt *pt;
    oqt_dynamics *dynamics;
    oqt_pt_options options = OQT_PT_OPTIONS_INIT;
    oqt_error err;
    static oqt_complex rho[(N_STEPS + 1) * 4];
    const double dt = 0.05;

    check(oqt_system_create(&system, 2, half_sigma_x, &err), &err);
    check(oqt_system_add_dissipator(system, 0.1, sigma_minus, &err), &err);
    check(oqt_system_add_dissipator(system, 0.2, sigma_z, &err), &err);
    check(oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), &err);
    options.system = system;
    check(oqt_pt_create(&pt, bath, 2, half_sigma_z, dt, &options, &err), &err);
    check(oqt_dynamics_create(&dynamics, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system}, up,
                              NULL, &err),
          &err);
    check(oqt_dynamics_record(rho, dynamics, N_STEPS, &err), &err);
    for (size_t k = 0; k <= N_STEPS; k++)
        printf("%g\t%.10f\n", (double)k * dt, rho[4 * k].re - rho[4 * k + 3].re);

    oqt_dynamics_destroy(dynamics);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
    return 0;
}
