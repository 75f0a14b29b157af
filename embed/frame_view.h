/* A decoded frame in the plain structs of embed/include/tapedeck/plugin.h, and the functions of its
 * host that read frames and decimals. A view points to its message and verdict, and is valid as
 * long as these. One thread. */
#ifndef TD_EMBED_FRAME_VIEW_H
#define TD_EMBED_FRAME_VIEW_H

#include "embed/include/tapedeck/plugin.h"
#include "book/continuity.h"
#include "schema/message.h"

/* A frame with the message and verdict that it shows; frame.own points to the view. */
typedef struct frame_view {
    tapedeck_frame frame;
    const message *message; /* NULL: not decoded */
    const verdict *verdict; /* NULL: not checked */
} frame_view;

/* The content number (TAPEDECK_BOOK ...) of a frame with this message; NULL: not decoded. */
uint32_t frame_view_content(const message *m);

/* Set the frame's members from a message; NULL: leave them as they are. */
void frame_view_set_message(frame_view *view, const message *m);

/* Set the frame's members from a verdict; NULL: set only is_book_broken. Before this call, the
 * caller must set frame.book, the book of the track. */
void frame_view_set_verdict(frame_view *view, const verdict *judged, const track *from);

/* Levels of a track's book, like book_level_count and book_levels of the host. A NULL track has no
 * levels. */
size_t frame_view_level_count(const track *from, uint32_t side);
size_t frame_view_levels(const track *from, uint32_t side, size_t first, size_t max,
                         tapedeck_book_level *out);

/* Set the functions of a host that read frames and decimals. */
void frame_view_set_host(tapedeck_host *host);

#endif
