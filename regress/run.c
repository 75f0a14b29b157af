#include "regress/run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/name_index.h"
#include "base/json/json_write.h"
#include "tape/message_line.h"
#include "replay/play/stream.h"
#include "schema/canonical.h"
#include "tape/empty_selection.h"

/* A stream of the run: all frames with a known topic in one of the player's streams, or the frames
 * of one unknown topic in it. One thread at a time. */
typedef struct run_stream {
    regress_stream result;
    uint64_t frames, decoded, control, masked;
    uint8_t has_members; /* a frame had a member of the mask */
    /* Set when saving a baseline. */
    baseline_stream *into;
    /* Set when comparing with a baseline. */
    join *join;
    const baseline_stream *was;
    uint8_t had_other_book;             /* the book differed after the previous frame */
    const applied_frame *current_frame; /* the frame that is being added; NULL: no frame */
    struct run *run;
    td_result rc; /* result of decoding a frame once more, which is done at a difference */
    td_err err;
} run_stream;

/* The observer's state of a player's stream. */
typedef struct observed_topics {
    run_stream **items; /* the stream of known topics, and a stream for each unknown topic */
    name_index by_name; /* indexes items by exchange topic; "": the stream of known topics */
} observed_topics;

typedef struct run {
    const regress_options *options;
    baseline *into;                 /* baseline to save to; NULL: comparing */
    const regress_against *against; /* NULL: saving */
    regress_totals totals;
    pthread_mutex_t mutex; /* protects the list and texts */
    td_arena *texts;       /* names of streams */
    run_stream **streams;
    size_t stream_count;
} run;

/* ---- names of streams ---- */

/* Sets the names of the frame's stream; 0: the frame is not covered. Uses the topic row of the
 * frame, because a row may be valid for a part of the time only. unknown: space for the name of an
 * unknown topic, which is only in the frame. */
static int find_names(const stream *of, const frame_ref *frame, baseline_stream *names,
                      char unknown[LIMIT_TOPIC_BYTES])
{
    if (frame->is_lead_in || of->dir != CHANNEL_IN)
        return 0;
    *names = (baseline_stream){
        .feed = of->feed, .topic = "", .symbol = "", .exchange_topic = of->exchange_topic};
    if (frame->channel->role == ROLE_CONTROL) {
        names->topic = REGRESS_CONTROL;
    } else if (frame->row != NULL) {
        names->topic = of->topic;
        names->symbol = of->symbol;
    } else if (frame->channel->role == ROLE_UNKNOWN && frame->content.what != NULL) {
        td_bytes topic = frame->content.what->exchange_topic;
        if (topic.size >= LIMIT_TOPIC_BYTES) /* the exchange's topics are shorter */
            topic.size = 0;
        (void)snprintf(unknown, LIMIT_TOPIC_BYTES, "%.*s", (int)topic.size,
                       (const char *)topic.data); /* fits */
        names->exchange_topic = unknown;
    }
    return 1;
}

/* ---- streams ---- */

static void found(void *ctx, const join_step *step);

static run_stream *make_stream(run *r, const baseline_stream *names)
{
    run_stream *made = td_alloc_zero(1, sizeof *made);
    made->run = r;
    pthread_mutex_lock(&r->mutex);
    made->result.names = baseline_keep_names(r->texts, names);
    r->streams = td_array_grow(r->streams, r->stream_count, sizeof(run_stream *));
    r->streams[r->stream_count++] = made;
    pthread_mutex_unlock(&r->mutex);
    return made;
}

/* Opens the stream of the archive's current frame. */
static td_result open_stream(run *r, const baseline_stream *names, run_stream **out, td_err *err)
{
    run_stream *made = make_stream(r, names);
    *out = made;
    if (r->against == NULL)
        return baseline_add_stream(r->into, names, &made->into, err);
    made->was = baseline_find_stream(r->against->was, names);
    made->join = join_open(r->against->was, made->was, r->against->extent, found, made);
    return TD_OK;
}

