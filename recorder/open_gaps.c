#include "recorder/open_gaps_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "schema/topic.h"

static const char CLOCK_BEHIND[] = "the next session's clock was earlier than this moment";

/* ---- rows ---- */

static void row_fini(open_row *row)
{
    td_free((void *)row->row.topic);
    td_free((void *)row->row.symbol);
    td_free((void *)row->row.cause);
    td_free((void *)row->row.detail);
    td_free((void *)row->row.covered_by);
}

open_row *open_gaps_add_row(open_gaps *self, const gap_row *row)
{
    open_row *rows = td_array_room(self->rows, self->row_count, sizeof *rows);
    if (rows == NULL)
        return NULL;
    self->rows = rows;
    open_row made = {.row = *row, .past_slot = SIZE_MAX};
    made.row.feed = self->options.feed->name;
    made.row.to_ns = GAP_OPEN;
    made.row.topic = td_strdup(row->topic);
    made.row.symbol = td_strdup(row->symbol);
    made.row.cause = td_strdup(row->cause);
    made.row.detail = td_strdup(row->detail);
    made.row.covered_by = td_strdup(row->covered_by);
    if (made.row.topic == NULL || made.row.symbol == NULL || made.row.cause == NULL ||
        made.row.detail == NULL || made.row.covered_by == NULL) {
        row_fini(&made);
        return NULL;
    }
    self->rows[self->row_count] = made;
    return &self->rows[self->row_count++];
}

static void drop_row(open_gaps *self, size_t index)
{
    TD_ASSERT(index < self->row_count);
    row_fini(&self->rows[index]);
    self->rows[index] = self->rows[--self->row_count];
}

/* A row that begins later than it ends is of a session whose clock was wrong: its length cannot be
 * known, and it is never left out because of that. What lies before it has a row of its own. */
static void end_row(open_gaps *self, size_t index, uint64_t to_ns)
{
    gap_row ended = self->rows[index].row;
    int is_ahead = ended.from_ns > to_ns;
    ended.to_ns = is_ahead ? ended.from_ns : to_ns;
    if (is_ahead)
        ended.detail = CLOCK_BEHIND;
    self->options.emit(self->options.user, &ended);
    drop_row(self, index);
}

int open_gaps_is_whole(const gap_row *row)
{
    return row->topic[0] == '\0' && row->symbol[0] == '\0';
}

static int waits_for(const open_row *row, uint32_t shard)
{
    return (int)(row->shards[shard / 64] >> (shard % 64) & 1);
}

void open_gaps_wait(open_row *row, uint32_t shard)
{
    row->shards[shard / 64] |= UINT64_C(1) << (shard % 64);
}

int open_gaps_waits_for_none(const open_row *row)
{
    for (size_t i = 0; i < SHARD_WORDS; i++)
        if (row->shards[i] != 0)
            return 0;
    return 1;
}

/* ---- topics ---- */

int open_gaps_next_symbol(const char **at, char out[LIMIT_SYMBOL_BYTES])
{
    if (*at == NULL)
        return 0;
    size_t length = strcspn(*at, "|");
    size_t kept = length < LIMIT_SYMBOL_BYTES ? length : LIMIT_SYMBOL_BYTES - 1;
    memcpy(out, *at, kept);
    out[kept] = '\0';
    *at = (*at)[length] == '\0' ? NULL : *at + length + 1;
    return 1;
}

static int has_symbol(const asked *topic, const char *symbol)
{
    const char *at = topic->symbols;
    char one[LIMIT_SYMBOL_BYTES];
    if (topic->symbols[0] == '\0' || symbol[0] == '\0')
        return 1;
    while (open_gaps_next_symbol(&at, one))
        if (strcmp(one, symbol) == 0)
            return 1;
    return 0;
}

int open_gaps_is_about(const gap_row *row, const asked *topic)
{
    return strcmp(row->topic, topic->topic) == 0 && has_symbol(topic, row->symbol);
}

