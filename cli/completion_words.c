/* What the scripts of all shells are made of. */
#include <ctype.h>
#include <string.h>

#include "base/assert.h"
#include "cli/completions.h"
#include "cli/completions_impl.h"
#include "cli/options_impl.h"

static const char *const SHELL_NAMES[] = {"bash", "zsh", "fish", NULL};

const option_row COMPLETION_PROGRAM_ROWS[] = {
    {.short_name = 'h', .long_name = "help", .type = OPTION_FLAG, .help = "show help"},
    {.short_name = 'V', .long_name = "version", .type = OPTION_FLAG, .help = "print the version"},
    {.long_name = COMPLETIONS_OPTION,
     .type = OPTION_ENUM,
     .metavar = "SHELL",
     .help = "print the completion script of a shell",
     .choices = SHELL_NAMES},
};
const size_t COMPLETION_PROGRAM_ROW_COUNT =
    sizeof COMPLETION_PROGRAM_ROWS / sizeof COMPLETION_PROGRAM_ROWS[0];

static completion_kind kind_of_metavar(const char *metavar)
{
    if (strcmp(metavar, "DIR") == 0)
        return COMPLETION_FOLDER;
    if (strcmp(metavar, "ARCHIVE") == 0)
        return COMPLETION_ARCHIVE;
    if (strcmp(metavar, "FILE") == 0 || strcmp(metavar, "PEM") == 0)
        return COMPLETION_FILE;
    return COMPLETION_ANYTHING;
}

completion_kind completion_kind_of(const option_row *row)
{
    if (option_type_is_bare(row->type))
        return COMPLETION_NOTHING;
    if (row->choices != NULL)
        return strcmp(row->metavar, "LIST") == 0 ? COMPLETION_NAME_LIST : COMPLETION_NAMES;
    return kind_of_metavar(row->metavar);
}

completion_kind completion_kind_of_operands(const options_spec *spec)
{
    const option_group *group = NULL;
    const option_row *row = options_operand_row(spec, &group);
    if (row != NULL)
        return completion_kind_of(row);
    if (spec->operands == NULL)
        return COMPLETION_NOTHING;
    char word[32] = ""; /* FILE of "[FILE]..." */
    size_t size = 0;
    for (const char *c = spec->operands; *c != '\0' && size + 1 < sizeof word; c++)
        if (isupper((unsigned char)*c))
            word[size++] = *c;
    word[size] = '\0';
    return kind_of_metavar(word);
}

size_t completion_rows(const options_spec *spec, const option_row *rows[COMPLETION_ROWS_MAX])
{
    size_t count = 0;
    for (size_t g = 0; g < spec->group_count; g++)
        for (size_t r = 0; r < spec->groups[g].row_count; r++) {
            TD_ASSERT(count + 1 < COMPLETION_ROWS_MAX);
            rows[count++] = &spec->groups[g].rows[r];
        }
    rows[count++] = &OPTIONS_HELP_ROW;
    return count;
}

void completion_help(const option_row *row, char out[COMPLETION_HELP_BYTES])
{
    size_t size = 0;
    int depth = 0; /* of parentheses */
    for (const char *c = row->help; *c != '\0' && size + 1 < COMPLETION_HELP_BYTES; c++) {
        depth += (*c == '(') - (*c == ')');
        if (*c == ';' && depth == 0)
            break;
        out[size++] = *c;
        if (*c == '\n')
            out[size - 1] = ' ';
    }
    out[size] = '\0';
}

void completion_put(FILE *out, const char *text, const char *special)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr(special, *c) != NULL)
            fputc('\\', out);
        fputc(*c, out);
    }
}

void completion_put_choices(FILE *out, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? "" : " ", choices[i]);
}

void completion_put_verbs(FILE *out, const verb_table *table, const char *separator)
{
    for (size_t i = 0; i < table->row_count; i++)
        fprintf(out, "%s%s", i == 0 ? "" : separator, table->rows[i].name);
}
