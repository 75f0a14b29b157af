#include "tests/testing/catalog_text.h"

#include <inttypes.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/hash.h"

enum { TEXT_BYTES_MAX = 64 << 20 };

static td_result add_row(sqlite3_stmt *row, td_buf *text)
{
    const void *chunks = sqlite3_column_blob(row, 4);
    size_t size = (size_t)sqlite3_column_bytes(row, 4);
    return td_buf_printf(
        text, NULL, "%s\t%s\t%s\t%s\t%016" PRIx64 "\n", (const char *)sqlite3_column_text(row, 0),
        (const char *)sqlite3_column_text(row, 1), (const char *)sqlite3_column_text(row, 2),
        (const char *)sqlite3_column_text(row, 3), td_xxh64(chunks, size));
}

char *catalog_text(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *row = NULL;
    td_buf text;
    td_buf_init(&text, TEXT_BYTES_MAX);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            db, "SELECT path, file_bytes, chain, hash, chunks FROM segments ORDER BY path", -1,
            &row, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(row)) == SQLITE_ROW)
        rc = add_row(row, &text) == TD_OK ? SQLITE_OK : SQLITE_NOMEM;
    (void)sqlite3_finalize(row); /* rc has its error */
    int is_closed = sqlite3_close(db) == SQLITE_OK;
    if (rc == SQLITE_DONE && is_closed && td_buf_append(&text, "", 1, NULL) == TD_OK)
        return (char *)text.data;
    td_buf_fini(&text);
    return NULL;
}
