/* Frames made up from topic rows: for any row a frame of the shape that it says, with random
 * values, and other spellings of the same frame. They know rows, and nothing of how frames are
 * decoded. */
#ifndef TD_TESTS_TESTING_ROW_FRAMES_H
#define TD_TESTS_TESTING_ROW_FRAMES_H

#include "base/buf.h"
#include "base/random.h"
#include "schema/topic.h"

/* A frame as a tree that can be written in more than one way. */
typedef struct row_frame row_frame;

/* How a frame is written. */
enum {
    ROW_FRAME_SHUFFLED = 1 << 0, /* members of objects in another order */
    ROW_FRAME_SPACED = 1 << 1,   /* white space wherever JSON allows it */
    ROW_FRAME_EXTENDED = 1 << 2, /* members that no row knows, of every type, also between, behind
                                    and named like those that one knows; levels with more parts */
    ROW_FRAME_DOUBLED = 1 << 3,  /* members once more after the others, with another value */
    ROW_FRAME_NULLED = 1 << 4,   /* optional members that are not there are null, "" or "None" */
    ROW_FRAME_ESCAPED = 1 << 5,  /* letters of strings, and of keys in lists, as \u escapes */
    ROW_FRAME_QUOTED = 1 << 6,   /* numbers as strings, and the reverse */
    ROW_FRAME_ANY = ((1 << 7) - 1) & ~ROW_FRAME_DOUBLED, /* all that keep the meaning */
};

/* Make a frame of a row. All of its fields that are required are there, most others. Never fails.
 */
row_frame *row_frame_make(const topic_row *row, td_random *random);
void row_frame_free(row_frame *frame);

/* The canonical topic of the frames of a row ("kline.5.BTCUSDT"); valid until the next call. */
const char *row_frame_topic(const topic_row *row);

/* A moment at which the row is valid, in ns since 1970; TOPIC_NOW if it always is. */
uint64_t row_frame_moment(const topic_row *row);

/* What is to be spoiled. */
typedef enum row_frame_spoil {
    SPOIL_UNKNOWN,  /* add a member to the frame's object that no row knows */
    SPOIL_DECIMAL,  /* a value that has to be a decimal number */
    SPOIL_INTEGER,  /* one that has to be a whole number */
    SPOIL_TIME,     /* one that has to be a moment */
    SPOIL_REQUIRED, /* one that has to be there */
} row_frame_spoil;

/* Put a text in the place of such a value; NULL takes the member away. The key of its row ("" for
 * SPOIL_UNKNOWN), or NULL if the frame has none. The text is borrowed until row_frame_free. */
const char *row_frame_set(row_frame *frame, row_frame_spoil what, const char *text);

/* Append the frame's text to out (without padding). */
void row_frame_write(const row_frame *frame, unsigned how, td_random *random, td_buf *out);

#endif
