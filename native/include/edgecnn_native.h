/* edgecnn-native: runs a plan, a quantised convolutional network in one file, without a framework.
 *
 *     edgecnn_error error;
 *     edgecnn_model *model = edgecnn_open_file("model.int8.plan", NULL, &error);
 *     if (model == NULL) { puts(error.text); return 1; }
 *     const void *inputs[] = {image};             one pointer per input, batch x C x H x W
 *     void *outputs[] = {logits};
 *     if (edgecnn_run(model, 1, inputs, outputs, &error) != EDGECNN_OK) puts(error.text);
 *     edgecnn_close(model);
 *
 * A plan is data: it holds weights and a schedule, never machine code. It is checked in full when it
 * is opened, before a byte of it is used. After that runs allocate nothing. Several models may be open
 * at once; one model serves one call of edgecnn_run at a time, a second gets EDGECNN_BUSY. A process that
 * fork() made runs and closes an open model, in one thread.
 */
#ifndef EDGECNN_NATIVE_H
#define EDGECNN_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define EDGECNN_API __declspec(dllexport)
#else
#define EDGECNN_API __attribute__((visibility("default")))
#endif

enum {
    EDGECNN_OK = 0,
    EDGECNN_FILE = 1,    /* the file cannot be read, or is no regular file */
    EDGECNN_PLAN = 2,    /* not a plan, a damaged one, or one of a later version */
    EDGECNN_MEMORY = 3,  /* out of memory, or the caller's memory is too small */
    EDGECNN_OPTION = 4,  /* kernels or a number of threads that this machine or library lacks */
    EDGECNN_INPUT = 5,   /* a null pointer or a batch below 1 */
    EDGECNN_BUSY = 6     /* another thread runs this model */
};

enum { EDGECNN_UINT8 = 0, EDGECNN_FLOAT32 = 1 };

typedef struct edgecnn_model edgecnn_model;

typedef struct {
    int code;       /* EDGECNN_OK or what went wrong */
    char text[192]; /* one sentence, ended by a zero byte */
} edgecnn_error;

typedef struct {
    int threads;         /* 0: one */
    const char *kernels; /* NULL: the best for this processor; else a name of edgecnn_kernels */
    void *memory;        /* NULL: the library allocates; else edgecnn_memory_size bytes, 64-byte aligned */
    size_t memory_size;
} edgecnn_options;

/* An input or output of one image; every array has a batch axis in front. */
typedef struct {
    const char *name; /* lives as long as the model */
    int type;         /* EDGECNN_UINT8 or EDGECNN_FLOAT32 */
    int dimensions;   /* 1 for (channels), 3 for (channels, height, width) */
    int32_t shape[3];
    float scale; /* of an EDGECNN_UINT8 array: value = scale * (q - zero_point) */
    int32_t zero_point;
} edgecnn_tensor;

/* One layer's time, in order of execution; filled by edgecnn_profile. */
typedef struct {
    const char *name; /* of the tensor it writes */
    const char *kind; /* "convolution", "depthwise", ... */
    double seconds;
    double multiplications; /* multiply-accumulate operations of one image */
} edgecnn_layer;

/* The version of this library, "MAJOR.MINOR.PATCH", and the latest version of a plan that it reads. */
EDGECNN_API const char *edgecnn_version(void);
EDGECNN_API int edgecnn_plan_version(void);

/* Name of the index-th kernel family that this processor runs, best first; NULL after the last. */
EDGECNN_API const char *edgecnn_kernels(int index);

/* Both return NULL and fill error (which may be NULL) where the plan is refused. The bytes of
 * edgecnn_open_memory stay the caller's: unchanged, 64-byte aligned, and alive until edgecnn_close. */
EDGECNN_API edgecnn_model *edgecnn_open_file(const char *path, const edgecnn_options *options,
                                             edgecnn_error *error);
EDGECNN_API edgecnn_model *edgecnn_open_memory(const void *plan, size_t size,
                                               const edgecnn_options *options,
                                               edgecnn_error *error);
/* Bytes of memory that edgecnn_open_memory needs with these options; 0 where the plan is refused. A small
 * plan may need gigabytes: ask before a stranger's is opened. */
EDGECNN_API size_t edgecnn_memory_size(const void *plan, size_t size, const edgecnn_options *options,
                                       edgecnn_error *error);
EDGECNN_API void edgecnn_close(edgecnn_model *model);

/* The index-th input or output; 0 where there is none such. */
EDGECNN_API int edgecnn_input(const edgecnn_model *model, int index, edgecnn_tensor *tensor);
EDGECNN_API int edgecnn_output(const edgecnn_model *model, int index, edgecnn_tensor *tensor);
/* The kernel family in use, as edgecnn_kernels names it. */
EDGECNN_API const char *edgecnn_chosen_kernels(const edgecnn_model *model);

/* Runs a batch of images: one pointer per input and output, in the plan's order. */
EDGECNN_API int edgecnn_run(edgecnn_model *model, int batch, const void *const *inputs,
                            void *const *outputs, edgecnn_error *error);
/* Runs one image and times every layer, in one thread. Returns the number of layers, of which at most
 * `room` were written; below 0 where it failed. */
EDGECNN_API int edgecnn_profile(edgecnn_model *model, const void *const *inputs,
                                void *const *outputs, edgecnn_layer *layers, int room,
                                edgecnn_error *error);

#ifdef __cplusplus
}
#endif
#endif
