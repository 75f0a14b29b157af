#include "base/cli/verbs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/version.h"

static const verb_row *find_verb(const verb_table *table, const char *name)
{
    for (size_t i = 0; i < table->row_count; i++) {
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static void print_verbs(const verb_table *table, FILE *out)
{
    fprintf(out, "usage: %s VERB [OPTION]...\n%s\n\nVerbs\n", table->program, table->summary);
    for (size_t i = 0; i < table->row_count; i++)
        fprintf(out, "  %-14s%s\n", table->rows[i].name, table->rows[i].summary);
    fprintf(out,
            "\nExit status\n"
            "  0   done\n"
            "  1   done, but something differs or is incomplete\n"
            "  2   the command line or a configuration is wrong\n"
            "  3   recorded data is damaged or lost\n"
            "  4   it could not be done: a file, the network, a full disk, a stop\n"
            "  %d  an error in the program: the message says where; please report it\n"
            "\n'%s help VERB' shows the options and statuses of a verb.\n",
            EXIT_CODE_FAULT, table->program);
}

static exit_code refuse_verb(const verb_table *table, const verb_context *context, const char *name)
{
    td_err err;
    td_err_clear(&err);
    for (size_t i = 0; name != NULL && i < table->gone_count; i++)
        if (strcmp(table->gone[i].name, name) == 0) {
            td_err_set(&err, TD_E_INVALID, "'%s %s' was removed", table->program, name);
            td_err_hint(&err, "%s", table->gone[i].instead);
            return report_error(context->report, &err);
        }
    suggest_search search = {.written = td_bytes_str(name)};
    for (size_t i = 0; name != NULL && i < table->row_count; i++)
        suggest_offer(&search, table->rows[i].name);
    char similar[128];
    suggest_format(&search, similar, sizeof similar);
    if (name == NULL)
        td_err_set(&err, TD_E_INVALID, "a verb is missing");
    else
        td_err_set(&err, TD_E_INVALID, "unknown verb '%s'", name);
    td_err_hint(&err, "%s%s'%s --help' lists the verbs", similar, search.name == NULL ? "" : " ",
                table->program);
    return report_error(context->report, &err);
}

/* Replace this process by a program in this program's folder. Returns only on failure. */
static td_result run_program(const char *program, char **argv, td_err *err)
{
    char path[2 * LIMIT_PATH_BYTES];
    char **words = argv - 1; /* the word before the verb becomes the program */
    ssize_t length = readlink("/proc/self/exe", path, LIMIT_PATH_BYTES);
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length > 0) {
        (void)snprintf(path + length, LIMIT_PATH_BYTES, "%s", program); /* a short name */
        words[0] = path;
        execv(path, words);
    }
    td_err_set_os(err, errno, "cannot start %s", program);
    td_err_hint(err, "install it in the folder of this program");
    return TD_E_IO;
}

/* Run a verb; argv[0] is its name. */
static exit_code run_verb(const verb_table *table, const verb_context *context, const verb_row *row,
                          int argc, char **argv)
{
    const char *above = strchr(table->program, ' ');
    char name[LIMIT_NAME_BYTES];
    (void)snprintf(name, sizeof name, "%s%s%s", above == NULL ? "" : above + 1,
                   above == NULL ? "" : " ", row->name); /* fits */
    report_name_verb(context->report, name);
    if (row->run != NULL)
        return row->run(context, argc, argv);
    td_err err;
    td_result rc = run_program(row->program, argv, &err);
    TD_ASSERT(rc != TD_OK);
    return report_error(context->report, &err);
}

/* Handle --complete WORD...: print completions. If the first WORD is a verb of another program, run
 * that program instead. argv[0] is the word before WORD... */
static exit_code complete(const verb_table *table, const verb_context *context, int argc,
                          char **argv)
{
    const verb_row *row = argc > 2 ? find_verb(table, argv[1]) : NULL;
    if (row != NULL) {
        completion_line line = {argv + 2, (size_t)(argc - 2)};
        verb_context inner = *context;
        inner.completion = &line;
        return run_verb(table, &inner, row, argc, argv);
    }
    printf("%s\t\tverb\n", argc == 2 ? "names" : "none");
    for (size_t i = 0; argc == 2 && i < table->row_count; i++)
        printf("%s\t%s\n", table->rows[i].name, table->rows[i].summary);
    return EXIT_CODE_DONE;
}

/* Run "help VERB..." as "VERB... --help". argv[0] is "help". */
static exit_code help(const verb_table *table, const verb_context *context, int argc, char **argv)
{
    static char option[] = "--help";
    for (int i = 0; i + 1 < argc; i++)
        argv[i] = argv[i + 1];
    argv[argc - 1] = option;
    return verbs_below(table, context, argc + 1, argv - 1);
}

exit_code verbs_below(const verb_table *table, const verb_context *context, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const verb_row *row = word == NULL ? NULL : find_verb(table, word);
    if (context->completion != NULL) /* argv[0] is --complete, argv[1] the verb itself */
        return complete(table, context, argc - 1, argv + 1);
    if (row != NULL)
        return run_verb(table, context, row, argc - 1, argv + 1);
    if (word != NULL && strcmp(word, "help") == 0)
        return help(table, context, argc - 1, argv + 1);
    if (word == NULL || (strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0))
        return refuse_verb(table, context, word);
    print_verbs(table, stdout);
    return EXIT_CODE_DONE;
}

static exit_code run(const verb_table *table, const verb_context *context, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--complete") == 0)
        return complete(table, context, argc - 1, argv + 1);
    if (strcmp(word, "--version") != 0 && strcmp(word, "-V") != 0)
        return verbs_below(table, context, argc, argv);
    printf("%s %s\n", table->program, TAPEDECK_VERSION);
    return EXIT_CODE_DONE;
}

/* Check standard output, because help and version are printed without checks. A verb whose output
 * (base/cli/output.h) failed has reported that. */
static exit_code finish_output(const verb_context *context, exit_code status)
{
    td_err err;
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status == EXIT_CODE_FAILED)
        return status;
    td_result rc = td_err_set_os(&err, errno != 0 ? errno : EIO, "cannot write output");
    TD_ASSERT(rc != TD_OK);
    return report_error(context->report, &err);
}