static td_result find_stream(run *r, void **state, const stream *of, const frame_ref *frame,
                             run_stream **out, td_err *err)
{
    char unknown[LIMIT_TOPIC_BYTES];
    baseline_stream names;
    *out = NULL;
    if (!find_names(of, frame, &names, unknown))
        return TD_OK;
    if (*state == NULL)
        *state = td_alloc_zero(1, sizeof(observed_topics));
    observed_topics *own = *state;
    name_index *index = &own->by_name;
    int is_unknown = names.topic[0] == '\0';
    size_t row = name_index_find(index, td_bytes_str(is_unknown ? names.exchange_topic : ""));
    if (row != NAME_INDEX_NONE) {
        *out = own->items[row];
        return TD_OK;
    }
    td_result rc = open_stream(r, &names, out, err);
    if (rc != TD_OK)
        return rc;
    own->items = td_array_grow(own->items, index->count, sizeof(run_stream *));
    own->items[index->count] = *out;
    names = (*out)->result.names; /* copies that live as long as the stream */
    name_index_put(index, td_bytes_str(is_unknown ? names.exchange_topic : ""), index->count);
    return TD_OK;
}

static void close_observed(void *ctx, void *state)
{
    observed_topics *own = state;
    (void)ctx;
    name_index_fini(&own->by_name);
    td_free(own->items);
    td_free(own);
}

/* ---- frames ---- */

static uint64_t hash_content(const frame_content *content, frame_role role)
{
    if (role == ROLE_CONTROL)
        return canonical_control(content->what);
    return content->message != NULL ? canonical_hash(content->message)
                                    : canonical_failure(content->why.reason);
}

const book *regress_book(const applied_frame *seen)
{
    const track *t = seen->found == NULL ? NULL : seen->found->track;
    return seen->frame->content.message != NULL && t != NULL && track_has_snapshot(t)
               ? track_book(t)
               : NULL;
}

static uint64_t hash_book(const applied_frame *seen)
{
    return regress_book(seen) == NULL ? 0 : track_hash_best(seen->found->track, 0);
}

static td_result compare(run_stream *s, const applied_frame *seen, const baseline_row *row,
                         td_err *err);
static td_result hash_masked(run_stream *s, const frame_ref *frame, const frame_content *content,
                             uint64_t *hash, td_err *err);

static td_result observe(void *ctx, const stream *of, void **state, const applied_frame *seen,
                         td_err *err)
{
    run *r = ctx;
    run_stream *s;
    const frame_ref *frame = seen->frame;
    td_result rc = find_stream(r, state, of, frame, &s, err);
    if (rc != TD_OK || s == NULL)
        return rc;
    baseline_row row = {.bytes = td_xxh64(frame->bytes.data, frame->bytes.size),
                        .decode = hash_content(&frame->content, frame->channel->role),
                        .book = hash_book(seen)};
    s->frames++;
    s->decoded += frame->content.message != NULL;
    s->control += frame->channel->role == ROLE_CONTROL;
    if (r->against != NULL && member_mask_is_given(r->against->mask))
        rc = hash_masked(s, frame, &frame->content, &row.decode, err);
    if (rc != TD_OK)
        return rc;
    return r->against == NULL ? baseline_add_row(r->into, s->into, &row, frame->recv_ns, err)
                              : compare(s, seen, &row, err);
}

/* ---- differences ---- */

uint64_t regress_differing(const regress_counts *counts)
{
    return counts->compared - counts->same + counts->by_kind[DIFFERENCE_MISSING] +
           counts->by_kind[DIFFERENCE_NEW];
}

/* Writes a frame's decode as one line of JSON, to be freed with td_free; NULL if it is too long. */
static char *write_decode(const frame_ref *frame, const frame_content *content)
{
    frame_ref shown = *frame;
    td_buf out;
    json_writer json;
    shown.content.message = content->message;
    shown.content.why = content->why;
    td_buf_init(&out, LIMIT_REGRESS_FRAME_BYTES * 4);
    json_write_begin(&json, &out);
    json_write_object_begin(&json);
    message_line(&json, &shown);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, NULL);
    char *text = rc == TD_OK ? td_strndup((const char *)out.data, out.size) : NULL;
    td_buf_fini(&out);
    return text;
}

/* If the frame's former decode and this one are equal in the compared members, replaces the hash by
 * the former decode's hash, so that other members make no difference. */
