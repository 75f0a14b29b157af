#include "regress/decoder_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "regress/decoder_child.h"
#include "regress/cmd_decoder_host.h"
#include "regress/decoder_wire.h"
#include "regress/decoder_words.h"
#include "schema/canonical.h"
#include "schema/message_build.h"
#include "schema/message_read.h"

enum { SHOWN_REPLY_BYTES = 200, WHAT_BYTES = 400 };

/* What a frame was answered. Texts are in the arena of the call, or constants. */
typedef struct answer {
    const message *message; /* NULL: reason says why */
    decode_reason reason;
    const char *what, *reply, *last_line;
} answer;

/* The process of one thread, and what reading its answers takes. */
typedef struct asker {
    decoder_child *child; /* NULL: to be started */
    uint32_t next_n;      /* of the next frame, in the life of the child */
    json_parser *parser;
    message_builder *builder;
    /* Channels that the child knows in this call, by tape_channel.index: their number, 0: none. */
    uint32_t *numbers;
    size_t number_count, number_capacity;
    uint32_t last_number;
    struct asker *next;
} asker;

struct decoder_pool {
    decoder_spec spec;
    char **argv;
    decoder_talk talk;
    decoder_program program;
    tape_decoding decoding;
    decoder_findings *findings;
    char name[128];
    pthread_mutex_t mutex;
    asker *free; /* those that no thread has */
    atomic_uint restarts;
    atomic_uint reported_restarts; /* of these before the findings ended */
    atomic_uchar has_answered;     /* 1: any process, at least once */
    atomic_uchar was_stopped;
};

/* Frames that are asked about: those of a list, in its order. */
typedef struct question {
    const decoding_request *requests;
    const uint32_t *list; /* indexes of requests */
    answer *answers;      /* of the list's */
    size_t count;
    td_arena *arena;
    size_t at;        /* the oldest without an answer */
    size_t sent;      /* one after the last that the child has */
    size_t since;     /* the first that this child was sent */
    uint32_t since_n; /* its number */
    size_t flight_bytes;
    size_t careful_end;  /* frames before are asked about one by one */
    uint8_t has_suspect; /* 1: one of these may be why a process failed */
    uint8_t is_idle_end; /* 1: it may have ended before it read one of them */
    size_t suspect;      /* the first of them */
    answer suspicion;    /* what happened then */
} question;

/* ---- life ---- */

static void close_asker(asker *a)
{
    if (a == NULL)
        return;
    decoder_child_end(a->child);
    json_parser_close(a->parser);
    message_builder_close(a->builder);
    td_free(a->numbers);
    td_free(a);
}

