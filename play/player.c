#include "play/player.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "play/work_queues.h"

enum { PROGRESS_FRAMES = 4096 };

/* A feed's symbol. Its topics share a work queue and a state. */
typedef struct player_symbol {
    const char *feed, *symbol; /* of the tape */
    symbol_state *state;
    uint32_t queue;
    uint8_t has_stream; /* 0: it has the state that the tape begins with, and no frame so far */
} player_symbol;

struct player {
    player_options options;
    work_queues *queues;
    stream_table streams;
    player_symbol *symbols;
    size_t symbol_count;
    slot_table by_symbol;
    uint32_t next_queue;
    uint64_t frames; /* of streams so far */
    uint64_t first_recv_ns;
    uint64_t last_recv_ns;
    const frame_ref *held; /* that the pacer did not let go */
    uint8_t is_stopped;
    uint8_t is_finished;
};

/* ---- life ---- */

player *player_open(const player_options *options)
{
    player *made = td_alloc_zero(1, sizeof *made);
    made->options = *options;
    const observer_ops *observing = options->observer.ops;
    int is_ordered = observing != NULL && observing->is_ordered;
    made->queues = work_queues_open(is_ordered ? NULL : options->workers);
    return made;
}

void player_close(player *p)
{
    if (p == NULL)
        return;
    work_queues_close(p->queues); /* before the streams that they work on */
    stream_table_fini(&p->streams);
    for (size_t i = 0; i < p->symbol_count; i++)
        symbol_state_close(p->symbols[i].state);
    slot_table_fini(&p->by_symbol);
    td_free(p->symbols);
    td_free(p);
}

/* ---- which stream ---- */

static player_symbol *find_symbol(player *p, const char *feed, const char *symbol)
{
    uint64_t hash = td_xxh64(feed, strlen(feed)) * 31 + td_xxh64(symbol, strlen(symbol));
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&p->by_symbol, &at)) {
        player_symbol *known = &p->symbols[at.row];
        if (strcmp(known->symbol, symbol) == 0 && strcmp(known->feed, feed) == 0)
            return known;
    }
    p->symbols = td_array_grow(p->symbols, p->symbol_count, sizeof *p->symbols);
    slot_table_put(&p->by_symbol, hash, p->symbol_count);
    p->symbols[p->symbol_count] = (player_symbol){.feed = feed, .symbol = symbol};
    return &p->symbols[p->symbol_count++];
}

/* Queues are assigned in turn. */
static void begin_stream(player *p, stream *made)
{
    player_symbol *of = find_symbol(p, made->feed, made->symbol);
    if (of->state == NULL)
        of->state = symbol_state_open(p->options.without_audits ? SYMBOL_WITHOUT_AUDITS
                                                                : SYMBOL_WITH_AUDITS);
    if (!of->has_stream)
        of->queue = p->next_queue++ % work_queues_count(p->queues);
    of->has_stream = 1;
    made->of_symbol = of->state;
    made->queue = of->queue;
    made->observer = p->options.observer;
    if (!p->options.without_digests)
        digest_init(&made->digest);
}

/* The stream of a frame's channel: looked up once, and then kept with it. */
static td_result find_stream(player *p, const frame_ref *frame, stream **out, td_err *err)
{
    frame_channel *channel = frame->channel;
    *out = channel->user;
    if (*out != NULL)
        return TD_OK;
    size_t known = p->streams.count;
    stream *s = stream_table_get(&p->streams, channel);
    TD_ASSERT(s->role == channel->role);
    channel->user = *out = s;
    if (p->streams.count == known)
        return TD_OK;
    begin_stream(p, s);
    const observer_ops *observing = p->options.observer.ops;
    return observing != NULL && observing->begin != NULL
               ? observing->begin(p->options.observer.ctx, s, &s->observed, frame, err)
               : TD_OK;
}

/* ---- frames ---- */

static td_result wait_until_due(player *p, const frame_ref *frame, uint64_t *deadline_ns)
{
    *deadline_ns = 0;
    if (p->options.pacer == NULL ||
        pacer_wait(p->options.pacer, frame->recv_ns, deadline_ns) == PACER_GO)
        return TD_OK;
    p->held = frame;
    return TD_EOF;
}

static td_result pass_on(player *p, const frame_ref *frame, td_err *err)
{
    stream *to;
    td_result rc = find_stream(p, frame, &to, err);
    p->frames++;
    return rc == TD_OK ? work_queues_add(p->queues, to, frame, err) : rc;
}

td_result player_on_frame(player *p, const frame_ref *frame, td_err *err)
{
    TD_ASSERT(!p->is_finished);
    frame_role role = frame->channel->role;
    TD_ASSERT(role != ROLE_EVENT);
    TD_ASSERT(frame->is_read || role == ROLE_OUT || role == ROLE_HTTP);
    if (frame->is_lead_in) /* neither due nor counted: it brings books up to date */
        return role == ROLE_DATA ? pass_on(p, frame, err) : TD_OK;
    uint64_t deadline_ns;
    td_result rc = wait_until_due(p, frame, &deadline_ns);
    if (rc == TD_OK && p->options.due != NULL && !frame->is_copy)
        rc = p->options.due(p->options.user, frame, deadline_ns, err);
    if (rc != TD_OK)
        return rc;
    if (p->first_recv_ns == 0)
        p->first_recv_ns = frame->recv_ns;
    if (frame->recv_ns > p->last_recv_ns)
        p->last_recv_ns = frame->recv_ns;
    rc = pass_on(p, frame, err);
    if (rc == TD_OK && p->options.progress != NULL && p->frames % PROGRESS_FRAMES == 0 &&
        p->options.progress(p->options.user, p->frames, frame->recv_ns))
        return TD_EOF;
    return rc;
}

