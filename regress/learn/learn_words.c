#include "regress/learn/learn_words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

#define LEARN_ACTION_KEY "action|level_action"

/* The place, from 1, of a word in the list "a|b|c"; 0: it is not there. */
static size_t place_in(const char *list, const char *word)
{
    const size_t size = strlen(word);
    size_t place = 1;
    for (const char *at = list; *at != '\0'; place++) {
        const size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, word, size) == 0)
            return place;
        at += length + (at[length] == '|');
    }
    return 0;
}

static int is_listed(const char *list, const char *word)
{
    return place_in(list, word) != 0;
}

/* 1 if the word is at the beginning or end of the text, or after a separator. */
static int has_word(td_bytes text, const char *word)
{
    const size_t size = strlen(word);
    for (size_t i = 0; i + size <= text.size; i++)
        if ((i == 0 || i + size == text.size || !isalnum(text.data[i - 1])) &&
            strncasecmp((const char *)text.data + i, word, size) == 0)
            return 1;
    return 0;
}

/* ---- symbols, topics, kinds ---- */

int learn_is_symbol(td_bytes text)
{
    static const char *const COINS[] = {"BTC", "XBT", "ETH", "USD", "USDT", "USDC",
                                        "EUR", "GBP", "JPY", "KRW", "SOL",  "PERP",
                                        "BNB", "XRP", "LTC", "BCH", "ADA",  "DOGE"};
    size_t letters = 0;
    if (text.size < 5 || text.size > 40)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        const int c = text.data[i];
        if (!isalnum(c) && c != '-' && c != '_' && c != '/' && c != ':')
            return 0;
        letters += (size_t)(isalpha(c) != 0);
    }
    for (size_t i = 0; letters > 2 && i < sizeof COINS / sizeof *COINS; i++)
        if (has_word(text, COINS[i]))
            return 1;
    return 0;
}

int learn_has_symbols(const path_stat *stat)
{
    size_t count = 0;
    for (size_t i = 0; i < stat->word_count; i++)
        count += (size_t)learn_is_symbol(td_bytes_str(stat->words[i]));
    return stat->word_count > 0 && count * 10 >= stat->word_count * 8;
}

int learn_topic_rank(const char *key)
{
    static const char *const RANKS[] = {"topic|stream|channel|channelName", "ch|table|feed|arg",
                                        "name|subject|e", "event|type|method|op|action"};
    for (size_t i = 0; i < sizeof RANKS / sizeof *RANKS; i++)
        if (is_listed(RANKS[i], key))
            return 9 - (int)i * 2;
    return 1;
}

frame_kind learn_kind_of(const char *word)
{
    if (is_listed("snapshot|partial|full|whole|SNAPSHOT", word))
        return FRAME_SNAPSHOT;
    return is_listed("delta|update|change|incremental|DELTA|UPDATE", word) ? FRAME_DELTA
                                                                           : FRAME_UNTYPED;
}

int learn_is_word(const char *text)
{
    size_t size = 0;
    for (; text[size] != '\0'; size++)
        if (!isalnum((unsigned char)text[size]) && strchr("_-.:/@", text[size]) == NULL)
            return 0;
    return size > 0 && (isalnum((unsigned char)text[0]) || text[0] == '/');
}

int learn_is_answer(td_bytes word)
{
    static const char *const PARTS[] = {"subscribe", "succe", "pong", "heartbeat", "error"};
    char text[LEARN_WORD_BYTES_MAX + 1];
    if (word.size == 0 || word.size >= sizeof text)
        return 0;
    memcpy(text, word.data, word.size);
    text[word.size] = '\0';
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (strcasestr(text, PARTS[i]) != NULL)
            return 1;
    return 0;
}

const char *learn_class_of(const char *word)
{
    static const struct {
        const char *part, *class;
    } CLASSES[] = {{"pong", "pong"},
                   {"ping", "ping"},
                   {"heartbeat", "ping"},
                   {"error", "error"},
                   {"subscri", "ack"}};
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (strcasestr(word, CLASSES[i].part) != NULL)
            return CLASSES[i].class;
    return NULL;
}

int learn_has_actions(const path_stat *stat)
{
    size_t count = 0;
    for (size_t i = 0; i < stat->word_count; i++)
        count += (size_t)is_listed("new|change|delete|insert|update|add|remove", stat->words[i]);
    return count > 0 && count == stat->word_count && stat->texts == stat->values;
}

int learn_is_bids(const char *key)
{
    return is_listed("b|bids|bid|bs|buy|buys|Bids", key);
}

