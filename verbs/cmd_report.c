/* tapedeck report: the page of `view`, with its answers in it, as one HTML file. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "base/json/json_write.h"
#include "replay/play/days.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "view/answers.h"
#include "view/saved_answers.h"

typedef struct report_command {
    const char *html;
    const char *heat_map; /* NULL: none */
    view_answers *answers;
    saved_page page;
} report_command;

static const option_row REPORT_ROWS[] = {
    {.long_name = "html",
     OPTION_INTO(report_command, html),
     .metavar = "FILE",
     .help = "write the page to this new file, of at most 5 MiB"},
    {.long_name = "heat-map",
     OPTION_INTO(report_command, heat_map),
     .metavar = "TOPIC",
     .help = "also save the market of this book (orderbook.50) of the one selected symbol\n"
             "over the selected time"},
};

/* ---- days ---- */

/* Write a symbol's day with the members of `days --json` that the page shows. */
static void write_day(json_writer *json, const day_topic *topics, size_t count,
                      const day_topic *sum, uint64_t proven_ns)
{
    char text[TD_TIME_TEXT_BYTES];
    char reasons[DAY_REASONS_BYTES];
    uint64_t frames = 0;
    uint64_t clean = day_share(sum->clean_ns, sum->expected_ns);
    const struct {
        const char *name;
        uint64_t share;
    } shares[] = {
        {"clean_percent", clean - (sum->reasons != 0 && clean == DAY_SHARE_ALL)},
        {"verified_percent", day_share(proven_ns, sum->expected_ns)},
        {"day_percent", day_share(sum->clean_ns, count * TD_NS_PER_DAY)},
    };
    for (size_t i = 0; i < count; i++)
        frames += topics[i].counts.frames;
    td_time_format(sum->day_ns, text);
    text[strlen("2021-04-17")] = '\0';
    day_reasons_text(sum->reasons, reasons);
    json_write_object_begin(json);
    json_write_member_text(json, "feed", sum->feed);
    json_write_member_text(json, "day", text);
    json_write_member_text(json, "symbol", sum->symbol[0] == '\0' ? NULL : sum->symbol);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        (void)snprintf(text, sizeof text, "%u.%02u", (unsigned)(shares[i].share / 100),
                       (unsigned)(shares[i].share % 100));
        json_write_key(json, shares[i].name);
        json_write_raw(json, td_bytes_str(text));
    }
    json_write_member_u64(json, "degraded_ns", sum->degraded_ns);
    json_write_member_u64(json, "missing_ns", sum->missing_ns);
    json_write_member_text(json, "reasons", reasons[0] == '\0' ? NULL : reasons);
    json_write_member_bool(json, "recording", sum->is_recording);
    json_write_member_u64(json, "frames", frames);
    json_write_member_array_begin(json, "topics");
    for (size_t i = 0; i < count; i++) {
        json_write_object_begin(json);
        json_write_member_text(json, "topic", topics[i].topic);
        json_write_member_u64(json, "p50_ns", topics[i].counts.p50_ns);
        json_write_member_u64(json, "p99_ns", topics[i].counts.p99_ns);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* Save the days as the answer to the verb, of all selected time. */
static td_result save_days(report_command *self, const day_list *days, td_err *err)
{
    td_buf answer;
    json_writer json;
    size_t next = 0;
    td_buf_init(&answer, VIEW_ANSWER_BYTES_MAX);
    json_write_begin(&json, &answer);
    json_write_object_begin(&json);
    json_write_member_text(&json, "command", "");
    json_write_member_u64(&json, "status", 0);
    json_write_member_text(&json, "errors", "");
    json_write_member_array_begin(&json, "results");
    json_write_object_begin(&json);
    json_write_member_array_begin(&json, "days");
    for (size_t i = 0; i < days->count; i = next) {
        day_topic sum;
        uint64_t proof_ns[TOPIC_PROOFS];
        next = day_list_sum(days, i, &sum, proof_ns);
        write_day(&json, &days->rows[i], next - i, &sum, proof_ns[PROOF_PROVEN]);
    }
    json_write_array_end(&json);
    json_write_member_array_begin(&json, "silent");
    for (size_t i = 0; i < days->silent.count; i++) {
        if (days->silent.rows[i].is_proven)
            continue;
        json_write_object_begin(&json);
        silent_json_members(&json, &days->silent.rows[i]);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    if (rc == TD_OK)
        rc = saved_page_add(&self->page, "verb/days", td_buf_view(&answer), err);
    td_buf_fini(&answer);
    return rc;
}

/* ---- the page ---- */

static td_result write_page(void *user, td_file *file, td_err *err)
{
    const td_buf *page = user;
    return td_io_append(file, page->data, page->size, err);
}

static td_result make_page(verb_run *verb, const day_list *days, const cursor_stats *stats)
{
    report_command *command = verb->state;
    selection_window window;
    td_result rc = verb_run_window(verb, &verb->wanted, &window);
    if (rc == TD_OK)
        rc = view_answers_open(verb->archive, verb->catalog, &command->answers, &verb->err);
    if (rc != TD_OK)
        return rc;
    rc = saved_page_begin(&command->page, clock_wall_ns(verb->clock),
                          (uint8_t)cursor_is_damaged(stats), &verb->err);
    const saved_answers_of of = {command->answers, &verb->wanted, window, command->heat_map,
                                 verb->signals};
    if (rc == TD_OK)
        rc = save_days(command, days, &verb->err);
    if (rc == TD_OK) /* last: it uses the space that is left */
        rc = saved_answers_add(&command->page, &of, &verb->err);
    if (rc == TD_E_LIMIT)
        rc = td_err_set(&verb->err, TD_E_LIMIT,
                        "the page has more than %d MiB: select less, with a later --from, an "
                        "earlier --to, or fewer symbols (--symbol, --feed)",
                        SAVED_PAGE_BYTES_MAX >> 20);
    if (rc != TD_OK)
        return rc;
    saved_page_end(&command->page);
    rc = td_io_write_file(io_posix(), command->html, TD_OPEN_CREATE, write_page,
                          &command->page.html, &verb->err);
    if (rc != TD_OK)
        return rc;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "file", command->html);
    result_size(r, "bytes", command->page.html.size);
    result_object_end(r, "{file}: {bytes}\n");
    return TD_OK;
}

static td_result check(verb_run *verb)
{
    const report_command *command = verb->state;
    if (command->html != NULL)
        return td_io_check_absent(io_posix(), command->html, &verb->err);
    td_err_set(&verb->err, TD_E_INVALID, "no file is given");
    td_err_hint(&verb->err, "--html report.html");
    return TD_E_INVALID;
}

static td_result work(verb_run *verb)
{
    day_list days;
    cursor_stats stats = {0};
    const observe_options how = verb_run_observing(verb);
    td_result rc = days_find(&how, &verb->wanted, &days, &stats, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        rc = make_page(verb, &days, &stats);
    view_answers_close(((report_command *)verb->state)->answers);
    if (rc == TD_OK && cursor_is_damaged(&stats))
        verb->status = EXIT_CODE_DAMAGE;
    day_list_fini(&days);
    return rc;
}

exit_code cmd_report(const verb_context *context, int argc, char **argv)
{
    report_command command = {0};
    const verb_spec spec = {
        .name = "report",
        .summary =
            "Write the page of 'view' with the selection's coverage, gaps and days as one HTML "
            "file, to be mailed: it needs no server, no other file and no network. The "
            "selection is replayed once.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "a part of the selection cannot be read; the page reports it",
                     [EXIT_CODE_FAILED] =
                         "nothing matches the selection, or the page is too large"},
        .examples = "tapedeck report archive --html report.html --from now-7d\n"
                    "tapedeck report DIR --html map.html --symbol BTCUSDT --heat-map orderbook.50",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_STOPS,
        .own = {{"Report", REPORT_ROWS, sizeof REPORT_ROWS / sizeof *REPORT_ROWS, &command}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = work};
    exit_code code = verb_run_main(&spec, &command, context, argc, argv);
    saved_page_fini(&command.page);
    return code;
}
