#include "schema/dialect_values.h"

const document_word DIALECT_ASK_VALUES[] = {
    {"topics", ASK_TOPICS},           {"topic", ASK_TOPIC}, {"symbols", ASK_SYMBOLS},
    {"symbol_list", ASK_SYMBOL_LIST}, {"name", ASK_NAME},   {"parameter", ASK_PARAMETER},
    {"binary", ASK_BINARY},           {"op", ASK_OP},       {"id", ASK_ID},
    {"id_number", ASK_ID_NUMBER},     {"key", ASK_KEY},     {"expires", ASK_EXPIRES},
    {"signature", ASK_SIGNATURE},     {"now_ms", ASK_NOW},  {"now_text", ASK_NOW_TEXT},
    {NULL, ASK_VALUE_COUNT},
};

const document_word DIALECT_ANSWER_VALUES[] = {
    {"success", REPLY_SUCCESS},
    {"reason", REPLY_REASON},
    {"code", REPLY_CODE},
    {"conn_id", REPLY_CONN_ID},
    {"id", REPLY_ID},
    {"id_raw", REPLY_ID_RAW},
    {"op", REPLY_OP},
    {"args", REPLY_ARGS},
    {"topic", REPLY_TOPIC},
    {"name", REPLY_NAME},
    {"symbol", REPLY_SYMBOL},
    {"granted", REPLY_GRANTED},
    {"failed", REPLY_FAILED},
    {"symbols", REPLY_SYMBOLS},
    {"binary", REPLY_BINARY},
    {"now_ms", REPLY_NOW},
    {"now_text", REPLY_NOW_TEXT},
    {"now_us", REPLY_NOW_US},
    {"now_iso", REPLY_NOW_ISO},
    {"held", REPLY_HELD},
    {"recorded", REPLY_RECORDED},
    {NULL, REPLY_VALUE_COUNT},
};

int dialect_value_find(const document_word *names, td_bytes name)
{
    while (names->word != NULL && !td_bytes_is(name, names->word))
        names++;
    return names->value;
}
