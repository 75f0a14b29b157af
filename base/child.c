#include "base/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io_posix.h"
#include "base/process_memory.h"

extern char **environ;

td_result td_child_start(const char *program, char *const words[], td_child_ends ends, pid_t *out,
                         td_err *err)
{
    const int from[] = {ends.input, ends.output, ends.errors};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int failed = 0;
    (void)sigemptyset(&none); /* these calls cannot fail */
    (void)sigfillset(&all);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    for (int i = STDIN_FILENO; failed == 0 && i <= STDERR_FILENO; i++)
        failed = from[i] >= 0
                     ? posix_spawn_file_actions_adddup2(&actions, from[i], i)
                     : posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    if (failed == 0)
        failed = posix_spawn(out, program, &actions, &attributes, words, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? TD_OK : td_err_set_os(err, failed, "cannot start %s", program);
}

void td_child_program(const char *name, char out[LIMIT_PATH_BYTES])
{
    ssize_t size = readlink("/proc/self/exe", out, LIMIT_PATH_BYTES - LIMIT_NAME_BYTES);
    while (size > 0 && out[size - 1] != '/')
        size--;
    (void)snprintf(out + (size < 0 ? 0 : size), LIMIT_NAME_BYTES, "%s", name);
}

const char *td_child_end_text(int status, char out[TD_CHILD_END_BYTES])
{
    if (WIFSIGNALED(status))
        (void)snprintf(out, TD_CHILD_END_BYTES, "was ended by signal %d", WTERMSIG(status));
    else
        (void)snprintf(out, TD_CHILD_END_BYTES, "ended with status %d", WEXITSTATUS(status));
    return out;
}

typedef struct group_usage {
    pid_t group;
    td_child_usage sum;
} group_usage;

static td_result add_process(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    group_usage *of = user;
    const pid_t pid = (pid_t)strtol(name, NULL, 10); /* 0: the entry is not a process */
    (void)kind;
    (void)err;
    if (pid <= 0 || getpgid(pid) != of->group)
        return TD_OK;
    const uint64_t peak_bytes = process_peak_bytes(pid);
    of->sum.cpu_ns += clock_process_ns(pid);
    if (of->sum.peak_bytes < peak_bytes)
        of->sum.peak_bytes = peak_bytes;
    return TD_OK;
}

td_child_usage td_child_usage_now(pid_t pid)
{
    group_usage of = {.group = pid};
    (void)!td_io_list(io_posix(), "/proc", add_process, &of, NULL); /* without /proc all is 0 */
    return of.sum;
}

static uint64_t ns_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * TD_NS_PER_S + (uint64_t)time.tv_usec * TD_NS_PER_US;
}

pid_t td_child_wait(pid_t pid, int *status, int options, td_child_usage *used)
{
    struct rusage all = {0};
    const pid_t found = wait4(pid, status, options, &all);
    if (found <= 0)
        return found;
    const uint64_t cpu_ns = ns_of(all.ru_utime) + ns_of(all.ru_stime);
    const uint64_t peak_bytes = (uint64_t)all.ru_maxrss * 1024;
    if (used->cpu_ns < cpu_ns)
        used->cpu_ns = cpu_ns;
    /* A peak below this process's own may be this process's: the kernel counts the memory before
     * exec, too. */
    if (used->peak_bytes == 0 ||
        (used->peak_bytes < peak_bytes && peak_bytes > process_peak_bytes(getpid())))
        used->peak_bytes = peak_bytes;
    return found;
}
