#include "schema/family.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/document.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "base/url.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/exchange_file.h"
#include "schema/family_file.h"
#include "schema/family_texts.h"
#include "schema/template.h"
#include "schema/topic_parts.h"

/* The programs' own families, and their exchanges. */
enum { FAMILIES_OWN_MAX = 64, EXCHANGES_MAX = 16, EXCHANGE_FILE_BYTES = 80 };

/* ---- documents that were read ---- */

/* Documents that are being added. */
typedef struct added_texts {
    const family_text *at;
    size_t count;
    document_source source;
    document_set *used; /* gets those that are asked for */
} added_texts;

/* An exchange, and the text that it was read from. */
typedef struct exchange_entry {
    const exchange_row *row;
    td_bytes text;
} exchange_entry;

/* Families and exchanges are constants that are read from text when they are first asked for: most
 * programs need one or two. Once set, an entry never changes. */
static struct {
    pthread_mutex_t lock;
    td_arena *memory;
    /* The programs' own, in the order of FAMILY_NAMES (NULL: not yet read), and then added ones. */
    const family *read[FAMILIES_OWN_MAX + FAMILIES_ADDED_MAX];
    document_set documents[FAMILIES_ADDED_MAX]; /* of the added ones */
    _Atomic size_t added;                       /* release: what it counts is complete */
    exchange_entry exchanges[EXCHANGES_MAX];
    size_t exchange_count;
} families = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t count_of_families(void)
{
    return FAMILY_COUNT + families.added;
}

static const family_text *find_in(const family_text *texts, size_t count, td_bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(name, texts[i].name))
            return &texts[i];
    return NULL;
}

static int has_text(const family_text *in, td_bytes text)
{
    return text.size == 0 || memmem(in->data, in->size, text.data, text.size) != NULL;
}

/* user: the added_texts that are searched first, or NULL. */
static int find_text(void *user, td_bytes name, td_bytes *text)
{
    const added_texts *added = user;
    const family_text *own = added == NULL ? NULL : find_in(added->at, added->count, name);
    const family_text *found = own != NULL ? own : find_in(FAMILY_TEXTS, FAMILY_TEXT_COUNT, name);
    if (found == NULL)
        return 0;
    *text = td_bytes_of(found->data, found->size);
    /* a document uses fewer than a set can have */
    return own == NULL || added->used == NULL ||
           document_set_add(added->used, td_bytes_str(own->name), *text, NULL) == TD_OK;
}

static td_arena *memory_of_families(void)
{
    if (families.memory == NULL)
        families.memory = td_arena_open();
    return families.memory;
}

/* The exchange of that name, if it was read; NULL. */
static const exchange_entry *find_entry(td_bytes name)
{
    for (size_t i = 0; i < families.exchange_count; i++)
        if (td_bytes_is(name, families.exchanges[i].row->name))
            return &families.exchanges[i];
    return NULL;
}

static td_result read_exchange(const char *file, td_bytes name, td_bytes text,
                               document_source source, const exchange_row **out, td_err *err)
{
    td_arena *memory = memory_of_families();
    if (families.exchange_count == EXCHANGES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s.yaml: more than %d exchanges", file, EXCHANGES_MAX);
    exchange_row *made = td_arena_alloc(memory, sizeof *made);
    td_result rc = exchange_file_read(file, text, source, memory, made, err);
    if (rc == TD_OK && !td_bytes_is(name, made->name))
        rc = td_err_set(err, TD_E_INVALID, "%s.yaml: the exchange must have the document's name",
                        file);
    if (rc != TD_OK)
        return rc;
    families.exchanges[families.exchange_count++] =
        (exchange_entry){made, td_bytes_of(td_arena_copy(memory, text.data, text.size), text.size)};
    *out = made;
    return TD_OK;
}

/* As family_texts.exchange; user as in find_text, which notes the document. */
static td_result find_exchange(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    td_bytes text;
    const added_texts *added = user;
    char file[EXCHANGE_FILE_BYTES];
    const int size = snprintf(file, sizeof file, "%.*s.exchange", (int)name.size,
                              name.size == 0 ? "" : (const char *)name.data);
    if (size < 0 || (size_t)size >= sizeof file || !find_text(user, td_bytes_str(file), &text))
        return td_err_set(err, TD_E_INVALID, "there is no document '%s.yaml'", file);
    const exchange_entry *known = find_entry(name);
    if (known == NULL)
        return read_exchange(file, name, text, added == NULL ? DOCUMENT_GIVEN : added->source, out,
                             err);
    *out = known->row;
    return td_bytes_equal(known->text, text)
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "%s.yaml: there is another exchange of this name",
                            file);
}

