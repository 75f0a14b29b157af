#include "regress/cmd_decoder_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "cli/version.h"
#include "include/tapedeck/decoder.h"
#include "regress/decoder_map.h"
#include "regress/decoder_wire.h"
#include "schema/canonical.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/message_build.h"

enum {
    BATCH_MAX = 64, /* frames of one decode_batch */
    READ_BYTES = 1 << 17,
    WRITE_BYTES = 1 << 16, /* answers are written once there is so much, or nothing left to read */
    WHY_BYTES = TD_ERR_TEXT_BYTES,
    FAIL_BYTES = 512,
};

/* What a struct of version 1 has at least. */
#define DECODER_BYTES_MIN                                                                          \
    (offsetof(struct tapedeck_decoder, close) + sizeof(((struct tapedeck_decoder *)0)->close))

/* The frames of one channel have this in common. */
typedef struct host_channel {
    tapedeck_decoder_frame frame; /* without time and bytes */
    char *texts;                  /* of it, in one piece */
    const family *of;             /* NULL: unknown */
    topic_match match;            /* at any time */
} host_channel;

/* Where the answer about one frame is gathered. */
typedef struct host_output {
    tapedeck_decoder_output to; /* first: what the decoder gets */
    message_builder *builder;
    td_arena *arena;
    uint32_t n;
    uint8_t has_failed; /* the decoder said that it cannot */
    char failure[FAIL_BYTES];
} host_output;

typedef struct host {
    void *library;
    struct tapedeck_decoder decoder; /* what the library has; members that it does not know are 0 */
    tapedeck_decoder_host given;     /* to its open */
    void *self;                      /* the decoder's */
    uint8_t is_open;
    char why[FAIL_BYTES]; /* of given.fail; "": none */
    decoder_map *map;
    int output_fd;
    host_channel **channels; /* by their number */
    size_t channel_count, channel_capacity;
    host_output outputs[BATCH_MAX];
    tapedeck_decoder_frame frames[BATCH_MAX];
    const tapedeck_decoder_frame *frame_at[BATCH_MAX];
    tapedeck_decoder_output *to[BATCH_MAX];
    size_t batch_count;
    td_buf input;
    size_t input_taken;
    td_buf answers;
    td_buf form;
} host;

/* ---- what the decoder calls ---- */

static td_bytes bytes_of(tapedeck_decoder_text text)
{
    return td_bytes_of(text.data, text.size);
}

static written_value written_of(tapedeck_decoder_text text)
{
    return (written_value){.kind = text.size == 0 ? WRITTEN_ABSENT : WRITTEN_TEXT,
                           .text = bytes_of(text)};
}

static message_builder *builder_of(tapedeck_decoder_output *to)
{
    return ((host_output *)to)->builder;
}

static void call_head(tapedeck_decoder_output *to, tapedeck_decoder_text name,
                      tapedeck_decoder_text value)
{
    const written_value written = written_of(value);
    message_build_head(builder_of(to), bytes_of(name), &written);
}

static void call_value(tapedeck_decoder_output *to, tapedeck_decoder_text name,
                       tapedeck_decoder_text value)
{
    const written_value written = written_of(value);
    message_build_member(builder_of(to), bytes_of(name), &written);
}

/* A member by its name here, whatever a mapping file says. */
static void put(tapedeck_decoder_output *to, const char *name, tapedeck_decoder_text value)
{
    const written_value written = written_of(value);
    message_build_own(builder_of(to), td_bytes_str(name), &written);
}

static void call_item(tapedeck_decoder_output *to, tapedeck_decoder_text action)
{
    message_build_entry(builder_of(to));
    put(to, "action", action);
}

static void call_level(tapedeck_decoder_output *to, tapedeck_decoder_text action,
                       tapedeck_decoder_text side, tapedeck_decoder_text price,
                       tapedeck_decoder_text size)
{
    message_build_entry(builder_of(to));
    put(to, "action", action);
    put(to, "side", side);
    put(to, "price", price);
    put(to, "size", size);
}

