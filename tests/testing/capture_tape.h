/* A recorded capture as the frames of a tape, without an archive in between: each line classified
 * and put on its channel as import would, one slot, receive times strictly rising. For tests of
 * code that reads a tape. */
#ifndef TD_TESTS_TESTING_CAPTURE_TAPE_H
#define TD_TESTS_TESTING_CAPTURE_TAPE_H

#include "tape/cursor.h"

typedef struct capture_tape {
    frame_channel *channels; /* names are owned */
    size_t channel_count;
    uint8_t *bytes;    /* of all frames, DECODE_PADDING_BYTES after each */
    frame_ref *frames; /* in order; block is NULL: bytes live as long as this */
    size_t frame_count;
} capture_tape;

/* Load captures/<name> as a feed with the family's name; skips the test if it is not there. */
void capture_tape_load(capture_tape *tape, const char *name, const char *family);
void capture_tape_fini(capture_tape *tape);

/* Let another reader have the channels: forget what user pointers the last one left. */
void capture_tape_rewind(capture_tape *tape);

#endif
