/* tapedeck ctl: asks a running recorder, or tells it to read its configuration again, to begin new
 * segments or to stop. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "base/cli/terminal.h"
#include "recorder/control.h"
#include "tape/gap_cover.h"
#include "verbs/cmds.h"
#include "verbs/record_control.h"

/* A reload may read a list of instruments in several pages. */
#define ANSWER_NS (120 * TD_NS_PER_S)

/* One of several recorders that does not answer does not hide the others for long. */
#define ANSWER_OF_SEVERAL_NS (5 * TD_NS_PER_S)

enum { SCREEN_ROWS = 10 };

static td_result check_command(const char *command, td_err *err)
{
    for (const char *const *known = CONTROL_COMMANDS; *known != NULL; known++)
        if (strcmp(*known, command) == 0)
            return TD_OK;
    td_err_set(err, TD_E_INVALID, "'%s' is no command", command);
    td_err_hint(err, "commands are status, top, reload, rotate and stop");
    return TD_E_INVALID;
}

/* Separate the answer's status, and make an error of what failed. */
static td_result read_answer(td_buf *answer, const char **text, td_err *err)
{
    td_result rc = td_buf_append(answer, "", 1, err);
    if (rc != TD_OK)
        return rc;
    char *body = strchr((char *)answer->data, '\n');
    if (body == NULL)
        return td_err_set(err, TD_E_IO, "the recorder's answer is not one");
    *text = ++body;
    if (strncmp((const char *)answer->data, "0\n", 2) == 0)
        return TD_OK;
    char *hint = strchr(body, '\n');
    if (hint != NULL)
        *hint++ = '\0';
    td_err_set(err, TD_E_IO, "%s", body);
    if (hint != NULL && *hint != '\n')
        td_err_hint(err, "%.*s", (int)strcspn(hint, "\n"), hint);
    return TD_E_IO;
}

static td_result ask(const char *folder, const char *command, uint64_t timeout_ns,
                     const json_options *form, output_stream *output, td_err *err)
{
    char request[CONTROL_REQUEST_BYTES];
    const char *text = NULL;
    td_buf answer;
    td_buf_init(&answer, CONTROL_ANSWER_BYTES + 1);
    (void)snprintf(request, sizeof request, "%s %s", command,
                   form->is_json ? "json" : "text"); /* fits */
    td_result rc = control_ask(folder, request, timeout_ns, &answer, err);
    if (rc == TD_OK)
        rc = read_answer(&answer, &text, err);
    if (rc == TD_OK)
        output_bytes(output, td_bytes_str(text));
    td_buf_fini(&answer);
    return rc;
}

/* Show the recorders one below the other, and the error of one that does not answer. If no recorder
 * answers, that is the result. */
static td_result show_once(const char *const *folders, size_t count, const json_options *form,
                           output_stream *output, td_err *err)
{
    const uint64_t timeout_ns = count == 1 ? ANSWER_NS : ANSWER_OF_SEVERAL_NS;
    td_result failed = TD_OK;
    size_t answered = 0;
    for (size_t i = 0; i < count; i++) {
        const td_result rc = ask(folders[i], CONTROL_TOP, timeout_ns, form, output, err);
        if (rc == TD_OK)
            answered++;
        else
            failed = rc;
        if (rc != TD_OK && count > 1)
            output_printf(output, "%s: %s\n", folders[i], err->text);
        if (i + 1 < count)
            output_printf(output, "\n");
    }
    return answered > 0 ? TD_OK : failed;
}

/* Show the recorders once a second, until all have ended or the output is closed. */
static td_result show(const char *const *folders, size_t count, const json_options *form,
                      output_stream *output, td_err *err)
{
    static const char CLEAR[] = "\033[H\033[J";
    if (form->is_json || !terminal_has_screen(STDOUT_FILENO, SCREEN_ROWS)) {
        td_err_set(err, TD_E_INVALID, "top needs a terminal of at least %d rows%s",
                   (int)SCREEN_ROWS, form->is_json ? ", and prints no JSON" : "");
        td_err_hint(err, "'tapedeck ctl ARCHIVE status' prints once");
        return TD_E_INVALID;
    }
    td_result rc = TD_OK;
    while (rc == TD_OK && !output_is_broken(output)) {
        output_bytes(output, td_bytes_str(CLEAR));
        rc = show_once(folders, count, form, output, err);
        output_flush(output);
        if (rc == TD_OK)
            clock_sleep_until(clock_real(), clock_mono_ns(clock_real()) + TD_NS_PER_S);
    }
    return rc;
}

exit_code cmd_ctl(const verb_context *context, int argc, char **argv)
{
    archive_choice choice = {0};
    json_options form = {0};
    options_operands operands;
    exit_code status;
    output_stream output;
    td_err err;
    const char *folders[GAP_ACCOUNTS_MAX] = {NULL};
    option_group groups[] = {option_group_archive(&choice), option_group_json(&form)};
    const options_spec spec = {
        .verb = "ctl",
        .summary = "Ask a running recorder for its status, or tell it to read its configuration "
                   "again, to begin new segments, or to stop. 'top' shows the status on the "
                   "terminal once a second, until Ctrl-C, also of several recorders.",
        .operands = "[ARCHIVE]... status|top|reload|rotate|stop",
        .operand_min = 1,
        .operand_max = GAP_ACCOUNTS_MAX, /* the command, and all archives but the first one */
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = {[EXIT_CODE_DONE] = "the recorder did it",
                     [EXIT_CODE_USAGE] = "the command line is wrong",
                     [EXIT_CODE_FAILED] = ("no recorder runs there, or it did not do it; the "
                                           "message names the reason")},
        .examples = "tapedeck ctl tape status\n"
                    "tapedeck ctl tape top\n"
                    "tapedeck ctl tape other top\n"
                    "tapedeck ctl tape reload\n"
                    "tapedeck ctl -a tape status --json",
        .now_ns = clock_wall_ns(clock_real()),
    };
    if (!verb_begin(context, &spec, argc, argv, &operands, &status))
        return status;
    const char *command = operands.items[operands.count - 1];
    const int is_top = strcmp(command, CONTROL_TOP) == 0;
    td_result rc = check_command(command, &err);
    if (rc == TD_OK && operands.count > 1 && !is_top)
        rc = td_err_set(&err, TD_E_INVALID, "several archives are given: only top shows several");
    if (rc == TD_OK)
        rc = archive_choice_require(&choice, &folders[0], &err);
    for (size_t i = 1; i < operands.count; i++)
        folders[i] = operands.items[i - 1];
    output_init(&output, stdout);
    if (rc == TD_OK && is_top)
        rc = show(folders, operands.count, &form, &output, &err);
    else if (rc == TD_OK)
        rc = ask(folders[0], command, ANSWER_NS, &form, &output, &err);
    return report_end(context->report, &output, rc, &err, EXIT_CODE_DONE);
}
