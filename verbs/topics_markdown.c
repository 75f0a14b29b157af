#include "verbs/topics_markdown.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/family.h"

enum { COLUMNS = 100 };

/* A document on its way: the first failure is kept. */
typedef struct document {
    td_buf *out;
    td_result rc;
    td_err *err;
} document;

static void put(document *d, const char *text)
{
    if (d->rc == TD_OK)
        d->rc = td_buf_append(d->out, text, strlen(text), d->err);
}

/* Text in a cell of a table or between backquotes; a bar would end the cell. */
static void put_cell(document *d, const char *text)
{
    for (const char *p = text; *p != '\0' && d->rc == TD_OK; p++) {
        if (*p == '|')
            put(d, "\\");
        if (d->rc == TD_OK)
            d->rc = td_buf_append(d->out, p, 1, d->err);
    }
}

static void put_code(document *d, const char *text)
{
    put(d, "`");
    put_cell(d, text);
    put(d, "`");
}

/* Break the lines of a paragraph, which begins at this offset, at COLUMNS characters. Code between
 * backquotes stays on one line. */
static void wrap(document *d, size_t from)
{
    size_t column = 0, space = 0, column_after_space = 0;
    int is_code = 0;
    for (size_t at = from; at < d->out->size && d->rc == TD_OK; at++) {
        uint8_t c = d->out->data[at];
        column += (c & 0xc0) != 0x80 && c != '\n'; /* UTF-8's further bytes take no column */
        is_code ^= c == '`';
        if (c == ' ' && !is_code) {
            space = at;
            column_after_space = column;
        }
        if (column > COLUMNS && space != 0) {
            d->out->data[space] = '\n';
            column -= column_after_space;
            space = 0;
        }
    }
}

static void put_number(document *d, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    put(d, text);
}

/* ---- one topic ---- */

/* "1 to 25 levels a side" of a book, its dates, where its time comes from. */
static void put_facts(document *d, const topic_row *row)
{
    put(d, "Message type ");
    put_code(d, msg_type_name(row->type));
    put(d, ".");
    if (row->type == MSG_BOOK_CHANGE && row->book_depth == 0)
        put(d, " A book without a bound on its depth.");
    if (row->book_depth != 0) {
        put(d, " A book of ");
        put_number(d, row->book_depth);
        put(d, row->book_depth == 1 ? " level a side." : " levels a side.");
    }
    if (row->valid_from != NULL || row->valid_until != NULL)
        put(d, " For frames received");
    if (row->valid_from != NULL) {
        put(d, " from ");
        put(d, row->valid_from);
        put(d, " on");
    }
    if (row->valid_until != NULL) {
        put(d, " before ");
        put(d, row->valid_until);
    }
    if (row->valid_from != NULL || row->valid_until != NULL)
        put(d, ".");
    if (row->symbol_path != NULL) {
        put(d, " On the wire the symbol is at ");
        put_code(d, row->symbol_path);
        if (row->parameter_path != NULL) {
            put(d, ", the parameter at ");
            put_code(d, row->parameter_path);
        }
        put(d, ".");
    }
    put(d, "\n");
}

static const char *action_words(msg_action action)
{
    static const char *const WORDS[] = {
        [ACTION_NONE] = "events",    [ACTION_SET] = "set",         [ACTION_DELETE] = "deleted",
        [ACTION_UPDATE] = "updated", [ACTION_INSERT] = "inserted",
    };
    TD_ASSERT(action <= ACTION_INSERT);
    return WORDS[action];
}

/* Paths of entries. */
static void put_items(document *d, const topic_row *row)
{
    put(d, "\n");
    size_t start = d->out->size;
    put(d, "Entries:");
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        put(d, i == 0 ? " " : "; ");
        if (items->path[0] == '\0')
            put(d, "the frame itself, or each of a list of such");
        else
            put_code(d, items->path);
        put(d, " (");
        put(d, action_words(items->action));
        if (items->kind != FRAME_ANY) {
            put(d, ", in frames of kind ");
            put(d, frame_kind_name(items->kind));
        }
        put(d, items->flags & ITEMS_BUY ? ", bids" : items->flags & ITEMS_SELL ? ", asks" : "");
        put(d, ")");
    }
    put(d, ".\n");
    wrap(d, start);
}

