#include "sim/catalog_file.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/document.h"
#include "schema/family_sources.h"
#include "schema/template.h"
#include "sim/level_orders.h"
#include "sim/market.h"
#include "sim/value.h"
#include "sim/window.h"

enum {
    NAMES_SHOWN_MAX = 256,     /* that an error chooses from */
    TEMPLATE_BYTES_MAX = 8192, /* the longest one of the programs' documents has 1,200 */
    PARTS_MAX = 256,           /* parts of a text, with those in parts */
    PARTS_DEPTH_MAX = 8,       /* parts, one in the other */
    SCHEDULE_MAX = 86400000,   /* a day in ms; also for events */
    LISTS_MAX = 24,            /* families in a list of instruments */
    REPLIES_MAX = 256,
    COINS_MAX = 64, /* with another name */
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Who can subscribe to a stream. */
typedef enum stream_access { STREAM_PUBLIC, STREAM_OF_ACCOUNT } stream_access;

/* What the readers of a section share: the user of its documents. */
typedef struct reading {
    family_sources sources;
    unsigned products; /* a bit for each product of the family; 0: it has no symbols */
    unsigned spelled;  /* those with a spelling of their own */
    stream_row *rows;  /* SIM_SYMBOL_STREAMS_MAX */
    size_t row_count;
} reading;

/* The section of a document; absent: it lacks one. */
static document_node section_of(const reading *r, size_t source)
{
    return document_find(document_root(&r->sources.at[source]), "simulator");
}

static td_result check_list(document_node list, td_err *err)
{
    return document_size(list) > 0 ? TD_OK
                                   : document_refuse_text(list, "a list is expected, not", err);
}

/* Find what a text names: in the given mapping, or in the mapping `key` of the sections. */
static td_result find_named(document_node name, const char *key, document_node given,
                            document_node *out, td_err *err)
{
    const reading *r = name.of->user;
    document_word known[NAMES_SHOWN_MAX];
    size_t count = 0;
    document_node in = given;
    for (size_t i = 0; i <= r->sources.count; i++) {
        for (size_t k = 0; k < document_pair_count(in); k++) {
            const td_bytes found = document_text(document_key(in, k));
            *out = document_value(in, k);
            if (td_bytes_equal(found, document_text(name)))
                return TD_OK;
            if (count < NAMES_SHOWN_MAX && found.data != NULL)
                known[count++].word = (const char *)found.data; /* texts of YAML have a NUL */
        }
        if (i < r->sources.count)
            in = document_find(section_of(r, i), key);
    }
    return document_refuse_word(name, "no such name is in the documents:", known, count, err);
}

/* ---- texts of frames ---- */

/* A text whose parts are replaced by their texts. */
typedef struct expansion {
    document_node parts; /* of the stream */
    td_buf text;
    unsigned part_count;
} expansion;

static td_result expand(expansion *e, document_node at, unsigned depth, td_err *err);

/* Put the part that "%{NAME}" at *index of a text names; *index becomes the end of the name. */
static td_result expand_part(expansion *e, document_node at, size_t *index, unsigned depth,
                             td_err *err)
{
    const td_bytes text = document_text(at);
    const uint8_t *name = text.data + *index + 2;
    const uint8_t *end = memchr(name, '}', text.size - *index - 2);
    document_node part;
    if (end == NULL)
        return document_refuse(at, "'}' is missing after",
                               td_bytes_of(name - 2, text.size - *index), err);
    if (depth == PARTS_DEPTH_MAX || ++e->part_count > PARTS_MAX)
        return document_refuse(at, "more than 256 parts, or more than 8 in each other, at",
                               td_bytes_of(name, (size_t)(end - name)), err);
    at.word = td_bytes_of(name, (size_t)(end - name));
    td_result rc = find_named(at, "parts", e->parts, &part, err);
    *index = (size_t)(end - text.data);
    return rc == TD_OK ? expand(e, part, depth + 1, err) : rc;
}

/* Put a text without line breaks, and without spaces at the beginning of lines. */
static td_result expand(expansion *e, document_node at, unsigned depth, td_err *err)
{
    const td_bytes text = document_text(at);
    int is_begin = 1; /* of a line */
    td_result rc = TD_OK;
    if (text.data == NULL)
        return document_refuse(at, "a text is expected, not", text, err);
    for (size_t i = 0; rc == TD_OK && i < text.size; i++) {
        const uint8_t *c = &text.data[i];
        is_begin = *c == '\n' || (is_begin && *c == ' ');
        if (is_begin)
            continue;
        if (*c < ' ') /* templates use such bytes themselves */
            rc = document_refuse(at, "a text has a control character:", text, err);
        else if (*c == '%' && i + 1 < text.size && c[1] == '{')
            rc = expand_part(e, at, &i, depth, err);
        else if (e->text.size == TEMPLATE_BYTES_MAX)
            rc = document_refuse(at, "a text, with its parts, is longer than 8192 bytes:", text,
                                 err);
        else
            td_buf_add(&e->text, c, 1);
    }
    return rc;
}

/* ---- kinds of streams ---- */

static const document_word KINDS[] = {
    {"book", STREAM_BOOK},
    {"book_orders", STREAM_BOOK_ORDERS},
    {"trade", STREAM_TRADE},
    {"trade_each", STREAM_TRADE_EACH},
    {"ticker", STREAM_TICKER},
    {"candle", STREAM_CANDLE},
    {"liquidation", STREAM_LIQUIDATION},
    {"notice", STREAM_NOTICE},
    {"order", STREAM_ORDER},
    {"stop_order", STREAM_STOP_ORDER},
    {"execution", STREAM_EXECUTION},
    {"position", STREAM_POSITION},
    {"wallet", STREAM_WALLET},
};

#define LIST(name) (1U << SIM_LIST_##name)

/* Keys that a kind of stream needs. Two keys for one of them are no sum of others. */
enum { HAS_DEPTH = 1, HAS_MINUTES = 2, HAS_SCHEDULE = 8 };

/* What the streams of a kind have: the lists in their texts, and keys. */
static const struct kind_rule {
    unsigned lists;
    int keys;
} RULES[STREAM_KINDS] = {
    [STREAM_BOOK] = {LIST(BIDS) | LIST(ASKS) | LIST(LEVELS) | LIST(DELETED) | LIST(UPDATED) |
                         LIST(INSERTED),
                     HAS_DEPTH | HAS_SCHEDULE},
    [STREAM_BOOK_ORDERS] = {LIST(BIDS) | LIST(ASKS), HAS_DEPTH | HAS_SCHEDULE},
    [STREAM_TRADE] = {LIST(TRADES), 0},
    [STREAM_TRADE_EACH] = {LIST(TRADES), 0},
    [STREAM_TICKER] = {0, HAS_SCHEDULE},
    [STREAM_CANDLE] = {LIST(CANDLES), HAS_MINUTES},
    [STREAM_NOTICE] = {0, HAS_SCHEDULE},
};

/* What a text can have. */
typedef struct text_rule {
    unsigned lists;
    unsigned last_value;
    size_t items_max; /* items of each list */
} text_rule;

/* The values of the account are set for its own streams, and the values of instruments for none. A
 * book's change may delete all levels and insert others. */
static text_rule rule_of_stream(const stream_row *row)
{
    return (text_rule){.lists = RULES[row->kind].lists,
                       .last_value = row->is_private ? SIM_ACCOUNT_LAST : SIM_TICKER_LAST,
                       .items_max = row->kind == STREAM_BOOK ? 2 * (size_t)row->depth
                                    : row->kind == STREAM_BOOK_ORDERS
                                        ? level_orders_events_max(row->depth)
                                        : MARKET_TRADES_MAX};
}

static td_result check_content(document_node at, const text_rule *rule, const template *text,
                               td_err *err)
{
    template_content content;
    template_describe(text, &content);
    const unsigned lists = content.lists & ~rule->lists;
    if (lists != 0)
        return document_refuse(at, "this text does not have the list",
                               td_bytes_str(SIM_NAMES.lists[__builtin_ctz(lists)].word), err);
    if (content.last_value > rule->last_value)
        return document_refuse(at, "this text does not have the value",
                               td_bytes_str(SIM_NAMES.values[content.last_value].word), err);
    /* One list has the changes of both sides. */
    const size_t sides = (content.lists & LIST(LEVELS)) != 0 ? 2 : 1;
    return content.bytes + content.item_bytes * sides * rule->items_max <= SIM_FRAME_BYTES_MAX
               ? TD_OK
               : document_refuse_text(at, "frames can be longer than 1 MiB with", err);
}

static td_result make_text(expansion *e, document_node at, const text_rule *rule,
                           const template **out, td_err *err)
{
    td_result rc = expand(e, at, 0, err);
    if (rc != TD_OK)
        return rc;
    td_buf_add(&e->text, "", 1);
    rc = template_compile(at.of->memory, (const char *)e->text.data, &SIM_NAMES, out, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s.yaml:%zu", at.of->name, document_line(at));
    return check_content(at, rule, *out, err);
}

/* Read a text of a stream or reply. *out stays as it is if the key is absent. */
static td_result read_text(document_node of, const char *key, const text_rule *rule,
                           const template **out, td_err *err)
{
    const document_node at = document_find(of, key);
    expansion e = {.parts = document_find(of, "parts")};
    if (at.at == NULL)
        return TD_OK;
    td_buf_init(&e.text, TEMPLATE_BYTES_MAX + 1);
    td_result rc = make_text(&e, at, rule, out, err);
    td_buf_fini(&e.text);
    return rc;
}

/* ---- streams ---- */

/* The kinds of words that may follow a stream's kind. */
enum { IS_SCOPE = 1 << 8, IS_FLAG = 1 << 9, PRODUCT_WORDS = 6 };

static const document_word PROPERTIES[] = {
    {"inverse", PRODUCT_INVERSE}, /* the first PRODUCT_WORDS words are products */
    {"linear", PRODUCT_LINEAR},
    {"usdc_perp", PRODUCT_USDC_PERP},
    {"spot", PRODUCT_SPOT},
    {"option", PRODUCT_OPTION},
    {"spread", PRODUCT_SPREAD},
    {"per_coin", IS_SCOPE | SCOPE_COIN},
    {"per_settle_coin", IS_SCOPE | SCOPE_SETTLE},
    {"per_coin_expiry", IS_SCOPE | SCOPE_COIN_EXPIRY},
    {"per_minute", IS_SCOPE | SCOPE_SYMBOL_MINUTE},
    {"per_family", IS_SCOPE | SCOPE_ALL},
    {"whole_ms", IS_FLAG | STREAM_MS},
    {"no_first", IS_FLAG | STREAM_NO_INITIAL},
    {"last_trade_first", IS_FLAG | STREAM_LAST_FIRST},
    {"fetched", IS_FLAG | STREAM_FETCHED | STREAM_NO_INITIAL},
};

static td_result read_property(document_node at, void *row, td_err *err)
{
    stream_row *out = row;
    int value = 0;
    td_result rc = document_read_word(at, "a stream has no property", PROPERTIES,
                                      COUNT_OF(PROPERTIES), &value, err);
    if (rc != TD_OK)
        return rc;
    if ((value & IS_SCOPE) != 0)
        out->scope = (stream_scope)(value & ~IS_SCOPE);
    else if ((value & IS_FLAG) != 0)
        out->flags |= (uint16_t)(value & ~IS_FLAG);
    else
        out->products |= (uint16_t)(1U << value);
    return TD_OK;
}

/* "KIND [PROPERTY...]" */
static td_result read_shows(document_node at, void *row, td_err *err)
{
    static const document_member WORDS[] = {
        {NULL, DOCUMENT_AT(WORD, stream_row, kind), DOCUMENT_CHOICE(KINDS),
         .what = "a stream does not show"},
        {NULL, DOCUMENT_OWN, .read = read_property},
    };
    static const document_form FORM = {"", DOCUMENT_MEMBERS(WORDS), .most = DOCUMENT_WORDS_MAX};
    return document_read_form(at, &FORM, row, err);
}

/* What is wrong with a stream as a whole; NULL: nothing. */
static const char *stream_fault(const reading *r, document_node at, const stream_row *row)
{
    enum { SAME_SYMBOLS = 1 << PRODUCT_LINEAR | 1 << PRODUCT_SPOT };
    const int is_account = row->is_private;
    const unsigned of = row->products != 0 ? row->products : r->products;
    const int has_intervals = document_find(at, "intervals").at != NULL;
    const int keys =
        HAS_DEPTH * (row->depth > 0) +
        HAS_MINUTES * (has_intervals + (row->minutes > 0) + (row->scope == SCOPE_SYMBOL_MINUTE)) +
        HAS_SCHEDULE * ((row->events_max > 0) + (row->every_ms > 0));
    if (row->topic[0] == '\0' || strlen(row->topic) > STREAM_TOPIC_BYTES_MAX)
        return "a topic has 1 to 56 bytes, not";
    if (is_account ? row->kind < STREAM_NOTICE : row->kind > STREAM_NOTICE)
        return is_account ? "only a public stream shows this:" : "only the account shows this:";
    if (is_account && row->scope != SCOPE_ALL)
        return "a stream of the account is for all symbols:";
    if (keys != RULES[row->kind].keys)
        return "a book needs depth, a candle intervals, minutes or per_minute, a book, ticker or "
               "notice "
               "events or every_ms, and other streams none of them:";
    if ((row->products & ~r->products) != 0 ||
        (r->products == 0 && (is_account || row->scope != SCOPE_ALL)))
        return "the family does not have the products of the stream";
    /* What was shown last is compared with one market only. */
    if (row->kind != STREAM_NOTICE && keys != 0 && row->scope != SCOPE_SYMBOL &&
        row->scope != SCOPE_SYMBOL_MINUTE)
        return "a book, ticker or candle is of one symbol:";
    if (!is_account && (of & ~r->spelled & SAME_SYMBOLS) == SAME_SYMBOLS)
        return "linear and spot have the same symbols; a public stream is of one of them:";
    return NULL;
}

#define NUMBER(member, limit) DOCUMENT_AT(NUMBER, stream_row, member), .most = (limit)
static const document_member STREAM[] = {
    {"topic", DOCUMENT_AT(TEXT, stream_row, topic), .is_needed = 1},
    {"shows", DOCUMENT_OWN, .is_needed = 1, .read = read_shows},
    {"depth", NUMBER(depth, WINDOW_DEPTH_MAX)},
    {"events", NUMBER(events_max, SCHEDULE_MAX)},
    {"every_ms", NUMBER(every_ms, SCHEDULE_MAX)},
    {"minutes", NUMBER(minutes, 1440)},
    {"parts", .type = DOCUMENT_MAPPING},                      /* of the texts */
    {"snapshot", .type = DOCUMENT_ELSEWHERE, .is_needed = 1}, /* after all others */
    {"delta", .type = DOCUMENT_ELSEWHERE},                    /* the same */
    {"intervals", .type = DOCUMENT_ELSEWHERE},                /* add_candles */
};
static const document_table STREAM_TABLE = {"a stream", DOCUMENT_MEMBERS(STREAM)};

static td_result read_stream(const reading *r, document_node at, stream_access access,
                             stream_row *out, td_err *err)
{
    *out = (stream_row){.is_private = access == STREAM_OF_ACCOUNT,
                        .scope = access == STREAM_OF_ACCOUNT ? SCOPE_ALL : SCOPE_SYMBOL};
    td_result rc = document_read_members(at, &STREAM_TABLE, out, err);
    if (rc != TD_OK)
        return rc;
    const char *fault = stream_fault(r, at, out);
    if (fault != NULL)
        return document_refuse(at, fault, td_bytes_str(out->topic), err);
    const text_rule rule = rule_of_stream(out);
    rc = read_text(at, "snapshot", &rule, &out->snapshot, err);
    if (rc == TD_OK)
        rc = read_text(at, "delta", &rule, &out->delta, err);
    /* A text of the account shows what happened. Its state is a text of its own, if it has one. */
    if (access == STREAM_OF_ACCOUNT && out->delta == NULL)
        out->flags |= STREAM_NO_INITIAL;
    return rc;
}

/* ---- tables of streams ---- */

/* 1 if two rows have streams of the same name. Streams of different products have not, if their
 * symbols follow the topic. */
static int is_same(const reading *r, const stream_row *a, const stream_row *b)
{
    const unsigned of_a = a->products != 0 ? a->products : r->products;
    const unsigned of_b = b->products != 0 ? b->products : r->products;
    return strcmp(a->topic, b->topic) == 0 &&
           ((of_a & of_b) != 0 || a->scope != SCOPE_SYMBOL || b->scope != SCOPE_SYMBOL);
}

static td_result add_row(reading *r, document_node at, const stream_row *row, td_err *err)
{
    for (size_t i = 0; i < r->row_count; i++)
        if (is_same(r, &r->rows[i], row))
            return document_refuse(at, "a topic is there twice:", td_bytes_str(row->topic), err);
    if (r->row_count == SIM_SYMBOL_STREAMS_MAX)
        return document_refuse(at, "more than 64 streams, with", td_bytes_str(row->topic), err);
    r->rows[r->row_count++] = *row;
    return TD_OK;
}

/* Where the interval is in a topic that ends with "{interval}"; else the topic's size. */
static size_t interval_at(const char *topic)
{
    static const char MARK[] = "{interval}";
    const size_t size = strlen(topic), mark = sizeof MARK - 1;
    return size > mark && strcmp(topic + size - mark, MARK) == 0 ? size - mark : size;
}

/* Add a row for each interval of a candle. */
static td_result add_candles(reading *r, document_node list, const stream_row *candle, td_err *err)
{
    static const document_word INTERVALS[] = {
        {"1", 1},     {"3", 3},     {"5", 5},     {"15", 15},   {"30", 30},  {"60", 60},
        {"120", 120}, {"240", 240}, {"360", 360}, {"720", 720}, {"D", 1440}, {"1m", 1},
        {"3m", 3},    {"5m", 5},    {"15m", 15},  {"30m", 30},  {"1h", 60},  {"2h", 120},
        {"4h", 240},  {"6h", 360},  {"12h", 720}, {"1d", 1440}, {"1H", 60},  {"2H", 120},
        {"4H", 240},  {"6H", 360},  {"12H", 720}, {"1D", 1440},
    };
    stream_row row = *candle;
    int minutes = 0;
    const char *const *texts;
    td_result rc = document_read_texts(list, COUNT_OF(INTERVALS), &texts, err);
    for (size_t i = 0; rc == TD_OK && texts[i] != NULL; i++) {
        char topic[STREAM_TOPIC_BYTES_MAX + 8];
        rc = document_read_word(document_entry(list, i), "there is no interval", INTERVALS,
                                COUNT_OF(INTERVALS), &minutes, err);
        const size_t size = strlen(candle->topic), text = interval_at(candle->topic);
        const char *joint = text < size || candle->topic[size - 1] == '_' ? "" : ".";
        (void)snprintf(topic, sizeof topic, "%.*s%s%s", (int)text, candle->topic, joint,
                       texts[i]); /* fits, if OK */
        row.interval = texts[i];
        row.minutes = (uint32_t)minutes;
        row.topic = td_arena_text(list.of->memory, td_bytes_str(topic));
        if (rc == TD_OK)
            rc = add_row(r, list, &row, err);
    }
    return rc;
}

static td_result read_entry(reading *r, document_node stream, stream_access access, td_err *err)
{
    const document_node use = document_find(stream, "use");
    const document_node absent = {.of = use.of};
    td_result rc = TD_OK;
    stream_row row;
    if (use.at != NULL && document_pair_count(stream) > 1)
        return document_refuse(stream, "no other key is allowed beside use:", document_text(use),
                               err);
    if (use.at != NULL)
        rc = find_named(use, "streams", absent, &stream, err);
    if (rc == TD_OK)
        rc = read_stream(r, stream, access, &row, err);
    if (rc != TD_OK)
        return rc;
    const document_node intervals = document_find(stream, "intervals");
    if (row.minutes == 0)
        row.minutes = row.kind == STREAM_CANDLE; /* per_minute */
    return intervals.at != NULL ? add_candles(r, intervals, &row, err)
                                : add_row(r, stream, &row, err);
}

static td_result read_entries(document_node list, stream_access access, td_err *err)
{
    td_result rc = check_list(list, err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++)
        rc = read_entry(list.of->user, document_entry(list, i), access, err);
    return rc;
}

static td_result read_streams(document_node list, void *row, td_err *err)
{
    const reading *r = list.of->user;
    catalog_row *out = row;
    td_result rc = read_entries(list, STREAM_PUBLIC, err);
    out->public_count = r->row_count;
    return rc;
}

static td_result read_account(document_node list, void *row, td_err *err)
{
    (void)row;
    return read_entries(list, STREAM_OF_ACCOUNT, err);
}

/* ---- HTTP replies ---- */

static td_result check_reply(document_node mapping, void *row, td_err *err)
{
    static const text_rule RULE = {LIST(INSTRUMENTS), SIM_COUNT, 1};
    static const char *const NO_LISTS[] = {NULL};
    reply_row *out = row;
    if (out->lists == NULL)
        out->lists = NO_LISTS;
    return read_text(mapping, "text", &RULE, &out->text, err);
}

#define TEXT(key) #key, DOCUMENT_AT(TEXT, reply_row, key)
static const document_member REPLY[] = {
    {TEXT(path), .is_needed = 1},
    {TEXT(query)},
    {TEXT(coin)},
    {TEXT(status)},
    {TEXT(page_size)},
    {TEXT(page)},
    {"lists", DOCUMENT_AT(TEXTS, reply_row, lists), .most = LISTS_MAX},
    {"parts", .type = DOCUMENT_MAPPING},                  /* of the text */
    {"text", .type = DOCUMENT_ELSEWHERE, .is_needed = 1}, /* check_reply */
};
static const document_table REPLY_TABLE = {"a reply", DOCUMENT_MEMBERS(REPLY),
                                           .check = check_reply};

/* ---- the section ---- */

static td_result read_products(document_node list, void *row, td_err *err)
{
    reading *r = list.of->user;
    catalog_row *out = row;
    int value = 0;
    td_result rc = check_list(list, err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++) {
        const document_node at = document_entry(list, i);
        rc = document_read_word(at, "there is no product", PROPERTIES, PRODUCT_WORDS, &value, err);
        if (rc != TD_OK)
            return rc;
        if ((r->products & 1U << value) != 0 || i == CATALOG_PRODUCTS_MAX)
            return document_refuse_text(at, "a product is there twice, or it is the sixth:", err);
        out->products[i] = (product)value;
        r->products |= 1U << value;
    }
    out->product_count = (uint8_t)document_size(list);
    return rc;
}

/* What is wrong with the spelling of symbols; NULL: nothing. */
static const char *spelling_fault(const char *text)
{
    static const char *const PLACES[] = {CATALOG_COIN, CATALOG_LOWER_COIN};
    int has_coin = 0;
    const size_t size = strlen(text);
    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
        int is_known = 0;
        for (size_t i = 0; i < COUNT_OF(PLACES); i++)
            is_known |= strncmp(at, PLACES[i], strlen(PLACES[i])) == 0;
        if (!is_known)
            return "a symbol has only the places {coin} and {lower_coin}, not";
        has_coin = 1;
    }
    if (size > CATALOG_SPELLING_BYTES_MAX)
        return "the spelling of a symbol has at most 24 bytes, not";
    return has_coin ? NULL : "a symbol needs {coin} or {lower_coin}, not";
}

static td_result read_symbols(document_node mapping, void *row, td_err *err)
{
    reading *r = mapping.of->user;
    catalog_row *out = row;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i), value = document_value_of(name);
        const char *text = NULL;
        int of = 0;
        rc = document_read_word(name, "there is no product", PROPERTIES, PRODUCT_WORDS, &of, err);
        if (rc == TD_OK)
            rc = document_read_text(value, &text, err);
        if (rc != TD_OK)
            return rc;
        if ((r->products & 1U << of) == 0)
            return document_refuse_text(name, "the family does not have the product", err);
        const char *fault = spelling_fault(text);
        for (int other = 0; other < PRODUCT_NONE; other++)
            if (out->spellings[other] != NULL && strcmp(out->spellings[other], text) == 0)
                fault = "two products have symbols of the same spelling:";
        if (fault != NULL)
            return document_refuse_text(value, fault, err);
        out->spellings[of] = text;
        r->spelled |= 1U << of;
    }
    return rc;
}

