#include "cli/completions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/completions_impl.h"
#include "cli/options_impl.h"
#include "cli/verb_exec.h"

static const completion_shell *find_shell(const char *name)
{
    static const completion_shell *const SHELLS[] = {&COMPLETION_BASH, &COMPLETION_ZSH,
                                                     &COMPLETION_FISH};
    for (size_t i = 0; i < sizeof SHELLS / sizeof SHELLS[0]; i++)
        if (strcmp(SHELLS[i]->name, name) == 0)
            return SHELLS[i];
    return NULL;
}

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

static void describe_verb(void *user, const options_spec *spec)
{
    const completion_shell *const *shell = user;
    (*shell)->verb(stdout, spec);
}

/* Have another program print its script into our stdout. */
static exit_code print_other(const verb_context *context, const char *program, const char *shell)
{
    td_err err;
    td_err_clear(&err);
    char option[] = "--" COMPLETIONS_OPTION;
    char name[16];
    snprintf(name, sizeof name, "%s", shell);
    char *words[] = {option, name, NULL};
    fflush(stdout); /* before the other's output, and not twice */
    pid_t child = fork();
    if (child == 0) {
        td_result rc = verb_exec(program, words, &err);
        TD_ASSERT(rc != TD_OK);
        _exit((int)report_error(context->report, &err));
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            child = -1;
    if (child < 0) {
        td_err_set_os(&err, errno, "cannot start %s", program);
        return report_error(context->report, &err);
    }
    return WIFEXITED(status) ? (exit_code)WEXITSTATUS(status) : EXIT_CODE_FAILED;
}

/* The program that has the verb of a row, if no row before it names the same one; else NULL. */
static const char *first_of_program(const verb_table *table, size_t index)
{
    const verb_row *row = &table->rows[index];
    if (row->run != NULL)
        return NULL;
    TD_ASSERT(row->program != NULL);
    for (size_t i = 0; i < index; i++)
        if (table->rows[i].run == NULL && table->rows[i].program != NULL &&
            strcmp(table->rows[i].program, row->program) == 0)
            return NULL;
    return row->program;
}

static exit_code print_others(const verb_table *table, const verb_context *context,
                              const char *shell)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const char *program = first_of_program(table, i);
        exit_code status = program == NULL ? EXIT_CODE_DONE : print_other(context, program, shell);
        if (status != EXIT_CODE_DONE)
            return status;
    }
    return EXIT_CODE_DONE;
}

int completions_asked(const char *word)
{
    size_t size = sizeof "--" COMPLETIONS_OPTION - 1;
    return strncmp(word, "--" COMPLETIONS_OPTION, size) == 0 &&
           (word[size] == '\0' || word[size] == '=');
}

exit_code completions_print(const verb_table *table, const verb_context *context, int argc,
                            char **argv)
{
    const char *equals = strchr(argv[0], '=');
    const char *shell = equals != NULL ? equals + 1 : argc > 1 ? argv[1] : NULL;
    const completion_shell *renderer = shell == NULL ? NULL : find_shell(shell);
    if (renderer == NULL)
        return refuse_shell(context, shell);
    verb_context describing = *context;
    describing.describe = describe_verb;
    describing.describe_user = &renderer;
    renderer->prelude(stdout, table);
    for (size_t i = 0; i < table->row_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", table->rows[i].name);
        char *words[] = {name, NULL};
        if (table->rows[i].run != NULL)
            (void)table->rows[i].run(&describing, 1, words);
    }
    exit_code status = print_others(table, context, shell);
    if (status == EXIT_CODE_DONE)
        renderer->program(stdout, table);
    return status;
}
