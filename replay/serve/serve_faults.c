#include "replay/serve/serve_faults.h"

#include <string.h>

#include "base/decimal.h"
#include "base/random.h"
#include "base/time_text.h"
#include "base/json/json_write.h"
#include "tape/empty_selection.h"

#define WHOLE (UINT64_C(1000) * 1000 * 1000 * 1000 * 1000 * 1000) /* the share 1, as 10^18 */

static const char *const KINDS[FAULT_KINDS] = {
    [FAULT_DROP] = "drop",
    [FAULT_DELAY] = "delay",
    [FAULT_DUPLICATE] = "duplicate",
    [FAULT_REORDER] = "reorder",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_CORRUPT] = "corrupt",
    [FAULT_DISCONNECT] = "disconnect",
    [FAULT_STALL] = "stall",
};

/* ---- reading ---- */

static td_result read_share(const char *text, uint64_t *share, td_err *err)
{
    td_decimal value;
    int64_t scaled;
    if (td_decimal_parse(td_bytes_str(text), &value, NULL) != TD_OK || value.mantissa <= 0 ||
        td_decimal_rescale(value, TD_DECIMAL_SCALE_MAX, &scaled) != TD_OK ||
        (uint64_t)scaled > WHOLE)
        return td_err_set(err, TD_E_INVALID, "p=%s: expected a share of frames, up to 1", text);
    *share = (uint64_t)scaled;
    return TD_OK;
}

/* Read a member of a rule: "p=0.1", "topic=trade*", "by=200ms". */
static td_result read_member(fault_rule *rule, char *member, td_err *err)
{
    char *value = strchr(member, '=');
    if (value != NULL) {
        *value++ = '\0';
        if (strcmp(member, "p") == 0)
            return read_share(value, &rule->share, err);
        if (strcmp(member, "by") == 0)
            return td_duration_parse(value, &rule->by_ns, err);
        if (strcmp(member, "topic") == 0) {
            memcpy(rule->topic, value, strlen(value) + 1);
            return TD_OK;
        }
    }
    return td_err_set(err, TD_E_INVALID, "'%s': expected p=SHARE, topic=GLOB or by=DURATION",
                      member);
}

static td_result read_kind(const char *name, serve_fault_kind *kind, td_err *err)
{
    for (int i = 0; i < FAULT_KINDS; i++) {
        *kind = (serve_fault_kind)i;
        if (strcmp(name, KINDS[i]) == 0)
            return TD_OK;
    }
    return td_err_set(err, TD_E_INVALID,
                      "'%s' is no fault: expected drop, delay, duplicate, reorder, truncate, "
                      "corrupt, disconnect or stall",
                      name);
}

static td_result read_rule(fault_rule *rule, char *text, td_err *err)
{
    char *member = strchr(text, ':');
    if (member != NULL)
        *member++ = '\0';
    td_result rc = read_kind(text, &rule->kind, err);
    while (rc == TD_OK && member != NULL) {
        char *next = strchr(member, ',');
        if (next != NULL)
            *next++ = '\0';
        rc = read_member(rule, member, err);
        member = next;
    }
    if (rc == TD_OK && rule->share == 0)
        rc = td_err_set(err, TD_E_INVALID, "%s needs p=SHARE, of the frames", text);
    int needs_time = rule->kind == FAULT_DELAY || rule->kind == FAULT_STALL;
    if (rc == TD_OK && needs_time != (rule->by_ns > 0))
        rc = td_err_set(err, TD_E_INVALID,
                        needs_time ? "%s needs by=DURATION" : "%s has no by=", text);
    return rc;
}

td_result serve_faults_add(serve_faults *faults, const char *text, td_err *err)
{
    char copy[SERVE_FAULT_TEXT_BYTES];
    fault_rule rule = {.topic = "*"};
    if (faults->count == SERVE_FAULTS_MAX || strlen(text) >= sizeof copy)
        return td_err_set(err, TD_E_LIMIT, "at most %d faults of %d bytes each are possible",
                          SERVE_FAULTS_MAX, SERVE_FAULT_TEXT_BYTES - 1);
    memcpy(copy, text, strlen(text) + 1);
    td_result rc = read_rule(&rule, copy, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "--fault %s", text);
    faults->rules[faults->count++] = rule;
    return TD_OK;
}

/* ---- checking ---- */

