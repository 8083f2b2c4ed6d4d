/* Opening a plan: choice of kernels, memory for all that runs. */
#include "dispatch.h"
#include "model_memory.h"

#include <string.h>

#ifdef EDGECNN_NO_THREADS
enum { MOST_THREADS = 1 };
#else
enum { MOST_THREADS = 64 };
#endif

/* Rows that an operation reads or writes at once: in a group that runs in order those of one row of its output. */
static size_t rows_at_once(const struct plan *plan, const struct plan_operation *o, bool in_order)
{
    size_t window = (size_t)(o->kernel_h > 0 ? o->kernel_h - 1 : 0) * o->dilation_h + 1;
    size_t all = plan->tensors[o->input[0]].height;
    if (in_order && (sums_rows(o) || !reads_all_rows(o)))
        return window;
    size_t stride = reads_all_rows(o) ? 1 : o->stride_h;
    size_t rows = (size_t)(plan->tensors[o->output].height - 1) * stride + window;
    return rows > all ? rows : all;
}

static size_t most_rows(const struct plan *plan)
{
    size_t most = 1;
    for (uint32_t i = 0; i < plan->header->groups; i++) {
        const struct plan_group *group = &plan->groups[i];
        for (uint32_t j = group->first; j < group->first + group->count; j++) {
            size_t rows = rows_at_once(plan, &plan->operations[j], group->flags & GROUP_IN_ORDER);
            most = rows > most ? rows : most;
        }
    }
    return most;
}

/* Bytes behind a section: kernels read past the last pixel, by vectors or, without these, by 16 channels. */
static size_t slack(const struct family *family) { return family->reads_bytes ? 16 : 256; }

static size_t most_operations(const struct plan *plan)
{
    size_t most = 1;
    for (uint32_t i = 0; i < plan->header->groups; i++)
        most = plan->groups[i].count > most ? plan->groups[i].count : most;
    return most;
}

static void lay_out_workers(edgecnn_model *model, struct memory *memory, int threads)
{
    size_t rows = most_rows(&model->plan), operations = most_operations(&model->plan);
    struct worker *workers = take(memory, (size_t)threads * sizeof *workers);
    for (int i = 0; i < threads; i++) {
        struct worker worker = {
            .scratch = take(memory, model->plan.header->scratch + slack(model->family)),
            .kernel_scratch = take(memory, model->family->scratch_bytes + slack(model->family)),
            .in = take(memory, rows * sizeof(void *)),
            .other = take(memory, rows * sizeof(void *)),
            .out = take(memory, rows * sizeof(void *)),
            .have = take(memory, operations * sizeof(int)),
            .need = take(memory, operations * sizeof(int)),
        };
        if (memory->base)
            workers[i] = worker;
    }
    model->workers = workers;
    model->threads = threads;
}

static void number_arrays(edgecnn_model *model, bool write)
{
    model->input_count = model->output_count = 0;
    for (uint32_t i = 0; i < model->plan.header->tensors; i++) {
        uint8_t storage = model->plan.tensors[i].storage;
        uint32_t slot = 0;
        if (storage == STORAGE_INPUT)
            slot = model->input_count++;
        if (storage == STORAGE_OUTPUT)
            slot = model->output_count++;
        if (write)
            model->slots[i] = slot;
    }
}

/* Places everything in the block, or counts its bytes. */
static void lay_out(edgecnn_model *model, struct memory *memory, int threads)
{
    const struct plan_header *header = model->plan.header;
    number_arrays(model, false);
    model->slots = take(memory, header->tensors * sizeof *model->slots);
    model->inputs = take(memory, (model->input_count + 1) * sizeof *model->inputs);
    model->outputs = take(memory, (model->output_count + 1) * sizeof *model->outputs);
    number_arrays(model, memory->base != NULL);
    model->arena = take(memory, header->arena + slack(model->family));
    lay_out_workers(model, memory, threads);
    prepare(model, memory);
}

