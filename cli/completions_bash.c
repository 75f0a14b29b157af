/* bash: one function for each verb, which offers the values of an option, the options, or operands.
 */
#include "cli/completions_impl.h"

static const char PRELUDE[] =
    "_tapedeck_names() { COMPREPLY=($(compgen -W \"$1\" -- \"$cur\")); }\n"
    "_tapedeck_name_list()\n"
    "{\n"
    "    local before=\n"
    "    [[ $cur == *,* ]] && before=${cur%,*},\n"
    "    compopt -o nospace 2>/dev/null\n"
    "    COMPREPLY=($(compgen -P \"$before\" -W \"$1\" -- \"${cur##*,}\"))\n"
    "}\n"
    "_tapedeck_paths()\n"
    "{\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen \"$@\" -- \"$cur\")\n"
    "}\n"
    "# $1: function of a verb; $2: index of the first word that belongs to the verb\n"
    "_tapedeck_complete()\n"
    "{\n"
    "    local i option=${COMP_WORDS[COMP_CWORD - 1]} at=$((COMP_CWORD - 1))\n"
    "    for ((i = $2; i < COMP_CWORD; i++)); do\n"
    "        [[ ${COMP_WORDS[i]} == -- ]] && { \"$1\" operand; return; }\n"
    "    done\n"
    "    # \"--net=main\" comes as three words.\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $option == = && COMP_CWORD -gt 1 ]]; then\n"
    "        at=$((COMP_CWORD - 2)) option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    [[ $option == -* && at -ge $2 ]] && \"$1\" \"$option\" && return\n"
    "    [[ $cur == -* ]] && { \"$1\" options; return; }\n"
    "    \"$1\" operand\n"
    "}\n";

static void put_action(FILE *out, completion_kind kind, const char *const *choices)
{
    switch (kind) {
    case COMPLETION_NAMES:
    case COMPLETION_NAME_LIST:
        fputs(kind == COMPLETION_NAMES ? " _tapedeck_names '" : " _tapedeck_name_list '", out);
        completion_put_choices(out, choices);
        fputs("'", out);
        return;
    case COMPLETION_FOLDER:
        fputs(" _tapedeck_paths -d", out);
        return;
    case COMPLETION_ARCHIVE:
        fputs(" _tapedeck_paths -d; _tapedeck_paths -f -X '!*.mcap'", out);
        return;
    case COMPLETION_FILE:
        fputs(" _tapedeck_paths -f", out);
        return;
    case COMPLETION_NOTHING:
    case COMPLETION_ANYTHING:
        return;
    }
}

static void put_names(FILE *out, const option_row *row, const char *separator)
{
    if (row->short_name != 0)
        fprintf(out, "-%c%s", row->short_name, separator);
    fprintf(out, "--%s", row->long_name);
}

static void put_values(FILE *out, const char *indent, const option_row *const *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        completion_kind kind = completion_kind_of(rows[i]);
        if (kind == COMPLETION_NOTHING)
            continue;
        fputs(indent, out);
        put_names(out, rows[i], " | ");
        fputs(")", out);
        put_action(out, kind, rows[i]->choices);
        fputs(" ;;\n", out);
    }
}

static void put_verb(FILE *out, const options_spec *spec)
{
    const option_row *rows[COMPLETION_ROWS_MAX];
    size_t count = completion_rows(spec, rows);
    fprintf(out, "_tapedeck_verb_%s()\n{\n    case $1 in\n", spec->verb);
    put_values(out, "    ", rows, count);
    fputs("    options) _tapedeck_names '", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i == 0 ? "" : " ", out);
        put_names(out, rows[i], " ");
    }
    fputs("' ;;\n    operand)", out);
    put_action(out, completion_kind_of_operands(spec), NULL);
    fputs(" ;;\n    *) return 1 ;;\n    esac\n}\n", out);
}

static void put_prelude(FILE *out, const verb_table *table)
{
    fprintf(out, "# bash completion for %s, from '%s --completions bash'\n%s", table->program,
            table->program, PRELUDE);
}

/* The first word: a verb or an option of the program; then the verb's own words. */
static void put_program(FILE *out, const verb_table *table)
{
    fprintf(out,
            "_%s()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
            "    COMPREPLY=()\n    if ((COMP_CWORD > 1)); then\n        case $verb in\n        ",
            table->program);
    completion_put_verbs(out, table, " | ");
    fputs(")\n            declare -F \"_tapedeck_verb_$verb\" >/dev/null &&\n"
          "                _tapedeck_complete \"_tapedeck_verb_$verb\" 2\n            return\n"
          "            ;;\n",
          out);
    for (size_t i = 0; i < COMPLETION_PROGRAM_ROW_COUNT; i++)
        put_values(out, "        ", &(const option_row *){&COMPLETION_PROGRAM_ROWS[i]}, 1);
    if (table->default_verb == NULL) {
        fputs("        help) ((COMP_CWORD == 2)) && _tapedeck_names '", out);
        completion_put_verbs(out, table, " ");
        fputs("' ;;\n", out);
    } else {
        fprintf(out, "        *) _tapedeck_complete _tapedeck_verb_%s 1 ;;\n", table->default_verb);
    }
    fputs("        esac\n        return\n    fi\n", out);
    if (table->default_verb != NULL)
        fprintf(out, "    _tapedeck_complete _tapedeck_verb_%s 1\n", table->default_verb);
    fputs("    local offered=(\"${COMPREPLY[@]}\")\n    [[ $cur == -* ]] && _tapedeck_names '",
          out);
    for (size_t i = 0; i < COMPLETION_PROGRAM_ROW_COUNT; i++) {
        fputs(i == 0 ? "" : " ", out);
        put_names(out, &COMPLETION_PROGRAM_ROWS[i], " ");
    }
    fputs("'\n", out);
    if (table->default_verb == NULL) {
        fputs("    [[ $cur != -* ]] && _tapedeck_names '", out);
        completion_put_verbs(out, table, " ");
        fputs(" help'\n", out);
    }
    fprintf(out, "    COMPREPLY+=(\"${offered[@]}\")\n}\ncomplete -F _%s %s\n", table->program,
            table->program);
}

const completion_shell COMPLETION_BASH = {
    .name = "bash", .prelude = put_prelude, .verb = put_verb, .program = put_program};
