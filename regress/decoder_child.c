#include "regress/decoder_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

extern char **environ;

enum {
    READ_BYTES = 1 << 16,
    PIPE_BYTES = 256 << 10, /* asked for; the system may give less */
    LOOK_MS = 200,          /* how often a wait looks whether it is to stop */
};

/* How long a process may take until its greeting: an interpreter that loads much, on a machine that
 * is busy; and to end once its input has. */
#define START_NS (30 * TD_NS_PER_S)
#define END_NS   (2 * TD_NS_PER_S)

/* What counts of the time between two looks at most. More has passed if this program was stopped
 * (Ctrl-Z), which is no fault of the decoder's. */
#define STEP_NS (TD_NS_PER_MS * 2 * LOOK_MS)

/* Our ends of the pipes, and the process itself. */
enum { END_INPUT, END_OUTPUT, END_ERRORS, END_PROCESS, END_COUNT };

struct decoder_child {
    const decoder_program *program;
    json_parser *parser; /* of the greeting */
    wire_greeting greeting;
    pid_t pid;
    int fds[END_COUNT]; /* -1: closed, or not there */
    uint8_t is_ended;   /* the process, though its output may have more */
    decoder_exit how;
    td_buf in; /* to be written */
    size_t in_written;
    td_buf out; /* that was read */
    size_t out_taken;
    size_t out_seen;                    /* of the rest, for wire_find_reply() */
    wire_form form;                     /* of answers; of the greeting JSON */
    char line[DECODER_LINE_BYTES];      /* on standard error, so far */
    char last_line[DECODER_LINE_BYTES]; /* the last complete one that is not empty */
    size_t line_size;
};

/* ---- patience ---- */

/* How long something is still waited for. */
typedef struct patience {
    uint64_t left_ns, looked_ns;
} patience;

static patience patience_of(uint64_t ns)
{
    return (patience){ns, clock_mono_ns(clock_real())};
}

/* Count the time since the last look. What is left. */
static uint64_t patience_look(patience *p)
{
    uint64_t now = clock_mono_ns(clock_real());
    uint64_t passed = now - p->looked_ns;
    if (passed > STEP_NS)
        passed = STEP_NS;
    p->left_ns -= passed < p->left_ns ? passed : p->left_ns;
    p->looked_ns = now;
    return p->left_ns;
}

/* ---- names of ends ---- */

void decoder_exit_describe(decoder_exit how, char out[DECODER_EXIT_TEXT_BYTES])
{
    static const struct {
        int number;
        const char *name;
    } NAMES[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},
                 {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},   {SIGKILL, "SIGKILL"},
                 {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"},   {SIGPIPE, "SIGPIPE"}};
    const char *name = NULL;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].number == how.signal)
            name = NAMES[i].name;
    if (how.signal == 0 && how.status < 0)
        snprintf(out, DECODER_EXIT_TEXT_BYTES, "its output ended");
    else if (how.signal == 0)
        snprintf(out, DECODER_EXIT_TEXT_BYTES, "exit status %d", how.status);
    else if (name == NULL)
        snprintf(out, DECODER_EXIT_TEXT_BYTES, "signal %d", how.signal);
    else
        snprintf(out, DECODER_EXIT_TEXT_BYTES, "signal %d (%s)", how.signal, name);
}

/* ---- standard error ---- */

static void end_line(decoder_child *child)
{
    decoder_talk *talk = child->program->talk;
    child->line[child->line_size] = '\0';
    if (child->line_size == 0)
        return;
    memcpy(child->last_line, child->line, child->line_size + 1);
    size_t before = atomic_fetch_add(&talk->written, child->line_size);
    if (before < LIMIT_DECODER_STDERR_BYTES)
        td_log_emit(talk->log, TD_LOG_WARNING, "decoder: %s", child->line);
    if (before < LIMIT_DECODER_STDERR_BYTES &&
        before + child->line_size >= LIMIT_DECODER_STDERR_BYTES)
        td_log_emit(talk->log, TD_LOG_WARNING, "decoder: its further messages are not shown");
    child->line_size = 0;
}

