// oqtempo/oqtempo.hpp - the C functions with handles that destroy themselves and failures that are thrown.
// C++11.
//
//     oqt::bath bath = oqt::make<oqt::bath>(oqt_bath_create_power_law, 0.3, 1.0, 5.0,
//                                           OQT_CUTOFF_EXPONENTIAL, 0.2);
//     oqt::call(oqt_bath_eta, eta, bath, 0.05, 20, nullptr, 0);
//
// make() is for functions that begin with a handle to be made and end with the error; call() for all others
// that end with it. Handles, std::complex<double> and vectors are passed as they are. Functions without an
// error are called as in C, with handle.get(). Callbacks must not throw.
#ifndef OQT_OQTEMPO_HPP
#define OQT_OQTEMPO_HPP

#include <complex>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <oqtempo/oqtempo.h>

namespace oqt
{

/// What a function of the library has returned instead of OQT_OK; what() is its message.
class error : public std::runtime_error
{
  public:
    explicit error(const oqt_error &err) : std::runtime_error(err.text), code_(err.code)
    {
    }
    oqt_status code() const noexcept
    {
        return code_;
    }

  private:
    oqt_status code_;
};

namespace detail
{

template <class T, void (*destroy)(T *)> struct destroyer {
    void operator()(T *object) const noexcept
    {
        destroy(object);
    }
};

template <class T, void (*destroy)(T *)> using handle = std::unique_ptr<T, destroyer<T, destroy>>;

// An int, mostly a literal, becomes the number that the function takes.
struct number {
    int value;
    template <class T, class = typename std::enable_if<std::is_arithmetic<T>::value>::type>
    operator T() const noexcept
    {
        return static_cast<T>(value);
    }
};

// What C takes for an argument.
template <class T> T &&plain(T &&value) noexcept
{
    return std::forward<T>(value);
}
template <class T, class D> T *plain(const std::unique_ptr<T, D> &handle) noexcept
{
    return handle.get();
}
template <class T, class D> T *plain(std::unique_ptr<T, D> &handle) noexcept
{
    return handle.get();
}
inline oqt_complex *plain(std::complex<double> *value) noexcept
{
    return reinterpret_cast<oqt_complex *>(value);
}
inline const oqt_complex *plain(const std::complex<double> *value) noexcept
{
    return reinterpret_cast<const oqt_complex *>(value);
}
inline oqt_complex plain(std::complex<double> value) noexcept
{
    return oqt_complex{value.real(), value.imag()};
}
inline number plain(int value) noexcept
{
    return number{value};
}
template <class T> auto plain(std::vector<T> &values) noexcept -> decltype(plain(values.data()))
{
    return plain(values.data());
}
template <class T> auto plain(const std::vector<T> &values) noexcept -> decltype(plain(values.data()))
{
    return plain(values.data());
}

} // namespace detail

using system = detail::handle<oqt_system, oqt_system_destroy>;
using bath = detail::handle<oqt_bath, oqt_bath_destroy>;
using process_tensor = detail::handle<oqt_pt, oqt_pt_destroy>;
using control = detail::handle<oqt_control, oqt_control_destroy>;
using tempo = detail::handle<oqt_tempo, oqt_tempo_destroy>;
using dynamics = detail::handle<oqt_dynamics, oqt_dynamics_destroy>;
using chain = detail::handle<oqt_chain, oqt_chain_destroy>;
using tebd = detail::handle<oqt_tebd, oqt_tebd_destroy>;
using trajectory = detail::handle<oqt_trajectory, oqt_trajectory_destroy>;

/// f(arguments.., &err); throws oqt::error unless that is OQT_OK.
template <class F, class... A> void call(F f, A &&...arguments)
{
    oqt_error err;

    if (f(detail::plain(std::forward<A>(arguments))..., &err) != OQT_OK)
        throw error(err);
}

/// The handle that create(&handle, arguments.., &err) makes; throws oqt::error.
template <class H, class F, class... A> H make(F create, A &&...arguments)
{
    typename H::pointer made = nullptr;

    call(create, &made, std::forward<A>(arguments)...);
    return H(made);
}

} // namespace oqt

#endif
