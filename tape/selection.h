/* Which frames a user wants: feeds, topics and symbols by glob, and a window of time.
 *
 * The globs of one kind are alternatives: one must match; without globs all names match. A frame
 * must match in all kinds. A glob is compared with the whole name, case-sensitive: "*" is any
 * sequence of bytes, "?" one byte, "[a-c]" one of these bytes, "[!a-c]" any other byte, "\" escapes
 * the next byte. A topic glob may fit the topic ("publicTrade") or the exchange's text
 * ("publicTrade.BTCUSDT"). A channel whose symbol is "*" (frames with several symbols) matches any
 * symbol.
 *
 * Plain data that borrows its texts; any thread. */
#ifndef TD_TAPE_SELECTION_H
#define TD_TAPE_SELECTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "archive/gap.h"
#include "archive/notes.h"
#include "archive/read_plan.h"

typedef struct selection_globs {
    const char *const *items;
    size_t count;
} selection_globs;

typedef struct selection {
    selection_globs feeds;
    selection_globs topics;
    selection_globs symbols;
    td_time_spec from; /* inclusive; only if has_from */
    td_time_spec to;   /* exclusive; only if has_to */
    uint8_t has_from;
    uint8_t has_to;
    uint8_t with_replies; /* 1: HTTP replies match any symbol */
    /* Narrows it: 1 if frames of this channel, of a topic, are wanted. NULL: all. Borrowed. */
    int (*wants_channel)(const void *user, const channel_info *info);
    const void *user;
} selection;

/* The selected receive times. */
typedef time_span selection_window;

/* Whether a selection includes the frames of a channel. */
typedef enum selection_answer {
    SELECTION_NO,
    SELECTION_YES,
    SELECTION_CLASSIFY, /* "_unknown" of a selected feed: check each frame's own topic and symbol */
    SELECTION_EVENTS,   /* "_events" of a selected feed: read, because they describe the other
                           channels */
} selection_answer;

/* 1 if the glob matches the whole text. A glob that selection_check rejects matches nothing. */
int selection_glob_fits(const char *glob, td_bytes text);

/* Make the glob that matches only this name, of less than LIMIT_TOPIC_BYTES. */
enum { SELECTION_GLOB_BYTES = 2 * LIMIT_TOPIC_BYTES };
void selection_glob_of(const char *name, char out[SELECTION_GLOB_BYTES]);

/* TD_E_INVALID for a malformed glob, or a window that is empty, as far as that can be known without
 * a tape. */
TD_MUST_USE td_result selection_check(const selection *wanted, td_err *err);

/* 1 if a time counts from the first frame, which selection_resolve then needs. */
int selection_is_relative(const selection *wanted);

/* The window. "+90s" counts from first_ns, the first frame of the selected feeds; in `to` it counts
 * from `from`, if present. */
selection_window selection_resolve(const selection *wanted, uint64_t first_ns);

/* Replace the selection's times by a window. */
void selection_set_window(selection *wanted, selection_window window);

/* 1 if the feed is selected. */
int selection_has_feed(const selection *wanted, const char *feed);

/* 1 if frames of this topic (exchange_topic: as frames name it) and symbol are selected, whatever
 * their feed and time. */
int selection_has_topic(const selection *wanted, td_bytes topic, td_bytes exchange_topic,
                        td_bytes symbol);

/* 1 if a gap may affect selected frames, at any time: a gap of a whole connection affects each
 * topic of its feed, a gap of a topic without a symbol each of its symbols. */
int selection_has_gap(const selection *wanted, const gap_row *gap);

/* 1 if a gap belongs to the selection: it may affect selected frames (selection_has_gap), and
 * overlaps the window. Its end is exclusive; a gap without length is at its start. */
int selection_wants_gap(const selection *wanted, selection_window window, const gap_row *gap);

/* 1 if a note may be about selected frames in the window. A note without a topic is about all
 * topics, and so on. */
int selection_wants_note(const selection *wanted, selection_window window,
                         const archive_note *note);

/* Whether the selection includes the frames of a channel, at any time. */
selection_answer selection_match(const selection *wanted, const channel_info *channel);

/* Everything. */
#define SELECTION_ALL_TIME TIME_SPAN_ALL

/* The read plan's query for the selection in a window: segments with selected frames, or frames to
 * classify. wanted is borrowed as long as the query. */
read_query selection_query(selection *wanted, selection_window window);

#endif
