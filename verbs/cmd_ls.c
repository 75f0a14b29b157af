/* tapedeck ls: the segments that may have selected frames. */
#include <string.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/alloc.h"
#include "archive/feed_history.h"
#include "archive/read_plan.h"

/* A segment, and its selected content. */
typedef struct ls_row {
    segment_index index; /* without its lists; the row owns path */
    segment_life life;
    uint64_t frames; /* UINT64_MAX: unknown */
    uint64_t chunks, channels;
    chunk_form form;
} ls_row;

typedef struct ls_result {
    ls_row *rows;
    size_t count;
    size_t unreadable; /* segments that cannot be read and are not listed */
} ls_result;

/* Add a segment's row. Loads the chunks of only one segment at a time, because an archive of years
 * has millions of chunks. */
static td_result add_row(ls_result *result, read_plan *plan, const archive_history *past, size_t i,
                         td_err *err)
{
    const planned_segment *segment = read_plan_segment(plan, i);
    td_result rc = read_plan_load_chunks(plan, i, err);
    if (rc != TD_OK)
        return rc;
    result->rows = td_array_grow(result->rows, result->count, sizeof *result->rows);
    ls_row *row = &result->rows[result->count++];
    *row = (ls_row){
        .index = *segment->index,
        .life = segment->life,
        .channels = segment->wanted_count,
        .form = archive_history_form(past, segment->index->path, segment->index->file_bytes)};
    row->index.path = td_strdup(segment->index->path);
    for (size_t k = 0; k < segment->index->channel_count; k++)
        if (segment->is_wanted[k])
            row->frames = message_count_sum(row->frames, segment->index->channels[k].message_count);
    for (size_t k = 0; k < segment->index->chunk_count; k++)
        row->chunks += read_plan_wants_chunk(plan, i, &segment->index->chunks[k]) != 0;
    read_plan_drop(plan, i);
    return TD_OK;
}

/* Find the segments. Relative times such as +90s count from the first selected frame, so the
 * window may have to read the tape. */
static td_result find(verb_run *verb, ls_result *result)
{
    selection wanted = verb->wanted;
    selection_window window;
    archive_view *view = NULL;
    read_plan *plan = NULL;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc == TD_OK)
        rc = archive_view_open(verb->archive, VIEW_ALL, &verb->log, &view, &verb->err);
    if (rc != TD_OK)
        return rc;
    read_query query = selection_query(&wanted, window);
    query.view = view;
    rc = read_plan_open(verb->archive, &query, &plan, &verb->err);
    if (rc == TD_OK)
        result->unreadable = read_plan_unreadable_count(plan);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        rc = add_row(result, plan, &view->past, i, &verb->err);
    read_plan_close(plan);
    archive_view_close(view);
    return rc == TD_OK && result->count + result->unreadable == 0 ? verb_run_why_empty(verb) : rc;
}

/* Describe the segments: JSON has the path, text only the name, because the folder follows from
 * the day in the name. */
static void describe(result_writer *r, const ls_result *result)
{
    static const table_column COLUMNS[] = {
        {"segment", TABLE_LEFT, "{name}"},
        {"state", TABLE_LEFT, "{kept}"},
        {"frames", TABLE_RIGHT, "{frames}"},
        {"size", TABLE_RIGHT, "{bytes}"},
        {"lasts", TABLE_SPARE_RIGHT, "{lasts}"},
        {"chunks", TABLE_SPARE_RIGHT, "{chunks}"},
        {"first frame", TABLE_SPARE_LEFT, "{first_ns}"},
        {"feed", TABLE_SPARE_LEFT, "{feed|-}"},
    };
    result_object_begin(r, NULL);
    result_table_begin(r, "segments", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < result->count; i++) {
        const ls_row *row = &result->rows[i];
        const segment_index *index = &row->index;
        const char *folder_end = strrchr(index->path, '/');
        result_object_begin(r, NULL);
        result_text(r, "segment", index->path);
        result_note(r, "name", "%s", folder_end == NULL ? index->path : folder_end + 1);
        result_text(r, "state", segment_life_name(row->life));
        result_name(r, "packed", chunk_form_name(row->form));
        result_note(r, "kept", "%s",
                    row->form != CHUNKS_RECORDED ? "packed" : segment_life_name(row->life));
        result_name(r, "feed", index->feed);
        result_name(r, "family", index->family);
        result_name(r, "session", index->session);
        result_time(r, "session_start_ns", index->session_start_ns);
        result_number(r, "number", index->number);
        result_time(r, "first_ns", index->first_ns);
        result_time(r, "last_ns", index->last_ns);
        result_duration(r, "lasts", index->last_ns - index->first_ns);
        result_count(r, "frames", row->frames);
        result_count(r, "chunks", row->chunks);
        result_count(r, "channels", row->channels);
        result_size(r, "bytes", index->file_bytes);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_object_end(r, "{segments}");
}

static td_result run_ls(verb_run *verb)
{
    ls_result result = {0};
    td_result rc = find(verb, &result);
    if (rc == TD_OK)
        describe(&verb->result, &result);
    if (result.unreadable > 0)
        verb->status = EXIT_CODE_DAMAGE;
    for (size_t i = 0; i < result.count; i++)
        td_free(result.rows[i].index.path);
    td_free(result.rows);
    return rc;
}

exit_code cmd_ls(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {.name = "ls",
                            .summary = "List the segments that may have selected frames.",
                            .statuses = {[EXIT_CODE_DAMAGE] = "a segment cannot be read"},
                            .examples = "tapedeck ls archive --feed v5-linear --from 2026-11-21",
                            .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
                            .mode = ARCHIVE_READ,
                            .work = run_ls};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