static void put_rules(document *d, const topic_row *row)
{
    if (row->rules[0].rule == RULE_NONE)
        return;
    put(d, "\n");
    size_t start = d->out->size;
    put(d, "Continuity:");
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        put(d, i == 0 ? " " : ", ");
        put_code(d, rule_name(row->rules[i].rule));
        if (row->rules[i].member != MEMBER_NONE) {
            put(d, " of ");
            put(d, msg_member_name(row->rules[i].member));
        }
        if (row->rules[i].strength != STRENGTH_ERROR) {
            put(d, " (");
            put(d, rule_strength_name(row->rules[i].strength));
            put(d, ")");
        }
    }
    put(d, ".\n");
    wrap(d, start);
}

static void put_field(document *d, const field_row *field, const char *where)
{
    put(d, "| ");
    put_code(d, msg_member_name(field->member));
    put(d, " | ");
    put_code(d, field->key);
    put(d, " | ");
    put(d, field_type_name(field->type));
    if (field->unit != UNIT_NONE) {
        put(d, ", ");
        put(d, field_unit_name(field->unit));
    }
    if (field->scale_e10 != 0) {
        put(d, ", times 10^");
        put_number(d, field->scale_e10);
    }
    if (field->flags & FIELD_REQUIRED)
        put(d, ", required");
    put(d, " | ");
    put(d, field->flags & FIELD_INHERITED ? "around the entry" : where);
    put(d, " |\n");
}

static void put_topic(document *d, const topic_row *row)
{
    put(d, "\n### `");
    put_cell(d, row->pattern);
    put(d, "`\n\n");
    size_t start = d->out->size;
    put(d, row->title);
    put(d, ". ");
    put_facts(d, row);
    wrap(d, start);
    put_items(d, row);
    put_rules(d, row);
    put(d, "\n| member | key | is | in |\n|---|---|---|---|\n");
    for (size_t i = 0; i < row->envelope_count; i++)
        put_field(d, &row->envelope[i], "frame");
    for (size_t i = 0; i < row->field_count; i++)
        put_field(d, &row->fields[i], "entry");
}

/* ---- families ---- */

static void put_overview(document *d, const family *of)
{
    put(d, "\n| topic | message | what it is | dates |\n|---|---|---|---|\n");
    for (size_t i = 0; i < of->topic_count; i++) {
        const topic_row *row = &of->topics[i];
        put(d, "| ");
        put_code(d, row->pattern);
        put(d, " | ");
        put(d, msg_type_name(row->type));
        put(d, " | ");
        put_cell(d, row->title);
        put(d, " | ");
        if (topic_row_is_dated(row)) {
            put(d, row->valid_from == NULL ? "" : row->valid_from);
            put(d, " to ");
            put(d, row->valid_until == NULL ? "now" : row->valid_until);
        }
        put(d, " |\n");
    }
}

/* One address may be both the public and the private one. */
static int is_listed(const family *of, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(of->endpoints[i].url, of->endpoints[index].url) == 0)
            return 1;
    return 0;
}

static void put_addresses(document *d, const family *of)
{
    size_t start = d->out->size;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        if (is_listed(of, i))
            continue;
        put(d, i == 0 ? "Addresses: " : ", ");
        put_code(d, of->endpoints[i].url);
    }
    put(d, ".\n");
    wrap(d, start);
}

static void put_family(document *d, const family *of)
{
    put(d, "\n## ");
    put(d, of->name);
    put(d, "\n\n");
    put_addresses(d, of);
    if (of->topic_count == 0) {
        put(d, "\nNo topic of it is decoded: its frames are kept raw.\n");
        return;
    }
    put_overview(d, of);
    for (size_t i = 0; i < of->topic_count; i++)
        put_topic(d, &of->topics[i]);
}

static const char HEAD[] =
    "# Topics\n"
    "\n"
    "All topics that tapedeck decodes, by family: the members of a message, the keys that they "
    "come\n"
    "from, and the rules that are checked from frame to frame. Frames of other topics are "
    "recorded,\n"
    "too, and kept raw.\n"
    "\n"
    "`tapedeck topics --markdown` writes this page from the tables that decode.\n"
    "[replay.md](replay.md#rules) explains the rules; [wire.md](wire.md) has facts about the "
    "wire.\n";

td_result topics_markdown_write(const char *family_name, td_buf *out, td_err *err)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    document d = {out, TD_OK, err};
    put(&d, HEAD);
    for (size_t i = 0; i < count; i++)
        if (family_name == NULL || strcmp(family_name, families[i]->name) == 0)
            put_family(&d, families[i]);
    return d.rc;
}
