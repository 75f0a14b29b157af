/* tapedeck note: texts of users about a time of an archive. */
#include <string.h>

#include "archive/notes.h"
#include "tape/empty_selection.h"
#include "tape/timeline.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"

static void describe_note(result_writer *r, const archive_note *note)
{
    const char *names[] = {note->feed, note->topic, note->symbol};
    static const char *const KEYS[] = {"feed", "topic", "symbol"};
    result_object_begin(r, NULL);
    result_time(r, "from_ns", note->time.from_ns);
    result_time(r, "to_ns", note->time.to_ns);
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        result_text(r, KEYS[i], names[i][0] == '\0' ? NULL : names[i]);
    result_text(r, "text", note->text);
    result_bool(r, "keep", note->keeps);
    result_time(r, "made_ns", note->made_ns);
    result_number(r, "lasts_ns", note->time.to_ns - note->time.from_ns);
    result_duration(r, "lasts", note->time.to_ns - note->time.from_ns);
    result_object_end(
        r, "{from_ns}[{lasts_ns?} for {lasts}], [{feed}][{feed!}all feeds][ {topic}][ {symbol}]: "
           "{text}[{keep?} (kept)]\n");
}

/* ---- note add ---- */

typedef struct note_line {
    uint8_t keeps;
} note_line;

static const option_row NOTE_ROWS[] = {
    {.long_name = "keep",
     OPTION_INTO(note_line, keeps),
     .help = "keep the segments with frames of this time: prune does not remove them"},
};

/* Read a glob as a name. */
static td_result read_name(const selection_globs *globs, const char *option,
                           char out[LIMIT_TOPIC_BYTES], td_err *err)
{
    size_t size = 0;
    out[0] = '\0';
    if (globs->count == 0)
        return TD_OK;
    td_result rc = globs->count == 1 ? TD_OK : TD_E_INVALID;
    for (const char *at = globs->items[0]; *at != '\0' && rc == TD_OK; at++) {
        if (strchr("*?[", *at) != NULL || size + 1 >= LIMIT_TOPIC_BYTES)
            rc = TD_E_INVALID;
        if (*at == '\\' && at[1] != '\0')
            at++;
        out[size++] = *at;
    }
    out[size] = '\0';
    if (rc != TD_OK) {
        td_err_set(err, rc, "--%s: a note is about one %s or about all, and has no pattern", option,
                   option);
        td_err_hint(err, "write a note for each %s, or leave --%s out", option, option);
    }
    return rc;
}

typedef struct note_names {
    char feed[LIMIT_TOPIC_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_TOPIC_BYTES];
} note_names;

static int is_name_of(const char *name, const char *of)
{
    return name[0] == '\0' || strcmp(name, of) == 0;
}

/* Check that the archive has the names. A topic as the exchange writes it, publicTrade.BTCUSDT, is
 * replaced by topic and symbol. */
static td_result resolve_names(verb_run *verb, note_names *names)
{
    timeline *over_time = NULL;
    size_t count = 0;
    int is_found = 0;
    td_result rc = timeline_open(verb->archive, &over_time, &verb->err);
    if (rc != TD_OK)
        return rc;
    const timeline_row *rows = timeline_rows(over_time, &count);
    for (size_t i = 0; i < count && !is_found; i++) {
        const timeline_row *row = &rows[i];
        int is_exchange_topic = strcmp(names->topic, row->exchange_topic) == 0 &&
                                strcmp(names->topic, row->topic) != 0 && names->topic[0] != '\0';
        is_found = is_name_of(names->feed, row->feed) && is_name_of(names->symbol, row->symbol) &&
                   (is_exchange_topic || is_name_of(names->topic, row->topic));
        if (is_found && is_exchange_topic) {
            (void)snprintf(names->topic, sizeof names->topic, "%s", row->topic); /* fits */
            (void)snprintf(names->symbol, sizeof names->symbol, "%s", row->symbol);
        }
    }
    timeline_close(over_time);
    if (is_found)
        return TD_OK;
    rc = selection_check_names(verb->archive, &verb->wanted, &verb->err);
    if (rc == TD_OK &&
        verb->wanted.feeds.count + verb->wanted.topics.count + verb->wanted.symbols.count > 0)
        rc = td_err_set(&verb->err, TD_E_NOTFOUND, "the archive has no such topic with data");
    return rc;
}

