// user.cpp - the same from C++: everything links, oqt_complex is laid out as std::complex<double>, and the
// header for C++ frees what it makes and throws what fails.
#include <cmath>
#include <complex>
#include <cstdio>
#include <string>
#include <vector>

#include <oqtempo/oqtempo.hpp>

using complex = std::complex<double>;

// Without the header for C++.
static int propagate_as_in_c()
{
    oqt_error err;
    oqt_system *system = nullptr;
    const oqt_complex half_sigma_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
    std::vector<complex> propagator(16);

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

// Pure dephasing: <sigma_x> = exp(-Re eta(t)); the truncation tolerance is 1e-6.
static int run_with_handles()
{
    const std::size_t n = 10;
    const double dt = 0.1;
    const complex zero[4] = {};
    std::vector<complex> coupling(4), plus(4), sigma_x(4), states((n + 1) * 4), mean(n + 1), eta(1);
    std::vector<double> times;

    oqt::call(oqt_op_add, coupling, 2, complex(0.5, 0.0), "sigma_z");
    oqt::call(oqt_op_by_name, sigma_x, 2, "sigma_x");
    oqt::call(oqt_state_by_name, plus, 2, "x+");
    oqt::system system = oqt::make<oqt::system>(oqt_system_create, 2, zero);
    const oqt::bath bath =
        oqt::make<oqt::bath>(oqt_bath_create_power_law, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2);
    oqt::process_tensor pt = oqt::make<oqt::process_tensor>(oqt_pt_create, bath, 2, coupling, dt, nullptr);
    const oqt_pt *pts[] = {pt.get()};
    const oqt_system *systems[] = {system.get()};
    oqt::dynamics first = oqt::make<oqt::dynamics>(oqt_dynamics_create, 1, pts, 1, systems, plus, nullptr);
    oqt::dynamics run = std::move(first);
    oqt::call(oqt_dynamics_record, states, run, n);
    for (std::size_t k = 0; k <= n; k++)
        times.push_back(static_cast<double>(k) * dt);
    oqt::trajectory trajectory =
        oqt::make<oqt::trajectory>(oqt_trajectory_create, 2, n + 1, times, states, 0);
    oqt_trajectory_expect(reinterpret_cast<oqt_complex *>(mean.data()), trajectory.get(),
                          reinterpret_cast<const oqt_complex *>(sigma_x.data()));
    oqt::call(oqt_bath_eta_function, eta, bath, 1, &times[n], 0);
    std::printf("C++: <sigma_x> = %g\n", mean[n].real());
    return !first && std::abs(mean[n] - std::exp(-eta[0].real())) < 1e-5 ? 0 : 1;
}

// An excitation goes from one site to the other and back: cos^2 t.
static int run_a_chain()
{
    const std::size_t dim[2] = {2, 2};
    std::vector<complex> exchange(16), initial(8), up(8), mean(2);
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;

    exchange[6] = exchange[9] = 1.0;
    initial[0] = initial[7] = up[0] = up[4] = 1.0;
    opt.dt = 0.1;
    opt.tolerance = 1e-12;
    oqt::chain chain = oqt::make<oqt::chain>(oqt_chain_create, 2, dim);
    oqt::system bond = oqt::make<oqt::system>(oqt_system_create, 4, exchange);
    oqt::call(oqt_chain_add_bond, chain, 0, bond);
    oqt::tebd run = oqt::make<oqt::tebd>(oqt_tebd_create, chain, initial, nullptr, nullptr, &opt);
    oqt::call(oqt_tebd_step, run, 6);
    oqt::call(oqt_tebd_expectations, mean, run, up);
    std::printf("C++: <up> = %g\n", mean[0].real());
    return std::abs(mean[0] - std::pow(std::cos(0.6), 2)) < 1e-9 ? 0 : 1;
}

static int catch_what_is_thrown()
{
    try {
        oqt::make<oqt::bath>(oqt_bath_create_power_law, -1.0, 1.0, 5.0, OQT_CUTOFF_HARD, 0.0);
    } catch (const oqt::error &e) {
        std::printf("C++: %s\n", e.what());
        return e.code() == OQT_EINVAL && e.what()[0] != '\0' ? 0 : 1;
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 2 || oqt_version() != std::string(argv[1]))
        return 1;
    return propagate_as_in_c() || run_with_handles() || run_a_chain() || catch_what_is_thrown();
}
