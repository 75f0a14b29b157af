/* The topics of spot, in their form on the wire and in the form that the rest of the program uses:
 * "depth.BTCUSDT", "kline.1m.BTCUSDT", "mergedDepth.1.BTCUSDT" (docs/wire.md 1.3). */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "schema/bybit/dialects.h"

static const struct {
    const char *topic;
    const char *parameter;
} PARAMETERS[] = {
    {"kline", "klineType"},
    {"mergedDepth", "dumpScale"},
};

const char *bybit_spot_parameter(td_bytes topic)
{
    for (size_t i = 0; i < sizeof PARAMETERS / sizeof *PARAMETERS; i++) {
        if (td_bytes_is(topic, PARAMETERS[i].topic))
            return PARAMETERS[i].parameter;
    }
    return NULL;
}

void bybit_spot_read(json_value root, td_bytes parts[SPOT_PARTS])
{
    json_value params;
    td_bytes binary;
    /* A missing part stays empty. */
    (void)dialect_text_scalar(root, "topic", &parts[SPOT_TOPIC]);
    (void)dialect_text_scalar(root, "event", &parts[SPOT_EVENT]);
    int has_symbol = dialect_text_scalar(root, "symbol", &parts[SPOT_SYMBOL]);
    if (!json_find(root, "params", &params))
        return;
    if (!has_symbol)
        (void)dialect_text_scalar(params, "symbol", &parts[SPOT_SYMBOL]);
    (void)dialect_text_scalar(params, "klineType", &parts[SPOT_KLINE_TYPE]);
    (void)dialect_text_scalar(params, "dumpScale", &parts[SPOT_DUMP_SCALE]);
    if (dialect_text_scalar(params, "binary", &binary) &&
        (td_bytes_is(binary, "true") || td_bytes_is(binary, "True")))
        parts[SPOT_BINARY] = td_bytes_str("true");
}

spot_stem bybit_spot_stem(const td_bytes parts[SPOT_PARTS])
{
    static const char KLINE[] = "kline_"; /* in v1 the interval follows: "kline_1m" */
    const td_bytes topic = parts[SPOT_TOPIC];
    size_t prefix = sizeof KLINE - 1;
    TD_ASSERT(topic.size == 0 || topic.data != NULL);
    if (topic.size >= prefix && memcmp(topic.data, KLINE, prefix) == 0)
        return (spot_stem){td_bytes_of(topic.data, prefix - 1),
                           td_bytes_of(topic.data + prefix, topic.size - prefix), 1};
    if (td_bytes_is(topic, "kline"))
        return (spot_stem){topic, parts[SPOT_KLINE_TYPE], 1};
    if (td_bytes_is(topic, "mergedDepth"))
        return (spot_stem){topic, parts[SPOT_DUMP_SCALE], 1};
    return (spot_stem){topic, {0}, 0};
}

static td_result append(td_buf *texts, td_bytes part, td_err *err)
{
    return part.size == 0 ? TD_OK : td_buf_append(texts, part.data, part.size, err);
}

/* Append name[.parameter].symbol to texts. */
static td_result append_topic(td_buf *texts, const spot_stem *stem, td_bytes symbol, td_err *err)
{
    td_result rc = append(texts, stem->name, err);
    if (rc == TD_OK && stem->has_parameter)
        rc = td_buf_append(texts, ".", 1, err);
    if (rc == TD_OK && stem->has_parameter)
        rc = append(texts, stem->parameter, err);
    if (rc == TD_OK)
        rc = td_buf_append(texts, ".", 1, err);
    return rc == TD_OK ? append(texts, symbol, err) : rc;
}

/* Get the next symbol of "A,B", which may be empty. Returns 0 at the end. */
static int next_symbol(td_bytes *rest, spot_symbols symbols, td_bytes *out)
{
    if (rest->data == NULL)
        return 0;
    const uint8_t *comma =
        symbols == SPOT_ONE_SYMBOL || rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    if (comma == NULL) {
        *out = *rest;
        *rest = (td_bytes){0};
        return 1;
    }
    size_t size = (size_t)(comma - rest->data);
    *out = td_bytes_of(rest->data, size);
    *rest = td_bytes_of(comma + 1, rest->size - size - 1);
    return 1;
}

td_result bybit_spot_topics(dialect_text *text, const td_bytes parts[SPOT_PARTS],
                            spot_symbols symbols, size_t *count, td_err *err)
{
    spot_stem stem = bybit_spot_stem(parts);
    td_bytes list = parts[SPOT_SYMBOL];
    size_t wanted = 1;
    for (size_t i = 0; i < list.size && symbols == SPOT_SYMBOL_LIST; i++)
        wanted += list.data[i] == ',';
    *count = 0;
    if (stem.name.size + stem.parameter.size > LIMIT_TOPIC_BYTES)
        return td_err_set(err, TD_E_LIMIT, "a topic of %zu bytes: at most %u are read",
                          stem.name.size + stem.parameter.size, LIMIT_TOPIC_BYTES);
    TD_ASSERT(text->texts.size == 0); /* growing would invalidate earlier views */
    /* Includes two dots. The symbols together are as long as their list, so the total is bounded by
     * the parser's limit of a frame and by DIALECT_ARGS_MAX. */
    size_t stem_bytes = stem.name.size + stem.parameter.size + 2;
    td_result rc = dialect_text_reserve(text, wanted, err);
    if (rc == TD_OK) /* reserved only once, so that views stay valid */
        rc = td_buf_reserve(&text->texts, wanted * stem_bytes + list.size, err);
    td_bytes rest = list.data == NULL ? td_bytes_str("") : list;
    td_bytes symbol;
    while (rc == TD_OK && next_symbol(&rest, symbols, &symbol)) {
        size_t begin = text->texts.size;
        rc = append_topic(&text->texts, &stem, symbol, err);
        TD_ASSERT(*count < wanted);
        text->args[*count] = td_bytes_of(text->texts.data + begin, text->texts.size - begin);
        *count += rc == TD_OK;
    }
    TD_ASSERT(rc != TD_OK || *count == wanted);
    return rc;
}
