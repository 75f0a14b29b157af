/* The screen of an interactive replay: position on the tape with its gaps, the last played frame,
 * its verdict, and the top of its book with the frame's changes. It is redrawn as a whole,
 * SCREEN_ROWS rows of at most the terminal's width. One thread. */
#ifndef TD_REPLAY_SCREEN_H
#define TD_REPLAY_SCREEN_H

#include "archive/gap.h"
#include "base/cli/output.h"
#include "replay/play/pacer.h"
#include "replay/last_frame.h"

enum { SCREEN_ROWS = 23 };

/* What to show; all pointers are borrowed. */
typedef struct screen_view {
    const pacer *pacer;
    const last_frame *last;
    const gap_list *gaps;
    time_span tape;
} screen_view;

/* Draw over the previous screen. */
void screen_draw(output_stream *output, const screen_view *view);

/* Leave the last screen on the terminal; later output follows below. */
void screen_end(output_stream *output);

#endif
