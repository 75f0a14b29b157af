/* Shared by options.c, options_value.c, options_help.c and completions.c. */
#ifndef TD_CLI_OPTIONS_IMPL_H
#define TD_CLI_OPTIONS_IMPL_H

#include "cli/options.h"

/* 1 if an option of this type has no value. */
static inline int option_type_is_bare(option_type type)
{
    return type == OPTION_FLAG;
}

/* The target of a row in its group. */
static inline void *option_target(const option_group *group, const option_row *row)
{
    return (char *)group->target + row->offset;
}

/* --help, which every verb has without listing it. */
extern const option_row OPTIONS_HELP_ROW;

/* The row of a long name of that length, or (length 0) of the letter at name, and its group; NULL:
 * none. */
const option_row *options_find(const options_spec *spec, const char *name, size_t length,
                               const option_group **group);

/* Write "tapedeck cat" or "tapedeck-sim" (cut if it does not fit). */
void options_command_name(const options_spec *spec, char *out, size_t out_bytes);

/* The row that takes the operand of a verb without operands of its own, and its group; NULL: none.
 */
const option_row *options_operand_row(const options_spec *spec, const option_group **group);

#endif
