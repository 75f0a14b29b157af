/* fish: for each verb a function that adds its options to the command, and under the condition,
 * that it is given. */
#include "cli/completions_impl.h"

static void put_text(FILE *out, const char *text)
{
    fputc('\'', out);
    completion_put(out, text, "'\\");
    fputc('\'', out);
}

/* What completes a value; of an operand all but the condition. */
static void put_action(FILE *out, completion_kind kind, const char *const *choices)
{
    switch (kind) {
    case COMPLETION_NAMES:
        fputs(" -f -a '", out);
        completion_put_choices(out, choices);
        fputs("'", out);
        return;
    case COMPLETION_NAME_LIST:
        fputs(" -f -a '(__fish_complete_list , \"string split \\\" \\\" \\\"", out);
        completion_put_choices(out, choices);
        fputs("\\\"\")'", out);
        return;
    case COMPLETION_FOLDER:
        fputs(" -f -a '(__tapedeck_folders)'", out);
        return;
    case COMPLETION_ARCHIVE:
        fputs(" -f -a '(__tapedeck_archives)'", out);
        return;
    case COMPLETION_FILE:
        fputs(" -F", out);
        return;
    case COMPLETION_NOTHING:
    case COMPLETION_ANYTHING:
        fputs(" -f", out);
        return;
    }
}

static void put_row(FILE *out, const option_row *row)
{
    completion_kind kind = completion_kind_of(row);
    char help[COMPLETION_HELP_BYTES];
    completion_help(row, help);
    if (row->short_name != 0)
        fprintf(out, " -s %c", row->short_name);
    fprintf(out, " -l %s", row->long_name);
    if (kind != COMPLETION_NOTHING) {
        fputs(" -r", out);
        put_action(out, kind, row->choices);
    }
    fputs(" -d ", out);
    put_text(out, help);
    fputc('\n', out);
}

static void put_verb(FILE *out, const options_spec *spec)
{
    const option_row *rows[COMPLETION_ROWS_MAX];
    size_t count = completion_rows(spec, rows);
    fprintf(out, "function __tapedeck_verb_%s\n    complete $argv", spec->verb);
    put_action(out, completion_kind_of_operands(spec), NULL);
    fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        fputs("    complete $argv", out);
        put_row(out, rows[i]);
    }
    fputs("end\n", out);
}

static void put_prelude(FILE *out, const verb_table *table)
{
    fprintf(out,
            "# fish completion for %s, from '%s --completions fish'\n"
            "function __tapedeck_is_verb\n    set -l words (commandline -opc)\n"
            "    test (count $words) -ge 2; and test \"$words[2]\" = $argv[1]\nend\n"
            "function __tapedeck_is_first\n    set -l words (commandline -opc)\n"
            "    test (count $words) -lt 2; or test \"$words[2]\" = --completions\nend\n"
            "# The current word without an option before it: \"--out=DIR\".\n"
            "function __tapedeck_value\n"
            "    string replace -r -- '^--[^=]*=' '' (commandline -ct)\nend\n"
            "function __tapedeck_folders\n    set -l value (__tapedeck_value)\n"
            "    __fish_complete_directories \"$value\"\nend\n"
            "function __tapedeck_archives\n    __tapedeck_folders\n"
            "    set -l files (__tapedeck_value)*.mcap\n    string join \\n -- $files\nend\n"
            "function __tapedeck_is_help\n    set -l words (commandline -opc)\n"
            "    test (count $words) -eq 2; and test \"$words[2]\" = help\nend\n",
            table->program, table->program);
}

static void put_program(FILE *out, const verb_table *table)
{
    const char *program = table->program;
    const char *condition = "-n __tapedeck_is_first";
    if (table->default_verb != NULL) {
        fprintf(out, "__tapedeck_verb_%s -c %s\n", table->default_verb, program);
    } else {
        fprintf(out, "complete -c %s -f\n", program);
        for (size_t i = 0; i < table->row_count; i++) {
            const verb_row *verb = &table->rows[i];
            fprintf(out, "complete -c %s %s -a %s -d ", program, condition, verb->name);
            put_text(out, verb->summary);
            fprintf(out, "\ncomplete -c %s -n __tapedeck_is_help -a %s -d ", program, verb->name);
            put_text(out, verb->summary);
            fprintf(out,
                    "\nfunctions -q __tapedeck_verb_%s; and __tapedeck_verb_%s -c %s"
                    " -n '__tapedeck_is_verb %s'\n",
                    verb->name, verb->name, program, verb->name);
        }
        fprintf(out, "complete -c %s %s -a help -d 'show help'\n", program, condition);
    }
    for (size_t i = 0; i < COMPLETION_PROGRAM_ROW_COUNT; i++)
        if (table->default_verb == NULL || COMPLETION_PROGRAM_ROWS[i].short_name != 'h') {
            fprintf(out, "complete -c %s %s", program, condition);
            put_row(out, &COMPLETION_PROGRAM_ROWS[i]);
        }
}

const completion_shell COMPLETION_FISH = {
    .name = "fish", .prelude = put_prelude, .verb = put_verb, .program = put_program};
