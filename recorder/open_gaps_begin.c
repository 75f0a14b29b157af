/* Gaps at the start of a session: those that earlier sessions left open, and a new one for each
 * other slot that they recorded. */
#include "recorder/open_gaps_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static const char NOT_SUBSCRIBED[] = "no longer subscribed";

/* ---- what was recorded before ---- */

/* Topics by "TOPIC.SYMBOL", and by "TOPIC." where all symbols are asked for. */
typedef struct topic_index {
    char **names;
    size_t name_count;
    name_index by_name;
} topic_index;

static td_result index_name(topic_index *index, const char *topic, const char *symbol, size_t row,
                            td_err *err)
{
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    (void)snprintf(name, sizeof name, "%s.%s", topic, symbol); /* both are bounded */
    char **names = td_array_room(index->names, index->name_count, sizeof(char *));
    if (names == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for topics");
    index->names = names;
    names[index->name_count] = td_strdup(name);
    if (names[index->name_count] == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for topics");
    return name_index_put(&index->by_name, td_bytes_str(names[index->name_count++]), row, err);
}

static void index_fini(topic_index *index)
{
    name_index_fini(&index->by_name);
    for (size_t i = 0; i < index->name_count; i++)
        td_free(index->names[i]);
    td_free(index->names);
}

static td_result index_topics(const open_gaps *self, topic_index *index, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < self->topic_count && rc == TD_OK; i++) {
        const char *at = self->topics[i].symbols;
        char symbol[LIMIT_SYMBOL_BYTES];
        while (rc == TD_OK && open_gaps_next_symbol(&at, symbol))
            rc = index_name(index, self->topics[i].topic, symbol, i, err);
    }
    return rc;
}

/* Which topics of now came over which slots then. */
static void note_travels(open_gaps *self, const topic_index *index)
{
    const feed_slots *past = self->options.past;
    for (size_t i = 0; i < past->topic_count; i++) {
        const past_topic *from = past->topics[i];
        td_bytes name = td_bytes_str(from->name);
        size_t topic = name_index_find(&index->by_name, name);
        if (topic == NAME_INDEX_NONE)
            topic = name_index_find(&index->by_name, td_bytes_of(name.data, from->topic_bytes));
        TD_ASSERT(from->slot < self->slot_count);
        self->has_unknown[from->slot] |= from->is_unknown;
        if (topic == NAME_INDEX_NONE)
            continue;
        const past_slot *slot = &past->slots[from->slot];
        self->topics[topic].is_recorded = 1;
        self->has_moved |= slot->line != 0 || slot->shard != self->topics[topic].shard;
        self->travels[self->travel_count++] = (travel){topic, from->slot};
    }
}

static td_result read_past(open_gaps *self, td_err *err)
{
    topic_index index = {0};
    self->slot_count = self->options.past->slot_count;
    self->travels = td_alloc_zero(self->options.past->topic_count + 1, sizeof *self->travels);
    self->has_unknown = td_alloc_zero(self->slot_count + 1, 1);
    td_result rc = self->travels == NULL || self->has_unknown == NULL
                       ? td_err_set(err, TD_E_NOMEM, "no memory for topics")
                       : index_topics(self, &index, err);
    if (rc == TD_OK)
        note_travels(self, &index);
    index_fini(&index);
    return rc;
}

static int is_ours(const open_gaps *self, const gap_row *row)
{
    return strcmp(row->feed, self->options.feed->name) == 0;
}

/* The latest end of a gap of the whole slot; 0: there was none. */
static uint64_t last_end(const open_gaps *self, const past_slot *slot)
{
    const gap_list *ledger = self->options.ledger;
    uint64_t end_ns = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        if (row->to_ns != GAP_OPEN && row->to_ns > end_ns && row->to_ns <= self->options.start_ns &&
            is_ours(self, row) && open_gaps_is_whole(row) && row->line == slot->line &&
            row->shard == slot->shard)
            end_ns = row->to_ns;
    }
    return end_ns;
}

/* The session that came last. */
static const char *last_session(const feed_slots *past)
{
    const past_slot *last = NULL;
    for (size_t i = 0; i < past->slot_count; i++)
        if (last == NULL || past->slots[i].last_any_ns > last->last_any_ns)
            last = &past->slots[i];
    return last == NULL ? "" : last->session;
}

/* A slot that the last session did not have: its gap ended when its topics moved to other slots. */
static int is_given_up(const open_gaps *self, const past_slot *slot)
{
    return strcmp(slot->session, last_session(self->options.past)) != 0 &&
           last_end(self, slot) > slot->last_any_ns;
}

/* A row of a slot of earlier sessions waits for all shards that carry its topics now, and
 * those of slots that were given up: these had no data since, so it is unknown over which slot they
 * would have come. Unknown topics stay with the slot, unless topics moved between shards: then the
 * row waits for all shards.
 */
