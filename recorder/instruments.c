#include "recorder/instruments.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/url.h"
#include "archive/name_index.h"
#include "schema/exchange.h"
#include "schema/family.h"

enum {
    LISTED_MAX = 65536, /* instruments of a list: ten times as many as the largest has */
    MISSED_MAX = 2,     /* readings without a symbol, after which it has ended */
    PAGE_BYTES = 512,
    ODD_BYTES = 64,
};

/* How the list describes an instrument. */
typedef enum listed_state { LISTED_WAITING, LISTED_TRADED, LISTED_ENDED } listed_state;

/* A symbol that matches the patterns. */
typedef struct listed_symbol {
    char *name;
    listed_state state; /* in the reading `seen` */
    uint64_t seen;      /* number of the latest reading that has it, complete or not */
    unsigned missed;    /* complete readings since then */
    int is_begun;
} listed_symbol;

struct instruments {
    const instrument_lists *lists;
    const char *const *coins; /* NULL: one list */
    size_t coin;              /* number of the coin whose list is read */
    options_list patterns;
    json_parser *parser;
    listed_symbol *symbols;
    size_t count;
    name_index by_name;
    uint64_t reading;    /* number of the reading, from 1 */
    size_t listed_count; /* instruments in the reading so far */
    size_t odd_count;    /* entries in the reading so far whose name is no symbol */
    size_t complete_count, complete_odd_count, traded_count;
    char odd[ODD_BYTES];   /* the first such name of a reading */
    char page[PAGE_BYTES]; /* that the latest reply named; "": none */
    char query[INSTRUMENTS_QUERY_BYTES];
    const char **begun, **ended;
    size_t begun_count, ended_count;
    uint8_t is_unsure, has_new_odd;
};

/* ---- symbols and patterns ---- */

int symbol_is_valid(td_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = text.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"\\*|,", c) != NULL)
            return 0;
    }
    return text.size < LIMIT_SYMBOL_BYTES;
}

int instruments_is_pattern(const char *symbol)
{
    return symbol[0] == '!' || strpbrk(symbol, "*?") != NULL || strcmp(symbol, "all") == 0;
}

static int matches(const char *pattern, const char *symbol)
{
    return strcmp(pattern, "all") == 0 || fnmatch(pattern, symbol, FNM_NOESCAPE) == 0;
}

static int is_chosen(const instruments *self, const char *symbol)
{
    int is_included = 0;
    for (size_t i = 0; i < self->patterns.count; i++) {
        const char *pattern = self->patterns.items[i];
        if (pattern[0] == '!' && matches(pattern + 1, symbol))
            return 0;
        is_included |=
            pattern[0] != '!' && instruments_is_pattern(pattern) && matches(pattern, symbol);
    }
    return is_included;
}

/* 1 if the pattern, of which the part before "*" and "?" is compared, can match a coin's symbols.
 */
static int can_match_coin(const char *pattern, const char *coin)
{
    size_t same = 0;
    if (strcmp(pattern, "all") == 0)
        return 1;
    while (coin[same] != '\0' && pattern[same] == coin[same])
        same++;
    return strchr("*?", pattern[same]) != NULL || (coin[same] == '\0' && pattern[same] == '-');
}

static int is_coin_chosen(const instruments *self, const char *coin)
{
    if (self->lists->kind_query != NULL)
        return 1;
    for (size_t i = 0; i < self->patterns.count; i++)
        if (self->patterns.items[i][0] != '!' && instruments_is_pattern(self->patterns.items[i]) &&
            can_match_coin(self->patterns.items[i], coin))
            return 1;
    return 0;
}

/* Advance to the first chosen coin from a number on. Returns 0 if no coin is chosen. */
static int find_coin(instruments *self, size_t from)
{
    self->coin = from;
    while (self->coins[self->coin] != NULL && !is_coin_chosen(self, self->coins[self->coin]))
        self->coin++;
    return self->coins[self->coin] != NULL;
}

/* ---- a page ---- */

/* An instrument without a status is traded: some lists have only such. */
static listed_state state_of(const instruments *self, json_value entry)
{
    json_value member;
    td_bytes status;
    if (!instrument_find(self->lists, entry, INSTRUMENT_STATUS, &member) ||
        !json_text(member, &status) || td_bytes_is_any(status, self->lists->traded))
        return LISTED_TRADED;
    return td_bytes_is_any(status, self->lists->ended) ? LISTED_ENDED : LISTED_WAITING;
}

