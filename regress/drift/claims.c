#include "regress/drift/claims.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "book/loss_trial.h"
#include "replay/play/stream.h"

/* Shared by the player's threads. The mutex protects the topics. */
struct claims {
    pthread_mutex_t mutex;
    claims_topic **topics; /* sorted */
    size_t count;
};

/* The observer's state of a stream: its counts, and the trial that runs. */
typedef struct claims_stream {
    claims_topic counts; /* feed, topic and family: borrowed from the stream's topic */
    claims_topic *topic;
    loss_trial trial;
    /* Of conn_dense: the last frame's number less its ordinal, on which connection; 0: none. */
    int64_t number_offset;
    uint32_t number_conn;
    uint64_t last_ns; /* of the frame before, on which connection; 0: there was none */
    uint32_t last_conn;
} claims_stream;

/* ---- trials ---- */

/* What the number of a connection's frames (conn_dense) shows about a frame. */
typedef enum number_step { NUMBER_BEGINS, NUMBER_IS_NEXT, NUMBER_DIFFERS } number_step;

static number_step step_number(claims_stream *own, const frame_ref *frame)
{
    const message *m = frame->content.message;
    if (m == NULL || !m->head.has_seq || topic_rule(frame->row, RULE_CONN_DENSE) == NULL)
        return NUMBER_BEGINS;
    const int64_t offset = m->head.seq - (int64_t)frame->ordinal, before = own->number_offset;
    const int is_first = own->number_conn != frame_conn_key(frame->conn);
    own->number_offset = offset;
    own->number_conn = frame_conn_key(frame->conn);
    return is_first ? NUMBER_BEGINS : offset == before ? NUMBER_IS_NEXT : NUMBER_DIFFERS;
}

static void try_losses(claims_stream *own, const frame_ref *frame, const symbol_verdict *found,
                       number_step number)
{
    rule_id by;
    const rule_id shown = number == NUMBER_IS_NEXT ? RULE_CONN_DENSE : RULE_NONE;
    if (own->counts.trials >= CLAIMS_TRIALS_MAX ||
        !loss_trial_next(&own->trial, frame->content.message, found, shown, &by))
        return;
    own->counts.trials++;
    if (by != RULE_NONE) {
        own->counts.noticed++;
        own->counts.noticed_by[by]++;
    }
}

/* ---- topics ---- */

/* Find or add a topic, in the order of the report. */
static claims_topic *find_topic(claims *s, const struct stream *of)
{
    size_t at = 0;
    int order = 1;
    for (; at < s->count; at++) {
        order = strcmp(s->topics[at]->feed, of->feed);
        order = order != 0 ? order : strcmp(s->topics[at]->topic, of->topic);
        if (order >= 0)
            break;
    }
    if (at < s->count && order == 0)
        return s->topics[at];
    claims_topic *made = td_alloc_zero(1, sizeof *made);
    *made = (claims_topic){.feed = td_strdup(of->feed),
                           .topic = td_strdup(of->topic),
                           .family = td_strdup(of->family)};
    s->topics = td_array_grow(s->topics, s->count, sizeof(claims_topic *));
    memmove(s->topics + at + 1, s->topics + at, (s->count - at) * sizeof(claims_topic *));
    s->topics[at] = made;
    s->count++;
    return made;
}

static void add_counts(claims_topic *to, const claims_topic *from)
{
    if (to->pattern == NULL)
        to->pattern = from->pattern;
    to->frames += from->frames;
    to->undecoded += from->undecoded;
    to->unknown_fields += from->unknown_fields;
    to->broken += from->broken;
    to->trials += from->trials;
    to->noticed += from->noticed;
    to->checksums += from->checksums;
    to->checksums_zero += from->checksums_zero;
    to->pause_ns = from->pause_ns > to->pause_ns ? from->pause_ns : to->pause_ns;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        to->noted_by[i] += from->noted_by[i];
        to->broken_by[i] += from->broken_by[i];
        to->noticed_by[i] += from->noticed_by[i];
    }
}

/* ---- the observer ---- */

