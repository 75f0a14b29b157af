/* A decoder in a shared object, called in this process: as fast as its own code, and under the
 * user's debugger. When it crashes, hangs or exits, the frame at hand is named on standard error
 * and written to a file, and the fault then ends the process as it would have without us. */
#include "regress/decoder_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "cli/exit_codes.h"
#include "cli/version.h"
#include "play/plugin_file.h"
#include "schema/message_build.h"

#define CRASH_FILE "tapedeck-crash.frame"

enum {
    STACK_BYTES = 64 << 10, /* of signal handlers */
    TICK_MS = 20,
    SUBJECT_BYTES = 2 * LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES + 128,
};

typedef struct library {
    plugin_file file;
    decoder_environment environment;
    uint64_t ticks_max; /* a call may take */
    pthread_t watcher;
    pthread_mutex_t mutex;
    struct library_instance *instances;
    atomic_int is_closing;
} library;

typedef struct library_instance {
    tapedeck_answer to; /* first: what the decoder gets */
    library *of;
    tapedeck_host host;
    void *self;
    message_builder *builder;
    uint8_t has_failed; /* the decoder answered that it cannot */
    char failure[DECODER_WHAT_BYTES];
    char why[TD_ERR_TEXT_BYTES]; /* of host.fail */
    pthread_t thread;
    atomic_uint call;     /* odd: the decoder is called; grows by one at each end of a call */
    unsigned seen, ticks; /* the watcher's: the call, and how long it takes */
    struct library_instance *next;
} library_instance;

/* ---- the frame at hand, for what runs when the decoder faults ---- */

/* What signal handlers read: of the thread that calls a decoder. Everything is prepared before the
 * call, because handlers may only write. */
typedef struct frame_at_hand {
    const decoding_request *request; /* NULL: no decoder is called */
    const char *decoder;
    volatile sig_atomic_t is_hung;
} frame_at_hand;

static _Thread_local frame_at_hand at_hand;

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };
static struct sigaction handlers_before[SIGNAL_COUNT];

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR)
            return;
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
}

static void write_text(const char *text)
{
    write_all(STDERR_FILENO, text, strlen(text));
}

/* printf is not for signal handlers. */
static void write_number(uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    write_all(STDERR_FILENO, digits + at, sizeof digits - at);
}

/* Async-signal-safe. */
static void write_frame_at_hand(const char *what)
{
    const decoding_request *request = at_hand.request;
    const channel_info *info = &request->channel->info;
    write_text("\ntapedeck regress: ");
    write_text(at_hand.decoder);
    write_text(what);
    write_text("\n  feed ");
    write_text(info->feed);
    write_text(", topic ");
    write_text(info->topic);
    write_text(", symbol ");
    write_text(info->symbol[0] == '\0' ? "-" : info->symbol);
    write_text(", session ");
    write_text(request->session[0] == '\0' ? "-" : request->session);
    write_text(", frame ");
    write_number(request->ordinal);
    write_text(" of its connection, received at ");
    write_number(request->recv_ns);
    write_text(" ns\n");
    int fd = open(CRASH_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        write_text("  its bytes cannot be written to " CRASH_FILE "\n");
        return;
    }
    write_all(fd, (const char *)request->bytes.data, request->bytes.size);
    (void)close(fd); /* what could be written is */
    write_text("  its bytes are in " CRASH_FILE "; no baseline or report is written\n");
}

/* The handler before this one gets the fault again, so that a core shows where it is. */
static void on_fault(int number)
{
    int saved = errno;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (SIGNALS[i] == number)
            (void)sigaction(number, &handlers_before[i], NULL); /* it was taken from there */
    if (at_hand.request != NULL) {
        write_frame_at_hand(at_hand.is_hung ? " did not answer within --timeout at this frame:"
                                            : " crashed at this frame:");
        at_hand.request = NULL;
    }
    if (number == SIGABRT) /* it was sent, and does not happen again by itself */
        (void)raise(number);
    errno = saved;
}

