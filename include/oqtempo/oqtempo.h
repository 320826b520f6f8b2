/* oqtempo/oqtempo.h - everything: baths, process tensors, dynamics. */
#ifndef OQT_OQTEMPO_H
#define OQT_OQTEMPO_H

#include <oqtempo/bath.h>
#include <oqtempo/chain.h>
#include <oqtempo/control.h>
#include <oqtempo/core.h>
#include <oqtempo/dynamics.h>
#include <oqtempo/guess.h>
#include <oqtempo/liouville.h>
#include <oqtempo/operators.h>
#include <oqtempo/pt.h>
#include <oqtempo/tempo.h>
#include <oqtempo/trajectory.h>
#include <oqtempo/types.h>
#include <oqtempo/version.h>

#endif
