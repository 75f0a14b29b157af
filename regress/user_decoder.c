#include "regress/user_decoder.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/process_memory.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "schema/decode.h"
#include "tape/content.h"

static const option_row ROWS[] = {
    {.long_name = "decoder",
     OPTION_INTO(decoder_options, libraries),
     .metavar = "FILE",
     .help = "decode with a shared object of your own (.so; its interface is\n"
             "tapedeck/plugin.h); 'builtin': with tapedeck's decoder"},
    {.long_name = "decoder-cmd",
     OPTION_INTO(decoder_options, commands),
     .metavar = "COMMAND",
     .help = "decode with a program of your own, which reads frames and writes messages:\n"
             "'python3 mine.py'; a shell runs it"},
    {.long_name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(decoder_options, timeout_ns),
     .metavar = "DURATION",
     .min = UINT64_C(1000000),
     .help = "time limit for a frame; beyond it your decoder counts as hung (default: 10s)"},
    {.long_name = "max-failures",
     .type = OPTION_UINT,
     .offset = offsetof(decoder_options, failures_max),
     .metavar = "N",
     .help = "stop when your decoder fails (crashes, hangs, gives an invalid answer) at N\nframes "
             "in a row; 0: never (default: 10)"},
};

option_group option_group_decoder(decoder_options *target)
{
    target->timeout_ns = 10 * TD_NS_PER_S;
    target->failures_max = 10;
    return (option_group){"Your decoder", ROWS, sizeof ROWS / sizeof *ROWS, target};
}

size_t decoder_options_count(const decoder_options *options)
{
    return options->libraries.count + options->commands.count;
}

static int is_built_in(const char *library)
{
    return strcmp(library, "builtin") == 0;
}

td_result decoder_options_check(const decoder_options *options, size_t count_max, td_err *err)
{
    const size_t count = decoder_options_count(options);
    size_t built_in = 0;
    for (size_t i = 0; i < options->libraries.count; i++)
        built_in += (size_t)is_built_in(options->libraries.items[i]);
    if (count == built_in && (options->cpu_ns_max > 0 || options->memory_bytes_max > 0))
        return td_err_set(err, TD_E_INVALID,
                          "--max-cpu and --max-memory need your decoder: give --decoder or "
                          "--decoder-cmd");
    if (count <= count_max)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "%zu decoders are given, but only %zu can be used", count,
               count_max);
    if (count_max == 1)
        td_err_hint(err, "'tapedeck regress check' without --baseline compares two");
    return TD_E_INVALID;
}

static td_result add_word(decoder_words *to, const char *option, const char *value, td_err *err)
{
    size_t count = 0;
    while (to->list[count] != NULL)
        count++;
    to->list[count] = to->text[count];
    return snprintf(to->text[count], DECODER_WORD_BYTES, "--%s=%s", option, value) <
                   DECODER_WORD_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "--%s: the text is too long", option);
}

td_result decoder_options_words(const decoder_options *options, decoder_words *out, td_err *err)
{
    decoder_options defaults = {0};
    char number[32];
    (void)option_group_decoder(&defaults);
    memset(out, 0, sizeof *out);
    td_result rc = decoder_options_check(options, 2, err);
    for (size_t i = 0; rc == TD_OK && i < options->libraries.count; i++)
        rc = add_word(out, "decoder", options->libraries.items[i], err);
    for (size_t i = 0; rc == TD_OK && i < options->commands.count; i++)
        rc = add_word(out, "decoder-cmd", options->commands.items[i], err);
    if (rc != TD_OK || out->list[0] == NULL)
        return rc;
    (void)snprintf(number, sizeof number, "%" PRIu64 "ns", options->timeout_ns);
    if (options->timeout_ns != defaults.timeout_ns)
        rc = add_word(out, "timeout", number, err);
    (void)snprintf(number, sizeof number, "%" PRIu64, options->failures_max);
    if (rc == TD_OK && options->failures_max != defaults.failures_max)
        rc = add_word(out, "max-failures", number, err);
    return rc;
}

decode_reason decoder_reason_of(td_bytes text)
{
    for (int reason = DECODE_NOT_JSON; reason < DECODE_REFUSED; reason++) {
        const char *name = decode_reason_name((decode_reason)reason);
        size_t size = strlen(name);
        if (text.size >= size && memcmp(text.data, name, size) == 0 &&
            (text.size == size || text.data[size] == ':'))
            return (decode_reason)reason;
    }
    return DECODE_REFUSED;
}

/* ---- instances ---- */

