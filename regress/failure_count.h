/* How many frames of a baseline a user's decoder failed at, by reason. The hashes of frames that
 * were not decoded have the reason, so that this covers all parts of a run that was interrupted.
 * One thread. */
#ifndef TD_REGRESS_FAILURE_COUNT_H
#define TD_REGRESS_FAILURE_COUNT_H

#include <stdint.h>

#include "base/err.h"
#include "regress/baseline.h"
#include "schema/decode.h"

/* counts[r]: frames that were not decoded for reason r; all of them are set. What
 * baseline_get_block gives but TD_EOF. */
TD_MUST_USE td_result failure_count(baseline *of, uint64_t counts[DECODE_REASON_COUNT],
                                    td_err *err);

#endif
