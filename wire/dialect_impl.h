/* Inside of the dialects: the tables that dialect.c finds, and what reading a request means to
 * each. */
#ifndef TD_WIRE_DIALECT_IMPL_H
#define TD_WIRE_DIALECT_IMPL_H

#include "schema/json.h"
#include "wire/dialect.h"

extern const dialect DIALECT_OP_TABLE;

#endif
