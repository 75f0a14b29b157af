#include "cli/completions.h"

#include <stdio.h>
#include <string.h>

/* The first line; the prefix ends at end. */
static void print_kind(const char *kind, const char *word, const char *end, const char *what)
{
    printf("%s\t%.*s\t%s\n", kind, (int)(end - word), word, what);
}

/* The kind of a path by its metavar, or by an operand such as "[FILE]...". */
static const char *path_kind(const char *metavar)
{
    if (strstr(metavar, "FILE") != NULL || strstr(metavar, "PEM") != NULL)
        return "files";
    return strstr(metavar, "ARCHIVE") != NULL ? "archives"
           : strstr(metavar, "DIR") != NULL   ? "folders"
                                              : "none";
}

/* Candidates for an option's value, which begins within the word. */
static void offer_value(const option_row *row, const char *word, const char *value)
{
    if (row->choices == NULL) {
        print_kind(path_kind(row->metavar), word, value, row->metavar);
        return;
    }
    print_kind("names", word, value, row->metavar);
    for (size_t i = 0; row->choices[i] != NULL; i++)
        puts(row->choices[i]);
}

static void offer_operand(const options_spec *spec, const char *word)
{
    const option_row *row = options_operand_row(spec);
    if (row != NULL)
        offer_value(row, word, word);
    else
        print_kind(spec->operands == NULL ? "none" : path_kind(spec->operands), word, word,
                   "argument");
}

/* An option and its help in one line. */
static void offer_option(const option_row *row)
{
    char help[512];
    (void)snprintf(help, sizeof help, "%s", row->help); /* rows are short */
    for (char *end = help; (end = strchr(end, '\n')) != NULL;)
        *end = ' ';
    if (row->short_name != 0)
        printf("-%c\t%s\n", row->short_name, help);
    printf("--%s%s\t%s\n", row->long_name, row->type == OPTION_FLAG ? "" : "=", help);
}

static void offer_options(const options_spec *spec, const char *word)
{
    print_kind("options", word, word, "option");
    for (size_t g = 0; g < spec->group_count; g++)
        for (size_t i = 0; i < spec->groups[g].row_count; i++)
            offer_option(&spec->groups[g].rows[i]);
    offer_option(&OPTIONS_HELP_ROW);
}

/* The option that a word names, if it takes a value, and where in the word that begins (NULL: it is
 * the next word). */
static const option_row *read_word(const options_spec *spec, const char *word, const char **value)
{
    int is_long = word[0] == '-' && word[1] == '-';
    const char *name = word + 1 + is_long;
    size_t size = is_long ? strcspn(name, "=") : 1;
    const option_group *group = NULL;
    if (word[0] != '-' || name[0] == '\0')
        return NULL;
    const option_row *row = options_find(spec, name, is_long ? size : 0, &group);
    if (row == NULL || row->type == OPTION_FLAG)
        return NULL;
    *value = name[size] == '\0' ? NULL : name + size + is_long;
    return row;
}

void completions_offer(const completion_line *of, const options_spec *spec)
{
    const char *word = of->words[of->count - 1];
    const char *value = NULL;
    const option_row *waiting = NULL; /* the option whose value is the next word */
    int has_ended = 0;                /* "--" was read: operands follow */
    for (size_t i = 0; i + 1 < of->count && !has_ended; i++) {
        has_ended = waiting == NULL && strcmp(of->words[i], "--") == 0;
        const option_row *row = waiting != NULL ? NULL : read_word(spec, of->words[i], &value);
        waiting = row != NULL && value == NULL ? row : NULL;
    }
    const option_row *own = waiting == NULL && !has_ended ? read_word(spec, word, &value) : NULL;
    if (waiting != NULL)
        offer_value(waiting, word, word);
    else if (own != NULL && value != NULL)
        offer_value(own, word, value);
    else if (has_ended || word[0] != '-')
        offer_operand(spec, word);
    else
        offer_options(spec, word);
}
