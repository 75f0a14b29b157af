/* A simulator with a limited number of threads. */
#include "tests/wrapped/few_threads.h"
