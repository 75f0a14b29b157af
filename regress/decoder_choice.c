#include "regress/decoder_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "regress/decoder_words.h"
#include "regress/failure_count.h"

static const option_row DECODING_ROWS[] = {
    {.long_name = "whole",
     .type = OPTION_FLAG,
     .offset = offsetof(decoding_options, is_whole),
     .help = "also cover the members of books and trades that order books and checks do\n"
             "not use (slower)"},
};

option_group option_group_decoding(decoding_options *target)
{
    return (option_group){"Decoding", DECODING_ROWS, sizeof DECODING_ROWS / sizeof *DECODING_ROWS,
                          target};
}

static const option_row DECODER_ROWS[] = {
    {.long_name = "decoder",
     .type = OPTION_LIST,
     .offset = offsetof(decoder_options, libraries),
     .metavar = "FILE",
     .help = "decode with a shared object of your own (.so; its interface is\n"
             "tapedeck/decoder.h); 'builtin': with tapedeck's decoder"},
    {.long_name = "decoder-cmd",
     .type = OPTION_LIST,
     .offset = offsetof(decoder_options, commands),
     .metavar = "COMMAND",
     .help = "decode with a program of your own, which reads frames and writes messages:\n"
             "'python3 mine.py'; its words are split as by a shell"},
    {.long_name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(decoder_options, timeout_ns),
     .metavar = "DURATION",
     .min = UINT64_C(1000000),
     .help = "time to answer a frame; after that your decoder counts as hung (default: 10s)"},
    {.long_name = "repeat",
     .type = OPTION_UINT,
     .offset = offsetof(decoder_options, repeat),
     .metavar = "N",
     .max = UINT32_MAX,
     .help = "ask your decoder twice about every Nth frame, to see whether its answer is the\n"
             "same; 0: never (default: 16)"},
    {.long_name = "map",
     .type = OPTION_TEXT,
     .offset = offsetof(decoder_options, map_file),
     .metavar = "FILE",
     .help = "mapping file: your decoder's names of members, and members to leave out"},
};

option_group option_group_decoder(decoder_options *target)
{
    target->timeout_ns = DECODER_TIMEOUT_NS;
    target->repeat = DECODER_REPEAT;
    return (option_group){"Your decoder", DECODER_ROWS, sizeof DECODER_ROWS / sizeof *DECODER_ROWS,
                          target};
}

size_t decoder_options_count(const decoder_options *options)
{
    return options->libraries.count + options->commands.count;
}

td_result decoder_options_check(const decoder_options *options, size_t count_max, td_err *err)
{
    if (decoder_options_count(options) <= count_max)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "%zu decoders are given, but only %zu can be used",
               decoder_options_count(options), count_max);
    if (count_max == 1)
        td_err_hint(err, "'tapedeck regress diff' compares two");
    return TD_E_INVALID;
}

td_result decoder_options_map(const decoder_options *options, decoder_map **out, td_err *err)
{
    uint8_t *text = NULL;
    size_t size = 0;
    *out = NULL;
    if (options->map_file == NULL)
        return TD_OK;
    td_result rc =
        td_io_read_file(io_posix(), options->map_file, LIMIT_DECODER_MAP_BYTES, &text, &size, err);
    if (rc != TD_OK)
        rc = td_err_add(err, rc, "mapping file '%s'", options->map_file);
    else
        rc = decoder_map_open(td_bytes_of(text, size), options->map_file, out, err);
    td_free(text);
    return rc;
}

/* ---- what it is made of ---- */

/* The command and every word of it that is a file: an interpreter's script counts, what that
 * imports does not. */
