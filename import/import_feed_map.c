#include "import/import_feed_map.h"

#include <string.h>

#include "base/assert.h"
#include "base/url.h"

enum { URL_SHOWN_BYTES = 200, NAME_SHOWN_BYTES = 60 };

/* The family of the slot's URL, or NULL. */
static const family *family_of_url(const import_slot *slot)
{
    return slot->url == NULL ? NULL : family_find_by_url(td_bytes_str(slot->url));
}

/* The family of a slot. Without a URL it may be any; other connections of the capture prove
 * nothing. */
static td_result choose_family(const import_slot *slot, const family *asked, const family **out,
                               td_err *err)
{
    *out = asked;
    if (asked == NULL && !slot->is_http)
        *out = family_of_url(slot);
    if (*out != NULL)
        return TD_OK;
    td_result rc;
    if (slot->url != NULL) {
        char shown[LIMIT_URL_BYTES];
        rc = td_err_set(err, TD_E_INVALID, "no family has the URL '%.*s'", URL_SHOWN_BYTES,
                        td_url_shown_plain(slot->url, shown, sizeof shown));
    } else if (slot->name[0] != '\0') {
        rc = td_err_set(err, TD_E_INVALID, "connection '%.*s' has no URL, so its family is unknown",
                        NAME_SHOWN_BYTES, slot->name);
    } else {
        rc = td_err_set(err, TD_E_INVALID, "the family of the capture is unknown");
    }
    td_err_hint(err, "give --family for the whole file: %s", family_names());
    return rc;
}

/* The map's feed of that name and family, added if it is new. */
static td_result find_feed(import_feed_map *map, const char *name, const family *wanted,
                           uint32_t *index, td_err *err)
{
    for (*index = 0; *index < map->feed_count; ++*index) {
        const import_mapped_feed *feed = &map->feeds[*index];
        if (feed->family == wanted)
            return TD_OK;
        if (strcmp(feed->name, name) == 0) {
            td_result rc = td_err_set(err, TD_E_INVALID,
                                      "feed '%s' cannot be both %s and %s: the capture has both",
                                      name, feed->family->name, wanted->name);
            td_err_hint(err, "leave --feed away: each family then gets a feed of its own");
            return rc;
        }
    }
    if (map->feed_count == LIMIT_FEEDS)
        return td_err_set(err, TD_E_LIMIT, "the capture has more than %u families", LIMIT_FEEDS);
    map->feeds[map->feed_count++] = (import_mapped_feed){.name = name, .family = wanted};
    return TD_OK;
}

static td_result map_slot(import_feed_map *map, const import_slot *slot, uint32_t index,
                          const family *asked, const char *feed, td_err *err)
{
    const family *chosen = NULL;
    td_result rc = choose_family(slot, asked, &chosen, err);
    if (rc != TD_OK)
        return rc;
    const family *of_url = family_of_url(slot);
    map->other_family_slots += of_url != NULL && of_url != chosen;
    uint32_t feed_index = 0;
    rc = find_feed(map, feed != NULL ? feed : chosen->name, chosen, &feed_index, err);
    if (rc != TD_OK)
        return rc;
    map->feed_of_slot[index] = feed_index;
    map->shard_of_slot[index] = map->feeds[feed_index].slot_count++;
    return TD_OK;
}

/* HTTP answers go where the first WebSocket connection goes; alone, they need a family like any. */
static td_result map_http(import_feed_map *map, const import_slot *slot, uint32_t index,
                          const family *asked, const char *feed, td_err *err)
{
    map->shard_of_slot[index] = 0;
    map->feed_of_slot[index] = 0;
    if (map->feed_count > 0)
        return TD_OK;
    const family *chosen = NULL;
    td_result rc = choose_family(slot, asked, &chosen, err);
    uint32_t feed_index = 0;
    if (rc == TD_OK)
        rc = find_feed(map, feed != NULL ? feed : chosen->name, chosen, &feed_index, err);
    return rc;
}

td_result import_feed_map_make(const import_slots *slots, const family *asked, const char *feed,
                               import_feed_map *out, td_err *err)
{
    *out = (import_feed_map){0};
    uint32_t count = import_slots_count(slots);
    TD_ASSERT(count <= LIMIT_FEED_SLOTS);
    for (uint32_t i = 0; i < count; i++) {
        const import_slot *slot = import_slots_at(slots, i);
        if (slot->is_http)
            continue;
        td_result rc = map_slot(out, slot, i, asked, feed, err);
        if (rc != TD_OK)
            return rc;
    }
    for (uint32_t i = 0; i < count; i++) {
        const import_slot *slot = import_slots_at(slots, i);
        if (!slot->is_http)
            continue;
        td_result rc = map_http(out, slot, i, asked, feed, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}
