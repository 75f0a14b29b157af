/* Counts frames that the recorder discarded because of overload, per connection and topic, so that
 * the ledger has a row with times and count for each channel. Bounded: after DROP_TOPIC_ROWS_MAX
 * rows, further topics share one row per connection. Network thread only. */
#ifndef TD_RECORDER_DROP_COUNT_H
#define TD_RECORDER_DROP_COUNT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "archive/gap.h"
#include "schema/classify.h"
#include "schema/family.h"

/* Rows that name a topic, and all rows. A recorder has far fewer connections than the rest; beyond
 * that the last row takes what is dropped. */
enum {
    DROP_TOPIC_ROWS_MAX = 2048,
    DROP_ROWS_MAX = 2 * DROP_TOPIC_ROWS_MAX,
    DROP_FRAME_BYTES_MAX = 64 << 10,
};

/* Frames of one topic and symbol on one connection: "_control" and "_unknown" for frames without a
 * topic, "" for all topics of the connection: those without a row, and frames that are not looked
 * at (of more than DROP_FRAME_BYTES_MAX, or compressed). */
typedef struct drop_row {
    uint64_t from_ns; /* nothing that was sent before is among them */
    uint64_t last_ns; /* receive time of the last one */
    uint64_t frames;
    uint32_t conn;
    uint32_t shard;
    uint32_t line;
    uint16_t feed_index;
    char topic[LIMIT_NAME_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
} drop_row;

typedef struct drop_count drop_count;

/* An empty count. */
drop_count *drop_count_open(void);
void drop_count_close(drop_count *self);

/* Count a discarded frame of the connection at (its feed_index, line, shard, conn). A row begins at
 * the from_ns of its first frame. */
void drop_count_add(drop_count *self, const family *of, const drop_row *at, frame_dir dir,
                    td_bytes frame, uint64_t recv_ns);

/* Rows so far, in order of first sight. */
size_t drop_count_rows(const drop_count *self, const drop_row **rows);

/* The row as a gap of the feed of that name; borrows both. */
gap_row drop_row_gap(const drop_row *row, const char *feed, const char *detail);
#define DROP_TOO_SLOW_TO_INFLATE "too slow to inflate"

/* Forget all. */
void drop_count_clear(drop_count *self);

#endif
