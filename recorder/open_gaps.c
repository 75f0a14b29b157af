#include "recorder/open_gaps.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "schema/topic.h"

static const char CLOCK_BEHIND[] = "the next session's clock was earlier than this moment";
static const char TAKEN_OVER[] = "another process had taken over before this moment";
static const char NOT_SUBSCRIBED[] = "no longer subscribed";

enum { SHARD_WORDS = LIMIT_FEED_SLOTS / 64 };
_Static_assert(SHARD_WORDS * 64 == LIMIT_FEED_SLOTS, "a bit for each shard");

/* A subscribed topic. */
typedef struct wanted_topic {
    uint32_t shard;
    char *topic;           /* without symbols */
    char *symbols;         /* "A|B"; "": all symbols */
    uint64_t withdrawn_ns; /* begin of the gap of its latest withdrawal; 0: none */
    uint8_t is_recorded;   /* 1: recorded in this session or an earlier one */
    uint8_t was_on_shard;  /* 1: recorded earlier, on the same shard */
    uint8_t was_on_other;  /* 1: recorded earlier, on another shard that was still in use */
    uint8_t is_granted;    /* 1: granted on the shard's current connection */
    uint8_t is_ended;      /* 1: of open_gaps_ended */
} wanted_topic;

/* An open gap: a row of the ledger, with its own copies of texts (gap_row_copy). */
typedef struct open_row {
    gap_row row;
    uint64_t shards[SHARD_WORDS]; /* gap of a whole slot: bits of shards it waits for */
    uint64_t answered_ns;         /* time of the latest answer of one of these shards */
    uint8_t is_silence;           /* 1: of open_gaps_silent, in this session */
} open_row;

struct open_gaps {
    open_gaps_options options;
    wanted_topic *topics; /* in the order of the subscription */
    size_t topic_count;
    size_t expected[LIMIT_FEED_SLOTS]; /* topics of each shard that have not ended */
    const uint8_t *is_mine;            /* of open_gaps_continue; else NULL */
    uint8_t is_continued;              /* 1: open_gaps_continue was called */
    uint8_t has_moved;                 /* 1: a topic is on another shard than in earlier sessions */
    open_row *rows;
    size_t row_count;
    gap_list begun;
};

/* ---- rows ---- */

/* Add a copy of a row. The copy is open, even if the row has an end. */
static open_row *add_row(open_gaps *self, const gap_row *row)
{
    self->rows = td_array_grow(self->rows, self->row_count, sizeof *self->rows);
    open_row *made = &self->rows[self->row_count++];
    *made = (open_row){.row = gap_row_copy(row)};
    made->row.to_ns = GAP_OPEN;
    return made;
}

static void drop_row(open_gaps *self, size_t index)
{
    TD_ASSERT(index < self->row_count);
    gap_row_fini(&self->rows[index].row);
    self->rows[index] = self->rows[--self->row_count];
}

/* End and emit a row. A row that begins after to_ns is from a session whose clock was wrong: it is
 * written with length 0 and a remark. Another row covers the time before it. */
static void end_row(open_gaps *self, size_t index, uint64_t to_ns)
{
    gap_row ended = self->rows[index].row;
    int is_ahead = ended.from_ns > to_ns;
    ended.to_ns = is_ahead ? ended.from_ns : to_ns;
    if (is_ahead)
        ended.detail = self->is_continued ? TAKEN_OVER : CLOCK_BEHIND;
    self->options.emit(self->options.user, self->options.feed_index, &ended);
    drop_row(self, index);
}

/* 1 if the row is for all topics of its slot. */
static int is_whole(const gap_row *row)
{
    return row->topic[0] == '\0' && row->symbol[0] == '\0';
}

static int waits_for(const open_row *row, uint32_t shard)
{
    return (int)(row->shards[shard / 64] >> (shard % 64) & 1);
}

static void wait_for(open_row *row, uint32_t shard)
{
    row->shards[shard / 64] |= UINT64_C(1) << (shard % 64);
}

static int waits_for_any(const open_row *row)
{
    for (size_t i = 0; i < SHARD_WORDS; i++)
        if (row->shards[i] != 0)
            return 1;
    return 0;
}

/* ---- topics ---- */

/* Copy the next symbol of a list "A|B" to out. The list "" has one symbol, the empty one. Returns 0
 * at the end. */
static int next_symbol(const char **at, char out[LIMIT_SYMBOL_BYTES])
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

