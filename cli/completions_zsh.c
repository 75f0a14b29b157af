/* zsh: one call of _arguments for each verb. */
#include "cli/completions_impl.h"

/* In single quotes: what _arguments and _describe read themselves. */
static const char SPECIAL[] = "[]:\\";

/* Text within a word in single quotes. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char one[2] = {*text, '\0'};
        if (*text == '\'')
            fputs("'\\''", out);
        else
            completion_put(out, one, SPECIAL);
    }
}

/* ":MESSAGE:ACTION" of a value or an operand. */
static void put_action(FILE *out, completion_kind kind, const char *what,
                       const char *const *choices)
{
    fputc(':', out);
    put_text(out, what);
    fputc(':', out);
    switch (kind) {
    case COMPLETION_NAMES:
    case COMPLETION_NAME_LIST:
        fputs(kind == COMPLETION_NAMES ? "(" : "_values -s , name ", out);
        completion_put_choices(out, choices);
        fputs(kind == COMPLETION_NAMES ? ")" : "", out);
        return;
    case COMPLETION_FOLDER:
        fputs("_files -/", out);
        return;
    case COMPLETION_ARCHIVE:
        fputs("_files -g \"*.mcap(-.)\"", out); /* folders are always offered, too */
        return;
    case COMPLETION_FILE:
        fputs("_files", out);
        return;
    case COMPLETION_NOTHING:
    case COMPLETION_ANYTHING:
        fputc(' ', out);
        return;
    }
}

/* One spelling of an option. */
static void put_spelling(FILE *out, const option_row *row, int is_short)
{
    completion_kind kind = completion_kind_of(row);
    int is_repeatable = row->type == OPTION_LIST;
    char help[COMPLETION_HELP_BYTES];
    completion_help(row, help);
    fputs("    '", out);
    if (is_repeatable)
        fputc('*', out);
    else if (row->short_name != 0)
        fprintf(out, "(-%c --%s)", row->short_name, row->long_name);
    if (is_short)
        fprintf(out, "-%c%s", row->short_name, kind == COMPLETION_NOTHING ? "" : "+");
    else
        fprintf(out, "--%s%s", row->long_name, kind == COMPLETION_NOTHING ? "" : "=");
    fputc('[', out);
    put_text(out, help);
    fputc(']', out);
    if (kind != COMPLETION_NOTHING)
        put_action(out, kind, row->metavar, row->choices);
    fputs("' \\\n", out);
}

static void put_row(FILE *out, const option_row *row)
{
    if (row->short_name != 0)
        put_spelling(out, row, 1);
    put_spelling(out, row, 0);
}

/* Further specs may be given to the function as arguments. */
static void put_verb(FILE *out, const options_spec *spec)
{
    const option_row *rows[COMPLETION_ROWS_MAX];
    size_t count = completion_rows(spec, rows);
    fprintf(out, "_tapedeck_verb_%s() {\n  _arguments -s -S : \"$@\" \\\n", spec->verb);
    for (size_t i = 0; i < count; i++)
        put_row(out, rows[i]);
    completion_kind kind = completion_kind_of_operands(spec);
    if (kind == COMPLETION_NOTHING) {
        fputs("    ': :'\n}\n", out);
        return;
    }
    fputs("    '*", out);
    put_action(out, kind, "argument", NULL);
    fputs("'\n}\n", out);
}

static void put_prelude(FILE *out, const verb_table *table)
{
    fprintf(out, "#compdef %s\n# zsh completion for %s, from '%s --completions zsh'\n",
            table->program, table->program, table->program);
}

static void put_verb_lines(FILE *out, const verb_table *table)
{
    fputs("  local -a verbs\n  verbs=(\n", out);
    for (size_t i = 0; i < table->row_count; i++) {
        fprintf(out, "    '%s:", table->rows[i].name);
        put_text(out, table->rows[i].summary);
        fputs("'\n", out);
    }
    fputs("  )\n", out);
}

static void put_program(FILE *out, const verb_table *table)
{
    fprintf(out, "_%s() {\n  local verb=$words[2]\n", table->program);
    put_verb_lines(out, table);
    fputs("  if (( CURRENT > 2 )); then\n    case $verb in\n    (", out);
    completion_put_verbs(out, table, "|");
    fputs(")\n      (( $+functions[_tapedeck_verb_$verb] )) || return 1\n"
          "      shift words\n      (( CURRENT-- ))\n      _tapedeck_verb_$verb\n      return ;;\n"
          "    (help) (( CURRENT == 3 )) && _describe -t verbs verb verbs; return ;;\n"
          "    esac\n  fi\n",
          out);
    if (table->default_verb == NULL)
        fputs("  if (( CURRENT == 2 )) && [[ $verb != -* ]]; then\n"
              "    verbs+=('help:show help')\n    _describe -t verbs verb verbs\n    return\n  "
              "fi\n  _arguments -s -S : \\\n",
              out);
    else
        fprintf(out, "  _tapedeck_verb_%s \\\n", table->default_verb);
    for (size_t i = 0; i < COMPLETION_PROGRAM_ROW_COUNT; i++)
        if (table->default_verb == NULL || COMPLETION_PROGRAM_ROWS[i].short_name != 'h')
            put_row(out, &COMPLETION_PROGRAM_ROWS[i]); /* the verb has --help itself */
    fprintf(out,
            "    && return\n}\n"
            "# Loaded by compinit, the file is the function; read by 'source', it defines it.\n"
            "if [[ $funcstack[1] == _%s ]]; then\n  _%s \"$@\"\n"
            "elif (( $+functions[compdef] )); then\n  compdef _%s %s\nfi\n",
            table->program, table->program, table->program, table->program);
}

const completion_shell COMPLETION_ZSH = {
    .name = "zsh", .prelude = put_prelude, .verb = put_verb, .program = put_program};
