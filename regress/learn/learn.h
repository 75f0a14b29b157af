/* Proposes the documents of an exchange and a family (docs/families.md) for a capture whose frames
 * no family describes (the verb `family learn` without its command line): where topic and symbol
 * are, what entries and their fields are, which numbers count. What it cannot know from frames it
 * leaves out, or names in a comment; a user completes the documents. One thread. */
#ifndef TD_LEARN_LEARN_H
#define TD_LEARN_LEARN_H

#include "base/buf.h"
#include "base/channel.h"
#include "base/err.h"
#include "regress/learn/learn_paths.h"

typedef struct learn learn;

/* Frames that are kept; later ones are counted only. */
#define LEARN_FRAMES_MAX 50000u
#define LEARN_BYTES_MAX  ((size_t)256 << 20)

/* name: of exchange and family; borrowed. */
learn *learn_open(const char *name);
void learn_close(learn *self); /* NULL is fine */

/* Add a frame of a connection, in order of time; HTTP replies are ignored. conn may be empty. */
void learn_add(learn *self, channel_dir dir, td_bytes conn, td_bytes frame);

/* The kept frames that were received, one in each call: *next is 0 in the first. data NULL after
 * the last. JSON_PADDING_BYTES are readable after a frame. */
td_bytes learn_received(const learn *self, size_t *next);

/* The address of a connection. */
void learn_address(learn *self, td_bytes url);

/* What was found. */
typedef struct learn_report {
    uint64_t frames;  /* received */
    uint64_t ignored; /* beyond the limits */
    uint64_t of_topics;
    size_t topics;
} learn_report;

/* Write both documents. TD_E_NOTFOUND: there are no frames, or nothing in them looks like a topic;
 * TD_E_LIMIT. */
TD_MUST_USE td_result learn_write(learn *self, td_buf *exchange, td_buf *family,
                                  learn_report *report, td_err *err);

#endif
