#include "cli/completions.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/options_impl.h"

/* The option of every program that prints its script, without the dashes. */
#define COMPLETIONS_OPTION "completions"

/* Options of one verb, and bytes of help beside one. */
enum { ROWS_MAX = 128, HELP_BYTES = 256 };

static const char *const SHELL_NAMES[] = {"bash", "zsh", "fish", NULL};

/* What a program takes instead of a verb, besides --help. */
static const option_row PROGRAM_ROWS[] = {
    {.short_name = 'V', .long_name = "version", .type = OPTION_FLAG, .help = "print the version"},
    {.long_name = COMPLETIONS_OPTION,
     .type = OPTION_ENUM,
     .metavar = "SHELL",
     .help = "print the completion script of a shell",
     .choices = SHELL_NAMES},
};

/* The options that a word may be or have a value of. */
typedef struct row_set {
    const option_row *rows[ROWS_MAX];
    uint8_t is_given[ROWS_MAX];
    size_t count;
} row_set;

static void add_rows(row_set *set, const option_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        TD_ASSERT(set->count < ROWS_MAX);
        set->rows[set->count++] = &rows[i];
    }
}

/* The first line; the prefix ends at end. A prefix that would not stay one field has no candidates.
 */
static void print_kind(const char *kind, const char *word, const char *end, const char *what)
{
    int size = (int)(end - word);
    int is_field = (int)strcspn(word, "\t\n") >= size;
    printf("%s\t%.*s\t%s\n", is_field ? kind : "none", is_field ? size : 0, word, what);
}

/* The kind of a path by its metavar, or by an operand such as "[FILE]...". */
static const char *path_kind(const char *metavar)
{
    static const char *const KINDS[][2] = {
        {"DIR", "folders"}, {"ARCHIVE", "archives"}, {"FILE", "files"}, {"PEM", "files"}};
    metavar += strspn(metavar, "[");
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        size_t size = strlen(KINDS[i][0]);
        if (strncmp(metavar, KINDS[i][0], size) == 0 && !isupper((unsigned char)metavar[size]))
            return KINDS[i][1];
    }
    return "none";
}

/* 1 if "a,b," up to end has the name. */
static int is_listed(const char *list, const char *end, const char *name)
{
    size_t size = strlen(name);
    for (; list < end; list = strchr(list, ',') + 1)
        if (strncmp(list, name, size) == 0 && list[size] == ',')
            return 1;
    return 0;
}

/* Candidates for an option's value, which begins within the word. */
static void offer_value(const option_row *row, const char *word, const char *value)
{
    if (row->choices == NULL) {
        print_kind(path_kind(row->metavar), word, value, row->metavar);
        return;
    }
    int is_list = strcmp(row->metavar, "LIST") == 0;
    const char *comma = is_list ? strrchr(value, ',') : NULL;
    const char *end = comma == NULL ? value : comma + 1;
    print_kind(is_list ? "list" : "names", word, end, is_list ? "name" : row->metavar);
    for (size_t i = 0; row->choices[i] != NULL; i++)
        if (!is_listed(value, end, row->choices[i]))
            puts(row->choices[i]);
}

static void offer_operand(const options_spec *spec, const char *word)
{
    const option_group *group = NULL;
    const option_row *row = options_operand_row(spec, &group);
    if (row != NULL)
        offer_value(row, word, word);
    else
        print_kind(spec->operands == NULL ? "none" : path_kind(spec->operands), word, word,
                   "argument");
}

/* An option's help in one line, without what follows a semicolon outside parentheses. */
static void format_help(const option_row *row, char out[HELP_BYTES])
{
    size_t size = 0;
    int depth = 0; /* of parentheses */
    for (const char *c = row->help; *c != '\0' && size + 1 < HELP_BYTES; c++) {
        depth += (*c == '(') - (*c == ')');
        if (*c == ';' && depth == 0)
            break;
        out[size++] = (char)(*c == '\n' ? ' ' : *c);
    }
    out[size] = '\0';
}

