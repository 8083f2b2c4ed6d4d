/* A group of operations, strip by strip of its last one's rows, in one thread or in a team. */
#include "model.h"
#include "row_order.h"

#include <string.h>

static const struct plan_operation *last_operation(const struct plan *plan, const struct plan_group *group)
{
    return &plan->operations[group->first + group->count - 1];
}

static int group_height(const struct plan *plan, const struct plan_group *group)
{
    return (int)plan->tensors[last_operation(plan, group)->output].height;
}

static int loop_blocks(const struct plan *plan, const struct plan_group *group)
{
    if (group->loop_count == 0)
        return 0;
    uint32_t channels = plan->operations[group->first + group->loop_first].output_channels;
    return (int)((channels + PLAN_BLOCK - 1) / PLAN_BLOCK);
}

/* The rows that each operation lacks, from `have` up to `need`, of all channels or of one block. */
static void run_part(edgecnn_model *model, const struct worker *worker, const struct plan_group *group,
                     int from, int to, int block)
{
    for (int i = from; i < to; i++) {
        int index = (int)group->first + i;
        int channels = (int)model->plan.operations[index].output_channels;
        int channel = block < 0 ? 0 : block * PLAN_BLOCK;
        int left = channels - channel;
        int width = block < 0 || left < PLAN_BLOCK ? left : PLAN_BLOCK;
        run_operation(model, worker, index, worker->have[i], worker->need[i], channel, width);
    }
}

static void run_strips(edgecnn_model *model, struct worker *worker, const struct plan_group *group,
                       int begin, int end)
{
    int blocks = loop_blocks(&model->plan, group);
    int before = blocks ? (int)group->loop_first : (int)group->count;
    int after = before + (blocks ? (int)group->loop_count : 0);
    int step = (int)group->strip_rows;
    fill_pads(model, worker, group);
    rows_from(&model->plan, group, begin, worker->have);
    for (int y = begin; y < end; y += step) {
        rows_needed(&model->plan, group, y + step < end ? y + step : end, worker->need);
        run_part(model, worker, group, 0, before, -1);
        for (int block = 0; block < blocks; block++)
            run_part(model, worker, group, before, after, block);
        run_part(model, worker, group, after, (int)group->count, -1);
        memcpy(worker->have, worker->need, group->count * sizeof *worker->have);
    }
}

/* A group that runs in order, row by row. */
static void run_rows(edgecnn_model *model, struct worker *worker, const struct plan_group *group)
{
    struct row_order order;
    fill_pads(model, worker, group);
    begin_rows(&order, &model->plan, group, worker->have, worker->need);
    for (int i = next_row(&order); i >= 0; i = next_row(&order)) {
        int index = (int)group->first + i, row = order.made[i];
        run_operation(model, worker, index, row, row + 1, 0, (int)model->plan.operations[index].output_channels);
        row_is_made(&order);
    }
}

struct share {
    edgecnn_model *model;
    const struct plan_group *group;
};

/* Of a thread's strips; of one behind the last the height. */
static int first_row_of(const edgecnn_model *model, const struct plan_group *group, int thread)
{
    int step = (int)group->strip_rows, height = group_height(&model->plan, group);
    int strips = (height + step - 1) / step, row = strips * thread / model->threads * step;
    return row < height ? row : height;
}

/* One thread's strips. */
static void run_share_of_strips(void *context, int thread)
{
    const struct share *share = context;
    edgecnn_model *model = share->model;
    int begin = first_row_of(model, share->group, thread), end = first_row_of(model, share->group, thread + 1);
    if (begin < end)
        run_strips(model, &model->workers[thread], share->group, begin, end);
}

/* The busiest thread's share of n equal parts. */
static double worst_share(int parts, int threads)
{
    int most = (parts + threads - 1) / threads;
    return (double)most / parts;
}

/* Channels that a thread takes at a time: blocks of weights, or of packed depthwise weights. 0: rows are shared,
 * where all is cheap, and by convolutions that have rows enough, whose tiles are the wider then. */
static int shared_channels(const struct plan_operation *operation, int rows, int threads)
{
    if (operation->code == OP_DEPTHWISE || operation->code == OP_GLOBAL_POOL)
        return PLAN_BLOCK;
    int blocks = ((int)operation->output_channels + 15) / 16;
    bool even = worst_share(rows, threads) <= worst_share(blocks, threads) + 0.02;
    return operation->code == OP_CONVOLUTION && !even ? 16 : 0;
}

