/* Sets what a tape adds to frames, for frames made by hand: role and names of channels, topic row,
 * and the decoded content. */
#ifndef TD_TESTS_TESTING_FILLED_H
#define TD_TESTS_TESTING_FILLED_H

#include "schema/frame.h"

/* A connection of slot 0/0 of a session; equal numbers give the same object. */
const frame_conn *frame_conn_of(uint32_t session, uint32_t number);

/* Fill in a frame. Its content is valid until the next call. */
void fill_frame(frame_ref *frame);

/* Fill in a frame whose content is valid until the program ends. The frame's bytes must live as
 * long. */
void fill_frame_to_keep(frame_ref *frame);

#endif
