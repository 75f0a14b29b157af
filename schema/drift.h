/* Drift: content of frames that their topics' rows do not describe, or that differs from earlier
 * frames of the topic. Rows describe the exchange's documents and recorded frames, so a finding
 * means that the exchange changed something, or that a row is incomplete.
 *
 * A reader examines one frame and makes notes; a stream keeps what earlier frames of one topic and
 * symbol had. schema/drift_table.h counts notes as findings. The decoder finds new and repeated
 * members (decoder_survey), and counts them in msg_head.unknown_fields. Readers and streams each
 * belong to one thread at a time. No I/O, no clock. */
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
    DRIFT_NEW_TOPIC,      /* a topic without a row in its family */
    DRIFT_NEW_FIELD,      /* a member that is not in the row */
    DRIFT_REPEATED_FIELD, /* a key that occurs twice in one object */
    DRIFT_FIELD_GONE,     /* a member that nearly every frame had, and that is missing in the latest
                             frames */
    DRIFT_TYPE_CHANGED, /* a JSON type that the member did not have in the stream's first frames */
    DRIFT_NEW_VALUE,    /* a text that is not documented */
    DRIFT_OUT_OF_SCALE, /* more decimal places than before, or than the field can have */
    DRIFT_OUT_OF_RANGE, /* an implausible number or time */
    DRIFT_NOT_DECODED,  /* the frame, or a time in it, is unreadable */
    DRIFT_KIND_COUNT,
} drift_kind;

/* A member counts as gone if it was in DRIFT_NEARLY_PERCENT of the frames that could have it, in at
 * least DRIFT_GONE_BEFORE of them, and is missing in DRIFT_GONE_FRAMES consecutive frames. */
enum { DRIFT_GONE_BEFORE = 10, DRIFT_NEARLY_PERCENT = 95, DRIFT_GONE_FRAMES = 10 };

/* How many numbers of a field are read before its decimal places count as known. With a lower
 * value, every quiet market would give findings, because the exchange omits trailing zeros. */
enum { DRIFT_PLACES_VALUES = 1000 };

/* ---- one frame ---- */

/* A frame to examine. */
typedef struct drift_frame {
    const family *of;  /* NULL: a family that this version does not know */
    topic_match topic; /* row NULL: the frame is classified first */
    uint64_t recv_ns;  /* 0: unknown */
    uint64_t order; /* position among all frames that are added to one table; no two frames have the
                       same */
    td_bytes bytes; /* followed by DECODE_PADDING_BYTES readable bytes */
} drift_frame;

/* Something found in a frame. */
typedef struct drift_note {
    drift_kind kind;
    /* 1: the detail is a text of a member whose documentation is incomplete; whether it is new
     * depends on earlier frames (drift_finding_is_new). */
    uint8_t is_learnt;
    char path[LIMIT_DRIFT_PATH_BYTES];     /* path of the member, in the syntax of rows
                                              ("data.update.price"); "": the frame itself */
    char detail[LIMIT_DRIFT_DETAIL_BYTES]; /* more about the kind: "number to string"; "" if the
                                              kind suffices */
    /* Receive time and order of the first frame that the note is about: this frame, or an earlier
     * one if several frames together are a finding. */
    uint64_t first_ns;
    uint64_t first_order;
    uint64_t count;
} drift_note;

/* Examines frames. Owns a decoder. */
typedef struct drift_reader drift_reader;
TD_NEVER_NULL drift_reader *drift_reader_open(void);
void drift_reader_close(drift_reader *reader);

/* What earlier frames of one topic and symbol had, whichever connection received them. Reset when
 * the topic's row changes, because rows may be limited in time. */
typedef struct drift_stream drift_stream;
TD_NEVER_NULL drift_stream *drift_stream_open(void);
void drift_stream_close(drift_stream *stream);

/* Result of examining a frame. Valid until the reader's next call. */
typedef struct drift_result {
    td_bytes topic;  /* without the symbol. For frames without a row: the topic in the frame, with
                        symbols replaced by "{symbol}"; "_control.CLASS" ("_control.ack"); or
                        "_unknown" */
    td_bytes symbol; /* empty: absent */
    td_bytes text;   /* the frame, or its inflated text */
    const drift_note *notes;
    size_t count;
    /* Number of notes that were dropped because the frame had more than LIMIT_DRIFT_NOTES, or more
     * than LIMIT_SURVEY_UNEXPECTED unexpected members. */
    uint64_t left_out;
} drift_result;

/* Examine an inbound frame. If stream is NULL, the frame is not compared with earlier ones (no
 * field_gone, no type_changed, no checks of decimal places and price jumps). */
void drift_read(drift_reader *reader, drift_stream *stream, const drift_frame *frame,
                drift_result *out);

/* Stable name of a kind ("new_field"). */
const char *drift_kind_name(drift_kind kind);

#endif