/* One thread's part of an operation: some of its output channels, or of its rows. */
static void run_share_of_operation(edgecnn_model *model, const struct worker *worker, int thread, int index,
                                   int begin, int end)
{
    const struct plan_operation *operation = &model->plan.operations[index];
    int threads = model->threads, channels = (int)operation->output_channels, rows = end - begin;
    if (rows <= 0)
        return;
    int block = shared_channels(operation, rows, threads);
    if (block == 0) {
        run_operation(model, worker, index, begin + rows * thread / threads, begin + rows * (thread + 1) / threads, 0,
                      channels);
        return;
    }
    int parts = (channels + block - 1) / block;
    int first = parts * thread / threads * block;
    int last = parts * (thread + 1) / threads * block;
    last = last < channels ? last : channels;
    if (first < last)
        run_operation(model, worker, index, begin, end, first, last - first);
}

/* All threads go through the strips together and share each operation's channels, in thread 0's rings. */
static void run_strips_together(void *context, int thread)
{
    const struct share *share = context;
    edgecnn_model *model = share->model;
    const struct plan_group *group = share->group;
    struct worker *worker = &model->workers[thread];
    struct worker shared = *worker;
    shared.scratch = model->workers[0].scratch;
    int blocks = loop_blocks(&model->plan, group);
    int step = (int)group->strip_rows, height = group_height(&model->plan, group);
    if (thread == 0)
        fill_pads(model, &shared, group);
    rows_from(&model->plan, group, 0, worker->have);
    for (int y = 0; y < height; y += step) {
        rows_needed(&model->plan, group, y + step < height ? y + step : height, worker->need);
        team_meet(model->team);
        for (int i = 0; i < (int)group->count; i++) {
            if (blocks && i == (int)group->loop_first) {
                int end = i + (int)group->loop_count;
                int last = blocks * (thread + 1) / model->threads;
                for (int block = blocks * thread / model->threads; block < last; block++)
                    run_part(model, &shared, group, i, end, block);
                i = end - 1;
            } else {
                run_share_of_operation(model, &shared, thread, (int)group->first + i, worker->have[i],
                                       worker->need[i]);
            }
            team_meet(model->team);
        }
        memcpy(worker->have, worker->need, group->count * sizeof *worker->have);
    }
}

/* Whether threads take strips of their own, where these divide as evenly as channels do. */
static bool by_strips(const edgecnn_model *model, const struct plan_group *group)
{
    int step = (int)group->strip_rows, height = group_height(&model->plan, group);
    int blocks = loop_blocks(&model->plan, group);
    double together = worst_share(blocks ? blocks : 2 * model->threads, model->threads);
    return worst_share((height + step - 1) / step, model->threads) <= together + 0.03;
}

/* Whether threads with strips of their own would make rows of a stored tensor twice. Kernels that look up a table behind
 * the rest write a row in two steps, and another thread might read or change it between them. */
static bool makes_rows_twice(const edgecnn_model *model, const struct plan_group *group)
{
    const struct plan_operation *operations = model->plan.operations + group->first;
    int *from = model->workers[0].have, *made = model->workers[0].need;
    int stored = 0, last = (int)group->count - 1;
    while (stored < last && is_ring(&model->plan.tensors[operations[stored].output]))
        stored++;
    for (int thread = 1; stored < last && thread < model->threads; thread++) {
        int begin = first_row_of(model, group, thread);
        rows_from(&model->plan, group, begin, from);
        rows_needed(&model->plan, group, begin, made);
        for (int i = stored; i < last; i++)
            if (!is_ring(&model->plan.tensors[operations[i].output]) && from[i] < made[i])
                return true;
    }
    return false;
}

void run_groups(edgecnn_model *model)
{
    bool alone = !has_team(model) || model->seconds || !team_is_here(model->team);
    for (uint32_t i = 0; i < model->plan.header->groups; i++) {
        const struct plan_group *group = &model->plan.groups[i];
        struct share share = {model, group};
        if (group->flags & GROUP_IN_ORDER)
            run_rows(model, &model->workers[0], group);
        else if (alone)
            run_strips(model, &model->workers[0], group, 0, group_height(&model->plan, group));
        else if (by_strips(model, group) && !makes_rows_twice(model, group))
            team_run(model->team, run_share_of_strips, &share);
        else if (!team_run_together(model->team, run_strips_together, &share))
            run_strips(model, &model->workers[0], group, 0, group_height(&model->plan, group));
    }
}
