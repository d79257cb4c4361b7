/* JSON as far as the protocol needs it: a parser into a tree, and quoted strings. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdio.h>

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT } JsonKind;

typedef struct Json {
    JsonKind kind;
    double number;       /* of a number; 0 or 1 of a bool */
    char *text;          /* of a text */
    char *key;           /* where it is a field of an object */
    struct Json *first;  /* of a list or an object: its items */
    struct Json *next;   /* the item after this one */
} Json;

Json *json_parse(const char *text);                            /* NULL where it is no JSON */
void json_free(Json *value);
const Json *json_get(const Json *object, const char *key);     /* NULL where there is no such field */
const char *json_text(const Json *object, const char *key);    /* NULL where the field is no text */
void json_quote(FILE *file, const char *text);

#endif
