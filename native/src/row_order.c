/* The order of rows in a group that runs in order: one row at a time, as the rows behind it ask for it.
 *
 * The last operation's rows are made from the first to the last. Before an operation makes a row, each one whose
 * output it reads makes the rows that are missing for it, in the same way, and each one before it that writes the same
 * tensor makes that row: kernels write up to 15 channels behind their last. Then, operation by operation, what is
 * stored for other groups is completed. */
#include "row_order.h"

int rows_to_make(const struct plan *plan, const struct plan_operation *operation)
{
    return (int)plan->tensors[sums_rows(operation) ? operation->input[0] : operation->output].height;
}

/* Rows of an operation's output that are there. */
static int rows_there(const struct row_order *order, int index)
{
    const struct plan_operation *operation = &order->operations[index];
    if (!sums_rows(operation))
        return order->made[index];
    return order->made[index] == rows_to_make(order->plan, operation);
}

/* Rows of a tensor that those before an operation must have made, before it writes its next one there. */
static int rows_before(const struct row_order *order, int index)
{
    return sums_rows(&order->operations[index]) ? 1 : order->made[index] + 1;
}

/* The first operation that must make a row before the next row of this one; -1: none. */
static int lacking_operation(const struct row_order *order, int index)
{
    const struct plan_operation *consumer = &order->operations[index];
    for (int i = 0; i < index; i++) {
        int first, end;
        if (rows_read(order->plan, &order->operations[i], consumer, order->made[index], &first, &end) &&
            rows_there(order, i) < end)
            return i;
        if (order->operations[i].output == consumer->output && rows_there(order, i) < rows_before(order, index))
            return i;
    }
    return -1;
}

/* After the last operation those before it whose output other groups read. */
static bool next_target(struct row_order *order)
{
    do
        order->target = order->target == order->last ? 0 : order->target + 1;
    while (order->target < order->last && is_ring(&order->plan->tensors[order->operations[order->target].output]));
    order->at = order->target;
    return order->target < order->last;
}

void begin_rows(struct row_order *order, const struct plan *plan, const struct plan_group *group, int *made, int *asker)
{
    int last = (int)group->count - 1;
    *order = (struct row_order){plan, plan->operations + group->first, last, last, last, made, asker};
    for (int i = 0; i <= last; i++)
        made[i] = 0;
}

int next_row(struct row_order *order)
{
    for (;;) {
        const struct plan_operation *target = &order->operations[order->target];
        if (order->made[order->target] == rows_to_make(order->plan, target)) {
            if (!next_target(order))
                return -1;
            continue;
        }
        int lacking = lacking_operation(order, order->at);
        if (lacking < 0)
            return order->at;
        order->asker[lacking] = order->at;
        order->at = lacking;
    }
}

void row_is_made(struct row_order *order)
{
    order->made[order->at]++;
    if (order->at != order->target)
        order->at = order->asker[order->at];
}