/* Read a family, unless it was read. shared: of family_texts. */
static const family *read_family(size_t index, family_sources *shared)
{
    const family_texts texts = {.find = find_text, .exchange = find_exchange, .shared = shared};
    td_err err;
    if (families.read[index] != NULL)
        return families.read[index];
    td_arena *memory = memory_of_families();
    family *made = td_arena_alloc(memory, sizeof *made);
    td_result rc = family_file_read(&texts, FAMILY_NAMES[index], memory, made, &err);
    TD_ASSERT(rc == TD_OK); /* a test reads all of them */
    return families.read[index] = made;
}

static const family *get(size_t index)
{
    (void)pthread_mutex_lock(&families.lock);
    const family *found = read_family(index, NULL);
    (void)pthread_mutex_unlock(&families.lock);
    return found;
}

/* The index of the family of that name; count_of_families() if absent. */
static size_t index_of(td_bytes name)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (td_bytes_is(name, FAMILY_NAMES[i]))
            return i;
    for (size_t i = FAMILY_COUNT; i < count_of_families(); i++)
        if (td_bytes_is(name, families.read[i]->name))
            return i;
    return count_of_families();
}

/* 0 if the family cannot be at a host, or its exchange cannot serve it there, because no document
 * has the host's name or this one lacks the path's first name. Families that are not read yet can
 * then stay so. */
static int may_be_at(size_t index, td_bytes host, td_bytes path)
{
    static const char EXCHANGE[] = ".exchange";
    const size_t end = sizeof EXCHANGE - 1;
    const uint8_t *next = path.size < 2 ? NULL : memchr(path.data + 1, '/', path.size - 1);
    const td_bytes first =
        td_bytes_of(path.data, next == NULL ? path.size : (size_t)(next - path.data));
    if (index >= FAMILY_COUNT)
        return 1;
    const family_text *own =
        find_in(FAMILY_TEXTS, FAMILY_TEXT_COUNT, td_bytes_str(FAMILY_NAMES[index]));
    if (!has_text(own, first))
        return 0;
    int found = has_text(own, host);
    for (size_t i = 0; !found && i < FAMILY_TEXT_COUNT; i++) {
        const size_t size = strlen(FAMILY_TEXTS[i].name);
        found = size > end && strcmp(FAMILY_TEXTS[i].name + size - end, EXCHANGE) == 0 &&
                has_text(&FAMILY_TEXTS[i], host);
    }
    return found;
}

const family *const *family_table(size_t *count)
{
    family_sources shared = {.count = 0};
    (void)pthread_mutex_lock(&families.lock);
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        (void)read_family(i, &shared);
    family_sources_close(&shared);
    (void)pthread_mutex_unlock(&families.lock);
    *count = count_of_families();
    return families.read;
}

const family *family_of_row(const topic_row *row)
{
    const family *found = NULL;
    (void)pthread_mutex_lock(&families.lock);
    for (size_t i = 0; i < count_of_families() && found == NULL; i++) {
        const family *of = families.read[i];
        if (of != NULL && row >= of->topics && row < of->topics + of->topic_count)
            found = of;
    }
    (void)pthread_mutex_unlock(&families.lock);
    return found;
}

/* ---- more documents ---- */

