#include "play/player.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "play/work_queues.h"

enum { PROGRESS_FRAMES = 4096 };

struct player {
    player_options options;
    work_queues *queues;
    stream_table streams;
    symbol_state **symbols; /* of each feed's symbol */
    size_t symbol_count;
    cursor_state *saved; /* for symbols without a frame so far */
    size_t saved_count;
    uint32_t next_queue;
    uint64_t frames; /* of streams so far */
    uint64_t first_recv_ns;
    uint64_t last_recv_ns;
    const frame_ref *held; /* that the pacer did not let go */
    uint8_t wants_events;
    uint8_t is_stopped;
    uint8_t is_finished;
};

/* ---- life ---- */

player *player_open(const player_options *options)
{
    TD_ASSERT(options->sink_count <= PLAYER_SINKS_MAX);
    player *made = td_alloc_zero(1, sizeof *made);
    made->options = *options;
    for (size_t i = 0; i < options->sink_count; i++)
        made->wants_events |= options->sinks[i].ops->wants_events;
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
        symbol_state_close(p->symbols[i]);
    for (size_t i = 0; i < p->saved_count; i++)
        symbol_state_close(p->saved[i].state);
    td_free(p->saved);
    td_free(p->symbols);
    td_free(p);
}

/* ---- which stream ---- */

/* The state that the tape begins with, or an empty one. */
static symbol_state *first_state(player *p, const stream *of)
{
    for (size_t i = 0; i < p->saved_count; i++) {
        const cursor_state at = p->saved[i];
        if (strcmp(at.symbol, of->symbol) != 0 || strcmp(at.feed, of->feed) != 0)
            continue;
        p->saved[i] = p->saved[--p->saved_count];
        return at.state;
    }
    return symbol_state_open(p->options.without_audits ? SYMBOL_WITHOUT_AUDITS
                                                       : SYMBOL_WITH_AUDITS);
}

/* All topics of one feed's symbol share a work queue and a symbol state; queues are assigned in
 * turn. */
static void place_stream(player *p, stream *made)
{
    const stream *sibling = stream_table_sibling(&p->streams, made);
    if (sibling != made) {
        made->queue = sibling->queue;
        made->of_symbol = sibling->of_symbol;
        return;
    }
    made->of_symbol = first_state(p, made);
    p->symbols = td_array_grow(p->symbols, p->symbol_count, sizeof(symbol_state *));
    p->symbols[p->symbol_count++] = made->of_symbol;
    made->queue = p->next_queue++ % work_queues_count(p->queues);
}

/* The stream of a frame's channel: looked up once, and then kept with it. */
static td_result find_stream(player *p, const frame_ref *frame, stream **out, td_err *err)
{
    frame_channel *channel = frame->channel;
    *out = channel->user;
    if (*out != NULL)
        return TD_OK;
    stream_key key = {channel->info.feed, channel->topic.topic, channel->topic.symbol,
                      channel->info.dir};
    const stream_origin origin = {.row = frame->row,
                                  .exchange_topic = channel->info.exchange_topic,
                                  .family = channel->info.family,
                                  .observer = p->options.observer,
                                  .without_digests = p->options.without_digests};
    size_t known = p->streams.count;
    stream *s = stream_table_get(&p->streams, &key, &origin);
    TD_ASSERT(p->streams.count <= known + 1);
    int is_new = p->streams.count > known;
    if (is_new) {
        place_stream(p, s);
        s->role = channel->role;
    }
    TD_ASSERT(s->role == channel->role);
    channel->user = *out = s;
    const observer_ops *observing = p->options.observer.ops;
    return is_new && observing != NULL && observing->begin != NULL
               ? observing->begin(p->options.observer.ctx, s, frame, err)
               : TD_OK;
}

/* ---- frames ---- */