/* The row of a long name, or of a letter (size 0); set->count: none. */
static size_t find_row(const row_set *set, const char *name, size_t size)
{
    size_t i = 0;
    for (; i < set->count; i++) {
        const option_row *row = set->rows[i];
        if (size == 0 ? row->short_name == *name
                      : strlen(row->long_name) == size && memcmp(row->long_name, name, size) == 0)
            break;
    }
    return i;
}

/* Mark the options that a word names. Returns the one that takes a value, and where in the word
 * the value begins (NULL: it is the next word); or NULL. */
static const option_row *read_word(row_set *set, const char *word, const char **value)
{
    int is_long = word[1] == '-';
    size_t size = is_long ? strcspn(word + 2, "=") : 1;
    for (const char *name = word + 1 + is_long; *name != '\0'; name++) {
        size_t i = find_row(set, name, is_long ? size : 0);
        if (i == set->count)
            return NULL;
        set->is_given[i] = 1;
        const char *rest = name + size;
        *value = *rest == '\0' ? NULL : rest + is_long;
        if (!option_type_is_bare(set->rows[i]->type))
            return set->rows[i];
        if (is_long)
            return NULL;
    }
    return NULL;
}

/* 1 for flags in one word, such as "-qv". */
static int is_flags(const row_set *set, const char *word)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        size_t i = find_row(set, letter, 0);
        if (i == set->count || !option_type_is_bare(set->rows[i]->type))
            return 0;
    }
    return word[1] != '\0';
}

/* All options but those that were given and may not be repeated. */
static void offer_options(const row_set *set, const char *word)
{
    int may_grow = is_flags(set, word);
    print_kind("options", word, word, "option");
    for (size_t i = 0; i < set->count; i++) {
        const option_row *row = set->rows[i];
        char help[HELP_BYTES];
        if (set->is_given[i] && row->type != OPTION_LIST)
            continue;
        format_help(row, help);
        if (row->short_name != 0)
            printf("-%c\t%s\n", row->short_name, help);
        if (row->short_name != 0 && may_grow && strchr(word, row->short_name) == NULL)
            printf("%s%c\t%s\n", word, row->short_name, help);
        printf("--%s%s\t%s\n", row->long_name, option_type_is_bare(row->type) ? "" : "=", help);
    }
}

static void offer(row_set *set, const options_spec *spec, const completion_line *line)
{
    const char *word = line->words[line->count - 1];
    const char *value = NULL;
    const option_row *waiting = NULL; /* the option whose value is the next word */
    int has_ended = 0;                /* "--" was read: operands follow */
    for (size_t i = 0; i + 1 < line->count && !has_ended; i++) {
        const char *before = line->words[i];
        const option_row *row =
            waiting != NULL || before[0] != '-' ? NULL : read_word(set, before, &value);
        has_ended = waiting == NULL && strcmp(before, "--") == 0;
        waiting = row != NULL && value == NULL ? row : NULL;
    }
    if (waiting != NULL) {
        offer_value(waiting, word, word);
    } else if (has_ended || word[0] != '-') {
        offer_operand(spec, word);
    } else {
        row_set unmarked = *set; /* an option that is complete already is offered */
        const option_row *row = read_word(set, word, &value);
        if (row != NULL && value != NULL)
            offer_value(row, word, value);
        else
            offer_options(&unmarked, word);
    }
}

void completions_offer(void *line, const options_spec *spec)
{
    const completion_line *of = line;
    row_set set = {.count = 0};
    for (size_t g = 0; g < spec->group_count; g++)
        add_rows(&set, spec->groups[g].rows, spec->groups[g].row_count);
    add_rows(&set, &OPTIONS_HELP_ROW, 1);
    if (of->is_program && (of->count == 1 || completions_asked(of->words[0])))
        add_rows(&set, PROGRAM_ROWS, sizeof PROGRAM_ROWS / sizeof *PROGRAM_ROWS);
    offer(&set, spec, of);
}

