/* Runs a decoder in a program of any language. Each thread has a process of the program, which
 * reads a frame as a line of JSON and answers with a line (docs/decoders.md). The process gets one
 * frame at a time, so that a crash is caused by a known frame. It shares this program's standard
 * error. */
#include "regress/decoder_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/version.h"
#include "base/json/json_write.h"
#include "schema/message_read.h"

enum {
    PROTOCOL_VERSION = 1,
    READ_BYTES = 1 << 16,
    CHECK_MS = 100, /* interval of checks for a stop signal, in ms */
    END_MS = 2000,  /* time for a process to end after its input was closed, in ms */
};

/* Time limit for the first answer, long enough for slow interpreters on a busy machine. */
#define START_NS (30 * TD_NS_PER_S)

typedef struct program_instance {
    const decoder_environment *of;
    pid_t pid;             /* 0: not running */
    uint64_t start_cpu_ns; /* used by the process until its first answer */
    td_child_usage used;   /* by processes that have ended */
    int input, output;
    td_buf line; /* the frame, as written to the process */
    td_buf read; /* the answer */
    uint64_t n;
    json_parser *parser;
    message_builder *builder;
} program_instance;

/* ---- one line out, one line back ---- */

/* Writes as much as the pipe accepts. 0: the process no longer reads. */
static int write_some(program_instance *own, size_t *written)
{
    ssize_t size = write(own->input, own->line.data + *written, own->line.size - *written);
    if (size > 0)
        *written += (size_t)size;
    return size >= 0 || errno == EAGAIN || errno == EINTR;
}

/* Reads what is available. 1: the line is complete; 0: not yet; -1: the process closed its
 * output. */
static int read_some(program_instance *own)
{
    td_buf_grow(&own->read, READ_BYTES + JSON_PADDING_BYTES); /* exchange_lines limits the size */
    ssize_t size = read(own->output, own->read.data + own->read.size, READ_BYTES);
    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    own->read.size += (size_t)size;
    return own->read.data[own->read.size - 1] == '\n';
}

/* Writes the line and reads the answer. Returns the failure, or DECODE_OK; DECODE_HUNG also if a
 * signal ended the wait. */
static decode_reason exchange_lines(program_instance *own, uint64_t timeout_ns,
                                    char failure_text[DECODER_FAILURE_BYTES])
{
    const td_clock clock = clock_real();
    uint64_t end_ns = clock_mono_ns(clock) + timeout_ns;
    size_t written = 0;
    int can_write = 1;
    td_buf_clear(&own->read);
    while (clock_mono_ns(clock) < end_ns && !stop_signal_arrived(own->of->signals)) {
        struct pollfd ends[] = {
            {.fd = own->output, .events = POLLIN},
            {.fd = can_write && written < own->line.size ? own->input : -1, .events = POLLOUT}};
        if (poll(ends, 2, CHECK_MS) <= 0)
            continue;
        if (ends[1].revents != 0)
            can_write = write_some(own, &written);
        int found = ends[0].revents != 0 ? read_some(own) : 0;
        if (found != 0)
            return found > 0 ? DECODE_OK : DECODE_CRASHED;
        if (own->read.size > LIMIT_DECODER_REPLY_BYTES) {
            (void)snprintf(failure_text, DECODER_FAILURE_BYTES,
                           "an answer that is too long"); /* fits */
            return DECODE_GARBAGE;
        }
    }
    return DECODE_HUNG;
}

/* ---- processes ---- */

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void close_pipes(program_instance *own)
{
    close_fd(own->input);
    close_fd(own->output);
    own->input = own->output = -1;
}

static void add_used(td_child_usage *to, td_child_usage of, uint64_t start_cpu_ns)
{
    to->cpu_ns += of.cpu_ns > start_cpu_ns ? of.cpu_ns - start_cpu_ns : 0;
    if (to->peak_bytes < of.peak_bytes)
        to->peak_bytes = of.peak_bytes;
}

typedef enum end_how {
    END_BY_INPUT, /* its input ends, and it has END_MS to end */
    END_BY_KILL,
} end_how;

/* Ends the process and describes how it ended. A process that still runs is killed with its
 * group. */
static void end_process(program_instance *own, end_how how,
                        char failure_text[DECODER_FAILURE_BYTES])
{
    int status = 0;
    pid_t found = 0;
    td_child_usage used = td_child_usage_now(own->pid);
    close_pipes(own);
    if (how == END_BY_KILL)
        (void)kill(-own->pid, SIGKILL);
    /* A process that closed its output usually ends soon; wait for its status. */
    for (int i = 0; i < END_MS && found == 0; i++) {
        found = td_child_wait(own->pid, &status, WNOHANG, &used);
        if (found == 0)
            (void)poll(NULL, 0, 1); /* a millisecond */
    }
    (void)kill(-own->pid, SIGKILL); /* the group may be gone */
    if (found == 0)
        (void)td_child_wait(own->pid, &status, 0, &used); /* it was killed */
    add_used(&own->used, used, own->start_cpu_ns);
    own->pid = 0;
    if (found == 0)
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "its output ended");
    else if (WIFSIGNALED(status))
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "exit status %d", WEXITSTATUS(status));
}

