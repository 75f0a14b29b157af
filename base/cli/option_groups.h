/* Option groups that many verbs share, each with the struct that it fills. The words and letters
 * are the same everywhere; a verb that takes the group takes all of it. */
#ifndef TD_CLI_OPTION_GROUPS_H
#define TD_CLI_OPTION_GROUPS_H

#include <stdint.h>

#include "base/log.h"
#include "base/cli/options.h"

/* The archive: an argument where the verb has no others, -a, --archive, TAPEDECK_ARCHIVE. */
typedef struct archive_choice {
    const char *path; /* folder, or a single .mcap file for reading; NULL: not given */
} archive_choice;
option_group option_group_archive(archive_choice *target);

/* Path of the archive, or TD_E_INVALID with how to name one. */
TD_MUST_USE td_result archive_choice_require(const archive_choice *options, const char **path,
                                             td_err *err);

/* --feed --topic --symbol --from --to. The globs of one option are alternatives; the options narrow
 * each other. */
typedef struct selection_options {
    options_list feeds;
    options_list topics;
    options_list symbols;
    options_time from; /* inclusive */
    options_time to;   /* exclusive */
} selection_options;
option_group option_group_selection(selection_options *target);

/* --price --size: frames with an entry (a trade, a level, an order) in both ranges. */
typedef struct entry_options {
    td_decimal_range price;
    td_decimal_range size;
} entry_options;
option_group option_group_entries(entry_options *target);
int entry_options_are_given(const entry_options *options);

/* -j, --threads; 0: as many as cores, which threads_options_count resolves. */
typedef struct threads_options {
    uint64_t count;
} threads_options;
option_group option_group_threads(threads_options *target);
unsigned threads_options_count(const threads_options *options);

/* --json */
typedef struct json_options {
    uint8_t is_json;
} json_options;
option_group option_group_json(json_options *target);

/* What is printed on stderr: -q; -q and -v. */
typedef struct verbosity_options {
    uint8_t is_quiet;
    uint8_t is_verbose;
} verbosity_options;
option_group option_group_quiet(verbosity_options *target);
option_group option_group_verbosity(verbosity_options *target);

/* --listen HOST:PORT --ready-file --plain --tls-cert --tls-key: programs that listen */
typedef struct listen_options {
    const char *address; /* "127.0.0.1:0" */
    const char *ready_file;
    const char *tls_cert;
    const char *tls_key;
    options_list origins;
    uint8_t is_plain;
} listen_options;
option_group option_group_listen(listen_options *target);

/* --allow-origin: of those, servers that answer by themselves */
option_group option_group_origins(listen_options *target);

/* Log how clients come to trust a certificate that was generated, or that they cannot. */
void listen_options_log_trust(const listen_options *options, const td_log *log);

#endif
