/* user.c - a program of someone who has installed the library: version, a bath, a failure with its text. */
#include <oqtempo/oqtempo.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    oqt_error err;
    oqt_bath *bath = NULL;
    oqt_complex eta[3];

    if (argc != 2 || strcmp(oqt_version(), argv[1]) != 0 || strcmp(OQT_VERSION, argv[1]) != 0) {
        fprintf(stderr, "headers are %s, library is %s\n", OQT_VERSION, oqt_version());
        return 1;
    }
    if (oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err) != OQT_OK ||
        oqt_bath_eta(eta, bath, 0.05, 3, NULL, 0, &err) != OQT_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    oqt_bath_destroy(bath);
    if (oqt_bath_create_power_law(&bath, -1.0, 1.0, 5.0, OQT_CUTOFF_HARD, 0.0, &err) != OQT_EINVAL) {
        fprintf(stderr, "a negative coupling was accepted\n");
        return 1;
    }
    printf("C: eta_0 = %g%+gi\n", eta[0].re, eta[0].im);
    return eta[0].re > 0.0 ? 0 : 1;
}