/* Longer lines are cut: the rest of one is a line of its own. */
static void take_errors(decoder_child *child, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' || child->line_size == sizeof child->line - 1)
            end_line(child);
        if (bytes[i] != '\n' && bytes[i] != '\0')
            child->line[child->line_size++] = bytes[i];
    }
}

static void close_end(decoder_child *child, int end)
{
    if (child->fds[end] >= 0)
        (void)close(child->fds[end]); /* a pipe of ours: there is nothing to do about it */
    child->fds[end] = -1;
}

static void read_errors(decoder_child *child)
{
    char bytes[4096];
    while (child->fds[END_ERRORS] >= 0) {
        ssize_t size = read(child->fds[END_ERRORS], bytes, sizeof bytes);
        if (size > 0)
            take_errors(child, bytes, (size_t)size);
        else if (size == 0 || (errno != EAGAIN && errno != EINTR))
            close_end(child, END_ERRORS);
        if (size < (ssize_t)sizeof bytes)
            return;
    }
}

/* ---- writing and reading ---- */

/* Write without SIGPIPE, whatever the program does with that signal: it is of this thread, and
 * taken back before it is let through. */
static ssize_t write_quietly(int fd, const void *bytes, size_t size)
{
    static const struct timespec AT_ONCE = {0, 0};
    sigset_t pipe_signal;
    sigset_t before;
    (void)sigemptyset(&pipe_signal); /* these cannot fail */
    (void)sigaddset(&pipe_signal, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t written = write(fd, bytes, size);
    int why = errno;
    if (written < 0 && why == EPIPE && !sigismember(&before, SIGPIPE))
        (void)sigtimedwait(&pipe_signal, NULL, &AT_ONCE); /* it is ignored where none is pending */
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return written;
}

/* Write what the pipe takes. A process that reads no more may have answered before: that is read
 * first. */
static void write_some(decoder_child *child)
{
    while (child->in_written < child->in.size && child->fds[END_INPUT] >= 0) {
        ssize_t size = write_quietly(child->fds[END_INPUT], child->in.data + child->in_written,
                                     child->in.size - child->in_written);
        if (size > 0)
            child->in_written += (size_t)size;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            close_end(child, END_INPUT);
    }
    size_t left = child->fds[END_INPUT] < 0 ? 0 : child->in.size - child->in_written;
    if (left > 0 && child->in_written < child->in.size / 2)
        return;
    if (left > 0)
        memmove(child->in.data, child->in.data + child->in_written, left);
    child->in.size = left;
    child->in_written = 0;
}

/* Move what was not taken yet to the front, if that frees much. */
static void compact(decoder_child *child)
{
    size_t left = child->out.size - child->out_taken;
    if (child->out_taken == 0 || (left > 0 && child->out_taken < child->out.size / 2))
        return;
    if (left > 0)
        memmove(child->out.data, child->out.data + child->out_taken, left);
    child->out.size = left;
    child->out_taken = 0;
}

/* 1; 0 without memory. */
static int read_some(decoder_child *child)
{
    compact(child);
    if (td_buf_reserve(&child->out, READ_BYTES + JSON_PADDING_BYTES, NULL) != TD_OK)
        return 0;
    ssize_t size = read(child->fds[END_OUTPUT], child->out.data + child->out.size, READ_BYTES);
    if (size > 0)
        child->out.size += (size_t)size;
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(child, END_OUTPUT);
    return 1;
}

/* Wait until something can be done, and do it. 1; 0: the time is over; -1: no memory. */
static int move(decoder_child *child, patience *time)
{
    static const short WANTED[END_COUNT] = {POLLOUT, POLLIN, POLLIN, POLLIN};
    struct pollfd polled[END_COUNT];
    write_some(child);
    uint64_t left_ns = patience_look(time);
    if (left_ns == 0)
        return 0;
    for (int i = 0; i < END_COUNT; i++)
        polled[i] = (struct pollfd){.fd = child->fds[i], .events = WANTED[i]};
    if (child->in.size == 0)
        polled[END_INPUT].fd = -1;
    if (child->is_ended)
        polled[END_PROCESS].fd = -1;
    uint64_t wait_ms = child->is_ended ? 0 : left_ns / TD_NS_PER_MS + 1;
    int count = poll(polled, END_COUNT, wait_ms > LOOK_MS ? LOOK_MS : (int)wait_ms);
    if (count < 0)
        return 1; /* a signal */
    if (polled[END_ERRORS].revents != 0)
        read_errors(child);
    child->is_ended |= polled[END_PROCESS].fd >= 0 && polled[END_PROCESS].revents != 0;
    /* What the process wrote before it ended is in the pipe by now; what it started may have the
     * pipe open still. */
    if (polled[END_OUTPUT].revents != 0)
        return read_some(child) ? 1 : -1;
    if (child->is_ended)
        close_end(child, END_OUTPUT);
    return 1;
}

/* 1 and the next answer; 0: none is complete; -1: it is too long. */
static int take_reply(decoder_child *child, td_bytes *reply)
{
    size_t used = 0;
    td_bytes left = td_bytes_of(child->out.data == NULL ? NULL : child->out.data + child->out_taken,
                                child->out.size - child->out_taken);
    int found = wire_find_reply(child->form, left, &child->out_seen, reply, &used);
    if (found == 1) {
        child->out_taken += used;
        child->out_seen = 0;
    }
    return found;
}

static int is_stopping(const decoder_program *program)
{
    return program->is_stopping != NULL && program->is_stopping(program->user);
}

child_event decoder_child_next(decoder_child *child, uint64_t timeout_ns, td_bytes *reply)
{
    patience time = patience_of(timeout_ns);
    for (;;) {
        if (is_stopping(child->program))
            return CHILD_STOPPED;
        int found = take_reply(child, reply);
        if (found != 0)
            return found > 0 ? CHILD_REPLY : CHILD_TOO_LONG;
        if (child->fds[END_OUTPUT] < 0)
            return CHILD_GONE;
        int moved = move(child, &time);
        if (moved <= 0)
            return moved == 0 ? CHILD_SILENT : CHILD_NO_MEMORY;
    }
}

size_t decoder_child_unread(const decoder_child *child)
{
    return child->out.size - child->out_taken;
}

td_buf *decoder_child_input(decoder_child *child)
{
    return &child->in;
}

const wire_greeting *decoder_child_greeting(const decoder_child *child)
{
    return &child->greeting;
}

/* ---- start ---- */

/* Of both ends of three pipes. */
typedef struct pipes {
    int ours[3], theirs[3];
} pipes;

static void close_pipes(pipes *p)
{
    for (int i = 0; i < 3; i++) {
        if (p->ours[i] >= 0)
            (void)close(p->ours[i]);
        if (p->theirs[i] >= 0)
            (void)close(p->theirs[i]);
    }
}

static td_result open_pipes(pipes *p, td_err *err)
{
    *p = (pipes){{-1, -1, -1}, {-1, -1, -1}};
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return td_err_set_os(err, errno, "pipe of a decoder");
        p->ours[i] = ends[i == 0 ? 1 : 0];
        p->theirs[i] = ends[i == 0 ? 0 : 1];
        TD_ASSERT(p->theirs[i] > 2); /* or they could not be put in the place of 0 to 2 */
        if (fcntl(p->ours[i], F_SETFL, O_NONBLOCK) != 0)
            return td_err_set_os(err, errno, "pipe of a decoder");
        (void)fcntl(p->ours[i], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one does as well */
    }
    return TD_OK;
}

/* Attributes of the process: a group of its own, and signals as a shell starts programs with. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none); /* these cannot fail */
    (void)sigfillset(&all);
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int failed = posix_spawnattr_setpgroup(attributes, 0);
    failed = failed != 0 ? failed : posix_spawnattr_setsigmask(attributes, &none);
    failed = failed != 0 ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    return failed != 0 ? failed : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const decoder_program *program, const pipes *p, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = set_attributes(&attributes);
        for (int i = 0; i < 3 && failed == 0; i++)
            failed = posix_spawn_file_actions_adddup2(&actions, p->theirs[i], i);
        if (failed == 0)
            failed =
                posix_spawnp(pid, program->argv[0], &actions, &attributes, program->argv, environ);
        (void)posix_spawnattr_destroy(&attributes); /* these cannot fail */
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* 0 and a descriptor that can be read once the process ended; -1: the system has none such. */
static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0); /* it is close-on-exec */
#else
    (void)pid;
    return -1;
