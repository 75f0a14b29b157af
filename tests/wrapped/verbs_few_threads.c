/* A tapedeck that can make only some threads. */
#include "tests/wrapped/few_threads.h"
