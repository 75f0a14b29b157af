#include "verbs/cmds.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "regress/drift/drift_run.h"
#include "verbs/verb_run.h"

/* Bytes of an example that text shows, and how many of them precede the member in question. */
enum { EXAMPLE_SHOWN_BYTES = 120, EXAMPLE_BEFORE_BYTES = 60 };

typedef struct drift_flags {
    options_time since; /* 0 if not given */
} drift_flags;

static const option_row DRIFT_ROWS[] = {
    {.long_name = "since",
     OPTION_INTO(drift_flags, since),
     .metavar = "TIME",
     .help = "report only findings first seen at this time or later; earlier frames only\nshow "
             "what was known before"},
};

/* ---- the report ---- */

static const table_column COLUMNS[] = {
    {"feed", TABLE_LEFT, "{feed}"},
    {"topic", TABLE_LEFT, "{topic}"},
    {"what", TABLE_LEFT, "{kind}"},
    {"where", TABLE_LEFT, "{path|-}"},
    {"detail", TABLE_LEFT, "{detail|-}"},
    {"frames", TABLE_RIGHT, "{count}"},
    {"first", TABLE_SPARE_LEFT, "{first_ns}"},
    {"last", TABLE_SPARE_LEFT, "{last_ns}"},
    {"example", TABLE_SPARE_LEFT, "{shown}"},
};

/* The part of an example that text shows: around the member or value of the finding. Finds the
 * member only as most frames write it, without escapes. */
static td_bytes shown_part(const drift_finding *f)
{
    const char *dot = strrchr(f->path, '.');
    const char *key = dot == NULL ? f->path : dot + 1;
    char quoted[LIMIT_DRIFT_PATH_BYTES + 2];
    int size_quoted = f->kind == DRIFT_NEW_VALUE ? snprintf(quoted, sizeof quoted, "%s", f->detail)
                                                 : snprintf(quoted, sizeof quoted, "\"%s\"", key);
    TD_ASSERT(size_quoted > 0 && (size_t)size_quoted < sizeof quoted);
    const uint8_t *at = f->example.data;
    if (key[0] != '\0')
        at = memmem(f->example.data, f->example.size, quoted, (size_t)size_quoted);
    size_t from = at == NULL ? 0 : (size_t)(at - f->example.data);
    from = from < EXAMPLE_BEFORE_BYTES ? 0 : from - EXAMPLE_BEFORE_BYTES;
    size_t size = f->example.size - from;
    return td_bytes_of(f->example.data + from,
                       size < EXAMPLE_SHOWN_BYTES ? size : EXAMPLE_SHOWN_BYTES);
}

static void describe_finding(result_writer *r, const drift_finding *f, int is_new)
{
    td_bytes shown = shown_part(f);
    size_t end = (size_t)(shown.data - f->example.data) + shown.size;
    result_object_begin(r, NULL);
    result_text(r, "feed", f->feed);
    result_text(r, "topic", f->topic);
    result_text(r, "kind", drift_kind_name(f->kind));
    result_name(r, "path", f->path);
    result_name(r, "detail", f->detail);
    result_bool(r, "is_new", is_new);
    result_count(r, "count", f->count);
    result_time(r, "first_ns", f->first_ns);
    result_time(r, "last_ns", f->last_ns);
    result_name(r, "symbol", f->symbol);
    result_note(r, "shown", "%s%.*s%s", shown.data > f->example.data ? "..." : "", (int)shown.size,
                (const char *)shown.data, f->example_bytes > end ? "..." : "");
    if (result_json(r) != NULL)
        json_write_member_bytes(result_json(r), "example", f->example);
    result_count(r, "example_bytes", f->example_bytes);
    result_object_end(r, NULL);
}

/* Describe the findings; earlier ones than --since only in JSON. Count the ones since then in
 * *count_new, the earlier ones in *count_known. */
static void describe_findings(verb_run *verb, uint64_t since_ns, drift_table *table,
                              uint64_t *count_new, uint64_t *count_known)
{
    result_writer *r = &verb->result;
    size_t count = 0;
    const drift_finding *list = drift_table_list(table, &count);
    result_table_begin(r, "findings", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < count; i++) {
        int is_new = drift_finding_is_new(&list[i], since_ns);
        int is_known = !is_new && !list[i].is_learnt;
        *count_new += (uint64_t)is_new;
        *count_known += (uint64_t)is_known;
        if (is_new || (is_known && verb->json.is_json))
            describe_finding(r, &list[i], is_new);
    }
    result_list_end(r);
}

static void print_report(verb_run *verb, uint64_t since_ns, const drift_run_result *result)
{
    result_writer *r = &verb->result;
    uint64_t count_new = 0;
    uint64_t count_known = 0;
    uint64_t left_out = drift_table_left_out(result->table, since_ns);
    result_object_begin(r, NULL);
    result_time_or_null(r, "since_ns", since_ns);
    describe_findings(verb, since_ns, result->table, &count_new, &count_known);
    result_count(r, "frames", result->frames);
    result_count(r, "new", count_new);
    result_count(r, "known", count_known);
    result_count(r, "left_out", left_out);
    result_count(r, "damaged_chunks", result->tape.damaged_chunks);
    result_count(r, "unreadable_segments", result->tape.segments_unreadable);
    result_object_end(r, "{findings}[{findings?}\n]"
                         "{frames frame}: [{new new finding}][{new!}no new findings]"
                         "[, {known} known before]"
                         "[, {left_out occurrence} of other findings left out: too many]"
                         "[; {damaged_chunks damaged chunk}]"
                         "[; {unreadable_segments unreadable segment}]\n");
    if (count_new > 0 || left_out > 0) /* findings that were left out may be new */
        verb->status = EXIT_CODE_DIFFERS;
    if (cursor_is_damaged(&result->tape))
        verb->status = EXIT_CODE_DAMAGE;
}

/* ---- the run ---- */

static td_result run(verb_run *verb)
{
    const drift_flags *flags = verb->state;
    drift_run_result result;
    const observe_options how = verb_run_observing(verb);
    td_result rc = drift_run(&how, &verb->wanted, &result, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        print_report(verb, flags->since.at.ns, &result);
    drift_run_result_fini(&result);
    return rc;
}

exit_code cmd_drift(const verb_context *context, int argc, char **argv)
{
    drift_flags flags = {0};
    const verb_spec spec = {
        .name = "drift",
        .summary =
            "Report content of the selected frames that the schema does not know: new topics\n"
            "and fields, fields that are gone, other types, values, scales and ranges.",
        .statuses = {[EXIT_CODE_DONE] = "no findings; with --since: no new ones",
                     [EXIT_CODE_DIFFERS] = "findings",
                     [EXIT_CODE_DAMAGE] = "stored frames are damaged; the others were compared",
                     [EXIT_CODE_FAILED] =
                         "stopped, nothing matches the selection, or the archive cannot be read"},
        .examples = "tapedeck drift DIR\n"
                    "tapedeck drift DIR --from now-30d --since now-1d\n"
                    "tapedeck drift DIR --feed v5-linear --topic 'tickers*' --json",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Drift", DRIFT_ROWS, sizeof DRIFT_ROWS / sizeof *DRIFT_ROWS, &flags}},
        .mode = ARCHIVE_READ,
        .work = run};
    return verb_run_all(&spec, &flags, context, argc, argv);
}
