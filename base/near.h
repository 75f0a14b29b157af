/* Which of some names was meant by a mistyped one. Pure functions; any thread. */
#ifndef TD_BASE_NEAR_H
#define TD_BASE_NEAR_H

#include <stddef.h>

#include "base/bytes.h"

/* How far a name is from what was written: 0 is equal, NEAR_FAR means that it was not meant. Near
 * are names with few letters more, less or other (one in three, case apart), and those that begin
 * alike (three letters); an edit counts less than a common beginning. */
enum { NEAR_FAR = 1000 };
unsigned td_near(td_bytes written, const char *name);

#endif