static void call_trade(tapedeck_decoder_output *to, tapedeck_decoder_text side,
                       tapedeck_decoder_text price, tapedeck_decoder_text size,
                       uint64_t exchange_ns, tapedeck_decoder_text trade_id)
{
    char time[24];
    int length =
        exchange_ns == 0 ? 0 : snprintf(time, sizeof time, "%llu", (unsigned long long)exchange_ns);
    TD_ASSERT(length >= 0);
    message_build_entry(builder_of(to));
    put(to, "side", side);
    put(to, "price", price);
    put(to, "size", size);
    put(to, "exchange_ns", (tapedeck_decoder_text){time, (size_t)length});
    put(to, "trade_id", trade_id);
}

static void call_fail(tapedeck_decoder_output *to, tapedeck_decoder_text why)
{
    host_output *output = (host_output *)to;
    if (!output->has_failed)
        snprintf(output->failure, sizeof output->failure, "%.*s",
                 why.size > FAIL_BYTES ? FAIL_BYTES : (int)why.size,
                 why.data == NULL ? "" : why.data);
    output->has_failed = 1;
}

static const tapedeck_decoder_calls CALLS = {
    .size = sizeof(tapedeck_decoder_calls),
    .head = call_head,
    .level = call_level,
    .trade = call_trade,
    .item = call_item,
    .value = call_value,
    .fail = call_fail,
};

/* ---- the shared object ---- */