/* The first frame at which the decoder failed. */
typedef struct decoder_failure {
    decode_reason reason; /* DECODE_CRASHED, _HUNG, _GARBAGE or _UNSTABLE */
    uint64_t recv_ns;
    /* "feed/topic/symbol" */
    char stream[LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    char text[DECODER_FAILURE_BYTES];
} decoder_failure;

struct user_decoder {
    const decoder_kind *kind; /* NULL: the built-in decoder */
    decoder_environment environment;
    tape_decoding decoding;
    pthread_key_t instance_key; /* the calling thread's instance */
    uint64_t failures_max;      /* number of successive failures that ends the run; 0: no limit */
    atomic_uint in_a_row;       /* failures since the last decoded or refused frame; relaxed */
    pthread_mutex_t mutex;      /* protects the members below */
    void **instances;
    size_t instance_count;
    uint64_t counts[DECODE_REASON_COUNT];  /* refusals and failures, by reason */
    decoder_failure first;                 /* recv_ns 0: no failure */
    uint64_t frames;                       /* that the decoder was given */
    td_child_usage used;                   /* CPU time of calls in this process; after
                                              user_decoder_measure of processes, and the peak */
    uint64_t cpu_ns_max, memory_bytes_max; /* 0: no limit */
};

/* Gets or makes the calling thread's instance. */
static td_result get_instance(user_decoder *self, void **out, td_err *err)
{
    *out = pthread_getspecific(self->instance_key);
    if (*out != NULL)
        return TD_OK;
    td_result rc = self->kind->begin(&self->environment, out, err);
    if (rc != TD_OK)
        return rc;
    if (pthread_setspecific(self->instance_key, *out) != 0)
        td_out_of_memory(0);
    pthread_mutex_lock(&self->mutex);
    self->instances = td_array_grow(self->instances, self->instance_count, sizeof(void *));
    self->instances[self->instance_count++] = *out;
    pthread_mutex_unlock(&self->mutex);
    return TD_OK;
}

/* ---- failures ---- */

static void note_failure(user_decoder *self, const frame_ref *frame, decode_reason reason,
                         const char *failure_text)
{
    const channel_info *info = &frame->channel->info;
    pthread_mutex_lock(&self->mutex);
    self->counts[reason]++;
    decoder_failure *first = &self->first;
    if (reason != DECODE_REFUSED && (first->recv_ns == 0 || frame->recv_ns < first->recv_ns)) {
        first->reason = reason;
        first->recv_ns = frame->recv_ns;
        (void)snprintf(first->stream, sizeof first->stream, "%s/%s%s%s", info->feed, info->topic,
                       info->symbol[0] == '\0' ? "" : "/", info->symbol); /* fits */
        (void)snprintf(first->text, sizeof first->text, "%s", failure_text);
    }
    pthread_mutex_unlock(&self->mutex);
}

void user_decoder_note_unstable(user_decoder *self, const frame_ref *frame)
{
    note_failure(self, frame, DECODE_UNSTABLE, "a second call gave another answer");
}

static td_result decode_frames(user_decoder *self, void *instance, frame_ref *const *frames,
                               size_t count, td_arena *arena, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        frame_ref *frame = frames[i];
        char failure_text[DECODER_FAILURE_BYTES];
        failure_text[0] = '\0'; /* the rest needs no zeros for each frame */
        rc = self->kind->decode(instance, frame, arena, &frame->content, failure_text, err);
        decode_reason reason = frame->content.why.reason;
        if (rc != TD_OK)
            break;
        if (!frame->is_lead_in && reason >= DECODE_REFUSED &&
            !(reason == DECODE_REFUSED && frame->row == NULL))
            note_failure(self, frame, reason, failure_text);
        if (reason <= DECODE_REFUSED) {
            if (atomic_load_explicit(&self->in_a_row, memory_order_relaxed) != 0)
                atomic_store_explicit(&self->in_a_row, 0, memory_order_relaxed);
            continue;
        }
        /* Too many failures in a row mean that the decoder does not work at all. */
        uint32_t failures = 1 + atomic_fetch_add_explicit(&self->in_a_row, 1, memory_order_relaxed);
        if (self->failures_max == 0 || failures < self->failures_max)
            continue;
        rc = td_err_set(err, TD_E_UNSUPPORTED,
                        "decoder '%s' failed at %u frames in a row; the last: %s%s%s",
                        self->environment.name, failures, decode_reason_name(reason),
                        failure_text[0] == '\0' ? "" : ": ", failure_text);
        td_err_hint(err, "--max-failures N allows more, 0 any number of them");
    }
    return rc;
}

/* Counts frames that the decoder was given since this CPU time of the thread. */
static void count_calls(user_decoder *self, size_t count, uint64_t begin_ns)
{
    const uint64_t cpu_ns = clock_thread_ns(clock_real()) - begin_ns;
    pthread_mutex_lock(&self->mutex);
    self->frames += count;
    if (self->kind->add_usage == NULL)
        self->used.cpu_ns += cpu_ns;
    pthread_mutex_unlock(&self->mutex);
}