static int has_symbol(const wanted_topic *topic, const char *symbol)
{
    const char *at = topic->symbols;
    char one[LIMIT_SYMBOL_BYTES];
    if (topic->symbols[0] == '\0' || symbol[0] == '\0')
        return 1;
    while (next_symbol(&at, one))
        if (strcmp(one, symbol) == 0)
            return 1;
    return 0;
}

/* 1 if the row is for this topic, and not for a whole slot. */
static int row_has_topic(const gap_row *row, const wanted_topic *topic)
{
    return strcmp(row->topic, topic->topic) == 0 && has_symbol(topic, row->symbol);
}

static void parse_topic(const open_gaps *self, const char *text, wanted_topic *out)
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
}

/* Take the subscription's topics that follow the last one. */
static void parse_topics(open_gaps *self)
{
    const subscription *wanted = self->options.wanted;
    for (size_t i = self->topic_count; i < wanted->shards[wanted->shard_count]; i++) {
        self->topics = td_array_grow(self->topics, i, sizeof *self->topics);
        self->topics[i] = (wanted_topic){.shard = subscription_shard_of(wanted, i)};
        parse_topic(self, wanted->topics[i], &self->topics[i]);
        self->expected[self->topics[i].shard]++;
        self->topic_count = i + 1;
    }
}

/* ---- earlier recordings ---- */

/* Index of topics by "TOPIC.SYMBOL", or by "TOPIC." if all symbols are subscribed. */
typedef struct topic_index {
    char **names;
    size_t name_count;
    name_index by_name;
} topic_index;

static void index_name(topic_index *index, const char *topic, const char *symbol, size_t row)
{
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    (void)snprintf(name, sizeof name, "%s.%s", topic, symbol); /* fits: both are bounded */
    index->names = td_array_grow(index->names, index->name_count, sizeof(char *));
    index->names[index->name_count] = td_strdup(name);
    name_index_put(&index->by_name, td_bytes_str(index->names[index->name_count++]), row);
}

static void index_fini(topic_index *index)
{
    name_index_fini(&index->by_name);
    for (size_t i = 0; i < index->name_count; i++)
        td_free(index->names[i]);
    td_free(index->names);
}

static void index_topics(const open_gaps *self, topic_index *index)
{
    for (size_t i = 0; i < self->topic_count; i++) {
        const char *at = self->topics[i].symbols;
        char symbol[LIMIT_SYMBOL_BYTES];
        while (next_symbol(&at, symbol))
            index_name(index, self->topics[i].topic, symbol, i);
    }
}

static int is_of_feed(const open_gaps *self, const gap_row *row)
{
    return strcmp(row->feed, self->options.feed->name) == 0;
}

/* 1 if this line continues an earlier session's line: the one with its number, and line 0 also the
 * lines that no connection of this session begins with. */
static int continues_line(const open_gaps *self, uint32_t line, uint32_t shard)
{
    if (self->is_mine != NULL)
        return shard < LIMIT_FEED_SLOTS && self->is_mine[shard];
    return self->options.line == (line < self->options.feed->lines ? line : 0);
}

/* Return the latest end of a gap of the whole slot, or 0. A gap that ended because the feed was
 * removed shows no connection. */
static uint64_t last_end(const open_gaps *self, const past_slot *slot)
{
    const gap_list *ledger = self->options.ledger;
    uint64_t end_ns = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        if (row->to_ns != GAP_OPEN && row->to_ns > end_ns && row->to_ns <= self->options.start_ns &&
            is_of_feed(self, row) && is_whole(row) && row->line == slot->line &&
            row->shard == slot->shard && !gap_row_is_removed(row))
            end_ns = row->to_ns;
    }
    return end_ns;
}

/* Return the session with the feed's latest frame. */
static const char *last_session(const feed_slots *past)
{
    const past_slot *last = NULL;
    for (size_t i = 0; i < past->slot_count; i++)
        if (last == NULL || past->slots[i].last_any_ns > last->last_any_ns)
            last = &past->slots[i];
    return last == NULL ? "" : last->session;
}

/* 1 if the last session did not have the slot, and the slot's gap has ended, because the slot's
 * topics moved to other slots. */
static int is_abandoned(const open_gaps *self, const past_slot *slot)
{
    TD_ASSERT(slot != NULL);
    return strcmp(slot->session, last_session(self->options.past)) != 0 &&
           last_end(self, slot) > slot->last_any_ns;
}

