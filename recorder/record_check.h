/* `tapedeck record --check`: checks a configuration without recording. One thread. */
#ifndef TD_RECORDER_RECORD_CHECK_H
#define TD_RECORDER_RECORD_CHECK_H

#include "base/cli/exit_codes.h"
#include "base/cli/result.h"
#include "recorder/config.h"

typedef struct record_check record_check;

/* Check everything that recording into the archive at path needs, of every feed also if one fails:
 * the configuration, which is loaded but not finished, and borrowed; credentials; servers; the
 * archive, its lock and its disk. Writes nothing to the archive. *out must be closed even after a
 * failure, which is that the checks cannot begin. TD_E_INVALID: no feed; TD_E_IO. */
TD_MUST_USE td_result record_check_run(const char *path, recorder_config *config,
                                       record_check **out, td_err *err);

/* NULL is fine. */
void record_check_close(record_check *self);

/* Describe the checks, and what would be recorded. */
void record_check_describe(const record_check *self, result_writer *r);

/* DONE; DIFFERS if something would prevent recording or is doubtful; USAGE if the configuration is
 * wrong. */
exit_code record_check_status(const record_check *self);

/* Check that the status can be shown at listen, "HOST:PORT"; NULL is fine. TD_E_INVALID,
 * TD_E_NETWORK. */
TD_MUST_USE td_result record_check_listen(const char *listen, td_err *err);

#endif