int learn_is_asks(const char *key)
{
    return is_listed("a|asks|ask|as|sell|sells|Asks", key);
}

/* ---- types ---- */

static int are_numbers(const path_stat *stat)
{
    return stat->values > 0 && (stat->whole + stat->decimal) * 10 >= stat->values * 9;
}

/* The unit of a time by its number of digits; NULL: it is no time. */
static const char *time_type(const path_stat *stat)
{
    static const struct {
        uint32_t digits;
        const char *type;
    } UNITS[] = {{10, "time s"}, {13, "time ms"}, {16, "time us"}, {19, "time ns"}};
    if (stat->rfc3339 * 10 >= stat->values * 9 && stat->rfc3339 > 0)
        return "time rfc3339";
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS && are_numbers(stat); i++)
        if (stat->digits_min == UNITS[i].digits && stat->digits_max == UNITS[i].digits)
            return UNITS[i].type;
    return NULL;
}

/* The type of a side by its words; NULL: the words are not sides. */
static const char *side_type(const path_stat *stat)
{
    const char *type = NULL;
    if (stat->bools > 0 && stat->bools == stat->values)
        return strcmp(path_key(stat->path), "m") == 0 ? "is_sell" : "is_buy";
    /* A digit, as Bitstamp's type: 0 is a Buy. */
    if (stat->numbers == stat->values && stat->decimal == 0 && stat->digits_max == 1 &&
        stat->zeros > 0)
        return "is_sell";
    for (size_t i = 0; i < stat->word_count; i++) {
        const int is_plain = is_listed("Buy|Sell|BUY|SELL", stat->words[i]);
        if (!is_plain && !is_listed("buy|sell|b|s|bid|ask|offer", stat->words[i]))
            return NULL;
        type = is_plain ? "side" : "lower_side";
    }
    return stat->has_more_words ? NULL : type;
}

int learn_has_sides(const path_stat *stat)
{
    return stat->word_count > 0 && stat->texts == stat->values && side_type(stat) != NULL;
}

static int are_texts(const path_stat *stat)
{
    return stat->texts == stat->values || (stat->numbers == stat->values && stat->decimal == 0);
}

const char *learn_type(const path_stat *stat)
{
    if (stat->containers > 0)
        return "json";
    if (stat->bools > 0)
        return "bool";
    if (are_numbers(stat))
        return stat->decimal == 0 && stat->texts == 0 ? "integer" : "decimal";
    return "text";
}

/* ---- the dictionary ---- */

enum {
    IN_BOOK = 1 << 0,
    IN_TRADE = 1 << 1,
    IN_TICKER = 1 << 2,
    IN_KLINE = 1 << 3,
    IN_OTHER = 1 << 4,
    IN_ANY = 31,
    IN_ENTRY = 1 << 5,
    IN_ENVELOPE = 1 << 6,
    IN_BOTH = IN_ENTRY | IN_ENVELOPE,
};

/* A row fits a key of the list with values of the type. The first one that fits decides. Keys that
 * say the same of an entry more exactly are first in the list. */
