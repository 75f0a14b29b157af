/* Frames that tests make by hand, with what a tape fills in beside them: role and names of
 * channels, row, and content (all of it). Both fail the test without memory. */
#ifndef TD_TESTS_TESTING_FILLED_H
#define TD_TESTS_TESTING_FILLED_H

#include "tape/tape.h"

/* The content is valid until the next call. */
void fill_frame(tape_frame *frame);

/* The content stays until the program ends; the frame's bytes must, too. */
void fill_frame_to_keep(tape_frame *frame);

#endif