/* Makes two pipes. *own gets the ends that this program uses, `theirs` the ends that the process
 * uses; -1: not open. Returns 0 or an errno. */
static int open_pipes(program_instance *own, int theirs[2])
{
    int to[2] = {-1, -1};
    int from[2] = {-1, -1};
    int failed = pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 ? errno : 0;
    own->input = to[1];
    own->output = from[0];
    theirs[0] = to[0];
    theirs[1] = from[1];
    (void)fcntl(own->input, F_SETFL, O_NONBLOCK); /* cannot fail for a pipe */
    (void)fcntl(own->output, F_SETFL, O_NONBLOCK);
    return failed;
}

static td_result start_process(program_instance *own, td_err *err)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *command = td_strdup(own->of->name);
    char *const words[] = {shell, option, command, NULL};
    int theirs[2];
    int failed = open_pipes(own, theirs);
    td_result rc =
        failed != 0
            ? td_err_set_os(err, failed, "cannot make a pipe")
            : td_child_start("/bin/sh", words, (td_child_ends){theirs[0], theirs[1], STDERR_FILENO},
                             &own->pid, err);
    close_fd(theirs[0]);
    close_fd(theirs[1]);
    td_free(command);
    if (rc == TD_OK)
        return TD_OK;
    own->pid = 0;
    close_pipes(own);
    return td_err_add(err, rc, "'%s'", own->of->name);
}

/* ---- first lines ---- */

static void end_line(json_writer *w, td_buf *out)
{
    json_write_object_end(w);
    td_result rc = json_write_end(w, NULL);
    TD_ASSERT(rc == TD_OK); /* the buffer's bound allows the longest frame */
    td_buf_add(out, "\n", 1);
}

static td_result exchange_versions(program_instance *own, td_err *err)
{
    char ignored[DECODER_FAILURE_BYTES];
    json_writer w;
    json_value root;
    uint64_t version = 0;
    td_bytes text;
    td_buf_clear(&own->line);
    json_write_begin(&w, &own->line);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "tapedeck", PROTOCOL_VERSION);
    json_write_member_text(&w, "version", TAPEDECK_VERSION);
    end_line(&w, &own->line);
    decode_reason reason = exchange_lines(own, START_NS, ignored);
    if (stop_signal_arrived(own->of->signals))
        return td_err_set(err, TD_E_IO, "stopped before the end");
    td_bytes line = td_buf_view(&own->read);
    int is_json =
        reason == DECODE_OK && json_parse(own->parser, line, JSON_PADDED, &root, NULL) == TD_OK;
    if (is_json && json_find_text(root, "error", &text))
        return td_err_set(err, TD_E_UNSUPPORTED, "decoder '%s': %.*s", own->of->name,
                          (int)text.size, (const char *)text.data);
    if (is_json && json_find_u64(root, "tapedeck", &version) && version == PROTOCOL_VERSION)
        return TD_OK;
    td_err_set(err, TD_E_UNSUPPORTED,
               "decoder '%s' did not answer the first line with {\"tapedeck\":%d}: %s%.*s",
               own->of->name, PROTOCOL_VERSION, reason == DECODE_CRASHED ? "it ended" : "",
               line.size > 100 ? 100 : (int)line.size, (const char *)line.data);
    td_err_hint(err, "docs/decoders.md has the protocol");
    return TD_E_UNSUPPORTED;
}

static td_result ensure_process(program_instance *own, td_err *err)
{
    char ignored[DECODER_FAILURE_BYTES];
    if (own->pid != 0)
        return TD_OK;
    own->start_cpu_ns = 0;
    td_result rc = start_process(own, err);
    if (rc == TD_OK)
        rc = exchange_versions(own, err);
    if (rc == TD_OK)
        own->start_cpu_ns = td_child_usage_now(own->pid).cpu_ns;
    if (rc != TD_OK && own->pid != 0)
        end_process(own, END_BY_KILL, ignored);
    return rc;
}

/* ---- frames ---- */

static void member_or_null(json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    if (text == NULL || text[0] == '\0')
        json_write_null(w);
    else
        json_write_bytes(w, td_bytes_str(text));
}