static td_result parse_topic(const open_gaps *self, const char *text, asked *out, td_err *err)
{
    const family *of = self->options.feed->family;
    topic_match found;
    td_bytes topic = td_bytes_str(text);
    td_bytes symbols = {0};
    if (topic_match_text(of->topics, of->topic_count, topic, TOPIC_NOW, &found)) {
        topic = found.topic;
        symbols = found.symbol;
    }
    if (td_bytes_is(symbols, "*"))
        symbols.size = 0;
    out->topic = td_strndup((const char *)topic.data, topic.size);
    out->symbols = td_strndup(symbols.size == 0 ? "" : (const char *)symbols.data, symbols.size);
    if (out->topic == NULL || out->symbols == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for topics");
    return TD_OK;
}

static td_result parse_topics(open_gaps *self, td_err *err)
{
    const subscription *wanted = self->options.wanted;
    td_result rc = TD_OK;
    self->topics = td_alloc_zero(wanted->topic_count + 1, sizeof *self->topics);
    if (self->topics == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for topics");
    self->topic_count = wanted->topic_count;
    for (uint32_t shard = 0; shard < wanted->shard_count; shard++)
        for (size_t i = wanted->shards[shard]; i < wanted->shards[shard + 1] && rc == TD_OK; i++) {
            self->topics[i].shard = shard;
            rc = parse_topic(self, wanted->topics[i], &self->topics[i], err);
        }
    return rc;
}

/* ---- while it records ---- */

int open_gaps_wait_for(const open_gaps *self, uint32_t shard)
{
    for (size_t i = 0; i < self->row_count; i++)
        if (waits_for(&self->rows[i], shard))
            return 1;
    return 0;
}

void open_gaps_connected(open_gaps *self, uint32_t shard)
{
    for (size_t i = 0; i < self->topic_count; i++)
        if (self->topics[i].shard == shard)
            self->topics[i].is_granted = 0;
}

/* 1 if every topic that the row is about is granted. */
static int is_over(const open_gaps *self, const gap_row *row)
{
    for (size_t i = 0; i < self->topic_count; i++)
        if (!self->topics[i].is_granted && open_gaps_is_about(row, &self->topics[i]))
            return 0;
    return 1;
}

void open_gaps_granted(open_gaps *self, size_t topic, uint64_t recv_ns)
{
    TD_ASSERT(topic < self->topic_count);
    self->topics[topic].is_granted = 1;
    self->topics[topic].is_recorded = 1;
    for (size_t i = self->row_count; i > 0; i--) {
        const gap_row *row = &self->rows[i - 1].row;
        if (open_gaps_waits_for_none(&self->rows[i - 1]) &&
            open_gaps_is_about(row, &self->topics[topic]) && is_over(self, row))
            end_row(self, i - 1, recv_ns);
    }
}

static int has_row(const open_gaps *self, const char *topic, const char *symbol)
{
    for (size_t i = 0; i < self->row_count; i++) {
        const gap_row *row = &self->rows[i].row;
        if (strcmp(row->topic, topic) == 0 && strcmp(row->symbol, symbol) == 0)
            return 1;
    }
    return 0;
}

/* Did this topic come over the slot that the row is about? */
static int belongs_to(const open_gaps *self, const open_row *row, size_t topic)
{
    if (row->past_slot == SIZE_MAX)
        return 1;
    for (size_t i = 0; i < self->travel_count; i++)
        if (self->travels[i].topic == topic && self->travels[i].slot == row->past_slot)
            return 1;
    return 0;
}

/* A topic that stays out when the others of its slot are back: from the slot's beginning on. */
static void open_for_topic(open_gaps *self, const gap_row *slot, const asked *topic)
{
    const char *at = topic->symbols;
    char symbol[LIMIT_SYMBOL_BYTES];
    while (open_gaps_next_symbol(&at, symbol)) {
        if (has_row(self, topic->topic, symbol))
            continue;
        gap_row row = *slot;
        row.topic = topic->topic;
        row.symbol = symbol;
        row.to_ns = GAP_OPEN;
        self->options.emit(self->options.user, &row);
        (void)open_gaps_add_row(self,
                                &row); /* without memory it stays open until the next session */
    }
}

void open_gaps_settle(open_gaps *self, uint32_t shard, uint64_t recv_ns)
{
    for (size_t i = self->row_count; i > 0; i--) {
        if (!waits_for(&self->rows[i - 1], shard))
            continue;
        const gap_row slot = self->rows[i - 1].row; /* rows move when some are added */
        for (size_t k = 0; k < self->topic_count; k++) {
            const asked *topic = &self->topics[k];
            if (topic->shard == shard && !topic->is_granted && topic->is_recorded &&
                belongs_to(self, &self->rows[i - 1], k))
                open_for_topic(self, &slot, topic);
        }
        open_row *row = &self->rows[i - 1];
        row->shards[shard / 64] &= ~(UINT64_C(1) << (shard % 64));
        row->settled_ns = recv_ns > row->settled_ns ? recv_ns : row->settled_ns;
        if (open_gaps_waits_for_none(row))
            end_row(self, i - 1, row->settled_ns);
    }
}

void open_gaps_lost(open_gaps *self, uint32_t shard, uint32_t conn, gap_reason reason,
                    uint64_t from_ns, const char *cause)
{
    TD_ASSERT(shard < self->options.wanted->shard_count);
    TD_ASSERT(from_ns != 0);
    if (open_gaps_wait_for(self, shard))
        return;
    gap_row row = gap_row_of(reason, self->options.feed->name, from_ns, GAP_OPEN, cause);
    row.shard = shard;
    row.conn = conn;
    self->options.emit(self->options.user, &row);
    open_row *made = open_gaps_add_row(self, &row);
    if (made != NULL)
        open_gaps_wait(made, shard);
}

/* ---- life ---- */

const gap_row *open_gaps_begun(const open_gaps *self, size_t *count)
{
    *count = self->begun.count;
    return self->begun.rows;
}

td_result open_gaps_open(const open_gaps_options *options, open_gaps **out, td_err *err)
{
    TD_ASSERT(options->emit != NULL);
    *out = NULL;
    open_gaps *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for open gaps");
    self->options = *options;
    td_result rc = parse_topics(self, err);
    if (rc == TD_OK)
        rc = open_gaps_begin(self, err);
    self->options.past = NULL;
    self->options.ledger = NULL;
    if (rc != TD_OK) {
        open_gaps_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void open_gaps_close(open_gaps *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; self->topics != NULL && i < self->topic_count; i++) {
        td_free(self->topics[i].topic);
        td_free(self->topics[i].symbols);
    }
    for (size_t i = 0; i < self->row_count; i++)
        row_fini(&self->rows[i]);
    gap_list_fini(&self->begun);
    td_free(self->rows);
    td_free(self->topics);
    td_free(self->travels);
    td_free(self->has_unknown);
    td_free(self);
}
