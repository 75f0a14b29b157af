/* Several archives of recorders that recorded the same feeds, for which a verb answers as one. One
 * thread. */
#ifndef TD_VERBS_FLEET_H
#define TD_VERBS_FLEET_H

#include <stddef.h>

#include "base/err.h"
#include "archive/archive.h"

/* Refuse archives that are no fleet. TD_E_INVALID: one is a single file or a cut; two have a
 * session in common (one is a copy of the other, or the same archive is given twice); one has no
 * feed that another one has; a feed has different families. TD_E_*: an archive cannot be read. */
TD_MUST_USE td_result fleet_check(archive *const *archives, size_t count, td_err *err);

#endif
