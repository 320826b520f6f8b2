/* square_single.c - as square.c, in single precision. */
#include "linalg/linalg.h"

typedef float real;
#define square_product oqt__square_product_single
#define gemm           oqt__gemm_single
#include "linalg/square_kernel.h"