/* Handle SIGXFSZ by doing nothing: then a write beyond the limit on file sizes fails with EFBIG.
 * SIG_IGN would be inherited by programs that are started from here. */
static void on_file_too_large(int number)
{
    (void)number;
}

/* Adapt process limits whose violation would end the process by a signal: give stacks enough
 * memory whatever `ulimit -s` is, and make writes to too large files fail. */
static td_result adapt_limits(td_err *err)
{
    struct sigaction beyond = {.sa_handler = on_file_too_large, .sa_flags = SA_RESTART};
    sigaction(SIGXFSZ, &beyond, NULL);
    pthread_attr_t threads;
    if (pthread_getattr_default_np(&threads) == 0) {
        if (pthread_attr_setstacksize(&threads, LIMIT_STACK_BYTES) == 0)
            pthread_setattr_default_np(&threads);
        pthread_attr_destroy(&threads);
    }
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur >= LIMIT_STACK_BYTES)
        return TD_OK;
    stack.rlim_cur = stack.rlim_max < LIMIT_STACK_BYTES ? stack.rlim_max : LIMIT_STACK_BYTES;
    if (setrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur >= LIMIT_STACK_BYTES_MIN)
        return TD_OK;
    td_err_set(err, TD_E_LIMIT, "the limit on the stack is %llu KiB, and %zu KiB are needed",
               (unsigned long long)stack.rlim_cur >> 10, LIMIT_STACK_BYTES_MIN >> 10);
    td_err_hint(err, "raise it: ulimit -s %zu", LIMIT_STACK_BYTES >> 10);
    return TD_E_LIMIT;
}

int verbs_main(const verb_table *table, int argc, char **argv)
{
    reporter report;
    td_err err;
    int is_first = td_hash_begin();
    TD_ASSERT(is_first);
    td_result rc = io_posix_open_standard(&err);
    if (rc == TD_OK)
        rc = adapt_limits(&err);
    report_init(&report, table->program, stderr);
    verb_context context = {.report = &report};
    exit_code status = rc == TD_OK ? run(table, &context, argc, argv) : report_error(&report, &err);
    status = finish_output(&context, status);
    report_fini(&report);
    return (int)status;
}

int verb_begin(const verb_context *context, const options_spec *spec, int argc, char **argv,
               options_operands *operands, exit_code *status)
{
    td_err err;
    td_err_clear(&err);
    *status = EXIT_CODE_DONE;
    if (context->completion != NULL) {
        completions_offer(context->completion, spec);
        return 0;
    }
    td_result rc = options_parse(spec, argc, argv, operands, &err);
    if (rc == TD_OK)
        return 1;
    if (rc == TD_EOF)
        options_print_help(spec, stdout);
    else
        *status = report_error(context->report, &err);
    return 0;
}
