/* A frame as it is compared: without what a mapping file leaves out of both sides. Order books have
 * seen all of it. One thread per scratch. */
#ifndef TD_REGRESS_COMPARED_FRAME_H
#define TD_REGRESS_COMPARED_FRAME_H

#include "base/arena.h"
#include "base/err.h"
#include "play/stream.h"
#include "regress/decoder_map.h"

/* Memory of one thread for compared_frame_of(). Zero-initialise. */
typedef struct compared_scratch {
    td_arena *arena; /* made when it is needed */
    frame_content content;
} compared_scratch;

void compared_scratch_fini(compared_scratch *scratch);

/* A frame as it is compared: from itself, or with a content of which the map (NULL: none) leaves
 * out what it says. Valid until the scratch is used again. TD_E_NOMEM. */
TD_MUST_USE td_result compared_frame_of(const decoder_map *map, compared_scratch *scratch,
                                        const stream_frame *from, stream_frame *out, td_err *err);

#endif
