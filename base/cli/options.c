#include "base/cli/options.h"

#include <string.h>

#include "base/assert.h"
#include "base/suggest.h"

/* State of parsing argv. Operands are moved to its beginning, which has been read. */
typedef struct walk {
    const options_spec *spec;
    char **argv;
    int argc;
    int at;
    int operand_count;
    td_err *err;
} walk;

static void hint_help(const walk *w)
{
    td_err_hint(w->err, "'tapedeck %s --help' lists the options", w->spec->verb);
}

static int is_named(const option_row *row, const char *name, size_t length)
{
    if (length == 0)
        return row->short_name != 0 && row->short_name == name[0];
    return strlen(row->long_name) == length && memcmp(row->long_name, name, length) == 0;
}

const option_row *options_find(const options_spec *spec, const char *name, size_t length,
                               const option_group **group)
{
    for (size_t g = 0; g < spec->group_count; g++) {
        for (size_t r = 0; r < spec->groups[g].row_count; r++) {
            const option_row *row = &spec->groups[g].rows[r];
            if (is_named(row, name, length) && row->instead == NULL) {
                *group = &spec->groups[g];
                return row;
            }
        }
    }
    return NULL;
}

static td_result refuse_unknown(const walk *w, const char *name, size_t length)
{
    suggest_search search = {.written = td_bytes_of(name, length)};
    const char *instead = NULL;
    for (size_t g = 0; g < w->spec->group_count; g++) {
        for (size_t r = 0; r < w->spec->groups[g].row_count; r++) {
            const option_row *row = &w->spec->groups[g].rows[r];
            if (row->instead == NULL)
                suggest_offer(&search, row->long_name);
            else if (length > 0 && is_named(row, name, length))
                instead = row->instead;
        }
    }
    td_err_set(w->err, TD_E_INVALID, "unknown option --%.*s", (int)length, name);
    if (instead != NULL)
        td_err_hint(w->err, "%s", instead);
    else if (search.name != NULL)
        td_err_hint(w->err, "did you mean --%s?", search.name);
    else
        hint_help(w);
    return TD_E_INVALID;
}

/* Suggests the first option that begins with the letter. */
static td_result refuse_unknown_letter(const walk *w, char letter)
{
    const char *name = NULL;
    for (size_t g = 0; g < w->spec->group_count; g++)
        for (size_t r = 0; r < w->spec->groups[g].row_count; r++)
            if (name == NULL && w->spec->groups[g].rows[r].instead == NULL &&
                w->spec->groups[g].rows[r].long_name[0] == letter)
                name = w->spec->groups[g].rows[r].long_name;
    td_err_set(w->err, TD_E_INVALID, "unknown option -%c", letter);
    if (name != NULL)
        td_err_hint(w->err, "did you mean --%s?", name);
    else
        hint_help(w);
    return TD_E_INVALID;
}

/* Set a row's target from its value; NULL: the value is the next word of the command line. */
static td_result parse_value(walk *w, const option_group *group, const option_row *row,
                             const char *value)
{
    void *target = (char *)group->target + row->offset;
    if (row->type == OPTION_FLAG) {
        if (value != NULL)
            return td_err_set(w->err, TD_E_INVALID, "--%s takes no value, found '%s'",
                              row->long_name, value);
        return options_set_value(row, "", w->spec->now_ns, target, w->err);
    }
    if (value == NULL) {
        if (w->at >= w->argc) {
            td_err_set(w->err, TD_E_INVALID, "--%s needs a value: --%s %s", row->long_name,
                       row->long_name, row->metavar);
            hint_help(w);
            return TD_E_INVALID;
        }
        value = w->argv[w->at++];
    }
    td_result rc = options_set_value(row, value, w->spec->now_ns, target, w->err);
    return rc == TD_OK ? rc : td_err_add(w->err, rc, "--%s", row->long_name);
}

static td_result parse_long(walk *w, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    if (is_named(&OPTIONS_HELP_ROW, word, length))
        return TD_EOF;
    const option_group *group = NULL;
    const option_row *row = length == 0 ? NULL : options_find(w->spec, word, length, &group);
    if (row == NULL)
        return refuse_unknown(w, word, length);
    return parse_value(w, group, row, equals == NULL ? NULL : equals + 1);
}