static td_result open_asker(decoder_pool *pool, asker **out, td_err *err)
{
    asker *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to ask a decoder");
    const decoder_map *map = pool->spec.map;
    td_result rc = json_parser_open(LIMIT_DECODER_REPLY_BYTES, &made->parser, err);
    if (rc == TD_OK)
        rc = message_builder_open(map == NULL ? NULL : decoder_map_names(map), &made->builder, err);
    if (rc != TD_OK) {
        close_asker(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

static td_result stop(decoder_pool *pool, td_err *err)
{
    atomic_store(&pool->was_stopped, 1);
    return td_err_set(err, TD_E_IO, "stopped before the end");
}

/* A command's input can be written by hand; a shared object's host can be run by a tool that sees
 * what the object does. */
static void hint_at_trial(const decoder_pool *pool, td_err *err)
{
    if (pool->spec.command != NULL)
        td_err_hint(err,
                    "try it by hand, with frames as docs/decoders.md shows: "
                    "(echo '{\"tapedeck\":%d}'; cat FRAMES) | %s",
                    DECODER_WIRE_VERSION, pool->spec.command);
    else
        td_err_hint(err,
                    "see what it does: "
                    "--decoder-cmd \"valgrind tapedeck-replay " DECODER_HOST_VERB " '%s' ''\"",
                    pool->spec.library);
}

static td_result start_child(decoder_pool *pool, asker *a, td_err *err)
{
    a->next_n = 1;
    td_err why;
    td_err_clear(&why);
    td_result rc = decoder_child_start(&pool->program, &a->child, &why);
    if (rc == TD_OK || rc == TD_EOF)
        return rc == TD_OK ? TD_OK : stop(pool, err);
    if (rc == TD_E_INVALID && why.hint[0] == '\0')
        hint_at_trial(pool, &why);
    /* TD_E_INVALID would be a command line that is wrong. */
    return td_err_pass(err, rc == TD_E_INVALID ? TD_E_UNSUPPORTED : rc, &why);
}

static td_result take_asker(decoder_pool *pool, asker **out, td_err *err)
{
    pthread_mutex_lock(&pool->mutex);
    *out = pool->free;
    if (*out != NULL)
        pool->free = (*out)->next;
    pthread_mutex_unlock(&pool->mutex);
    return *out != NULL ? TD_OK : open_asker(pool, out, err);
}

static void give_asker(decoder_pool *pool, asker *a)
{
    pthread_mutex_lock(&pool->mutex);
    a->next = pool->free;
    pool->free = a;
    pthread_mutex_unlock(&pool->mutex);
}

static td_result read_decoding(void *ctx, const decoding_request *requests, size_t count,
                               td_arena *arena, frame_content *contents, td_err *err);

/* What to start: the command, or this program itself, which loads the shared object. */
static td_result make_argv(decoder_pool *pool, td_err *err)
{
    const decoder_spec *spec = &pool->spec;
    if (spec->command != NULL)
        return decoder_words_split(spec->command, &pool->argv, err);
    const char *map = spec->map == NULL ? "" : decoder_map_text(spec->map);
    const char *host = spec->host == NULL ? "/proc/self/exe" : spec->host;
    const char *const words[] = {host, DECODER_HOST_VERB, spec->library, map};
    return decoder_words_copy(words, sizeof words / sizeof words[0], &pool->argv, err);
}

td_result decoder_pool_open(const decoder_spec *spec, decoder_pool **out, td_err *err)
{
    asker *first = NULL;
    TD_ASSERT((spec->library == NULL) != (spec->command == NULL));
    decoder_pool *pool = td_alloc_zero(1, sizeof *pool);
    if (pool == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a decoder");
    (void)pthread_mutex_init(&pool->mutex, NULL); /* cannot fail with default attributes */
    pool->spec = *spec;
    if (spec->timeout_ns == 0)
        pool->spec.timeout_ns = DECODER_TIMEOUT_NS;
    pool->decoding = (tape_decoding){read_decoding, pool};
    pool->talk.log = spec->log;
    td_result rc = make_argv(pool, err);
    pool->program =
        (decoder_program){.argv = pool->argv,
                          .shown = spec->command == NULL ? spec->library : spec->command,
                          .talk = &pool->talk,
                          .is_stopping = spec->is_stopping,
                          .user = spec->user};
    pool->findings = decoder_findings_open();
    if (rc == TD_OK && pool->findings == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory for a decoder");
    if (rc == TD_OK)
        rc = open_asker(pool, &first, err);
    if (rc == TD_OK)
        rc = start_child(pool, first, err);
    if (rc != TD_OK) {
        close_asker(first);
        decoder_pool_close(pool);
        return rc;
    }
    snprintf(pool->name, sizeof pool->name, "%s", decoder_child_greeting(first->child)->name);
    give_asker(pool, first);
    *out = pool;
    return TD_OK;
}

void decoder_pool_close(decoder_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->free != NULL) {
        asker *next = pool->free->next;
        close_asker(pool->free);
        pool->free = next;
    }
    decoder_findings_close(pool->findings);
    decoder_words_free(pool->argv);
    (void)pthread_mutex_destroy(&pool->mutex); /* it is not held */
    td_free(pool);
}

const tape_decoding *decoder_pool_decoding(decoder_pool *pool)
{
    return &pool->decoding;
}

decoder_findings *decoder_pool_findings(decoder_pool *pool)
{
    return pool->findings;
}

unsigned decoder_pool_restarts(const decoder_pool *pool)
{
    return atomic_load(&pool->reported_restarts);
}

int decoder_pool_was_stopped(const decoder_pool *pool)
{
    return atomic_load(&pool->was_stopped);
}

const char *decoder_pool_name(const decoder_pool *pool)
{
    return pool->name;
}

/* ---- asking ---- */

static wire_channel wire_channel_of(const decoding_request *request)
{
    const tape_channel *channel = request->channel;
    const channel_info *info = &channel->info;
    const char *type = request->row == NULL ? "" : msg_type_name(request->row->type);
    return (wire_channel){.feed = td_bytes_str(info->feed),
                          .family = td_bytes_str(info->family),
                          .topic = channel->topic.topic,
                          .symbol = channel->topic.symbol,
                          .exchange_topic = td_bytes_str(info->exchange_topic),
                          .type = td_bytes_str(type),
                          .opcode = (uint8_t)info->opcode};
}

/* The number of a channel. Each call sends the channel again at its first frame: channels of
 * another tape have the same indexes. */
static td_result number_channel(asker *a, uint32_t index, const wire_channel *channel,
                                uint32_t *number, td_err *err)
{
    while (a->number_count <= index) {
        if (!td_array_ensure((void **)&a->numbers, &a->number_capacity, a->number_count,
                             sizeof *a->numbers))
            return td_err_set(err, TD_E_NOMEM, "no memory for a decoder's channels");
        a->numbers[a->number_count++] = 0;
    }
    *number = a->numbers[index];
    if (*number != 0)
        return TD_OK;
    *number = a->numbers[index] = ++a->last_number;
    return wire_put_channel(decoder_child_input(a->child), *number, channel, err);
}

static void forget_channels(asker *a)
{
    if (a->number_count > 0)
        memset(a->numbers, 0, a->number_count * sizeof *a->numbers);
    a->last_number = 0;
}

static td_result send_frame(asker *a, const decoding_request *request, td_err *err)
{
    wire_form form = decoder_child_greeting(a->child)->input;
    const wire_channel channel = wire_channel_of(request);
    wire_frame frame = {.n = a->next_n, .recv_ns = request->recv_ns, .bytes = request->bytes};
    td_result rc = TD_OK;
    if (form == WIRE_BINARY)
        rc = number_channel(a, request->channel->index, &channel, &frame.channel, err);
    if (rc == TD_OK)
        rc = wire_put_frame(decoder_child_input(a->child), form, &channel, &frame, err);
    if (rc == TD_OK && ++a->next_n == 0)
        a->next_n = 1;
    return rc;
}

/* Frames of the list count as more than their bytes: they are written with names. */
static size_t flight_bytes_of(const question *q, size_t at)
{
    enum { NAMES_BYTES = 128 };
    return q->requests[q->list[at]].bytes.size + NAMES_BYTES;
}

/* Send as many as may be under way. Half of them are answered before there are more, so that they
 * are written many at a time. */
static td_result send_frames(asker *a, question *q, td_err *err)
{
    size_t end = q->at < q->careful_end ? q->at + 1 : q->count;
    if (q->sent > q->at && (q->sent >= end || q->flight_bytes > LIMIT_DECODER_FLIGHT_BYTES / 2))
        return TD_OK;
    while (q->sent < end && (q->sent == q->at || q->flight_bytes < LIMIT_DECODER_FLIGHT_BYTES)) {
        td_result rc = send_frame(a, &q->requests[q->list[q->sent]], err);
        if (rc != TD_OK)
            return rc;
        q->flight_bytes += flight_bytes_of(q, q->sent);
        q->sent++;
    }
    return TD_OK;
}

/* ---- answers ---- */

/* A text in the arena; "" without memory, which shows less and breaks nothing. */
static const char *keep_text(td_arena *arena, const char *text, size_t size)
{
    char *kept = td_arena_alloc(arena, size + 1);
    if (kept == NULL)
        return "";
    memcpy(kept, text, size);
    for (size_t i = 0; i < size; i++)
        if (kept[i] == '\0')
            kept[i] = ' ';
    kept[size] = '\0';
    return kept;
}

static const char *keep_shortened(td_arena *arena, td_bytes bytes)
{
    char text[SHOWN_REPLY_BYTES + 4];
    size_t size = bytes.size < SHOWN_REPLY_BYTES ? bytes.size : SHOWN_REPLY_BYTES;
    if (size > 0)
        memcpy(text, bytes.data, size);
    memcpy(text + size, "...", 4);
    return keep_text(arena, text, bytes.size > size ? size + 3 : size);
}

static answer failure(question *q, decode_reason reason, const char *what, td_bytes reply)
{
    return (answer){.reason = reason,
                    .what = keep_text(q->arena, what, strlen(what)),
                    .reply = keep_shortened(q->arena, reply),
                    .last_line = ""};
}

/* One of the reasons of frames that the built-in decoder has, if the decoder's own words begin with
 * its name. */
static decode_reason refusal_reason(td_bytes text)
{
    for (int reason = DECODE_NOT_JSON; reason < DECODE_REFUSED; reason++) {
        const char *name = decode_reason_name((decode_reason)reason);
        size_t size = strlen(name);
        if (reason != DECODE_NO_MEMORY && text.size >= size && memcmp(text.data, name, size) == 0 &&
            (text.size == size || text.data[size] == ':'))
            return (decode_reason)reason;
    }
    return DECODE_REFUSED;
}

/* The message of an answer. TD_E_INVALID: it is none. */
static td_result read_message(asker *a, const wire_reply *reply, wire_form form,
                              const message_subject *subject, td_arena *arena, message *out,
                              td_err *err)
{
    if (form == WIRE_JSON)
        return message_read(a->builder, reply->json, "n", subject, arena, out, err);
    const uint8_t *kept = td_arena_copy(arena, reply->body.data, reply->body.size);
    if (kept == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an answer");
    td_result rc = canonical_read(td_bytes_of(kept, reply->body.size), a->parser, arena, out, err);
    return rc == TD_OK ? message_fit(out, subject, err) : rc;
}

/* The answer to the frame at q->at, whose number it has. */
static td_result take_answer(asker *a, question *q, const wire_reply *reply, td_bytes bytes,
                             answer *out, td_err *err)
{
    const decoding_request *request = &q->requests[q->list[q->at]];
    const message_subject subject = {request->row, request->channel->topic.topic,
                                     request->channel->topic.symbol};
    td_err why;
    td_err_clear(&why);
    *out = (answer){.what = "", .reply = "", .last_line = ""};
    if (reply->answer == WIRE_REFUSED) {
        *out = failure(q, refusal_reason(reply->body), "", td_bytes_of(NULL, 0));
        out->what = keep_shortened(q->arena, reply->body);
        return TD_OK;
    }
    if (reply->answer == WIRE_WRONG) {
        *out = failure(q, DECODE_GARBAGE, "", td_bytes_of(NULL, 0));
        out->what = keep_shortened(q->arena, reply->body);
        return TD_OK;
    }
    message *kept = td_arena_alloc(q->arena, sizeof *kept);
    td_result rc = kept == NULL ? td_err_set(&why, TD_E_NOMEM, "no memory for an answer")
                                : read_message(a, reply, decoder_child_greeting(a->child)->reply,
                                               &subject, q->arena, kept, &why);
    if (rc == TD_OK)
        out->message = kept;
    else if (rc == TD_E_INVALID)
        *out = failure(q, DECODE_GARBAGE, why.text, bytes);
    else
        return td_err_pass(err, rc, &why);
    return TD_OK;
}

/* ---- failures ---- */

/* After so many restarts there is no end to be expected. A decoder that answers nothing at all is
 * given up soon: it was not tried before. */
static td_result check_restarts(decoder_pool *pool, const question *q, const answer *about,
                                td_err *err)
{
    int has_answered = atomic_load(&pool->has_answered);
    unsigned max = has_answered ? LIMIT_DECODER_RESTARTS : LIMIT_DECODER_FIRST_RESTARTS;
    if (atomic_fetch_add(&pool->restarts, 1) < max)
        return TD_OK;
    const channel_info *info = &q->requests[q->list[q->at]].channel->info;
    td_err_set(err, TD_E_LIMIT,
               "the decoder failed %u times%s; the last time at a frame of "
               "%s/%s/%s: %s: %s%s%s",
               max + 1, has_answered ? "" : ", and answered no frame", info->feed, info->topic,
               info->symbol, decode_reason_name(about->reason), about->what,
               about->last_line[0] == '\0' ? "" : ": ", about->last_line);
    if (has_answered)
        td_err_hint(err, "narrow the selection, and mend the first failures");
    else
        hint_at_trial(pool, err);
    return TD_E_LIMIT;
}

/* The child is of no use any more: the next frame gets a fresh one. */
static td_result drop_child(decoder_pool *pool, asker *a, question *q, answer *about, td_err *err)
{
    char line[DECODER_LINE_BYTES];
    decoder_exit how;
    decoder_child_kill(a->child, &how, line);
    a->child = NULL;
    about->last_line = keep_text(q->arena, line, strlen(line));
    if (about->reason == DECODE_CRASHED) {
        char text[DECODER_EXIT_TEXT_BYTES];
        decoder_exit_describe(how, text);
        about->what = keep_text(q->arena, text, strlen(text));
    }
    if (!decoder_findings_have_ended(pool->findings))
        atomic_fetch_add(&pool->reported_restarts, 1);
    return check_restarts(pool, q, about, err);
}

/* The answer of the frame at q->at is settled. */
static void settle(question *q, const answer *of)
{
    q->flight_bytes -= flight_bytes_of(q, q->at);
    q->answers[q->at++] = *of;
}

/* Which frame the failure is of is certain where the child had one only, unless it may have ended
 * before it read that one. Otherwise all that it had are asked about one by one. */
static td_result take_failure(decoder_pool *pool, asker *a, question *q, answer *about, td_err *err)
{
    int is_idle_end = about->reason == DECODE_CRASHED && q->at == q->since && q->since_n > 1;
    td_result rc = drop_child(pool, a, q, about, err);
    if (rc != TD_OK)
        return rc;
    if (q->sent == q->at + 1 && !is_idle_end) {
        settle(q, about);
        q->has_suspect = 0;
    } else {
        q->has_suspect = 1;
        q->is_idle_end = (uint8_t)is_idle_end;
        q->suspect = q->at;
        q->suspicion = *about;
        q->careful_end = q->sent;
    }
    return TD_OK;
}

/* All frames that a failed process had were asked about again, and none of them fails. */
static void clear_suspicion(const decoder_pool *pool, question *q)
{
    char what[WHAT_BYTES];
    if (!q->has_suspect || q->at < q->careful_end)
        return;
    q->has_suspect = 0;
    if (q->is_idle_end) {
        td_log_emit(pool->spec.log, TD_LOG_WARNING,
                    "decoder: it ended by itself between frames (%s), all of which it had "
                    "answered; a fresh process goes on",
                    q->suspicion.what);
        return;
    }
    snprintf(what, sizeof what, "%s once, and not again (%s)",
             decode_reason_name(q->suspicion.reason), q->suspicion.what);
    answer *first = &q->answers[q->suspect];
    *first = q->suspicion;
    first->message = NULL;
    first->reason = DECODE_UNSTABLE;
    first->what = keep_text(q->arena, what, strlen(what));
}

/* An answer with another number than that of the oldest frame. One that was answered just before is
 * answered twice; else it is not known which frame the answer is of. */
static td_result take_stranger(decoder_pool *pool, asker *a, question *q, uint32_t n,
                               td_bytes bytes, td_err *err)
{
    char what[WHAT_BYTES];
    uint32_t due = q->since_n + (uint32_t)(q->at - q->since);
    int is_repeated = n < due && due - n <= q->at - q->since;
    if (is_repeated)
        snprintf(what, sizeof what, "answered twice (n %u)", n);
    else
        snprintf(what, sizeof what, "an answer to n %u, where %u was due", n, due);
    answer wrong = failure(q, DECODE_GARBAGE, what, bytes);
    if (!is_repeated)
        return take_failure(pool, a, q, &wrong, err);
    td_result rc = drop_child(pool, a, q, &wrong, err);
    if (rc == TD_OK)
        q->answers[q->at - (due - n)] = wrong;
    return rc;
}

static td_result take_reply(decoder_pool *pool, asker *a, question *q, td_bytes bytes, td_err *err)
{
    wire_reply reply;
    td_err why;
    answer found;
    uint32_t due = q->since_n + (uint32_t)(q->at - q->since);
    td_err_clear(&why);
    td_result rc =
        wire_read_reply(decoder_child_greeting(a->child)->reply, a->parser, bytes, &reply, &why);
    if (rc == TD_E_NOMEM)
        return td_err_pass(err, rc, &why);
    if (rc == TD_OK && reply.n != due)
        return take_stranger(pool, a, q, reply.n, bytes, err);
    if (rc != TD_OK) { /* perhaps it was printed while a later frame was decoded */
        found = failure(q, DECODE_GARBAGE, why.text, bytes);
        return take_failure(pool, a, q, &found, err);
    }
    rc = take_answer(a, q, &reply, bytes, &found, err);
    if (rc != TD_OK)
        return rc;
    if (found.reason != DECODE_GARBAGE)
        atomic_store(&pool->has_answered, 1);
    /* Where answers stop being answers, the next one cannot be trusted either. */
    rc = found.reason == DECODE_GARBAGE ? drop_child(pool, a, q, &found, err) : TD_OK;
    if (rc == TD_OK)
        settle(q, &found);
    return rc;
}

/* A child to ask, fresh if there is none; and no frame of this question is with it. */
static td_result ready_child(decoder_pool *pool, asker *a, question *q, td_err *err)
{
    if (a->child == NULL) {
        td_result rc = start_child(pool, a, err);
        if (rc != TD_OK && !decoder_pool_was_stopped(pool))
            return td_err_add(err, rc, "another process of the decoder");
        if (rc != TD_OK)
            return rc;
        forget_channels(a);
    }
    q->sent = q->since = q->at;
    q->since_n = a->next_n;
    q->flight_bytes = 0;
    return TD_OK;
}

static td_result take_event(decoder_pool *pool, asker *a, question *q, td_err *err)
{
    td_bytes bytes = td_bytes_of(NULL, 0);
    char what[WHAT_BYTES];
    answer about;
    switch (decoder_child_next(a->child, pool->spec.timeout_ns, &bytes)) {
    case CHILD_REPLY:
        return take_reply(pool, a, q, bytes, err);
    case CHILD_GONE:
        about = failure(q, DECODE_CRASHED, "", bytes);
        return take_failure(pool, a, q, &about, err);
    case CHILD_SILENT:
        snprintf(what, sizeof what, "no answer in %.3g s",
                 (double)pool->spec.timeout_ns / (double)TD_NS_PER_S);
        about = failure(q, DECODE_HUNG, what, bytes);
        return take_failure(pool, a, q, &about, err);
    case CHILD_TOO_LONG:
        snprintf(what, sizeof what, "an answer of more than %zu bytes", LIMIT_DECODER_REPLY_BYTES);
        about = failure(q, DECODE_GARBAGE, what, bytes);
        return take_failure(pool, a, q, &about, err);
    case CHILD_STOPPED: /* it may be in the middle of a frame */
        decoder_child_kill(a->child, NULL, NULL);
        a->child = NULL;
        return stop(pool, err);
    case CHILD_NO_MEMORY:
        break;
    }
    return td_err_set(err, TD_E_NOMEM, "no memory for an answer of the decoder");
}

/* Ask about the frames of a list, until each has an answer. */
static td_result ask(decoder_pool *pool, asker *a, question *q, td_err *err)
{
    td_result rc = TD_OK;
    int is_begun = 0;
    while (q->at < q->count && rc == TD_OK) {
        if (a->child == NULL || !is_begun)
            rc = ready_child(pool, a, q, err);
        is_begun = 1;
        if (rc == TD_OK)
            rc = send_frames(a, q, err);
        if (rc == TD_OK)
            rc = take_event(pool, a, q, err);
        clear_suspicion(pool, q);
    }
    /* More than was asked for: of the last frame, as far as can be seen. */
    if (rc == TD_OK && a->child != NULL && decoder_child_unread(a->child) > 0) {
        q->at = q->count - 1;
        answer more =
            failure(q, DECODE_GARBAGE, "it wrote more than its answer", td_bytes_of(NULL, 0));
        rc = drop_child(pool, a, q, &more, err);
        q->answers[q->count - 1] = more;
    }
    return rc;
}

/* ---- asking again ---- */

static int is_same(const answer *a, const answer *b)
{
    if (a->message == NULL || b->message == NULL)
        return a->message == b->message && a->reason == b->reason;
    return canonical_hash(a->message, CANONICAL_WHOLE) ==
           canonical_hash(b->message, CANONICAL_WHOLE);
}

/* A process that fails itself is asked no more about what it failed at. */
static int is_worth_repeating(const answer *of)
{
    return of->message != NULL || of->reason < DECODE_CRASHED;
}

/* Of frames whose answers differ, take the later ones as the reason not to trust any. How many. */
static size_t mark_unstable(question *again, answer *first)
{
    size_t count = 0;
    for (size_t i = 0; i < again->count; i++) {
        answer *before = &first[again->list[i]];
        const answer *after = &again->answers[i];
        if (!is_worth_repeating(before) || is_same(before, after))
            continue;
        const char *what = after->message != NULL    ? "another message when asked again"
                           : before->message != NULL ? decode_reason_name(after->reason)
                                                     : "another failure when asked again";
        count++;
        *before = *after;
        before->message = NULL;
        before->reason = DECODE_UNSTABLE;
        before->what = what;
    }
    return count;
}

/* Ask about every step-th frame again, and mark those that are answered otherwise. */
static td_result repeat(decoder_pool *pool, asker *a, const question *all, size_t step,
                        size_t *unstable, td_err *err)
{
    question q = {.requests = all->requests, .arena = all->arena};
    uint32_t *list = td_arena_alloc(all->arena, (all->count / step + 1) * sizeof *list);
    q.answers = td_arena_alloc(all->arena, (all->count / step + 1) * sizeof *q.answers);
    q.list = list;
    if (list == NULL || q.answers == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to ask a decoder again");
    for (size_t i = 0; i < all->count; i += step)
        if (is_worth_repeating(&all->answers[i]))
            list[q.count++] = (uint32_t)i;
    td_result rc = q.count == 0 ? TD_OK : ask(pool, a, &q, err);
    if (rc == TD_OK)
        *unstable = mark_unstable(&q, all->answers);
    return rc;
}

/* Every so many frames one is asked about again; where one differs, all are, to name the first. */
static td_result check_stability(decoder_pool *pool, asker *a, const question *all, td_err *err)
{
    size_t unstable = 0;
    if (pool->spec.repeat == 0)
        return TD_OK;
    td_result rc = repeat(pool, a, all, pool->spec.repeat, &unstable, err);
    if (rc == TD_OK && unstable > 0 && pool->spec.repeat > 1)
        rc = repeat(pool, a, all, 1, &unstable, err);
    return rc;
}

/* ---- contents ---- */

static td_result report(decoder_pool *pool, const decoding_request *request, const answer *of,
                        td_err *err)
{
    if (of->reason < DECODE_REFUSED || (of->reason == DECODE_REFUSED && request->row == NULL) ||
        request->is_lead_in)
        return TD_OK;
    const channel_info *info = &request->channel->info;
    const decoder_finding found = {.reason = of->reason,
                                   .feed = info->feed,
                                   .topic = info->topic,
                                   .symbol = info->symbol,
                                   .recv_ns = request->recv_ns,
                                   .id =
                                       (uint16_t)td_xxh64(request->bytes.data, request->bytes.size),
                                   .what = of->what,
                                   .reply = of->reply,
                                   .last_line = of->last_line};
    return decoder_findings_add(pool->findings, &found, err);
}

static td_result ask_about(decoder_pool *pool, asker *a, question *q, frame_content *contents,
                           td_err *err)
{
    uint32_t *list = td_arena_alloc(q->arena, q->count * sizeof *list);
    q->answers = td_arena_alloc(q->arena, q->count * sizeof *q->answers);
    q->list = list;
    if (list == NULL || q->answers == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to ask a decoder");
    for (size_t i = 0; i < q->count; i++)
        list[i] = (uint32_t)i;
    forget_channels(a);
    td_result rc = ask(pool, a, q, err);
    size_t answered = rc == TD_OK ? q->count : q->at;
    if (rc == TD_OK)
        rc = check_stability(pool, a, q, err);
    /* Of a decoder that is given up, what it failed at until then is worth knowing. */
    for (size_t i = 0; i < answered; i++) {
        contents[i].message = q->answers[i].message;
        contents[i].why = (decode_error){.reason = q->answers[i].reason};
        td_result reported =
            report(pool, &q->requests[i], &q->answers[i], rc == TD_OK ? err : NULL);
        rc = rc == TD_OK ? reported : rc;
    }
    return rc;
}

static td_result read_decoding(void *ctx, const decoding_request *requests, size_t count,
                               td_arena *arena, frame_content *contents, td_err *err)
{
    decoder_pool *pool = ctx;
    question q = {.requests = requests, .count = count, .arena = arena};
    asker *a = NULL;
    td_result rc = take_asker(pool, &a, err);
    if (rc != TD_OK || count == 0)
        return rc;
    rc = ask_about(pool, a, &q, contents, err);
    give_asker(pool, a);
    return rc;
}
