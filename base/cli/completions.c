#include "base/cli/completions.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Print the first line; its prefix is word up to end. */
static void print_kind(const char *kind, const char *word, const char *end, const char *what)
{
    printf("%s\t%.*s\t%s\n", kind, (int)(end - word), word, what);
}

/* The kind of a path, from its metavar or an operand such as "[FILE]...". */
static const char *path_kind(const char *metavar)
{
    if (strstr(metavar, "FILE") != NULL || strstr(metavar, "PEM") != NULL)
        return "files";
    return strstr(metavar, "ARCHIVE") != NULL ? "archives"
           : strstr(metavar, "DIR") != NULL   ? "folders"
                                              : "none";
}

static void offer_name(const char *name)
{
    puts(name);
}

/* Print the archive's names. Expands "~", which the shell has not done yet. */
static void print_names(const options_spec *spec, const char *archive, option_names names)
{
    char path[PATH_MAX];
    const char *home = strncmp(archive, "~/", 2) == 0 ? getenv("HOME") : NULL;
    int size = snprintf(path, sizeof path, "%s%s", home == NULL ? "" : home,
                        home == NULL ? archive : archive + 1);
    if (size > 0 && (size_t)size < sizeof path)
        spec->list_names(path, names, offer_name);
}

/* Print candidates for an option's value. value: where the value begins in the word. archive: the
 * archive of the command line, or NULL. */
static void offer_value(const options_spec *spec, const option_row *row, const char *archive,
                        const char *word, const char *value)
{
    int has_names = row->names != OPTION_NAMES_NONE && archive != NULL && spec->list_names != NULL;
    if (row->choices == NULL && !has_names) {
        print_kind(path_kind(row->metavar), word, value, row->metavar);
        return;
    }
    print_kind("names", word, value, row->metavar);
    for (size_t i = 0; row->choices != NULL && row->choices[i] != NULL; i++)
        puts(row->choices[i]);
    if (has_names)
        print_names(spec, archive, row->names);
}

static void offer_operand(const options_spec *spec, const char *word)
{
    const option_row *row = options_operand_row(spec);
    if (row != NULL)
        offer_value(spec, row, NULL, word, word);
    else
        print_kind(spec->operands == NULL ? "none" : path_kind(spec->operands), word, word,
                   "argument");
}

/* Print an option and its help on one line, without the table at the help's end. */
static void offer_option(const option_row *row)
{
    char help[512];
    (void)snprintf(help, sizeof help, "%s", row->help); /* rows are short */
    char *table = strstr(help, ":\n ");
    if (table != NULL)
        *table = '\0';
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
            if (spec->groups[g].rows[i].instead == NULL)
                offer_option(&spec->groups[g].rows[i]);
    offer_option(&OPTIONS_HELP_ROW);
}

/* The option that a word names, if the option takes a value. *value: the value in the word, or NULL
 * if the value is the next word. */
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

/* State after the words before the last one. */
typedef struct read_words {
    const option_row *waiting; /* the option whose value is the next word, or NULL */
    int has_ended;             /* "--" was read: operands follow */
    const char *archive;       /* NULL: not given */
} read_words;

static read_words read_all(const completion_line *of, const options_spec *spec)
{
    const option_row *operand = options_operand_row(spec);
    read_words read = {.archive = getenv("TAPEDECK_ARCHIVE")};
    for (size_t i = 0; i + 1 < of->count; i++) {
        const char *word = of->words[i];
        const char *value = word;
        int is_operand = read.waiting == NULL && (read.has_ended || word[0] != '-');
        const option_row *row = is_operand ? operand : read.waiting;
        read.waiting = NULL;
        if (row == NULL && !is_operand && strcmp(word, "--") == 0)
            read.has_ended = 1;
        else if (row == NULL && !is_operand)
            row = read_word(spec, word, &value);
        if (row != NULL && value == NULL)
            read.waiting = row;
        else if (row != NULL && row->is_operand && value[0] != '\0')
            read.archive = value;
    }
    return read;
}

void completions_offer(const completion_line *of, const options_spec *spec)
{
    const char *word = of->words[of->count - 1];
    const char *value = NULL;
    const read_words before = read_all(of, spec);
    const option_row *own =
        before.waiting == NULL && !before.has_ended ? read_word(spec, word, &value) : NULL;
    if (before.waiting != NULL)
        offer_value(spec, before.waiting, before.archive, word, word);
    else if (own != NULL && value != NULL)
        offer_value(spec, own, before.archive, word, value);
    else if (before.has_ended || word[0] != '-')
        offer_operand(spec, word);
    else
        offer_options(spec, word);
}
