#include "verbs/cmds.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "regress/drift/drift_run.h"
#include "schema/family.h"
#include "verbs/verb_run.h"

/* Bytes of an example that text shows, and how many of them precede the member in question. */
enum { EXAMPLE_SHOWN_BYTES = 120, EXAMPLE_BEFORE_BYTES = 60 };

typedef struct drift_flags {
    options_time since; /* 0 if not given */
    uint8_t rules;
} drift_flags;

static const option_row DRIFT_ROWS[] = {
    {.long_name = "since",
     OPTION_INTO(drift_flags, since),
     .metavar = "TIME",
     .help = "report only findings first seen at this time or later; earlier frames only\nshow "
             "what was known before"},
    {.long_name = "rules",
     OPTION_INTO(drift_flags, rules),
     .help =
         "measure the rules of the families' documents instead: frames that do not fit,\nbroken "
         "rules, and how many losses of a frame the rules notice"},
};

static void describe_damage(result_writer *r, const drift_run_result *result)
{
    result_count(r, "damaged_chunks", result->tape.damaged_chunks);
    result_count(r, "unreadable_segments", result->tape.segments_unreadable);
}

/* ---- findings ---- */

static const table_column FINDINGS[] = {
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
    result_table_begin(r, "findings", FINDINGS, sizeof FINDINGS / sizeof FINDINGS[0]);
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

static void print_findings(verb_run *verb, uint64_t since_ns, const drift_run_result *result)
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
    describe_damage(r, result);
    result_object_end(r, "{findings}[{findings?}\n]"
                         "{frames frame}: [{new new finding}][{new!}no new findings]"
                         "[, {known} known before]"
                         "[, {left_out occurrence} of other findings left out: too many]"
                         "[; {damaged_chunks damaged chunk}]"
                         "[; {unreadable_segments unreadable segment}]\n");
    if (count_new > 0 || left_out > 0) /* findings that were left out may be new */
        verb->status = EXIT_CODE_DIFFERS;
}

/* ---- rules ---- */

static const table_column TOPICS[] = {
    {"feed", TABLE_LEFT, "{feed}"},
    {"topic", TABLE_LEFT, "{topic}"},
    {"frames", TABLE_RIGHT, "{frames}"},
    {"not decoded", TABLE_RIGHT, "{undecoded}"},
    {"unknown", TABLE_RIGHT, "{unknown_fields}"},
    {"broken", TABLE_RIGHT, "{broken}"},
    {"left out", TABLE_RIGHT, "{left_out}"},
    {"noticed", TABLE_RIGHT, "{noticed}"},
    {"noticed by", TABLE_SPARE_LEFT, "{noticed_by|-}"},
    {"broken rules", TABLE_SPARE_LEFT, "{broken_by|-}"},
    {"pause", TABLE_RIGHT, "{pause}"},
    {"notes", TABLE_SPARE_LEFT, "{noted_by|-}[; {checksums_zero} of {checksums} checksums are 0]"},
};

static void describe_rules(result_writer *r, const char *name, const uint64_t by[RULE_COUNT])
{
    const char *pattern = "{rule} {count}";
    result_list_begin(r, name);
    for (int rule = RULE_NONE + 1; rule < RULE_COUNT; rule++) {
        if (by[rule] == 0)
            continue;
        result_object_begin(r, NULL);
        result_text(r, "rule", rule_name((rule_id)rule));
        result_count(r, "count", by[rule]);
        result_object_end(r, pattern);
        pattern = ", {rule} {count}";
    }
    result_list_end(r);
}

static void describe_topic(result_writer *r, const claims_topic *t)
{
    result_object_begin(r, NULL);
    result_text(r, "feed", t->feed);
    result_text(r, "topic", t->topic);
    result_name(r, "pattern", t->pattern);
    result_count(r, "frames", t->frames);
    result_count(r, "undecoded", t->undecoded);
    result_count(r, "unknown_fields", t->unknown_fields);
    result_count(r, "broken", t->broken);
    describe_rules(r, "broken_by", t->broken_by);
    result_count(r, "left_out", t->trials);
    result_count(r, "noticed", t->noticed);
    describe_rules(r, "noticed_by", t->noticed_by);
    result_number(r, "pause_ns", t->pause_ns);
    result_duration(r, "pause", t->pause_ns);
    describe_rules(r, "noted_by", t->noted_by);
    result_count(r, "checksums", t->checksums);
    result_count(r, "checksums_zero", t->checksums_zero);
    result_object_end(r, NULL);
}

