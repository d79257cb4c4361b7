// One request of a stage, and the table of stages.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"
#include "safetensors.hpp"

// Throw it where a stage does not exist for a case; the judge counts that as not tested. Any other exception is a failure.
struct Lacks : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Call {
    std::string prefix;  // where the stage runs: "" for the file, "seg0." for a segment, "rt.0." for a block of a stream
    json::Value facts;   // the field `case`: name, profile, options, voice and files
    Tensors inputs;      // the tensors that the stage reads, by full name

    // The full name of a tensor of this stage.
    std::string name(const std::string& local) const { return prefix + local; }

    // An input that a case may lack: under this stage's prefix, or of the whole file; nullptr where there is none.
    const Tensor* find(const std::string& local) const {
        auto found = inputs.find(name(local));
        if (found == inputs.end()) found = inputs.find(local);
        return found == inputs.end() ? nullptr : &found->second;
    }
    const Tensor& input(const std::string& local) const {
        if (const Tensor* tensor = find(local)) return *tensor;
        throw std::runtime_error("the inputs hold no " + name(local));
    }
    // A number among the options of the case, such as "protect".
    double option(const std::string& key, double otherwise) const {
        const json::Value* options = facts.get("options");
        const json::Value* value = options ? options->get(key) : nullptr;
        return value && value->kind == json::Value::Number ? value->number : otherwise;
    }
    // The path of a weight file by its role: voice, hubert, rmvpe_tensors, index_tensors, …
    std::string file(const std::string& role) const {
        const json::Value* files = facts.get("files");
        const json::Value* path = files ? files->get(role) : nullptr;
        if (!path) throw std::runtime_error("the case has no file " + role);
        return path->text;
    }
};

using Stage = Tensors (*)(const Call&);

extern const std::vector<std::pair<std::string, Stage>> STAGES;
