/* The rows of a catalog as text, read by SQLite alone: what P5 compares. */
#ifndef TD_TESTING_CATALOG_TEXT_H
#define TD_TESTING_CATALOG_TEXT_H

/* A line for each segment, by path: path, size, last chain value, and hashes of its rows and of its
 * chunks, separated by tabs. Equal archives give equal texts. In memory of td_alloc,
 * NUL-terminated; NULL if the file is no readable catalog. */
char *catalog_text(const char *path);

#endif