static td_result hash_command(const char *command, char out[TD_HASH128_HEX_BYTES], td_err *err)
{
    char **words = NULL;
    TD_ASSERT(command != NULL);
    td_result rc = decoder_words_split(command, &words, err);
    td_hasher *hasher = td_hasher_open();
    if (rc == TD_OK && hasher == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory to hash a command");
    if (rc == TD_OK)
        td_hasher_update(hasher, command, strlen(command) + 1);
    for (size_t i = 0; rc == TD_OK && words[i] != NULL; i++) {
        char id[TD_HASH128_HEX_BYTES];
        if (td_io_hash(io_posix(), words[i], id, NULL) == TD_OK)
            td_hasher_update(hasher, id, sizeof id);
    }
    if (rc == TD_OK)
        td_hash128_hex(td_hasher_digest(hasher), out);
    td_hasher_close(hasher);
    decoder_words_free(words);
    return rc;
}

/* ---- opening ---- */

static int has_signal_come(const void *user)
{
    return stop_signal_came(user);
}

td_result decoder_choice_open(const decoder_options *options, size_t number,
                              const decoder_setting *setting, decoder_choice *out, td_err *err)
{
    size_t libraries = options->libraries.count;
    decoder_spec spec = {.timeout_ns = options->timeout_ns,
                         .repeat = (unsigned)options->repeat,
                         .map = setting->map,
                         .log = setting->log,
                         .is_stopping = has_signal_come,
                         .user = setting->signals};
    *out = (decoder_choice){.name = "built-in"};
    if (number < libraries && strcmp(options->libraries.items[number], "builtin") == 0)
        return TD_OK;
    if (number < libraries)
        spec.library = options->libraries.items[number];
    else if (number - libraries < options->commands.count)
        spec.command = options->commands.items[number - libraries];
    else
        return TD_OK;
    td_result rc = spec.library == NULL ? hash_command(spec.command, out->id, err)
                                        : td_io_hash(io_posix(), spec.library, out->id, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, spec.library == NULL ? "--decoder-cmd" : "--decoder");
    out->name = spec.library == NULL ? spec.command : spec.library;
    return decoder_pool_open(&spec, &out->pool, err);
}

void decoder_choice_close(decoder_choice *choice)
{
    decoder_pool_close(choice->pool);
    choice->pool = NULL;
}

const char *decoder_choice_label(const decoder_choice *choice)
{
    return choice->pool == NULL ? NULL : choice->name;
}

const tape_decoding *decoder_choice_decoding(const decoder_choice *choice)
{
    return choice->pool == NULL ? NULL : decoder_pool_decoding(choice->pool);
}

int decoder_choice_was_stopped(const decoder_choice *choice)
{
    return choice->pool != NULL && decoder_pool_was_stopped(choice->pool);
}

/* ---- findings ---- */

enum { TEXT_ROWS = 20 }; /* failures that texts list */

td_result decoder_choice_count_earlier(decoder_choice *choice, const regress_run_result *done,
                                       baseline *made, td_err *err)
{
    int is_whole = done->resumed_from_ns == 0 && done->frames > 0;
    if (choice->pool == NULL || is_whole)
        return TD_OK;
    uint64_t counts[DECODE_REASON_COUNT];
    const decoder_findings *findings = decoder_pool_findings(choice->pool);
    td_result rc = failure_count(made, counts, err);
    for (int reason = DECODE_REFUSED; reason <= DECODE_UNSTABLE && rc == TD_OK; reason++) {
        uint64_t listed = decoder_findings_count(findings, (decode_reason)reason);
        choice->earlier[reason] = counts[reason] > listed ? counts[reason] - listed : 0;
    }
    return rc;
}

uint64_t decoder_choice_count(const decoder_choice *choice, decode_reason reason)
{
    if (choice->pool == NULL)
        return 0;
    return decoder_findings_count(decoder_pool_findings(choice->pool), reason) +
           choice->earlier[reason];
}

uint64_t decoder_choice_failures(const decoder_choice *choice)
{
    uint64_t sum = 0;
    for (int reason = DECODE_CRASHED; reason <= DECODE_UNSTABLE; reason++)
        sum += decoder_choice_count(choice, (decode_reason)reason);
    return sum;
}

static uint64_t failures_earlier(const decoder_choice *choice)
{
    uint64_t sum = 0;
    for (int reason = DECODE_CRASHED; reason <= DECODE_UNSTABLE; reason++)
        sum += choice->earlier[reason];
    return sum;
}

void decoder_choice_list(const decoder_choice *choice, void (*line)(void *user, const char *text),
                         void *user)
{
    char text[TD_ERR_TEXT_BYTES];
    uint64_t left = decoder_choice_failures(choice);
    size_t count = 0;
    size_t shown = 0;
    if (left == 0)
        return;
    const decoder_finding *list =
        decoder_findings_list(decoder_pool_findings(choice->pool), &count);
    for (size_t i = 0; i < count && shown < TEXT_ROWS; i++) {
        char when[TD_TIME_TEXT_BYTES];
        const decoder_finding *found = &list[i];
        if (found->reason == DECODE_REFUSED)
            continue;
        td_time_format(found->recv_ns, when);
        snprintf(text, sizeof text, "%s at %s, %s/%s%s%s: %s%s%s",
                 decode_reason_name(found->reason), when, found->feed, found->topic,
                 found->symbol[0] == '\0' ? "" : "/", found->symbol, found->what,
                 found->last_line[0] == '\0' ? "" : ": ", found->last_line);
        line(user, text);
        shown++;
    }
    if (left > shown) {
        snprintf(text, sizeof text, "and %llu more", (unsigned long long)(left - shown));
        line(user, text);
    }
}

static void log_line(void *user, const char *text)
{
    td_log_emit(user, TD_LOG_WARNING, "decoder: %s", text);
}

void decoder_choice_log(const decoder_choice *choice, const td_log *log)
{
    decoder_choice_list(choice, log_line, (void *)log);
}

static void describe_finding(result_writer *r, const decoder_finding *found)
{
    result_object_begin(r, NULL);
    result_text(r, "kind", decode_reason_name(found->reason));
    result_text(r, "feed", found->feed);
    result_name(r, "topic", found->topic);
    result_name(r, "symbol", found->symbol);
    result_instant(r, "recv_ns", found->recv_ns);
    result_number(r, "id", found->id);
    result_name(r, "what", found->what);
    result_name(r, "reply", found->reply);
    result_name(r, "stderr", found->last_line);
    result_object_end(r, "  {kind} at {recv_ns}, {feed}/{topic}[/{symbol}][: {what}]\n"
                         "[    answer: {reply}\n][    stderr: {stderr}\n]");
}

/* Text has the failures, of refusals the count: a decoder may refuse what it likes. */
static int is_shown(const result_writer *r, const decoder_finding *found)
{
    return result_json(r) != NULL || found->reason != DECODE_REFUSED;
}

void decoder_choice_describe(const decoder_choice *choice, const char *name, result_writer *r)
{
    size_t count = 0;
    size_t shown = 0;
    if (choice->pool == NULL) {
        result_null(r, name);
        return;
    }
    decoder_findings *findings = decoder_pool_findings(choice->pool);
    uint64_t failures = decoder_choice_failures(choice);
    uint64_t earlier = failures_earlier(choice);
    result_object_begin(r, name);
    result_name(r, "name", decoder_pool_name(choice->pool));
    result_count(r, "restarts", decoder_pool_restarts(choice->pool));
    for (int reason = DECODE_REFUSED; reason <= DECODE_UNSTABLE; reason++)
        result_count(r, decode_reason_name((decode_reason)reason),
                     decoder_choice_count(choice, (decode_reason)reason));
    result_list_begin(r, "frames");
    const decoder_finding *list = decoder_findings_list(findings, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_shown(r, &list[i]) || (result_json(r) == NULL && shown == TEXT_ROWS))
            continue;
        describe_finding(r, &list[i]);
        shown++;
    }
    result_list_end(r);
    result_count(r, "failures", failures);
    result_count(r, "earlier_failures", earlier);
    if (failures - earlier > shown && shown == TEXT_ROWS)
        result_note(r, "more", "  and %llu more\n",
                    (unsigned long long)(failures - earlier - shown));
    else
        result_note(r, "more", "%s", "");
    result_object_end(r, failures == 0 ? NULL
                                       : "The decoder failed at {failures frame}: {crashed} "
                                         "crashed, {hung} hung, {garbage} garbage, {unstable} "
                                         "unstable; {restarts restart}\n{frames}{more}"
                                         "[  {earlier_failures} before the run was interrupted: "
                                         "counted, not listed\n]");
}
