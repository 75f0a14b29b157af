#include "recorder/live_drift.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/utf8.h"

/* The frames that stand for a topic of a feed: those of the first symbol that came. */
typedef struct sampled {
    uint16_t feed_index;
    const topic_row *row;
    uint64_t symbol; /* hash of its exchange topic */
    drift_stream *stream;
} sampled;

/* A finding that was reported. */
typedef struct reported {
    uint64_t hash;
    const topic_row *row; /* NULL: none fits */
    uint16_t feed_index;
} reported;

struct live_drift {
    drift_reader *reader;
    reported reported[LIMIT_LIVE_DRIFT_FINDINGS];
    sampled samples[LIMIT_LIVE_DRIFT_TOPICS];
    size_t sample_count;
    uint64_t order;                /* of the last look */
    atomic_ullong found, left_out; /* found: of reported */
};

td_result live_drift_open(live_drift **out, td_err *err)
{
    live_drift *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to watch for drift");
    td_result rc = drift_reader_open(&self->reader, err);
    if (rc != TD_OK) {
        live_drift_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void live_drift_close(live_drift *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->sample_count; i++)
        drift_stream_close(self->samples[i].stream);
    drift_reader_close(self->reader);
    td_free(self);
}

/* ---- which frames ---- */

/* The stream of the frame's topic, if the frame is of the symbol that stands for it; else NULL. */
static drift_stream *stream_of(live_drift *self, const live_drift_frame *frame)
{
    const char *name = frame->exchange_topic;
    uint64_t symbol = td_xxh64(name, strlen(name));
    if (frame->topic->row == NULL)
        return NULL;
    for (size_t i = 0; i < self->sample_count; i++) {
        const sampled *at = &self->samples[i];
        if (at->row == frame->topic->row && at->feed_index == frame->feed_index)
            return at->symbol == symbol ? at->stream : NULL;
    }
    if (self->sample_count == LIMIT_LIVE_DRIFT_TOPICS)
        return NULL;
    sampled *added = &self->samples[self->sample_count];
    *added = (sampled){.feed_index = frame->feed_index, .row = frame->topic->row, .symbol = symbol};
    if (drift_stream_open(&added->stream, NULL) != TD_OK)
        return NULL;
    self->sample_count++;
    return added->stream;
}

static void set_next(live_drift_times *times, uint64_t recv_ns, live_drift_sort sort, int is_new)
{
    static const uint64_t FIRST_NS[LIVE_DRIFT_SORTS] = {
        [LIVE_DRIFT_SAMPLE] = LIVE_DRIFT_SAMPLE_NS, [LIVE_DRIFT_STRANGE] = LIVE_DRIFT_STRANGE_NS};
    uint64_t wait_ns = 2 * times->wait_ns[sort];
    if (is_new)
        wait_ns = 0;
    else if (wait_ns == 0)
        wait_ns = FIRST_NS[sort];
    else if (wait_ns > LIVE_DRIFT_WAIT_NS)
        wait_ns = LIVE_DRIFT_WAIT_NS;
    times->wait_ns[sort] = wait_ns;
    times->next_ns[sort] = recv_ns + wait_ns;
}

/* ---- what is new ---- */

static uint64_t hash_of(const live_drift_frame *frame, const drift_look *look,
                        const drift_note *note)
{
    const td_bytes parts[] = {td_bytes_str(frame->feed), look->topic, td_bytes_str(note->path),
                              td_bytes_str(note->detail)};
    uint64_t hash = note->kind;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + td_xxh64(parts[i].data, parts[i].size);
    return hash;
}

static void count(atomic_ullong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* 1 if it was not reported yet, and can be; *is_left_out is set if it cannot. */
static int add_finding(live_drift *self, const reported *finding, int *is_left_out)
{
    uint64_t known = atomic_load_explicit(&self->found, memory_order_relaxed);
    unsigned of_topic = 0;
    for (uint64_t i = 0; i < known; i++) {
        const reported *at = &self->reported[i];
        if (at->hash == finding->hash)
            return 0;
        of_topic += at->row == finding->row && at->feed_index == finding->feed_index;
    }
    if (known == LIMIT_LIVE_DRIFT_FINDINGS || of_topic == LIMIT_LIVE_DRIFT_TOPIC_FINDINGS) {
        *is_left_out = 1;
        return 0;
    }
    self->reported[known] = *finding;
    count(&self->found);
    return 1;
}

/* What is new of a look is reported; 1 if anything was. */
static int report(live_drift *self, const live_drift_frame *frame, const drift_look *look,
                  live_drift_found *found, void *user)
{
    int is_new = 0;
    int is_left_out = look->left_out > 0;
    char topic[LIMIT_TOPIC_BYTES];
    char example[LIMIT_LIVE_DRIFT_EXAMPLE_BYTES];
    for (size_t i = 0; i < look->count; i++) {
        const drift_note *note = &look->notes[i];
        const reported added = {
            .hash = hash_of(frame, look, note), .row = look->row, .feed_index = frame->feed_index};
        /* Values that the documents do not list: without what came before none of them is new. */
        if (note->is_learnt || !add_finding(self, &added, &is_left_out))
            continue;
        is_new = 1;
        td_utf8_copy(topic, sizeof topic, look->topic);
        td_utf8_copy(example, sizeof example, look->text);
        const live_drift_finding finding = {.topic = topic,
                                            .path = note->path,
                                            .what = drift_kind_name(note->kind),
                                            .detail = note->detail,
                                            .example = example};
        found(user, &finding);
    }
    if (is_left_out)
        count(&self->left_out);
    return is_new;
}

void live_drift_look(live_drift *self, live_drift_times *times, const live_drift_frame *frame,
                     live_drift_sort sort, live_drift_found *found, void *user)
{
    TD_ASSERT(live_drift_is_due(times, frame->recv_ns, sort));
    drift_stream *stream = stream_of(self, frame);
    if (sort == LIVE_DRIFT_SAMPLE && stream == NULL) {
        times->next_ns[sort] = UINT64_MAX; /* another symbol stands for the topic */
        return;
    }
    /* Without its receive time: simulated and served frames keep their original times. */
    const drift_frame seen = {
        .of = frame->of, .topic = *frame->topic, .order = ++self->order, .bytes = frame->bytes};
    drift_look look;
    int is_new = drift_read(self->reader, stream, &seen, &look, NULL) == TD_OK &&
                 report(self, frame, &look, found, user);
    set_next(times, frame->recv_ns, sort, is_new);
}

live_drift_stats live_drift_get_stats(const live_drift *self)
{
    return (live_drift_stats){
        .findings = atomic_load_explicit(&self->found, memory_order_relaxed),
        .left_out = atomic_load_explicit(&self->left_out, memory_order_relaxed),
    };
}
