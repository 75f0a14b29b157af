/* Option groups that many verbs share, each with the struct that it fills. A verb uses a group as a
 * whole, so names and letters are the same everywhere. */
#ifndef TD_CLI_OPTION_GROUPS_H
#define TD_CLI_OPTION_GROUPS_H

#include <stdint.h>

#include "base/log.h"
#include "base/cli/options.h"

/* The archive: -a, --archive, TAPEDECK_ARCHIVE, or the operand of a verb without operands of its
 * own. */
typedef struct archive_choice {
    const char *path; /* folder, or a single .mcap file for reading; NULL: not given */
} archive_choice;
option_group option_group_archive(archive_choice *target);

/* Get the archive's path. TD_E_INVALID, with a hint, if not given. */
TD_MUST_USE td_result archive_choice_require(const archive_choice *options, const char **path,
                                             td_err *err);

/* --feed --topic --symbol --from --to. A frame must match one glob of each given option. */
typedef struct selection_options {
    options_list feeds;
    options_list topics;
    options_list symbols;
    options_time from; /* inclusive */
    options_time to;   /* exclusive */
} selection_options;
option_group option_group_selection(selection_options *target);

/* --price --size: frames that have an entry (a trade, level or order) within both ranges. */
typedef struct entry_options {
    td_decimal_range price;
    td_decimal_range size;
} entry_options;
option_group option_group_entries(entry_options *target);
int entry_options_are_given(const entry_options *options);

/* -j, --threads; 0: the number of cores. threads_options_count returns the actual number. */
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

/* Messages on stderr: a group with -q, and one with -q and -v. */
typedef struct verbosity_options {
    uint8_t is_quiet;
    uint8_t is_verbose;
} verbosity_options;
option_group option_group_quiet(verbosity_options *target);
option_group option_group_verbosity(verbosity_options *target);

/* --listen HOST:PORT --ready-file --plain --tls-cert --tls-key: for programs that listen */
typedef struct listen_options {
    const char *address; /* "127.0.0.1:0" */
    const char *ready_file;
    const char *tls_cert;
    const char *tls_key;
    options_list origins;
    uint8_t is_plain;
} listen_options;
option_group option_group_listen(listen_options *target);

/* --allow-origin: for servers that answer requests themselves */
option_group option_group_origins(listen_options *target);

/* Log how clients can trust a generated certificate, or that they cannot. */
void listen_options_log_trust(const listen_options *options, const td_log *log);

#endif