static const struct meaning_row {
    unsigned in;
    const char *keys;
    msg_member member;
    const char *type; /* "time", "side" and "symbol" are replaced by what the values show */
} MEANINGS[] = {
    {IN_ANY | IN_BOTH, "s|symbol|instId|instrument_name|product_id|pair|market|sym|instrument",
     MEMBER_SYMBOL, "symbol"},
    {IN_BOOK | IN_TRADE | IN_BOTH, "S|side|direction|taker_side|m|s|type|3", MEMBER_SIDE, "side"},
    {IN_BOOK | IN_TRADE | IN_ENTRY, "price_str|p|price|px|price_level|0|rate", MEMBER_PRICE,
     "decimal price"},
    {IN_BOOK | IN_TRADE | IN_ENTRY,
     "v|q|size|qty|sz|amount_str|amount|quantity|new_quantity|volume|vol|1|s", MEMBER_SIZE,
     "decimal quantity"},
    {IN_BOOK | IN_ENTRY, "2|event_time|time|ts", MEMBER_UPDATED_AT, "time"},
    {IN_BOOK | IN_ENTRY, "id", MEMBER_LEVEL_ID, "text"},
    {IN_BOOK | IN_ENTRY, LEARN_ACTION_KEY, MEMBER_LEVEL_ACTION, "text"},
    {IN_TRADE | IN_ENTRY, "a|i|id|trade_id|tradeId|t|tid|execId", MEMBER_TRADE_ID, "text"},
    {IN_TRADE | IN_ENTRY, "L|tickDirection|tick_direction", MEMBER_TICK_DIRECTION, "text"},
    {IN_TRADE | IN_ENTRY, "BT|isBlockTrade|is_block_trade", MEMBER_IS_BLOCK_TRADE, "bool"},
    {IN_TRADE | IN_ENTRY, "RPI|isRPITrade", MEMBER_IS_RPI_TRADE, "bool"},
    {IN_TRADE | IN_ENTRY, "f", MEMBER_FIRST_TRADE_ID, "text"},
    {IN_TRADE | IN_ENTRY, "l", MEMBER_LAST_TRADE_ID, "text"},
    {IN_TRADE | IN_ENTRY, "trade_seq|seq", MEMBER_SEQ, "integer"},
    {IN_TRADE | IN_ENTRY, "microtimestamp|T|time|ts|timestamp|trade_time_ms|2",
     MEMBER_EXCHANGE_TIME, "time"},
    {IN_TRADE | IN_ENTRY, "E|timestamp", MEMBER_SENT_TIME, "time"},
    {IN_TRADE | IN_BOTH, "buy_order_id", MEMBER_BUYER_ORDER_ID, "text"},
    {IN_TRADE | IN_BOTH, "sell_order_id", MEMBER_SELLER_ORDER_ID, "text"},
    {IN_TICKER | IN_ENTRY, "last|lastPrice|last_price|price|lastPx", MEMBER_LAST_PRICE,
     "decimal price"},
    {IN_TICKER | IN_ENTRY, "lastSz|lastSize|last_size", MEMBER_LAST_SIZE, "decimal quantity"},
    {IN_TICKER | IN_ENTRY, "b|bid|bidPx|bidPrice|bid1Price|best_bid|best_bid_price",
     MEMBER_BID1_PRICE, "decimal price"},
    {IN_TICKER | IN_ENTRY, "B|bidSz|bidQty|bid1Size|best_bid_quantity|best_bid_amount",
     MEMBER_BID1_SIZE, "decimal quantity"},
    {IN_TICKER | IN_ENTRY, "a|ask|askPx|askPrice|ask1Price|best_ask|best_ask_price",
     MEMBER_ASK1_PRICE, "decimal price"},
    {IN_TICKER | IN_ENTRY, "A|askSz|askQty|ask1Size|best_ask_quantity|best_ask_amount",
     MEMBER_ASK1_SIZE, "decimal quantity"},
    {IN_TICKER | IN_ENTRY, "vol24h|volume24h|volume_24_h|volume_24h", MEMBER_VOLUME_24H,
     "decimal quantity"},
    {IN_TICKER | IN_ENTRY, "volCcy24h|turnover24h|turnover_24h", MEMBER_TURNOVER_24H,
     "decimal money"},
    {IN_TICKER | IN_ENTRY, "high24h|highPrice24h|high_24_h|high_24h", MEMBER_HIGH_PRICE_24H,
     "decimal price"},
    {IN_TICKER | IN_ENTRY, "low24h|lowPrice24h|low_24_h|low_24h", MEMBER_LOW_PRICE_24H,
     "decimal price"},
    {IN_TICKER | IN_ENTRY, "prevPrice24h|open24h", MEMBER_PREV_PRICE_24H, "decimal price"},
    {IN_TICKER | IN_ENTRY, "price24hPcnt", MEMBER_PRICE_24H_PCNT, "decimal rate"},
    {IN_TICKER | IN_ENTRY, "markPrice|mark_price|p", MEMBER_MARK_PRICE, "decimal price"},
    {IN_TICKER | IN_ENTRY, "indexPrice|index_price|i", MEMBER_INDEX_PRICE, "decimal price"},
    {IN_TICKER | IN_ENTRY, "fundingRate|funding_rate|r", MEMBER_FUNDING_RATE, "decimal rate"},
    {IN_TICKER | IN_ENTRY, "nextFundingTime|next_funding_time", MEMBER_NEXT_FUNDING_TIME, "time"},
    {IN_TICKER | IN_ENTRY, "openInterest|open_interest", MEMBER_OPEN_INTEREST, "decimal quantity"},
    {IN_TICKER | IN_ENTRY, "openInterestValue", MEMBER_OPEN_VALUE, "decimal money"},
    {IN_KLINE | IN_ENTRY, "start|t|open_time", MEMBER_START, "time"},
    {IN_KLINE | IN_ENTRY, "end|T|close_time", MEMBER_END, "time"},
    {IN_KLINE | IN_ENTRY, "o|open", MEMBER_OPEN, "decimal price"},
    {IN_KLINE | IN_ENTRY, "c|close", MEMBER_CLOSE, "decimal price"},
    {IN_KLINE | IN_ENTRY, "h|high", MEMBER_HIGH, "decimal price"},
    {IN_KLINE | IN_ENTRY, "l|low", MEMBER_LOW, "decimal price"},
    {IN_KLINE | IN_ENTRY, "v|volume|vol", MEMBER_VOLUME, "decimal quantity"},
    {IN_KLINE | IN_ENTRY, "q|turnover", MEMBER_TURNOVER, "decimal money"},
    {IN_KLINE | IN_ENTRY, "i|interval", MEMBER_INTERVAL, "text"},
    {IN_KLINE | IN_ENTRY, "n|count", MEMBER_TRADE_COUNT, "integer"},
    {IN_KLINE | IN_ENTRY, "x|confirm", MEMBER_IS_CONFIRMED, "bool"},
    {IN_ANY | IN_BOTH, "pu|prevSeqId|prev_change_id|prev_seq|prevUpdateId", MEMBER_PREV_SEQ,
     "integer"},
    {IN_ANY | IN_BOTH, "u|lastUpdateId|final_update_id", MEMBER_U, "integer"},
    {IN_ANY | IN_BOTH, "U|first_update_id", MEMBER_FIRST_SEQ, "integer"},
    {IN_ANY | IN_BOTH, "seq|seqId|change_id|sequence|sequence_num|seqNum", MEMBER_SEQ, "integer"},
    {IN_ANY | IN_ENVELOPE, "checksum|c|cs", MEMBER_CHECKSUM, "integer"},
    {IN_TRADE | IN_ENVELOPE, "ts|E|timestamp|time|microtimestamp", MEMBER_SENT_TIME, "time"},
    {IN_ANY | IN_BOTH, "microtimestamp|ts|E|timestamp|time", MEMBER_EXCHANGE_TIME, "time"},
    {IN_ANY | IN_BOTH, "cts|T", MEMBER_MATCH_TIME, "time"},
    {IN_ANY | IN_BOTH, "timestamp", MEMBER_SENT_TIME, "time"},
    {IN_ANY | IN_BOTH, "e|event|type", MEMBER_EVENT_TYPE, "text"},
    {IN_ANY | IN_ENVELOPE, "jsonrpc", MEMBER_RPC_VERSION, "text"},
    {IN_ANY | IN_ENVELOPE, "method", MEMBER_RPC_METHOD, "text"},
    {IN_ANY | IN_ENVELOPE, "channelID|channel_id", MEMBER_CHANNEL_ID, "integer"},
};

