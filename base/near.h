/* Finds the name closest to a mistyped one. Pure functions; any thread. */
#ifndef TD_BASE_NEAR_H
#define TD_BASE_NEAR_H

#include <stddef.h>

#include "base/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Distance of a name from the written text: 0 is equal, NEAR_FAR is not similar. Similar names
 * differ by at most one letter in three (ignoring case), or share their first three letters; an
 * edit counts less than a shared beginning. */
enum { NEAR_FAR = 1000 };
unsigned td_near(td_bytes written, const char *name);

#ifdef __cplusplus
}
#endif

#endif
