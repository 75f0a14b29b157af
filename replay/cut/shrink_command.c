#include "replay/cut/shrink_command.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/limits.h"

enum {
    CHECK_MS = 2,           /* interval of checks whether a process has ended */
    READY_BYTES_MAX = 4096, /* size of a ready file */
    STATUS_UNKNOWN = 125,
    STATUS_NOT_RUNNABLE = 126,
    STATUS_NOT_FOUND = 127,
};

/* How long a server may take until it accepts connections, on a busy machine. */
#define READY_NS (30 * TD_NS_PER_S)

/* A run may take LIMIT_TIMES times as long as the first run, plus LIMIT_MORE_NS. It needs a limit,
 * because a client may wait for ever for frames that were left out. */
#define LIMIT_TIMES   4
#define LIMIT_MORE_NS (2 * TD_NS_PER_S)

/* ---- processes ---- */

/* Kill the process group, which may be gone, and the process if it has not ended. */
static void end_group(pid_t pid, int has_ended)
{
    (void)kill(-pid, SIGKILL);
    if (!has_ended)
        (void)waitpid(pid, NULL, 0); /* it was killed */
}

/* ---- a server ---- */

/* Read the member "url" of a ready file. Returns 0 if it is not written yet. */
static int read_url(const char *ready, char *url, size_t url_bytes)
{
    static const char KEY[] = "\"url\":\"";
    uint8_t *bytes = NULL;
    size_t size = 0;
    int is_found = 0;
    if (td_io_read_file(io_posix(), ready, READY_BYTES_MAX, &bytes, &size, NULL) != TD_OK)
        return 0;
    char *text = td_strndup((const char *)bytes, size);
    const char *at = strstr(text, KEY);
    const char *end = at == NULL ? NULL : strchr(at + sizeof KEY - 1, '"');
    if (end != NULL) {
        at += sizeof KEY - 1;
        is_found = snprintf(url, url_bytes, "%.*s", (int)(end - at), at) < (int)url_bytes;
    }
    td_free(text);
    td_free(bytes);
    return is_found;
}

/* Start a server of the file and wait until it accepts connections at url. If a signal stops the
 * wait, url is empty. */
static td_result start_server(const shrink_command *self, const char *path, pid_t *out, char *url,
                              size_t url_bytes, td_err *err)
{
    char ready[LIMIT_PATH_BYTES];
    char file[LIMIT_PATH_BYTES];
    char words[][16] = {"tapedeck",     "serve",   "--plain", "--listen", "127.0.0.1:0",
                        "--ready-file", "--speed", "max",     "-q"};
    (void)snprintf(ready, sizeof ready, "%s/serve.json", self->folder); /* fits */
    (void)snprintf(file, sizeof file, "%s", path);
    char *const line[] = {words[0], words[1], file,     words[2], words[3], words[4],
                          words[5], ready,    words[6], words[7], words[8], NULL};
    const td_child_ends ends = {-1, STDERR_FILENO, STDERR_FILENO};
    td_result rc = td_child_start("/proc/self/exe", line, ends, out, err);
    const td_clock clock = clock_real();
    uint64_t end_ns = clock_mono_ns(clock) + READY_NS;
    url[0] = '\0';
    while (rc == TD_OK && !read_url(ready, url, url_bytes) && !stop_signal_arrived(self->signals)) {
        int has_ended = waitpid(*out, NULL, WNOHANG) > 0;
        if (has_ended || clock_mono_ns(clock) > end_ns) {
            end_group(*out, has_ended);
            return td_err_set(err, TD_E_IO, "the server for the cut did not start");
        }
        (void)poll(NULL, 0, CHECK_MS);
    }
    return rc;
}

/* ---- the command ---- */

/* Run the command with the arguments first and second; second may be NULL. */
static td_result run_command(shrink_command *self, const char *first, const char *second,
                             command_result *out, td_err *err)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *command = td_strdup(self->text);
    char *arguments[] = {td_strdup(first), second == NULL ? NULL : td_strdup(second)};
    char *const words[] = {shell, option, command, shell, arguments[0], arguments[1], NULL};
    pid_t pid = 0;
    pid_t found = 0;
    int status = 0;
    const td_clock clock = clock_real();
    uint64_t began_ns = clock_mono_ns(clock);
    if (self->runs == 0)
        self->limit_ns = UINT64_MAX;
    int output = self->runs == 0 ? STDERR_FILENO : -1; /* -1: discarded */
    td_result rc = td_child_start("/bin/sh", words, (td_child_ends){-1, output, output}, &pid, err);
    while (rc == TD_OK && found == 0 && !stop_signal_arrived(self->signals) &&
           clock_mono_ns(clock) - began_ns < self->limit_ns) {
        found = waitpid(pid, &status, WNOHANG);
        if (found == 0)
            (void)poll(NULL, 0, CHECK_MS);
    }
    if (rc == TD_OK)
        end_group(pid, found != 0);
    if (self->runs++ == 0)
        self->limit_ns = LIMIT_TIMES * (clock_mono_ns(clock) - began_ns) + LIMIT_MORE_NS;
    int exit_status = found != 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (found == 0)
        *out = stop_signal_arrived(self->signals) ? COMMAND_STOPPED : COMMAND_UNKNOWN;
    else
        *out = exit_status == STATUS_UNKNOWN ? COMMAND_UNKNOWN
               : exit_status == 0            ? COMMAND_SUCCEEDED
                                             : COMMAND_FAILED;
    if (rc == TD_OK && (exit_status == STATUS_NOT_RUNNABLE || exit_status == STATUS_NOT_FOUND))
        rc = td_err_set(err, TD_E_INVALID, "--shrink: the shell cannot run '%s' (status %d)",
                        self->text, exit_status);
    td_free(command);
    td_free(arguments[0]);
    td_free(arguments[1]);
    return rc;
}

td_result shrink_command_run(shrink_command *self, const char *path, command_result *out,
                             td_err *err)
{
    char url[LIMIT_PATH_BYTES];
    pid_t server = 0;
    if (!self->with_server)
        return run_command(self, path, NULL, out, err);
    td_result rc = start_server(self, path, &server, url, sizeof url, err);
    if (rc != TD_OK)
        return rc;
    *out = COMMAND_STOPPED;
    if (url[0] != '\0')
        rc = run_command(self, url, path, out, err);
    (void)kill(server, SIGTERM); /* on SIGTERM it removes its ready file */
    (void)waitpid(server, NULL, 0);
    return rc;
}
