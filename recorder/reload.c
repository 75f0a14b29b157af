#include "recorder/reload.h"

#include <string.h>

#include "base/bytes.h"

/* ---- settings ---- */

static int is_same_list(const options_list *a, const options_list *b)
{
    if (a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return 0;
    return 1;
}

/* The first row, not among the excepted ones, in which two structs differ; NULL: none. */
static const option_row *first_difference(const option_row *rows, size_t count,
                                          const char *const *excepted, const void *a, const void *b)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *left = (const uint8_t *)a + rows[i].offset;
        const uint8_t *right = (const uint8_t *)b + rows[i].offset;
        int is_same = 0;
        for (const char *const *name = excepted; *name != NULL; name++)
            is_same |= strcmp(*name, rows[i].long_name) == 0;
        switch (rows[i].type) {
        case OPTION_TEXT:
            is_same |= td_text_is_same(*(const char *const *)(const void *)left,
                                       *(const char *const *)(const void *)right);
            break;
        case OPTION_LIST:
            is_same |= is_same_list((const void *)left, (const void *)right);
            break;
        case OPTION_FLAG:
            is_same |= *left == *right;
            break;
        case OPTION_ENUM:
            is_same |= memcmp(left, right, sizeof(int)) == 0;
            break;
        case OPTION_UINT:
        case OPTION_DURATION:
        case OPTION_SIZE:
        case OPTION_RANGE:
        case OPTION_TIME:
        default:
            is_same |= memcmp(left, right, sizeof(uint64_t)) == 0;
            break;
        }
        if (!is_same)
            return &rows[i];
    }
    return NULL;
}

/* ---- feeds ---- */

static size_t find_feed(const recorder_config *config, const char *name)
{
    size_t i = 0;
    while (i < config->feed_count && strcmp(config->feeds[i].name, name) != 0)
        i++;
    return i;
}

static td_result refuse(const recorder_config *wanted, size_t index, const char *key, td_err *err)
{
    td_err_set(err, TD_E_INVALID, "'%s' cannot change while the feed is recorded", key);
    td_err_hint(err,
                "give the feed with the new setting another name, or start the recorder again");
    return config_err_add(wanted, index, key, TD_E_INVALID, err);
}

/* Topics and symbols may change; but a feed that reads the list of instruments keeps doing so. */
static td_result compare_feed(const recorder_config *running, const recorder_config *wanted,
                              reload_pair *pair, td_err *err)
{
    static const char *const MAY_CHANGE[] = {"topic", "symbol", "symbols-file", NULL};
    const feed_config *a = &running->feeds[pair->running];
    const feed_config *b = &wanted->feeds[pair->wanted];
    const option_row *other =
        first_difference(CONFIG_FEED_ROWS, CONFIG_FEED_ROW_COUNT, MAY_CHANGE, a, b);
    if (other != NULL)
        return refuse(wanted, pair->wanted, other->long_name, err);
    int has_list = a->listing != LIMIT_FEED_HTTP;
    if (has_list != (b->listing != LIMIT_FEED_HTTP)) {
        td_err_set(err, TD_E_INVALID,
                   has_list
                       ? "the feed's last pattern of symbols cannot go while it is recorded"
                       : "the feed's first pattern of symbols cannot come while it is recorded");
        td_err_hint(err, "give the feed with the new symbols another name, or start the recorder "
                         "again");
        return config_err_add(wanted, pair->wanted, "symbol", TD_E_INVALID, err);
    }
    pair->has_other_settings = !td_text_is_same(a->symbols_file, b->symbols_file) ||
                               !is_same_list(&a->topics, &b->topics) ||
                               !is_same_list(&a->symbols, &b->symbols);
    return TD_OK;
}

static td_result add_feed(const recorder_config *running, const recorder_config *wanted,
                          size_t index, reload_plan *out, td_err *err)
{
    if (running->feed_count + out->added_count == LIMIT_FEEDS) {
        td_err_set(err, TD_E_LIMIT, "a session has at most %u feeds, with the removed ones",
                   LIMIT_FEEDS);
        td_err_hint(err, "start the recorder again");
        return config_err_add(wanted, index, "feed", TD_E_LIMIT, err);
    }
    out->added[out->added_count++] = index;
    return TD_OK;
}

td_result reload_compare(const recorder_config *running, const recorder_config *wanted,
                         reload_plan *out, td_err *err)
{
    static const char *const NONE[] = {NULL};
    *out = (reload_plan){0};
    const option_row *other =
        first_difference(CONFIG_RECORDER_ROWS, CONFIG_RECORDER_ROW_COUNT, NONE, running, wanted);
    if (other != NULL) {
        td_err_set(err, TD_E_INVALID, "'%s' cannot change while recording", other->long_name);
        td_err_hint(err, "start the recorder again");
        return config_err_add(wanted, CONFIG_NO_FEED, NULL, TD_E_INVALID, err);
    }
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < wanted->feed_count; i++) {
        reload_pair pair = {.running = find_feed(running, wanted->feeds[i].name), .wanted = i};
        if (pair.running == running->feed_count) {
            rc = add_feed(running, wanted, i, out, err);
            continue;
        }
        if (running->feeds[pair.running].is_removed) {
            td_err_set(err, TD_E_INVALID, "the feed '%s' was removed from this session",
                       wanted->feeds[i].name);
            td_err_hint(err, "start the recorder again to record it again");
            return config_err_add(wanted, i, "feed", TD_E_INVALID, err);
        }
        rc = compare_feed(running, wanted, &pair, err);
        if (rc == TD_OK && (pair.has_other_settings || wanted->feeds[i].symbols_file != NULL))
            out->changed[out->changed_count++] = pair;
    }
    for (size_t i = 0; rc == TD_OK && i < running->feed_count; i++)
        if (!running->feeds[i].is_removed &&
            find_feed(wanted, running->feeds[i].name) == wanted->feed_count)
            out->removed[out->removed_count++] = i;
    return rc;
}
