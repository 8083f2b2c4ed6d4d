/* The rest of the C API: versions, kernels, inputs and outputs, running. */
#include "model.h"

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

int run_batch(edgecnn_model *model, int batch, const void *const *inputs, void *const *outputs, double *seconds,
              edgecnn_error *error)
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