static td_result check_name(const char *name, td_err *err)
{
    const size_t size = strlen(name);
    return size > 0 && size < LIMIT_NAME_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "the name of a family has 1 to %u bytes, not %zu",
                            LIMIT_NAME_BYTES - 1, size);
}

/* Copy the texts that a family was read from. */
static void keep_documents(const document_set *used, document_set *out)
{
    for (size_t i = 0; i < used->count; i++) {
        const named_document *from = &used->at[i];
        out->at[i].name = td_bytes_of(
            td_arena_copy(families.memory, from->name.data, from->name.size), from->name.size);
        out->at[i].text = td_bytes_of(
            td_arena_copy(families.memory, from->text.data, from->text.size), from->text.size);
    }
    out->count = used->count;
    document_set_seal(out);
}

/* Add the family whose own document has this name. wanted: its name, which may exist; NULL: any
 * name that does not. */
static td_result add_locked(const char *own, const added_texts *from, const char *wanted,
                            td_err *err)
{
    document_set used = {.count = 0};
    added_texts added = {from->at, from->count, from->source, &used};
    const family_texts texts = {
        .find = find_text, .exchange = find_exchange, .source = from->source, .user = &added};
    const size_t index = count_of_families();
    if (wanted != NULL && index_of(td_bytes_str(wanted)) < index)
        return TD_OK;
    if (families.added == FAMILIES_ADDED_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s.yaml: more than %d families", own,
                          FAMILIES_ADDED_MAX);
    td_arena *memory = memory_of_families();
    family *made = td_arena_alloc(memory, sizeof *made);
    td_result rc = family_file_read(&texts, own, memory, made, err);
    if (rc == TD_OK && (rc = check_name(made->name, err)) != TD_OK)
        rc = td_err_add(err, rc, "%s.yaml", own);
    if (rc != TD_OK)
        return rc;
    if (wanted != NULL && strcmp(made->name, wanted) != 0)
        return td_err_set(err, TD_E_INVALID, "%s.yaml: it is of a family '%.63s'", own, made->name);
    if (index_of(td_bytes_str(made->name)) < index)
        return td_err_set(err, TD_E_INVALID, "%s.yaml: there is a family '%s' already", own,
                          made->name);
    keep_documents(&used, &families.documents[index - FAMILY_COUNT]);
    families.read[index] = made;
    families.added++;
    return TD_OK;
}

static td_result add_family(const char *own, const added_texts *from, const char *wanted,
                            td_err *err)
{
    (void)pthread_mutex_lock(&families.lock);
    td_result rc = add_locked(own, from, wanted, err);
    (void)pthread_mutex_unlock(&families.lock);
    return rc;
}

td_result family_add(const family_text *documents, size_t count, td_err *err)
{
    added_texts added = {.at = documents, .count = count};
    const family_texts texts = {.find = find_text, .user = &added};
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        int is_family = 0;
        rc = family_file_is_family(&texts, documents[i].name, &is_family, err);
        if (rc == TD_OK && is_family)
            rc = add_family(documents[i].name, &added, NULL, err);
    }
    return rc;
}

td_result family_add_kept(const char *name, const document_set *documents, td_err *err)
{
    family_text texts[DOCUMENT_SET_MAX];
    for (size_t i = 0; i < documents->count; i++)
        if (documents->at[i].text.size > FAMILY_TEXT_BYTES_MAX)
            return td_err_set(err, TD_E_LIMIT, "a document has %zu bytes: at most %d are read",
                              documents->at[i].text.size, FAMILY_TEXT_BYTES_MAX);
    td_arena *memory = td_arena_open();
    for (size_t i = 0; i < documents->count; i++)
        texts[i] = (family_text){td_arena_text(memory, documents->at[i].name),
                                 documents->at[i].text.data, documents->at[i].text.size};
    const added_texts added = {.at = texts, .count = documents->count, .source = DOCUMENT_KEPT};
    td_result rc = documents->count > 0
                       ? add_family(texts[0].name, &added, name, err)
                       : td_err_set(err, TD_E_INVALID, "there is no document of '%s'", name);
    td_arena_close(memory);
    return rc;
}

