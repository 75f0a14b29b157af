/* Names of an archive for shell completions (base/cli/completions.h): the possible values of
 * --feed, --topic and --symbol. One thread. */
#ifndef TD_VERBS_ARCHIVE_NAMES_H
#define TD_VERBS_ARCHIVE_NAMES_H

#include "base/cli/options.h"

/* Offer each name once, sorted. Most names come from the catalog. If the archive cannot be read,
 * offer no name and report no error, because the user is still typing. */
void archive_names_list(const char *path, option_names kind, void (*offer)(const char *name));

#endif
