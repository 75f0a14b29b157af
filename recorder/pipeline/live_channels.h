/* What the live check checks: the topics of the feeds' connections, by symbol. The encoder thread
 * finds a frame's channel, or makes it; afterwards only the live check's thread changes it.
 * Channels and symbols live until the end. */
#ifndef TD_PIPELINE_LIVE_CHANNELS_H
#define TD_PIPELINE_LIVE_CHANNELS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/row_table.h"
#include "book/symbol_table.h"
#include "recorder/pipeline/live_book.h"
#include "recorder/pipeline/live_checkpoint.h"
#include "recorder/pipeline/live_findings.h"
#include "recorder/pipeline/live_silence.h"
#include "recorder/pipeline/pipeline_config.h"
#include "schema/frame.h"

typedef struct live_symbol live_symbol;

/* A feed. */
typedef struct live_feed {
    uint16_t index;
    const pipeline_feed *config;
    /* Used by the encoder thread. */
    live_slot *slots;
    uint8_t wants_checkpoint;
    /* Used by the live check's thread. */
    live_symbol *active; /* symbols that have had a frame */
    uint32_t segment;
    uint64_t last_ns; /* receive time of its last frame */
    atomic_ullong unchecked_books;
    live_checkpoint checkpoint;
} live_feed;

typedef enum live_channel_kind {
    LIVE_CHECKED,
    LIVE_NO_ROW,   /* the family has no row for the topic; it is not checked */
    LIVE_NO_SPACE, /* no memory is left for more channels; it is not checked */
} live_channel_kind;

/* A topic of a slot, for text and binary frames. If it is not checked, only the kind is set. */
typedef struct live_channel {
    live_channel_kind kind;
    live_feed *feed;
    found_topic topic; /* its row is set when the channel is made; the names point to texts */
    live_symbol *symbol;
    struct live_channel *next; /* next channel in its symbol's list; used if is_active */
    uint8_t is_active;
    live_silence silence;
    frame_conn conn;     /* the last frame's connection */
    symbol_topic *state; /* NULL while the symbol has no state */
    uint64_t row_day;    /* day (since 1970) for which the row was found, if the row has dates */
    live_book book;
    char texts[];
} live_channel;

struct live_symbol {
    symbol_entry *entry; /* has a state after the first frame, unless dropped */
    live_feed *feed;
    uint8_t is_active;      /* a frame has arrived; the symbol is in its feed's list `active` */
    uint8_t is_dropped;     /* 1: dropped for lack of memory */
    uint32_t segment;       /* segment of its last frame */
    size_t state_bytes;     /* size of its state when last charged */
    live_channel *channels; /* channels that have had a frame */
    struct live_symbol *next;
};

/* Of all feeds. The user sets the first three members; the rest is zero at first, and private. */
typedef struct live_channels {
    size_t bytes_max;
    const char *session; /* id, for the connections of frames */
    uint8_t is_recorder; /* 1: recorded by `record` */
    live_channel **items;
    size_t count;
    row_table by_name;
    symbol_table symbols; /* each entry's user: a live_symbol */
    size_t bytes;
} live_channels;

/* Find or make the channel of a frame. */
TD_NEVER_NULL live_channel *live_channels_get(live_channels *self, live_feed *feed,
                                              const channel_info *info, uint64_t recv_ns);

/* Free channels and symbols, with their states. */
void live_channels_fini(live_channels *self);

/* Free a feed's slots and checkpoint, after the channels. */
void live_feed_fini(live_feed *feed);

#endif
