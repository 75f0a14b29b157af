/* Frames in a form that no document has, as an exchange sends them after a silent change: for
 * recorders and tests that have to notice it. A drifted frame is the family's own, with one member
 * of its first entry (or of itself, if it has no entry) changed. One thread. */
#ifndef TD_SIM_DRIFT_H
#define TD_SIM_DRIFT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "json/json.h"
#include "schema/family.h"
#include "sim/fault.h"

/* Zero-initialise. */
typedef struct drift_maker {
    json_parser *parser; /* made at the first frame */
    td_buf in, out;
} drift_maker;

void drift_maker_fini(drift_maker *self);

/* Change a frame of the family's topic as the fault says:
 *   FAULT_NEW_FIELD   a member "simulated":"1" more, at the beginning; of an entry that is an
 *                     array an element "1" more, at the end
 *   FAULT_LOST_FIELD  the first required field is left out
 *   FAULT_NEW_TYPE    the first number is a string where it was a number, and the reverse; a
 *                     string that is no number in JSON is an array of it
 *   FAULT_NEW_TOPIC   the topic has "new_" before its name
 * A frame that has no such place stays as it is. Returns the frame: bytes, or a copy that is valid
 * until the next call but one. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result drift_make(drift_maker *self, fault_kind kind, const family *of,
                                 const char *exchange_topic, td_bytes bytes, td_bytes *out,
                                 td_err *err);

#endif