static const struct family *choose_family(const edgecnn_options *options, edgecnn_error *error)
{
    const char *wanted = options ? options->kernels : NULL;
    for (int i = 0; families[i]; i++)
        if (families[i]->supported() && (wanted == NULL || strcmp(wanted, families[i]->name) == 0))
            return families[i];
    fail(error, EDGECNN_OPTION, "kernels '%s' are not in this library, or not for this processor",
         wanted ? wanted : "");
    return NULL;
}

static bool begin(edgecnn_model *model, const void *plan, size_t size, const edgecnn_options *options,
                  int *threads, edgecnn_error *error)
{
    *threads = options && options->threads ? options->threads : 1;
    if (plan == NULL)
        return fail(error, EDGECNN_PLAN, "no plan: a null pointer");
    if (*threads < 1 || *threads > MOST_THREADS)
        return fail(error, EDGECNN_OPTION, "%d threads, expected 1 to %d", *threads, MOST_THREADS);
    model->family = choose_family(options, error);
    return model->family && plan_check(plan, size, &model->plan, error);
}

/* The bytes in front of the block: the model itself. */
static size_t model_bytes(void) { return (sizeof(edgecnn_model) + 63) & ~(size_t)63; }

/* All bytes that the model needs; 0 where this processor cannot address them. */
static size_t count_bytes(edgecnn_model *model, int threads, edgecnn_error *error)
{
    struct memory counted = {0};
    lay_out(model, &counted, threads);
    if (counted.used < PTRDIFF_MAX - model_bytes() - 64)
        return model_bytes() + (size_t)counted.used;
    fail(error, EDGECNN_MEMORY, "out of memory: %llu bytes", (unsigned long long)counted.used);
    return 0;
}

size_t edgecnn_memory_size(const void *plan, size_t size, const edgecnn_options *options, edgecnn_error *error)
{
    edgecnn_model model = {0};
    int threads;
    return begin(&model, plan, size, options, &threads, error) ? count_bytes(&model, threads, error) : 0;
}

/* Zeroed memory, 64-byte aligned: the caller's, or the library's own. */
static uint8_t *get_block(size_t bytes, const edgecnn_options *options, void **allocated, edgecnn_error *error)
{
    if (options && options->memory) {
        if (options->memory_size < bytes || (uintptr_t)options->memory % 64) {
            fail(error, EDGECNN_MEMORY, "%zu bytes of memory, 64-byte aligned, are needed; %zu were given", bytes,
                 options->memory_size);
            return NULL;
        }
        memset(options->memory, 0, bytes);
        return options->memory;
    }
    *allocated = allocate(bytes + 64);
    if (*allocated == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: %zu bytes", bytes);
        return NULL;
    }
    return (uint8_t *)(((uintptr_t)*allocated + 63) & ~(uintptr_t)63);
}

edgecnn_model *edgecnn_open_memory(const void *plan, size_t size, const edgecnn_options *options,
                                   edgecnn_error *error)
{
    edgecnn_model opened = {.busy = ATOMIC_FLAG_INIT};
    int threads;
    if (!begin(&opened, plan, size, options, &threads, error))
        return NULL;
    size_t bytes = count_bytes(&opened, threads, error);
    uint8_t *block = bytes ? get_block(bytes, options, &opened.allocated, error) : NULL;
    if (block == NULL)
        return NULL;
    struct memory memory = {.base = block + model_bytes(), .guarded = opened.allocated != NULL};
    lay_out(&opened, &memory, threads);
    if (threads > 1 && (opened.team = team_open(threads)) == NULL) {
        release(opened.allocated);
        fail(error, EDGECNN_MEMORY, "%d threads cannot be started", threads);
        return NULL;
    }
    memcpy(block, &opened, sizeof opened);
    return (edgecnn_model *)block;
}

void edgecnn_close(edgecnn_model *model)
{
    if (model == NULL)
        return;
    void *allocated = model->allocated, *file = model->file;
    if (model->team)
        team_close(model->team);
    release(allocated);
    release(file);
}