static claims_stream *open_stream(claims *s, const struct stream *of)
{
    claims_stream *made = td_alloc_zero(1, sizeof *made);
    loss_trial_init(&made->trial);
    pthread_mutex_lock(&s->mutex);
    made->topic = find_topic(s, of);
    pthread_mutex_unlock(&s->mutex);
    return made;
}

static void close_stream(void *ctx, void *state)
{
    claims *s = ctx;
    claims_stream *own = state;
    pthread_mutex_lock(&s->mutex);
    add_counts(own->topic, &own->counts);
    pthread_mutex_unlock(&s->mutex);
    loss_trial_fini(&own->trial);
    td_free(own);
}

static void count_frame(claims_topic *counts, const frame_ref *frame, const symbol_verdict *found,
                        number_step number)
{
    const message *m = frame->content.message;
    const verdict_item *violation = found == NULL ? NULL : verdict_violation(&found->rules);
    const rule_id broken = violation != NULL          ? violation->rule
                           : number == NUMBER_DIFFERS ? RULE_CONN_DENSE
                                                      : RULE_NONE;
    counts->frames++;
    counts->undecoded += m == NULL;
    if (frame->row != NULL && counts->pattern == NULL)
        counts->pattern = frame->row->pattern;
    if (m != NULL)
        counts->unknown_fields += m->head.unknown_fields;
    if (broken != RULE_NONE) {
        counts->broken++;
        counts->broken_by[broken]++;
    }
}

/* What a document says without a rule of strength error. */
static void count_notes(claims_stream *own, const frame_ref *frame, const symbol_verdict *found)
{
    claims_topic *counts = &own->counts;
    const message *m = frame->content.message;
    const uint32_t conn = frame_conn_key(frame->conn);
    if (own->last_conn == conn && frame->recv_ns - own->last_ns > counts->pause_ns)
        counts->pause_ns = frame->recv_ns - own->last_ns;
    own->last_conn = conn;
    own->last_ns = frame->recv_ns;
    if (m != NULL && m->head.has_checksum) {
        counts->checksums++;
        counts->checksums_zero += m->head.checksum == 0;
    }
    for (size_t i = 0; found != NULL && i < found->rules.count; i++)
        if (found->rules.items[i].strength != STRENGTH_ERROR)
            counts->noted_by[found->rules.items[i].rule]++;
}

static td_result see_frame(void *ctx, const struct stream *of, void **state,
                           const applied_frame *seen, td_err *err)
{
    (void)err;
    const frame_ref *frame = seen->frame;
    if (frame->is_copy || !frame_role_is_of_topic(frame->channel->role))
        return TD_OK;
    if (*state == NULL)
        *state = open_stream(ctx, of);
    claims_stream *own = *state;
    if (frame->is_lead_in)
        return TD_OK;
    const number_step number = step_number(own, frame);
    count_frame(&own->counts, frame, seen->found, number);
    count_notes(own, frame, seen->found);
    if (seen->found != NULL)
        try_losses(own, frame, seen->found, number);
    return TD_OK;
}

static const observer_ops OBSERVER = {.name = "rules", .frame = see_frame, .close = close_stream};

/* ---- the result ---- */

claims *claims_open(void)
{
    claims *self = td_alloc_zero(1, sizeof *self);
    (void)pthread_mutex_init(&self->mutex, NULL); /* cannot fail with default attributes */
    return self;
}

void claims_close(claims *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++) {
        td_free(self->topics[i]->feed);
        td_free(self->topics[i]->topic);
        td_free(self->topics[i]->family);
        td_free(self->topics[i]);
    }
    td_free(self->topics);
    (void)pthread_mutex_destroy(&self->mutex); /* cannot fail: it is not locked */
    td_free(self);
}

observer claims_observer(claims *self)
{
    return (observer){&OBSERVER, self, NULL};
}

const claims_topic *const *claims_topics(const claims *self, size_t *count)
{
    *count = self->count;
    return (const claims_topic *const *)self->topics;
}

int claims_has(const claims *self, const char *name, const char *pattern)
{
    for (size_t i = 0; i < self->count; i++) {
        const claims_topic *t = self->topics[i];
        if (strcmp(t->family, name) == 0 &&
            (pattern == NULL || (t->pattern != NULL && strcmp(t->pattern, pattern) == 0)))
            return 1;
    }
    return 0;
}
