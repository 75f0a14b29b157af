/* --families FILE|DIR: families of the user's own documents. */
#ifndef TD_VERBS_FAMILY_FILES_H
#define TD_VERBS_FAMILY_FILES_H

#include <stdint.h>

#include "base/err.h"
#include "base/cli/options.h"

typedef struct family_files {
    options_list paths;
} family_files;

/* The options that add a path to target: --families. */
option_group family_files_options(family_files *target);

/* Add the families of the documents (family_add): each path is a document, or a folder, of which
 * NAME.yaml are read. TD_E_NOTFOUND, TD_E_IO; TD_E_INVALID: a mistake in a document, with its line.
 */
TD_MUST_USE td_result family_files_add(const family_files *options, td_err *err);

/* A hash of the documents as they are now; 0 without any. For a program that added them earlier.
 * TD_E_NOTFOUND, TD_E_IO, TD_E_LIMIT. */
TD_MUST_USE td_result family_files_hash(const family_files *options, uint64_t *out, td_err *err);

#endif
