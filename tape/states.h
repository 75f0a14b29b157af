/* The states that a tape begins with, out of a checkpoint (format/checkpoint.h): what came before
 * it need not be read. One thread. */
#ifndef TD_TAPE_STATES_H
#define TD_TAPE_STATES_H

#include "archive/moment.h"
#include "book/symbol_state.h"
#include "tape/source.h"

typedef struct saved_states {
    cursor_state *items;
    size_t count;
    size_t next; /* of those that the cursor's user has not taken */
} saved_states;

void saved_states_fini(saved_states *states);

/* Add the wanted states of a session's checkpoint; topics that the selection lacks are in none of
 * them. All or nothing: TD_E_* if one of them cannot be read or was left out. */
TD_MUST_USE td_result saved_states_load(saved_states *to, archive *archive,
                                        const moment_session *from, const source_options *reading,
                                        symbol_audits audits, td_err *err);

#endif
