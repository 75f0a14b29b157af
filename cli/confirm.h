/* A question to the person at the terminal. One thread. */
#ifndef TD_CLI_CONFIRM_H
#define TD_CLI_CONFIRM_H

#include "cli/report.h"

typedef enum confirm_answer {
    CONFIRM_NO_TERMINAL, /* standard input or the report is no terminal: there was no question */
    CONFIRM_NO,
    CONFIRM_YES,
} confirm_answer;

/* Ask on the report's terminal and read a line: "y" or "yes" is yes, everything else no. */
confirm_answer confirm(const reporter *report, const char *question);

#endif
