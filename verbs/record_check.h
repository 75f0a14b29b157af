/* `tapedeck record --check`: checks a configuration without recording. One thread. */
#ifndef TD_VERBS_RECORD_CHECK_H
#define TD_VERBS_RECORD_CHECK_H

#include "base/cli/option_groups.h"
#include "base/cli/verbs.h"
#include "recorder/config.h"

/* Check everything that recording into the archive at path needs, of every feed also if one fails:
 * the configuration, which is loaded but not finished; credentials; servers; the archive, its lock
 * and its disk. Print the checks, and what would be recorded. Writes nothing to the archive.
 * Returns DONE, DIFFERS if something would prevent recording or is doubtful, and USAGE if the
 * configuration is wrong. */
exit_code record_check(const verb_context *context, const char *path, recorder_config *config,
                       const json_options *form);

/* Check that the status can be shown at listen, "HOST:PORT"; NULL is fine. TD_E_INVALID,
 * TD_E_NETWORK. */
TD_MUST_USE td_result record_check_listen(const char *listen, td_err *err);

#endif