static void find_shards(const open_gaps *self, open_row *row)
{
    uint32_t shard_count = self->options.wanted->shard_count;
    const past_slot *slot = feed_slots_find(self->options.past, row->row.line, row->row.shard);
    if (row->row.reason == GAP_CORRUPT) /* what is lost may have had topics of any slot */
        slot = NULL;
    size_t index = slot == NULL ? SIZE_MAX : (size_t)(slot - self->options.past->slots);
    for (size_t i = 0; i < self->travel_count; i++)
        if (index != SIZE_MAX &&
            (self->travels[i].slot == index ||
             is_given_up(self, &self->options.past->slots[self->travels[i].slot])))
            open_gaps_wait(row, self->topics[self->travels[i].topic].shard);
    if (index != SIZE_MAX && !open_gaps_waits_for_none(row) && !self->has_unknown[index]) {
        row->past_slot = index;
        return;
    }
    if (slot != NULL && row->row.line == 0 && row->row.shard < shard_count && !self->has_moved)
        open_gaps_wait(row, row->row.shard);
    else
        for (uint32_t shard = 0; shard < shard_count; shard++)
            open_gaps_wait(row, shard);
}

/* ---- what earlier sessions left open ---- */

/* What a row becomes by the session's start: in the journal, and in our list if it stays open. */
static td_result begin_row(open_gaps *self, const gap_row *row, td_err *err)
{
    open_row *made = open_gaps_add_row(self, row);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for open gaps");
    if (open_gaps_is_whole(row) || self->topic_count == 0)
        find_shards(self, made);
    return TD_OK;
}

static int is_asked(const open_gaps *self, const gap_row *row)
{
    if (self->topic_count == 0)
        return 1; /* authenticating brings everything */
    for (size_t i = 0; i < self->topic_count; i++)
        if (open_gaps_is_about(row, &self->topics[i]))
            return 1;
    return 0;
}

static td_result take_earlier(open_gaps *self, const gap_row *row, td_err *err)
{
    if (open_gaps_is_whole(row) || is_asked(self, row)) {
        for (size_t i = 0; i < self->topic_count; i++)
            self->topics[i].is_recorded |=
                !open_gaps_is_whole(row) && open_gaps_is_about(row, &self->topics[i]);
        return begin_row(self, row, err);
    }
    gap_row ended = *row;
    uint64_t start_ns = self->options.start_ns;
    ended.to_ns = start_ns > row->from_ns ? start_ns : row->from_ns;
    ended.detail = row->detail[0] == '\0' ? NOT_SUBSCRIBED : row->detail;
    return gap_list_add(&self->begun, &ended, err);
}

static td_result take_ledger(open_gaps *self, td_err *err)
{
    const gap_list *ledger = self->options.ledger;
    td_result rc = TD_OK;
    for (size_t i = 0; i < ledger->count && rc == TD_OK; i++)
        if (ledger->rows[i].to_ns == GAP_OPEN && is_ours(self, &ledger->rows[i]))
            rc = take_earlier(self, &ledger->rows[i], err);
    return rc;
}

/* ---- what this session opens ---- */

/* 1 if an open gap covers this slot already. One that begins later than now does not:
 * the clock was ahead when it began. */
static int is_down(const open_gaps *self, const past_slot *slot)
{
    for (size_t i = 0; i < self->row_count; i++) {
        const gap_row *row = &self->rows[i].row;
        if (open_gaps_is_whole(row) && row->line == slot->line && row->shard == slot->shard &&
            row->from_ns <= self->options.start_ns)
            return 1;
    }
    return 0;
}

/* From the last frame of data; or from where an earlier gap ended, if none came since then, for the
 * slot stood from there on. */
static uint64_t find_beginning(const open_gaps *self, const past_slot *slot)
{
    uint64_t from_ns = slot->last_ns != 0 ? slot->last_ns : slot->last_any_ns;
    uint64_t end_ns = last_end(self, slot);
    if (end_ns > from_ns && end_ns <= slot->last_any_ns)
        from_ns = end_ns;
    return from_ns == 0 ? self->options.start_ns : from_ns; /* all its frames are of later times */
}

static td_result open_for_slot(open_gaps *self, const past_slot *slot, td_err *err)
{
    gap_row row =
        gap_row_of(slot->is_crashed ? GAP_CRASH : GAP_RESTART, self->options.feed->name,
                   find_beginning(self, slot), GAP_OPEN,
                   slot->is_crashed ? "recorder ended without a stop" : "nothing was recording");
    row.line = slot->line;
    row.shard = slot->shard;
    row.conn = slot->is_crashed ? slot->conn : 0;
    /* A row of the same key that has ended would end this one. */
    while (gap_list_find(self->options.ledger, &row) != NULL)
        row.from_ns++;
    td_result rc = gap_list_add(&self->begun, &row, err);
    return rc == TD_OK ? begin_row(self, &row, err) : rc;
}

static td_result open_for_slots(open_gaps *self, td_err *err)
{
    const past_slot *slots = self->options.past->slots;
    TD_ASSERT(self->slot_count == 0 || slots != NULL);
    td_result rc = TD_OK;
    for (size_t i = 0; i < self->slot_count && rc == TD_OK; i++) {
        const past_slot *slot = &slots[i];
        if (!is_down(self, slot) && !is_given_up(self, slot))
            rc = open_for_slot(self, slot, err);
    }
    return rc;
}

td_result open_gaps_begin(open_gaps *self, td_err *err)
{
    TD_ASSERT(self->options.past != NULL);
    TD_ASSERT(self->options.ledger != NULL);
    td_result rc = read_past(self, err);
    if (rc == TD_OK)
        rc = take_ledger(self, err);
    return rc == TD_OK ? open_for_slots(self, err) : rc;
}
