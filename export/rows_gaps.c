/* One row for each gap in the ledger that touches the day, and for each stretch without a right
 * book whose reason is no gap. */
#include "export/export_type.h"

/* Columns in the order and with the names of GAP_MEMBERS, then the origin. */
enum { COLUMN_COUNT = GAP_MEMBER_COUNT + 1 };
static const export_column GAP_COLUMNS[COLUMN_COUNT] = {
    {"reason", VALUE_TEXT},         {"feed", VALUE_TEXT},       {"line", VALUE_INTEGER},
    {"shard", VALUE_INTEGER},       {"conn", VALUE_INTEGER},    {"topic", VALUE_TEXT},
    {"symbol", VALUE_TEXT},         {"from_ns", VALUE_TIME_NS}, {"to_ns", VALUE_TIME_NS},
    {"frames_lost", VALUE_INTEGER}, {"covered_by", VALUE_TEXT}, {"cause", VALUE_TEXT},
    {"detail", VALUE_TEXT},         {"origin", VALUE_TEXT},
};

static msg_value value_of(const export_gap *of, size_t i)
{
    const gap_row *gap = &of->row;
    if (i == 0 && of->reason != NULL)
        return row_text(td_bytes_str(of->reason));
    if (i == GAP_MEMBER_COUNT)
        return row_text(td_bytes_str(of->reason != NULL ? "unknown" : gap_row_origin(gap)));
    const gap_member *member = &GAP_MEMBERS[i];
    if (gap_member_is_absent(gap, member))
        return row_absent();
    if (gap_member_is_text(member))
        return row_text(td_bytes_str(gap_member_text(gap, member)));
    uint64_t number = gap_member_number(gap, member);
    return GAP_COLUMNS[i].type == VALUE_TIME_NS ? row_time(number) : row_integer((int64_t)number);
}

static td_result put_gaps(const export_gap *gaps, size_t count, const row_out *out, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        msg_value values[COLUMN_COUNT];
        for (size_t k = 0; k < COLUMN_COUNT; k++)
            values[k] = value_of(&gaps[i], k);
        const export_row row = {.recv_ns = gaps[i].row.from_ns, .values = values};
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

const export_type EXPORT_GAPS = {
    .name = "gaps",
    .columns = GAP_COLUMNS,
    .column_count = COLUMN_COUNT,
    .flags = EXPORT_ALL_SYMBOLS,
    .day = put_gaps,
};
