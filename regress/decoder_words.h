/* A command line in words, as a shell splits it, for programs that are started without one. */
#ifndef TD_REGRESS_DECODER_WORDS_H
#define TD_REGRESS_DECODER_WORDS_H

#include <stddef.h>

#include "base/err.h"

/* Split at blanks. 'single quotes' keep everything, "double quotes" all but \" and \\, a backslash
 * elsewhere the next character. Nothing else is special: no variables, patterns, pipes.
 * *out ends with NULL; free it with decoder_words_free. TD_E_INVALID: no word, or a quote without
 * its end; TD_E_NOMEM. */
TD_MUST_USE td_result decoder_words_split(const char *text, char ***out, td_err *err);

/* The same of words that are there already. TD_E_NOMEM. */
TD_MUST_USE td_result decoder_words_copy(const char *const *words, size_t count, char ***out,
                                         td_err *err);

void decoder_words_free(char **words);

#endif