static td_result show_to_sinks(player *p, const frame_ref *frame, uint64_t deadline_ns, td_err *err)
{
    for (size_t i = 0; i < p->options.sink_count; i++) {
        const sink *to = &p->options.sinks[i];
        if (frame->channel->role == ROLE_EVENT && !to->ops->wants_events)
            continue;
        TD_ASSERT(to->ops->frame != NULL);
        td_result rc = to->ops->frame(to->ctx, frame, deadline_ns, err);
        if (rc != TD_OK)
            return rc == TD_EOF ? rc : td_err_add(err, rc, "%s", to->ops->name);
    }
    return TD_OK;
}

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
    TD_ASSERT(frame->is_read || role == ROLE_OUT || role == ROLE_HTTP || role == ROLE_EVENT);
    if (role == ROLE_EVENT && !p->wants_events)
        return TD_OK;
    if (frame->is_lead_in) /* neither due nor counted: it brings books up to date */
        return role == ROLE_DATA ? pass_on(p, frame, err) : TD_OK;
    uint64_t deadline_ns;
    td_result rc = wait_until_due(p, frame, &deadline_ns);
    if (rc == TD_OK && p->options.sink_count > 0 && !frame->is_copy)
        rc = show_to_sinks(p, frame, deadline_ns, err);
    if (rc != TD_OK || role == ROLE_EVENT)
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
        p->saved = td_array_grow(p->saved, p->saved_count, sizeof *p->saved);
        p->saved[p->saved_count++] = state;
    }
    return p->saved_count > 0;
}

static void save_state(symbol_state *of, const char *symbol, td_buf *bytes, checkpoint_builder *out)
{
    int is_saved = symbol_state_save(of, bytes, NULL) == TD_OK;
    checkpoint_builder_add(out, td_bytes_str(symbol),
                           is_saved ? td_buf_view(bytes) : td_bytes_of(NULL, 0));
}

void player_save_states(const player *p, const char *feed, checkpoint_builder *out)
{
    td_buf bytes;
    td_buf_init(&bytes, LIMIT_STATE_BYTES);
    for (size_t i = 0; i < p->streams.count; i++) {
        const stream *of = p->streams.items[i];
        if (strcmp(of->feed, feed) == 0 && stream_table_sibling(&p->streams, of) == of)
            save_state(of->of_symbol, of->symbol, &bytes, out);
    }
    for (size_t i = 0; i < p->saved_count; i++)
        if (strcmp(p->saved[i].feed, feed) == 0)
            save_state(p->saved[i].state, p->saved[i].symbol, &bytes, out);
    td_buf_fini(&bytes);
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
        symbol_state_finish(p->symbols[i], p->last_recv_ns, &found);
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
        sum->violations += s->verdicts.violations[i];
}

void player_get_audits(const player *p, audit_stats *out)
{
    TD_ASSERT(p->is_finished);
    *out = (audit_stats){0};
    for (size_t i = 0; i < p->symbol_count; i++)
        symbol_state_add_stats(p->symbols[i], out);
}

void player_get_totals(const player *p, player_totals *out)
{
    TD_ASSERT(p->is_finished);
    *out = (player_totals){.first_recv_ns = p->first_recv_ns, .last_recv_ns = p->last_recv_ns};
    for (size_t i = 0; i < p->streams.count; i++)
        totals_add(out, p->streams.items[i]);
    TD_ASSERT(out->frames == out->decoded + out->undecoded + out->control + out->out + out->http);
}

int player_has_digests(const player *p)
{
    return !p->options.without_digests;
}

void player_digests(const player *p, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES])
{
    TD_ASSERT(p->is_finished);
    TD_ASSERT(!p->options.without_digests);
    digest_sum sum;
    digest_sum_init(&sum);
    for (size_t i = 0; i < p->streams.count; i++) {
        const stream *s = p->streams.items[i];
        digest_sum_add(&sum, s->feed, s->topic, s->symbol, s->dir, &s->digest);
    }
    digest_sum_hex(&sum, out);
    digest_sum_fini(&sum);
}

unsigned player_busy_max(const player *p)
{
    return work_queues_busy_max(p->queues);
}