/* Find which topics were recorded before, and whether any is on another shard now. */
static void read_past(open_gaps *self)
{
    const feed_slots *past = self->options.past;
    topic_index index = {0};
    index_topics(self, &index);
    for (size_t i = 0; i < past->topic_count; i++) {
        const past_topic *from = past->topics[i];
        td_bytes name = td_bytes_str(from->name);
        size_t topic = name_index_find(&index.by_name, name);
        if (topic == NAME_INDEX_NONE)
            topic = name_index_find(&index.by_name, td_bytes_of(name.data, from->topic_bytes));
        if (topic == NAME_INDEX_NONE)
            continue;
        TD_ASSERT(from->slot < past->slot_count);
        const past_slot *slot = &past->slots[from->slot];
        int is_same = continues_line(self, slot->line, slot->shard) &&
                      slot->shard == self->topics[topic].shard;
        self->topics[topic].is_recorded = 1;
        if (is_abandoned(self, slot))
            continue;
        if (is_same)
            self->topics[topic].was_on_shard = 1;
        else
            self->topics[topic].was_on_other = 1;
    }
    for (size_t i = 0; i < self->topic_count; i++)
        if (self->topics[i].was_on_other ||
            (self->topics[i].is_recorded && !self->topics[i].was_on_shard))
            self->has_moved = 1;
    index_fini(&index);
}

/* ---- rows that earlier sessions left open ---- */

/* Keep an open row. A row of a whole slot waits for the shard with the slot's number. It waits for
 * all shards if topics have moved, if lost segments (GAP_CORRUPT) may have held topics of any slot,
 * or if there is no such shard or slot. */
static void begin_row(open_gaps *self, const gap_row *row)
{
    open_row *made = add_row(self, row);
    uint32_t shard_count = self->options.wanted->shard_count;
    if (!is_whole(row) && self->topic_count > 0)
        return;
    if (row->reason != GAP_CORRUPT && row->shard < shard_count && !self->has_moved &&
        feed_slots_find(self->options.past, row->line, row->shard) != NULL)
        wait_for(made, row->shard);
    else
        for (uint32_t shard = 0; shard < shard_count; shard++)
            wait_for(made, shard);
}

static int is_subscribed(const open_gaps *self, const gap_row *row)
{
    if (self->topic_count == 0)
        return 1; /* authentication subscribes to everything */
    for (size_t i = 0; i < self->topic_count; i++)
        if (row_has_topic(row, &self->topics[i]))
            return 1;
    return 0;
}

/* Handle a row that an earlier session left open. If it stays open, it is written again, so that
 * the journal entry of a session's start lists all open rows, even if earlier entries are lost. A
 * row for lost entries of the journal ends here. */
static void add_earlier(open_gaps *self, const gap_row *row)
{
    int is_lost = row->reason == GAP_CORRUPT && strcmp(row->cause, GAP_CAUSE_JOURNAL) == 0;
    if (!is_lost && (is_whole(row) || is_subscribed(self, row))) {
        for (size_t i = 0; i < self->topic_count; i++)
            self->topics[i].is_recorded |= !is_whole(row) && row_has_topic(row, &self->topics[i]);
        gap_list_add(&self->begun, row);
        begin_row(self, row);
        return;
    }
    gap_row ended = *row;
    uint64_t start_ns = self->options.start_ns;
    ended.to_ns = start_ns > row->from_ns ? start_ns : row->from_ns;
    if (!is_lost && row->detail[0] == '\0')
        ended.detail = NOT_SUBSCRIBED;
    gap_list_add(&self->begun, &ended);
}

/* An open row may be the rest of a written one (disproved_gaps.h). The first part is then written,
 * too: otherwise the written row would be open again when its connection's segments are pruned. */
static void add_first_part(const gap_list *ledger, const gap_row *rest, gap_list *out)
{
    for (size_t i = 0; i < ledger->count; i++) {
        gap_row key = *rest;
        key.from_ns = ledger->rows[i].from_ns;
        if (gap_row_is_disproved(&ledger->rows[i]) && ledger->rows[i].to_ns == rest->from_ns &&
            gap_row_compare(&ledger->rows[i], &key) == 0)
            gap_list_add(out, &ledger->rows[i]);
    }
}

static int is_configured(const recorder_config *config, const char *feed)
{
    for (size_t i = 0; i < config->feed_count; i++)
        if (strcmp(config->feeds[i].name, feed) == 0)
            return 1;
    return 0;
}

