#include "schema/family.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/suggest.h"
#include "base/url.h"
#include "schema/exchange.h"
#include "schema/exchange_file.h"
#include "schema/family_file.h"
#include "schema/family_texts.h"

/* The programs' own families, and their exchanges. */
enum { FAMILIES_OWN_MAX = 64, EXCHANGES_MAX = 16 };

/* ---- documents that were read ---- */

/* Documents that were added together. */
typedef struct added_texts {
    family_text *at;
    size_t count;
} added_texts;

/* Families and exchanges are constants that are read from text when they are first asked for: most
 * programs need one or two. Once set, an entry never changes. */
static struct {
    pthread_mutex_t lock;
    td_arena *memory;
    /* The programs' own, in the order of FAMILY_NAMES (NULL: not yet read), and then added ones. */
    const family *read[FAMILIES_OWN_MAX + FAMILIES_ADDED_MAX];
    added_texts *texts[FAMILIES_OWN_MAX + FAMILIES_ADDED_MAX]; /* of added ones */
    size_t added;
    const exchange_row *exchanges[EXCHANGES_MAX];
    size_t exchange_count;
} families = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t count_of_families(void)
{
    return FAMILY_COUNT + families.added;
}

static int find_in(const family_text *texts, size_t count, td_bytes name, td_bytes *text)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(name, texts[i].name)) {
            *text = td_bytes_of(texts[i].data, texts[i].size);
            return 1;
        }
    return 0;
}

/* user: the added_texts that are searched first, or NULL. */
static int find_text(void *user, td_bytes name, td_bytes *text)
{
    const added_texts *added = user;
    return (added != NULL && find_in(added->at, added->count, name, text)) ||
           find_in(FAMILY_TEXTS, FAMILY_TEXT_COUNT, name, text);
}

static td_arena *memory_of_families(void)
{
    if (families.memory == NULL)
        families.memory = td_arena_open();
    return families.memory;
}

