#include "cli/verb_exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"

/* Path of a file beside the running program; 0 if it is unknown. */
static int path_beside(const char *program, char *out, size_t out_bytes)
{
    char self[LIMIT_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return 0;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return 0;
    slash[1] = '\0';
    int written = snprintf(out, out_bytes, "%s%s", self, program);
    return written > 0 && (size_t)written < out_bytes;
}

td_result verb_exec(const char *program, char **argv, td_err *err)
{
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    char **words = td_alloc_zero(count + 2, sizeof *words);
    char path[2 * LIMIT_PATH_BYTES];
    words[0] = td_strdup(program);
    memcpy(words + 1, argv, count * sizeof *words);
    if (path_beside(program, path, sizeof path))
        execv(path, words);
    if (errno == ENOENT || errno == 0)
        execvp(program, words);
    td_err_set_os(err, errno, "cannot start %s", program);
    td_err_hint(err, "install it in the folder of this program, or on PATH");
    td_free(words[0]);
    td_free(words);
    return err == NULL ? TD_E_IO : err->code;
}