int player_take_states(player *p, cursor *from)
{
    cursor_state state;
    while (cursor_next_state(from, &state)) {
        player_symbol *of = find_symbol(p, state.feed, state.symbol);
        symbol_state_close(of->has_stream ? state.state : of->state);
        of->state = of->has_stream ? of->state : state.state;
    }
    return p->symbol_count > 0;
}

void player_save_states(const player *p, const char *feed, checkpoint_builder *out)
{
    td_buf bytes;
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < p->symbol_count; i++) {
        const player_symbol *of = &p->symbols[i];
        if (strcmp(of->feed, feed) != 0)
            continue;
        int is_saved = symbol_state_save(of->state, &bytes, NULL) == TD_OK;
        checkpoint_builder_add(out, td_bytes_str(of->symbol),
                               is_saved ? td_buf_view(&bytes) : td_bytes_of(NULL, 0));
    }
    td_buf_fini(&bytes);
}

const symbol_state *player_state_at(const player *p, size_t i, const char **feed,
                                    const char **symbol)
{
    if (i == p->symbol_count)
        return NULL;
    *feed = p->symbols[i].feed;
    *symbol = p->symbols[i].symbol;
    return p->symbols[i].state;
}

td_result player_play(player *p, cursor *from, td_err *err)
{
    (void)player_take_states(p, from); /* or its symbols begin with their first frames */
    p->is_stopped = 0;
    for (;;) {
        const frame_ref *frame = p->held;
        td_result rc = frame == NULL ? cursor_next(from, &frame, err) : TD_OK;
        p->held = NULL;
        if (rc == TD_OK) {
            rc = player_on_frame(p, frame, err);
            p->is_stopped = rc == TD_EOF;
        }
        if (rc != TD_OK)
            return rc == TD_EOF ? TD_OK : rc;
    }
}

int player_is_stopped(const player *p)
{
    return p->is_stopped;
}

td_result player_drain(player *p, td_err *err)
{
    return work_queues_drain(p->queues, err);
}

/* Candle readings that still wait for their trades are judged by how long they waited. */
static void finish_audits(player *p)
{
    for (size_t i = 0; i < p->symbol_count; i++) {
        audit_verdict found;
        if (!p->symbols[i].has_stream)
            continue;
        symbol_state_finish(p->symbols[i].state, p->last_recv_ns, &found);
        const stream_place place = {.position = UINT64_MAX, .recv_ns = p->last_recv_ns};
        stream_note_audit(NULL, &found, &place);
    }
}

td_result player_finish(player *p, td_err *err)
{
    TD_ASSERT(!p->is_finished);
    td_result rc = work_queues_drain(p->queues, err);
    if (rc == TD_OK)
        finish_audits(p);
    stream_table_sort(&p->streams);
    p->is_finished = 1;
    return rc;
}

/* ---- results ---- */

const stream_table *player_streams(const player *p)
{
    TD_ASSERT(p->is_finished);
    return &p->streams;
}

static void totals_add(player_totals *sum, const stream *s)
{
    const stream_counts *c = &s->counts;
    sum->lead_in += c->lead_in;
    sum->made += c->made;
    sum->frames += c->frames;
    sum->bytes += c->bytes;
    if (s->dir == CHANNEL_OUT)
        sum->out += c->frames;
    if (s->dir == CHANNEL_HTTP)
        sum->http += c->frames;
    if (s->dir != CHANNEL_IN)
        return;
    sum->decoded += c->decoded;
    sum->undecoded += c->undecoded;
    sum->control += c->frames - c->decoded - c->undecoded;
    sum->copies += c->copies;
    sum->unchecked += c->unchecked;
    sum->unaudited += c->unaudited;
    sum->unknown_fields += c->unknown_fields;
    for (size_t i = 0; i < DECODE_REASON_COUNT; i++)
        sum->undecoded_by[i] += c->undecoded_by[i];
    for (size_t i = 0; i < RULE_COUNT; i++)
        sum->violations += s->rules[STRENGTH_ERROR][i];
}

void player_get_audits(const player *p, audit_stats *out)
{
    TD_ASSERT(p->is_finished);
    *out = (audit_stats){0};
    for (size_t i = 0; i < p->symbol_count; i++)
        if (p->symbols[i].has_stream)
            symbol_state_add_stats(p->symbols[i].state, out);
}

void player_get_totals(const player *p, player_totals *out)
{
    TD_ASSERT(p->is_finished);
    *out = (player_totals){.first_recv_ns = p->first_recv_ns, .last_recv_ns = p->last_recv_ns};
    for (size_t i = 0; i < p->streams.count; i++)
        totals_add(out, p->streams.items[i]);
    TD_ASSERT(out->frames == out->decoded + out->undecoded + out->control + out->out + out->http);
}

void player_digests(const player *p, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES])
{
    TD_ASSERT(p->is_finished);
    if (p->options.without_digests)
        return;
    digest sum;
    digest_init(&sum);
    for (size_t i = 0; i < p->streams.count; i++) {
        const stream *s = p->streams.items[i];
        const digest_parts parts = digest_parts_of(&s->digest);
        digest_add_parts(&sum, s->feed, s->topic, s->symbol, s->dir, &parts);
    }
    digest_hex(&sum, out);
    digest_fini(&sum);
}

unsigned player_busy_max(const player *p)
{
    return work_queues_busy_max(p->queues);
}
