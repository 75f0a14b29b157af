#include "schema/dialect_values.h"

#define ASK_WORD(id, name) {name, ASK_##id},
const document_word DIALECT_ASK_VALUES[] = {ASK_VALUES(ASK_WORD){NULL, ASK_VALUE_COUNT}};

#define REPLY_WORD(id, name) {name, REPLY_##id},
const document_word DIALECT_ANSWER_VALUES[] = {REPLY_VALUES(REPLY_WORD){NULL, REPLY_VALUE_COUNT}};

int dialect_value_find(const document_word *names, td_bytes name)
{
    while (names->word != NULL && !td_bytes_is(name, names->word))
        names++;
    return names->value;
}