/* exit() within a decoder: other threads may be anywhere, so nothing is cleaned up. */
static void on_exit_called(void)
{
    if (at_hand.request == NULL)
        return;
    write_frame_at_hand(" called exit at this frame:");
    _exit(EXIT_CODE_FAILED);
}

static void install_handlers(void)
{
    static int is_installed; /* by the first decoder; one thread opens decoders */
    if (is_installed)
        return;
    is_installed = 1;
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask); /* cannot fail */
    for (int i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaction(SIGNALS[i], &action, &handlers_before[i]); /* these can be handled */
}

/* A stack that has overflowed has no space for a handler. It lasts as long as the thread, so it is
 * never freed. */
static void give_signal_stack(void)
{
    stack_t before;
    if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE) == 0)
        return;
    const stack_t own = {.ss_sp = td_alloc(STACK_BYTES), .ss_size = STACK_BYTES};
    (void)sigaltstack(&own, NULL); /* then handlers run on the thread's own stack */
}

/* Workers block all signals. Blocked, a fault would end the process without its handler, and a hang
 * would last. */
static void unblock_signals(void)
{
    sigset_t ours;
    (void)sigemptyset(&ours); /* these cannot fail */
    (void)sigaddset(&ours, SIGUSR2);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaddset(&ours, SIGNALS[i]);
    (void)pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

static void prepare_thread(void)
{
    static _Thread_local int is_prepared;
    if (is_prepared)
        return;
    is_prepared = 1;
    give_signal_stack();
    unblock_signals();
    /* Last, because what is registered later runs earlier: it would destroy what other threads use.
     */
    (void)atexit(on_exit_called); /* without memory for it an exit is not explained */
}

/* ---- what the decoder calls ---- */

static td_bytes bytes_of(tapedeck_text text)
{
    return td_bytes_of(text.data, text.size);
}

static tapedeck_text text_of(const char *text)
{
    return (tapedeck_text){text, strlen(text)};
}

static void put(tapedeck_answer *to, const char *name, tapedeck_text value)
{
    const written_value written = {.kind = value.size == 0 ? WRITTEN_ABSENT : WRITTEN_TEXT,
                                   .text = bytes_of(value)};
    message_build_member(((library_instance *)to)->builder, td_bytes_str(name), &written);
}

static void call_head(tapedeck_answer *to, tapedeck_text name, tapedeck_text value)
{
    const written_value written = {.kind = value.size == 0 ? WRITTEN_ABSENT : WRITTEN_TEXT,
                                   .text = bytes_of(value)};
    message_build_head(((library_instance *)to)->builder, bytes_of(name), &written);
}

static void call_value(tapedeck_answer *to, tapedeck_text name, tapedeck_text value)
{
    const written_value written = {.kind = value.size == 0 ? WRITTEN_ABSENT : WRITTEN_TEXT,
                                   .text = bytes_of(value)};
    message_build_member(((library_instance *)to)->builder, bytes_of(name), &written);
}

static void call_item(tapedeck_answer *to, tapedeck_text action)
{
    message_build_entry(((library_instance *)to)->builder);
    put(to, "action", action);
}

static void call_level(tapedeck_answer *to, tapedeck_text action, tapedeck_text side,
                       tapedeck_text price, tapedeck_text size)
{
    call_item(to, action);
    put(to, "side", side);
    put(to, "price", price);
    put(to, "size", size);
}

static void call_trade(tapedeck_answer *to, tapedeck_text side, tapedeck_text price,
                       tapedeck_text size, uint64_t exchange_ns, tapedeck_text trade_id)
{
    char time[24] = "";
    if (exchange_ns != 0)
        (void)snprintf(time, sizeof time, "%llu", (unsigned long long)exchange_ns); /* fits */
    message_build_entry(((library_instance *)to)->builder);
    put(to, "side", side);
    put(to, "price", price);
    put(to, "size", size);
    put(to, "exchange_ns", text_of(time));
    put(to, "trade_id", trade_id);
}

static void call_fail(tapedeck_answer *to, tapedeck_text why)
{
    library_instance *own = (library_instance *)to;
    size_t size = why.size < sizeof own->failure - 1 ? why.size : sizeof own->failure - 1;
    if (own->has_failed)
        return;
    if (size > 0)
        memcpy(own->failure, why.data, size);
    own->failure[size] = '\0';
    own->has_failed = 1;
}

static const tapedeck_answer_calls CALLS = {
    .size = sizeof(tapedeck_answer_calls),
    .head = call_head,
    .level = call_level,
    .trade = call_trade,
    .item = call_item,
    .value = call_value,
    .fail = call_fail,
};

static int host_fail(const tapedeck_host *host, const char *text)
{
    library_instance *own = host->own;
    (void)snprintf(own->why, sizeof own->why, "%s", text == NULL ? "" : text); /* cut */
    return TAPEDECK_FAIL;
}

static void host_log(const tapedeck_host *host, const char *text)
{
    const library_instance *own = host->own;
    td_log_emit(own->of->environment.log, TD_LOG_INFO, "%s: %s", own->of->file.table.name, text);
}

/* ---- decoding ---- */

static tapedeck_frame frame_of(const decoding_request *request)
{
    const channel_info *info = &request->channel->info;
    return (tapedeck_frame){
        .size = sizeof(tapedeck_frame),
        .feed = info->feed,
        .family = info->family,
        .topic = info->topic,
        .symbol = info->symbol,
        .exchange_topic = text_of(info->exchange_topic),
        .type = request->row == NULL ? "" : msg_type_name(request->row->type),
        .session = request->session,
        .ordinal = request->ordinal,
        .recv_ns = request->recv_ns,
        .bytes = request->bytes.data,
        .byte_count = request->bytes.size,
        .is_binary = info->opcode == OPCODE_BINARY,
        .reason = "",
        .version = {"", 0},
    };
}

static void call_decoder(library_instance *own, const decoding_request *request)
{
    const tapedeck_frame frame = frame_of(request);
    prepare_thread();
    at_hand = (frame_at_hand){.request = request, .decoder = own->of->file.path};
    atomic_fetch_add(&own->call, 1);
    own->of->file.table.decode(own->self, &frame, &own->to);
    atomic_fetch_add(&own->call, 1);
    at_hand.request = NULL;
}

static td_result library_decode(void *self, const decoding_request *request, td_arena *arena,
                                frame_content *answer, char what[DECODER_WHAT_BYTES], td_err *err)
{
    library_instance *own = self;
    const channel_info *info = &request->channel->info;
    const message_subject subject = {request->row, td_bytes_str(info->topic),
                                     td_bytes_str(info->symbol)};
    message *made = td_arena_alloc(arena, sizeof *made);
    td_err why;
    if (made == NULL)
        return td_err_set(err, TD_E_LIMIT, "the messages of a chunk exceed their limit");
    own->has_failed = 0;
    message_build_begin(own->builder, &subject, arena);
    call_decoder(own, request);
    td_result rc = own->has_failed ? TD_OK : message_build_end(own->builder, made, &why);
    if (own->has_failed) {
        answer->why.reason = decoder_reason_of(td_bytes_str(own->failure));
        (void)snprintf(what, DECODER_WHAT_BYTES, "%s", own->failure); /* fits */
    } else if (rc == TD_E_INVALID) {
        answer->why.reason = DECODE_GARBAGE;
        (void)snprintf(what, DECODER_WHAT_BYTES, "%.*s", DECODER_WHAT_BYTES - 1, why.text);
    } else if (rc == TD_OK) {
        answer->message = made;
    } else {
        return td_err_pass(err, rc, &why);
    }
    return TD_OK;
}

/* ---- calls that take too long ---- */

static void look_at(library *of, library_instance *own)
{
    unsigned call = atomic_load(&own->call);
    own->ticks = call == own->seen && call % 2 == 1 ? own->ticks + 1 : 0;
    own->seen = call;
    if (own->ticks <= of->ticks_max)
        return;
    own->ticks = 0;
    (void)pthread_kill(own->thread, SIGUSR2); /* on_hang names the frame on that thread */
}

/* On the thread that hangs. */
static void on_hang(int number)
{
    (void)number;
    at_hand.is_hung = 1;
    if (at_hand.request != NULL)
        (void)raise(SIGABRT);
}

/* Ticks instead of a clock: while this process is stopped, no time passes. */
static void *watch(void *user)
{
    library *of = user;
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    while (!atomic_load(&of->is_closing)) {
        (void)nanosleep(&tick, NULL); /* a signal makes a tick shorter */
        pthread_mutex_lock(&of->mutex);
        for (library_instance *at = of->instances; at != NULL; at = at->next)
            look_at(of, at);
        pthread_mutex_unlock(&of->mutex);
    }
    return NULL;
}

/* ---- instances ---- */

static td_result library_begin(void *shared, void **self, td_err *err)
{
    library *of = shared;
    library_instance *own = td_alloc_zero(1, sizeof *own);
    own->to.calls = &CALLS;
    own->of = of;
    own->thread = pthread_self();
    own->host = (tapedeck_host){.abi = TAPEDECK_PLUGIN_ABI,
                                .size = sizeof own->host,
                                .version = TAPEDECK_VERSION,
                                .own = own,
                                .fail = host_fail,
                                .log = host_log};
    td_result rc = message_builder_open(&own->builder, err);
    if (rc == TD_OK && of->file.table.begin != NULL)
        rc = plugin_file_answer_once(
            &of->file, "begin", of->file.table.begin(&own->host, "", &own->self), own->why, err);
    if (rc != TD_OK) {
        message_builder_close(own->builder);
        td_free(own);
        return rc;
    }
    pthread_mutex_lock(&of->mutex);
    own->next = of->instances;
    of->instances = own;
    pthread_mutex_unlock(&of->mutex);
    *self = own;
    return TD_OK;
}

static void library_end(void *self)
{
    library_instance *own = self;
    library *of = own->of;
    pthread_mutex_lock(&of->mutex);
    library_instance **at = &of->instances;
    while (*at != own)
        at = &(*at)->next;
    *at = own->next;
    pthread_mutex_unlock(&of->mutex);
    if (of->file.table.end != NULL)
        (void)of->file.table.end(own->self, NULL); /* its answers are complete */
    message_builder_close(own->builder);
    td_free(own);
}

static void library_close(void *shared)
{
    library *of = shared;
    TD_ASSERT(of->instances == NULL);
    atomic_store(&of->is_closing, 1);
    (void)pthread_join(of->watcher, NULL); /* it was started */
    pthread_mutex_destroy(&of->mutex);
    plugin_file_close(&of->file);
    td_free(of);
}

static td_result library_open(const char *name, const decoder_environment *environment,
                              void **shared, td_err *err)
{
    const struct sigaction hang = {.sa_handler = on_hang, .sa_flags = SA_ONSTACK};
    library *of = td_alloc_zero(1, sizeof *of);
    of->environment = *environment;
    of->ticks_max = environment->timeout_ns / (TICK_MS * TD_NS_PER_MS) + 1;
    td_result rc = plugin_file_open(name, strlen(name), PLUGIN_DECODES, &of->file, err);
    if (rc != TD_OK) {
        td_free(of);
        return rc;
    }
    install_handlers();
    (void)sigaction(SIGUSR2, &hang, NULL); /* it can be handled */
    pthread_mutex_init(&of->mutex, NULL);
    int failed = pthread_create(&of->watcher, NULL, watch, of);
    if (failed != 0) {
        rc = td_err_set_os(err, failed, "cannot start a thread");
        pthread_mutex_destroy(&of->mutex);
        plugin_file_close(&of->file);
        td_free(of);
        return rc;
    }
    *shared = of;
    return TD_OK;
}

const decoder_kind DECODER_LIBRARY = {.open = library_open,
                                      .close = library_close,
                                      .begin = library_begin,
                                      .end = library_end,
                                      .decode = library_decode};