/* Parse a word such as "-qv" or "-j4": letters of flags. The last letter may be an option with a
 * value, which is the rest of the word or the next word. */
static td_result parse_short(walk *w, const char *word)
{
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == 'h')
            return TD_EOF;
        const option_group *group = NULL;
        const option_row *row = options_find(w->spec, c, 0, &group);
        if (row == NULL)
            return refuse_unknown_letter(w, *c);
        if (row->type != OPTION_FLAG)
            return parse_value(w, group, row, c[1] == '\0' ? NULL : c + 1);
        td_result rc = parse_value(w, group, row, NULL);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result parse_word(walk *w)
{
    char *word = w->argv[w->at++];
    if (word[0] != '-' || word[1] == '\0') {
        w->argv[w->operand_count++] = word;
        return TD_OK;
    }
    if (strcmp(word, "--") == 0) {
        while (w->at < w->argc)
            w->argv[w->operand_count++] = w->argv[w->at++];
        return TD_OK;
    }
    return word[1] == '-' ? parse_long(w, word + 2) : parse_short(w, word + 1);
}

const option_row *options_operand_row(const options_spec *spec)
{
    const option_row *row = spec->group_count == 0 ? NULL : spec->groups[0].rows;
    if (row == NULL || !row->is_operand)
        return NULL;
    size_t size = strlen(row->metavar);
    int is_named = spec->operands != NULL && spec->operands[0] == '[' &&
                   strncmp(spec->operands + 1, row->metavar, size) == 0 &&
                   spec->operands[1 + size] == ']';
    return spec->operands == NULL || is_named ? row : NULL;
}

/* Set the operand row from the first operand; refused if the row's option was given, too. Does
 * nothing if all operands are needed as the verb's own operands. */
static td_result apply_operand(const walk *w, options_operands *operands)
{
    const option_row *row = options_operand_row(w->spec);
    if (row == NULL || operands->count == 0 || operands->count <= w->spec->operand_min)
        return TD_OK;
    TD_ASSERT(row->type == OPTION_TEXT);
    const char **target = (const char **)((char *)w->spec->groups[0].target + row->offset);
    if (*target != NULL) {
        td_err_set(w->err, TD_E_INVALID, "the %s is given twice: '%s', and --%s '%s'",
                   row->long_name, operands->items[0], row->long_name, *target);
        hint_help(w);
        return TD_E_INVALID;
    }
    *target = operands->items[0];
    operands->items++;
    operands->count--;
    return TD_OK;
}

static td_result check_operand_count(walk *w, const options_operands *operands)
{
    const options_spec *spec = w->spec;
    td_result rc = TD_OK;
    if (operands->count > spec->operand_max)
        rc = td_err_set(w->err, TD_E_INVALID, "unexpected argument '%s'",
                        operands->items[spec->operand_max]);
    else if (operands->count < spec->operand_min)
        rc = td_err_set(w->err, TD_E_INVALID, "missing argument: %s",
                        spec->operands == NULL ? "" : spec->operands);
    if (rc != TD_OK)
        hint_help(w);
    return rc;
}

td_result options_parse(const options_spec *spec, int argc, char **argv, options_operands *operands,
                        td_err *err)
{
    TD_ASSERT(spec->group_count <= OPTIONS_GROUPS_MAX);
    TD_ASSERT(spec->operand_max == 0 || spec->operands != NULL);
    walk w = {.spec = spec, .argv = argv, .argc = argc, .at = 1, .err = err};
    while (w.at < w.argc) {
        td_result rc = parse_word(&w);
        if (rc != TD_OK)
            return rc;
    }
    TD_ASSERT(w.operand_count < argc || argc == 0);
    *operands = (options_operands){(const char *const *)argv, (size_t)w.operand_count};
    td_result rc = apply_operand(&w, operands);
    return rc == TD_OK ? check_operand_count(&w, operands) : rc;
}
