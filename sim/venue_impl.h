/* What the parts of sim/venue.h share: venue.c has the markets and what is due, venue_show.c how it
 * becomes a frame. */
#ifndef TD_SIM_VENUE_IMPL_H
#define TD_SIM_VENUE_IMPL_H

#include "base/random.h"
#include "sim/account.h"
#include "sim/template.h"
#include "sim/venue.h"

enum {
    STREAM_NAME_BYTES = 96,
    SPOT_VERSION_BYTES = 64,
    REPEAT_AFTER_MS = 3000, /* a level-1 book without a change is sent again */
};

/* A row's templates. */
typedef struct compiled_row {
    template *snapshot;
    template *delta; /* NULL: the snapshot's is the only one */
} compiled_row;

/* A stream, and what of it was shown last. */
typedef struct stream {
    const stream_row *row;
    const compiled_row *text;
    char name[STREAM_NAME_BYTES];
    const char *topic;  /* the name without the symbol: the row's, or all of it */
    const char *symbol; /* what stands behind it, if that is a symbol or a coin */
    uint32_t first;     /* symbol that it is of; the first one of its coin */
    uint32_t countdown; /* events until it is shown again */
    uint64_t due_ns;    /* exchange time when it is */
    int64_t u;
    int64_t seq;
    uint64_t ts_ns;
    uint64_t cts_ns;
    book_window *window;   /* of a book */
    sim_value *shown;      /* of a ticker: SIM_COUNT of them */
    candle candle;         /* of a candle stream */
    uint8_t is_candle_due; /* it is new, and was not told yet */
    uint8_t is_private;    /* of the account */
    uint8_t is_wanted;     /* somebody has subscribed to it */
    uint64_t recent_count; /* trades that were told, of the symbol's recent ones */
} stream;

typedef struct venue_member {
    sim_symbol symbol;
    uint32_t streams[VENUE_SYMBOL_STREAMS_MAX];
    uint32_t stream_count;
} venue_member;

/* What the items of a frame's lists are taken from. */
typedef struct list_source {
    venue *venue;
    const stream *of;
    const sim_symbol *symbol;
    const book_window *window;     /* levels; NULL: from changes */
    const window_changes *changes; /* what differs */
    size_t at;                     /* next one to look at */
    const candle *candles[2];
    uint8_t is_closed[2];
    size_t candle_count;
    size_t trade_first; /* of the event's trades, or of the recent ones */
    size_t trade_count;
    uint8_t is_recent;
    char uuid[SYMBOL_UUID_BYTES];
} list_source;

struct venue {
    venue_options options;
    td_random random; /* which symbol, when, and ids */
    venue_member *members;
    stream *streams;
    uint32_t stream_count;
    uint32_t stream_capacity;
    uint32_t *by_name; /* open addressing: index of a stream + 1; at most half full */
    uint32_t by_name_mask;
    compiled_row *rows;
    venue_member *present; /* whose event is being shown */
    uint64_t to_show;      /* bit per place in present->streams */
    int64_t next_number;   /* of trades */
    size_t next_trade;     /* of the event: where a stream with a frame for each goes on */
    book_window *scratch;  /* of the largest depth; NULL: there are no books */
    window_changes changes;
    sim_value values[SIM_COUNT];
    account *account;             /* NULL: nobody can see one */
    const account_event *telling; /* what the account's streams are being told; NULL: nothing */
    uint32_t next_told;           /* stream whose turn it is */
    uint32_t first_private;       /* no stream before it is the account's */
    uint8_t is_account_wanted;
    account_texts texts;
    list_source items;
    char version[SPOT_VERSION_BYTES];
    char frame_id[SYMBOL_UUID_BYTES];
    char bytes[VENUE_FRAME_BYTES_MAX];
};

typedef enum show_result {
    SHOW_NOTHING, /* nothing of it changed */
    SHOW_DONE,
    SHOW_AGAIN, /* a frame was made, and the stream has another one */
} show_result;

/* Make the frame of a stream whose turn it is, about the event of v->present. */
show_result venue_show(venue *v, stream *of, uint64_t ts_ns, text_out *out);

/* Make the frame of an account's stream about v->telling. 0: it is not about that. */
int venue_show_account(venue *v, stream *of, uint64_t ts_ns, text_out *out);

/* Make a new subscriber's first frame. */
int venue_show_state(venue *v, const stream *of, text_out *out);

/* Take what the stream would show now as shown: the state before the first frame. */
void venue_set_shown(venue *v, stream *of, uint64_t ts_ns);

#endif