static listed_symbol *find_or_add(instruments *self, const char *name)
{
    size_t row = name_index_find(&self->by_name, td_bytes_str(name));
    if (row != NAME_INDEX_NONE)
        return &self->symbols[row];
    self->symbols = td_array_grow(self->symbols, self->count, sizeof *self->symbols);
    listed_symbol *made = &self->symbols[self->count];
    *made = (listed_symbol){.name = td_strdup(name)};
    name_index_put(&self->by_name, td_bytes_str(made->name), self->count++);
    return made;
}

static td_result take_entry(instruments *self, json_value entry, td_err *err)
{
    json_value member;
    td_bytes text;
    char name[LIMIT_SYMBOL_BYTES];
    if (!instrument_find(self->lists, entry, INSTRUMENT_SYMBOL, &member) ||
        !json_text(member, &text) || text.size == 0)
        return TD_OK; /* not an instrument */
    if (!symbol_is_valid(text)) {
        if (self->odd_count++ == 0)
            (void)snprintf(self->odd, sizeof self->odd, "%.*s",
                           (int)(text.size < ODD_BYTES ? text.size : ODD_BYTES),
                           (const char *)text.data); /* cut if too long */
        return TD_OK;
    }
    if (++self->listed_count > LISTED_MAX)
        return td_err_set(err, TD_E_LIMIT, "the list has more than %d instruments", LISTED_MAX);
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    if (!is_chosen(self, name))
        return TD_OK;
    listed_symbol *symbol = find_or_add(self, name);
    symbol->seen = self->reading;
    symbol->state = state_of(self, entry);
    return TD_OK;
}

static td_result take_entries(instruments *self, td_bytes reply, instrument_reply *out, td_err *err)
{
    json_value root;
    json_value entry;
    td_result rc = json_parse(self->parser, reply, JSON_COPIED, &root, err);
    if (rc == TD_OK && !instrument_reply_read(self->lists, root, out))
        rc = td_err_set(err, TD_E_INVALID, "the reply has no list: %.*s",
                        (int)(reply.size < 200 ? reply.size : 200), (const char *)reply.data);
    if (rc != TD_OK)
        return rc;
    for (json_iter it = json_iter_of(out->list); rc == TD_OK && json_next(&it, NULL, &entry);)
        rc = take_entry(self, entry, err);
    return rc;
}

/* Keep the name of the next page. */
static td_result keep_page(instruments *self, td_bytes page, td_err *err)
{
    if (page.size >= sizeof self->page)
        return td_err_set(err, TD_E_INVALID, "the name of the next page has %zu bytes", page.size);
    if (page.size > 0 && td_bytes_is(page, self->page))
        return td_err_set(err, TD_E_INVALID, "the next page is the same page again");
    if (page.size > 0)
        memcpy(self->page, page.data, page.size);
    self->page[page.size] = '\0';
    return TD_OK;
}

/* ---- a whole reading ---- */

static void note(const char ***list, size_t *count, const char *name)
{
    *list = td_array_grow(*list, *count, sizeof **list);
    (*list)[(*count)++] = name;
}

static void compare(instruments *self, listed_symbol *symbol)
{
    int is_seen = symbol->seen == self->reading;
    symbol->missed = is_seen ? 0 : symbol->missed + 1;
    self->traded_count += is_seen && symbol->state == LISTED_TRADED;
    if (!symbol->is_begun && is_seen && symbol->state == LISTED_TRADED) {
        symbol->is_begun = 1;
        note(&self->begun, &self->begun_count, symbol->name);
    } else if (symbol->is_begun &&
               (symbol->missed >= MISSED_MAX || (is_seen && symbol->state == LISTED_ENDED))) {
        symbol->is_begun = 0;
        note(&self->ended, &self->ended_count, symbol->name);
    } else if (symbol->is_begun && !is_seen) {
        self->is_unsure = 1;
    }
}

