#include "cli/line_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

_Static_assert(LIMIT_OUTPUT_LINE_BYTES <= PIPE_BUF, "a pipe takes a line at once, or none of it");
_Static_assert(LIMIT_OUTPUT_LINE_BYTES <= UINT16_MAX, "a line's length is kept in 16 bits");

struct line_writer {
    line_writer_options options;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t work;   /* there is a line, or the end */
    pthread_cond_t moved;  /* something was written, or the thread has ended; monotonic clock */
    uint8_t *queue;        /* circular: each line after its length of 16 bits */
    size_t first, used;    /* bytes */
    uint64_t line_count;   /* queued, or being written */
    uint64_t writing;      /* of these, being written */
    uint64_t lost;         /* in all */
    uint64_t unreported;   /* lost since the last line that reported lost ones */
    uint64_t moves;        /* successful writes */
    uint8_t is_full;       /* 1: lines are dropped until half of the queue is free */
    uint8_t is_closing;
    uint8_t is_given_up;
    uint8_t has_ended;
    td_result rc; /* TD_OK, or the first failure */
    td_err err;
};

/* ---- the queue; under the mutex ---- */

static void copy_in(line_writer *self, const void *from, size_t size)
{
    TD_ASSERT(self->used + size <= self->options.bytes_max);
    size_t at = (self->first + self->used) % self->options.bytes_max;
    size_t to_end = self->options.bytes_max - at;
    size_t part = size < to_end ? size : to_end;
    memcpy(self->queue + at, from, part);
    memcpy(self->queue, (const uint8_t *)from + part, size - part);
    self->used += size;
}

static void copy_out(const line_writer *self, size_t offset, void *to, size_t size)
{
    TD_ASSERT(offset + size <= self->used);
    size_t at = (self->first + offset) % self->options.bytes_max;
    size_t to_end = self->options.bytes_max - at;
    size_t part = size < to_end ? size : to_end;
    memcpy(to, self->queue + at, part);
    memcpy((uint8_t *)to + part, self->queue, size - part);
}

/* 0 if it does not fit. */
static int push(line_writer *self, td_bytes line)
{
    uint16_t size = (uint16_t)line.size;
    if (self->used + sizeof size + line.size > self->options.bytes_max)
        return 0;
    copy_in(self, &size, sizeof size);
    copy_in(self, line.data, line.size);
    self->line_count++;
    return 1;
}

/* As many whole lines as one write takes; returns the bytes. */
static size_t pull(line_writer *self, char out[PIPE_BUF])
{
    size_t size = 0;
    TD_ASSERT(self->writing == 0);
    while (self->used > 0) {
        uint16_t line;
        copy_out(self, 0, &line, sizeof line);
        if (size + line > PIPE_BUF)
            break;
        copy_out(self, sizeof line, out + size, line);
        size += line;
        self->first = (self->first + sizeof line + line) % self->options.bytes_max;
        self->used -= sizeof line + line;
        self->writing++;
    }
    return size;
}

/* Queue the line that reports lost ones, in their place, once there is space for it. */
static void report_lost(line_writer *self)
{
    char text[LIMIT_OUTPUT_LINE_BYTES];
    if (self->unreported == 0)
        return;
    size_t size =
        self->options.format_lost(self->options.user, self->unreported, text, sizeof text);
    TD_ASSERT(size <= sizeof text);
    if (push(self, td_bytes_of(text, size)))
        self->unreported = 0;
}

static void lose(line_writer *self)
{
    self->lost++;
    self->unreported++;
}

static void put(line_writer *self, td_bytes line)
{
    TD_ASSERT(!self->is_closing);
    if (self->is_full && self->used <= self->options.bytes_max / 2)
        self->is_full = 0;
    if (self->rc != TD_OK || self->is_full || line.size > LIMIT_OUTPUT_LINE_BYTES) {
        lose(self);
        return;
    }
    report_lost(self);
    if (!push(self, line)) {
        self->is_full = 1;
        lose(self);
    }
    pthread_cond_signal(&self->work);
}

/* ---- the thread ---- */

/* Returns 0, or errno. May wait for the reader without end: see line_writer_close. */
static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        /* For a descriptor that another process made non-blocking. Errors come from the write. */
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        (void)poll(&ready, 1, -1);
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return errno;
        size_t done = written < 0 ? 0 : (size_t)written;
        bytes += done;
        size -= done;
    }
    return 0;
}

/* Drop the queued lines and all later ones. */
static void fail(line_writer *self, int failure)
{
    self->rc = td_err_set_os(&self->err, failure, "cannot write output");
    self->lost += self->line_count;
    self->unreported += self->line_count;
    self->line_count = 0;
    self->used = 0;
}

static void free_writer(line_writer *self)
{
    pthread_cond_destroy(&self->moved);
    pthread_cond_destroy(&self->work);
    pthread_mutex_destroy(&self->mutex);
    td_free(self->queue);
    td_free(self);
}