void open_gaps_end_others(const recorder_config *config, const archive_history *past,
                          const char *session, const gap_list *ledger, gap_list *out)
{
    for (size_t i = 0; i < ledger->count; i++) {
        gap_row ended = ledger->rows[i];
        if (ended.to_ns != GAP_OPEN || is_configured(config, ended.feed) ||
            strcmp(ended.cause, GAP_CAUSE_IMPORT) == 0)
            continue;
        const uint64_t to_ns = archive_history_asked_until_ns(past, ended.feed, session);
        if (to_ns == 0)
            continue;
        ended.to_ns = to_ns > ended.from_ns ? to_ns : ended.from_ns;
        char *detail = gap_detail_removed(ended.detail);
        ended.detail = detail;
        gap_list_add(out, &ended);
        td_free(detail);
        add_first_part(ledger, &ledger->rows[i], out);
    }
}

static void add_ledger(open_gaps *self)
{
    const gap_list *ledger = self->options.ledger;
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        if (row->to_ns != GAP_OPEN || !is_of_feed(self, row) ||
            !continues_line(self, row->line, row->shard))
            continue;
        add_earlier(self, row);
        add_first_part(ledger, row, &self->begun);
    }
}

/* ---- rows that this session opens ---- */

/* 1 if an open gap covers this slot already. A gap that begins later than now does not count: the
 * clock was ahead when it was written. */
static int has_open_gap(const open_gaps *self, const past_slot *slot)
{
    for (size_t i = 0; i < self->row_count; i++) {
        const gap_row *row = &self->rows[i].row;
        if (is_whole(row) && row->line == slot->line && row->shard == slot->shard &&
            row->from_ns <= self->options.start_ns)
            return 1;
    }
    return 0;
}

/* Open the gap between the slot's last recording and this session. It begins at the time until
 * which the slot was complete. If an earlier gap of the slot ended after that time, the new gap
 * begins where the earlier one ended, because the slot was connected then. */
static void open_for_slot(open_gaps *self, const past_slot *slot)
{
    uint64_t from_ns = past_slot_end_ns(slot);
    uint64_t end_ns = last_end(self, slot);
    if (end_ns > from_ns && end_ns <= slot->last_any_ns)
        from_ns = end_ns;
    if (from_ns == 0) /* all of its frames have later times: the clock was ahead */
        from_ns = self->options.start_ns;
    gap_row row =
        gap_row_of(slot->is_crashed ? GAP_CRASH : GAP_RESTART, self->options.feed->name, from_ns,
                   GAP_OPEN, slot->is_crashed ? GAP_CAUSE_CRASH : "nothing was recording");
    row.line = slot->line;
    row.shard = slot->shard;
    row.conn = slot->is_crashed ? slot->conn : 0;
    /* The key must be new: rows with equal keys are one gap, so that an ended row in the ledger
     * would be the end of this one. */
    while (gap_list_find(self->options.ledger, &row) != NULL)
        row.from_ns++;
    gap_list_add(&self->begun, &row);
    begin_row(self, &row);
}

