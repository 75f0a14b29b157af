/* tapedeck family check: what documents of families say, measured on an archive. */
#include <string.h>

#include "regress/claims/claims_run.h"
#include "schema/family.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"

static const table_column COLUMNS[] = {
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

/* 1 if a feed of the selection has this family. */
static int has_family(const claims_result *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++)
        if (strcmp(found->topics[i]->family, name) == 0)
            return 1;
    return 0;
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
static void describe_absent(result_writer *r, const claims_result *found)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    result_list_begin(r, "absent");
    for (size_t f = 0; f < count; f++) {
        const family *of = families[f];
        for (size_t t = 0; has_family(found, of->name) && t < of->topic_count; t++) {
            if (is_repeated(of, t) || claims_has_pattern(found, of->name, of->topics[t].pattern))
                continue;
            result_object_begin(r, NULL);
            result_text(r, "family", of->name);
            result_text(r, "pattern", of->topics[t].pattern);
            result_object_end(r, "  {family} {pattern}\n");
        }
    }
    result_list_end(r);
}

static void print_report(verb_run *verb, const claims_result *found)
{
    result_writer *r = &verb->result;
    uint64_t not_covered = 0, broken = 0;
    result_object_begin(r, NULL);
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < found->count; i++) {
        const claims_topic *t = found->topics[i];
        not_covered += t->undecoded + t->unknown_fields;
        broken += t->broken;
        describe_topic(r, t);
    }
    result_list_end(r);
    describe_absent(r, found);
    result_count(r, "frames", found->frames);
    result_count(r, "not_covered", not_covered);
    result_count(r, "damaged_chunks", found->tape.damaged_chunks);
    result_count(r, "unreadable_segments", found->tape.segments_unreadable);
    result_object_end(r, "{topics}[\n{absent topic} of the documents without a frame:\n{absent}]"
                         "[\nnot covered: {not_covered} ('tapedeck drift' has examples)\n]"
                         "[\n{damaged_chunks damaged chunk}\n]"
                         "[\n{unreadable_segments unreadable segment}\n]");
    if (not_covered + broken > 0)
        verb->status = EXIT_CODE_DIFFERS;
    if (cursor_is_damaged(&found->tape))
        verb->status = EXIT_CODE_DAMAGE;
}

/* ---- the run ---- */

static td_result run(verb_run *verb)
{
    claims_result found;
    const observe_options how = verb_run_observing(verb);
    td_result rc = claims_run(&how, &verb->wanted, &found, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        print_report(verb, &found);
    claims_result_fini(&found);
    return rc;
}

exit_code cmd_family_check(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "family check",
        .summary =
            "Measure on the selected frames what the documents of their families say: frames\n"
            "that are not decoded or break a rule, and how many losses of a frame the rules\n"
            "notice.",
        .statuses = {[EXIT_CODE_DONE] = "every frame fits its family's documents",
                     [EXIT_CODE_DIFFERS] =
                         "a frame was not decoded, has unknown members, or broke a rule",
                     [EXIT_CODE_DAMAGE] = "stored frames are damaged; the others were measured",
                     [EXIT_CODE_FAILED] =
                         "stopped, nothing matches the selection, or the archive cannot be read"},
        .examples = "tapedeck family check DIR\n"
                    "tapedeck family check DIR --families made-up.yaml --topic 'orderbook.*'",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .mode = ARCHIVE_READ,
        .work = run};
    return verb_run_all(&spec, NULL, context, argc, argv);
}
