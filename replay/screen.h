/* The screen of a replay that keys control: position on the tape with its gaps, the frame that was
 * played last, its verdict, and the top of its book with what the frame changed there. It is drawn
 * as a whole, SCREEN_ROWS rows of at most the terminal's width. One thread. */
#ifndef TD_REPLAY_SCREEN_H
#define TD_REPLAY_SCREEN_H

#include "archive/gap.h"
#include "base/cli/output.h"
#include "replay/play/pacer.h"
#include "replay/last_frame.h"

enum { SCREEN_ROWS = 23 };

/* What is shown; all of it is borrowed. */
typedef struct screen_view {
    const pacer *pacer;
    const last_frame *last;
    const gap_list *gaps;
    uint64_t from_ns, to_ns; /* the tape */
} screen_view;

/* Draw it over what was drawn before. */
void screen_draw(output_stream *output, const screen_view *view);

/* Leave it on the terminal, for what is printed below. */
void screen_end(output_stream *output);

#endif
