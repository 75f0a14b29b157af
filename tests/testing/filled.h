/* Frames that tests make by hand, with what a tape fills in beside them: role and names of
 * channels, row, and content (all of it). */
#ifndef TD_TESTS_TESTING_FILLED_H
#define TD_TESTS_TESTING_FILLED_H

#include "schema/frame.h"

/* A connection of slot 0/0 of a session; the same object for equal numbers. */
const frame_conn *frame_conn_of(uint32_t session, uint32_t number);

/* The content is valid until the next call. */
void fill_frame(frame_ref *frame);

/* The content stays until the program ends; the frame's bytes must, too. */
void fill_frame_to_keep(frame_ref *frame);

#endif