/* Decodes the frames of a chunk. The clock is read once for all of them, so that it costs
 * nothing. */
static td_result read_frames(void *ctx, frame_ref *const *frames, size_t count, td_arena *arena,
                             td_err *err)
{
    user_decoder *self = ctx;
    void *instance;
    td_result rc = get_instance(self, &instance, err);
    if (rc != TD_OK)
        return rc;
    const uint64_t begin_ns = clock_thread_ns(clock_real());
    rc = decode_frames(self, instance, frames, count, arena, err);
    count_calls(self, count, begin_ns);
    return rc;
}

/* ---- the built-in decoder ---- */

static void decode_built_in(const frame_ref *frame, td_arena *arena, frame_content *out)
{
    content_reader *reader = content_reader_open(TAPE_READS_MESSAGES);
    frame_ref again = *frame;
    again.content = (frame_content){0};
    content_read(reader, &again);
    content_keep(&again, arena);
    content_reader_close(reader);
    *out = again.content;
}

td_result user_decoder_decode(user_decoder *self, const frame_ref *frame, td_arena *arena,
                              frame_content *out, td_err *err)
{
    char failure_text[DECODER_FAILURE_BYTES];
    void *instance;
    if (self->kind == NULL) {
        decode_built_in(frame, arena, out);
        return TD_OK;
    }
    td_result rc = get_instance(self, &instance, err);
    if (rc != TD_OK)
        return rc;
    const uint64_t begin_ns = clock_thread_ns(clock_real());
    rc = self->kind->decode(instance, frame, arena, out, failure_text, err);
    count_calls(self, 1, begin_ns);
    if (rc == TD_OK && out->why.reason == DECODE_REFUSED && frame->row == NULL)
        decode_built_in(frame, arena, out);
    return rc;
}

/* ---- open and close ---- */

td_result user_decoder_open(const decoder_options *options, size_t number, const td_log *log,
                            const stop_signal *signals, user_decoder **out, td_err *err)
{
    size_t libraries = options->libraries.count;
    user_decoder *made = td_alloc_zero(1, sizeof *made);
    void *first;
    made->environment = (decoder_environment){"built-in", options->timeout_ns, log, signals};
    made->decoding = (tape_decoding){read_frames, made};
    made->failures_max = options->failures_max;
    made->cpu_ns_max = options->cpu_ns_max;
    made->memory_bytes_max = options->memory_bytes_max;
    pthread_mutex_init(&made->mutex, NULL);
    int failed = pthread_key_create(&made->instance_key, NULL);
    TD_ASSERT(failed == 0); /* at most two decoders exist */
    if (number < libraries && !is_built_in(options->libraries.items[number])) {
        made->kind = &DECODER_LIBRARY;
        made->environment.name = options->libraries.items[number];
    } else if (number >= libraries && number - libraries < options->commands.count) {
        made->kind = &DECODER_PROGRAM;
        made->environment.name = options->commands.items[number - libraries];
    }
    td_result rc = TD_OK;
    if (made->kind != NULL)
        rc = get_instance(made, &first, err); /* reports an unusable decoder now */
    if (rc == TD_OK)
        *out = made;
    else
        user_decoder_close(made);
    return rc;
}

void user_decoder_close(user_decoder *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->instance_count; i++)
        self->kind->end(self->instances[i]);
    td_free(self->instances);
    (void)pthread_key_delete(self->instance_key); /* cannot fail: the key exists */
    pthread_mutex_destroy(&self->mutex);
    td_free(self);
}

const char *user_decoder_name(const user_decoder *self)
{
    return self->environment.name;
}

const tape_decoding *user_decoder_decoding(const user_decoder *self)
{
    return self->kind == NULL ? NULL : &self->decoding;
}

/* ---- usage ---- */

void user_decoder_measure(user_decoder *self)
{
    if (self == NULL || self->kind == NULL)
        return;
    if (self->kind->add_usage == NULL)
        self->used.peak_bytes = process_peak_bytes(getpid());
    for (size_t i = 0; self->kind->add_usage != NULL && i < self->instance_count; i++)
        self->kind->add_usage(self->instances[i], &self->used);
}

int user_decoder_usage(const user_decoder *self, decoder_usage *out)
{
    if (self == NULL || self->kind == NULL)
        return 0;
    *out = (decoder_usage){
        .frames = self->frames,
        .cpu_frame_ns = self->frames == 0 ? UINT64_MAX : self->used.cpu_ns / self->frames,
        .peak_bytes = self->used.peak_bytes == 0 ? UINT64_MAX : self->used.peak_bytes,
    };
    out->is_over_cpu = self->cpu_ns_max > 0 && out->cpu_frame_ns > self->cpu_ns_max;
    out->is_over_memory = self->memory_bytes_max > 0 && out->peak_bytes > self->memory_bytes_max;
    return 1;
}

