/* Functions that have no place here: using one fails to compile. Included by the build before every
 * C source (-include base/banned.h), behind the system headers that declare them. */
#ifndef TD_BASE_BANNED_H
#define TD_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* No bound on what they write. */
#pragma GCC poison strcpy strcat sprintf vsprintf gets
/* Hidden state shared by threads. */
#pragma GCC poison strtok gmtime localtime asctime ctime
/* Cannot tell 0 from an error. */
#pragma GCC poison atoi atol atoll

#endif