/* 1 if an earlier row of the family, of another time, has the pattern. */
static int is_repeated(const family *of, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (strcmp(of->topics[i].pattern, of->topics[row].pattern) == 0)
            return 1;
    return 0;
}

/* The topics of the families for which the selection shows nothing. */
static void describe_absent(result_writer *r, const claims *found)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    result_list_begin(r, "absent");
    for (size_t f = 0; f < count; f++) {
        const family *of = families[f];
        for (size_t t = 0; claims_has(found, of->name, NULL) && t < of->topic_count; t++) {
            if (is_repeated(of, t) || claims_has(found, of->name, of->topics[t].pattern))
                continue;
            result_object_begin(r, NULL);
            result_text(r, "family", of->name);
            result_text(r, "pattern", of->topics[t].pattern);
            result_object_end(r, "  {family} {pattern}\n");
        }
    }
    result_list_end(r);
}

static void print_rules(verb_run *verb, const drift_run_result *result)
{
    result_writer *r = &verb->result;
    uint64_t not_covered = 0, broken = 0;
    size_t count = 0;
    const claims_topic *const *topics = claims_topics(result->rules, &count);
    result_object_begin(r, NULL);
    result_table_begin(r, "topics", TOPICS, sizeof TOPICS / sizeof TOPICS[0]);
    for (size_t i = 0; i < count; i++) {
        const claims_topic *t = topics[i];
        not_covered += t->undecoded + t->unknown_fields;
        broken += t->broken;
        describe_topic(r, t);
    }
    result_list_end(r);
    describe_absent(r, result->rules);
    result_count(r, "frames", result->frames);
    result_count(r, "not_covered", not_covered);
    describe_damage(r, result);
    result_object_end(r, "{topics}[\n{absent topic} of the documents without a frame:\n{absent}]"
                         "[\nnot covered: {not_covered} ('tapedeck drift' has examples)\n]"
                         "[\n{damaged_chunks damaged chunk}\n]"
                         "[\n{unreadable_segments unreadable segment}\n]");
    if (not_covered + broken > 0)
        verb->status = EXIT_CODE_DIFFERS;
}

/* ---- the run ---- */

static td_result check(verb_run *verb)
{
    const drift_flags *flags = verb->state;
    return flags->rules && flags->since.at.ns != 0
               ? td_err_set(&verb->err, TD_E_INVALID, "--rules and --since exclude each other")
               : TD_OK;
}

static td_result run(verb_run *verb)
{
    const drift_flags *flags = verb->state;
    drift_run_result result;
    const observe_options how = verb_run_observing(verb);
    td_result rc =
        drift_run(&how, &verb->wanted, flags->rules ? DRIFT_WITH_RULES : DRIFT_WITH_SCHEMA, &result,
                  &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK && flags->rules)
        print_rules(verb, &result);
    else if (rc == TD_OK)
        print_findings(verb, flags->since.at.ns, &result);
    if (rc == TD_OK && cursor_is_damaged(&result.tape))
        verb->status = EXIT_CODE_DAMAGE;
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
        .statuses =
            {[EXIT_CODE_DONE] = "no findings; with --since: no new ones; with --rules: every frame "
                                "fits its family's documents",
             [EXIT_CODE_DIFFERS] =
                 "findings; with --rules: a frame was not decoded, has unknown members, or broke "
                 "a rule",
             [EXIT_CODE_DAMAGE] = "stored frames are damaged; the others were compared",
             [EXIT_CODE_FAILED] =
                 "stopped, nothing matches the selection, or the archive cannot be read"},
        .examples = "tapedeck drift DIR\n"
                    "tapedeck drift DIR --from now-30d --since now-1d\n"
                    "tapedeck drift DIR --feed v5-linear --topic 'tickers*' --json\n"
                    "tapedeck drift DIR --rules --families made-up.yaml",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Drift", DRIFT_ROWS, sizeof DRIFT_ROWS / sizeof *DRIFT_ROWS, &flags}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = run};
    return verb_run_main(&spec, &flags, context, argc, argv);
}
