#include "json.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at;
    int failed;
} Parser;

static Json *value(Parser *parser);

static void *room(void *old, size_t size) {
    void *fresh = realloc(old, size);
    if (!fresh) {
        fprintf(stderr, "no memory left\n");
        exit(1);
    }
    return fresh;
}

static char peek(Parser *parser) {
    while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\r' || *parser->at == '\n') parser->at++;
    return *parser->at;
}

static int take(Parser *parser, char letter) {
    if (peek(parser) != letter) return 0;
    parser->at++;
    return 1;
}

static unsigned hex(Parser *parser) {
    char digits[5] = "";
    for (int i = 0; i < 4; i++) {
        if (!*parser->at) {
            parser->failed = 1;
            return 0;
        }
        digits[i] = *parser->at++;
    }
    return (unsigned)strtoul(digits, NULL, 16);
}

static size_t encode(unsigned code, char *into) { /* as UTF-8; returns the number of bytes */
    if (code < 0x80) return into[0] = (char)code, 1;
    if (code < 0x800) return into[0] = (char)(0xc0 | code >> 6), into[1] = (char)(0x80 | (code & 63)), 2;
    if (code < 0x10000) {
        into[0] = (char)(0xe0 | code >> 12), into[1] = (char)(0x80 | (code >> 6 & 63)), into[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    into[0] = (char)(0xf0 | code >> 18), into[1] = (char)(0x80 | (code >> 12 & 63));
    into[2] = (char)(0x80 | (code >> 6 & 63)), into[3] = (char)(0x80 | (code & 63));
    return 4;
}

static char *string(Parser *parser) {
    size_t size = 32, n = 0;
    char *out = room(NULL, size);
    parser->at++;
    while (*parser->at != '"' && !parser->failed) {
        if (!*parser->at) {
            parser->failed = 1;
            break;
        }
        if (n + 8 > size) out = room(out, size *= 2);
        if (*parser->at != '\\') {
            out[n++] = *parser->at++;
            continue;
        }
        char letter = *++parser->at;
        if (letter) parser->at++;
        const char *from = "ntrbf", *to = "\n\t\r\b\f", *plain = letter ? strchr(from, letter) : NULL;
        if (letter == 'u') {
            unsigned code = hex(parser);
            if (code >= 0xd800 && code < 0xdc00 && parser->at[0] == '\\' && parser->at[1] == 'u') {
                parser->at += 2;
                code = 0x10000 + ((code - 0xd800) << 10) + ((hex(parser) - 0xdc00) & 0x3ff);
            }
            n += encode(code, out + n);
        } else {
            out[n++] = plain ? to[plain - from] : letter;
        }
    }
    if (!parser->failed) parser->at++;
    out[n] = 0;
    return out;
}

static void items(Parser *parser, Json *parent, char end) {
    Json **last = &parent->first;
    parser->at++;
    if (take(parser, end)) return;
    do {
        char *key = NULL;
        if (parent->kind == JSON_OBJECT) {
            if (peek(parser) != '"') {
                parser->failed = 1;
                return;
            }
            key = string(parser);
            if (!take(parser, ':')) parser->failed = 1;
        }
        *last = value(parser);
        (*last)->key = key;
        last = &(*last)->next;
    } while (!parser->failed && take(parser, ','));
    if (!take(parser, end)) parser->failed = 1;
}

static Json *value(Parser *parser) {
    Json *made = room(NULL, sizeof *made);
    *made = (Json){.kind = JSON_NULL};
    char letter = peek(parser);
    if (letter == '{') {
        made->kind = JSON_OBJECT;
        items(parser, made, '}');
    } else if (letter == '[') {
        made->kind = JSON_LIST;
        items(parser, made, ']');
    } else if (letter == '"') {
        made->kind = JSON_TEXT;
        made->text = string(parser);
    } else if (!strncmp(parser->at, "true", 4)) {
        made->kind = JSON_BOOL, made->number = 1, parser->at += 4;
    } else if (!strncmp(parser->at, "false", 5)) {
        made->kind = JSON_BOOL, parser->at += 5;
    } else if (!strncmp(parser->at, "null", 4)) {
        parser->at += 4;
    } else {
        char *end;
        made->kind = JSON_NUMBER;
        made->number = strtod(parser->at, &end);
        if (end == parser->at) parser->failed = 1;
        parser->at = end;
    }
    return made;
}

Json *json_parse(const char *text) {
    Parser parser = {text, 0};
    Json *made = value(&parser);
    if (parser.failed || peek(&parser)) {
        json_free(made);
        return NULL;
    }
    return made;
}

void json_free(Json *value) {
    while (value) {
        Json *next = value->next;
        json_free(value->first);
        free(value->text);
        free(value->key);
        free(value);
        value = next;
    }
}

const Json *json_get(const Json *object, const char *key) {
    for (const Json *field = object ? object->first : NULL; field; field = field->next)
        if (field->key && !strcmp(field->key, key)) return field;
    return NULL;
}

const char *json_text(const Json *object, const char *key) {
    const Json *field = json_get(object, key);
    return field && field->kind == JSON_TEXT ? field->text : NULL;
}

void json_quote(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        if ((unsigned char)*text < 0x20) fprintf(file, "\\u%04x", (unsigned char)*text);
        else fputc(*text, file);
    }
    fputc('"', file);
}
