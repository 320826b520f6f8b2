/* square.c - products of square matrices: a kernel of our own while they fit into a near cache, else BLAS. */
#include "linalg/linalg.h"

typedef double real;
#define square_product oqt__square_product
#define gemm           oqt__gemm
#include "linalg/square_kernel.h"
