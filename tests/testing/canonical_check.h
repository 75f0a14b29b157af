/* What must hold of the canonical form, for its tests and fuzz targets. A violation is an
 * assertion.
 */
#ifndef TD_TESTS_TESTING_CANONICAL_CHECK_H
#define TD_TESTS_TESTING_CANONICAL_CHECK_H

#include "base/bytes.h"
#include "schema/message.h"

typedef struct canonical_check canonical_check;

canonical_check *canonical_check_open(void);
void canonical_check_close(canonical_check *check);

/* A decoder's message: the hash is that of the form, and what is read back from the form, plain or
 * whole, has the same form again. */
void canonical_check_message(canonical_check *check, const message *m);

/* Any bytes: what is accepted as a form is the form of what was read, and of what is refused the
 * error says why. 1 if they were accepted. */
int canonical_check_form(canonical_check *check, td_bytes form);

#endif