static td_result hash_masked(run_stream *s, const frame_ref *frame, const frame_content *content,
                             uint64_t *hash, td_err *err)
{
    const regress_against *against = s->run->against;
    frame_content before = {0};
    int seen = 0;
    if (content->message == NULL || frame->channel->role == ROLE_CONTROL)
        return TD_OK;
    td_arena *arena = td_arena_open();
    td_result rc = user_decoder_decode(against->was_decoder, frame, arena, &before, err);
    uint64_t was = rc == TD_OK ? hash_content(&before, frame->channel->role) : *hash;
    if (was != *hash && before.message != NULL) {
        char *is_text = write_decode(frame, content);
        char *was_text = write_decode(frame, &before);
        if (is_text != NULL && was_text != NULL &&
            member_mask_equal(against->mask, was_text, is_text, &seen)) {
            *hash = was;
            s->masked++;
        }
        s->has_members |= (uint8_t)seen;
        td_free(is_text);
        td_free(was_text);
    }
    td_arena_close(arena);
    return rc;
}

static char *decode_as_before(run_stream *s)
{
    user_decoder *before = s->run->against->was_decoder;
    const frame_ref *frame = s->current_frame->frame;
    frame_content content = {0};
    char *text = NULL;
    if (before == NULL || frame->channel->role == ROLE_CONTROL)
        return NULL;
    td_arena *arena = td_arena_open();
    s->rc = user_decoder_decode(before, frame, arena, &content, &s->err);
    if (s->rc == TD_OK)
        text = write_decode(frame, &content);
    td_arena_close(arena);
    return text;
}

/* Keeps the current frame for the report of a difference. */
static void keep_frame(run_stream *s, regress_difference *out)
{
    const frame_ref *frame = s->current_frame->frame;
    out->has_frame = 1;
    out->position = frame->position;
    out->recv_ns = frame->recv_ns;
    out->ordinal = frame->ordinal;
    const frame_conn *conn = frame_own_conn(frame);
    out->line = conn->line;
    out->shard = conn->shard;
    out->has_book = frame->row != NULL && msg_type_has_book(frame->row->type);
    out->conn = conn->number;
    size_t length = strlen(frame->conn->session_id);
    if (length < sizeof out->session_id)
        memcpy(out->session_id, frame->conn->session_id, length + 1);
    if (frame->bytes.size <= LIMIT_REGRESS_FRAME_BYTES) {
        out->frame = td_strndup((const char *)frame->bytes.data, frame->bytes.size);
        out->frame_bytes = frame->bytes.size;
    }
    out->decode_is = write_decode(frame, &frame->content);
    out->decode_was = decode_as_before(s);
}

static void drop_frame(regress_difference *of)
{
    td_free(of->frame);
    td_free(of->decode_is);
    td_free(of->decode_was);
    *of = (regress_difference){0};
}

/* Keeps the stream's first difference. The differing frame is the current frame, or was kept when
 * it began to wait for its partner. */
static void note_first(run_stream *s, difference_kind kind, const join_step *step)
{
    regress_difference *first = &s->result.first;
    if (s->result.is_different)
        return;
    if (!first->has_frame && s->current_frame != NULL)
        keep_frame(s, first);
    s->result.is_different = 1;
    first->kind = kind;
    first->was_index = step->was_index;
    first->is_index = step->is_index;
    first->first_ns = step->first_ns;
    first->last_ns = step->last_ns;
}

static int is_failure(uint64_t decode)
{
    return (decode & CANONICAL_FAILED) != 0;
}

/* 1 if a second decode of the current frame differs from the first. A frame that had to wait for
 * its partner is not decoded twice. */
static int is_unstable(run_stream *s, uint64_t decode)
{
    frame_content content = {0};
    user_decoder *own = s->run->options->decoder;
    if (s->current_frame == NULL || user_decoder_decoding(own) == NULL ||
        !frame_role_is_of_topic(s->current_frame->frame->channel->role))
        return 0;
    td_arena *arena = td_arena_open();
    s->rc = user_decoder_decode(own, s->current_frame->frame, arena, &content, &s->err);
    uint64_t again = hash_content(&content, s->current_frame->frame->channel->role);
    if (s->rc == TD_OK && member_mask_is_given(s->run->against->mask))
        s->rc = hash_masked(s, s->current_frame->frame, &content, &again, &s->err);
    int is_other = s->rc == TD_OK && again != decode;
    if (is_other)
        user_decoder_note_unstable(own, s->current_frame->frame);
    td_arena_close(arena);
    return is_other;
}

