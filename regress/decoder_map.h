/* A mapping file: how a user's decoder names what message JSON names otherwise, and what is
 * compared nowhere. One rule a line, "theirs = ours"; "#" begins a comment:
 *
 *     levels.px = levels.price     theirs is called so
 *     seq_no = cross_seq           a member of the message itself
 *     levels.foo = -               theirs is passed over
 *     - = trades.trade_id          ours is left out of both sides before they are compared
 *     - = action                   inserts and updates count as sets
 *
 * Constant once read; any thread. */
#ifndef TD_REGRESS_DECODER_MAP_H
#define TD_REGRESS_DECODER_MAP_H

#include "base/arena.h"
#include "base/err.h"
#include "schema/message.h"
#include "schema/message_build.h"

typedef struct decoder_map decoder_map;

/* Read the text of a mapping file; name is for errors. TD_E_INVALID with the line's number. */
TD_MUST_USE td_result decoder_map_open(td_bytes text, const char *name, decoder_map **out,
                                       td_err *err);
void decoder_map_close(decoder_map *map);

/* The text it was read from; NUL-terminated. */
const char *decoder_map_text(const decoder_map *map);

/* The names of a decoder's answers, for message_builder_open(); NULL if none differ. */
const message_names *decoder_map_names(const decoder_map *map);

/* 1 if something is left out of both sides. */
int decoder_map_leaves_out(const decoder_map *map);

/* Leave out what the map says: *out is m, or a copy in arena with views into m. TD_E_NOMEM. */
TD_MUST_USE td_result decoder_map_apply(const decoder_map *map, const message *m, td_arena *arena,
                                        const message **out, td_err *err);

#endif
