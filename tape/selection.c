#include "tape/selection.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

/* Match one class "[a-c]" at glob. *fits: 1 if byte is in it. Returns the glob after the class, or
 * NULL if the class has no end. */
static const char *match_class(const char *glob, uint8_t byte, int *fits)
{
    TD_ASSERT(*glob == '[');
    const char *at = glob + 1;
    int is_negated = *at == '!' || *at == '^';
    at += is_negated;
    int is_in = 0;
    for (const char *first = at; *at != '\0' && (*at != ']' || at == first); at++) {
        uint8_t low = (uint8_t)*at;
        uint8_t high = low;
        if (at[1] == '-' && at[2] != ']' && at[2] != '\0') {
            high = (uint8_t)at[2];
            at += 2;
        }
        is_in |= byte >= low && byte <= high;
    }
    *fits = is_in != is_negated;
    return *at == ']' ? at + 1 : NULL;
}

/* Match one element of the glob, which is not a star, against byte. Returns the rest, or NULL if it
 * does not match. */
static const char *match_one(const char *glob, uint8_t byte)
{
    int fits = 1;
    const char *after = glob + 1;
    if (*glob == '[')
        after = match_class(glob, byte, &fits);
    else if (*glob == '\\' && glob[1] != '\0')
        return (uint8_t)glob[1] == byte ? glob + 2 : NULL;
    else if (*glob != '?')
        fits = *glob != '\0' && (uint8_t)*glob == byte;
    return fits ? after : NULL;
}