const document_set *family_documents(const family *of)
{
    const size_t count = count_of_families();
    for (size_t i = FAMILY_COUNT; i < count; i++)
        if (families.read[i] == of)
            return &families.documents[i - FAMILY_COUNT];
    return NULL;
}

int family_document(const family *of, td_bytes name, td_bytes *text)
{
    const document_set *added = family_documents(of);
    for (size_t i = 0; added != NULL && i < added->count; i++)
        if (td_bytes_equal(name, added->at[i].name)) {
            *text = added->at[i].text;
            return 1;
        }
    return find_text(NULL, name, text);
}

const exchange_row *exchange_of(const family *of)
{
    return of != NULL ? of->exchange : get(0)->exchange;
}

const family *family_find(td_bytes name)
{
    const size_t index = index_of(name);
    return index < count_of_families() ? get(index) : NULL;
}

int family_is_known(td_bytes name)
{
    return index_of(name) < count_of_families();
}

int (*family_covers(const char *name))(td_bytes subscription, td_bytes exchange_topic)
{
    const family *of = family_find(td_bytes_str(name));
    return of == NULL ? dialect_covers_same : of->dialect->covers;
}

/* 1 if a path is the endpoint's own one, or at a bare endpoint that and further names. */
static int endpoint_has_path(const family_endpoint *endpoint, td_bytes own, td_bytes path)
{
    if (td_bytes_equal(path, own) || !endpoint->is_bare || path.size <= own.size)
        return td_bytes_equal(path, own);
    const td_bytes begin = td_bytes_of(path.data, own.size);
    return path.data[own.size] == '/' && td_bytes_equal(begin, own);
}

static family_fit fit_endpoint(const family *of, const family_endpoint *endpoint, const td_url *url)
{
    const td_url own = td_url_split(td_bytes_str(endpoint->url));
    const td_bytes path = td_bytes_str(family_url_path(endpoint->url));
    const td_bytes wanted = url->path.size == 0 ? td_bytes_str("/") : url->path;
    if (!endpoint_has_path(endpoint, path, wanted))
        return FIT_NONE;
    const int is_exact = td_bytes_equal(path, wanted);
    if (td_bytes_equal(url->host, own.host))
        return is_exact ? FIT_HOST : FIT_HOST_NAMES;
    if (td_bytes_is_any(url->host, of->exchange->other_hosts))
        return is_exact ? FIT_EXCHANGE : FIT_EXCHANGE_NAMES;
    return is_exact ? FIT_PATH : FIT_PATH_NAMES;
}

family_fit family_fit_url(const family *of, td_bytes url)
{
    family_fit best = FIT_NONE;
    const td_url parts = td_url_split(url);
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const family_fit fit = fit_endpoint(of, &of->endpoints[i], &parts);
        best = fit > best ? fit : best;
    }
    return best;
}

static int has_host(const family *of, td_bytes host)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++)
        if (td_bytes_equal(td_url_split(td_bytes_str(of->endpoints[i].url)).host, host))
            return 1;
    return td_bytes_is_any(host, of->exchange->other_hosts);
}

int family_is_at_host(const family *of, td_bytes host)
{
    int found = has_host(of, host);
    for (size_t i = 0; !found && i < count_of_families(); i++)
        found = may_be_at(i, host, td_bytes_of(NULL, 0)) && get(i)->exchange == of->exchange &&
                has_host(get(i), host);
    return found;
}

const family *family_find_by_url(td_bytes url)
{
    const td_url parts = td_url_split(url);
    if (parts.scheme.size == 0)
        return NULL;
    for (size_t i = 0; i < count_of_families(); i++)
        if (may_be_at(i, parts.host, parts.path) &&
            family_fit_url(get(i), url) >= FIT_EXCHANGE_NAMES)
            return get(i);
    return NULL;
}

