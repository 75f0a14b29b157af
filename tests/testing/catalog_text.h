/* The rows of a catalog as text, read with plain SQLite: for comparing catalogs (P5). */
#ifndef TD_TESTING_CATALOG_TEXT_H
#define TD_TESTING_CATALOG_TEXT_H

/* One line per segment, in the order of paths, with tabs between: path, size, last chain value,
 * hash of its rows, hash of its chunks. Equal archives give equal texts. Allocated with td_alloc,
 * NUL-terminated; NULL if the file is not a readable catalog. */
char *catalog_text(const char *path);

#endif
