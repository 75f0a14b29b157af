/* What a program wants of a tape: its struct, which may be of another version, checked and with
 * times as the tree has them. Borrows the globs. */
#ifndef TD_EMBED_TAPE_REQUEST_H
#define TD_EMBED_TAPE_REQUEST_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "embed/include/tapedeck/archive.h"
#include "tape/selection.h"

typedef struct tape_request {
    selection wanted;
    uint32_t with;       /* TAPEDECK_WITH_* */
    uint32_t book_depth; /* 0: all levels */
    uint32_t threads;    /* at most LIMIT_THREADS */
} tape_request;

/* Read a selection. Members that the program's struct lacks are 0. TD_E_INVALID, also for members
 * and bits that this version of the library does not know and that are not 0. */
TD_MUST_USE td_result tape_request_read(const tapedeck_selection *from, tape_request *out,
                                        td_err *err);

/* Begin at another time. TD_E_INVALID: nothing is changed. */
TD_MUST_USE td_result tape_request_move(tape_request *self, const char *from, td_err *err);

#endif
