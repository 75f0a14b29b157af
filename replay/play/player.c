#include "replay/play/player.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "book/symbol_table.h"
#include "replay/play/work_queues.h"

enum { PROGRESS_FRAMES = 4096 };

struct player {
    player_options options;
    work_queues *queues;
    stream_table streams;
    symbol_table symbols; /* an entry's user is its first stream; NULL: the symbol has a state from
                             the tape's beginning but no frame yet */
    uint32_t next_queue;
    uint64_t frames; /* frames passed to streams so far */
    uint64_t first_recv_ns;
    uint64_t last_recv_ns;
    const frame_ref *waiting_frame; /* a frame that the pacer held back; NULL: no such frame */
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
    work_queues_close(p->queues); /* first, because they work on the streams */
    stream_table_fini(&p->streams);
    symbol_table_fini(&p->symbols);
    td_free(p);
}

/* ---- which stream ---- */

/* Begin a stream. Streams of a symbol share a work queue and a state. Symbols get their queues in
 * turn. */
static void begin_stream(player *p, stream *made)
{
    symbol_entry *of = symbol_table_get(&p->symbols, made->feed, made->symbol);
    const stream *first = of->user;
    made->queue = first != NULL ? first->queue : p->next_queue++ % work_queues_count(p->queues);
    if (first == NULL)
        of->user = made;
    made->tape.symbol = symbol_entry_state(of, p->options.without_audits ? SYMBOL_WITHOUT_AUDITS
                                                                         : SYMBOL_WITH_AUDITS);
    made->tape.ledger = p->options.observer.ledger;
    made->tape.user = made;
    made->observer = p->options.observer;
    if (!p->options.without_digests)
        digest_init(&made->digest);
}

/* Find the stream of a frame's channel; it is looked up once, then kept in the channel. */
static td_result find_stream(player *p, const frame_ref *frame, stream **out, td_err *err)
{
    frame_channel *channel = frame->channel;
    if (TD_LIKELY(channel->tape != NULL)) {
        *out = channel->tape->user;
        return TD_OK;
    }
    size_t known = p->streams.count;
    stream *s = stream_table_get(&p->streams, channel);
    TD_ASSERT(s->role == channel->role);
    channel->tape = &s->tape;
    *out = s;
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
    p->waiting_frame = frame;
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
    if (frame->is_lead_in) /* a lead-in frame is neither due nor counted: it brings books up to date
                            */
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

void player_judge(player *p, const frame_ref *frame, applied_frame *out)
{
    TD_ASSERT(!p->is_finished);
    stream *of = stream_table_get(&p->streams, frame->channel);
    TD_ASSERT(of->tape.symbol != NULL); /* it has been played */
    stream_judge(of, frame, out);
}

int player_take_states(player *p, cursor *from)
{
    symbol_table_take(&p->symbols, cursor_states(from));
    return p->symbols.count > 0;
}

td_result player_play(player *p, cursor *from, td_err *err)
{
    (void)player_take_states(p, from); /* without states symbols begin with their first frames */
    p->is_stopped = 0;
    for (;;) {
        const frame_ref *frame = p->waiting_frame;
        td_result rc = frame == NULL ? cursor_next(from, &frame, err) : TD_OK;
        p->waiting_frame = NULL;
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

/* Finish the audits: candles that still wait for their trades get a verdict that depends on how
 * long they waited. */
static void finish_audits(player *p)
{
    for (size_t i = 0; i < p->symbols.count; i++) {
        audit_verdict found;
        if (p->symbols.items[i]->user == NULL)
            continue;
        symbol_state_finish(p->symbols.items[i]->state, p->last_recv_ns, &found);
        const frame_position end = {.position = UINT64_MAX, .recv_ns = p->last_recv_ns};
        stream_note_audit(NULL, &found, &end);
    }
}

td_result player_finish(player *p, td_err *err)
{
    TD_ASSERT(!p->is_finished);
    td_result rc = work_queues_drain(p->queues, err);
    if (rc == TD_OK)
        finish_audits(p);
    for (size_t i = 0; i < p->streams.count; i++)
        stream_finish(p->streams.items[i]);
    stream_table_sort(&p->streams);
    p->is_finished = 1;
    return rc;
}

const symbol_table *player_symbols(const player *p)
{
    return &p->symbols;
}

/* ---- results ---- */

const stream_table *player_streams(const player *p)
{
    TD_ASSERT(p->is_finished);
    return &p->streams;
}

time_reason player_began_broken(const player *p, const silent_topic *topic)
{
    const gap_list *ledger = topic->last_ns != 0 ? NULL : p->options.observer.ledger;
    channel_info info = {.feed = topic->feed, .topic = topic->topic, .symbol = topic->symbol};
    topic_trust trust = {0};
    for (size_t i = 0; ledger != NULL && i < p->symbols.count; i++) {
        const symbol_entry *of = p->symbols.items[i];
        const symbol_topic *left;
        if (strcmp(of->feed, topic->feed) != 0 || strcmp(of->symbol, topic->symbol) != 0)
            continue;
        for (size_t k = 0; (left = symbol_state_topic_at(of->state, k)) != NULL; k++) {
            info.line = left->line;
            if (strcmp(left->name, topic->topic) == 0)
                topic_trust_resume(&trust, ledger, &info, left);
        }
    }
    time_reason reason = topic_trust_lacks(&trust)->reason;
    topic_trust_fini(&trust);
    return reason;
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
    sum->possible_copies += c->possible_copies;
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
    for (size_t i = 0; i < p->symbols.count; i++)
        if (p->symbols.items[i]->user != NULL)
            symbol_state_add_stats(p->symbols.items[i]->state, out);
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
