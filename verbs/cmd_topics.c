/* tapedeck topics: lists the topics that can be decoded. */
#include <string.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "schema/family.h"
#include "schema/message_json.h"

typedef struct topics_options {
    const char *family;
} topics_options;

static const option_row TOPICS_ROWS[] = {
    {.long_name = "family",
     OPTION_INTO(topics_options, family),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "only this family's topics"},
};

static size_t count_rules(const topic_row *row)
{
    size_t count = 0;
    while (count < TOPIC_RULES_MAX && row->rules[count].rule != RULE_NONE)
        count++;
    return count;
}

/* Describe a topic: JSON has every member of its row (schema/message_json.h), text has one line. */
static void describe_topic(result_writer *r, const family *of, const topic_row *row)
{
    result_object_begin(r, NULL);
    if (result_json(r) != NULL) {
        topic_json_members(result_json(r), of, row);
    } else {
        result_text(r, "family", of->name);
        result_text(r, "topic", row->pattern);
        result_text(r, "type", msg_type_name(row->type));
        if (msg_type_has_book(row->type) && row->book_depth > 0) /* levels per side */
            result_number(r, "book", row->book_depth);
        else
            result_text(r, "book", msg_type_has_book(row->type) ? "all" : "");
        result_number(r, "rules", count_rules(row));
        result_text(r, "from", row->valid_from);
        result_text(r, "until", row->valid_until);
        result_text(r, "seen", row->seen);
        result_text(r, "title", row->title);
    }
    result_object_end(r, NULL);
}

/* Describe a family. Lists each address once: the public and the private one may be equal. */
static void describe_family(result_writer *r, const family *of)
{
    result_object_begin(r, NULL);
    result_text(r, "family", of->name);
    result_bool(r, "is_sent", !of->has_ended);
    result_list_begin(r, "addresses");
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        size_t first = 0;
        while (strcmp(of->endpoints[first].url, of->endpoints[i].url) != 0)
            first++;
        if (first < i)
            continue;
        result_object_begin(r, NULL);
        result_text(r, "url", of->endpoints[i].url);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_object_end(r, NULL);
}

/* List the topics from the decoders' own tables, so that the list is complete. */
static void list_topics(result_writer *r, const family *only)
{
    static const table_column COLUMNS[] = {
        {"family", TABLE_LEFT, "{family}"},
        {"topic", TABLE_LEFT, "{topic}"},
        {"type", TABLE_LEFT, "{type}"},
        {"book", TABLE_SPARE_LEFT, "{book}"},
        {"rules", TABLE_SPARE_RIGHT, "{rules}"},
        {"from", TABLE_SPARE_LEFT, "{from}"},
        {"until", TABLE_SPARE_LEFT, "{until}"},
        {"seen", TABLE_SPARE_LEFT, "{seen}"},
        {"what it is", TABLE_SPARE_LEFT, "{title}"},
    };
    size_t count = 1;
    const family *const *families = only != NULL ? &only : family_table(&count);
    result_object_begin(r, NULL);
    result_list_begin(r, "families");
    for (size_t f = 0; f < count; f++)
        describe_family(r, families[f]);
    result_list_end(r);
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t f = 0; f < count; f++)
        for (size_t t = 0; t < families[f]->topic_count; t++)
            describe_topic(r, families[f], &families[f]->topics[t]);
    result_list_end(r);
    result_object_end(r, "{topics}");
}

static td_result run_topics(verb_run *verb)
{
    const topics_options *options = verb->state;
    const family *only = NULL;
    if (options->family != NULL) {
        only = family_find(td_bytes_str(options->family));
        if (only == NULL)
            return family_refuse(td_bytes_str(options->family), &verb->err);
    }
    list_topics(&verb->result, only);
    return TD_OK;
}

exit_code cmd_topics(const verb_context *context, int argc, char **argv)
{
    topics_options options = {0};
    const verb_spec spec = {
        .name = "topics",
        .summary = "List the topics that can be decoded, by family.",
        .statuses = {[EXIT_CODE_USAGE] = "the command line is wrong, or there is no such family"},
        .examples = "tapedeck topics --family v5-linear\n"
                    "tapedeck topics --json",
        .takes = VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON | VERB_TAKES_FAMILIES,
        .own = {{"Topics", TOPICS_ROWS, sizeof TOPICS_ROWS / sizeof TOPICS_ROWS[0], &options}},
        .work = run_topics};
    return verb_run_main(&spec, &options, context, argc, argv);
}