const char *family_url(const family *of, family_net net, family_access access)
{
    TD_ASSERT(of != NULL);
    const family_endpoint *endpoints = of->endpoints;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && endpoints[i].url != NULL; i++)
        if (endpoints[i].net == net && endpoints[i].access == access)
            return endpoints[i].url;
    return NULL;
}

int family_url_has_topic(td_bytes url, const char *path)
{
    const td_bytes own = td_url_split(url).path;
    const size_t size = path == NULL ? 0 : strlen(path);
    return path == NULL || (own.size >= size && memcmp(own.data, path, size) == 0 &&
                            (own.size == size || own.data[size] == '/'));
}

const char *family_url_at(const family *of, family_net net, family_access access, const char *path)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const family_endpoint *at = &of->endpoints[i];
        if (at->net == net && at->access == access && !at->is_bare &&
            family_url_has_topic(td_bytes_str(at->url), path))
            return at->url;
    }
    return NULL;
}

const char *family_http(const family *of, td_bytes url)
{
    const td_bytes host = td_url_split(url).host;
    family_net net = NET_MAIN;
    const family *found = family_find_by_url(url);
    if (found == NULL || found->exchange != of->exchange)
        return NULL;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++)
        if (of->endpoints[i].net == NET_TEST &&
            td_bytes_equal(td_url_split(td_bytes_str(of->endpoints[i].url)).host, host))
            net = NET_TEST;
    return of->http[net] != NULL ? of->http[net] : of->exchange->http[net];
}

const char *family_names(void)
{
    return FAMILY_NAMES_TEXT;
}

const char *family_url_path(const char *url)
{
    td_bytes path = td_url_split(td_bytes_str(url)).path;
    return path.size == 0 ? "/" : (const char *)path.data; /* the table's URLs have no query */
}

const char *family_find_path(const family *of, td_bytes path, unsigned *accesses)
{
    const char *found = NULL;
    *accesses = 0;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const char *own = family_url_path(of->endpoints[i].url);
        if (!endpoint_has_path(&of->endpoints[i], td_bytes_str(own), path))
            continue;
        *accesses |= 1U << of->endpoints[i].access;
        found = own;
    }
    return found;
}

size_t family_choose_by_path(const family *const *of, size_t count, td_bytes path)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        unsigned accesses;
        const char *own = family_find_path(of[i], path, &accesses);
        if (own != NULL && td_bytes_is(path, own))
            return i;
        found = own != NULL && found == count ? i : found;
    }
    return found;
}

static int has_url(const family *of, const char *url)
{
    size_t i = 0;
    while (i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL &&
           strcmp(of->endpoints[i].url, url) != 0)
        i++;
    return i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL;
}

int family_shares_server(const family *of, const family *other, const char *own)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++)
        if (strcmp(family_url_path(of->endpoints[i].url), own) == 0 &&
            has_url(other, of->endpoints[i].url))
            return 1;
    return 0;
}

td_bytes family_path_names(const char *own, td_bytes path)
{
    const size_t size = strlen(own) + 1; /* with the '/' */
    return path.size > size ? td_bytes_of(path.data + size, path.size - size)
                            : td_bytes_of(NULL, 0);
}

int family_path_is_bare(const family *of, const char *own)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++)
        if (of->endpoints[i].is_bare && strcmp(family_url_path(of->endpoints[i].url), own) == 0)
            return 1;
    return 0;
}