#endif
}

/* Why a program cannot be started. */
static td_result refuse_program(const char *program, int why, td_err *err)
{
    int is_there = strchr(program, '/') != NULL && access(program, F_OK) == 0;
    if (why == ENOENT && is_there) {
        td_err_set(err, TD_E_NOTFOUND, "cannot start '%s': its interpreter does not exist",
                   program);
        td_err_hint(err, "its first line ('#!') names it");
        return TD_E_NOTFOUND;
    }
    if (why == ENOENT) {
        td_err_set(err, TD_E_NOTFOUND, "cannot start '%s': no such program", program);
        td_err_hint(err, "give a path, or a program that is on PATH");
        return TD_E_NOTFOUND;
    }
    td_result rc = td_err_set_os(err, why, "cannot start '%s'", program);
    if (why == ENOEXEC || why == EACCES)
        td_err_hint(err, "give its interpreter first: 'python3 %s'", program);
    return rc;
}

static td_result start_process(decoder_child *child, td_err *err)
{
    pipes p;
    td_result rc = open_pipes(&p, err);
    if (rc == TD_OK) {
        int failed = spawn(child->program, &p, &child->pid);
        if (failed != 0)
            rc = refuse_program(child->program->argv[0], failed, err);
    }
    if (rc != TD_OK) {
        close_pipes(&p);
        return rc;
    }
    for (int i = 0; i < 3; i++) {
        child->fds[i] = p.ours[i];
        p.ours[i] = -1;
    }
    child->fds[END_PROCESS] = open_process(child->pid);
    close_pipes(&p);
    return TD_OK;
}

