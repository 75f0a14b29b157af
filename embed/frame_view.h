/* A decoded frame in the plain structs of embed/include/tapedeck/plugin.h, and the functions of its
 * host that read frames and decimals. It refers to a message and a verdict and keeps nothing, so a
 * view lasts as long as these. One thread. */
#ifndef TD_EMBED_FRAME_VIEW_H
#define TD_EMBED_FRAME_VIEW_H

#include "embed/include/tapedeck/plugin.h"
#include "book/continuity.h"
#include "schema/message.h"

/* frame.own leads to its view. */
typedef struct frame_view {
    tapedeck_frame frame;
    const message *message; /* NULL: none */
    const verdict *verdict; /* NULL: none */
} frame_view;

/* What a frame of a topic with this message contains. */
uint32_t frame_view_content(const message *m);

/* Set what a message has; NULL: nothing. */
void frame_view_set_message(frame_view *view, const message *m);

/* Set what a verdict has, NULL: nothing, after the frame's book was set, which is that of a track.
 */
void frame_view_set_verdict(frame_view *view, const verdict *judged, const track *from);

/* Levels of a track's book, as book_level_count and book_levels of the host. NULL: it has none. */
size_t frame_view_level_count(const track *from, uint32_t side);
size_t frame_view_levels(const track *from, uint32_t side, size_t first, size_t max,
                         tapedeck_book_level *out);

/* Set the functions of a host that read frames and decimals. */
void frame_view_set_host(tapedeck_host *host);

#endif
