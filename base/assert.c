#include "base/assert.h"

#include <stdio.h>
#include <unistd.h>

void td_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "tapedeck: internal error at %s:%d: expected %s\n"
            "Please report this with the command that you ran; recorded data is not affected.\n",
            file, line, condition);
    fflush(stderr);
    _exit(TD_EXIT_FAULT);
}