static td_result complete(instruments *self, td_err *err)
{
    if (self->listed_count == 0)
        return td_err_set(err, TD_E_INVALID, "the list has no instrument%s%s",
                          self->odd_count > 0 ? " that can be recorded, but " : "",
                          self->odd_count > 0 ? self->odd : "");
    self->begun_count = self->ended_count = self->traded_count = 0;
    self->is_unsure = 0;
    self->has_new_odd = self->odd_count != self->complete_odd_count;
    self->complete_count = self->listed_count;
    self->complete_odd_count = self->odd_count;
    for (size_t i = 0; i < self->count; i++)
        compare(self, &self->symbols[i]);
    return TD_OK;
}

/* What to append to the list's URL for the coin and the page. */
static const char *make_query(instruments *self)
{
    const instrument_lists *lists = self->lists;
    const char *of = lists->kind_query != NULL   ? lists->kind_query
                     : lists->coin_query != NULL ? lists->coin_query
                                                 : "";
    char page[3 * PAGE_BYTES];
    (void)td_url_encode(self->page, page, sizeof page); /* fits */
    (void)snprintf(self->query, sizeof self->query, "%s%s%s%s", self->coins == NULL ? "" : of,
                   self->coins == NULL ? "" : self->coins[self->coin],
                   page[0] == '\0' ? "" : lists->page_query, page); /* fits */
    return self->query;
}

const char *instruments_begin(instruments *self)
{
    self->reading++;
    self->listed_count = self->odd_count = 0;
    self->page[0] = '\0';
    if (self->coins != NULL && !find_coin(self, 0))
        self->coin = 0; /* the patterns match nothing: the first list shows what there is */
    return make_query(self);
}

td_result instruments_take(instruments *self, td_bytes reply, const char **query, td_err *err)
{
    TD_ASSERT(self->reading > 0);
    instrument_reply read;
    *query = NULL;
    td_result rc = take_entries(self, reply, &read, err);
    if (rc == TD_OK)
        rc = keep_page(self, read.page, err);
    if (rc != TD_OK)
        return rc;
    if (self->page[0] != '\0' || (self->coins != NULL && find_coin(self, self->coin + 1)))
        *query = make_query(self);
    else
        rc = complete(self, err);
    return rc;
}

void instruments_choose(instruments *self, const options_list *symbols)
{
    self->patterns = *symbols;
    self->begun_count = self->ended_count = 0;
    for (size_t i = 0; i < self->count; i++) {
        listed_symbol *symbol = &self->symbols[i];
        symbol->is_begun &= is_chosen(self, symbol->name);
        if (symbol->is_begun)
            note(&self->begun, &self->begun_count, symbol->name);
    }
}

void instruments_assume(instruments *self, const char *symbol)
{
    if (symbol[0] == '\0' || !symbol_is_valid(td_bytes_str(symbol)) || !is_chosen(self, symbol))
        return;
    listed_symbol *assumed = find_or_add(self, symbol);
    if (assumed->is_begun)
        return;
    assumed->is_begun = 1;
    self->traded_count++;
    note(&self->begun, &self->begun_count, assumed->name);
}

/* ---- results, life ---- */

const char *const *instruments_begun(const instruments *self, size_t *count)
{
    *count = self->begun_count;
    return self->begun;
}

const char *const *instruments_ended(const instruments *self, size_t *count)
{
    *count = self->ended_count;
    return self->ended;
}

int instruments_is_unsure(const instruments *self)
{
    return self->is_unsure;
}

const char *instruments_odd(const instruments *self, size_t *count)
{
    *count = self->complete_odd_count;
    return self->has_new_odd && *count > 0 ? self->odd : NULL;
}

size_t instruments_listed_count(const instruments *self)
{
    return self->complete_count;
}

size_t instruments_traded_count(const instruments *self)
{
    return self->traded_count;
}

instruments *instruments_open(const family *of, const options_list *symbols)
{
    TD_ASSERT(of->listing != NULL);
    TD_ASSERT(of->exchange->instruments != NULL);
    instruments *self = td_alloc_zero(1, sizeof *self);
    self->lists = of->exchange->instruments;
    self->coins = of->listing_coins;
    self->patterns = *symbols;
    self->parser = json_parser_open(LIMIT_HTTP_REPLY_BYTES);
    return self;
}

void instruments_close(instruments *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        td_free(self->symbols[i].name);
    name_index_fini(&self->by_name);
    json_parser_close(self->parser);
    td_free(self->symbols);
    td_free(self->begun);
    td_free(self->ended);
    td_free(self);
}
