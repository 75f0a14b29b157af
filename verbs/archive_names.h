/* Names of an archive for shell completions (base/cli/completions.h): the possible values of
 * --feed, --topic and --symbol. One thread. */
#ifndef TD_VERBS_ARCHIVE_NAMES_H
#define TD_VERBS_ARCHIVE_NAMES_H

#include "base/cli/options.h"

/* Offer each name once, sorted. Most come from the catalog. An archive that cannot be read offers
 * nothing and reports nothing, because the user is still typing. */
void archive_names_list(const char *path, option_names kind, void (*offer)(const char *name));

#endif