static td_result add(verb_run *verb)
{
    const note_line *line = verb->state;
    selection wanted = verb->wanted;
    selection_window window;
    note_names names;
    td_result rc = read_name(&wanted.feeds, "feed", names.feed, &verb->err);
    if (rc == TD_OK)
        rc = read_name(&wanted.topics, "topic", names.topic, &verb->err);
    if (rc == TD_OK)
        rc = read_name(&wanted.symbols, "symbol", names.symbol, &verb->err);
    if (rc == TD_OK)
        rc = resolve_names(verb, &names);
    if (rc == TD_OK)
        rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    const archive_note note = {
        .made_ns = clock_wall_ns(clock_real()),
        .time = {window.from_ns, wanted.has_to ? window.to_ns : window.from_ns},
        .feed = names.feed,
        .topic = names.topic,
        .symbol = names.symbol,
        .keeps = line->keeps,
        .text = verb->operands.items[0]};
    rc = note_append(verb->archive, &note, &verb->err);
    if (rc == TD_OK)
        describe_note(&verb->result, &note);
    return rc;
}

static td_result check_add(verb_run *verb)
{
    if (verb->wanted.has_from)
        return TD_OK;
    td_err_set(&verb->err, TD_E_INVALID, "a note needs a time");
    td_err_hint(&verb->err, "give --from for a moment, --from and --to for a stretch");
    return TD_E_INVALID;
}

exit_code cmd_note_add(const verb_context *context, int argc, char **argv)
{
    note_line line = {0};
    const verb_spec spec = {
        .name = "note add",
        .summary = "Write a note about a time of an archive, of all that it has or of one feed,\n"
                   "topic or symbol. Also while a recorder runs.",
        .operands = "[ARCHIVE] TEXT",
        .operand_min = 1,
        .operand_max = 1,
        .examples = "tapedeck note add tape 'exchange maintenance' --from 2026-11-22T03:00 \\\n"
                    "    --to 2026-11-22T03:30",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
        .own = {{"Note", NOTE_ROWS, sizeof NOTE_ROWS / sizeof *NOTE_ROWS, &line}},
        .mode = ARCHIVE_MAINTAIN,
        .check = check_add,
        .work = add};
    return verb_run_main(&spec, &line, context, argc, argv);
}

/* ---- note ls ---- */

static td_result list(verb_run *verb)
{
    selection wanted = verb->wanted;
    selection_window window;
    note_list all;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    rc = note_list_read(verb->archive, &all, &verb->err);
    if (rc != TD_OK) {
        note_list_fini(&all);
        return rc;
    }
    result_object_begin(&verb->result, NULL);
    result_text(&verb->result, "archive", archive_path(verb->archive));
    result_list_begin(&verb->result, "notes");
    for (size_t i = 0; i < all.count; i++)
        if (selection_wants_note(&wanted, window, &all.notes[i]))
            describe_note(&verb->result, &all.notes[i]);
    result_list_end(&verb->result);
    result_object_end(&verb->result, "{notes}[{notes!}no notes\n]");
    note_list_fini(&all);
    return TD_OK;
}

exit_code cmd_note_ls(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "note ls",
        .summary = "List the notes of an archive whose time, feed, topic and symbol are selected.",
        .examples = "tapedeck note ls tape --from 2026-11-22 --to 2026-11-23",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ,
        .work = list};
    return verb_run_main(&spec, NULL, context, argc, argv);
}

/* ---- the table ---- */

static const verb_row VERBS[] = {
    {"add", "write a note about a time of an archive", cmd_note_add, NULL},
    {"ls", "list the notes of an archive", cmd_note_ls, NULL},
};

static const verb_table TABLE = {
    .program = "tapedeck note",
    .summary = "Keep notes about times of an archive: what happened, who should not use it.",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
};

exit_code cmd_note(const verb_context *context, int argc, char **argv)
{
    return verbs_below(&TABLE, context, argc, argv);
}