int selection_glob_fits(const char *glob, td_bytes text)
{
    TD_ASSERT(glob != NULL);
    const char *star = NULL; /* the glob after its last star, to continue after a mismatch */
    size_t star_at = 0;
    size_t at = 0;
    while (at < text.size) {
        if (*glob == '*') {
            star = ++glob;
            star_at = at;
            continue;
        }
        const char *after = match_one(glob, text.data[at]);
        if (after != NULL) {
            glob = after;
            at++;
        } else if (star != NULL) {
            glob = star;
            at = ++star_at;
        } else {
            return 0;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

void selection_glob_of(const char *name, char out[SELECTION_GLOB_BYTES])
{
    size_t used = 0;
    for (; *name != '\0' && used + 2 < SELECTION_GLOB_BYTES; name++) {
        if (strchr("*?[\\", *name) != NULL)
            out[used++] = '\\';
        out[used++] = *name;
    }
    out[used] = '\0';
}

static int any_fits(const selection_globs *globs, td_bytes text)
{
    for (size_t i = 0; i < globs->count; i++) {
        if (selection_glob_fits(globs->items[i], text))
            return 1;
    }
    return globs->count == 0;
}

static td_result check_globs(const selection_globs *globs, const char *what, td_err *err)
{
    for (size_t i = 0; i < globs->count; i++) {
        const char *glob = globs->items[i];
        if (glob[0] == '\0')
            return td_err_set(err, TD_E_INVALID, "%s: an empty glob selects nothing", what);
        for (const char *at = glob; *at != '\0';) {
            int fits = 0;
            const char *after = at + 1;
            if (*at == '[')
                after = match_class(at, 0, &fits);
            else if (*at == '\\' && at[1] != '\0')
                after = at + 2;
            if (after == NULL)
                return td_err_set(err, TD_E_INVALID, "%s: glob '%s': '[' without ']'", what, glob);
            at = after;
        }
    }
    return TD_OK;
}

/* 1 if the window is empty, as far as that is known without a tape: if only --from counts from the
 * first frame, a tape is needed. */
static int has_empty_window(const selection *wanted)
{
    if (!wanted->has_to)
        return 0;
    if (wanted->to.kind == TD_TIME_SINCE_FIRST)
        return wanted->to.ns == 0;
    return wanted->has_from && wanted->from.kind == TD_TIME_ABSOLUTE &&
           wanted->from.ns >= wanted->to.ns;
}

td_result selection_check(const selection *wanted, td_err *err)
{
    td_result rc = check_globs(&wanted->feeds, "feed", err);
    if (rc == TD_OK)
        rc = check_globs(&wanted->topics, "topic", err);
    if (rc == TD_OK)
        rc = check_globs(&wanted->symbols, "symbol", err);
    if (rc == TD_OK && has_empty_window(wanted)) {
        rc = td_err_set(err, TD_E_INVALID,
                        "the selected time is empty: it does not begin before its end");
        td_err_hint(err, "'--to +10m' is ten minutes after --from; 'tapedeck info' shows from when "
                         "to when an archive has frames");
    }
    return rc;
}

int selection_is_relative(const selection *wanted)
{
    return wanted->has_from ? wanted->from.kind == TD_TIME_SINCE_FIRST
                            : wanted->has_to && wanted->to.kind == TD_TIME_SINCE_FIRST;
}

static uint64_t resolve(td_time_spec spec, uint64_t first_ns)
{
    if (spec.kind == TD_TIME_ABSOLUTE)
        return spec.ns;
    return spec.ns > UINT64_MAX - first_ns ? UINT64_MAX : first_ns + spec.ns;
}

selection_window selection_resolve(const selection *wanted, uint64_t first_ns)
{
    selection_window window = {0, UINT64_MAX};
    if (wanted->has_from)
        window.from_ns = resolve(wanted->from, first_ns);
    if (wanted->has_to)
        window.to_ns = resolve(wanted->to, wanted->has_from ? window.from_ns : first_ns);
    return window;
}

void selection_set_window(selection *wanted, selection_window window)
{
    wanted->has_from = window.from_ns > 0;
    wanted->from = (td_time_spec){.kind = TD_TIME_ABSOLUTE, .ns = window.from_ns};
    wanted->has_to = window.to_ns < UINT64_MAX;
    wanted->to = (td_time_spec){.kind = TD_TIME_ABSOLUTE, .ns = window.to_ns};
}

int selection_has_feed(const selection *wanted, const char *feed)
{
    return any_fits(&wanted->feeds, td_bytes_str(feed));
}

int selection_has_topic(const selection *wanted, td_bytes topic, td_bytes exchange_topic,
                        td_bytes symbol)
{
    if (!any_fits(&wanted->topics, topic) && !any_fits(&wanted->topics, exchange_topic))
        return 0;
    return td_bytes_is(symbol, "*") || any_fits(&wanted->symbols, symbol);
}

/* 1 if frames of a topic may be selected. A topic or symbol of "" means all of them. */
static int has_part(const selection *wanted, const char *topic, const char *symbol)
{
    char text[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    const td_bytes bytes = td_bytes_str(topic);
    if (topic[0] == '\0')
        return symbol[0] == '\0' || any_fits(&wanted->symbols, td_bytes_str(symbol));
    if (symbol[0] == '\0') {
        /* A glob in the exchange's notation names a symbol: any symbol may be meant. */
        (void)snprintf(text, sizeof text, "%s.", topic); /* a cut text matches nothing */
        for (size_t i = 0; i < wanted->topics.count; i++)
            if (strncmp(wanted->topics.items[i], text, strlen(text)) == 0)
                return 1;
        return selection_has_topic(wanted, bytes, bytes, td_bytes_str("*"));
    }
    /* The symbol is at the end of the exchange's topic, or, as the family is not known here, maybe
     * before a dot of the name. */
    for (const char *end = topic + bytes.size; end != NULL;
         end = memrchr(topic, '.', (size_t)(end - topic))) {
        (void)snprintf(text, sizeof text, "%.*s.%s%s", (int)(end - topic), topic, symbol,
                       end); /* always fits */
        if (selection_has_topic(wanted, bytes, td_bytes_str(text), td_bytes_str(symbol)))
            return 1;
    }
    return 0;
}

int selection_has_gap(const selection *wanted, const gap_row *gap)
{
    return selection_has_feed(wanted, gap->feed) &&
           (gap->topic[0] == '\0' || has_part(wanted, gap->topic, gap->symbol));
}

int selection_wants_gap(const selection *wanted, selection_window window, const gap_row *gap)
{
    return time_span_overlaps(window, gap_row_span(gap)) && selection_has_gap(wanted, gap);
}

int selection_wants_note(const selection *wanted, selection_window window, const archive_note *note)
{
    /* a note that was made without a time is about all */
    const time_span about = note->time.to_ns == 0
                                ? SELECTION_ALL_TIME
                                : time_span_of(note->time.from_ns, note->time.to_ns);
    return time_span_overlaps(window, about) &&
           (note->feed[0] == '\0' || selection_has_feed(wanted, note->feed)) &&
           has_part(wanted, note->topic, note->symbol);
}

selection_answer selection_match(const selection *wanted, const channel_info *channel)
{
    TD_ASSERT(channel->feed != NULL);
    TD_ASSERT(channel->topic != NULL);
    if (!selection_has_feed(wanted, channel->feed))
        return SELECTION_NO;
    frame_role role = channel_role(channel);
    if (channel_has_events(channel))
        return SELECTION_EVENTS;
    if (role == ROLE_EVENT)
        return SELECTION_NO;
    const char *symbol = role == ROLE_HTTP && wanted->with_replies ? "*" : channel->symbol;
    int is_named = selection_has_topic(wanted, td_bytes_str(channel->topic),
                                       td_bytes_str(channel->exchange_topic), td_bytes_str(symbol));
    if (is_named)
        return wanted->wants_channel == NULL || wanted->wants_channel(wanted->user, channel)
                   ? SELECTION_YES
                   : SELECTION_NO;
    return role == ROLE_UNKNOWN ? SELECTION_CLASSIFY : SELECTION_NO;
}

/* ---- read plan ---- */

static int wants_channel(void *user, const channel_info *info)
{
    selection_answer answer = selection_match(user, info);
    return answer == SELECTION_YES || answer == SELECTION_CLASSIFY;
}

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

read_query selection_query(selection *wanted, selection_window window)
{
    return (read_query){
        .time = window, .wants_channel = wants_channel, .wants_feed = wants_feed, .user = wanted};
}