static difference_kind kind_of(run_stream *s, const join_step *step)
{
    if (step->was->decode == step->is->decode)
        return DIFFERENCE_BOOK;
    if (is_unstable(s, step->is->decode))
        return DIFFERENCE_UNSTABLE;
    if (is_failure(step->was->decode))
        return is_failure(step->is->decode) ? DIFFERENCE_REASON : DIFFERENCE_NEWLY_DECODING;
    return is_failure(step->is->decode) ? DIFFERENCE_NEWLY_FAILING : DIFFERENCE_DECODE;
}

static void found_pair(run_stream *s, const join_step *step)
{
    regress_counts *counts = &s->result.counts;
    int is_same_decode = step->was->decode == step->is->decode;
    int is_same_book =
        step->was->book == step->is->book || !member_mask_has_book(s->run->against->mask);
    counts->compared++;
    if (is_same_decode && is_same_book) {
        counts->same++;
    } else if (is_same_decode && s->had_other_book) {
        counts->consequences++;
    } else {
        difference_kind kind = kind_of(s, step);
        counts->by_kind[kind]++;
        note_first(s, kind, step);
    }
    s->had_other_book = !is_same_book;
}

static void found(void *ctx, const join_step *step)
{
    run_stream *s = ctx;
    switch (step->kind) {
    case JOIN_PAIR:
        found_pair(s, step);
        break;
    case JOIN_MISSING:
    case JOIN_NEW: {
        difference_kind kind = step->kind == JOIN_NEW ? DIFFERENCE_NEW : DIFFERENCE_MISSING;
        s->result.counts.by_kind[kind] += step->count;
        note_first(s, kind, step);
        break;
    }
    case JOIN_OUTSIDE:
        s->result.counts.outside += step->count;
        break;
    }
}

/* Adds a frame to the comparison. A frame that has to wait for its partner is kept, because it may
 * be the first difference. */
static td_result compare(run_stream *s, const applied_frame *seen, const baseline_row *row,
                         td_err *err)
{
    int was_waiting = join_is_waiting(s->join);
    s->current_frame = was_waiting ? NULL : seen;
    td_result rc = join_put(s->join, row, seen->frame->recv_ns, err);
    if (!s->result.is_different && !was_waiting && join_is_waiting(s->join))
        keep_frame(s, &s->result.first);
    else if (!s->result.is_different && !join_is_waiting(s->join))
        drop_frame(&s->result.first);
    s->current_frame = NULL;
    if (rc == TD_OK && s->rc != TD_OK)
        rc = td_err_pass(err, s->rc, &s->err);
    return rc;
}

/* ---- playing ---- */

cursor_options regress_reading(const user_decoder *with)
{
    return (cursor_options){.states = TAPE_STATES_BOOKS, .decoding = user_decoder_decoding(with)};
}

static td_result play(run *r, td_err *err)
{
    static const observer_ops OBSERVE = {
        .name = "regress", .frame = observe, .close = close_observed};
    cursor_stats stats;
    pthread_mutex_init(&r->mutex, NULL);
    r->texts = td_arena_open();
    td_result rc =
        observe_tape(r->options->how, r->options->wanted, regress_reading(r->options->decoder),
                     (observer){&OBSERVE, r, NULL}, &stats, NULL, err);
    if (rc != TD_OK)
        return rc;
    r->totals.is_damaged = (uint8_t)cursor_is_damaged(&stats);
    for (size_t i = 0; i < r->stream_count; i++) {
        const run_stream *s = r->streams[i];
        r->totals.frames += s->frames;
        r->totals.decoded += s->decoded;
        r->totals.control += s->control;
        r->totals.masked += s->masked;
        r->totals.undecoded += s->frames - s->decoded - s->control;
    }
    return r->totals.frames > 0
               ? TD_OK
               : selection_why_empty(r->options->how->archive, r->options->wanted, &stats, err);
}

static void close_stream(run_stream *s)
{
    join_close(s->join);
    drop_frame(&s->result.first);
    td_free(s);
}

static void run_fini(run *r)
{
    pthread_mutex_destroy(&r->mutex);
    td_free(r->streams);
    td_arena_close(r->texts);
}

/* ---- saving ---- */

td_result regress_save(const regress_options *options, const char *path, baseline **made,
                       regress_totals *totals, td_err *err)
{
    const baseline_meta meta = {.version = TAPEDECK_VERSION,
                                .decoder = user_decoder_name(options->decoder),
                                .archive = archive_path(options->how->archive),
                                .scope = *options->wanted};
    td_result rc = baseline_create(path, &meta, made, err);
    if (rc != TD_OK)
        return rc;
    run r = {.options = options, .into = *made};
    rc = play(&r, err);
    for (size_t i = 0; i < r.stream_count; i++)
        close_stream(r.streams[i]);
    if (rc == TD_OK)
        rc = baseline_finish(*made, r.totals.is_damaged, &r.totals.file_bytes, err);
    *totals = r.totals;
    run_fini(&r);
    return rc;
}

