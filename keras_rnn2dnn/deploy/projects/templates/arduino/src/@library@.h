/* The one header of the library. */
#ifndef @LIBRARY@_H
#define @LIBRARY@_H

#include "@name@.h"

#endif
