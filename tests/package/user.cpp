// user.cpp - the same from C++: everything links, and oqt_complex is laid out as std::complex<double>.
#include <complex>
#include <cstdio>
#include <string>
#include <vector>

#include <oqtempo/oqtempo.h>

int main(int argc, char **argv)
{
    oqt_error err;
    oqt_system *system = nullptr;
    const oqt_complex half_sigma_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
    std::vector<std::complex<double>> propagator(16);

    if (argc != 2 || oqt_version() != std::string(argv[1]))
        return 1;
    if (oqt_system_create(&system, 2, half_sigma_x, &err) != OQT_OK ||
        oqt_system_propagator(reinterpret_cast<oqt_complex *>(propagator.data()), system, 0.7, &err) !=
            OQT_OK) {
        std::fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    oqt_system_destroy(system);
    std::printf("C++: |U_uu,uu| = %g\n", std::abs(propagator[0]));
    return std::abs(propagator[0]) < 1.0 ? 0 : 1;
}
