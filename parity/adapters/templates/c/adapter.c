/* An adapter of rvc-parity: one JSON line for each request on stdin, one for each answer on stdout.
 *
 * Nothing else may be printed to stdout; logs go to stderr. stages.c is the file to complete. */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>

static void full_name(char *into, size_t room, const Call *call, const char *local) {
    snprintf(into, room, "%s%s", call->prefix, local);
}

const Tensor *call_find(const Call *call, const char *local) {
    char name[256];
    full_name(name, sizeof name, call, local);
    const Tensor *tensor = tensors_find(&call->inputs, name);
    return tensor ? tensor : tensors_find(&call->inputs, local);
}

const Tensor *call_input(const Call *call, const char *local) {
    const Tensor *tensor = call_find(call, local);
    if (!tensor) fail("the inputs hold no %s", local);
    return tensor;
}

Tensor *call_output(Call *call, const char *local, const char *dtype, int rank, const size_t *shape) {
    char name[256];
    full_name(name, sizeof name, call, local);
    return tensors_add(&call->outputs, name, dtype, rank, shape);
}

double call_option(const Call *call, const char *key, double otherwise) {
    const Json *value = json_get(json_get(call->facts, "options"), key);
    return value && value->kind == JSON_NUMBER ? value->number : otherwise;
}

const char *call_file(const Call *call, const char *role) {
    const char *path = json_text(json_get(call->facts, "files"), role);
    if (!path) fail("the case has no file %s", role);
    return path;
}

static Result lack(const char *format, const char *detail) {
    fail(format, detail);
    return LACKING;
}

static Result run_stage(const Json *request) {
    const char *name = json_text(request, "stage"), *inputs = json_text(request, "inputs");
    const char *outputs = json_text(request, "outputs");
    Call call = {.prefix = json_text(request, "prefix"), .facts = json_get(request, "case")};
    if (!name || !inputs || !outputs || !call.prefix) return fail("the request lacks %s", "stage, prefix, inputs or outputs");
    const Stage *stage = NULL;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (!strcmp(STAGES[i].name, name) && STAGES[i].run) stage = &STAGES[i];
    if (!stage) return lack("this adapter has no stage %s", name);
    Result result = tensors_read(inputs, &call.inputs) ? stage->run(&call) : FAILED;
    if (result == DONE && !tensors_write(outputs, &call.outputs)) result = FAILED;
    tensors_free(&call.inputs);
    tensors_free(&call.outputs);
    return result;
}

static void hello(long long id) {
    const char *comma = "";
    printf("{\"id\":%lld,\"ok\":true,\"protocol\":\"rvc-parity/1\",\"name\":\"adapter.c\",\"version\":\"0.1\",\"stages\":[", id);
    for (size_t i = 0; i < STAGE_COUNT; i++)
        if (STAGES[i].run) {
            printf("%s", comma);
            json_quote(stdout, STAGES[i].name);
            comma = ",";
        }
    printf("],\"chain\":false,\"dtypes\":[\"float32\"],\"noise\":true}\n");
}

static void answer(const Json *request, const char *op) {
    const Json *number = json_get(request, "id");
    long long id = number ? (long long)number->number : -1;
    if (!strcmp(op, "hello")) {
        hello(id);
        return;
    }
    Result result = !strcmp(op, "run_stage") ? run_stage(request) : lack("this adapter does not implement %s", op);
    if (result == DONE) {
        printf("{\"id\":%lld,\"ok\":true}\n", id);
        return;
    }
    printf("{\"id\":%lld,\"ok\":false,\"%s\":", id, result == LACKING ? "lacks" : "error");
    json_quote(stdout, failure);
    printf("}\n");
}

/* The next line of stdin without its end; NULL at the end of the input. */
static char *next_line(void) {
    size_t size = 4096, n = 0;
    char *line = malloc(size);
    for (int c; line && (c = getchar()) != EOF;) {
        if (c == '\n') {
            line[n] = 0;
            return line;
        }
        line[n++] = (char)c;
        if (n == size) line = realloc(line, size *= 2);
    }
    free(line);
    return NULL;
}

int main(void) {
    for (char *line; (line = next_line()); free(line)) {
        Json *request = json_parse(line);
        const char *op = json_text(request, "op");
        if (!op) {
            fprintf(stderr, "a request is one line of JSON with the field op\n");
            return 1;
        }
        if (!strcmp(op, "bye")) return 0;
        answer(request, op);
        fflush(stdout);
        json_free(request);
    }
    return 0;
}
