/* The states of symbols out of a checkpoint (format/checkpoint.h), with which a tape begins so that
 * what came before need not be read, and into one. One thread. */
#ifndef TD_TAPE_STATES_H
#define TD_TAPE_STATES_H

#include "archive/archive.h"
#include "base/err.h"
#include "book/symbol_table.h"
#include "format/checkpoint.h"

struct moment_session; /* archive/moment.h */
struct source_options; /* tape/source.h */

/* Add the wanted states of a session's checkpoint; topics that the selection lacks are in none of
 * them. All or nothing: TD_E_* if one of them cannot be read or was left out. */
TD_MUST_USE td_result saved_states_load(symbol_table *to, archive *archive,
                                        const struct moment_session *from,
                                        const struct source_options *reading, symbol_audits audits,
                                        td_err *err);

/* Add the states of the feed's symbols to a checkpoint. A state that is larger than
 * LIMIT_STATE_BYTES is left out. */
void saved_states_add(const symbol_table *from, const char *feed, checkpoint_builder *out);

#endif
