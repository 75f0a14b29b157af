/* Loads the states of symbols from a checkpoint (format/checkpoint.h), so that a tape can begin
 * there without reading earlier frames. Also adds states to a new checkpoint. One thread. */
#ifndef TD_TAPE_STATES_H
#define TD_TAPE_STATES_H

#include "archive/archive.h"
#include "base/err.h"
#include "book/symbol_table.h"
#include "format/checkpoint.h"

struct read_start;     /* archive/read_plan.h */
struct source_options; /* tape/source.h */

/* Add the wanted states of a session's checkpoint, without topics outside the selection. All or
 * nothing: TD_E_* if a wanted state cannot be read or was omitted. */
TD_MUST_USE td_result saved_states_load(symbol_table *to, archive *archive,
                                        const struct read_start *from,
                                        const struct source_options *reading, symbol_audits audits,
                                        td_err *err);

/* Add the states of the feed's symbols to a checkpoint. A state larger than LIMIT_STATE_BYTES is
 * omitted. */
void saved_states_add(const symbol_table *from, const char *feed, checkpoint_builder *out);

#endif
