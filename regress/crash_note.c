#include "regress/crash_note.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cli/exit_codes.h"

#define CRASH_FILE "tapedeck-crash.frame"

/* Around the one test case of a JUnit report of a run that did not reach its end. */
#define JUNIT_HEAD                                                                                 \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"tapedeck regress\" "            \
    "tests=\"1\" "                                                                                 \
    "failures=\"0\" errors=\"1\" skipped=\"0\">\n"
#define JUNIT_END "</error>\n  </testcase>\n</testsuite>\n"

/* Headers of some versions of the C library lack this. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
    STACK_BYTES = 64 << 10, /* stack of signal handlers */
    HANG_TICKS = 8,         /* ticks of a thread's timer; after more, a call counts as hung */
};

/* The frame that a thread is decoding. It is set before the decoder is called, so that a signal
 * handler only has to write it out. */
typedef struct current_frame {
    const frame_ref *frame; /* NULL: not in a decoder */
    const char *decoder;
    volatile sig_atomic_t ticks; /* of the thread's timer, since the call began */
} current_frame;

static _Thread_local current_frame current;
static struct itimerspec tick_times; /* interval of the timers; set before threads call decoders */
static const char *junit_file;       /* NULL: no report; set before threads call decoders */

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

static void write_texts(int fd, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        write_all(fd, texts[i], strlen(texts[i]));
}

/* Writes a text from outside into XML: no markup, printable ASCII only. */
static void write_escaped(int fd, const char *text)
{
    for (; *text != '\0'; text++) {
        const int is_plain = *text == '\n' || (*text >= ' ' && *text <= '~');
        write_all(fd, is_plain && strchr("&<>\"'", *text) == NULL ? text : "?", 1);
    }
}

/* Formats a number, because printf is not async-signal-safe. */
static const char *number_text(uint64_t number, char out[24])
{
    size_t at = 23;
    out[at] = '\0';
    do
        out[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return out + at;
}

/* Replaces the JUnit report. what: the crash; texts: all of its description. */
static void write_junit(const char *what, const char *const *texts, size_t count)
{
    const channel_info *info = &current.frame->channel->info;
    const char *const parts[] = {(JUNIT_HEAD "  <testcase classname=\""),
                                 info->feed,
                                 "\" name=\"",
                                 info->topic,
                                 info->symbol[0] == '\0' ? "" : " ",
                                 info->symbol,
                                 "\">\n    <error type=\"crash\" message=\"",
                                 current.decoder,
                                 "",
                                 what,
                                 "\">"};
    int fd = junit_file == NULL ? -1 : open(junit_file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return; /* the report from before the run remains, which has an error, too */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i % 2 == 0)
            write_texts(fd, &parts[i], 1);
        else
            write_escaped(fd, parts[i]);
    }
    for (size_t i = 0; i < count; i++)
        write_escaped(fd, texts[i]);
    const char *const end = JUNIT_END;
    write_texts(fd, &end, 1);
    (void)close(fd); /* on failure the file is incomplete */
}

/* Reports the current frame. Async-signal-safe. */
static void write_current_frame(const char *what)
{
    const frame_ref *frame = current.frame;
    const channel_info *info = &frame->channel->info;
    char ordinal[24];
    char recv_ns[24];
    const char *const texts[] = {
        "\ntapedeck regress: ",
        current.decoder,
        what,
        "\n  feed ",
        info->feed,
        ", topic ",
        info->topic,
        ", symbol ",
        info->symbol[0] == '\0' ? "-" : info->symbol,
        ", session ",
        frame->conn->session_id[0] == '\0' ? "-" : frame->conn->session_id,
        ", frame ",
        number_text(frame->ordinal, ordinal),
        " of its connection, received at ",
        number_text(frame->recv_ns, recv_ns),
        " ns\n",
    };
    write_texts(STDERR_FILENO, texts, sizeof texts / sizeof *texts);
    write_junit(what, texts, sizeof texts / sizeof *texts);
    int fd = open(CRASH_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        write_all(fd, (const char *)frame->bytes.data, frame->bytes.size);
        (void)close(fd); /* on failure the file is incomplete */
    }
    const char *const end = fd < 0 ? "  its bytes cannot be written to " CRASH_FILE "\n"
                                   : "  its bytes are in " CRASH_FILE
                                     "; no baseline or result is written\n";
    write_texts(STDERR_FILENO, &end, 1);
}