/* "BTC: XBT" */
static td_result read_coin(document_node name, void *coin, td_err *err)
{
    coin_name *out = coin;
    const document_node value = document_value_of(name);
    out->coin = document_copy(name);
    if (!instrument_has_coin(out->coin))
        return document_refuse_text(name, "the simulator does not trade the coin", err);
    td_result rc = document_read_text(value, &out->name, err);
    if (rc == TD_OK && (out->name[0] == '\0' || strlen(out->name) >= INSTRUMENT_COIN_BYTES))
        rc = document_refuse_text(value, "a coin's name has 1 to 7 bytes, not", err);
    return rc;
}

static td_result check_orders(document_node mapping, void *row, td_err *err)
{
    const orders_row *out = row;
    return out->of != NULL
               ? TD_OK
               : document_refuse_text(mapping,
                                      "orders need the family whose account has them (of):", err);
}

static const document_member ORDERS[] = {
    {"of", DOCUMENT_AT(TEXT, orders_row, of)},
    {"place", DOCUMENT_AT(TEXT, orders_row, place)},
    {"change", DOCUMENT_AT(TEXT, orders_row, change)},
    {"cancel", DOCUMENT_AT(TEXT, orders_row, cancel)},
};
static const document_table ORDERS_TABLE = {"orders", DOCUMENT_MEMBERS(ORDERS),
                                            .check = check_orders};

