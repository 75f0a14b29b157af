/* From a frame's bytes to a typed message.
 *
 * A decoder owns a JSON parser and an arena, and belongs to one thread. Order book and trade frames
 * in canonical form are read on a fast path; those in any other form, and all other topics, by the
 * one decoder that reads the topic's row. Both give equal messages.
 * Nothing here keeps state between frames. */
#ifndef TD_SCHEMA_DECODE_H
#define TD_SCHEMA_DECODE_H

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/json/json.h"
#include "schema/classify.h"
#include "schema/decode_result.h"
#include "schema/family.h"
#include "schema/message.h"

typedef struct decoder decoder;

enum {
    /* Bytes after a frame that must be readable (their values do not matter): the JSON parser
     * works in blocks. Chunk buffers have them, so that frames are decoded in place. */
    DECODE_PADDING_BYTES = 64,
};

typedef enum decode_path {
    DECODE_PATH_FAST,  /* books and trades on the fast path, into plain structs */
    DECODE_PATH_WHOLE, /* the same with every member: message.beside is filled where the plain
                          structs have no place for some */
    DECODE_PATH_ROWS,  /* the same, never on the fast path (tests compare the two) */
} decode_path;

TD_NEVER_NULL decoder *decoder_open(void);
void decoder_close(decoder *d);

/* Decode a frame of a known topic (from its channel or from classify). frame must have
 * DECODE_PADDING_BYTES readable bytes after it. A compressed frame (one that begins neither as
 * JSON nor with white space) is inflated first. Returns 1 and fills *out (valid until the next
 * call and while the frame's bytes are), or 0 and fills *why. Without a row: DECODE_UNKNOWN_TOPIC,
 * DECODE_NO_TOPIC if topic->topic is empty (as classify leaves it for a frame that names none), or
 * why the frame is no JSON. */
int decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                   message *out, decode_error *why);

/* ---- what a frame holds, beside what it means ---- */

/* decoder_decode() by the row (DECODE_PATH_ROWS), with a list of the frame's members. *survey is
 * filled when the frame is decoded, and valid as long as *out; on 0 only its text is. topic->row is
 * not NULL. */
int decoder_survey(decoder *d, const topic_match *topic, td_bytes frame, message *out,
                   frame_survey *survey, decode_error *why);

/* The JSON of a frame that no row fits: root and text alone. 1, or 0 and *why: it is no JSON. */
int decoder_survey_text(decoder *d, td_bytes frame, frame_survey *survey, decode_error *why);

/* Classify a frame (schema/classify.h). of may be NULL: then no topic is matched. at_ns: the
 * receive time, which selects the rows that are valid (TOPIC_NOW if unknown). Padding as for
 * decoder_decode(); compressed frames are inflated. Views in *out are valid until this decoder's
 * next call for another frame, and while the frame's bytes are. */
void decoder_classify(decoder *d, const family *of, td_bytes frame, channel_dir dir, uint64_t at_ns,
                      classification *out);

/* 1 if a decoder tries to inflate this frame, which may take a thousand times as long as its size
 * suggests. */
int decoder_inflates(td_bytes frame);

/* Frames of books and trades that the row-driven decoder had to read, which is some five times
 * slower: those that are not in canonical form. */
uint64_t decoder_slow_count(const decoder *d);

/* Stable name of a reason ("missing_field"). */
const char *decode_reason_name(decode_reason reason);

#endif
