// JSON as far as the protocol needs it: a parser into `json::Value`, and quoted strings.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace json {

struct Value {
    enum Kind { Null, Bool, Number, Text, List, Object } kind = Null;
    bool truth = false;
    double number = 0;
    std::string text;
    std::vector<Value> items;
    std::vector<std::pair<std::string, Value>> fields;

    // The field of an object; nullptr where there is none.
    const Value* get(const std::string& key) const {
        for (const auto& field : fields)
            if (field.first == key) return &field.second;
        return nullptr;
    }
};

inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", c);
            out += code;
        } else {
            out += static_cast<char>(c);
        }
    }
    return out + '"';
}

class Parser {
  public:
    explicit Parser(const std::string& text) : text_(text) {}

    Value parse() {
        Value value = read();
        blank();
        if (at_ != text_.size()) fail("the end");
        return value;
    }

  private:
    const std::string& text_;
    size_t at_ = 0;

    [[noreturn]] void fail(const char* expected) const {
        throw std::runtime_error(std::string("JSON: expected ") + expected + " at byte " + std::to_string(at_));
    }
    void blank() {
        while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_])) at_++;
    }
    char peek() {
        blank();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) {
        if (peek() != c) return false;
        at_++;
        return true;
    }
    Value word(const char* name, Value::Kind kind, bool truth) {
        if (text_.compare(at_, std::strlen(name), name)) fail("a value");
        at_ += std::strlen(name);
        Value value;
        value.kind = kind;
        value.truth = truth;
        return value;
    }
    Value read() {
        Value value;
        switch (peek()) {
            case '{':
                value.kind = Value::Object;
                at_++;
                if (take('}')) return value;
                do {
                    if (peek() != '"') fail("a key");
                    std::string key = string();
                    if (!take(':')) fail("':'");
                    value.fields.emplace_back(key, read());
                } while (take(','));
                if (!take('}')) fail("',' or '}'");
                return value;
            case '[':
                value.kind = Value::List;
                at_++;
                if (take(']')) return value;
                do value.items.push_back(read());
                while (take(','));
                if (!take(']')) fail("',' or ']'");
                return value;
            case '"':
                value.kind = Value::Text;
                value.text = string();
                return value;
            case 't':
                return word("true", Value::Bool, true);
            case 'f':
                return word("false", Value::Bool, false);
            case 'n':
                return word("null", Value::Null, false);
            default: {
                const char* start = text_.c_str() + at_;
                char* end = nullptr;
                value.kind = Value::Number;
                value.number = std::strtod(start, &end);
                if (end == start) fail("a value");
                at_ += static_cast<size_t>(end - start);
                return value;
            }
        }
    }
    unsigned hex() {
        if (at_ + 4 > text_.size()) fail("four digits");
        unsigned code = static_cast<unsigned>(std::strtoul(text_.substr(at_, 4).c_str(), nullptr, 16));
        at_ += 4;
        return code;
    }
    static void encode(unsigned code, std::string& out) {  // as UTF-8
        auto byte = [&](unsigned value) { out += static_cast<char>(value); };
        if (code < 0x80) {
            byte(code);
        } else if (code < 0x800) {
            byte(0xc0 | code >> 6), byte(0x80 | (code & 63));
        } else if (code < 0x10000) {
            byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
        } else {
            byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
        }
    }
    std::string string() {
        std::string out;
        for (at_++; at_ < text_.size() && text_[at_] != '"'; at_++) {
            if (text_[at_] != '\\') {
                out += text_[at_];
                continue;
            }
            if (++at_ >= text_.size()) fail("an escape");
            const char* plain = std::strchr("n\nt\tr\rb\bf\f", text_[at_]);
            if (text_[at_] == 'u') {
                at_++;
                unsigned code = hex();
                if (code >= 0xd800 && code < 0xdc00 && !text_.compare(at_, 2, "\\u")) {
                    at_ += 2;
                    code = 0x10000 + ((code - 0xd800) << 10) + ((hex() - 0xdc00) & 0x3ff);
                }
                encode(code, out);
                at_--;
            } else {
                out += plain && std::strchr("ntrbf", text_[at_]) ? plain[1] : text_[at_];
            }
        }
        if (at_ >= text_.size()) fail("'\"'");
        at_++;
        return out;
    }
};

inline Value parse(const std::string& text) { return Parser(text).parse(); }

}  // namespace json
