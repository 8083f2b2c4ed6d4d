/* An open model: the checked plan, the kernels chosen for it, and its memory. */
#ifndef EDGECNN_MODEL_H
#define EDGECNN_MODEL_H

#include "../include/edgecnn_native.h"
#include "kernels/kernels.h"
#include "plan.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Sections of a plan that plan_check has accepted. */
struct plan {
    const struct plan_header *header;
    const struct plan_tensor *tensors;
    const struct plan_operation *operations;
    const struct plan_group *groups;
    const char *names;
    const uint8_t *data;
};

static inline bool is_ring(const struct plan_tensor *tensor)
{
    return tensor->storage == STORAGE_RING || tensor->storage == STORAGE_ARENA_RING;
}

/* Whether a pool over all pixels adds them up row by row, as they come. */
static inline bool sums_rows(const struct plan_operation *operation)
{
    return operation->code == OP_GLOBAL_POOL && operation->pad_row != UINT64_MAX;
}

/* What every call of an operation's kernel has in common. Weights and bias lie in the plan's bytes, or, where
 * the family wants others, were made from them when it was opened. */
struct prepared {
    struct kernel kernel;
    size_t weight_block; /* bytes of the weights of 16 output channels */
};

/* Memory of one thread. */
struct worker {
    uint8_t *scratch;        /* rings and pad rows */
    void *kernel_scratch;
    const uint8_t **in, **other;
    uint8_t **out;           /* row pointers */
    int *have, *need;        /* by operation of the group: rows made so far, rows wanted */
};

struct team;

struct edgecnn_model {
    struct plan plan;
    const struct family *family;
    struct prepared *prepared; /* by operation; NULL where the family reads the plan's own bytes */
    uint8_t *arena;
    struct worker *workers;
    struct team *team; /* NULL with one thread */
    int threads;
    uint32_t *slots;     /* of the caller's arrays: which input or output a tensor is */
    const void **inputs; /* of the image that runs */
    void **outputs;
    uint32_t input_count, output_count;
    atomic_flag busy;
    void *allocated; /* freed with the model; NULL where the memory is the caller's */
    void *file;      /* the plan's bytes, read from a file; NULL where they are the caller's */
    double *seconds; /* by operation, while edgecnn_profile runs; else NULL */
};

/* checks/check.c */
bool plan_check(const void *bytes, size_t size, struct plan *plan, edgecnn_error *error);

/* api.c: runs the images; `seconds`, where it is not NULL, gets the time of each operation. */
int run_batch(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs, double *seconds,
              edgecnn_error *error);

/* rows.c: which rows an operation reads. */
bool reads_all_rows(const struct plan_operation *operation);
/* Whether it reads and writes just the channels that are there, between any others. */
bool reads_exactly(const struct plan_operation *operation);
int first_row_read(const struct plan_operation *operation, int output_row);
int end_row_read(const struct plan *plan, const struct plan_operation *operation, int output_end);
/* Whether the consumer, of the same group, reads what the producer writes; and of it the rows [first, end), for one
 * row of its own output. */
bool rows_read(const struct plan *plan, const struct plan_operation *producer, const struct plan_operation *consumer,
               int row, int *first, int *end);
/* Rows of each operation's output, so that the group's last one has rows [.., end): written to `need`, by
 * operation of the group; and the first rows that a start at `begin` needs. */
void rows_needed(const struct plan *plan, const struct plan_group *group, int end, int *need);
void rows_from(const struct plan *plan, const struct plan_group *group, int begin, int *have);

/* prepare.c: made anew where it is not kept. */
struct prepared prepared_operation(const edgecnn_model *model, int index);

/* run.c: the rows [begin, end) of an operation; of a pool that sums rows, those that it reads. */
void run_operation(edgecnn_model *model, const struct worker *worker, int index, int begin, int end,
                   int channel, int channels);
void fill_pads(edgecnn_model *model, const struct worker *worker, const struct plan_group *group);

/* strips.c: a group, strip by strip. */
void run_groups(edgecnn_model *model);

/* Without threads the compiler knows it, and leaves the code of teams out. */
static inline bool has_team(const edgecnn_model *model)
{
#ifdef EDGECNN_NO_THREADS
    (void)model;
    return false;
#else
    return model->team != NULL;
#endif
}

/* team.c */
struct team *team_open(int threads);
void team_close(struct team *team);
/* Runs task(context, part) for every part, 0 to threads - 1, and waits for all. Thread 0 runs what no other begins. */
void team_run(struct team *team, void (*task)(void *context, int part), void *context);
/* The same with a thread for each part; false, and nothing was run, where not all threads are there in time. */
bool team_run_together(struct team *team, void (*task)(void *context, int thread), void *context);
/* Waits, within a task that runs together, until every thread is here. */
void team_meet(struct team *team);
/* Whether the threads are of this process; else, behind a fork(), nothing is to be run by them. */
bool team_is_here(const struct team *team);

/* error.c: fills error, where there is one; false. */
bool fail(edgecnn_error *error, int code, const char *format, ...);

#endif