static unsigned bit_of(msg_type type)
{
    return type == MSG_BOOK_CHANGE ? IN_BOOK
           : type == MSG_TRADE     ? IN_TRADE
           : type == MSG_TICKER    ? IN_TICKER
           : type == MSG_KLINE     ? IN_KLINE
                                   : IN_OTHER;
}

/* The type of a row for these values; NULL: they are of another type. */
static const char *type_for(const char *type, const path_stat *stat)
{
    if (strcmp(type, "time") == 0)
        return time_type(stat);
    if (strcmp(type, "side") == 0)
        return side_type(stat);
    if (strcmp(type, "symbol") == 0)
        return learn_has_symbols(stat) ? "text" : NULL;
    if (strcmp(type, "text") == 0)
        return are_texts(stat) && stat->containers == 0 ? type : NULL;
    if (strcmp(type, "bool") == 0)
        return stat->bools == stat->values ? type : NULL;
    if (strcmp(type, "integer") == 0)
        return are_numbers(stat) && stat->decimal == 0 ? type : NULL;
    return are_numbers(stat) ? type : NULL;
}

learn_field learn_meaning(const path_stat *stat, const char *key, msg_type of, learn_place place)
{
    const unsigned here = place == LEARN_ENTRY ? IN_ENTRY : IN_ENVELOPE;
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++) {
        const struct meaning_row *row = &MEANINGS[i];
        const char *type =
            (row->in & bit_of(of)) != 0 && (row->in & here) != 0 && is_listed(row->keys, key)
                ? type_for(row->type, stat)
                : NULL;
        if (type != NULL)
            return (learn_field){row->member, type, place_in(row->keys, key)};
    }
    return (learn_field){MEMBER_NONE, learn_type(stat), 0};
}
