/* numbers.h - private: complex products, and one small random generator. */
#ifndef OQT_PRIV_NUMBERS_H
#define OQT_PRIV_NUMBERS_H

#include <oqtempo/types.h>

static inline oqt_complex oqt__mul(oqt_complex a, oqt_complex b)
{
    return (oqt_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static inline oqt_complex oqt__conj(oqt_complex a)
{
    return (oqt_complex){a.re, -a.im};
}

/** The next 64 random bits (splitmix64): the same on every machine, from a seed that the caller keeps. */
static inline uint64_t oqt__random_bits(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
