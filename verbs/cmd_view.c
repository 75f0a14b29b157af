/* tapedeck view: shows an archive, or two on one timeline, as a page in a browser. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/io.h"
#include "base/io_posix.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "regress/user_decoder.h"
#include "tape/kept_families.h"
#include "view/answers.h"
#include "view/server.h"
#include "view/verb_child.h"

typedef struct view_flags {
    const char *listen;
    const char *ready_file;
} view_flags;

static const option_row VIEW_ROWS[] = {
    {.long_name = "listen",
     OPTION_INTO(view_flags, listen),
     .metavar = "HOST:PORT",
     .help = "address to listen on; with port 0 the kernel chooses the port\n"
             "(default: 127.0.0.1:0). Anybody who knows the page's URL and can reach this\n"
             "address can read the archive"},
    {.long_name = "ready-file",
     OPTION_INTO(view_flags, ready_file),
     .metavar = "FILE",
     .help = "write {\"url\":...} to this file once the page can be opened"},
};

typedef struct view_command {
    view_flags flags;
    decoder_options decoders;
    decoder_words words;
    archive *second; /* NULL: only one is shown */
    remote_io *second_remote;
    int stop_fd; /* an eventfd: a signal has arrived */
} view_command;

static void on_stop(void *user)
{
    const view_command *command = user;
    const uint64_t one = 1;
    (void)!write(command->stop_fd, &one, sizeof one);
}

/* ---- telling where the page is ---- */

static td_result write_url(void *user, td_file *file, td_err *err)
{
    char line[512];
    int size = snprintf(line, sizeof line, "{\"url\":\"%s\"}\n", (const char *)user);
    return td_io_append(file, line, (size_t)size, err);
}

