/* Compiles every template of the simulated exchange (sim/template.h). The build runs it before it
 * links tapedeck-sim:
 *
 * check [--version]
 *
 * Prints a line for each template that does not compile, with its topic or path. Status 0: all
 * compile; 1: one does not. --version: only print the version, to test whether the program runs
 * here. */
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "sim/catalog.h"
#include "sim/http_replies.h"
#include "sim/template.h"

/* Returns 1 and prints an error if the text does not compile. text may be NULL. */
static unsigned check_text(const char *where, const char *name, const char *part, const char *text)
{
    template *made = NULL;
    td_err err;
    td_err_clear(&err);
    if (text == NULL || template_compile(text, &made, &err) == TD_OK) {
        template_close(made);
        return 0;
    }
    const char *const around[2] = {err.hint[0] != '\0' ? " (" : "", err.hint[0] != '\0' ? ")" : ""};
    (void)fprintf(stderr, "sim: %s '%s', %s: %s%s%s%s\n", where, name, part, err.text, around[0],
                  err.hint, around[1]);
    return 1;
}

static unsigned check_table(const char *served, const stream_table *table)
{
    unsigned bad_count = 0;
    char where[64];
    (void)snprintf(where, sizeof where, "%s, topic", served);
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        const stream_row *row = &table->rows[i];
        bad_count += check_text(where, row->topic, "snapshot", row->snapshot);
        if (row->delta != row->snapshot)
            bad_count += check_text(where, row->topic, "delta", row->delta);
    }
    return bad_count;
}

static unsigned check_replies(void)
{
    unsigned bad_count = 0;
    const char *path = NULL, *text;
    for (size_t i = 0; (text = http_replies_template(i, &path)) != NULL; i++)
        bad_count += check_text("HTTP", path, "reply", text);
    return bad_count;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts(TAPEDECK_VERSION) == EOF;
    size_t count = 0;
    const catalog_row *rows = catalog_table(&count);
    unsigned bad_count = check_replies();
    for (size_t i = 0; i < count; i++)
        bad_count += check_table(rows[i].family, rows[i].streams) +
                     check_table(rows[i].family, rows[i].account);
    return bad_count > 0;
}
