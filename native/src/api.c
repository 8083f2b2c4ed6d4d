/* The rest of the C API: files, inputs and outputs, running, profiling. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* The build gives the version that all distributions of edgecnn share. */
#ifndef EDGECNN_VERSION
#define EDGECNN_VERSION "0.0.0"
#endif

const char *edgecnn_version(void) { return EDGECNN_VERSION; }

int edgecnn_plan_version(void) { return PLAN_VERSION; }

const char *edgecnn_kernels(int index)
{
    for (int i = 0; families[i] && index >= 0; i++)
        if (families[i]->supported() && index-- == 0)
            return families[i]->name;
    return NULL;
}

const char *edgecnn_chosen_kernels(const edgecnn_model *model) { return model ? model->family->name : NULL; }

edgecnn_model *edgecnn_open_file(const char *path, const edgecnn_options *options, edgecnn_error *error)
{
    size_t size;
    void *file;
    const uint8_t *plan = read_file(path, &size, &file, error);
    if (plan == NULL)
        return NULL;
    edgecnn_model *model = edgecnn_open_memory(plan, size, options, error);
    if (model == NULL)
        free(file);
    else
        model->file = file;
    return model;
}

static const struct plan_tensor *find_tensor(const edgecnn_model *model, int storage, int index)
{
    for (uint32_t i = 0; i < model->plan.header->tensors && index >= 0; i++)
        if (model->plan.tensors[i].storage == storage && index-- == 0)
            return &model->plan.tensors[i];
    return NULL;
}

static int describe(const edgecnn_model *model, int storage, int index, edgecnn_tensor *described)
{
    const struct plan_tensor *tensor = model ? find_tensor(model, storage, index) : NULL;
    if (tensor == NULL || described == NULL)
        return 0;
    *described = (edgecnn_tensor){
        .name = model->plan.names + tensor->name,
        .type = tensor->type == TYPE_FLOAT32 ? EDGECNN_FLOAT32 : EDGECNN_UINT8,
        .dimensions = tensor->vector ? 1 : 3,
        .shape = {(int32_t)tensor->channels, (int32_t)tensor->height, (int32_t)tensor->width},
        .scale = tensor->scale,
        .zero_point = tensor->zero_point,
    };
    return 1;
}

int edgecnn_input(const edgecnn_model *model, int index, edgecnn_tensor *tensor)
{
    return describe(model, STORAGE_INPUT, index, tensor);
}

int edgecnn_output(const edgecnn_model *model, int index, edgecnn_tensor *tensor)
{
    return describe(model, STORAGE_OUTPUT, index, tensor);
}

static size_t image_bytes(const struct plan_tensor *tensor)
{
    size_t values = (size_t)tensor->channels * tensor->height * tensor->width;
    return values * (tensor->type == TYPE_FLOAT32 ? 4 : 1);
}

/* The addresses of the image-th image in the caller's arrays. */
static void point_at_image(edgecnn_model *model, int image, const void *const *inputs, void *const *outputs)
{
    for (uint32_t i = 0; i < model->plan.header->tensors; i++) {
        const struct plan_tensor *tensor = &model->plan.tensors[i];
        uint32_t slot = model->slots[i];
        size_t skipped = (size_t)image * image_bytes(tensor);
        if (tensor->storage == STORAGE_INPUT)
            model->inputs[slot] = (const uint8_t *)inputs[slot] + skipped;
        if (tensor->storage == STORAGE_OUTPUT)
            model->outputs[slot] = (uint8_t *)outputs[slot] + skipped;
    }
}

static bool arrays_are_there(const edgecnn_model *model, const void *const *inputs, void *const *outputs)
{
    bool there = inputs && outputs;
    for (uint32_t i = 0; there && i < model->input_count; i++)
        there = inputs[i] != NULL;
    for (uint32_t i = 0; there && i < model->output_count; i++)
        there = outputs[i] != NULL;
    return there;
}

/* Runs the images; `seconds`, where it is not NULL, gets the time of each operation. */
static int run_batch(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs,
                     double *seconds, edgecnn_error *error)
{
    if (model == NULL || batch < 1 || !arrays_are_there(model, inputs, outputs)) {
        fail(error, EDGECNN_INPUT, "a null pointer, or a batch of %d, expected at least 1", batch);
        return EDGECNN_INPUT;
    }
    if (atomic_flag_test_and_set_explicit(&model->busy, memory_order_acquire)) {
        fail(error, EDGECNN_BUSY, "another thread runs this model; open one model a thread");
        return EDGECNN_BUSY;
    }
    model->seconds = seconds;
    for (int image = 0; image < batch; image++) {
        point_at_image(model, image, inputs, outputs);
        run_groups(model);
    }
    atomic_flag_clear_explicit(&model->busy, memory_order_release);
    return EDGECNN_OK;
}

int edgecnn_run(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs,
                edgecnn_error *error)
{
    return run_batch(model, batch, inputs, outputs, NULL, error);
}

static const char *const KINDS[KERNELS_END] = {
    [OP_QUANTISE] = "quantise", [OP_DEQUANTISE] = "dequantise", [OP_CONVOLUTION] = "convolution",
    [OP_DEPTHWISE] = "depthwise", [OP_GROUPED] = "grouped", [OP_ADD] = "add", [OP_MULTIPLY] = "multiply",
    [OP_TABLE] = "table", [OP_MAX_POOL] = "max pool", [OP_AVERAGE_POOL] = "average pool",
    [OP_GLOBAL_POOL] = "global pool", [OP_COPY] = "copy", [OP_CHANNELS] = "channels", [OP_RESIZE] = "resize",
    [OP_PAD] = "pad", [OP_DEPTH_TO_SPACE] = "depth to space", [OP_BILINEAR] = "bilinear",
    [OP_RESPONSE_NORM] = "response norm", [OP_SOFTMAX] = "softmax", [OP_FUNCTION] = "function",
};

static double multiplications(const struct plan *plan, const struct plan_operation *o)
{
    if (o->code != OP_CONVOLUTION && o->code != OP_DEPTHWISE && o->code != OP_GROUPED)
        return 0;
    const struct plan_tensor *out = &plan->tensors[o->output];
    double depth = o->code == OP_DEPTHWISE ? 1 : (double)o->channels / o->channel_groups;
    return (double)out->height * out->width * o->output_channels * depth * o->kernel_h * o->kernel_w;
}

static edgecnn_layer layer_of(const edgecnn_model *model, int index, double seconds)
{
    const struct plan_operation *o = &model->plan.operations[index];
    return (edgecnn_layer){
        .name = model->plan.names + model->plan.tensors[o->output].name,
        .kind = KINDS[o->code],
        .seconds = seconds,
        .multiplications = multiplications(&model->plan, o),
    };
}

int edgecnn_profile(edgecnn_model *model, const void *const *inputs, void *const *outputs, edgecnn_layer *layers,
                    int room, edgecnn_error *error)
{
    if (model == NULL || room < 0 || (layers == NULL && room > 0)) {
        fail(error, EDGECNN_INPUT, "a null pointer, or room for %d layers", room);
        return -1;
    }
    int count = (int)model->plan.header->operations;
    double *seconds = calloc((size_t)count, sizeof *seconds);
    if (seconds == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: times of %d layers", count);
        return -1;
    }
    int code = run_batch(model, 1, inputs, outputs, seconds, error);
    for (int i = 0; code == EDGECNN_OK && i < count && i < room; i++)
        layers[i] = layer_of(model, i, seconds[i]);
    free(seconds);
    return code == EDGECNN_OK ? count : -1;
}