static td_result check_section(document_node section, void *row, td_err *err)
{
    const reading *r = section.of->user;
    catalog_row *out = row;
    out->streams = r->rows;
    out->stream_count = r->row_count;
    return r->row_count == 0 && out->orders.of == NULL
               ? document_refuse_text(section, "simulator needs streams, account or orders:", err)
               : TD_OK;
}

static const document_member SECTION[] = {
    {"products", DOCUMENT_OWN, .read = read_products}, /* they precede the streams */
    {"symbols", DOCUMENT_OWN, .read = read_symbols},   /* the same */
    {"coins", DOCUMENT_AT(MAP, catalog_row, coins), .size = sizeof(coin_name), .least = 1,
     .most = COINS_MAX, .what = "coins", .read = read_coin},
    {"ack_first", DOCUMENT_AT(TRUE, catalog_row, is_ack_first)},
    {"orders", DOCUMENT_AT(STRUCT, catalog_row, orders), .table = &ORDERS_TABLE},
    {"parts", .type = DOCUMENT_MAPPING}, /* find_named */
    {"streams", DOCUMENT_OWN, .read = read_streams},
    {"account", DOCUMENT_OWN, .read = read_account},
    {"replies", DOCUMENT_AT(LIST, catalog_row, replies), .size = sizeof(reply_row), .least = 1,
     .most = REPLIES_MAX, .what = "replies", .table = &REPLY_TABLE},
};
static const document_table SECTION_TABLE = {"simulator", DOCUMENT_MEMBERS(SECTION),
                                             .check = check_section};