td_result family_refuse(td_bytes name, td_err *err)
{
    suggest_search search = {.written = name};
    char similar[128];
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        suggest_offer(&search, FAMILY_NAMES[i]);
    for (size_t i = FAMILY_COUNT; i < count_of_families(); i++)
        suggest_offer(&search, families.read[i]->name);
    suggest_format(&search, similar, sizeof similar);
    td_err_set(err, TD_E_INVALID, "there is no family '%.*s'",
               (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
    if (search.name != NULL)
        td_err_hint(err, "%s 'tapedeck topics' lists families", similar);
    else
        td_err_hint(err, "families: %s", family_names());
    return TD_E_INVALID;
}

void family_paths_text(const family *of, td_bytes path, char *why, size_t why_bytes)
{
    enum { PATH_SHOWN_MAX = 100 };
    size_t used = strlen(why);
    if (used == 0) {
        int size = (int)(path.size < PATH_SHOWN_MAX ? path.size : PATH_SHOWN_MAX);
        int length = snprintf(why, why_bytes, "nothing is served at %.*s; try", size,
                              (const char *)path.data);
        TD_ASSERT(length > 0);
        used = (size_t)length;
    }
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const char *one = family_url_path(of->endpoints[i].url);
        const char *found = strstr(why, one);
        size_t size = strlen(one);
        int is_there = found != NULL && (found[size] == ' ' || found[size] == '\0');
        if (is_there || used + size + 2 > why_bytes)
            continue;
        why[used] = ' ';
        memcpy(why + used + 1, one, size + 1);
        used += size + 1;
    }
}

static int fits_any(const char *const *patterns, const char *symbol)
{
    for (; patterns != NULL && *patterns != NULL; patterns++)
        if (fnmatch(*patterns, symbol, 0) == 0)
            return 1;
    return 0;
}

market_kind family_kind_of(const family *of, td_bytes symbol)
{
    char text[LIMIT_SYMBOL_BYTES];
    if (symbol.size >= sizeof text)
        return of->market.kind;
    memcpy(text, symbol.data, symbol.size);
    text[symbol.size] = '\0';
    return fits_any(of->market.options, text)     ? MARKET_OPTIONS
           : fits_any(of->market.contracts, text) ? MARKET_CONTRACTS
                                                  : of->market.kind;
}

int market_ticker_place(const family_market *of, const topic_row *row)
{
    for (int i = 0; of->tickers != NULL && of->tickers[i] != NULL; i++)
        if (strcmp(of->tickers[i], row->name) == 0)
            return i;
    return -1;
}

const topic_row *family_topic_named(const family *of, const char *name)
{
    for (size_t i = 0; i < of->topic_count; i++)
        if (strcmp(of->topics[i].name, name) == 0)
            return &of->topics[i];
    return NULL;
}

const topic_row *family_topic_row(const family *of, const char *topic, td_bytes *symbol)
{
    topic_match found;
    *symbol = td_bytes_of(NULL, 0);
    if (topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_NOW, &found)) {
        *symbol = found.symbol;
        return found.row;
    }
    const topic_row *named = family_topic_named(of, topic);
    /* "kline_1m" has no row of its name, but with a symbol. */
    char with_symbol[LIMIT_TOPIC_BYTES];
    const int size = snprintf(with_symbol, sizeof with_symbol, "%s.-", topic);
    if (named == NULL && size > 0 && (size_t)size < sizeof with_symbol &&
        topic_match_text(of->topics, of->topic_count, td_bytes_str(with_symbol), TOPIC_NOW, &found))
        return found.row;
    return named;
}

const value_row *family_values(const family *of, const field_row *field)
{
    return exchange_values(exchange_of(of), of == NULL ? NULL : of->name, field);
}

static const char *category_of(const family *of)
{
    return of->market.category == NULL ? "linear" : of->market.category;
}

/* The limit in the request for a topic's snapshot; 0: absent. */
static uint64_t request_limit(const topic_row *row)
{
    uint64_t limit = 0;
    const td_bytes request =
        td_bytes_str(row->snapshot_request == NULL ? "" : row->snapshot_request);
    const td_bytes query = td_url_split(request).query;
    return td_digits_parse(td_url_param(query, "limit"), LIMIT_BOOK_LEVELS, &limit) ? limit : 0;
}

int family_snapshot_has_limit(const topic_row *row)
{
    return row->snapshot_levels > 0 || request_limit(row) > 0;
}