static td_result remove_ready(const char *path, td_err *err)
{
    td_result rc = path == NULL ? TD_OK : td_io_unlink(io_posix(), path, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    return rc == TD_OK ? rc : td_err_add(err, rc, "ready file '%s'", path);
}

static td_result write_ready(const char *path, const char *url, td_err *err)
{
    td_result rc = path == NULL ? TD_OK
                                : td_io_write_file(io_posix(), path, TD_OPEN_CREATE_PRIVATE,
                                                   write_url, (void *)url, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "ready file '%s'", path);
}

/* Open the page in the user's browser: 1, or 0 without a desktop. The browser is not waited for: it
 * may stay. */
static int open_browser(const char *url)
{
    char program[] = "/usr/bin/xdg-open";
    char *address = td_strdup(url);
    char *const words[] = {program, address, NULL};
    pid_t pid;
    int has_desktop = isatty(STDERR_FILENO) == 1 && access(program, X_OK) == 0 &&
                      (getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL);
    int is_open = has_desktop &&
                  td_child_start(program, words, (td_child_ends){-1, -1, -1}, &pid, NULL) == TD_OK;
    td_free(address);
    return is_open;
}

static void tell(const verb_run *verb, const view_server *server)
{
    char host[256] = "this machine";
    const char *url = view_server_url(server);
    const view_command *command = verb->state;
    if (command->second == NULL)
        report_line(verb->report, TD_LOG_INFO, "%s is shown at %s", archive_path(verb->archive),
                    url);
    else
        report_line(verb->report, TD_LOG_INFO, "%s and %s are shown at %s",
                    archive_path(verb->archive), archive_path(command->second), url);
    if (open_browser(url))
        return;
    (void)gethostname(host, sizeof host - 1);
    report_line(verb->report, TD_LOG_INFO,
                "open it in a browser; on another machine run first: ssh -L %u:127.0.0.1:%u %s",
                view_server_port(server), view_server_port(server), host);
}

/* ---- the verb ---- */

static td_result serve_page(verb_run *verb, view_answers *answers)
{
    const view_command *command = verb->state;
    const view_server_options options = {.listen = command->flags.listen,
                                         .option = "--listen",
                                         .audience = VIEW_FOR_BROWSER,
                                         .answer = view_answers_answer,
                                         .user = answers};
    view_server *server = NULL;
    uint64_t arrived;
    td_result rc = view_server_open(&options, &server, &verb->err);
    if (rc == TD_OK)
        rc = write_ready(command->flags.ready_file, view_server_url(server), &verb->err);
    if (rc == TD_OK) {
        tell(verb, server);
        while (!stop_signal_arrived(verb->signals) &&
               read(command->stop_fd, &arrived, sizeof arrived) < 0 && errno == EINTR)
            ;
    }
    view_server_close(server);
    return rc;
}

static td_result check(verb_run *verb)
{
    view_command *command = verb->state;
    if (verb->families.paths.count > VERB_CHILD_FAMILIES_MAX)
        return td_err_set(&verb->err, TD_E_LIMIT, "--families is given more than %d times",
                          VERB_CHILD_FAMILIES_MAX);
    if (verb->operands.count > 0 && verb->catalog != NULL)
        return td_err_set(&verb->err, TD_E_INVALID, "--catalog is for one archive: two are given");
    return decoder_options_words(&command->decoders, &command->words, &verb->err);
}

/* Open the second archive, if it is given, and show it beside the first one. */
static td_result open_second(verb_run *verb, view_answers *first, view_answers **answers)
{
    view_command *command = verb->state;
    const archive_options options = {
        .io = io_posix(), .clock = verb->clock, .log = &verb->log, .verb = "view"};
    if (verb->operands.count == 0)
        return TD_OK;
    td_result rc = remote_open_archive(&options, verb->operands.items[0], &command->second_remote,
                                       &command->second, &verb->err);
    if (rc == TD_OK)
        rc = view_answers_open(command->second, NULL, answers, &verb->err);
    if (rc != TD_OK)
        return rc;
    view_answers_set_decoders(*answers, command->words.list);
    view_answers_set_families(*answers, &verb->families.paths);
    kept_families_add(&command->second, 1, &verb->log);
    view_answers_pair(first, *answers);
    return TD_OK;
}

static td_result work(verb_run *verb)
{
    const view_command *command = verb->state;
    view_answers *answers = NULL;
    view_answers *second = NULL;
    td_result rc = remove_ready(command->flags.ready_file, &verb->err);
    if (rc == TD_OK)
        rc = view_answers_open(verb->archive, verb->catalog, &answers, &verb->err);
    if (rc == TD_OK) {
        view_answers_set_decoders(answers, command->words.list);
        view_answers_set_families(answers, &verb->families.paths);
        rc = open_second(verb, answers, &second);
    }
    if (rc == TD_OK)
        rc = serve_page(verb, answers);
    view_answers_close(answers);
    view_answers_close(second);
    archive_close(command->second);
    remote_io_close(command->second_remote);
    if (rc == TD_OK)
        rc = remove_ready(command->flags.ready_file, &verb->err);
    return rc;
}

exit_code cmd_view(const verb_context *context, int argc, char **argv)
{
    view_command command = {.flags = {.listen = "127.0.0.1:0"}, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    const verb_spec spec = {
        .name = "view",
        .summary = "Show an archive as a page in a browser: what was recorded when, with gaps; and "
                   "its frames. It also shows an archive that is being recorded, and two archives "
                   "on one timeline, with what only one of them has. With a decoder of your own, "
                   "it shows the first message that this decodes differently.",
        .operands = "[ARCHIVE] [OTHER]",
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "ended by a signal",
                     [EXIT_CODE_FAILED] = "an archive cannot be read, or the address is in use"},
        .examples = "tapedeck view archive\n"
                    "tapedeck view archive other\n"
                    "tapedeck view archive --decoder ./mine.so\n"
                    "tapedeck view archive --listen 127.0.0.1:8090",
        .takes = VERB_TAKES_FAMILIES | VERB_STOPS,
        .own = {{"Page", VIEW_ROWS, sizeof VIEW_ROWS / sizeof *VIEW_ROWS, &command.flags},
                option_group_decoder(&command.decoders)},
        .mode = ARCHIVE_READ,
        .calls = {.stop = on_stop, .user = &command},
        .check = check,
        .work = work};
    exit_code code = verb_run_main(&spec, &command, context, argc, argv);
    (void)close(command.stop_fd);
    return code;
}
