/* The model of spin-boson.yaml: cc spin_boson.c $(pkg-config --cflags --libs oqtempo) */
#include <oqtempo/oqtempo.h>
#include <stdio.h>

static const oqt_complex up[4] = {{1, 0}}, half_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}},
                         half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}}, minus[4] = {[2] = {1, 0}},
                         sigma_z[4] = {{1, 0}, {0, 0}, {0, 0}, {-1, 0}};

int main(void)
{
    oqt_system *system = NULL;
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_dynamics *run = NULL;
    oqt_error err = {OQT_OK, ""};
    oqt_complex rho[4];

    if (oqt_system_create(&system, 2, half_x, &err) == OQT_OK &&
        oqt_system_add_dissipator(system, 0.1, minus, &err) == OQT_OK &&
        oqt_system_add_dissipator(system, 0.2, sigma_z, &err) == OQT_OK &&
        oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err) == OQT_OK &&
        oqt_pt_create(&pt, bath, 2, half_z, 0.05, NULL, &err) == OQT_OK &&
        oqt_dynamics_create(&run, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system}, up, NULL,
                            &err) == OQT_OK)
        for (int k = 0; k <= 100 && err.code == OQT_OK; k++) {
            oqt_dynamics_state(rho, run, 0);
            printf("%g\t%.10f\n", 0.05 * k, rho[0].re - rho[3].re); /* t, <sigma_z> */
            oqt_dynamics_step(run, 1, &err);
        }
    if (err.code != OQT_OK)
        fprintf(stderr, "%s\n", err.text);
    oqt_dynamics_destroy(run);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
    return err.code != OQT_OK;
}