/* As family_texts.exchange; user as in find_text. */
static td_result find_exchange(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    td_bytes text;
    for (size_t i = 0; i < families.exchange_count; i++)
        if (td_bytes_is(name, families.exchanges[i]->name)) {
            *out = families.exchanges[i];
            return TD_OK;
        }
    char file[80];
    const int size = snprintf(file, sizeof file, "%.*s.exchange", (int)name.size,
                              name.size == 0 ? "" : (const char *)name.data);
    if (size < 0 || (size_t)size >= sizeof file || !find_text(user, td_bytes_str(file), &text))
        return td_err_set(err, TD_E_INVALID, "there is no document '%s.yaml'", file);
    if (families.exchange_count == EXCHANGES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s.yaml: more than %d exchanges", file, EXCHANGES_MAX);
    exchange_row *made = td_arena_alloc(memory_of_families(), sizeof *made);
    td_result rc = exchange_file_read(file, text, memory_of_families(), made, err);
    if (rc == TD_OK && !td_bytes_is(name, made->name))
        rc = td_err_set(err, TD_E_INVALID, "%s.yaml: the exchange must have the document's name",
                        file);
    if (rc != TD_OK)
        return rc;
    families.exchanges[families.exchange_count++] = *out = made;
    return TD_OK;
}

static const family *read_family(size_t index)
{
    const family_texts texts = {.find = find_text, .exchange = find_exchange};
    td_err err;
    td_arena *memory = memory_of_families();
    family *made = td_arena_alloc(memory, sizeof *made);
    td_result rc = family_file_read(&texts, FAMILY_NAMES[index], memory, made, &err);
    TD_ASSERT(rc == TD_OK); /* a test reads all of them */
    return made;
}

static const family *get(size_t index)
{
    (void)pthread_mutex_lock(&families.lock);
    if (families.read[index] == NULL)
        families.read[index] = read_family(index);
    const family *found = families.read[index];
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

const family *const *family_table(size_t *count)
{
    for (size_t i = 0; i < count_of_families(); i++)
        (void)get(i);
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

static td_result add_family(const family_text *document, const family_texts *texts, td_err *err)
{
    if (families.added == FAMILIES_ADDED_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s.yaml: more than %d families", document->name,
                          FAMILIES_ADDED_MAX);
    td_arena *memory = memory_of_families();
    family *made = td_arena_alloc(memory, sizeof *made);
    td_result rc = family_file_read(texts, document->name, memory, made, err);
    if (rc != TD_OK)
        return rc;
    if (index_of(td_bytes_str(made->name)) < count_of_families())
        return td_err_set(err, TD_E_INVALID, "%s.yaml: there is a family '%s' already",
                          document->name, made->name);
    families.texts[count_of_families()] = texts->user;
    families.read[FAMILY_COUNT + families.added++] = made;
    return TD_OK;
}

static added_texts *copy_texts(const family_text *documents, size_t count)
{
    td_arena *memory = memory_of_families();
    added_texts *copy = td_arena_alloc(memory, sizeof *copy);
    *copy = (added_texts){td_arena_copy(memory, documents, count * sizeof *documents), count};
    for (size_t i = 0; i < count; i++) {
        copy->at[i].name = td_arena_copy(memory, documents[i].name, strlen(documents[i].name) + 1);
        copy->at[i].data = td_arena_copy(memory, documents[i].data, documents[i].size);
    }
    return copy;
}

int family_document(const family *of, td_bytes name, td_bytes *text)
{
    return find_text(families.texts[index_of(td_bytes_str(of->name))], name, text);
}

td_result family_add(const family_text *documents, size_t count, td_err *err)
{
    const family_texts texts = {
        .find = find_text, .exchange = find_exchange, .user = copy_texts(documents, count)};
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        int is_family = 0;
        rc = family_file_is_family(&texts, documents[i].name, &is_family, err);
        if (rc == TD_OK && is_family)
            rc = add_family(&documents[i], &texts, err);
    }
    return rc;
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

static int is_other_host(const exchange_row *exchange, td_bytes host)
{
    for (const char *const *other = exchange->other_hosts; *other != NULL; other++)
        if (td_bytes_is(host, *other))
            return 1;
    return 0;
}

/* 1 if the URL is this endpoint, with its own host or with another host that serves the same paths.
 */
static int endpoint_fits(const family *of, const char *endpoint, const td_url *url)
{
    td_url own = td_url_split(td_bytes_str(endpoint));
    return td_bytes_equal(url->path, own.path) &&
           (td_bytes_equal(url->host, own.host) || is_other_host(of->exchange, url->host));
}

const family *family_find_by_url(td_bytes url)
{
    td_url parts = td_url_split(url);
    if (parts.scheme.size == 0)
        return NULL;
    for (size_t i = 0; i < count_of_families(); i++) {
        const family *of = get(i);
        for (size_t j = 0; j < FAMILY_ENDPOINTS_MAX && of->endpoints[j].url != NULL; j++)
            if (endpoint_fits(of, of->endpoints[j].url, &parts))
                return of;
    }
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
        if (!td_bytes_is(path, own))
            continue;
        *accesses |= 1U << of->endpoints[i].access;
        found = own;
    }
    return found;
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
    return family_topic_named(of, topic);
}

const value_row *family_values(const family *of, const field_row *field)
{
    return exchange_values(exchange_of(of), of == NULL ? NULL : of->name, field);
}

static const char *category_of(const family *of)
{
    return of->market.category == NULL ? "linear" : of->market.category;
}

static void append(char *out, size_t out_bytes, const char *text, size_t size)
{
    size_t used = strlen(out);
    (void)snprintf(out + used, out_bytes - used, "%.*s", (int)size, text); /* cut if too long */
}

void family_snapshot_path(const family *of, const topic_row *row, td_bytes symbol, char *out,
                          size_t out_bytes)
{
    static const char SYMBOL[] = "{symbol}", CATEGORY[] = "{category}";
    const char *at = row->snapshot_request;
    while (*at != '\0') {
        size_t plain = strcspn(at, "{");
        append(out, out_bytes, at, plain);
        at += plain;
        if (strncmp(at, SYMBOL, sizeof SYMBOL - 1) == 0) {
            append(out, out_bytes, (const char *)symbol.data, symbol.size);
            at += sizeof SYMBOL - 1;
        } else if (*at != '\0') {
            TD_ASSERT(strncmp(at, CATEGORY, sizeof CATEGORY - 1) == 0);
            append(out, out_bytes, category_of(of), strlen(category_of(of)));
            at += sizeof CATEGORY - 1;
        }
    }
}

int family_is_snapshot_request(const family *of, const topic_row *row, td_bytes path,
                               td_bytes query, td_bytes *symbol)
{
    if (row == NULL || row->snapshot_request == NULL)
        return 0;
    *symbol = td_url_param(query, "symbol");
    return td_bytes_equal(td_url_split(td_bytes_str(row->snapshot_request)).path, path) &&
           td_bytes_is(td_url_param(query, "category"), category_of(of)) && symbol->size > 0;
}