static int has_topic(const fault_rule *rule, const char *topic, const char *exchange_topic)
{
    return selection_glob_fits(rule->topic, td_bytes_str(topic)) ||
           selection_glob_fits(rule->topic, td_bytes_str(exchange_topic));
}

static int is_in_feed(const fault_rule *rule, const served_feed *feed)
{
    for (size_t i = 0; i < feed->topic_count; i++) {
        const served_topic *topic = &feed->topics[i];
        if (has_topic(rule, topic->topic, topic->exchange_topic))
            return 1;
    }
    return has_topic(rule, "", ""); /* only a glob for any topic matches "" */
}

static td_result check_rule(const fault_rule *rule, const serve_feeds *feeds, archive *from,
                            const selection *wanted, td_err *err)
{
    const char *glob = rule->topic;
    selection of_rule = *wanted;
    of_rule.topics = (selection_globs){&glob, 1};
    for (size_t i = 0; i < feeds->count; i++) {
        if (is_in_feed(rule, &feeds->items[i]))
            return TD_OK;
    }
    td_result rc = selection_check_names(from, &of_rule, err);
    if (rc == TD_OK) {
        rc = td_err_set(err, TD_E_NOTFOUND, "this topic is recorded, but not selected");
        td_err_hint(err, "select it with --topic too, or give another topic=GLOB");
    }
    return td_err_add(err, rc, "--fault %s:topic=%s", KINDS[rule->kind], glob);
}

td_result serve_faults_check(const serve_faults *faults, const serve_feeds *feeds, archive *from,
                             const selection *wanted, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < faults->count; i++)
        rc = check_rule(&faults->rules[i], feeds, from, wanted, err);
    return rc;
}

/* ---- choosing ---- */

const fault_rule *serve_faults_find(const serve_faults *faults, const frame_ref *frame,
                                    uint64_t *number)
{
    const channel_info *info = &frame->channel->info;
    for (size_t i = 0; i < faults->count; i++) {
        const fault_rule *rule = &faults->rules[i];
        td_random random;
        /* seeded by time and ordinal: times differ within a session, ordinals differ where sessions
         * overlap */
        td_random_init(&random, faults->seed ^ frame->recv_ns * UINT64_C(0x9e3779b97f4a7c15) ^
                                    (frame->ordinal << 8 | i));
        if (td_random_below(&random, WHOLE) >= rule->share ||
            !has_topic(rule, info->topic, info->exchange_topic))
            continue;
        *number = td_random_next(&random);
        return rule;
    }
    return NULL;
}

void fault_damage(const fault_rule *rule, uint64_t number, td_bytes bytes, td_buf *out)
{
    size_t at = bytes.size == 0 ? 0 : (size_t)(number % bytes.size);
    td_buf_clear(out);
    if (rule->kind == FAULT_TRUNCATE) {
        td_buf_add(out, bytes.data, at);
        return;
    }
    td_buf_add(out, bytes.data, bytes.size);
    if (bytes.size > 0)
        out->data[at] = bytes.data[at] == '#' ? '$' : '#';
}

td_result serve_faults_log(const serve_faults *faults, const fault_rule *rule,
                           const frame_ref *frame, td_err *err)
{
    const channel_info *info = &frame->channel->info;
    json_writer json;
    td_buf line;
    if (faults->log == NULL)
        return TD_OK;
    td_buf_init(&line, SIZE_MAX);
    json_write_begin(&json, &line);
    json_write_object_begin(&json);
    json_write_member_text(&json, "fault", KINDS[rule->kind]);
    json_write_member_u64(&json, "recv_ns", frame->recv_ns);
    json_write_member_text(&json, "feed", info->feed);
    const frame_conn *conn = frame_own_conn(frame);
    json_write_member_u64(&json, "line", conn->line);
    json_write_member_u64(&json, "shard", conn->shard);
    json_write_member_u64(&json, "conn", conn->number);
    json_write_member_u64(&json, "ordinal", frame->ordinal);
    json_write_member_text(&json, "topic", info->topic);
    json_write_member_text(&json, "symbol", info->symbol);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    td_buf_add(&line, "\n", 1);
    if (rc == TD_OK)
        rc = td_io_append(faults->log, line.data, line.size, err);
    td_buf_fini(&line);
    return rc == TD_OK ? rc : td_err_add(err, rc, "--fault-log");
}
