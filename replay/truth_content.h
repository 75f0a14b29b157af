/* Compares what our decoders read in a frame with the exchange's engine, by the names that members
 * have in a message's JSON: the truth file has one name for a member, whatever the families call
 * it. One thread. */
#ifndef TD_REPLAY_TRUTH_CONTENT_H
#define TD_REPLAY_TRUTH_CONTENT_H

#include "base/err.h"
#include "replay/truth_table.h"
#include "schema/message.h"

typedef struct truth_content truth_content;

/* TD_E_NOMEM. */
TD_MUST_USE td_result truth_content_open(truth_content **out, td_err *err);
void truth_content_close(truth_content *self);

/* Take in a decoded message; its entries can be compared until the next one. TD_E_NOMEM. */
TD_MUST_USE td_result truth_content_take(truth_content *self, const message *decoded, td_err *err);

/* Compare an entry with what it must be: values is a JSON object, member names and their values. A
 * member that the family's frames do not have is passed over, but something must be there to
 * compare. *is_equal: 1 or 0. TD_E_INVALID, TD_E_NOMEM. */
TD_MUST_USE td_result truth_content_compare(truth_content *self, size_t index, td_bytes values,
                                            int *is_equal, td_err *err);

#endif
