#include "base/cli/line_writer.h"

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

struct line_writer {
    int fd;
    line_writer_format format_lost;
    void *user;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all members below */
    pthread_cond_t work;   /* a line was queued, or the writer closes */
    pthread_cond_t ended;  /* the thread has ended; monotonic clock */
    char *waiting;         /* queued lines for the next write, with space for one more */
    char *writing;         /* a buffer like waiting: the two are swapped for each write */
    size_t waiting_bytes;
    td_bytes left;       /* the unwritten part of `writing` */
    uint64_t lost;       /* number of lost lines */
    uint64_t unreported; /* lost lines to be reported after the waiting ones */
    uint8_t is_full;     /* 1: lines are dropped until the next write begins */
    uint8_t is_closing;
    uint8_t is_given_up;
    uint8_t has_ended;
    td_result rc; /* TD_OK, or the first failure */
    td_err err;
};

static uint64_t count_lines(td_bytes text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == '\n';
    return count;
}

/* ---- the thread ---- */

/* Write all bytes. Returns 0, or errno. May block forever: see line_writer_close. */
static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        /* Another process may have made the descriptor non-blocking. write() reports errors. */
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
    self->lost += count_lines(self->left);
    self->lost += count_lines(td_bytes_of(self->waiting, self->waiting_bytes));
    self->left.size = 0;
    self->waiting_bytes = 0;
}

/* Size of the next write: as many whole lines as fit (a status line has no LF). */
static size_t first_part(td_bytes text)
{
    if (text.size <= PIPE_BUF)
        return text.size;
    const uint8_t *end = memrchr(text.data, '\n', PIPE_BUF);
    return end == NULL ? PIPE_BUF : (size_t)(end - text.data) + 1;
}

/* Write the queued lines with the mutex released; new lines are queued in the other buffer. */
static void write_waiting(line_writer *self)
{
    uint64_t reported = self->unreported;
    char *text = self->waiting;
    size_t size = self->waiting_bytes;
    if (reported > 0)
        size += self->format_lost(self->user, reported, text + size, LIMIT_OUTPUT_LINE_BYTES);
    self->waiting = self->writing;
    self->writing = text;
    self->waiting_bytes = 0;
    self->is_full = 0;
    for (self->left = td_bytes_of(text, size); self->left.size > 0;) {
        size_t part = first_part(self->left);
        pthread_mutex_unlock(&self->mutex);
        int failure = write_all(self->fd, (const char *)self->left.data, part);
        pthread_mutex_lock(&self->mutex);
        if (failure != 0)
            fail(self, failure);
        else
            self->left = td_bytes_of(self->left.data + part, self->left.size - part);
    }
    self->unreported -= reported;
}

static void free_writer(line_writer *self)
{
    pthread_cond_destroy(&self->ended);
    pthread_cond_destroy(&self->work);
    pthread_mutex_destroy(&self->mutex);
    td_free(self->waiting);
    td_free(self->writing);
    td_free(self);
}

static int has_work(const line_writer *self)
{
    return self->rc == TD_OK && self->waiting_bytes + self->unreported > 0;
}

static void *run(void *arg)
{
    line_writer *self = arg;
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        while (!has_work(self) && !self->is_closing)
            pthread_cond_wait(&self->work, &self->mutex);
        if (!has_work(self))
            break;
        write_waiting(self);
    }
    self->has_ended = 1;
    int is_given_up = self->is_given_up;
    pthread_cond_signal(&self->ended);
    pthread_mutex_unlock(&self->mutex);
    if (is_given_up)
        free_writer(self); /* line_writer_close gave up */
    return NULL;
}

/* ---- opening and closing ---- */

/* Start the thread with all signals blocked: another thread waits for them
 * (base/cli/stop_signal.h), and a missing reader is a failed write, not the end of the program
 * (SIGPIPE). */
static int start_thread(line_writer *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

td_result line_writer_open(int fd, line_writer_format format_lost, void *user, line_writer **out,
                           td_err *err)
{
    line_writer *self = td_alloc_zero(1, sizeof *self);
    self->fd = fd;
    self->format_lost = format_lost;
    self->user = user;
    self->waiting = td_alloc(LIMIT_OUTPUT_QUEUE_BYTES + LIMIT_OUTPUT_LINE_BYTES);
    self->writing = td_alloc(LIMIT_OUTPUT_QUEUE_BYTES + LIMIT_OUTPUT_LINE_BYTES);
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    pthread_cond_init(&self->ended, &by_monotonic);
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
    TD_ASSERT(!self->is_closing);
    if (self->rc != TD_OK || self->is_full || line.size > LIMIT_OUTPUT_LINE_BYTES ||
        line.size > LIMIT_OUTPUT_QUEUE_BYTES - self->waiting_bytes) {
        self->is_full = 1;
        self->lost++;
        self->unreported++;
    } else {
        memcpy(self->waiting + self->waiting_bytes, line.data, line.size);
        self->waiting_bytes += line.size;
    }
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->mutex);
}

int line_writer_is_idle(line_writer *self)
{
    pthread_mutex_lock(&self->mutex);
    int is_idle = self->waiting_bytes + self->left.size == 0;
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

/* Under the mutex: wait until the thread has ended or the time limit passed. */
static void wait_for_end(line_writer *self)
{
    uint64_t until_ns = clock_mono_ns(clock_real()) + LIMIT_OUTPUT_END_NS;
    struct timespec until = {.tv_sec = (time_t)(until_ns / TD_NS_PER_S),
                             .tv_nsec = (long)(until_ns % TD_NS_PER_S)};
    int failure = 0;
    while (!self->has_ended && failure == 0)
        failure = pthread_cond_timedwait(&self->ended, &self->mutex, &until);
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
    uint64_t missing = self->unreported + count_lines(self->left) +
                       count_lines(td_bytes_of(self->waiting, self->waiting_bytes));
    if (rc != TD_OK && err != NULL)
        *err = self->err;
    else if (rc == TD_OK && missing > 0)
        rc = td_err_set(err, TD_E_IO,
                        "cannot write output: its reader has stopped; %llu line%s not written",
                        (unsigned long long)missing, missing == 1 ? " was" : "s were");
    /* A write without a reader may never return and cannot be cancelled. Then the thread owns the
     * writer, and frees it if the write returns before the process ends. */
    int is_given_up = !self->has_ended;
    self->is_given_up = (uint8_t)is_given_up;
    pthread_t thread = self->thread;
    pthread_mutex_unlock(&self->mutex);
    if (is_given_up) {
        pthread_detach(thread);
        return rc;
    }
    pthread_join(thread, NULL);
    free_writer(self);
    return rc;
}