void completions_offer_verbs(const completion_line *line, const verb_table *table)
{
    int is_help = line->count == 2 && strcmp(line->words[0], "help") == 0;
    if (!is_help && (line->count > 1 || line->words[0][0] == '-')) {
        completion_line own = *line;
        completions_offer(&own, &(options_spec){.program = table->program});
        return;
    }
    print_kind("names", "", "", "verb");
    for (size_t i = 0; i < table->row_count; i++)
        printf("%s\t%s\n", table->rows[i].name, table->rows[i].summary);
    if (!is_help)
        puts("help\tshow help");
}

int completions_asked(const char *word)
{
    size_t size = sizeof "--" COMPLETIONS_OPTION - 1;
    return strncmp(word, "--" COMPLETIONS_OPTION, size) == 0 &&
           (word[size] == '\0' || word[size] == '=');
}

/* The scripts, in the order of SHELL_NAMES. "PROGRAM" stands for the program's name, by which it is
 * found on PATH. */
/* clang-format off */
static const char *const SCRIPTS[] = {
    "# bash completion for PROGRAM, from 'PROGRAM --completions bash'\n"
    "_PROGRAM()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} words=() lines=() found=() i kind prefix word head\n"
    "    COMPREPLY=()\n"
    "    # \"--net=main\" comes as three words.\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        if ((i > 1)) && [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]]; then\n"
    "            words[-1]+=${COMP_WORDS[i]}\n"
    "        else\n"
    "            words+=(\"${COMP_WORDS[i]}\")\n"
    "        fi\n"
    "    done\n"
    "    [[ $cur == = ]] && cur=\n"
    "    word=${words[-1]} head=${word%\"$cur\"}\n"
    "    mapfile -t lines < <(command PROGRAM --complete \"${words[@]}\" 2>/dev/null)\n"
    "    kind=${lines[0]%%$'\\t'*} prefix=${lines[0]#*$'\\t'} prefix=${prefix%%$'\\t'*}\n"
    "    word=${word#\"$prefix\"}\n"
    "    case $kind in\n"
    "    options | names | list)\n"
    "        [[ $kind == list ]] && compopt -o nospace 2>/dev/null\n"
    "        word=${word#[\\\"\\']}\n"
    "        for i in \"${lines[@]:1}\"; do\n"
    "            i=${i%%$'\\t'*}\n"
    "            # No letters after \"-q\": Tab goes on to the next word.\n"
    "            [[ $i == \"$word\"* && $i != -[!-]?* ]] && found+=(\"${i%=}\")\n"
    "        done\n"
    "        ;;\n"
    "    folders | archives | files)\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t found < <(\n"
    "            case $kind in\n"
    "            files) compgen -f -- \"$word\" ;;\n"
    "            archives) compgen -f -X '!*.mcap' -- \"$word\" ;&\n"
    "            folders) compgen -d -- \"$word\" ;;\n"
    "            esac\n"
    "        )\n"
    "        ;;\n"
    "    esac\n"
    "    for i in \"${found[@]}\"; do\n"
    "        i=$prefix$i\n"
    "        [[ $i == \"$head\"* ]] && COMPREPLY+=(\"${i#\"$head\"}\")\n"
    "    done\n"
    "}\n"
    "complete -F _PROGRAM PROGRAM\n",
    "#compdef PROGRAM\n"
    "# zsh completion for PROGRAM, from 'PROGRAM --completions zsh'\n"
    "_PROGRAM() {\n"
    "  local -a lines head found flags valued\n"
    "  local answer=$(command PROGRAM --complete \"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\" 2>/dev/null)\n"
    "  lines=(\"${(@f)answer}\")\n"
    "  head=(\"${(@ps:\\t:)lines[1]}\")\n"
    "  found=(\"${(@)lines[2,-1]/$'\\t'/:}\")\n"
    "  compset -p ${#head[2]}\n"
    "  case $head[1] in\n"
    "  (options)\n"
    "    flags=(\"${(@)found:#[^:]#=:*}\") valued=(\"${(@)${(@M)found:#[^:]#=:*}/=:/:}\")\n"
    "    _describe -o $head[3] flags -- valued -qS= ;;\n"
    "  (names) _describe $head[3] found ;;\n"
    "  (list) _describe $head[3] found -qS , ;;\n"
    "  (folders) _files -/ ;;\n"
    "  (archives) _files -g '*.mcap(-.)' ;; # folders are always offered, too\n"
    "  (files) _files ;;\n"
    "  (none) _message $head[3] ;;\n"
    "  esac\n"
    "}\n"
    "# Loaded by compinit, the file is the function; read by 'source', it defines it.\n"
    "if [[ $funcstack[1] == _PROGRAM ]]; then\n"
    "  _PROGRAM \"$@\"\n"
    "elif (( $+functions[compdef] )); then\n"
    "  compdef _PROGRAM PROGRAM\n"
    "fi\n",
    "# fish completion for PROGRAM, from 'PROGRAM --completions fish'\n"
    "function __PROGRAM_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l word (commandline -ct)\n"
    "    set -l lines (command PROGRAM --complete $words[2..-1] \"$word\" 2>/dev/null)\n"
    "    test -n \"$lines[1]\"; or return\n"
    "    set -l head (string split \\t -- $lines[1])\n"
    "    set -l files '^[^\\t]*'\n"
    "    switch $head[1]\n"
    "        case options names list\n"
    "            printf '%s\\n' \"$head[2]\"(string replace -r '=\\t' \\t -- $lines[2..-1])\n"
    "            return\n"
    "        case none\n"
    "            return\n"
    "        case folders\n"
    "            set files '^[^\\t]*/'\n"
    "        case archives\n"
    "            set files '^[^\\t]*(/|\\.mcap)(?=\\t|$)'\n"
    "    end\n"
    "    # A command without completions completes files.\n"
    "    set -l value (string replace -- \"$head[2]\" '' \"$word\")\n"
    "    set -l found (complete -C \"__PROGRAM_files $value\" | string match -r $files)\n"
    "    printf '%s\\n' \"$head[2]\"$found\n"
    "end\n"
    "complete -c PROGRAM -f -a '(__PROGRAM_complete)'\n",
};
/* clang-format on */

