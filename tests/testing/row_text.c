#include "tests/testing/row_text.h"

#include <inttypes.h>

#include "base/assert.h"

static td_result put_value(td_buf *out, const msg_value *value, td_err *err)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    switch (value->type) {
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BIG_DECIMAL:
        return td_buf_printf(out, err, ",%.*s", (int)value->as.text.size,
                             (const char *)value->as.text.data);
    case VALUE_DECIMAL:
        (void)td_decimal_format(value->as.decimal, text); /* the length is not needed */
        return td_buf_printf(out, err, ",%s", text);
    case VALUE_INTEGER:
        return td_buf_printf(out, err, ",%" PRId64, value->as.integer);
    case VALUE_BOOL:
        return td_buf_printf(out, err, ",%s", value->as.is_true ? "true" : "false");
    case VALUE_SIDE:
        return td_buf_printf(out, err, ",%s", msg_side_name(value->as.side));
    case VALUE_TIME_NS:
        return td_buf_printf(out, err, ",%" PRIu64, value->as.time_ns / 1000);
    case VALUE_ABSENT:
        break;
    }
    return td_buf_append(out, ",", 1, err);
}

static td_result put_one(void *ctx, const export_row *row, td_err *err)
{
    row_lines *to = ctx;
    uint64_t exchange_ns = row->exchange_ns != 0 ? row->exchange_ns : row->recv_ns;
    if (row->is_gap)
        return td_buf_printf(&to->out, err, "gap,%" PRIu64 "\n", row->recv_ns / 1000);
    td_bytes symbol = row->symbol.size > 0 ? row->symbol : td_bytes_str(to->symbol);
    td_result rc =
        td_buf_printf(&to->out, err, "%s,%.*s,%" PRIu64 ",%" PRIu64, to->exchange, (int)symbol.size,
                      (const char *)symbol.data, exchange_ns / 1000, row->recv_ns / 1000);
    for (size_t i = 0; rc == TD_OK && i < to->column_count; i++)
        rc = put_value(&to->out, &row->values[i], err);
    to->flags = row->flags;
    to->synthesized += (row->flags & ROW_SYNTHESIZED) != 0;
    return rc == TD_OK ? td_buf_append(&to->out, "\n", 1, err) : rc;
}

td_result row_text_put(void *ctx, const export_row *batch, td_err *err)
{
    export_row row = *batch;
    td_result rc;
    do
        rc = put_one(ctx, &row, err);
    while (rc == TD_OK && export_row_next(&row));
    return rc;
}
