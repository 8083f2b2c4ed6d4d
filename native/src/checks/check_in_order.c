/* The MUSTs of a group that runs in order: rings hold what each row is computed from. */
#include "check.h"
#include "../row_order.h"

/* Before an operation makes its next row: of each ring that it reads, no row of these was written over. */
static bool rings_hold_row(const struct row_order *order, int index)
{
    const struct plan_operation *consumer = &order->operations[index];
    for (int i = 0; i < index; i++) {
        const struct plan_operation *producer = &order->operations[i];
        const struct plan_tensor *ring = &order->plan->tensors[producer->output];
        int first, end;
        if (is_ring(ring) && rows_read(order->plan, producer, consumer, order->made[index], &first, &end) &&
            first < end && order->made[i] - first > (int)ring->rows && !sums_rows(producer))
            return false;
    }
    return true;
}

bool check_in_order(struct check *check, const struct plan_group *group, int *made, int *asker)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < group->count; i++)
        rows += (uint64_t)rows_to_make(check->plan, &check->plan->operations[group->first + i]);
    MUST(group->strip_rows == 1 && group->loop_count == 0, "strips or a channel loop in a group that runs in order");
    check->steps += 3 * rows * group->count;
    MUST(check->steps <= MOST_STEPS, "too many strips");
    struct row_order order;
    begin_rows(&order, check->plan, group, made, asker);
    for (int i = next_row(&order); i >= 0; i = next_row(&order)) {
        MUST(rings_hold_row(&order, i), "a ring is too small for its rows");
        row_is_made(&order);
    }
    return true;
}
