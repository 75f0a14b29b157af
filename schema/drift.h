/* Drift: what frames contain that their topics' rows do not know, or that differs from what the
 * topic had before. Rows are what the documents and recordings show, so a finding means that the
 * exchange has changed something, or that a row is incomplete.
 *
 * A reader looks at one frame and notes what it finds; a stream remembers what the frames of one
 * topic's symbol had so far. schema/drift_table.h counts notes as findings. What counts as known is
 * what the decoder reads: new and repeated members are those that it counts in
 * msg_head.unknown_fields (decoder_survey). Readers and streams each belong to one thread at a
 * time. No I/O, no clock. */
#ifndef TD_SCHEMA_DRIFT_H
#define TD_SCHEMA_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/family.h"

typedef enum drift_kind {
    DRIFT_NEW_TOPIC,      /* a topic that no row of the family fits */
    DRIFT_NEW_FIELD,      /* a member that the row does not name */
    DRIFT_REPEATED_FIELD, /* a key that occurs twice in one object */
    DRIFT_FIELD_GONE,     /* a member that nearly every frame had, and that is missing since */
    DRIFT_TYPE_CHANGED,   /* a member has another JSON type than in the stream's first frames */
    DRIFT_NEW_VALUE,      /* a text that is not a documented one */
    DRIFT_OUT_OF_SCALE,   /* more decimal places than the stream had, or than the field can have */
    DRIFT_OUT_OF_RANGE,   /* a number or time that cannot be right */
    DRIFT_NOT_DECODED,    /* the frame, or a time in it, cannot be read */
    DRIFT_KIND_COUNT,
} drift_kind;

/* When a member counts as gone: it was in DRIFT_NEARLY_PERCENT of the frames that could have it, of
 * at least DRIFT_GONE_BEFORE, and is missing in DRIFT_GONE_FRAMES in a row. */
enum { DRIFT_GONE_BEFORE = 10, DRIFT_NEARLY_PERCENT = 95, DRIFT_GONE_FRAMES = 10 };

/* How many numbers of a field in a stream show its decimal places. Fewer would find a tick in every
 * quiet market: the exchange leaves out zeros at the end. */
enum { DRIFT_PLACES_VALUES = 1000 };

/* ---- one frame ---- */

/* A frame to look at. */
typedef struct drift_frame {
    const family *of;  /* NULL: none that this version knows */
    topic_match topic; /* row NULL: the frame is classified first */
    uint64_t recv_ns;  /* 0: unknown */
    uint64_t order;    /* of the frame among all that go into one table: each has its own */
    td_bytes bytes;    /* DECODE_PADDING_BYTES after them are readable */
} drift_frame;

/* Something found in a frame. */
typedef struct drift_note {
    drift_kind kind;
    /* 1: a text of a member whose documented values are incomplete: whether it is new depends on
     * what came before (drift_finding_is_new). */
    uint8_t is_learnt;
    char path[LIMIT_DRIFT_PATH_BYTES]; /* of the member, as rows write paths ("data.update.price");
                                          "": the frame itself */
    char detail[LIMIT_DRIFT_DETAIL_BYTES]; /* "number to string"; "" if the kind says it all */
    /* Of the frames that the note is about: this one alone, or those before it as well where only
     * several together show something. */
    uint64_t first_ns;
    uint64_t first_order;
    uint64_t count;
} drift_note;

/* Looks at frames. Owns a decoder. */
typedef struct drift_reader drift_reader;
TD_NEVER_NULL drift_reader *drift_reader_open(void);
void drift_reader_close(drift_reader *reader);

/* What the frames of one topic and symbol (received on whichever connections) had so far. A row of
 * another time starts it over. */
typedef struct drift_stream drift_stream;
TD_NEVER_NULL drift_stream *drift_stream_open(void);
void drift_stream_close(drift_stream *stream);

/* What a look at a frame gave. Valid until the reader's next call. */
typedef struct drift_look {
    td_bytes topic; /* without the symbol; of a frame without row what it names, symbols replaced by
                       "{symbol}"; "_control.ack" and the like; "_unknown" */
    td_bytes symbol; /* empty: none */
    td_bytes text;   /* the frame, or what it inflates to */
    const drift_note *notes;
    size_t count;
    uint64_t left_out; /* notes beyond LIMIT_DRIFT_NOTES */
} drift_look;

/* Look at an inbound frame. stream may be NULL: then nothing is compared with earlier frames
 * (field_gone, type_changed, places, jumps of prices). */
void drift_read(drift_reader *reader, drift_stream *stream, const drift_frame *frame,
                drift_look *out);

/* Stable name of a kind ("new_field"). */
const char *drift_kind_name(drift_kind kind);

#endif