/* Load it and check what it exports. 0 and why. */
static int load_decoder(host *h, const char *path, char *why)
{
    /* A path without a slash would be looked for among the system's libraries. */
    char local[LIMIT_PATH_BYTES];
    int length = snprintf(local, sizeof local, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    if (length < 0 || (size_t)length >= sizeof local) {
        snprintf(why, WHY_BYTES, "the path is too long");
        return 0;
    }
    h->library = dlopen(local, RTLD_NOW | RTLD_LOCAL);
    if (h->library == NULL) {
        snprintf(why, WHY_BYTES, "it cannot be loaded: %s", dlerror());
        return 0;
    }
    const struct tapedeck_decoder *found = dlsym(h->library, "tapedeck_decoder");
    if (found == NULL)
        snprintf(why, WHY_BYTES, "it exports no tapedeck_decoder (include tapedeck/decoder.h)");
    else if (found->abi != TAPEDECK_DECODER_ABI)
        snprintf(why, WHY_BYTES,
                 "it has version %u of the interface, this program %u; build it again with this "
                 "version's tapedeck/decoder.h",
                 found->abi, TAPEDECK_DECODER_ABI);
    else if (found->size < DECODER_BYTES_MIN || found->decode == NULL)
        snprintf(why, WHY_BYTES, "its tapedeck_decoder is not complete (size, decode)");
    else
        memcpy(&h->decoder, found,
               found->size < sizeof h->decoder ? found->size : sizeof h->decoder);
    return h->decoder.decode != NULL;
}

static int host_fail(const tapedeck_decoder_host *given, const char *text)
{
    host *h = given->own;
    snprintf(h->why, sizeof h->why, "%s", text == NULL ? "" : text);
    return TAPEDECK_DECODER_FAIL;
}

static int open_decoder(host *h, char *why)
{
    h->given = (tapedeck_decoder_host){.abi = TAPEDECK_DECODER_ABI,
                                       .size = sizeof h->given,
                                       .version = TAPEDECK_VERSION,
                                       .own = h,
                                       .fail = host_fail};
    int answer =
        h->decoder.open == NULL ? TAPEDECK_DECODER_GO : h->decoder.open(&h->given, &h->self);
    h->is_open = answer == TAPEDECK_DECODER_GO;
    if (h->is_open)
        return 1;
    if (answer != TAPEDECK_DECODER_FAIL)
        snprintf(why, WHY_BYTES,
                 "open: it returned %d, which is none of TAPEDECK_DECODER_GO, _FAIL", answer);
    else
        snprintf(why, WHY_BYTES, "open: %s",
                 h->why[0] == '\0' ? "it failed, without a reason" : h->why);
    return 0;
}

static int open_outputs(host *h, const char *map, char *why)
{
    td_err err;
    td_result rc = TD_OK;
    if (map[0] != '\0')
        rc = decoder_map_open(td_bytes_str(map), "mapping file", &h->map, &err);
    const message_names *names = h->map == NULL ? NULL : decoder_map_names(h->map);
    for (size_t i = 0; i < BATCH_MAX && rc == TD_OK; i++) {
        h->outputs[i].to.calls = &CALLS;
        h->to[i] = &h->outputs[i].to;
        h->frame_at[i] = &h->frames[i];
        h->outputs[i].arena = td_arena_open(LIMIT_DECODER_REPLY_BYTES * 4);
        rc = h->outputs[i].arena == NULL
                 ? td_err_set(&err, TD_E_NOMEM, "no memory")
                 : message_builder_open(names, &h->outputs[i].builder, &err);
    }
    if (rc != TD_OK)
        snprintf(why, WHY_BYTES, "%s", err.text);
    return rc == TD_OK;
}

/* ---- channels ---- */

static tapedeck_decoder_text put_text(char **at, td_bytes from)
{
    tapedeck_decoder_text made = {*at, from.size};
    if (from.size > 0)
        memcpy(*at, from.data, from.size);
    *at += from.size;
    return made;
}

static void free_channel(host_channel *channel)
{
    if (channel == NULL)
        return;
    td_free(channel->texts);
    td_free(channel);
}

/* What the tape knows of the channel (tape/connection_table.c), by the same look-up. */
static void find_row(host_channel *channel)
{
    const tapedeck_decoder_frame *frame = &channel->frame;
    td_bytes text = bytes_of(frame->exchange_topic.size > 0 ? frame->exchange_topic : frame->topic);
    topic_match found;
    channel->match = (topic_match){NULL, bytes_of(frame->topic), bytes_of(frame->symbol)};
    channel->of = family_find(bytes_of(frame->family));
    if (channel->of != NULL && frame->type.size > 0 &&
        topic_match_text(channel->of->topics, channel->of->topic_count, text, TOPIC_ANY_TIME,
                         &found))
        channel->match.row = found.row;
}

static host_channel *make_channel(const wire_channel *from)
{
    size_t bytes = from->feed.size + from->family.size + from->topic.size + from->symbol.size +
                   from->exchange_topic.size + from->type.size;
    host_channel *made = td_alloc_zero(1, sizeof *made);
    if (made != NULL)
        made->texts = td_alloc(bytes + 1);
    if (made == NULL || made->texts == NULL) {
        free_channel(made);
        return NULL;
    }
    char *at = made->texts;
    made->frame = (tapedeck_decoder_frame){.size = sizeof(tapedeck_decoder_frame),
                                           .feed = put_text(&at, from->feed),
                                           .family = put_text(&at, from->family),
                                           .topic = put_text(&at, from->topic),
                                           .symbol = put_text(&at, from->symbol),
                                           .exchange_topic = put_text(&at, from->exchange_topic),
                                           .type = put_text(&at, from->type),
                                           .opcode = from->opcode};
    find_row(made);
    return made;
}

/* A channel of that number replaces an earlier one. 0 without memory. */
static int take_channel(host *h, uint32_t number, const wire_channel *from)
{
    if (number > LIMIT_TABLE_ROWS)
        return 0;
    while (h->channel_count <= number) {
        if (!td_array_ensure((void **)&h->channels, &h->channel_capacity, h->channel_count,
                             sizeof(host_channel *)))
            return 0;
        h->channels[h->channel_count++] = NULL;
    }
    free_channel(h->channels[number]);
    h->channels[number] = make_channel(from);
    return h->channels[number] != NULL;
}

/* ---- frames ---- */

/* 0: no such channel. */
static int take_frame(host *h, const wire_frame *from)
{
    if (from->channel >= h->channel_count || h->channels[from->channel] == NULL)
        return 0;
    const host_channel *channel = h->channels[from->channel];
    const topic_row *row = channel->match.row;
    if (row != NULL && topic_row_is_dated(row))
        row = topic_row_at(channel->of->topics, channel->of->topic_count, row, from->recv_ns);
    const message_subject subject = {row, channel->match.topic, channel->match.symbol};
    host_output *output = &h->outputs[h->batch_count];
    tapedeck_decoder_frame *frame = &h->frames[h->batch_count++];
    *frame = channel->frame;
    frame->recv_ns = from->recv_ns;
    frame->bytes = (tapedeck_decoder_text){(const char *)from->bytes.data, from->bytes.size};
    output->n = from->n;
    output->has_failed = 0;
    td_arena_reset(output->arena);
    message_build_begin(output->builder, &subject, output->arena);
    return 1;
}

static td_result put_answer(host *h, host_output *output)
{
    message m;
    td_err err;
    if (output->has_failed)
        return wire_put_reply(&h->answers, output->n, WIRE_REFUSED, td_bytes_str(output->failure),
                              NULL);
    td_result rc = message_build_end(output->builder, &m, &err);
    td_buf_clear(&h->form);
    if (rc == TD_OK)
        rc = canonical_write(&m, CANONICAL_WHOLE, &h->form, &err);
    if (rc == TD_OK)
        return wire_put_reply(&h->answers, output->n, WIRE_MESSAGE, td_buf_view(&h->form), NULL);
    return rc == TD_E_NOMEM
               ? rc
               : wire_put_reply(&h->answers, output->n, WIRE_WRONG, td_bytes_str(err.text), NULL);
}

static td_result run_batch(host *h)
{
    td_result rc = TD_OK;
    size_t count = h->batch_count;
    h->batch_count = 0;
    if (h->decoder.decode_batch != NULL && count > 0)
        h->decoder.decode_batch(h->self, h->frame_at, h->to, count);
    for (size_t i = 0; i < count && h->decoder.decode_batch == NULL; i++)
        h->decoder.decode(h->self, &h->frames[i], h->to[i]);
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        rc = put_answer(h, &h->outputs[i]);
    return rc;
}

/* ---- the end of the reader ---- */

/* A decoder that hangs does not see the end of its input. So that it does not outlive a tapedeck
 * that was killed, the process ends once nothing reads its answers. */
static void *await_reader_end(void *user)
{
    struct pollfd polled = {.fd = (int)(intptr_t)user, .events = 0};
    while (poll(&polled, 1, -1) <= 0)
        continue; /* a signal */
    _exit(EXIT_FAILURE);
}

/* Signals are the decoder's, on its own thread. 0: no thread can be made. */
static int watch_reader(int output_fd)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    (void)sigfillset(&all); /* these cannot fail */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a number, which outlives any memory here */
    int failed = pthread_create(&thread, NULL, await_reader_end, (void *)(intptr_t)output_fd);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 && pthread_detach(thread) == 0;
}

