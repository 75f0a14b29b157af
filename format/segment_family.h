/* The definition of a segment's family: the metadata `tapedeck.family` after the session's record,
 * with the family's document and those that it uses (FORMAT.md). A segment has it only if its
 * family is not one of the programs' own. */
#ifndef TD_FORMAT_SEGMENT_FAMILY_H
#define TD_FORMAT_SEGMENT_FAMILY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/document_set.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"

#define SEGMENT_FAMILY_METADATA "tapedeck.family"

typedef struct segment_family {
    char family[LIMIT_NAME_BYTES]; /* as in the session; "": the segment has no session record */
    uint64_t start_ns;             /* when the session began; 0: unknown */
    document_set documents; /* first the family's own; none: the segment does not have them */
} segment_family;

/* Encode the record's map; replaces pack's content. documents has a hash. */
void segment_family_pack(td_buf *pack, const char *family, const document_set *documents);

/* Read the beginning of the segment at path. The documents are views into content, which is
 * replaced (size_max LIMIT_RECORD_BYTES). TD_E_CORRUPT, TD_E_TRUNCATED, TD_E_LIMIT: if out->family
 * is not empty, the session could be read, and the documents are damaged; TD_E_NOTFOUND, TD_E_IO,
 * TD_E_UNSUPPORTED. */
TD_MUST_USE td_result segment_family_read(td_io io, const char *path, td_buf *content,
                                          segment_family *out, td_err *err);

#endif
