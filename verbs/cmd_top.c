/* tapedeck top: a screen of a running recorder, once a second. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "base/cli/terminal.h"
#include "recorder/control.h"
#include "verbs/cmds.h"

enum { SCREEN_ROWS = 10 };
#define ANSWER_NS (10 * TD_NS_PER_S)

/* Ask for a screen. Its text is valid until answer changes. */
static td_result ask(const char *folder, td_buf *answer, const char **text, td_err *err)
{
    td_buf_clear(answer);
    td_result rc = control_ask(folder, CONTROL_TOP " text", ANSWER_NS, answer, err);
    if (rc == TD_OK)
        rc = td_buf_append(answer, "", 1, err);
    if (rc != TD_OK)
        return rc;
    *text = (const char *)answer->data;
    if (strncmp(*text, "0\n", 2) != 0)
        return td_err_set(err, TD_E_IO, "%.*s", (int)strcspn(*text + 2, "\n"), *text + 2);
    *text += 2;
    return TD_OK;
}

static td_result show(const char *folder, output_stream *output, td_err *err)
{
    static const char TO_TOP[] = "\033[H";
    static const char CLEAR_REST[] = "\033[J";
    const char *text = NULL;
    td_buf answer;
    td_buf_init(&answer, CONTROL_ANSWER_BYTES + 1);
    td_result rc = ask(folder, &answer, &text, err); /* rates count from here */
    while (rc == TD_OK && !output_is_broken(output)) {
        clock_sleep_until(clock_real(), clock_mono_ns(clock_real()) + TD_NS_PER_S);
        rc = ask(folder, &answer, &text, err);
        if (rc != TD_OK)
            break;
        output_bytes(output, td_bytes_str(TO_TOP));
        output_bytes(output, td_bytes_str(CLEAR_REST));
        output_bytes(output, td_bytes_str(text));
        output_flush(output);
    }
    td_buf_fini(&answer);
    return rc;
}

exit_code cmd_top(const verb_context *context, int argc, char **argv)
{
    archive_choice choice = {0};
    options_operands operands;
    exit_code status;
    output_stream output;
    td_err err;
    const char *path = NULL;
    option_group groups[] = {option_group_archive(&choice)};
    const options_spec spec = {
        .verb = "top",
        .summary = "Show a running recorder on the terminal, once a second: rates, lag, gaps, "
                   "memory, disk. Ctrl-C ends it.",
        .operands = "[ARCHIVE]",
        .operand_max = 1,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = {[EXIT_CODE_DONE] = "its output was closed",
                     [EXIT_CODE_USAGE] = "the command line is wrong, or this is no terminal",
                     [EXIT_CODE_FAILED] = "no recorder runs there, or it has ended"},
        .examples = "tapedeck top tape",
        .now_ns = clock_wall_ns(clock_real()),
    };
    if (!verb_begin(context, &spec, argc, argv, &operands, &status))
        return status;
    td_result rc = TD_OK;
    if (!terminal_has_screen(STDOUT_FILENO, SCREEN_ROWS)) {
        rc = td_err_set(&err, TD_E_INVALID, "top needs a terminal of at least %d rows",
                        (int)SCREEN_ROWS);
        td_err_hint(&err, "'tapedeck ctl ARCHIVE status' prints once");
    } else if (operands.count == 1 && choice.path != NULL) {
        rc = td_err_set(&err, TD_E_INVALID, "the archive is given twice");
    } else if (operands.count == 1) {
        path = operands.items[0];
    } else {
        rc = archive_choice_require(&choice, &path, &err);
    }
    output_init(&output, stdout);
    if (rc == TD_OK)
        rc = show(path, &output, &err);
    return report_end(context->report, &output, rc, &err, EXIT_CODE_DONE);
}
