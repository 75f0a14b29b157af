/* Fills in what a tape adds to frames, for frames made by hand: role and names of channels, row,
 * and the whole content. */
#ifndef TD_TESTS_TESTING_FILLED_H
#define TD_TESTS_TESTING_FILLED_H

#include "schema/frame.h"

/* A connection of slot 0/0 of a session; equal numbers give the same object. */
const frame_conn *frame_conn_of(uint32_t session, uint32_t number);

/* Fills in a frame. The content is valid until the next call. */
void fill_frame(frame_ref *frame);

/* The same; the content is valid until the program ends, and so must the frame's bytes be. */
void fill_frame_to_keep(frame_ref *frame);

#endif
