/* Generates frames from topic rows: for any row a frame of its shape with random values, and other
 * spellings of the same frame. Frames depend on rows only, not on how frames are decoded. */
#ifndef TD_TESTS_TESTING_ROW_FRAMES_H
#define TD_TESTS_TESTING_ROW_FRAMES_H

#include "base/buf.h"
#include "base/random.h"
#include "schema/topic.h"

/* A frame as a tree that can be written in several ways. */
typedef struct row_frame row_frame;

/* How to write a frame. */
enum {
    ROW_FRAME_SHUFFLED = 1 << 0, /* members of objects in another order */
    ROW_FRAME_SPACED = 1 << 1,   /* white space wherever JSON allows it */
    ROW_FRAME_EXTENDED = 1 << 2, /* unknown members of every type, between known ones and after
                                    them, also with similar names; levels with more elements */
    ROW_FRAME_DOUBLED = 1 << 3,  /* members repeated after the others, with another value */
    ROW_FRAME_NULLED = 1 << 4,   /* absent optional members as null, "" or "None" */
    ROW_FRAME_ESCAPED = 1 << 5,  /* letters of strings, and of keys in lists, as \u escapes */
    ROW_FRAME_QUOTED = 1 << 6,   /* numbers as strings, and the reverse */
    ROW_FRAME_ANY = ((1 << 7) - 1) & ~ROW_FRAME_DOUBLED, /* all that keep the meaning */
};

/* Make a frame of a row, with all of its required fields and most others. Never fails. */
row_frame *row_frame_make(const topic_row *row, td_random *random);
void row_frame_free(row_frame *frame);

/* The canonical topic of a row's frames ("kline.5.BTCUSDT"); valid until the next call. */
const char *row_frame_topic(const topic_row *row);

/* A time at which the row is valid, in ns since 1970; TOPIC_NOW if it is always valid. */
uint64_t row_frame_moment(const topic_row *row);

/* The value that row_frame_set replaces. */
typedef enum row_frame_spoil {
    SPOIL_UNKNOWN,  /* add an unknown member to the frame's object */
    SPOIL_DECIMAL,  /* a value that must be a decimal */
    SPOIL_INTEGER,  /* a value that must be an integer */
    SPOIL_TIME,     /* a value that must be a time */
    SPOIL_REQUIRED, /* a value that must be present */
} row_frame_spoil;

/* Replace a value by a text; NULL removes the member. Returns its key in the row ("" for
 * SPOIL_UNKNOWN), or NULL if the frame has no such value. The text is borrowed until
 * row_frame_free. */
const char *row_frame_set(row_frame *frame, row_frame_spoil what, const char *text);

/* Append the frame's text to out (without padding). */
void row_frame_write(const row_frame *frame, unsigned how, td_random *random, td_buf *out);

#endif
