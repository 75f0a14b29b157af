/* --help, from the same rows that the parser reads. */
#include <string.h>

#include "base/assert.h"
#include "cli/options.h"
#include "cli/options_impl.h"

enum { HELP_COLUMN = 30, HELP_NAME_BYTES = 96 };

const option_row OPTIONS_HELP_ROW = {
    .short_name = 'h', .long_name = "help", .type = OPTION_FLAG, .help = "print this help"};

/* "  -a, --archive DIR"; returns its width. */
static size_t format_name(const option_row *row, char out[HELP_NAME_BYTES])
{
    char letter[8] = "   ";
    if (row->short_name != 0)
        snprintf(letter, sizeof letter, "-%c,", row->short_name);
    const char *value = row->metavar == NULL ? "" : row->metavar;
    TD_ASSERT(option_type_is_bare(row->type) || row->metavar != NULL);
    int width = snprintf(out, HELP_NAME_BYTES, "  %s --%s%s%s", letter, row->long_name,
                         row->metavar == NULL ? "" : " ", value);
    TD_ASSERT(width > 0);
    TD_ASSERT(width < HELP_NAME_BYTES);
    return (size_t)width;
}

/* Text whose further lines start under its first one. */
static void print_indented(FILE *out, const char *text, size_t column)
{
    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');
        size_t length = end == NULL ? strlen(line) : (size_t)(end - line);
        fprintf(out, "%.*s\n", (int)length, line);
        line = end == NULL || end[1] == '\0' ? NULL : end + 1;
        if (line != NULL)
            fprintf(out, "%*s", (int)column, "");
    }
}

static void print_row(FILE *out, const option_row *row)
{
    char name[HELP_NAME_BYTES];
    size_t width = format_name(row, name);
    fputs(name, out);
    if (width + 2 > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", (int)(HELP_COLUMN - width), "");
    print_indented(out, row->help, HELP_COLUMN);
    for (size_t i = 0; row->type == OPTION_ENUM && row->choices[i] != NULL; i++) {
        if (i == 0)
            fprintf(out, "%*sone of: ", HELP_COLUMN, "");
        fprintf(out, "%s%s", row->choices[i], row->choices[i + 1] == NULL ? "\n" : ", ");
    }
    if (row->environment != NULL)
        fprintf(out, "%*s(or $%s)\n", HELP_COLUMN, "", row->environment);
}

void options_print_help(const options_spec *spec, FILE *out)
{
    char name[64];
    options_command_name(spec, name, sizeof name);
    char operands[HELP_NAME_BYTES] = "";
    const option_group *group = NULL;
    const option_row *row = options_operand_row(spec, &group);
    if (spec->operands != NULL)
        snprintf(operands, sizeof operands, " %s", spec->operands);
    else if (row != NULL)
        snprintf(operands, sizeof operands, " [%s]", row->metavar);
    fprintf(out, "usage: %s [OPTION]...%s\n%s\n", name, operands, spec->summary);
    for (size_t g = 0; g < spec->group_count; g++) {
        fprintf(out, "\n%s\n", spec->groups[g].title);
        for (size_t r = 0; r < spec->groups[g].row_count; r++)
            print_row(out, &spec->groups[g].rows[r]);
    }
    print_row(out, &OPTIONS_HELP_ROW);
    fprintf(out, "\n%s\n  ", strchr(spec->examples, '\n') == NULL ? "Example" : "Examples");
    print_indented(out, spec->examples, 2);
}