static void open_for_slots(open_gaps *self)
{
    for (size_t i = 0; i < self->options.past->slot_count; i++) {
        const past_slot *slot = &self->options.past->slots[i];
        int is_replaced = self->is_continued ? slot->replaced_ns >= slot->last_any_ns
                                             : past_slot_is_replaced(self->options.past, slot);
        if (continues_line(self, slot->line, slot->shard) && !is_replaced &&
            !has_open_gap(self, slot) && !is_abandoned(self, slot))
            open_for_slot(self, slot);
    }
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

/* 1 if every topic of the row is granted. */
static int is_all_granted(const open_gaps *self, const gap_row *row)
{
    for (size_t i = 0; i < self->topic_count; i++)
        if (!self->topics[i].is_granted && row_has_topic(row, &self->topics[i]))
            return 0;
    return 1;
}

void open_gaps_added(open_gaps *self)
{
    parse_topics(self);
}

/* 1 if no topic is expected on the shard any more. Without topics, authentication subscribes to
 * everything. */
static int is_shard_empty(const open_gaps *self, uint32_t shard)
{
    return self->topic_count > 0 && self->expected[shard] == 0;
}

/* The row does not wait for the shard any more: it ends at to_ns if it waits for no other. */
static void stop_waiting(open_gaps *self, size_t index, uint32_t shard, uint64_t to_ns)
{
    open_row *row = &self->rows[index];
    row->shards[shard / 64] &= ~(UINT64_C(1) << (shard % 64));
    if (!waits_for_any(row))
        end_row(self, index, to_ns);
}

void open_gaps_ended(open_gaps *self, size_t topic, uint64_t recv_ns, const char *why)
{
    TD_ASSERT(topic < self->topic_count);
    const uint32_t shard = self->topics[topic].shard;
    self->topics[topic].is_granted = 0;
    self->topics[topic].is_recorded = 0;
    if (!self->topics[topic].is_ended)
        self->expected[shard]--;
    self->topics[topic].is_ended = 1;
    for (size_t i = self->row_count; i > 0; i--) {
        open_row *row = &self->rows[i - 1];
        if (waits_for(row, shard) && is_shard_empty(self, shard)) {
            stop_waiting(self, i - 1, shard, recv_ns);
            continue;
        }
        if (waits_for_any(row) || !row_has_topic(&row->row, &self->topics[topic]))
            continue;
        td_free((char *)row->row.detail);
        row->row.detail = td_strdup(why);
        end_row(self, i - 1, recv_ns);
    }
}

void open_gaps_removed(open_gaps *self, uint64_t recv_ns)
{
    while (self->row_count > 0) {
        gap_row *row = &self->rows[self->row_count - 1].row;
        char *detail = gap_detail_removed(row->detail);
        td_free((char *)row->detail);
        row->detail = detail;
        end_row(self, self->row_count - 1, recv_ns);
    }
}

void open_gaps_granted(open_gaps *self, size_t topic, uint64_t recv_ns)
{
    TD_ASSERT(topic < self->topic_count);
    self->topics[topic].is_granted = 1;
    self->topics[topic].is_recorded = 1;
    for (size_t i = self->row_count; i > 0; i--) {
        const gap_row *row = &self->rows[i - 1].row;
        if (!waits_for_any(&self->rows[i - 1]) && row_has_topic(row, &self->topics[topic]) &&
            !self->rows[i - 1].is_silence && is_all_granted(self, row))
            end_row(self, i - 1, recv_ns);
    }
}

void open_gaps_heard(open_gaps *self, size_t topic, uint64_t recv_ns)
{
    for (size_t i = self->row_count; i > 0; i--)
        if (self->rows[i - 1].is_silence &&
            row_has_topic(&self->rows[i - 1].row, &self->topics[topic]))
            end_row(self, i - 1, recv_ns);
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

/* Open a row for each symbol of a topic. The rows' other fields are copied from the slot's row. */
static void open_for_topic(open_gaps *self, const gap_row *slot, const wanted_topic *topic)
{
    const char *at = topic->symbols;
    char symbol[LIMIT_SYMBOL_BYTES];
    while (next_symbol(&at, symbol)) {
        if (has_row(self, topic->topic, symbol))
            continue;
        gap_row row = *slot;
        row.topic = topic->topic;
        row.symbol = symbol;
        row.to_ns = GAP_OPEN;
        self->options.emit(self->options.user, self->options.feed_index, &row);
        add_row(self, &row);
    }
}

/* If a gap waits for the shard, it covers the topic, and open_gaps_answered later opens the topic's
 * own gap. Each gap of a topic needs its own from_ns, because rows with equal from_ns would be one
 * gap in the ledger. */
void open_gaps_withdrawn(open_gaps *self, size_t topic, uint32_t conn, uint64_t from_ns)
{
    TD_ASSERT(topic < self->topic_count);
    wanted_topic *withdrawn = &self->topics[topic];
    withdrawn->is_granted = 0;
    if (open_gaps_wait_for(self, withdrawn->shard))
        return;
    if (from_ns <= withdrawn->withdrawn_ns)
        from_ns = withdrawn->withdrawn_ns + 1;
    withdrawn->withdrawn_ns = from_ns;
    gap_row row = gap_row_of(GAP_DISCONNECT, self->options.feed->name, from_ns, GAP_OPEN,
                             GAP_CAUSE_WITHDRAWN);
    row.line = self->options.line;
    row.shard = withdrawn->shard;
    row.conn = conn;
    open_for_topic(self, &row, withdrawn);
}

int open_gaps_silent(open_gaps *self, size_t topic, uint32_t conn, uint64_t from_ns,
                     const char *detail)
{
    const wanted_topic *silent = &self->topics[topic];
    const size_t before = self->row_count;
    if (!silent->is_granted || open_gaps_wait_for(self, silent->shard))
        return 0;
    gap_row row =
        gap_row_of(GAP_STALE, self->options.feed->name, from_ns, GAP_OPEN, GAP_CAUSE_SILENT);
    row.line = self->options.line;
    row.shard = silent->shard;
    row.conn = conn;
    row.detail = detail;
    open_for_topic(self, &row, silent);
    for (size_t i = before; i < self->row_count; i++)
        self->rows[i].is_silence = 1;
    return self->row_count > before;
}

void open_gaps_answered(open_gaps *self, uint32_t shard, uint64_t recv_ns)
{
    for (size_t i = self->row_count; i > 0; i--) {
        if (!waits_for(&self->rows[i - 1], shard))
            continue;
        const gap_row slot = self->rows[i - 1].row; /* a copy, because adding rows moves them */
        for (size_t k = 0; k < self->topic_count; k++) {
            const wanted_topic *topic = &self->topics[k];
            if (topic->shard == shard && !topic->is_granted && topic->is_recorded)
                open_for_topic(self, &slot, topic);
        }
        open_row *row = &self->rows[i - 1];
        row->answered_ns = recv_ns > row->answered_ns ? recv_ns : row->answered_ns;
        stop_waiting(self, i - 1, shard, row->answered_ns);
    }
}

static int waits_for_only(const open_row *row, uint32_t shard)
{
    open_row others = *row;
    others.shards[shard / 64] &= ~(UINT64_C(1) << (shard % 64));
    return waits_for(row, shard) && !waits_for_any(&others);
}

void open_gaps_split(open_gaps *self, uint32_t shard, uint64_t at_ns)
{
    for (size_t i = self->row_count; i > 0; i--) {
        const open_row *row = &self->rows[i - 1];
        if (!waits_for_only(row, shard) || !is_whole(&row->row) || row->row.from_ns >= at_ns)
            continue;
        gap_row rest = gap_row_copy(&row->row);
        rest.from_ns = at_ns;
        end_row(self, i - 1, at_ns);
        self->options.emit(self->options.user, self->options.feed_index, &rest);
        wait_for(add_row(self, &rest), shard);
        gap_row_fini(&rest);
        return;
    }
}

void open_gaps_lost(open_gaps *self, uint32_t shard, uint32_t conn, time_reason reason,
                    uint64_t from_ns, const char *cause, const char *detail)
{
    TD_ASSERT(shard < self->options.wanted->shard_count);
    TD_ASSERT(from_ns != 0);
    if (open_gaps_wait_for(self, shard) || is_shard_empty(self, shard))
        return;
    gap_row row = gap_row_of(reason, self->options.feed->name, from_ns, GAP_OPEN, cause);
    row.line = self->options.line;
    row.shard = shard;
    row.conn = conn;
    row.detail = detail;
    self->options.emit(self->options.user, self->options.feed_index, &row);
    wait_for(add_row(self, &row), shard);
}

/* ---- life ---- */

const gap_row *open_gaps_begun(const open_gaps *self, size_t *count)
{
    *count = self->begun.count;
    return self->begun.rows;
}

open_gaps *open_gaps_open(const open_gaps_options *options)
{
    TD_ASSERT(options->emit != NULL);
    open_gaps *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    parse_topics(self);
    read_past(self);
    add_ledger(self);
    open_for_slots(self);
    self->options.past = NULL;
    self->options.ledger = NULL;
    return self;
}

void open_gaps_continue(open_gaps *self, const feed_slots *past, const gap_list *ledger,
                        const uint8_t is_mine[LIMIT_FEED_SLOTS], uint64_t start_ns)
{
    self->options.past = past;
    self->options.ledger = ledger;
    self->options.start_ns = start_ns;
    self->is_mine = is_mine;
    self->is_continued = 1;
    read_past(self);
    add_ledger(self);
    open_for_slots(self);
    self->options.past = NULL;
    self->options.ledger = NULL;
    self->is_mine = NULL;
}

void open_gaps_restate(open_gaps *self, uint32_t shard, uint32_t conn, uint64_t granted_ns)
{
    open_gaps_answered(self, shard, granted_ns);
    for (size_t i = 0; i < self->topic_count; i++) {
        if (self->topics[i].shard == shard && self->topics[i].is_granted)
            open_gaps_granted(self, i, granted_ns);
        else if (self->topics[i].shard == shard && self->topics[i].is_recorded)
            open_gaps_withdrawn(self, i, conn, granted_ns); /* the other process had it */
    }
}

void open_gaps_close(open_gaps *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->topic_count; i++) {
        td_free(self->topics[i].topic);
        td_free(self->topics[i].symbols);
    }
    for (size_t i = 0; i < self->row_count; i++)
        gap_row_fini(&self->rows[i].row);
    gap_list_fini(&self->begun);
    td_free(self->rows);
    td_free(self->topics);
    td_free(self);
}