/* Write the next lines, with the mutex released. */
static void write_next(line_writer *self)
{
    char bytes[PIPE_BUF];
    size_t size = pull(self, bytes);
    pthread_mutex_unlock(&self->mutex);
    int failure = write_all(self->options.fd, bytes, size);
    pthread_mutex_lock(&self->mutex);
    if (failure != 0) {
        fail(self, failure);
    } else {
        self->line_count -= self->writing;
        self->moves++;
    }
    self->writing = 0;
    pthread_cond_signal(&self->moved);
}

static void *run(void *arg)
{
    line_writer *self = arg;
    pthread_mutex_lock(&self->mutex);
    while (!self->is_given_up) {
        if (self->used == 0 && self->rc == TD_OK)
            report_lost(self);
        if (self->used > 0)
            write_next(self);
        else if (self->is_closing)
            break;
        else
            pthread_cond_wait(&self->work, &self->mutex);
    }
    self->has_ended = 1;
    int is_given_up = self->is_given_up;
    pthread_cond_signal(&self->moved);
    pthread_mutex_unlock(&self->mutex);
    if (is_given_up)
        free_writer(self); /* line_writer_close left it to this thread */
    return NULL;
}

/* ---- opening and closing ---- */

/* Without signals: they are for the thread that waits for them (cli/stop_signal.h), and a reader
 * that went away is a failed write, not the end of the program (SIGPIPE). */
static int start_thread(line_writer *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

td_result line_writer_open(const line_writer_options *options, line_writer **out, td_err *err)
{
    TD_ASSERT(options->format_lost != NULL);
    TD_ASSERT(options->bytes_max >= 4 * (size_t)LIMIT_OUTPUT_LINE_BYTES);
    line_writer *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->queue = td_alloc(options->bytes_max);
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->moved, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    int failure = start_thread(self);
    if (failure != 0) {
        free_writer(self);
        return td_err_set_os(err, failure, "cannot start the thread that writes output");
    }
    *out = self;
    return TD_OK;
}

void line_writer_put(line_writer *self, td_bytes line)
{
    TD_ASSERT(line.size > 0);
    pthread_mutex_lock(&self->mutex);
    put(self, line);
    pthread_mutex_unlock(&self->mutex);
}

int line_writer_is_idle(line_writer *self)
{
    pthread_mutex_lock(&self->mutex);
    int is_idle = self->line_count == 0;
    pthread_mutex_unlock(&self->mutex);
    return is_idle;
}

uint64_t line_writer_lost(line_writer *self)
{
    pthread_mutex_lock(&self->mutex);
    uint64_t lost = self->lost;
    pthread_mutex_unlock(&self->mutex);
    return lost;
}

td_result line_writer_failure(line_writer *self, td_err *err)
{
    pthread_mutex_lock(&self->mutex);
    td_result rc = self->rc;
    if (rc != TD_OK && err != NULL)
        *err = self->err;
    pthread_mutex_unlock(&self->mutex);
    return rc;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Under the mutex: wait until the thread has ended, or its reader is too slow. */
static void wait_for_end(line_writer *self)
{
    uint64_t now_ns = clock_mono_ns(clock_real());
    uint64_t end_ns = now_ns + LIMIT_OUTPUT_END_NS;
    uint64_t until_ns = sooner(now_ns + LIMIT_OUTPUT_STALL_NS, end_ns);
    uint64_t moves = self->moves;
    while (!self->has_ended && now_ns < until_ns) {
        struct timespec until = {.tv_sec = (time_t)(until_ns / TD_NS_PER_S),
                                 .tv_nsec = (long)(until_ns % TD_NS_PER_S)};
        (void)pthread_cond_timedwait(&self->moved, &self->mutex, &until); /* the loop checks */
        now_ns = clock_mono_ns(clock_real());
        if (self->moves != moves)
            until_ns = sooner(now_ns + LIMIT_OUTPUT_STALL_NS, end_ns);
        moves = self->moves;
    }
}

td_result line_writer_close(line_writer *self, td_err *err)
{
    if (self == NULL)
        return TD_OK;
    pthread_mutex_lock(&self->mutex);
    self->is_closing = 1;
    pthread_cond_signal(&self->work);
    wait_for_end(self);
    td_result rc = self->rc;
    uint64_t missing = self->line_count + self->unreported;
    if (rc != TD_OK && err != NULL)
        *err = self->err;
    else if (rc == TD_OK && missing > 0)
        rc = td_err_set(err, TD_E_IO,
                        "cannot write output: its reader has stopped; %llu line%s not written",
                        (unsigned long long)missing, missing == 1 ? " was" : "s were");
    /* A write without a reader may never return and cannot be cancelled. The thread then owns the
     * writer, and frees it if the write returns before the process ends. */
    self->is_given_up = !self->has_ended;
    pthread_t thread = self->thread;
    if (self->is_given_up) {
        pthread_detach(thread);
        pthread_mutex_unlock(&self->mutex);
        return rc;
    }
    pthread_mutex_unlock(&self->mutex);
    pthread_join(thread, NULL);
    free_writer(self);
    return rc;
}