static void write_frame(program_instance *own, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    json_writer w;
    td_buf_clear(&own->line);
    json_write_begin(&w, &own->line);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "n", ++own->n);
    json_write_member_text(&w, "feed", info->feed);
    json_write_member_text(&w, "family", info->family);
    json_write_member_text(&w, "topic", info->topic);
    member_or_null(&w, "symbol", info->symbol);
    member_or_null(&w, "exchange_topic", info->exchange_topic);
    member_or_null(&w, "type", frame->row == NULL ? NULL : msg_type_name(frame->row->type));
    json_write_member_u64(&w, "recv_ns", frame->recv_ns);
    json_write_member_u64(&w, "opcode", info->opcode);
    json_write_member_text_or_hex(&w, "frame", "frame_hex", frame->bytes);
    end_line(&w, &own->line);
}

/* Reads the answer. Returns 0 if it is uncertain to which frame the next line would belong. */
static int read_answer(program_instance *own, const frame_ref *frame, td_arena *arena,
                       frame_content *answer, char failure_text[DECODER_FAILURE_BYTES])
{
    const channel_info *info = &frame->channel->info;
    const message_subject subject = {frame->row, td_bytes_str(info->topic),
                                     td_bytes_str(info->symbol)};
    message *made = td_arena_alloc(arena, sizeof *made);
    json_value root;
    json_value error;
    td_bytes text = td_bytes_str("");
    uint64_t n = 0;
    td_err why;
    td_result rc = json_parse(own->parser, td_buf_view(&own->read), JSON_PADDED, &root, &why);
    int is_in_step = rc == TD_OK && json_find_u64(root, "n", &n) && n == own->n;
    if (rc == TD_OK && !is_in_step)
        rc = td_err_set(&why, TD_E_INVALID, "the answer does not have the frame's \"n\"");
    if (rc == TD_OK && json_find(root, "error", &error)) {
        (void)json_text(error, &text); /* if it is not text, text stays empty */
        answer->why.reason = decoder_reason_of(text);
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "%.*s", (int)text.size,
                       (const char *)text.data);
        return 1;
    }
    if (rc == TD_OK)
        rc = message_read(own->builder, root, "n", &subject, arena, made, &why);
    if (rc == TD_OK) {
        answer->message = made;
    } else {
        answer->why.reason = DECODE_GARBAGE;
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "%.*s", DECODER_FAILURE_BYTES - 1,
                       why.text);
    }
    return is_in_step;
}

static td_result program_decode(void *self, const frame_ref *frame, td_arena *arena,
                                frame_content *answer, char failure_text[DECODER_FAILURE_BYTES],
                                td_err *err)
{
    program_instance *own = self;
    char ignored[DECODER_FAILURE_BYTES];
    td_result rc = ensure_process(own, err);
    if (rc != TD_OK)
        return rc;
    write_frame(own, frame);
    decode_reason reason = exchange_lines(own, own->of->timeout_ns, failure_text);
    if (stop_signal_arrived(own->of->signals))
        return td_err_set(err, TD_E_IO, "stopped before the end");
    answer->why.reason = reason;
    if (reason == DECODE_CRASHED)
        end_process(own, END_BY_INPUT, failure_text);
    else if (reason != DECODE_OK || !read_answer(own, frame, arena, answer, failure_text))
        end_process(own, END_BY_KILL, ignored); /* the next frame starts a new process */
    return TD_OK;
}

/* ---- instances ---- */

static void program_add_usage(void *self, td_child_usage *to)
{
    program_instance *own = self;
    char ignored[DECODER_FAILURE_BYTES];
    if (own->pid != 0)
        end_process(own, END_BY_INPUT, ignored);
    add_used(to, own->used, 0);
}

static void program_end(void *self)
{
    program_instance *own = self;
    td_child_usage ignored = {0};
    program_add_usage(own, &ignored);
    td_buf_fini(&own->line);
    td_buf_fini(&own->read);
    json_parser_close(own->parser);
    message_builder_close(own->builder);
    td_free(own);
}

static td_result program_begin(const decoder_environment *environment, void **self, td_err *err)
{
    (void)signal(SIGPIPE, SIG_IGN); /* writing to a process that has ended must not end this one */
    program_instance *own = td_alloc_zero(1, sizeof *own);
    own->of = environment;
    own->input = own->output = -1;
    td_buf_init(&own->line, LIMIT_RECORD_BYTES * 8); /* every byte of a frame may need an escape */
    td_buf_init(&own->read, LIMIT_DECODER_REPLY_BYTES + (size_t)2 * READ_BYTES);
    own->parser = json_parser_open(LIMIT_DECODER_REPLY_BYTES);
    own->builder = message_builder_open();
    td_result rc = ensure_process(own, err);
    if (rc == TD_OK)
        *self = own;
    else
        program_end(own);
    return rc;
}

const decoder_kind DECODER_PROGRAM = {
    .begin = program_begin,
    .end = program_end,
    .decode = program_decode,
    .add_usage = program_add_usage,
};
