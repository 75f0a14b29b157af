#include "drift/drift_run.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "play/player.h"
#include "tape/nothing.h"

/* A reader that is not in use. */
typedef struct free_reader {
    drift_reader *reader;
    struct free_reader *next;
} free_reader;

/* What the player's threads share: they hold the mutex to take and give back readers, and to add
 * what they found, which is rare. */
typedef struct shared {
    pthread_mutex_t mutex;
    free_reader *readers;
    drift_table *table;
    schema_usage *coverage; /* NULL: not wanted */
    uint64_t frames;
} shared;

/* The observer's state of a stream. */
typedef struct observed_stream {
    drift_stream *drift;
    const family *of;     /* NULL: none that this version knows */
    usage_topic *covered; /* counts of its row, until they are added to those of all */
} observed_stream;

typedef struct run {
    const drift_run_options *options;
    shared shared;
    cursor *tape;
    player *player;
} run;

/* ---- readers ---- */

static free_reader *take_reader(shared *s)
{
    pthread_mutex_lock(&s->mutex);
    free_reader *out = s->readers;
    if (out != NULL)
        s->readers = out->next;
    pthread_mutex_unlock(&s->mutex);
    if (out == NULL) {
        out = td_alloc_zero(1, sizeof *out);
        out->reader = drift_reader_open();
    }
    return out;
}

/* Give a reader back, and what it found. */
static void give_reader(shared *s, free_reader *reader, const struct stream *of,
                        const drift_frame *frame, const drift_look *look)
{
    pthread_mutex_lock(&s->mutex);
    s->frames++;
    if (look->count > 0 || look->left_out > 0)
        drift_table_add(s->table, of->feed, frame, look);
    reader->next = s->readers;
    s->readers = reader;
    pthread_mutex_unlock(&s->mutex);
}

static void close_readers(shared *s)
{
    while (s->readers != NULL) {
        free_reader *next = s->readers->next;
        drift_reader_close(s->readers->reader);
        td_free(s->readers);
        s->readers = next;
    }
}

/* ---- the observer ---- */

/* Add what was counted of the stream's row to the counts of all. */
static void end_covered(shared *s, observed_stream *own)
{
    if (own->covered == NULL)
        return;
    pthread_mutex_lock(&s->mutex);
    usage_add(s->coverage, own->covered);
    pthread_mutex_unlock(&s->mutex);
    usage_topic_close(own->covered);
    own->covered = NULL;
}

/* Count what of its topic's row a frame has. */
static void count_covered(shared *s, observed_stream *own, const drift_frame *frame,
                          const drift_look *look)
{
    if (s->coverage == NULL || own->of == NULL || look->row == NULL)
        return;
    if (own->covered == NULL || own->covered->row != look->row) {
        end_covered(s, own);
        own->covered = usage_topic_open(own->of, look->row);
    }
    usage_topic_count(own->covered, frame->recv_ns, look);
}

static void close_stream(void *ctx, void *state)
{
    run *r = ctx;
    observed_stream *own = state;
    end_covered(&r->shared, own);
    drift_stream_close(own->drift);
    td_free(own);
}

static observed_stream *open_stream(const struct stream *of)
{
    observed_stream *made = td_alloc_zero(1, sizeof *made);
    made->drift = drift_stream_open();
    made->of = family_find(td_bytes_str(of->family));
    return made;
}

static td_result look_at(void *ctx, const struct stream *of, void **state,
                         const observed_frame *seen, td_err *err)
{
    (void)err;
    run *r = ctx;
    const frame_ref *from = seen->frame;
    frame_role role = from->channel->role;
    int is_inbound = role == ROLE_DATA || role == ROLE_UNKNOWN || role == ROLE_CONTROL;
    if (from->is_lead_in || !is_inbound)
        return TD_OK;
    if (*state == NULL)
        *state = open_stream(of);
    observed_stream *own = *state;
    const drift_frame frame = {.of = own->of,
                               .topic = {.row = from->row,
                                         .topic = td_bytes_str(of->topic),
                                         .symbol = td_bytes_str(of->symbol)},
                               .recv_ns = from->recv_ns,
                               .order = from->position,
                               .bytes = from->bytes};
    drift_look look;
    free_reader *reader = take_reader(&r->shared);
    drift_read(reader->reader, own->drift, &frame, &look);
    count_covered(&r->shared, own, &frame, &look);
    give_reader(&r->shared, reader, of, &frame, &look);
    return TD_OK;
}

static const observer_ops OBSERVER = {.name = "drift", .frame = look_at, .close = close_stream};

/* ---- the run ---- */

static td_result open_all(run *r, td_err *err)
{
    const drift_run_options *options = r->options;
    const cursor_options reading = {
        .threads = options->threads, .log = options->log, .reads = TAPE_READS_MESSAGES};
    r->shared.table = drift_table_open();
    if (options->with_coverage)
        r->shared.coverage = usage_open();
    td_result rc = cursor_open(options->archive, options->wanted, &reading, &r->tape, err);
    if (rc != TD_OK)
        return rc;
    const player_options playing = {.workers = cursor_workers(r->tape),
                                    .observer = {&OBSERVER, r},
                                    .without_digests = 1,
                                    .progress = options->progress,
                                    .user = options->user};
    r->player = player_open(&playing);
    return TD_OK;
}

static td_result play(run *r, td_err *err)
{
    td_result rc = player_play(r->player, r->tape, err);
    if (rc == TD_OK)
        rc = player_finish(r->player, err);
    if (rc == TD_OK && player_is_stopped(r->player))
        return TD_EOF;
    if (rc != TD_OK)
        return rc;
    cursor_stats stats;
    cursor_get_stats(r->tape, &stats);
    if (r->shared.frames == 0 && !cursor_is_damaged(&stats))
        return selection_nothing(r->options->archive, r->options->wanted, err);
    return TD_OK;
}

td_result drift_run(const drift_run_options *options, drift_run_result *out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    run r = {.options = options};
    *out = (drift_run_result){.table = NULL};
    (void)pthread_mutex_init(&r.shared.mutex, NULL); /* cannot fail with default attributes */
    td_result rc = open_all(&r, err);
    if (rc == TD_OK)
        rc = play(&r, err);
    if (rc == TD_OK) {
        cursor_get_stats(r.tape, &out->tape);
        out->table = r.shared.table;
        out->frames = r.shared.frames;
        r.shared.table = NULL;
    }
    player_close(r.player); /* its threads use the rest; what its streams have is added to all */
    if (rc == TD_OK) {
        out->coverage = r.shared.coverage;
        r.shared.coverage = NULL;
    }
    cursor_close(r.tape);
    close_readers(&r.shared);
    drift_table_close(r.shared.table);
    usage_close(r.shared.coverage);
    (void)pthread_mutex_destroy(&r.shared.mutex); /* it is not held */
    return rc;
}

void drift_run_result_fini(drift_run_result *result)
{
    drift_table_close(result->table);
    usage_close(result->coverage);
    *result = (drift_run_result){.table = NULL};
}
