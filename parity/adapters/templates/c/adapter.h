/* One request of a stage, and the table of stages. */
#ifndef ADAPTER_H
#define ADAPTER_H

#include "json.h"
#include "safetensors.h"

typedef struct {
    const char *prefix; /* where the stage runs: "" for the file, "seg0." for a segment, "rt.0." for a block of a stream */
    const Json *facts;  /* the field `case`: name, profile, options, voice and files */
    Tensors inputs;     /* the tensors that the stage reads, by full name */
    Tensors outputs;    /* what it makes */
} Call;

typedef enum {
    FAILED, /* `failure` has the reason */
    DONE,
    LACKING /* the stage does not exist for this case, which is "not tested"; `failure` has the reason */
} Result;

typedef struct {
    const char *name;
    Result (*run)(Call *call); /* NULL for a stage that this adapter does not have */
} Stage;

extern const Stage STAGES[];
extern const size_t STAGE_COUNT;

const Tensor *call_find(const Call *call, const char *local);  /* an input that a case may lack; NULL where there is none */
const Tensor *call_input(const Call *call, const char *local); /* an input; NULL and `failure` where there is none */
Tensor *call_output(Call *call, const char *local, const char *dtype, int rank, const size_t *shape);
double call_option(const Call *call, const char *key, double otherwise); /* such as "protect" */
const char *call_file(const Call *call, const char *role); /* path of voice, hubert, rmvpe_tensors, index_tensors, …; or NULL */

#endif
