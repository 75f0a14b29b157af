/* A recorded capture as the frames of a tape, without an archive: each line is classified and
 * assigned to a channel as import would do it, with one connection slot and strictly increasing
 * receive times. For tests of code that reads a tape. */
#ifndef TD_TESTS_TESTING_CAPTURE_TAPE_H
#define TD_TESTS_TESTING_CAPTURE_TAPE_H

#include "tape/cursor.h"

typedef struct capture_tape {
    frame_channel *channels; /* names are owned */
    size_t channel_count;
    uint8_t *bytes;    /* all frames, each followed by DECODE_PADDING_BYTES */
    frame_ref *frames; /* in order; block is NULL, because the bytes live as long as this struct */
    size_t frame_count;
} capture_tape;

/* Load captures/<name> as a feed named after the family; skips the test if the file is missing. */
void capture_tape_load(capture_tape *tape, const char *name, const char *family);
void capture_tape_fini(capture_tape *tape);

/* Clear the user pointers in the channels, so that another player can use the tape. */
void capture_tape_rewind(capture_tape *tape);

#endif
