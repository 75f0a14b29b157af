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
    ROW_FRAME_EXTENDED = 1 << 2, /* members that no row knows, of every type */
};

/* Make a frame of a row. All of its fields that are required are there, most others. Never fails.
 */
row_frame *row_frame_make(const topic_row *row, td_random *random);
void row_frame_free(row_frame *frame);

/* The canonical topic of the frames of a row ("kline.5.BTCUSDT"); valid until the next call. */
const char *row_frame_topic(const topic_row *row);

/* Append the frame's text to out (without padding). */
void row_frame_write(const row_frame *frame, unsigned how, td_random *random, td_buf *out);

#endif
