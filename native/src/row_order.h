/* The order of rows in a group that runs in order (GROUP_IN_ORDER). */
#ifndef EDGECNN_ROW_ORDER_H
#define EDGECNN_ROW_ORDER_H

#include "model.h"

struct row_order {
    const struct plan *plan;
    const struct plan_operation *operations; /* of the group */
    int last;    /* operation of the group */
    int target;  /* whose rows are wanted */
    int at;      /* which is looked at: the target, or what it waits for */
    int *made;   /* by operation: rows made so far; of a pool that sums rows, rows read */
    int *asker;  /* by operation: which waits for it */
};

/* made and asker have room for the group's operations. */
void begin_rows(struct row_order *order, const struct plan *plan, const struct plan_group *group, int *made,
                int *asker);
/* The operation, counted from the group's first, whose row made[...] is the next; -1 after the last row. */
int next_row(struct row_order *order);
void row_is_made(struct row_order *order);

/* Rows that the operation makes in all; of a pool that sums rows, that it reads. */
int rows_to_make(const struct plan *plan, const struct plan_operation *operation);

#endif
