/* Prints --help from the same rows that the parser reads. */
#include <string.h>

#include "base/assert.h"
#include "base/cli/options.h"
#include "base/cli/terminal.h"

enum { HELP_COLUMN = 30, STATUS_COLUMN = 6, HELP_NAME_BYTES = 96, HELP_TEXT_BYTES = 2048 };

const option_row OPTIONS_HELP_ROW = {
    .short_name = 'h', .long_name = "help", .type = OPTION_FLAG, .help = "print this help"};

/* Format "  -a, --archive DIR"; returns its width. */
static size_t format_name(const option_row *row, char out[HELP_NAME_BYTES])
{
    char letter[8] = "   ";
    if (row->short_name != 0)
        snprintf(letter, sizeof letter, "-%c,", row->short_name);
    const char *value = row->metavar == NULL ? "" : row->metavar;
    TD_ASSERT(row->type == OPTION_FLAG || row->metavar != NULL);
    int width = snprintf(out, HELP_NAME_BYTES, "  %s --%s%s%s", letter, row->long_name,
                         row->metavar == NULL ? "" : " ", value);
    TD_ASSERT(width > 0);
    TD_ASSERT(width < HELP_NAME_BYTES);
    return (size_t)width;
}

/* Print text from column `first` on, wrapped; later lines begin at `indent`. */
static void print_lines(FILE *out, const char *text, size_t size, size_t first, size_t indent)
{
    for (size_t at = 0; at < size;) {
        size_t width = OPTIONS_HELP_COLUMNS - (at > 0 ? indent : first);
        size_t bytes = terminal_line(text + at, size - at, width);
        if (at > 0)
            fprintf(out, "\n%*s", (int)indent, "");
        fprintf(out, "%.*s", (int)bytes, text + at);
        at += bytes;
        while (at < size && text[at] == ' ')
            at++;
    }
    fputc('\n', out);
}

/* Print wrapped text. A line of the text that begins with spaces is a row of a table. The row
 * begins a new line, indented by these spaces; continuation lines by ROW_INDENT more spaces. */
static void print_wrapped(FILE *out, const char *text, size_t indent)
{
    enum { ROW_INDENT = 2 };
    char part[HELP_TEXT_BYTES];
    for (size_t spaces = 0, row = 0; *text != '\0'; row++) {
        size_t size = 0;
        for (; text[size] != '\0' && !(text[size] == '\n' && text[size + 1] == ' '); size++) {
            TD_ASSERT(size < sizeof part);
            part[size] = (char)(text[size] == '\n' ? ' ' : text[size]);
        }
        const size_t first = indent + spaces;
        fprintf(out, "%*s", row > 0 ? (int)first : 0, "");
        print_lines(out, part, size, first, row > 0 ? first + ROW_INDENT : indent);
        text += size + (text[size] == '\n');
        spaces = strspn(text, " ");
        text += spaces;
    }
}

static void print_row(FILE *out, const option_row *row)
{
    char name[HELP_NAME_BYTES];
    char choices[HELP_TEXT_BYTES] = "";
    size_t width = format_name(row, name);
    fputs(name, out);
    if (width + 2 > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", (int)(HELP_COLUMN - width), "");
    print_wrapped(out, row->help, HELP_COLUMN);
    for (size_t i = 0; row->type == OPTION_ENUM && row->choices[i] != NULL; i++) {
        size_t used = strlen(choices);
        snprintf(choices + used, sizeof choices - used, "%s%s", i == 0 ? "one of: " : ", ",
                 row->choices[i]);
    }
    if (choices[0] != '\0') {
        fprintf(out, "%*s", HELP_COLUMN, "");
        print_wrapped(out, choices, HELP_COLUMN);
    }
}

static void print_statuses(const options_spec *spec, FILE *out)
{
    fputs("\nExit status\n", out);
    for (int i = 0; i < OPTIONS_STATUSES; i++) {
        const char *text = spec->statuses[i];
        if (text == NULL && i == EXIT_CODE_USAGE)
            text = "the command line is wrong";
        if (text == NULL)
            continue;
        fprintf(out, "  %-4d", i);
        print_wrapped(out, text, STATUS_COLUMN);
    }
    fprintf(out, "  %-4dan error in the program: the message says where; please report it\n",
            EXIT_CODE_FAULT);
}

static void print_examples(const options_spec *spec, FILE *out)
{
    fputs("\nExamples\n", out);
    for (const char *at = spec->examples; *at != '\0';) {
        int length = (int)strcspn(at, "\n");
        fprintf(out, "  %.*s\n", length, at);
        at += length + (at[length] == '\n');
    }
}

void options_print_help(const options_spec *spec, FILE *out)
{
    char operands[HELP_NAME_BYTES] = "";
    const option_row *row = options_operand_row(spec);
    if (spec->operands != NULL)
        snprintf(operands, sizeof operands, " %s", spec->operands);
    else if (row != NULL)
        snprintf(operands, sizeof operands, " [%s]", row->metavar);
    fprintf(out, "usage: tapedeck %s [OPTION]...%s\n", spec->verb, operands);
    print_wrapped(out, spec->summary, 0);
    for (size_t g = 0; g < spec->group_count; g++) {
        fprintf(out, "\n%s\n", spec->groups[g].title);
        for (size_t r = 0; r < spec->groups[g].row_count; r++)
            if (spec->groups[g].rows[r].instead == NULL)
                print_row(out, &spec->groups[g].rows[r]);
    }
    print_row(out, &OPTIONS_HELP_ROW);
    print_statuses(spec, out);
    print_examples(spec, out);
}
