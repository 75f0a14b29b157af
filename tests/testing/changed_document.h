/* A document of a family with one line changed, for tests of mistakes in documents. */
#ifndef TESTING_CHANGED_DOCUMENT_H
#define TESTING_CHANGED_DOCUMENT_H

#include "base/bytes.h"

typedef struct changed_document {
    const char *const *lines; /* of the sound document */
    size_t line_count;
    const char *used; /* text of another document */
    char text[1 << 15];
} changed_document;

/* Write the text, with another one in place of a line (from 1; 0: as it is). Fails the test if it
 * is too long. */
void changed_document_write(changed_document *of, size_t line, const char *instead);

/* As family_texts.find (schema/family_file.h), with the changed_document as user: "made" is its
 * text, "used" the other document. */
int changed_document_find(void *user, td_bytes name, td_bytes *out);

#endif