/* ---- standard input and output ---- */

static int write_answers(host *h)
{
    for (size_t at = 0; at < h->answers.size;) {
        ssize_t size = write(h->output_fd, h->answers.data + at, h->answers.size - at);
        if (size < 0 && errno != EINTR)
            return 0;
        at += size > 0 ? (size_t)size : 0;
    }
    td_buf_clear(&h->answers);
    return 1;
}

/* 1; 0: the end, or there is no memory. The padding after the last frame is readable, too. */
static int read_input(host *h)
{
    size_t left = h->input.size - h->input_taken;
    if (left > 0 && h->input_taken > 0)
        memmove(h->input.data, h->input.data + h->input_taken, left);
    h->input.size = left;
    h->input_taken = 0;
    if (td_buf_reserve(&h->input, READ_BYTES + DECODE_PADDING_BYTES, NULL) != TD_OK)
        return 0;
    ssize_t size = read(STDIN_FILENO, h->input.data + left, READ_BYTES);
    if (size < 0)
        return errno == EINTR;
    h->input.size += (size_t)size;
    return size > 0;
}

/* Take what has come, up to a batch of frames. 1: all of it was taken; 0: there is more; -1: it is
 * no input. */
static int take_input(host *h)
{
    while (h->batch_count < BATCH_MAX) {
        wire_input input;
        size_t used = 0;
        int found = wire_take_input(
            td_bytes_of(h->input.data + h->input_taken, h->input.size - h->input_taken), &used,
            &input);
        if (found <= 0)
            return found == 0 ? 1 : -1;
        h->input_taken += used;
        if (!(input.is_channel ? take_channel(h, input.number, &input.channel)
                               : take_frame(h, &input.frame)))
            return -1;
    }
    return 0;
}

