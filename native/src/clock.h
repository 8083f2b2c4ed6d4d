/* Times of operations, which are measured while edgecnn_profile runs. Without a system, where
 * EDGECNN_FREESTANDING is defined, there is no clock. */
#ifndef EDGECNN_CLOCK_H
#define EDGECNN_CLOCK_H

#include "model.h"

/* profile.c */
double seconds_now(void);

static inline double layer_begins(const edgecnn_model *model)
{
#ifdef EDGECNN_FREESTANDING
    (void)model;
    return 0;
#else
    return model->seconds ? seconds_now() : 0;
#endif
}

static inline void layer_ends(edgecnn_model *model, int index, double began)
{
#ifdef EDGECNN_FREESTANDING
    (void)model, (void)index, (void)began;
#else
    if (model->seconds)
        model->seconds[index] += seconds_now() - began;
#endif
}

#endif