static const char *cpu_text(uint64_t ns, char out[TD_TIME_TEXT_BYTES])
{
    (void)snprintf(out, TD_TIME_TEXT_BYTES, "unknown"); /* fits */
    if (ns != UINT64_MAX)
        td_duration_format(ns, out);
    return out;
}

static unit_text memory_text(uint64_t bytes)
{
    const unit_text text = {"unknown"};
    return bytes == UINT64_MAX ? text : format_size(bytes);
}

void user_decoder_limits_text(const user_decoder *self, char out[DECODER_LIMITS_BYTES])
{
    decoder_usage usage;
    char is[TD_TIME_TEXT_BYTES];
    char max[TD_TIME_TEXT_BYTES];
    int size = 0;
    out[0] = '\0';
    if (!user_decoder_usage(self, &usage))
        return;
    if (usage.is_over_cpu) /* both texts fit */
        size = snprintf(out, DECODER_LIMITS_BYTES, "CPU time a frame: %s, limit %s",
                        cpu_text(usage.cpu_frame_ns, is), cpu_text(self->cpu_ns_max, max));
    if (usage.is_over_memory)
        (void)snprintf(out + size, DECODER_LIMITS_BYTES - (size_t)size,
                       "%speak memory: %s, limit %s", size > 0 ? "; " : "",
                       memory_text(usage.peak_bytes).text,
                       memory_text(self->memory_bytes_max).text);
}

/* ---- findings ---- */

uint64_t user_decoder_failures(const user_decoder *self)
{
    uint64_t sum = 0;
    for (int reason = DECODE_CRASHED; self != NULL && reason <= DECODE_UNSTABLE; reason++)
        sum += self->counts[reason];
    return sum;
}

void user_decoder_first_text(const user_decoder *self, char out[DECODER_FIRST_BYTES])
{
    const decoder_failure *first = &self->first;
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(first->recv_ns, when);
    (void)snprintf(out, DECODER_FIRST_BYTES, "%s at %s, %s%s%s", decode_reason_name(first->reason),
                   when, first->stream, first->text[0] == '\0' ? "" : ": ", first->text);
}

/* Adds what the decoder used. */
static void describe_usage(const user_decoder *self, result_writer *r)
{
    decoder_usage usage = {0};
    char cpu[TD_TIME_TEXT_BYTES];
    char over[DECODER_LIMITS_BYTES];
    (void)user_decoder_usage(self, &usage); /* it is not the built-in one */
    result_count(r, "frames", usage.frames);
    result_count(r, "cpu_ns_per_frame", usage.cpu_frame_ns);
    result_count(r, "peak_memory_bytes", usage.peak_bytes);
    result_bool(r, "over_max_cpu", usage.is_over_cpu);
    result_bool(r, "over_max_memory", usage.is_over_memory);
    user_decoder_limits_text(self, over);
    result_note(r, "cpu", "%s", cpu_text(usage.cpu_frame_ns, cpu));
    result_note(r, "memory", "%s", memory_text(usage.peak_bytes).text);
    result_styled(r, "styled", TERMINAL_BAD, "OVER THE LIMIT");
    result_note(r, "over", "%s", over);
}

void user_decoder_describe(const user_decoder *self, const char *name, result_writer *r)
{
    if (self == NULL || self->kind == NULL) {
        result_null(r, name);
        return;
    }
    const decoder_failure *first = &self->first;
    result_object_begin(r, name);
    result_text(r, "name", self->environment.name);
    for (int reason = DECODE_REFUSED; reason <= DECODE_UNSTABLE; reason++)
        result_count(r, decode_reason_name((decode_reason)reason), self->counts[reason]);
    result_count(r, "failures", user_decoder_failures(self));
    if (first->recv_ns == 0) {
        result_null(r, "first");
    } else {
        result_object_begin(r, "first");
        result_text(r, "kind", decode_reason_name(first->reason));
        result_text(r, "stream", first->stream);
        result_instant(r, "recv_ns", first->recv_ns);
        result_name(r, "what", first->text);
        result_object_end(r, "{kind} at {recv_ns}, {stream}[: {what}]");
    }
    describe_usage(self, r);
    result_object_end(r, "[{failures?}\n{name} failed at {failures frame}; the first: {first}\n]"
                         "\n{name}: {cpu} of CPU time a frame, peak memory {memory}\n"
                         "[{over?}{name}: {styled}: {over}\n]");
}
