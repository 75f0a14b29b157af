/* The files of the page, compiled in from view/web/ by view/compile-page. Constant data; any
 * thread. */
#ifndef TD_VIEW_PAGE_H
#define TD_VIEW_PAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct page_file {
    const char *name; /* "index.html" */
    const char *type; /* media type */
    const uint8_t *bytes;
    size_t byte_count;
} page_file;

/* All of them. */
extern const page_file PAGE_FILES[];
extern const size_t PAGE_FILE_COUNT;

/* The file of this name ("": index.html), or NULL. */
const page_file *page_file_find(const char *name);

#endif
