#include "format/gap_json.h"

/* "" is how a row says that something is absent: a gap of a whole connection has no topic. */
static void write_text(json_writer *json, const char *key, const char *text)
{
    json_write_member_text(json, key, text[0] == '\0' ? NULL : text);
}

/* null, never a number that stands for "none": scripts would add it up. */
static void write_number(json_writer *json, const char *key, uint64_t value, uint64_t absent)
{
    if (value == absent)
        json_write_member_null(json, key);
    else
        json_write_member_u64(json, key, value);
}

void gap_json_members(json_writer *json, const gap_row *row)
{
    json_write_member_text(json, "reason", gap_reason_name(row->reason));
    json_write_member_text(json, "feed", row->feed);
    json_write_member_u64(json, "line", row->line);
    json_write_member_u64(json, "shard", row->shard);
    write_number(json, "conn", row->conn, 0);
    write_text(json, "topic", row->topic);
    write_text(json, "symbol", row->symbol);
    json_write_member_u64(json, "from_ns", row->from_ns);
    write_number(json, "to_ns", row->to_ns, GAP_OPEN);
    write_number(json, "frames_lost", row->frames_lost, GAP_FRAMES_UNKNOWN);
    write_text(json, "covered_by", row->covered_by);
    write_text(json, "cause", row->cause);
    write_text(json, "detail", row->detail);
}

void gap_json_write(json_writer *json, const gap_row *row)
{
    json_write_object_begin(json);
    gap_json_members(json, row);
    json_write_object_end(json);
}
