/* metric_single.c - the products behind a metric, as in metric.c, in single precision. */
#include "pt/metric.h"

#include <math.h>
#include <string.h>

typedef float real;
#define square_product oqt__square_product_single
#define improve        oqt__metric_improve_single
#include "pt/metric_kernel.h"
