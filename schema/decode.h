/* Decodes a frame's bytes into a typed message.
 *
 * A decoder owns a JSON parser and an arena, and belongs to one thread. Frames in canonical form
 * are read on a fast path, other forms and some topics by the row-driven decoder. Both give equal
 * messages. Nothing is kept between frames but what the next ones are likely to repeat. */
#ifndef TD_SCHEMA_DECODE_H
#define TD_SCHEMA_DECODE_H

#include "base/bytes.h"
#include "base/channel.h"
#include "schema/classify.h"
#include "schema/decode_result.h"
#include "schema/family.h"
#include "schema/message.h"

typedef struct decoder decoder;

enum {
    /* Readable bytes, with any values, that must follow a frame, because the JSON parser works in
     * blocks. Buffers of chunks end with such bytes, so that frames are decoded in place. */
    DECODE_PADDING_BYTES = 64,
};

typedef enum decode_path {
    DECODE_PATH_FAST,  /* on the fast path; books and trades with only the members that the plain
                          structs have */
    DECODE_PATH_WHOLE, /* as DECODE_PATH_FAST, but with every member: message.extra has the members
                          that the plain structs lack */
    DECODE_PATH_ROWS, /* as DECODE_PATH_WHOLE, but never on the fast path (tests compare the two) */
} decode_path;

/* Close accepts NULL. */
TD_NEVER_NULL decoder *decoder_open(void);
void decoder_close(decoder *d);

/* Decode a frame of a known topic (from its channel or from decoder_classify()). frame must be
 * followed by DECODE_PADDING_BYTES readable bytes. Compressed frames, which begin neither as JSON
 * nor with white space, are inflated first. Returns 1 and fills *out (valid until the next call and
 * while the frame's bytes are), or 0 and fills *why. If topic->row is NULL, returns 0. For a frame
 * that is JSON, the reason is then DECODE_UNKNOWN_TOPIC, or DECODE_NO_TOPIC if topic->topic is also
 * empty (decoder_classify() leaves it empty for frames without a topic). */
int decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                   message *out, decode_error *why);

/* ---- surveys: the members of a frame ---- */

/* Decode a frame by its row (as DECODE_PATH_ROWS), and list the frame's members in *survey, which
 * is valid as long as *out. If it returns 0, only survey->text is set. topic->row is not NULL. */
int decoder_survey(decoder *d, const topic_match *topic, td_bytes frame, message *out,
                   frame_survey *survey, decode_error *why);

/* Parse a frame whose topic has no row; sets only root and text of *survey. Returns 1, or 0 and
 * *why if the frame is not JSON. */
int decoder_survey_text(decoder *d, td_bytes frame, frame_survey *survey, decode_error *why);

/* Classify a frame (schema/classify.h). of may be NULL: then no topic is matched. at_ns is the
 * receive time (TOPIC_NOW if unknown); only rows that are valid at this time match. The frame must
 * have padding as for decoder_decode(); compressed frames are inflated. Views in *out are valid
 * until this decoder's next call for another frame, and while the frame's bytes are. */
void decoder_classify(decoder *d, const family *of, td_bytes frame, channel_dir dir, uint64_t at_ns,
                      classification *out);

/* Classify a frame that does not say all of its topic (classification.is_open), which is known,
 * spelled as frames do. Else as decoder_classify(). */
void decoder_classify_as(decoder *d, const family *of, td_bytes topic, td_bytes frame,
                         uint64_t at_ns, classification *out);

/* Classify an answer about orders that does not name its topic (schema/classify.h). */
void decoder_classify_answer(decoder *d, const family *of, td_bytes topic, td_bytes frame,
                             uint64_t at_ns, classification *out);

/* 1 if decoder_classify() tries to inflate this inbound frame; that may take a thousand times as
 * long as the frame's size suggests. A pong that is text (frame_keys.pong) is not inflated. */
int decoder_inflates(const family *of, td_bytes frame);

/* Number of frames that the row-driven decoder read, because they were not in canonical form or the
 * fast path cannot read their topic. The row-driven decoder takes some five times as long. */
uint64_t decoder_slow_count(const decoder *d);

/* Stable name of a reason ("missing_field"). */
const char *decode_reason_name(decode_reason reason);

#endif
