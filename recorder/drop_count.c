#include "recorder/drop_count.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/channel.h"
#include "base/hash.h"
#include "base/slot_table.h"
#include "schema/decode.h"

struct drop_count {
    decoder *decoder;
    drop_row *rows;
    size_t row_count;
    slot_table by_place; /* of rows */
    uint8_t frame[DROP_FRAME_BYTES_MAX + DECODE_PADDING_BYTES];
};

drop_count *drop_count_open(void)
{
    drop_count *self = td_alloc_zero(1, sizeof *self);
    self->rows = td_alloc_zero(DROP_ROWS_MAX, sizeof *self->rows);
    self->decoder = decoder_open();
    return self;
}

void drop_count_close(drop_count *self)
{
    if (self == NULL)
        return;
    decoder_close(self->decoder);
    slot_table_fini(&self->by_place);
    td_free(self->rows);
    td_free(self);
}

static void copy_name(char *out, size_t out_bytes, td_bytes name)
{
    TD_ASSERT(out_bytes > 0);
    size_t length = name.size < out_bytes ? name.size : out_bytes - 1;
    if (length > 0)
        memcpy(out, name.data, length);
    out[length] = '\0';
}

/* The frame's topic and symbol into row; one that is too long to look at may be of any topic, and
 * so may a compressed one: inflating it would take the time that is missing. */
static void name_frame(drop_count *self, const family *of, frame_dir dir, td_bytes frame,
                       drop_row *row)
{
    copy_name(row->topic, sizeof row->topic,
              td_bytes_str(dir == DIR_IN ? CHANNEL_TOPIC_UNKNOWN : CHANNEL_TOPIC_CONTROL));
    if (dir != DIR_IN)
        return;
    if (frame.size > DROP_FRAME_BYTES_MAX || decoder_inflates(frame)) {
        row->topic[0] = '\0';
        return;
    }
    memcpy(self->frame, frame.data, frame.size);
    classification found;
    decoder_classify(self->decoder, of, td_bytes_of(self->frame, frame.size), DIR_IN, TOPIC_NOW,
                     &found);
    if (frame_class_is_control(found.frame_class))
        copy_name(row->topic, sizeof row->topic, td_bytes_str(CHANNEL_TOPIC_CONTROL));
    if (found.frame_class != CLASS_DATA)
        return;
    int has_row = found.topic.row != NULL;
    copy_name(row->topic, sizeof row->topic, has_row ? found.topic.topic : found.exchange_topic);
    if (has_row)
        copy_name(row->symbol, sizeof row->symbol, found.topic.symbol);
}

static int is_same_place(const drop_row *a, const drop_row *b)
{
    return a->feed_index == b->feed_index && a->line == b->line && a->shard == b->shard &&
           a->conn == b->conn && strcmp(a->topic, b->topic) == 0 &&
           strcmp(a->symbol, b->symbol) == 0;
}

static uint64_t place_hash(const drop_row *row)
{
    uint64_t where[2] = {((uint64_t)row->feed_index << 32) | row->line,
                         ((uint64_t)row->shard << 32) | row->conn};
    return td_xxh64(where, sizeof where) ^ td_xxh64(row->topic, strlen(row->topic)) ^
           (td_xxh64(row->symbol, strlen(row->symbol)) << 1);
}

/* The row, made if there are fewer than row_max; else NULL. */
static drop_row *find_row(drop_count *self, const drop_row *wanted, size_t row_max)
{
    uint64_t hash = place_hash(wanted);
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&self->by_place, &at)) {
        if (is_same_place(&self->rows[at.row], wanted))
            return &self->rows[at.row];
    }
    if (self->row_count >= row_max)
        return NULL;
    slot_table_put(&self->by_place, hash, self->row_count);
    drop_row *row = &self->rows[self->row_count++];
    *row = *wanted;
    return row;
}

void drop_count_add(drop_count *self, const family *of, const drop_row *at, frame_dir dir,
                    td_bytes frame, uint64_t recv_ns)
{
    TD_ASSERT(at->conn > 0);
    drop_row wanted = {.feed_index = at->feed_index,
                       .line = at->line,
                       .shard = at->shard,
                       .conn = at->conn,
                       .from_ns = at->from_ns};
    name_frame(self, of, dir, frame, &wanted);
    drop_row *row = find_row(self, &wanted, DROP_TOPIC_ROWS_MAX);
    if (row == NULL) {
        wanted.topic[0] = wanted.symbol[0] = '\0';
        row = find_row(self, &wanted, DROP_ROWS_MAX);
        if (row == NULL)
            row = &self->rows[DROP_ROWS_MAX - 1];
    }
    TD_ASSERT(row->frames == 0 || recv_ns > row->last_ns);
    row->last_ns = recv_ns;
    row->frames++;
}

size_t drop_count_rows(const drop_count *self, const drop_row **rows)
{
    *rows = self->rows;
    return self->row_count;
}

gap_row drop_row_gap(const drop_row *row, const char *feed, const char *detail)
{
    gap_row gap = gap_row_of(GAP_OVERLOAD, feed, row->from_ns, row->last_ns, detail);
    gap.line = row->line;
    gap.shard = row->shard;
    gap.conn = row->conn;
    gap.topic = row->topic;
    gap.symbol = row->symbol;
    gap.frames_lost = row->frames;
    return gap;
}

void drop_count_clear(drop_count *self)
{
    memset(self->rows, 0, self->row_count * sizeof *self->rows);
    slot_table_clear(&self->by_place);
    self->row_count = 0;
}