/* ---- comparing ---- */

/* Adds the streams that only the baseline has. */
static void add_missing_streams(run *r)
{
    baseline *was = r->against->was;
    size_t present = r->stream_count;
    for (size_t i = 0; i < baseline_stream_count(was); i++) {
        const baseline_stream *at = baseline_stream_at(was, i);
        const char *topic = at->topic[0] == '\0' ? "_unknown" : at->topic;
        int is_present =
            !selection_has_feed(r->options->wanted, at->feed) ||
            !selection_has_topic(r->options->wanted, td_bytes_str(topic),
                                 td_bytes_str(at->exchange_topic), td_bytes_str(at->symbol));
        for (size_t n = 0; !is_present && n < present; n++)
            is_present = r->streams[n]->was == at;
        if (is_present)
            continue;
        run_stream *made = make_stream(r, at);
        made->join = join_open(was, at, r->against->extent, found, made);
    }
}

static int compare_names(const void *a, const void *b)
{
    return baseline_compare_names(&(*(run_stream *const *)a)->result.names,
                                  &(*(run_stream *const *)b)->result.names);
}

void regress_counts_add(regress_counts *to, const regress_counts *of)
{
    to->compared += of->compared;
    to->same += of->same;
    for (int kind = 0; kind < DIFFERENCE_KINDS; kind++)
        to->by_kind[kind] += of->by_kind[kind];
    to->consequences += of->consequences;
    to->outside += of->outside;
}

/* 1 if a's first difference is earlier in the archive than b's. Frames that are missing at the end
 * of a stream are the latest. */
static int is_earlier(const regress_stream *a, const regress_stream *b)
{
    if (a->first.has_frame != b->first.has_frame)
        return a->first.has_frame;
    return a->first.has_frame ? a->first.position < b->first.position
                              : a->first.first_ns < b->first.first_ns;
}

static void fill_comparison(run *r, regress_comparison *out)
{
    if (r->stream_count > 0)
        qsort(r->streams, r->stream_count, sizeof(run_stream *), compare_names);
    out->texts = r->texts;
    out->streams = td_alloc(r->stream_count * sizeof(regress_stream *));
    for (size_t i = 0; i < r->stream_count; i++) {
        regress_stream *of = &r->streams[i]->result;
        out->streams[out->stream_count++] = of;
        regress_counts_add(&out->totals, &of->counts);
        if (of->is_different && (out->first == NULL || is_earlier(of, out->first)))
            out->first = of;
    }
}

/* Refuses --only if no frame has one of its members: with a misspelt name all frames would be
 * equal. */
static td_result check_mask(const run *r, td_err *err)
{
    int has_members = 0;
    for (size_t i = 0; i < r->stream_count; i++)
        has_members |= r->streams[i]->has_members;
    if (r->against->mask->only.count == 0 || r->totals.masked == 0 || has_members)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "no frame has a member '%s'", r->against->mask->only.items[0]);
    td_err_hint(err, "'tapedeck replay --messages' prints them");
    return TD_E_INVALID;
}

td_result regress_compare(const regress_options *options, const regress_against *against,
                          regress_totals *totals, regress_comparison *out, td_err *err)
{
    run r = {.options = options, .against = against};
    *out = (regress_comparison){0};
    td_result rc = play(&r, err);
    if (rc == TD_OK)
        add_missing_streams(&r);
    for (size_t i = 0; i < r.stream_count && rc == TD_OK; i++)
        rc = join_end(r.streams[i]->join, err);
    if (rc == TD_OK)
        rc = check_mask(&r, err);
    *totals = r.totals;
    fill_comparison(&r, out);
    r.texts = NULL;
    run_fini(&r);
    return rc;
}

void regress_comparison_close(regress_comparison *comparison)
{
    for (size_t i = 0; i < comparison->stream_count; i++)
        close_stream((run_stream *)comparison->streams[i]); /* its first member is result */
    td_free(comparison->streams);
    td_arena_close(comparison->texts);
    *comparison = (regress_comparison){0};
}
