// safetensors files: eight bytes of header length, a JSON header, then the values, little endian and row-major.
// The machine must be little endian too.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"

// An array as it lies in a file; `values` converts it.
struct Tensor {
    std::string dtype;  // F32, F64, I64, I16 or F16
    std::vector<size_t> shape;
    std::string bytes;

    static Tensor of(const std::vector<size_t>& shape, const std::vector<float>& v) { return make("F32", shape, v); }
    static Tensor of(const std::vector<size_t>& shape, const std::vector<double>& v) { return make("F64", shape, v); }
    static Tensor of(const std::vector<size_t>& shape, const std::vector<int64_t>& v) { return make("I64", shape, v); }
    static Tensor of(const std::vector<size_t>& shape, const std::vector<int16_t>& v) { return make("I16", shape, v); }

    // The values of an F32 tensor, or of an F16 tensor widened.
    std::vector<float> f32() const {
        if (dtype == "F32") return copied<float>();
        if (dtype != "F16") throw std::runtime_error("a tensor is " + dtype + ", expected F32");
        std::vector<float> wide;
        for (uint16_t half : copied<uint16_t>()) wide.push_back(widened(half));
        return wide;
    }
    // The values of an F64 tensor, or of an F32 tensor widened.
    std::vector<double> f64() const {
        if (dtype == "F64") return copied<double>();
        std::vector<float> narrow = f32();
        return {narrow.begin(), narrow.end()};
    }
    std::vector<int64_t> i64() const {
        if (dtype != "I64") throw std::runtime_error("a tensor is " + dtype + ", expected I64");
        return copied<int64_t>();
    }

  private:
    template <class T>
    static Tensor make(const char* dtype, const std::vector<size_t>& shape, const std::vector<T>& values) {
        return {dtype, shape, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
    }
    template <class T>
    std::vector<T> copied() const {
        std::vector<T> values(bytes.size() / sizeof(T));
        if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
        return values;
    }
    static float widened(uint16_t half) {  // IEEE half precision as single precision, exactly
        float sign = half >> 15 ? -1.0f : 1.0f;
        int exponent = half >> 10 & 31, fraction = half & 1023;
        if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
        if (exponent == 31) return fraction ? NAN : sign * INFINITY;
        return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    }
};

using Tensors = std::map<std::string, Tensor>;  // full name → tensor

inline Tensors read_tensors(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + " cannot be read");
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    auto cut = [&] { return std::runtime_error(path + " is no complete safetensors file"); };
    uint64_t length = 0;
    if (bytes.size() < 8) throw cut();
    std::memcpy(&length, bytes.data(), 8);
    if (length > bytes.size() - 8) throw cut();
    json::Value header = json::parse(bytes.substr(8, length));
    Tensors tensors;
    for (const auto& [name, entry] : header.fields) {
        if (name == "__metadata__") continue;
        const json::Value *dtype = entry.get("dtype"), *shape = entry.get("shape"), *place = entry.get("data_offsets");
        if (!dtype || !shape || !place || place->items.size() != 2) throw cut();
        size_t from = 8 + length + static_cast<size_t>(place->items[0].number);
        size_t to = 8 + length + static_cast<size_t>(place->items[1].number);
        if (from > to || to > bytes.size()) throw cut();
        Tensor tensor{dtype->text, {}, bytes.substr(from, to - from)};
        for (const auto& size : shape->items) tensor.shape.push_back(static_cast<size_t>(size.number));
        tensors.emplace(name, std::move(tensor));
    }
    return tensors;
}

inline void write_tensors(const std::string& path, const Tensors& tensors) {
    std::string header = "{";
    size_t at = 0;
    for (const auto& [name, tensor] : tensors) {
        std::string shape;
        for (size_t size : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
        header += (at || header.size() > 1 ? "," : "") + json::quoted(name) + ":{\"dtype\":\"" + tensor.dtype +
                  "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(at) + "," +
                  std::to_string(at + tensor.bytes.size()) + "]}";
        at += tensor.bytes.size();
    }
    header += "}";
    while (header.size() % 8) header += ' ';
    uint64_t length = header.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), 8);
    file << header;
    for (const auto& entry : tensors) file << entry.second.bytes;
    file.close();
    if (!file) throw std::runtime_error(path + " cannot be written");
}
