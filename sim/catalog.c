#include "sim/catalog.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "schema/template.h"
#include "sim/catalog_file.h"

static struct {
    pthread_mutex_t lock;
    td_arena *memory;
    const catalog_row *first;
} catalog = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* user: a family. */
static int find_text(void *user, td_bytes name, td_bytes *text)
{
    return family_document(user, name, text);
}

static td_result read_family(const family *of, const catalog_row **out, td_err *err)
{
    const family_texts texts = {.find = find_text, .user = (void *)of};
    if (catalog.memory == NULL)
        catalog.memory = td_arena_open();
    catalog_row *made = td_arena_alloc(catalog.memory, sizeof *made);
    td_result rc = catalog_file_read(&texts, of->document, catalog.memory, made, err);
    if (rc != TD_OK)
        return rc;
    made->of = of;
    made->next = catalog.first;
    *out = catalog.first = made;
    return TD_OK;
}

td_result catalog_get(const family *of, const catalog_row **out, td_err *err)
{
    td_result rc = TD_OK;
    (void)pthread_mutex_lock(&catalog.lock);
    const catalog_row *at = catalog.first;
    while (at != NULL && at->of != of)
        at = at->next;
    if (at != NULL)
        *out = at;
    else
        rc = read_family(of, out, err);
    (void)pthread_mutex_unlock(&catalog.lock);
    return rc;
}

const catalog_row *catalog_find(const char *name)
{
    const catalog_row *row = NULL;
    td_result rc = catalog_get(family_find(td_bytes_str(name)), &row, NULL);
    return rc == TD_OK ? row : NULL;
}

uint32_t catalog_symbol_count(const catalog_row *row, uint32_t wanted)
{
    const uint32_t each = wanted < CATALOG_ACCOUNT_SYMBOLS ? wanted : CATALOG_ACCOUNT_SYMBOLS;
    return row->public_count > 0 ? wanted : row->product_count * each;
}

/* Name the coin and the symbol as the row does. */
static void spell(const catalog_row *row, instrument *made)
{
    char lower[INSTRUMENT_COIN_BYTES];
    for (const coin_name *coin = row->coins; coin != NULL && coin->coin != NULL; coin++)
        if (strcmp(coin->coin, made->base) == 0) {
            (void)snprintf(made->base, sizeof made->base, "%s", coin->name); /* fits */
            break;
        }
    for (size_t i = 0; i < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)made->base[i]);
    const template_word words[] = {{CATALOG_COIN, td_bytes_str(made->base)},
                                   {CATALOG_LOWER_COIN, td_bytes_str(lower)}};
    if (row->spellings[made->product] != NULL)
        template_fill(row->spellings[made->product], words, 2, made->symbol,
                      sizeof made->symbol); /* fits: checked when read */
}

instrument catalog_instrument(const catalog_row *row, uint32_t index)
{
    instrument made =
        instrument_make(row->products[index % row->product_count], index / row->product_count);
    if (row->products[0] != PRODUCT_NONE)
        spell(row, &made);
    return made;
}