/* Restores the previous handler. The fault then occurs again, so that a core shows it. */
static void on_fault(int number)
{
    int saved = errno;
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (SIGNALS[i] == number)
            (void)sigaction(number, &handlers_before[i], NULL); /* cannot fail */
    if (current.frame != NULL) {
        write_current_frame(current.ticks > HANG_TICKS
                                ? " did not answer within --timeout at this frame:"
                                : " crashed at this frame:");
        current.frame = NULL;
    }
    if (number == SIGABRT) /* SIGABRT was raised by a call, so it does not occur again by itself */
        (void)raise(number);
    errno = saved;
}

/* Handles a tick of the thread's timer. Ticks are counted, rather than time, so that time in which
 * this process is stopped does not count. */
static void on_tick(int number)
{
    (void)number;
    if (current.frame != NULL && ++current.ticks > HANG_TICKS)
        (void)raise(SIGABRT);
}

/* Reports a call of exit() in a decoder. Frees nothing, because other threads are still running. */
static void on_exit_called(void)
{
    if (current.frame == NULL)
        return;
    write_current_frame(" called exit at this frame:");
    _exit(EXIT_CODE_FAILED);
}

void crash_note_install(uint64_t timeout_ns)
{
    static int is_installed; /* set by the first decoder; one thread opens decoders */
    if (is_installed)
        return;
    is_installed = 1;
    const uint64_t tick_ns = timeout_ns / HANG_TICKS;
    tick_times.it_value = (struct timespec){.tv_sec = (time_t)(tick_ns / TD_NS_PER_S),
                                            .tv_nsec = (long)(tick_ns % TD_NS_PER_S)};
    tick_times.it_interval = tick_times.it_value;
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask); /* cannot fail */
    for (int i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaction(SIGNALS[i], &action, &handlers_before[i]); /* cannot fail */
    action.sa_handler = on_tick;
    action.sa_flags |= SA_RESTART;
    (void)sigaction(SIGUSR2, &action, NULL);
}

static td_result append_unfinished(void *user, td_file *file, td_err *err)
{
    static const char TEXT[] = JUNIT_HEAD
        "  <testcase classname=\"tapedeck\" name=\"regress\">\n"
        "    <error type=\"unfinished\" message=\"the run did not reach its end\">" JUNIT_END;
    (void)user;
    return td_io_append(file, TEXT, sizeof TEXT - 1, err);
}

td_result crash_note_open_junit(td_io io, const char *path, td_err *err)
{
    td_result rc = td_io_write_file(io, path, TD_OPEN_CREATE, append_unfinished, NULL, err);
    junit_file = path;
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "JUnit report '%s'", path);
}

static void prepare_thread(void)
{
    static _Thread_local int is_prepared;
    if (is_prepared)
        return;
    is_prepared = 1;
    /* After a stack overflow a handler needs another stack. That stack is never freed, because the
     * thread needs it until the thread ends. */
    stack_t before;
    if (sigaltstack(NULL, &before) != 0 || (before.ss_flags & SS_DISABLE) != 0) {
        const stack_t own = {.ss_sp = td_alloc(STACK_BYTES), .ss_size = STACK_BYTES};
        (void)sigaltstack(&own, NULL); /* on failure handlers run on the thread's own stack */
    }
    /* Workers block all signals. Unblock the signals that are handled here: a blocked fault would
     * end the process without calling its handler, and a hang would not be noticed. */
    sigset_t ours;
    (void)sigemptyset(&ours); /* these cannot fail */
    (void)sigaddset(&ours, SIGUSR2);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaddset(&ours, SIGNALS[i]);
    (void)pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    /* Start a timer whose ticks go to this thread only. If it fails, hangs are not detected. */
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        (void)timer_settime(timer, 0, &tick_times, NULL); /* cannot fail: its times are valid */
    /* registered last, so that it runs before handlers that destroy what other threads use */
    (void)atexit(on_exit_called); /* on failure an exit is not explained */
}

void crash_note_begin(const frame_ref *frame, const char *decoder_name)
{
    prepare_thread();
    current = (current_frame){.frame = frame, .decoder = decoder_name};
}

void crash_note_end(void)
{
    current.frame = NULL;
}
