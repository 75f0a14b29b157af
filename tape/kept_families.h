/* By which definitions an archive's segments are read: a family that the program does not know
 * (schema/family.h) is added from the documents that the archive keeps of it
 * (format/segment_family.h), of the session that began last.
 *
 * A feed has one family, that of its newest segment; one segment of each session is read. */
#ifndef TD_TAPE_KEPT_FAMILIES_H
#define TD_TAPE_KEPT_FAMILIES_H

#include <stddef.h>

#include "archive/archive.h"
#include "base/log.h"

/* Add the families of archives that are open for reading. The log gets a warning for a family
 * whose documents cannot be read (it stays unknown), and for one of which different documents are
 * kept (the newest are used). Any thread; archives that are opened later do not change what is
 * known. */
void kept_families_add(archive *const *archives, size_t count, const td_log *log);

#endif