size_t family_snapshot_cut(const topic_row *row, size_t levels)
{
    static const size_t USUAL[] = {1000, 500, 100, 50, 20, 10, 5};
    const uint64_t limit = request_limit(row);
    if (limit == 0 || levels >= limit)
        return limit == 0 || levels < limit ? levels : (size_t)limit;
    for (size_t i = 0; i < sizeof USUAL / sizeof USUAL[0]; i++)
        if (USUAL[i] <= levels)
            return USUAL[i];
    return levels;
}

size_t family_snapshot_limit(const topic_row *row, td_bytes query)
{
    const uint64_t most = request_limit(row);
    uint64_t asked;
    if (!td_digits_parse(td_url_param(query, "limit"), LIMIT_BOOK_LEVELS, &asked) || asked == 0)
        asked = most;
    return family_snapshot_cut(row, (size_t)(asked < most ? asked : most));
}

int family_snapshot_is_cut(const topic_row *row, size_t levels)
{
    const uint64_t limit = request_limit(row);
    if (limit == 0)
        return row->snapshot_levels > 0 && levels >= row->snapshot_levels;
    return levels >= limit || (levels >= 5 && family_snapshot_cut(row, levels) == levels);
}

void family_snapshot_path(const family *of, const topic_row *row, td_bytes symbol, char *out,
                          size_t out_bytes)
{
    char plain[LIMIT_TOPIC_BYTES], encoded[3 * LIMIT_TOPIC_BYTES];
    (void)snprintf(plain, sizeof plain, "%.*s", (int)symbol.size,
                   (const char *)symbol.data); /* fits: it is of a topic */
    const int is_encoded = td_url_encode(plain, encoded, sizeof encoded);
    const template_word words[] = {{"{symbol}", td_bytes_str(is_encoded ? encoded : "")},
                                   {"{category}", td_bytes_str(category_of(of))}};
    template_fill(row->snapshot_request, words, 2, out, out_bytes);
}

/* Drop a slash at the end of a path: requests with and without it are the same (Bitstamp). */
static td_bytes without_end_slash(td_bytes path)
{
    path.size -= path.size > 1 && path.data[path.size - 1] == '/';
    return path;
}

/* 1 if a path is that of a request, in which "{symbol}" may be the symbol, which it then sets. */
static int path_fits(td_bytes request, td_bytes path, td_bytes *symbol)
{
    static const char SYMBOL[] = "{symbol}";
    const size_t size = sizeof SYMBOL - 1;
    const uint8_t *at = request.size == 0 ? NULL : memmem(request.data, request.size, SYMBOL, size);
    if (at == NULL)
        return td_bytes_equal(request, path);
    const size_t before = (size_t)(at - request.data), after = request.size - before - size;
    if (path.size < before + after || memcmp(path.data, request.data, before) != 0 ||
        memcmp(path.data + path.size - after, at + size, after) != 0)
        return 0;
    *symbol = td_bytes_of(path.data + before, path.size - before - after);
    return 1;
}

int family_is_snapshot_request(const family *of, const topic_row *row, td_bytes path,
                               td_bytes query, char out[LIMIT_TOPIC_BYTES])
{
    if (row == NULL || row->snapshot_request == NULL)
        return 0;
    const td_url request = td_url_split(td_bytes_str(row->snapshot_request));
    const int has_category = td_url_param(request.query, "category").size > 0;
    td_bytes symbol = td_url_param(query, "symbol");
    if (!path_fits(without_end_slash(request.path), without_end_slash(path), &symbol) ||
        symbol.size == 0 || !td_url_decode(symbol, out, LIMIT_TOPIC_BYTES) ||
        (has_category && !td_bytes_is(td_url_param(query, "category"), category_of(of))))
        return 0;
    /* Where frames spell symbols in lower case, requests may, too. */
    for (char *c = out; of->spelling != NULL && of->spelling->lowers && *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    return 1;
}