static exit_code refuse_shell(const verb_context *context, const char *name)
{
    td_err err;
    td_err_clear(&err);
    if (name == NULL)
        td_err_set(&err, TD_E_INVALID, "--%s needs a value", COMPLETIONS_OPTION);
    else
        td_err_set(&err, TD_E_INVALID, "--%s: no completions for the shell '%s'",
                   COMPLETIONS_OPTION, name);
    td_err_hint(&err, "shells: bash, zsh, fish");
    return report_error(context->report, &err);
}

exit_code completions_print(const verb_table *table, const verb_context *context, int argc,
                            char **argv)
{
    static const char NAME[] = "PROGRAM";
    const char *equals = strchr(argv[0], '=');
    const char *shell = equals != NULL ? equals + 1 : argc > 1 ? argv[1] : NULL;
    size_t i = 0;
    while (shell != NULL && SHELL_NAMES[i] != NULL && strcmp(SHELL_NAMES[i], shell) != 0)
        i++;
    if (shell == NULL || SHELL_NAMES[i] == NULL)
        return refuse_shell(context, shell);
    const char *text = SCRIPTS[i];
    for (const char *at; (at = strstr(text, NAME)) != NULL; text = at + sizeof NAME - 1)
        printf("%.*s%s", (int)(at - text), text, table->program);
    fputs(text, stdout);
    return EXIT_CODE_DONE;
}
