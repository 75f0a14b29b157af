/* The tree of a made-up frame, for the code that builds it and the code that writes it. No other
 * file includes this. */
#ifndef TD_TESTS_TESTING_ROW_FRAMES_IMPL_H
#define TD_TESTS_TESTING_ROW_FRAMES_IMPL_H

#include "tests/testing/row_frames.h"

enum { ROW_FRAME_CHILDREN_MAX = 160, ROW_FRAME_TEXT_BYTES = 64, ROW_FRAME_NODES_MAX = 600 };

typedef enum node_type { NODE_SCALAR, NODE_OBJECT, NODE_ARRAY } node_type;

typedef struct node {
    node_type type;
    char key[ROW_FRAME_TEXT_BYTES];  /* of a member */
    char text[ROW_FRAME_TEXT_BYTES]; /* of a scalar, as it stands in the frame */
    const char *other;      /* in the place of the text or the children, if it was spoiled */
    const field_row *field; /* of a value that a row knows */
    uint8_t is_absent;      /* the frame does not have it, or nothing in its place */
    uint8_t is_value;       /* JSON that is a value as a whole */
    struct node *children[ROW_FRAME_CHILDREN_MAX];
    size_t count;
} node;

struct row_frame {
    node *nodes[ROW_FRAME_NODES_MAX];
    size_t count;
    node *root;
    const topic_row *row;
    td_random *random;
};

#endif
