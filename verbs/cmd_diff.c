#include "verbs/cmds.h"

#include "base/io_posix.h"
#include "remote/remote_io.h"
#include "replay/cut/diff.h"
#include "verbs/verb_run.h"
#include "tape/empty_selection.h"
#include "tape/kept_families.h"

static const char *const SIDES[DIFF_SIDES] = {"a", "b"};

static const table_column STREAM_COLUMNS[] = {
    {"feed", TABLE_LEFT, "{feed}"},       {"topic", TABLE_LEFT, "{topic}"},
    {"symbol", TABLE_LEFT, "{symbol|-}"}, {"same", TABLE_RIGHT, "{same}"},
    {"only a", TABLE_RIGHT, "{only_a}"},  {"only b", TABLE_RIGHT, "{only_b}"},
    {"moved", TABLE_RIGHT, "{moved}"},
};

static const table_column STRETCH_COLUMNS[] = {
    {"only in", TABLE_LEFT, "{side}"},   {"feed", TABLE_LEFT, "{feed}"},
    {"topic", TABLE_LEFT, "{topic}"},    {"symbol", TABLE_LEFT, "{symbol|-}"},
    {"from", TABLE_LEFT, "{from_ns}"},   {"to", TABLE_LEFT, "{to_ns}"},
    {"frames", TABLE_RIGHT, "{frames}"},
};

static uint64_t differing(const diff_counts *counts)
{
    return counts->only[0] + counts->only[1] + counts->moved;
}

static void describe_names(result_writer *r, const diff_stream *s)
{
    result_text(r, "feed", s->feed);
    result_text(r, "topic", s->topic);
    result_name(r, "symbol", s->symbol);
}

static void describe_counts(result_writer *r, const diff_counts *counts)
{
    result_count(r, "same", counts->same);
    result_count(r, "only_a", counts->only[0]);
    result_count(r, "only_b", counts->only[1]);
    result_count(r, "moved", counts->moved);
}

/* Text lists the streams that differ, JSON all. */
static void describe_streams(result_writer *r, const diff_result *found)
{
    result_table_begin(r, "streams", STREAM_COLUMNS,
                       sizeof STREAM_COLUMNS / sizeof *STREAM_COLUMNS);
    for (size_t i = 0; i < found->stream_count; i++) {
        const diff_stream *s = found->streams[i];
        if (result_json(r) == NULL && differing(&s->counts) == 0)
            continue;
        result_object_begin(r, NULL);
        describe_names(r, s);
        describe_counts(r, &s->counts);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_stretches(result_writer *r, const diff_result *found)
{
    result_table_begin(r, "stretches", STRETCH_COLUMNS,
                       sizeof STRETCH_COLUMNS / sizeof *STRETCH_COLUMNS);
    for (size_t i = 0; i < found->stretch_count; i++) {
        const diff_stretch *row = &found->stretches[i];
        result_object_begin(r, NULL);
        result_text(r, "side", SIDES[row->side]);
        describe_names(r, row->stream);
        result_time(r, "from_ns", row->first_ns);
        result_time(r, "to_ns", row->last_ns);
        result_count(r, "frames", row->frames);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_count(r, "stretches_left_out", found->stretches_left_out);
}

static void describe(verb_run *verb, const diff_result *found)
{
    int is_same = differing(&found->totals) == 0;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "a", verb->operands.items[0]);
    result_text(r, "b", verb->operands.items[1]);
    result_text(r, "verdict", is_same ? "same" : "different");
    describe_counts(r, &found->totals);
    result_bool(r, "damaged", found->is_damaged);
    describe_streams(r, found);
    describe_stretches(r, found);
    result_styled(r, "styled", is_same ? TERMINAL_GOOD : TERMINAL_BAD,
                  is_same ? "the same" : "DIFFERENT");
    result_object_end(r,
                      "{streams}[{streams?}\n]{stretches}[{stretches?}\n]"
                      "[{stretches_left_out} further stretches are not listed\n]"
                      "[{damaged?}stored frames are damaged: 'tapedeck verify' reports where\n]"
                      "{styled}: {same frame} in both[, {only_a} only in a][, {only_b} only in b]"
                      "[, {moved} in another order]\n");
}

static td_result open_side(verb_run *verb, int side, remote_io **remote, archive **out)
{
    const archive_options options = {
        .io = io_posix(), .clock = verb->clock, .log = &verb->log, .verb = "diff"};
    return remote_open_archive(&options, verb->operands.items[side], remote, out, &verb->err);
}

static td_result run(verb_run *verb)
{
    archive *sides[DIFF_SIDES] = {NULL, NULL};
    remote_io *remotes[DIFF_SIDES] = {NULL, NULL};
    diff_result found = {0};
    td_result rc = TD_OK;
    for (int side = 0; rc == TD_OK && side < DIFF_SIDES; side++)
        rc = open_side(verb, side, &remotes[side], &sides[side]);
    if (rc == TD_OK) {
        kept_families_add(sides, DIFF_SIDES, &verb->log);
        rc = diff_archives(sides, &verb->wanted, &found, &verb->err);
    }
    if (rc == TD_OK && found.stream_count == 0 && !found.is_damaged)
        rc = selection_why_empty(sides[0], &verb->wanted, NULL, &verb->err);
    if (rc == TD_OK) {
        describe(verb, &found);
        verb->status = found.is_damaged               ? EXIT_CODE_DAMAGE
                       : differing(&found.totals) > 0 ? EXIT_CODE_DIFFERS
                                                      : EXIT_CODE_DONE;
    }
    diff_result_fini(&found);
    for (int side = 0; side < DIFF_SIDES; side++) {
        archive_close(sides[side]);
        remote_io_close(remotes[side]);
    }
    return rc;
}

exit_code cmd_diff(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "diff",
        .summary =
            "Compare what two archives received, stream by stream: which frames one has and\n"
            "the other lacks.",
        .operands = "A B",
        .operand_min = 2,
        .operand_max = 2,
        .statuses = {[EXIT_CODE_DONE] = "the same",
                     [EXIT_CODE_DIFFERS] = "frames are missing from one side, or in another order",
                     [EXIT_CODE_DAMAGE] = "stored frames are damaged; the others were compared",
                     [EXIT_CODE_FAILED] =
                         "there is no such archive, or nothing in it matches the selection"},
        .examples =
            "tapedeck diff ARCHIVE OTHER\n"
            "tapedeck diff ARCHIVE bug.mcap --feed v5-linear --from 2026-11-22T03:12 --json",
        .takes = VERB_TAKES_FAMILIES | VERB_HAS_NO_ARCHIVE | VERB_TAKES_SELECTION | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ,
        .work = run};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
