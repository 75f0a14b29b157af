#include "cli/confirm.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/escape.h"

confirm_answer confirm(const reporter *report, const char *question)
{
    enum { QUESTION_BYTES = 1024 };
    if (!report->is_terminal || isatty(STDIN_FILENO) != 1)
        return CONFIRM_NO_TERMINAL;
    char shown[QUESTION_BYTES];
    (void)td_escape(td_bytes_str(question), shown, sizeof shown); /* a question may be cut */
    fprintf(report->out, "%s [y/N] ", shown);
    fflush(report->out);
    char answer[16];
    if (fgets(answer, sizeof answer, stdin) == NULL)
        return CONFIRM_NO;
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0 ? CONFIRM_YES
                                                                          : CONFIRM_NO;
}
