/* Any bytes as a Parquet file with the columns of tests/export/parquet/test_parquet_reader.c.
 * Besides not crashing: a row that can be read is the same again, and a footer that was changed has
 * the entry, so that changing it again has no effect. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/parquet/parquet_reader.h"
#include "tests/testing/fuzz_input.h"

enum { COLUMNS = 6, FOOTER_BYTES_MAX = 1 << 24 };

static const parquet_column COLUMNS_OF[COLUMNS] = {
    {"id", PARQUET_TEXT, 0, 0},   {"note", PARQUET_TEXT, 0, 1}, {"none", PARQUET_TEXT, 0, 1},
    {"flag", PARQUET_BOOL, 0, 0}, {"places", PARQUET_U8, 0, 0}, {"ns", PARQUET_TIME_NS, 0, 0}};

static void check_row(td_bytes file)
{
    parquet_value one[COLUMNS];
    parquet_value two[COLUMNS];
    if (parquet_read_row(file, COLUMNS_OF, COLUMNS, one, NULL) != TD_OK)
        return;
    td_result rc = parquet_read_row(file, COLUMNS_OF, COLUMNS, two, NULL);
    TD_ASSERT(rc == TD_OK);
    for (size_t i = 0; i < COLUMNS; i++) {
        TD_ASSERT(one[i].is_null == two[i].is_null);
        TD_ASSERT(one[i].integer == two[i].integer);
        TD_ASSERT(one[i].text_bytes == two[i].text_bytes);
        TD_ASSERT((one[i].text == NULL) == (COLUMNS_OF[i].kind != PARQUET_TEXT || one[i].is_null));
        td_free(one[i].text);
        td_free(two[i].text);
    }
}

static void check_footer(td_bytes file)
{
    static const parquet_key_value ENTRY = {"price_precision", "12"};
    uint64_t size = 0;
    td_buf footer;
    td_buf once;
    if (file.size < PARQUET_TAIL_BYTES || file.size > FOOTER_BYTES_MAX / 2 ||
        parquet_footer_size(file.data + file.size - PARQUET_TAIL_BYTES, file.size, &size, NULL) !=
            TD_OK)
        return;
    td_buf_init(&footer, FOOTER_BYTES_MAX);
    td_buf_init(&once, FOOTER_BYTES_MAX);
    td_buf_add(&footer, file.data + file.size - size, (size_t)size);
    if (parquet_footer_set(&footer, ENTRY, NULL) == TD_OK) {
        td_buf_add(&once, footer.data, footer.size);
        td_result rc = parquet_footer_set(&footer, ENTRY, NULL);
        TD_ASSERT(rc == TD_OK);
        TD_ASSERT(td_bytes_equal(td_buf_view(&once), td_buf_view(&footer)));
    }
    td_buf_fini(&footer);
    td_buf_fini(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_row(td_bytes_of(data, size));
    check_footer(td_bytes_of(data, size));
    return 0;
}
