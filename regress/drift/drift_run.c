#include "regress/drift/drift_run.h"

#include <pthread.h>

#include "base/alloc.h"
#include "replay/play/stream.h"
#include "tape/empty_selection.h"

/* A reader that is not in use. */
typedef struct free_reader {
    drift_reader *reader;
    struct free_reader *next;
} free_reader;

/* Shared by the player's threads. The mutex protects the free readers and the findings, which are
 * added rarely. */
typedef struct shared {
    pthread_mutex_t mutex;
    free_reader *readers;
    drift_table *table;
    uint64_t frames;
} shared;

/* The observer's state of a stream. */
typedef struct drift_run_stream {
    drift_stream *drift;
    const family *of; /* NULL: unknown to this version */
} drift_run_stream;

/* ---- readers ---- */

static free_reader *acquire_reader(shared *s)
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

/* Returns a reader, and adds its findings. */
static void release_reader(shared *s, free_reader *reader, const struct stream *of,
                           const drift_frame *frame, const drift_result *found)
{
    pthread_mutex_lock(&s->mutex);
    s->frames++;
    if (found->count > 0 || found->left_out > 0)
        drift_table_add(s->table, of->feed, frame, found);
    reader->next = s->readers;
    s->readers = reader;
    pthread_mutex_unlock(&s->mutex);
}

/* ---- the observer ---- */

static void close_stream(void *ctx, void *state)
{
    drift_run_stream *own = state;
    (void)ctx;
    drift_stream_close(own->drift);
    td_free(own);
}

static drift_run_stream *open_stream(const struct stream *of)
{
    drift_run_stream *made = td_alloc_zero(1, sizeof *made);
    made->drift = drift_stream_open();
    made->of = family_find(td_bytes_str(of->family));
    return made;
}

static td_result read_drift(void *ctx, const struct stream *of, void **state,
                            const applied_frame *seen, td_err *err)
{
    (void)err;
    shared *s = ctx;
    const frame_ref *from = seen->frame;
    frame_role role = from->channel->role;
    int is_inbound = role == ROLE_DATA || role == ROLE_UNKNOWN || role == ROLE_CONTROL;
    if (from->is_lead_in || !is_inbound)
        return TD_OK;
    if (*state == NULL)
        *state = open_stream(of);
    drift_run_stream *own = *state;
    const drift_frame frame = {
        .of = own->of,
        .topic = {.row = topic_row_of_form(from->row, from->channel->info.form),
                  .topic = td_bytes_str(of->topic),
                  .symbol = td_bytes_str(of->symbol)},
        .recv_ns = from->recv_ns,
        .order = from->position,
        .bytes = from->bytes};
    drift_result found;
    free_reader *reader = acquire_reader(s);
    drift_read(reader->reader, own->drift, &frame, &found);
    release_reader(s, reader, of, &frame, &found);
    return TD_OK;
}

static const observer_ops OBSERVER = {.name = "drift", .frame = read_drift, .close = close_stream};

/* ---- the run ---- */

/* Play the selection for an observer. */
static td_result observe_all(const observe_options *how, const selection *wanted, observer of,
                             drift_run_result *out, td_err *err)
{
    return observe_tape(how, wanted, (cursor_options){.states = TAPE_STATES_NONE}, of, &out->tape,
                        NULL, err);
}

static td_result find_drift(const observe_options *how, const selection *wanted,
                            drift_run_result *out, td_err *err)
{
    shared s = {.table = drift_table_open()};
    (void)pthread_mutex_init(&s.mutex, NULL); /* cannot fail with default attributes */
    out->table = s.table;
    td_result rc = observe_all(how, wanted, (observer){&OBSERVER, &s, NULL}, out, err);
    out->frames = s.frames;
    while (s.readers != NULL) {
        free_reader *next = s.readers->next;
        drift_reader_close(s.readers->reader);
        td_free(s.readers);
        s.readers = next;
    }
    (void)pthread_mutex_destroy(&s.mutex); /* cannot fail: it is not locked */
    return rc;
}

static td_result measure_rules(const observe_options *how, const selection *wanted,
                               drift_run_result *out, td_err *err)
{
    out->rules = claims_open();
    td_result rc = observe_all(how, wanted, claims_observer(out->rules), out, err);
    size_t count = 0;
    const claims_topic *const *topics = claims_topics(out->rules, &count);
    for (size_t i = 0; i < count; i++)
        out->frames += topics[i]->frames;
    return rc;
}

td_result drift_run(const observe_options *how, const selection *wanted, drift_run_with with,
                    drift_run_result *out, td_err *err)
{
    *out = (drift_run_result){.table = NULL};
    td_result rc = with == DRIFT_WITH_RULES ? measure_rules(how, wanted, out, err)
                                            : find_drift(how, wanted, out, err);
    if (rc == TD_OK && out->frames == 0 && !cursor_is_damaged(&out->tape))
        rc = selection_why_empty(how->archive, wanted, &out->tape, err);
    return rc;
}

void drift_run_result_fini(drift_run_result *result)
{
    drift_table_close(result->table);
    claims_close(result->rules);
    *result = (drift_run_result){.table = NULL};
}
