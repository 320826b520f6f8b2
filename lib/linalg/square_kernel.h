/*
 * square_kernel.h - products of square matrices in one precision, for square.c and square_single.c, which say
 * what `real`, `square_product` and `gemm` are.
 *
 * Below size 16 a call of dgemm takes up to twice as long as the kernel. Above, both are as fast as the
 * processor allows, but the kernel leaves half of a symmetric product out; so do strips of rows with BLAS.
 */
enum { SMALL = 96, BLOCK = 64 };

/* Without an alignment of its own, so that it may stand for numbers anywhere. */
typedef real lanes __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));

/* Tile of c with 4 rows and twice the lanes of a vector. */
OQT__SIMD_PART void wide_tile(real *c, real alpha, const real *a, const real *b, real beta, size_t n,
                              size_t ld)
{
    const real *a0 = a, *a1 = a0 + ld, *a2 = a1 + ld, *a3 = a2 + ld;
    lanes s00 = {0}, s01 = {0}, s10 = {0}, s11 = {0}, s20 = {0}, s21 = {0}, s30 = {0}, s31 = {0};
    lanes *c0 = (lanes *)c, *c1 = (lanes *)(c + ld);
    lanes *c2 = (lanes *)(c + 2 * ld), *c3 = (lanes *)(c + 3 * ld);

    for (size_t k = 0; k < n; k++) {
        const lanes *row = (const lanes *)(b + k * ld);
        lanes b0 = row[0], b1 = row[1];

        s00 += a0[k] * b0;
        s01 += a0[k] * b1;
        s10 += a1[k] * b0;
        s11 += a1[k] * b1;
        s20 += a2[k] * b0;
        s21 += a2[k] * b1;
        s30 += a3[k] * b0;
        s31 += a3[k] * b1;
    }
    if (beta == 0) {
        c0[0] = alpha * s00, c0[1] = alpha * s01;
        c1[0] = alpha * s10, c1[1] = alpha * s11;
        c2[0] = alpha * s20, c2[1] = alpha * s21;
        c3[0] = alpha * s30, c3[1] = alpha * s31;
    } else {
        c0[0] = beta * c0[0] + alpha * s00, c0[1] = beta * c0[1] + alpha * s01;
        c1[0] = beta * c1[0] + alpha * s10, c1[1] = beta * c1[1] + alpha * s11;
        c2[0] = beta * c2[0] + alpha * s20, c2[1] = beta * c2[1] + alpha * s21;
        c3[0] = beta * c3[0] + alpha * s30, c3[1] = beta * c3[1] + alpha * s31;
    }
}

/* Tile with 4 rows and the lanes of a vector; even and odd k apart, so that sums do not wait for one another.
 * Rows of a are padded with zeros to an even length. */
OQT__SIMD_PART void narrow_tile(real *c, real alpha, const real *a, const real *b, real beta, size_t n,
                                size_t ld)
{
    const real *a0 = a, *a1 = a0 + ld, *a2 = a1 + ld, *a3 = a2 + ld;
    lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, t0 = {0}, t1 = {0}, t2 = {0}, t3 = {0};
    lanes *c0 = (lanes *)c, *c1 = (lanes *)(c + ld);
    lanes *c2 = (lanes *)(c + 2 * ld), *c3 = (lanes *)(c + 3 * ld);

    for (size_t k = 0; k < n; k += 2) {
        lanes even = *(const lanes *)(b + k * ld), odd = *(const lanes *)(b + (k + 1) * ld);

        s0 += a0[k] * even;
        s1 += a1[k] * even;
        s2 += a2[k] * even;
        s3 += a3[k] * even;
        t0 += a0[k + 1] * odd;
        t1 += a1[k + 1] * odd;
        t2 += a2[k + 1] * odd;
        t3 += a3[k + 1] * odd;
    }
    if (beta == 0) {
        *c0 = alpha * (s0 + t0);
        *c1 = alpha * (s1 + t1);
        *c2 = alpha * (s2 + t2);
        *c3 = alpha * (s3 + t3);
    } else {
        *c0 = beta * *c0 + alpha * (s0 + t0);
        *c1 = beta * *c1 + alpha * (s1 + t1);
        *c2 = beta * *c2 + alpha * (s2 + t2);
        *c3 = beta * *c3 + alpha * (s3 + t3);
    }
}

OQT__SIMD static void small_product(real *c, real alpha, const real *a, const real *b, real beta, size_t n,
                                    size_t ld, bool lower)
{
    const size_t width = sizeof(lanes) / sizeof(real);

    for (size_t i = 0; i < n; i += 4) {
        size_t end = lower && i + 4 < ld ? i + 4 : ld, j = 0;

        for (; j + width < end; j += 2 * width)
            wide_tile(c + i * ld + j, alpha, a + i * ld, b + j, beta, n, ld);
        if (j < end)
            narrow_tile(c + i * ld + j, alpha, a + i * ld, b + j, beta, n, ld);
    }
}

void square_product(real *c, real alpha, const real *a, const real *b, real beta, size_t n, bool lower)
{
    size_t ld = oqt__padded(n);

    if (n <= SMALL) {
        small_product(c, alpha, a, b, beta, n, ld, lower);
        return;
    }
    if (!lower) {
        gemm(false, false, n, n, n, alpha, a, ld, b, ld, beta, c, ld);
        return;
    }
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t rows = n - i < BLOCK ? n - i : BLOCK;

        gemm(false, false, rows, i + rows, n, alpha, a + i * ld, ld, b, ld, beta, c + i * ld, ld);
    }
}
