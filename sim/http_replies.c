#include "sim/http_replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/url.h"
#include "sim/catalog.h"
#include "sim/value.h"

enum {
    STATUS_BYTES = 64,
    /* A list ends there: the rest of a reply has at most SIM_FRAME_BYTES_MAX. */
    LIST_BYTES_MAX = LIMIT_FRAME_BYTES - SIM_FRAME_BYTES_MAX,
};

/* The instruments of a reply, while it is rendered. */
typedef struct listing {
    const http_markets *markets;
    const reply_row *row;
    td_bytes coin;          /* of the instruments that are requested; empty: any */
    td_bytes wanted_status; /* the same */
    uint32_t at;            /* index of the next instrument, over all families */
    uint64_t left;          /* instruments of this page */
    const td_buf *json;
    instrument now;
    char status[STATUS_BYTES];
} listing;

/* Find the instrument's line in the text of listed ones, and copy its status. */
static int is_listed(listing *l)
{
    td_bytes rest = l->markets->listed;
    td_bytes line, symbol;
    (void)snprintf(l->status, sizeof l->status, "Trading");
    while (td_bytes_next(&rest, '\n', &line)) {
        if (!td_bytes_next(&line, ' ', &symbol) || !td_bytes_is(symbol, l->now.symbol))
            continue;
        if (line.data != NULL)
            (void)snprintf(l->status, sizeof l->status, "%.*s", (int)line.size,
                           (const char *)line.data); /* a longer status is cut */
        return 1;
    }
    return l->markets->listed.data == NULL;
}

/* Advance to the next instrument. Returns 0 at the end. */
static int next_instrument(listing *l)
{
    const http_markets *m = l->markets;
    while (l->at < m->family_count * m->symbol_count) {
        uint32_t index = l->at++;
        const char *name = m->families[index / m->symbol_count]->name;
        if (!td_bytes_is_any(td_bytes_str(name), l->row->lists))
            continue;
        l->now = catalog_instrument(catalog_find(name), index % m->symbol_count);
        if ((l->coin.size == 0 || td_bytes_is(l->coin, l->now.base)) && is_listed(l) &&
            (l->wanted_status.size == 0 || td_bytes_is(l->wanted_status, l->status)))
            return 1;
    }
    return 0;
}

static int set_instrument(void *user, sim_list_id list, size_t nth, sim_value *values)
{
    listing *l = user;
    (void)list; /* there is only one list */
    (void)nth;  /* not used, because l->at is the position */
    if (l->left == 0 || l->json->size > LIST_BYTES_MAX || !next_instrument(l))
        return 0;
    l->left--;
    const instrument *of = &l->now;
    const char *settle = of->settle != NULL ? of->settle : of->base;
    int is_in_usd = of->product == PRODUCT_INVERSE || of->product == PRODUCT_OPTION;
    values[SIM_SYMBOL] = sim_text(of->symbol);
    values[SIM_STATUS] = sim_text(l->status);
    values[SIM_COIN] = sim_text(of->base);
    values[SIM_SETTLE] = sim_text(settle);
    values[SIM_QUOTE] = sim_text(is_in_usd ? "USD" : settle);
    values[SIM_TICK] = sim_number(of->tick, of->price_places);
    values[SIM_STEP] = sim_number(1, of->size_places);
    values[SIM_OPTION_TYPE] = sim_text(strstr(of->symbol, "-C") != NULL ? "Call" : "Put");
    return 1;
}

/* The value of a parameter that the document names; empty if it names none. */
static td_bytes param(td_bytes query, const char *name)
{
    return name == NULL ? td_bytes_of(NULL, 0) : td_url_param(query, name);
}

/* Begin the page that the query asks for, and name the page after it. A page's name is the number
 * of instruments before it, encoded like the exchange's names. */
static void begin_page(listing *l, td_bytes query, char page[STATUS_BYTES])
{
    td_bytes cursor = param(query, l->row->page);
    uint64_t limit = 0;
    uint64_t skip = 0;
    page[0] = '\0';
    l->left = UINT64_MAX;
    if (!td_digits_parse(param(query, l->row->page_size), UINT32_MAX, &limit) || limit == 0)
        return;
    size_t digits = cursor.size;
    while (digits > 0 && cursor.data[digits - 1] >= '0' && cursor.data[digits - 1] <= '9')
        digits--;
    (void)td_digits_parse(td_bytes_of(cursor.data + digits, cursor.size - digits), UINT32_MAX,
                          &skip); /* not a number: the first page */
    listing rest = *l;
    uint64_t count = 0;
    while (count < skip + limit && next_instrument(&rest)) {
        if (++count == skip)
            l->at = rest.at;
    }
    l->left = limit;
    if (next_instrument(&rest))
        (void)snprintf(page, STATUS_BYTES, "first%%3D%" PRIu64, skip + limit); /* fits */
}

/* 1 if the query has the part that the row requires. */
static int has_part(const reply_row *row, td_bytes query)
{
    td_bytes part;
    int has = row->query == NULL;
    while (!has && td_bytes_next(&query, '&', &part))
        has = td_bytes_is(part, row->query);
    return has;
}

/* Find the reply in the documents of all families, served or not. */
static const reply_row *find_row(td_bytes path, td_bytes query)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        const catalog_row *of;
        if (catalog_get(families[i], &of, NULL) != TD_OK)
            continue; /* a user's, which is not served */
        for (const reply_row *row = of->replies; row->path != NULL; row++)
            if (td_bytes_is(path, row->path) && has_part(row, query))
                return row;
    }
    return NULL;
}

int http_replies_get(const http_markets *markets, td_bytes path, td_bytes query, td_buf *json)
{
    const reply_row *row = find_row(path, query);
    if (row == NULL)
        return 0;
    listing instruments = {.markets = markets,
                           .row = row,
                           .coin = param(query, row->coin),
                           .wanted_status = param(query, row->status),
                           .json = json};
    char page[STATUS_BYTES];
    begin_page(&instruments, query, page);
    sim_value values[SIM_COUNT] = {
        [SIM_TS] = sim_time(markets->now_ns), [SIM_PAGE] = sim_text(page)};
    sim_source source = {.values = values, .next_item = set_instrument, .user = &instruments};
    (void)sim_render(row->text, &source, json); /* without optional parts it always succeeds */
    return 1;
}
