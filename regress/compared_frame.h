/* A frame as it is compared: without what a mapping file leaves out of both sides. Order books have
 * seen all of it. One thread per scratch. */
#ifndef TD_REGRESS_COMPARED_FRAME_H
#define TD_REGRESS_COMPARED_FRAME_H

#include "base/arena.h"
#include "base/err.h"
#include "play/stream.h"
#include "regress/decoder_map.h"
#include "schema/canonical.h"

/* Memory of one thread for compared_frame_of(). Zero-initialise. */
typedef struct compared_scratch {
    td_arena *arena; /* made when it is needed */
    frame_content content;
    message plain;
} compared_scratch;

void compared_scratch_fini(compared_scratch *scratch);

/* A frame as it is compared: from itself, or with a content without what is compared nowhere: what
 * the map (NULL: none) leaves out; and of plain members those besides, which a decoder of a user
 * may give in any case. Valid until the scratch is used again. TD_E_NOMEM. */
TD_MUST_USE td_result compared_frame_of(const decoder_map *map, canonical_members members,
                                        compared_scratch *scratch, const stream_frame *from,
                                        stream_frame *out, td_err *err);

#endif
