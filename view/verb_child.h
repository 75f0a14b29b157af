/* Answers of verbs for the page: each is the JSON that the verb prints, from the program itself,
 * run as a child. So a question has one answer on the page and on the command line, and the page
 * can show the command. Any thread. */
#ifndef TD_VIEW_VERB_CHILD_H
#define TD_VIEW_VERB_CHILD_H

#include "base/cli/options.h"
#include "view/server.h"

enum {
    VERB_CHILD_SECONDS = 120,
    VERB_CHILD_DECODERS_MAX = 4,
    VERB_CHILD_FAMILIES_MAX = 16,
};

/* What was given on the command line of the page's server. */
typedef struct verb_child_given {
    const char *archive;
    const char *other;   /* the second archive; NULL: the verb that compares two is refused */
    const char *catalog; /* of the archive; NULL: its own */
    /* Options of decoders, "--decoder=mine.so", at most VERB_CHILD_DECODERS_MAX of at most
     * LIMIT_PATH_BYTES + 16 bytes each, and a NULL. Without any, the verb that compares decoders is
     * refused. */
    const char *const *decoders;
    /* Documents of families, for verbs that decode: at most VERB_CHILD_FAMILIES_MAX paths. */
    const options_list *families;
} verb_child_given;

/* Run the verb that the request's path names, "verb/gaps" or "verb/regress/check", with the
 * request's arguments as its options. The answer is an object with the members command (text for a
 * shell), status (exit status), errors (what was printed on stderr) and results (the verb's JSON
 * documents). A request for another verb, or with another option, is refused (400): only verbs that
 * read are allowed, without options that write files or start programs. The child ends after
 * VERB_CHILD_SECONDS (504), if its answer is too large (413), or if the request is cancelled. */
void verb_child_answer(const verb_child_given *given, view_request *request, view_reply *reply);

#endif
