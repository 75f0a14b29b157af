/* tapedeck ls: segments, a line each. */
#include <inttypes.h>
#include <string.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/assert.h"
#include "archive/read_plan.h"

static const table_column COLUMNS[] = {
    {"first frame", TABLE_WHOLE, "{first_ns}"}, {"lasts", TABLE_RIGHT, "{lasts}"},
    {"feed", TABLE_LEFT, "{feed|-}"},           {"frames", TABLE_RIGHT, "{frames}"},
    {"chunks", TABLE_RIGHT, "{chunks}"},        {"size", TABLE_RIGHT, "{bytes}"},
    {"state", TABLE_WHOLE, "{state}"},          {"segment", TABLE_LEFT, "{segment}"},
};

/* Frames of the wanted channels, in the whole segment; UINT64_MAX: unknown. */
static uint64_t count_wanted(const planned_segment *segment)
{
    uint64_t frames = 0;
    for (size_t i = 0; i < segment->index->channel_count; i++) {
        if (segment->is_wanted[i])
            frames = verb_run_add_count(frames, segment->index->channels[i].message_count);
    }
    return frames;
}

static size_t count_chunks(const read_plan *plan, size_t i)
{
    const segment_index *index = read_plan_segment(plan, i)->index;
    size_t count = 0;
    for (size_t k = 0; k < index->chunk_count; k++)
        count += read_plan_wants_chunk(plan, i, &index->chunks[k]) != 0;
    return count;
}

static void describe(result_writer *r, const planned_segment *segment, size_t chunk_count)
{
    const segment_index *index = segment->index;
    TD_ASSERT(segment->wanted_count <= index->channel_count);
    result_object_begin(r, NULL);
    result_text(r, "segment", index->path);
    result_text(r, "state", segment_life_name(segment->life));
    result_name(r, "feed", index->feed);
    result_name(r, "family", index->family);
    result_name(r, "session", index->session);
    result_time(r, "session_start_ns", index->session_start_ns);
    result_number(r, "number", index->number);
    result_time(r, "first_ns", index->first_ns);
    result_time(r, "last_ns", index->last_ns);
    result_duration(r, "lasts", index->last_ns - index->first_ns);
    result_count(r, "frames", count_wanted(segment));
    result_count(r, "chunks", chunk_count);
    result_count(r, "channels", segment->wanted_count);
    result_size(r, "bytes", index->file_bytes);
    result_object_end(r, NULL);
}

/* A segment's chunks are loaded for their count and dropped: an archive of years has millions. */
static td_result print_segments(verb_run *verb, read_plan *plan)
{
    td_result rc = TD_OK;
    result_table_begin(&verb->result, NULL, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < read_plan_count(plan) && rc == TD_OK; i++) {
        rc = read_plan_load_chunks(plan, i, &verb->err);
        if (rc == TD_OK)
            describe(&verb->result, read_plan_segment(plan, i), count_chunks(plan, i));
        read_plan_drop(plan, i);
    }
    if (rc == TD_OK)
        result_list_end(&verb->result);
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
    const read_query query = selection_query(&wanted, window);
    read_plan *plan = NULL;
    rc = read_plan_open(verb->archive, &query, &plan, &verb->err);
    if (rc != TD_OK)
        return rc;
    *unreadable = read_plan_unreadable_count(plan);
    rc = read_plan_count(plan) > 0 || *unreadable > 0 ? print_segments(verb, plan)
                                                      : verb_run_nothing(verb);
    read_plan_close(plan);
    return rc;
}

exit_code cmd_ls(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "ls",
        .summary = "List the segments that may have selected frames.",
        .statuses = {[EXIT_CODE_DONE] = "done",
                     [EXIT_CODE_DAMAGE] = "a segment cannot be read",
                     [EXIT_CODE_FAILED] =
                         "there is no such archive, or nothing in it matches the selection"},
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
