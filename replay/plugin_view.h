/* What plugins see (include/tapedeck/plugin.h): frames, events and books in the plain structs of
 * that header, and the host's functions that read them. It looks at what the player has in hand and
 * keeps nothing, so a view lasts as long as what it shows. One thread. */
#ifndef TD_REPLAY_PLUGIN_VIEW_H
#define TD_REPLAY_PLUGIN_VIEW_H

#include "include/tapedeck/plugin.h"
#include "embed/frame_view.h"
#include "play/observer.h"
#include "play/stream.h"
#include "tape/cursor.h"

/* A book as plugins hold it: that of a stream, whichever of its connections is followed; or, of a
 * copy, that of the connection. */
struct tapedeck_book {
    const struct stream *of; /* NULL: of_copy alone */
    const struct track *of_copy;
    const uint8_t *is_over; /* 1: streams may be half worked on, so books are empty from now on */
};

/* The frame in hand. */
typedef struct plugin_view {
    frame_view of;
    tapedeck_book copy; /* what frame.book leads to if it is a copy */
} plugin_view;

/* Which of a plugin's wants a frame needs, of lead-in, copies and control. */
uint32_t plugin_view_needs(const frame_ref *frame);

/* Fill the view. of_stream: the stream's book, NULL: none. */
void plugin_view_frame(plugin_view *view, const struct stream *of, const observed_frame *seen,
                       const tapedeck_book *of_stream);

/* Fill an event from a frame of an events channel. */
void plugin_view_event(const frame_ref *frame, tapedeck_event *out);

/* Set the functions of a host that look at frames and books, and those of decimals. */
void plugin_view_set_host(tapedeck_host *host);

#endif
