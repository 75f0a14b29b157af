#include "base/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

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