/* Free a process that ended, or that was never started. */
static void free_child(decoder_child *child)
{
    for (int i = 0; i < END_COUNT; i++)
        close_end(child, i);
    json_parser_close(child->parser);
    td_buf_fini(&child->in);
    td_buf_fini(&child->out);
    td_free(child);
}

/* The process did not greet as it should. Frees it. */
static td_result refuse_start(decoder_child *child, td_result rc, const td_err *why, td_err *err)
{
    char line[DECODER_LINE_BYTES];
    const char *shown = child->program->shown;
    decoder_child_kill(child, NULL, line);
    td_err_pass(err, rc, why);
    if (line[0] != '\0')
        td_err_hint(err, "its last message: %s", line);
    return td_err_add(err, rc, "decoder '%s'", shown);
}

/* It ended, or closed its output, and did not greet. Frees it. */
static td_result refuse_gone(decoder_child *child, td_err *err)
{
    char line[DECODER_LINE_BYTES];
    char ended[DECODER_EXIT_TEXT_BYTES];
    decoder_exit how;
    const char *shown = child->program->shown;
    decoder_child_kill(child, &how, line);
    decoder_exit_describe(how, ended);
    return td_err_set(err, TD_E_INVALID,
                      "decoder '%s': it ended before it answered the greeting: %s%s%s", shown,
                      ended, line[0] == '\0' ? "" : ": ", line);
}