/* Until the end of the input. A decoder sees the frames that have come in one batch; answers are
 * written before more is waited for. The exit status. */
static int serve(host *h)
{
    for (;;) {
        int is_drained = take_input(h);
        if (is_drained < 0 || run_batch(h) != TD_OK)
            return 1;
        if ((is_drained || h->answers.size >= WRITE_BYTES) && !write_answers(h))
            return 0; /* their reader has gone */
        if (is_drained && !read_input(h))
            return 0;
    }
}

/* The greeting's line is read and passed over: this is the program that wrote it. */
static int take_greeting(host *h)
{
    for (;;) {
        const uint8_t *end = h->input.size == 0 ? NULL : memchr(h->input.data, '\n', h->input.size);
        if (end != NULL) {
            h->input_taken = (size_t)(end - h->input.data) + 1;
            return 1;
        }
        if (h->input.size > LIMIT_PATH_BYTES || !read_input(h))
            return 0;
    }
}

static int greet(host *h, int is_ready, const char *why)
{
    wire_greeting greeting = {.input = WIRE_BINARY, .reply = WIRE_BINARY};
    td_result rc;
    if (is_ready && h->decoder.name != NULL)
        snprintf(greeting.name, sizeof greeting.name, "%s", h->decoder.name);
    rc = is_ready ? wire_put_welcome(&h->answers, &greeting, NULL)
                  : wire_put_refusal(&h->answers, why, NULL);
    return rc == TD_OK && write_answers(h);
}

static void close_host(host *h)
{
    if (h->is_open && h->decoder.close != NULL)
        h->decoder.close(h->self);
    for (size_t i = 0; i < BATCH_MAX; i++) {
        message_builder_close(h->outputs[i].builder);
        td_arena_close(h->outputs[i].arena);
    }
    for (size_t i = 0; i < h->channel_count; i++)
        free_channel(h->channels[i]);
    td_free(h->channels);
    td_buf_fini(&h->input);
    td_buf_fini(&h->answers);
    td_buf_fini(&h->form);
    decoder_map_close(h->map);
    td_free(h);
}

int cmd_decoder_host(int argc, char **argv)
{
    char why[WHY_BYTES] = "";
    host *h = td_alloc_zero(1, sizeof *h);
    if (h == NULL || argc != 4)
        return 1;
    td_buf_init(&h->input, LIMIT_RECORD_BYTES);
    td_buf_init(&h->answers, LIMIT_DECODER_REPLY_BYTES * 4);
    td_buf_init(&h->form, LIMIT_DECODER_REPLY_BYTES);
    /* What the decoder prints goes to standard error: standard output has the answers. */
    h->output_fd = dup(STDOUT_FILENO);
    int is_ready = h->output_fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 &&
                   watch_reader(h->output_fd) && take_greeting(h) &&
                   load_decoder(h, argv[2], why) && open_outputs(h, argv[3], why) &&
                   open_decoder(h, why);
    int status = greet(h, is_ready, why) && is_ready ? serve(h) : 1;
    close_host(h);
    return status;
}