static td_result read_section(const reading *r, const char *name, catalog_row *out, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 1; rc == TD_OK && i < r->sources.count; i++)
        rc = document_check_keys(section_of(r, i), &SECTION_TABLE, err);
    if (rc == TD_OK && section_of(r, 0).at == NULL) {
        rc = td_err_set(err, TD_E_INVALID, "%s.yaml does not have the key 'simulator'", name);
        td_err_hint(err, "docs/families.md describes this section, which has what is sent");
    }
    return rc == TD_OK ? document_read_members(section_of(r, 0), &SECTION_TABLE, out, err) : rc;
}

td_result catalog_file_read(const family_texts *texts, const char *name, td_arena *memory,
                            catalog_row *out, td_err *err)
{
    static const reply_row NO_REPLIES = {.path = NULL};
    reading r = {.rows = td_arena_alloc(memory, SIM_SYMBOL_STREAMS_MAX * sizeof *r.rows)};
    *out = (catalog_row){.products = {PRODUCT_NONE}, .product_count = 1, .replies = &NO_REPLIES};
    td_result rc = family_sources_open(texts, name, memory, &r, &r.sources, err);
    if (rc == TD_OK)
        rc = read_section(&r, name, out, err);
    family_sources_close(&r.sources);
    return rc;
}