static td_result greet(decoder_child *child, td_err *err)
{
    td_bytes line;
    td_err why;
    td_err_clear(&why);
    td_result rc = wire_put_greeting(&child->in, &why);
    if (rc != TD_OK)
        return refuse_start(child, rc, &why, err);
    switch (decoder_child_next(child, START_NS, &line)) {
    case CHILD_REPLY:
        rc = wire_read_welcome(child->parser, line, &child->greeting, &why);
        break;
    case CHILD_SILENT:
        rc = td_err_set(&why, TD_E_INVALID, "no answer to the greeting in %d s",
                        (int)(START_NS / TD_NS_PER_S));
        break;
    case CHILD_GONE:
        return refuse_gone(child, err);
    case CHILD_TOO_LONG:
        rc = td_err_set(&why, TD_E_INVALID, "its answer to the greeting has no end");
        break;
    case CHILD_NO_MEMORY:
        rc = td_err_set(&why, TD_E_NOMEM, "no memory for its answer");
        break;
    case CHILD_STOPPED:
        decoder_child_kill(child, NULL, NULL);
        return TD_EOF;
    }
    if (rc != TD_OK)
        return refuse_start(child, rc, &why, err);
    child->form = child->greeting.reply;
    return TD_OK;
}

td_result decoder_child_start(const decoder_program *program, decoder_child **out, td_err *err)
{
    decoder_child *child = td_alloc_zero(1, sizeof *child);
    if (child == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a decoder's process");
    for (int i = 0; i < END_COUNT; i++)
        child->fds[i] = -1;
    child->program = program;
    child->how = (decoder_exit){.status = -1};
    td_buf_init(&child->in, LIMIT_DECODER_REPLY_BYTES);
    td_buf_init(&child->out, LIMIT_DECODER_REPLY_BYTES + (size_t)4 * READ_BYTES);
    td_result rc = json_parser_open(0, &child->parser, err);
    if (rc == TD_OK)
        rc = start_process(child, err);
    if (rc != TD_OK) {
        free_child(child);
        return rc;
    }
    rc = greet(child, err);
    if (rc == TD_OK)
        *out = child;
    return rc;
}

/* ---- end ---- */

static void reap(decoder_child *child, int is_killed)
{
    int status = 0;
    pid_t found;
    do
        found = waitpid(child->pid, &status, 0);
    while (found < 0 && errno == EINTR);
    if (found != child->pid || is_killed)
        return;
    if (WIFSIGNALED(status))
        child->how.signal = WTERMSIG(status);
    else if (WIFEXITED(status))
        child->how.status = WEXITSTATUS(status);
}

/* Wait until the process ended, at most END_NS; nothing that it writes is kept. */
static void await_end(decoder_child *child)
{
    patience time = patience_of(END_NS);
    while (!child->is_ended && child->fds[END_PROCESS] >= 0) {
        td_buf_clear(&child->out);
        child->out_taken = child->out_seen = 0;
        if (move(child, &time) <= 0)
            return;
    }
}

void decoder_child_kill(decoder_child *child, decoder_exit *how, char last_line[DECODER_LINE_BYTES])
{
    if (child == NULL)
        return;
    /* A process whose output ended is about to end, and how is worth knowing. */
    if (child->fds[END_OUTPUT] < 0)
        await_end(child);
    int is_killed = !child->is_ended;
    (void)kill(-child->pid, SIGKILL); /* the group, which may be gone already */
    reap(child, is_killed);
    read_errors(child);
    end_line(child);
    if (how != NULL)
        *how = child->how;
    if (last_line != NULL)
        memcpy(last_line, child->last_line, sizeof child->last_line);
    free_child(child);
}

void decoder_child_end(decoder_child *child)
{
    if (child == NULL)
        return;
    td_buf_clear(&child->in);
    child->in_written = 0;
    close_end(child, END_INPUT);
    await_end(child);
    decoder_child_kill(child, NULL, NULL);
}
