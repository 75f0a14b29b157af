/* tapedeck ls: segments, a line each. */
#include <inttypes.h>
#include <string.h>

#include "archive/cmds.h"
#include "archive/verb_run.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "cli/table.h"
#include "cli/units.h"
#include "format/archive_plan.h"

static const table_column LS_COLUMNS[] = {
    {"first frame", TABLE_WHOLE}, {"lasts", TABLE_RIGHT},  {"feed", TABLE_LEFT},
    {"frames", TABLE_RIGHT},      {"chunks", TABLE_RIGHT}, {"size", TABLE_RIGHT},
    {"state", TABLE_WHOLE},       {"segment", TABLE_LEFT},
};

static int wants_channel(void *user, const channel_info *info)
{
    selection_answer answer = selection_ask(user, info);
    return answer == SELECTION_YES || answer == SELECTION_CLASSIFY;
}

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

/* Frames of the wanted channels, in the whole segment; UINT64_MAX: not known. */
static uint64_t count_wanted(const plan_segment *segment)
{
    uint64_t frames = 0;
    for (size_t i = 0; i < segment->channel_count; i++) {
        if (segment->channels[i].is_wanted)
            frames = verb_run_add_count(frames, segment->channels[i].message_count);
    }
    return frames;
}

static void print_json(verb_run *verb, const plan_segment *segment, size_t chunk_count)
{
    json_writer *json = output_json_begin(&verb->output);
    json_write_object_begin(json);
    json_write_member_text(json, "segment", segment->name);
    json_write_member_text(json, "state", segment->is_open ? "open" : "finished");
    verb_run_write_text(json, "feed", segment->feed);
    verb_run_write_text(json, "family", segment->family);
    verb_run_write_text(json, "session", segment->session);
    json_write_member_u64(json, "session_start_ns", segment->session_start_ns);
    json_write_member_u64(json, "number", segment->number);
    json_write_member_u64(json, "first_ns", segment->first_ns);
    json_write_member_u64(json, "last_ns", segment->last_ns);
    verb_run_write_count(json, "frames", count_wanted(segment));
    json_write_member_u64(json, "chunks", chunk_count);
    json_write_member_u64(json, "channels", segment->wanted_count);
    json_write_member_u64(json, "bytes", segment->file_bytes);
    json_write_object_end(json);
    output_json_end(&verb->output);
}

static void add_row(text_table *table, const plan_segment *segment, size_t chunk_count)
{
    TD_ASSERT(segment->wanted_count <= segment->channel_count);
    char first[SHORT_TIME_BYTES];
    char lasts[TD_TIME_TEXT_BYTES];
    verb_run_format_time(segment->first_ns, first);
    td_duration_format(segment->last_ns - segment->first_ns, lasts);
    table_cell(table, "%s", first);
    table_cell(table, "%s", lasts);
    table_cell(table, "%s", segment->feed[0] == '\0' ? "-" : segment->feed);
    table_cell(table, "%s", verb_run_format_count(count_wanted(segment)).text);
    table_cell(table, "%s", format_count(chunk_count).text);
    table_cell(table, "%s", format_size(segment->file_bytes).text);
    table_cell(table, "%s", segment->is_open ? "open" : "finished");
    table_cell(table, "%s", segment->name);
}

/* A segment's chunks are loaded for their count and dropped: an archive of years has millions. */
static td_result print_segments(verb_run *verb, archive_plan *plan)
{
    text_table table;
    table_init(&table, LS_COLUMNS, sizeof LS_COLUMNS / sizeof LS_COLUMNS[0]);
    td_result rc = TD_OK;
    for (size_t i = 0; i < archive_plan_count(plan) && rc == TD_OK; i++) {
        const plan_chunk *chunks = NULL;
        size_t chunk_count = 0;
        rc = archive_plan_chunks(plan, i, &chunks, &chunk_count, &verb->err);
        archive_plan_drop_chunks(plan, i);
        if (rc == TD_OK && verb->json.is_json)
            print_json(verb, archive_plan_segment(plan, i), chunk_count);
        else if (rc == TD_OK)
            add_row(&table, archive_plan_segment(plan, i), chunk_count);
    }
    if (rc == TD_OK)
        rc = table_print(&table, &verb->output, &verb->err);
    table_fini(&table);
    return rc;
}

/* +90s and the like count from the first frame selected, so the window may need a look at the
 * tape. */
static td_result list(verb_run *verb, size_t *unreadable)
{
    selection wanted = verb_run_selection(verb);
    selection_window window;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    plan_query query = {.from_ns = window.from_ns,
                        .to_ns = window.to_ns,
                        .wants_channel = wants_channel,
                        .wants_feed = wants_feed,
                        .user = &wanted};
    archive_plan *plan = NULL;
    rc = archive_plan_open(verb->archive, &query, &plan, &verb->err);
    if (rc != TD_OK)
        return rc;
    *unreadable = archive_plan_unreadable_count(plan);
    rc = archive_plan_count(plan) > 0 || *unreadable > 0 ? print_segments(verb, plan)
                                                         : verb_run_nothing(verb);
    archive_plan_close(plan);
    return rc;
}

exit_code cmd_ls(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {.name = "ls",
                                .summary =
                                    "List the segments that hold something of the selection.",
                                .examples = "tapedeck ls archive --feed inverse --from 2021-04-17",
                                .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
                                .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    size_t unreadable = 0;
    td_result rc = list(&verb, &unreadable);
    return verb_run_end(&verb, rc, unreadable > 0 ? EXIT_CODE_DAMAGE : EXIT_CODE_DONE);
}
