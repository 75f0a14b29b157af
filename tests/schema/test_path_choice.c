/* Requests of clients at paths of several families. Expected: the forms of docs/wire.md, and the
 * topics that has_topic lists here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schema/family.h"
#include "schema/path_choice.h"

enum { CANDIDATES_MAX = 3 };

typedef struct candidate {
    const char *family;
    const char *topics; /* " A B " */
} candidate;

typedef struct choice_case {
    const char *name;
    candidate all[CANDIDATES_MAX];
    const char *frame; /* NULL: by URL */
    const char *names, *query;
    size_t best;
    path_fit fit;
    int is_only;
} choice_case;

#define EXCHANGES                                                                                  \
    {                                                                                              \
        {"kraken-v1", " trade.A "}, {"bitstamp", " live_trades.a "},                               \
        {                                                                                          \
            "coinbase-advanced", ""                                                                \
        }                                                                                          \
    }
#define BINANCES                                                                                   \
    {                                                                                              \
        {"binance-spot", " trade.A depth.A "},                                                     \
        {                                                                                          \
            "binance-usdm", " trade.A markPrice.A "                                                \
        }                                                                                          \
    }

static const choice_case CASES[] = {
    {"form of the second", EXCHANGES,
     "{\"event\":\"bts:subscribe\",\"data\":{\"channel\":\"live_trades_a\"}}", NULL, NULL, 1,
     PATH_FIT_ALL_TOPICS, 1},
    {"form of the third, without its topic", EXCHANGES,
     "{\"type\":\"subscribe\",\"product_ids\":[\"A\"],\"channel\":\"ticker\"}", NULL, NULL, 2,
     PATH_FIT_NO_TOPIC, 1},
    {"a ping of the first", EXCHANGES, "{\"event\":\"ping\",\"reqid\":1}", NULL, NULL, 0,
     PATH_FIT_FORM, 1},
    {"form of none", EXCHANGES, "{\"op\":\"subscribe\",\"args\":[\"trade.A\"]}", NULL, NULL, 0,
     PATH_FIT_NONE, 0},
    {"no JSON", EXCHANGES, "hello", NULL, NULL, 0, PATH_FIT_NONE, 0},
    {"a topic of both", BINANCES, "{\"method\":\"SUBSCRIBE\",\"params\":[\"a@trade\"],\"id\":1}",
     NULL, NULL, 0, PATH_FIT_ALL_TOPICS, 0},
    {"a topic of the second", BINANCES,
     "{\"method\":\"SUBSCRIBE\",\"params\":[\"a@markPrice\"],\"id\":1}", NULL, NULL, 1,
     PATH_FIT_ALL_TOPICS, 1},
    {"only the second has all", BINANCES,
     "{\"method\":\"SUBSCRIBE\",\"params\":[\"a@trade\",\"a@markPrice\"],\"id\":1}", NULL, NULL, 1,
     PATH_FIT_ALL_TOPICS, 1},
    {"a topic of each", BINANCES,
     "{\"method\":\"SUBSCRIBE\",\"params\":[\"a@depth\",\"a@markPrice\"],\"id\":1}", NULL, NULL, 0,
     PATH_FIT_SOME_TOPIC, 0},
    {"a topic of none", BINANCES, "{\"method\":\"SUBSCRIBE\",\"params\":[\"b@trade\"],\"id\":1}",
     NULL, NULL, 0, PATH_FIT_NO_TOPIC, 0},
    {"by the path", BINANCES, NULL, "a@markPrice", "", 1, PATH_FIT_ALL_TOPICS, 1},
    {"by the query", BINANCES, NULL, "", "streams=a@depth/a@trade", 0, PATH_FIT_ALL_TOPICS, 1},
    {"by the query, of both", BINANCES, NULL, "", "streams=a@trade", 0, PATH_FIT_ALL_TOPICS, 0},
    {"a URL without topics", BINANCES, NULL, "", "", 0, PATH_FIT_NONE, 0},
};

static int has_topic(void *user, size_t index, td_bytes topic)
{
    const choice_case *of = user;
    const char *topics = of->all[index].topics;
    char word[64] = " ";
    assert_true(topic.size + 3 < sizeof word);
    memcpy(word + 1, topic.data, topic.size);
    memcpy(word + 1 + topic.size, " ", 2);
    return strstr(topics, word) != NULL;
}

static void test_choices(void **state)
{
    (void)state;
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const choice_case *row = &CASES[i];
        const dialect *dialects[CANDIDATES_MAX];
        path_candidates from = {.dialects = dialects, .has_topic = has_topic, .user = (void *)row};
        while (from.count < CANDIDATES_MAX && row->all[from.count].family != NULL) {
            const family *of = family_find(td_bytes_str(row->all[from.count].family));
            assert_non_null(of);
            dialects[from.count++] = of->dialect;
        }
        const path_choice got = row->frame != NULL
                                    ? path_choose(parser, &from, td_bytes_str(row->frame))
                                    : path_choose_by_url(parser, &from, td_bytes_str(row->names),
                                                         td_bytes_str(row->query));
        if (got.best != row->best || got.fit != row->fit || got.is_only != row->is_only)
            fail_msg("%s: best %zu, fit %d, only %d", row->name, got.best, (int)got.fit,
                     got.is_only);
        assert_int_equal(path_choice_is_ambiguous(&got),
                         !row->is_only && row->fit >= PATH_FIT_SOME_TOPIC);
    }
    dialect_parser_close(parser);
}

/* Families at one host are at one server; families at other hosts are not, at the same path. */
static void test_servers(void **state)
{
    (void)state;
    static const struct {
        const char *of, *other, *path;
        int is_shared;
    } ROWS[] = {
        {"linear", "copytrade", "/realtime_public", 1},
        {"linear", "copytrade", "/realtime", 0},
        {"binance-spot", "binance-usdm", "/ws", 0},
        {"binance-spot", "binance-usdm", "/stream", 0},
        {"kraken-v1", "bitstamp", "/", 0},
        {"kraken-v1", "kraken-v1", "/", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        assert_int_equal(family_shares_server(family_find(td_bytes_str(ROWS[i].of)),
                                              family_find(td_bytes_str(ROWS[i].other)),
                                              ROWS[i].path),
                         ROWS[i].is_shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
